/*
 * A service: one protocol as the daemon runs it, in a file of its own (service_http.c).
 * services.c lists them, kinds.c the types of their listeners.
 *
 *   main thread:  load ─▶ content, for each worker    unload, as soon as it was handed over
 *   worker:       open(content) ─▶ server … update(server, another content) … close
 *
 * A content is what a configuration gives to all servers of the service on one worker, as HTTP's
 * sites. What may fail fails in load and open, while nothing has changed yet; the rest cannot.
 */
#ifndef DAEMON_SERVICE_H
#define DAEMON_SERVICE_H

#include <weir/address.h>
#include <weir/channel.h>
#include <weir/limits.h>

#include "config.h"
#include "resources.h"

struct dns_host;
struct forwarding;
struct weir_log;
struct kind;
struct weir_guard;
struct weir_loop;
struct weir_mail_sink;
struct weir_server;

/* How a server is opened. */
struct service_options {
	struct weir_loop *loop;
	const struct kind *kind;
	struct weir_address address;
	void *content; /* lent: the server takes holds of its own */
	struct weir_bounds bounds;
	struct weir_log *log;         /* outlives the server; NULL: none */
	struct weir_tls *tls;         /* for the kinds that may use it, if there are certificates */
	struct weir_guard *guard;     /* against guessing, of the process; outlives the server */
	struct weir_mail_sink *relay; /* of the process, as the guard; NULL: none */
	struct dns_host *dns;         /* of the process, too */
	struct forwarding *forwarding; /* of the worker; outlives the server */
	unsigned workers;              /* that there are */
	void (*accept_failed)(void *context, int error);
	void (*tls_failed)(void *context, const struct weir_address *peer, const char *why);
	void *context; /* for the callbacks */
};

/*
 * For print_commands: the first user of `users` who can log in, or "USER" if there is none. `users`
 * may be NULL. Returns `text`, filled.
 */
#define SERVICE_USER_SIZE (WEIR_USER_NAME_MAX + 1)
const char *service_example_user(const struct weir_users *users, char text[SERVICE_USER_SIZE]);

/* A file that every machine has, to be sent in an example. */
#define SERVICE_EXAMPLE_FILE "/etc/hostname"

/* For a protocol's callbacks of these names, whose context is the options of its server. */
void service_accept_failed(void *options, int error);
void service_tls_failed(void *options, const struct weir_address *peer, const char *why);

struct service_type {
	/*
	 * On the main thread; may block on the disk, and hold the configuration. Who begins in
	 * clear and upgrades finds its certificates in config->tls.of. 0 or a negative errno, which
	 * was said.
	 */
	int (*load)(struct config *config, struct shares shares, void **ret_content);
	/* On the worker's thread, or before it runs. */
	void (*unload)(void *content);

	/* Listens, shared with other workers (SO_REUSEPORT). 0 or a negative errno. */
	int (*open)(const struct service_options *options, void **ret_server);
	/*
	 * From the next request on it serves another content, and from the next handshake on with
	 * `tls`; both are lent. NULL if it was opened with none.
	 */
	void (*update)(void *server, void *content, struct weir_tls *tls);
	/*
	 * The zones of DNS are others, or all workers have taken a configuration, which may have other
	 * upstreams; NULL: it has nothing to do with DNS.
	 */
	void (*renew)(void *server);
	/* For the drain, which is the same for all. */
	struct weir_server *(*listener)(void *server);
	/* What is to end when the drain begins, besides; NULL: nothing. */
	void (*retire)(void *server);
	void (*close)(void *server);

	/* The banner: what is served, and commands to try it, each a line with two spaces before. */
	void (*print_content)(const struct config *config);
	void (*print_commands)(const struct config *config, const char *url);
};

#endif
