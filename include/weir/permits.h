/*
 * Permits: one bound on the connections of several servers, on any number of loops. A process has
 * one limit of open files; with permits no server needs a fixed part of it.
 *
 *   struct weir_permits *permits;
 *   weir_permits_create(10000, 16, &permits);
 *   options.listener.bounds.permits = permits;      (of each server)
 *
 * Each server has `reserved` permits of its own. For each channel beyond, it takes one of those
 * that all servers share. If none is left and a client connects, the server closes the longest idle
 * channel of its loop that uses these permits. If no channel there can be closed without harm, it
 * asks another loop to close one, and tries again WEIR_EVICT_AGAIN_MS later.
 *
 * Channels of weir_connect and weir_adopt take no permits.
 */
#ifndef WEIR_PERMITS_H
#define WEIR_PERMITS_H

#include <weir/api.h>

WEIR_C_BEGIN

struct weir_permits;

/*
 * `most` permits, of which each server reserves `reserved` for itself while it exists. `reserved`
 * may be 0; the product with the number of servers should be well below `most`. The caller gets one
 * reference. Returns 0 or -ENOMEM.
 */
WEIR_API int weir_permits_create(unsigned most, unsigned reserved, struct weir_permits **ret);

/*
 * Changes both numbers: `most` at once, `reserved` for servers that are created later. Any thread.
 */
WEIR_API void weir_permits_set(struct weir_permits *permits, unsigned most, unsigned reserved);

/* Any thread. The last release frees. NULL may be released. */
WEIR_API struct weir_permits *weir_permits_hold(struct weir_permits *permits);
WEIR_API void weir_permits_release(struct weir_permits *permits);

/*
 * Permits that are taken or reserved. They exceed `most` by one for each loop at the most, or when
 * `most` was lowered. Any thread.
 */
WEIR_API unsigned weir_permits_used(const struct weir_permits *permits);

WEIR_C_END

#endif
