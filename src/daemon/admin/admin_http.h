/*
 * HTTP on the admin listener: /metrics for monitoring systems, /status for people and programs, and
 * a page for browsers (status_page.h).
 *
 *   Unix socket ─ admin.c checks the peer ─ admin_http_adopt ─┐
 *                                                             ├─▶ the handlers
 *   address ─ a listener of its own ─ token or password ──────┘
 *
 * It is never part of a site. Everything here is for the main thread.
 */
#ifndef DAEMON_ADMIN_HTTP_H
#define DAEMON_ADMIN_HTTP_H

#include <stddef.h>

struct admin_http;
struct config_admin;
struct daemon_metrics;
struct weir_guard;
struct weir_loop;
struct worker;

struct admin_http_options {
	struct weir_loop *loop;
	struct weir_guard *guard;
	struct daemon_metrics *metrics;
	struct worker *const *workers;
	const unsigned *worker_count;
};

enum {
	ADMIN_HTTP_CONNECTIONS_MAX = 16, /* of the Unix socket, and of the address */
	ADMIN_HTTP_PROGRESS_MS = 30 * 1000,
	ADMIN_HTTP_IDLE_MS = 60 * 1000,
};

/* Returns 0 or a negative errno. */
int admin_http_create(const struct admin_http_options *options, struct admin_http **ret);

/*
 * Serves a connection of the Unix socket, whose peer has been checked. On success it belongs to
 * HTTP. Returns 0 or a negative error.
 */
int admin_http_adopt(struct admin_http *http, int fd);

/*
 * Listens at the address of the configuration instead of where it listened, or nowhere. Returns 0
 * or a negative errno, which was reported; then nothing has changed. Streams of the page end, so
 * that their clients have to prove again that they may read.
 */
int admin_http_listen(struct admin_http *http, const struct config_admin *config);

/* Closes all connections and frees. Call it before the workers' loops end. NULL is allowed. */
void admin_http_destroy(struct admin_http *http);

#endif
