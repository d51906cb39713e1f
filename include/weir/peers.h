/*
 * Who is connected, and how often: a bound on the connections of one address, for all servers (and
 * loops) that share the table.
 *
 * One table may count for several protocols. An IPv6 client is its network of 64 bits, since it has
 * all the addresses of that.
 */
#ifndef WEIR_PEERS_H
#define WEIR_PEERS_H

#include <stddef.h>

#include <weir/address.h>
#include <weir/api.h>

struct weir_peers;

/*
 * At most `each` connections of a peer, and `most` peers at a time (0: WEIR_PEER_CONNECTIONS_MAX,
 * WEIR_PEERS_MAX). The caller has one hold. 0, -ENOMEM, or an errno of getrandom.
 */
WEIR_API int weir_peers_create(unsigned each, size_t most, struct weir_peers **ret);

/* Another bound for who comes from now on (0: the default). Any thread. */
WEIR_API void weir_peers_set(struct weir_peers *peers, unsigned each);

/* Any thread. The last release frees. NULL may be released. */
WEIR_API struct weir_peers *weir_peers_hold(struct weir_peers *peers);
WEIR_API void weir_peers_release(struct weir_peers *peers);

/*
 * A connection of this peer begins: 0, and weir_peers_leave is due; WEIR_E_LIMIT: it has enough of
 * them, or there are too many peers; -ENOMEM. Any thread.
 */
WEIR_API int weir_peers_enter(struct weir_peers *peers, const struct weir_address *peer);
WEIR_API void weir_peers_leave(struct weir_peers *peers, const struct weir_address *peer);

/* The peers that are connected now. */
WEIR_API size_t weir_peers_count(struct weir_peers *peers);

#endif
