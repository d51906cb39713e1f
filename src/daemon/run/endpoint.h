/*
 * The addresses that are listened on, found out once by the main thread for all workers: whether an
 * address can be had, and which port it is when any would do.
 */
#ifndef DAEMON_ENDPOINT_H
#define DAEMON_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/address.h>

#include "config.h"

struct endpoint {
	const struct kind *kind;
	struct weir_address wanted; /* as configured */
	unsigned ordinal;           /* among those that are wanted as this one (port 0, twice) */
	struct weir_address actual; /* with the port it really has */
	int reserved; /* a socket that keeps it ours until the workers listen, or -1 */
};

struct endpoint_list {
	struct endpoint *items;
	size_t count;
};

bool endpoint_same_address(const struct weir_address *a, const struct weir_address *b);

/* Whether a server of the one is a server of the other, though configurations differ. */
bool endpoint_same(const struct endpoint *a, const struct endpoint *b);

/*
 * The endpoints of a configuration. Those that `old` has too keep their port; the others are
 * reserved, which fails when somebody else listens there: that was said. 0 or a negative errno.
 */
int endpoints_reserve(
        const struct config *config, const struct endpoint_list *old, struct endpoint_list *ret);

/* The port of the first one of a kind; 0: there is none. */
unsigned endpoints_port(const struct endpoint_list *list, const struct kind *kind);

/* Closes the sockets that were kept; when all workers listen. */
void endpoints_settle(struct endpoint_list *list);

/* Frees; all zero is allowed, and the result. */
void endpoints_free(struct endpoint_list *list);

#endif
