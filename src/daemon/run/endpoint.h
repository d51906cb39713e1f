/*
 * The addresses of the listeners. The main thread reserves them once for all workers: it finds out
 * whether an address is free, and which port the system chooses for port 0.
 */
#ifndef DAEMON_ENDPOINT_H
#define DAEMON_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/address.h>

#include "config.h"

struct endpoint {
	const struct listener_type *type;
	struct weir_address wanted; /* as configured */
	unsigned ordinal; /* among the listeners with the same address: port 0 may be given twice */
	struct weir_address actual; /* with the port that it really has */
	int reserved;               /* a socket that reserves it until the workers listen, or -1 */
	struct weir_policy *policy; /* a reference of the list; NULL: none */
};

struct endpoint_list {
	struct endpoint *items;
	size_t count;
};

/* Whether a server of one endpoint can go on as that of the other, from another configuration. */
bool endpoint_same(const struct endpoint *a, const struct endpoint *b);

/*
 * Makes the endpoints of a configuration. Those that `old` has, too, stay as they are. The others
 * are reserved, which fails if another program listens there. Returns 0 or a negative errno, which
 * was reported.
 */
int endpoints_reserve(
        const struct config *config, const struct endpoint_list *old, struct endpoint_list *ret);

/* Finds the endpoint whose port this one keeps. A port that is not 0 may change its type. */
const struct endpoint *endpoint_find(
        const struct endpoint_list *list, const struct endpoint *wanted);

/*
 * In a server process: makes the endpoints of a configuration whose sockets the master has. Returns
 * 0 or a negative errno.
 */
int endpoints_take(const struct config *config, struct endpoint_list *ret);

/* Returns the port of the first listener of a type; 0 if there is none. */
unsigned endpoints_port(const struct endpoint_list *list, const struct listener_type *type);

/* Closes the reserved sockets; call when all workers listen. */
void endpoints_unreserve(struct endpoint_list *list);

/* Writes the key of a worker's socket in a table, as "0 http 127.0.0.1:8080 0". */
#define ENDPOINT_KEY_SIZE (WEIR_ADDRESS_TEXT_MAX + 64)
void endpoint_key(const struct endpoint *endpoint, unsigned worker, char key[ENDPOINT_KEY_SIZE]);

/* Frees a list, which may be all zero and is so afterwards. */
void endpoints_free(struct endpoint_list *list);

#endif
