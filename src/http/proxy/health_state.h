/*
 * The health of servers, which the groups of several loops share: one loop at a time claims the
 * check of a server, and all see its result.
 *
 *   claim ─▶ check ─▶ note ─┬─▶ nobody may claim for an interval ─▶ claim …
 *                           └─▶ the version changes with the health: the groups follow it
 */
#ifndef HTTP_HEALTH_STATE_H
#define HTTP_HEALTH_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/http_proxy.h>

struct health_server;

/* Changes when the health of a server does. */
unsigned http_health_version(const struct weir_http_health *health);

/*
 * Finds or makes the server of a URL, and references it. A new one, with *ret_new, has the
 * health of `unhealthy`. Returns NULL without memory.
 */
struct health_server *http_health_join(
        struct weir_http_health *health, const char *url, bool unhealthy, bool *ret_new);

/*
 * Releases the reference, and the claim, if the caller has it. Returns whether the server was
 * unhealthy and this was its last reference.
 */
bool http_health_leave(struct weir_http_health *health, struct health_server *server, bool claimed);

bool http_health_is_bad(struct weir_http_health *health, const struct health_server *server);

/* Returns 0 if the caller is to check the server now, or the time until it may ask again. */
uint32_t http_health_claim(struct weir_http_health *health, struct health_server *server,
        int64_t now_ms, uint32_t interval_ms);

/* The caller has not checked the server that it has claimed; the next check is due later. */
void http_health_skip(
        struct weir_http_health *health, struct health_server *server, int64_t due_ms);

/* It has. Returns whether the health has changed. */
bool http_health_note(struct weir_http_health *health, struct health_server *server, bool good,
        const struct weir_http_check *check, int64_t due_ms);

#endif
