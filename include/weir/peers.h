/*
 * Peers: a table of the clients that are connected, with a bound on the connections of each.
 * Servers of several protocols, on several loops, can share a table.
 *
 * An IPv6 client is counted by its network of 64 bits, since it can use all addresses of that
 * network.
 */
#ifndef WEIR_PEERS_H
#define WEIR_PEERS_H

#include <stddef.h>

#include <weir/address.h>
#include <weir/api.h>

WEIR_C_BEGIN

struct weir_peers;

/*
 * Allows `each` connections of a peer, and `most` peers at a time. A 0 stands for
 * WEIR_PEER_CONNECTIONS_MAX or WEIR_PEERS_MAX. The caller gets one reference. Returns 0, -ENOMEM,
 * or an errno of getrandom.
 */
WEIR_API int weir_peers_create(unsigned each, size_t most, struct weir_peers **ret);

/* Changes `each`, for connections from here on (0: the default). Any thread. */
WEIR_API void weir_peers_set(struct weir_peers *peers, unsigned each);

/* Any thread. The last release frees. NULL may be released. */
WEIR_API struct weir_peers *weir_peers_hold(struct weir_peers *peers);
WEIR_API void weir_peers_release(struct weir_peers *peers);

/*
 * Counts a new connection of this peer. Returns 0: call weir_peers_leave at its end; WEIR_E_LIMIT
 * if the peer has reached its bound, or there are too many peers; or -ENOMEM. Any thread. A server
 * does both for its listener.
 */
WEIR_API int weir_peers_enter(struct weir_peers *peers, const struct weir_address *peer);
WEIR_API void weir_peers_leave(struct weir_peers *peers, const struct weir_address *peer);

/* The number of peers that are connected. */
WEIR_API size_t weir_peers_count(struct weir_peers *peers);

WEIR_C_END

#endif
