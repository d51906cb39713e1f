/*
 * The network policy of listeners: the real addresses of peers, which of them are served, and how
 * much of each.
 *
 *   struct weir_policy_options options;
 *   weir_policy_options_init(&options);
 *   options.proxies = networks;
 *   options.proxy_count = count;
 *   weir_policy_create(&options, &policy);
 *   listener.policy = policy;
 *
 * A policy does not change once it was made, and listeners of any protocol and loop may share it.
 * weir_server_set_policy replaces the policy of a listener.
 */
#ifndef WEIR_POLICY_H
#define WEIR_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/network.h>
#include <weir/rates.h>

WEIR_C_BEGIN

struct weir_bans;
struct weir_channel;
struct weir_policy;

/* The field in which a trusted forwarder names its client. */
enum weir_forwarder_field {
	WEIR_FORWARDER_X_FORWARDED_FOR, /* with X-Forwarded-Proto */
	WEIR_FORWARDER_FORWARDED,       /* RFC 7239 */
};

struct weir_policy_options {
	/*
	 * Trusted proxies. A connection from one of these networks has to begin with a header of
	 * the PROXY protocol, version 1 or 2, also before TLS. The header's source is the address
	 * of the peer from there on: for weir_channel_peer, and for the bound of weir/peers.h. With
	 * LOCAL, UNKNOWN, or addresses that are not of TCP, the peer is the proxy. A header that is
	 * malformed, larger than WEIR_PROXY_HEADER_MAX, or not complete after WEIR_PROXY_HEADER_MS
	 * ends the connection without a reply, and the protocol is not called.
	 *
	 * To any other peer the listener is an ordinary one: a PROXY header is bad input then.
	 */
	const struct weir_network *proxies;
	size_t proxy_count;
	/*
	 * Trusted forwarders: proxies of HTTP that cannot speak the PROXY protocol, as those of a
	 * CDN. Each request of a peer in one of these networks is that of the client that
	 * `forwarder_field` names: for weir_http_peer, for `allow`, `deny`, bans and rates of
	 * requests. Others send whatever they like, so no other field is believed. The connection
	 * stays one of the forwarder: for weir_channel_peer, weir/peers.h and rates of connections.
	 * It is not closed because of `allow`, `deny` or a ban: HTTP refuses its requests instead
	 * (403). Only HTTP looks at requests, so policies of other protocols have no forwarders.
	 */
	const struct weir_network *forwarders;
	size_t forwarder_count;
	enum weir_forwarder_field forwarder_field;
	/*
	 * A peer in one of the networks of `deny` is not served. If there are networks in `allow`,
	 * only their peers are. The connection is closed as soon as the peer is known: when it was
	 * accepted, or when its PROXY header has come. The address of a trusted proxy is not looked
	 * at if it has named another peer.
	 */
	const struct weir_network *allow;
	size_t allow_count;
	const struct weir_network *deny;
	size_t deny_count;
	/* Networks that are not served for a time, as if `deny` had them. Held; NULL: none. */
	struct weir_bans *bans;
	/*
	 * Bounds connections and requests of a client, and of a network, in a second. A connection
	 * beyond is refused as one over weir/peers.h (weir_channel_over_quota). A request is one of
	 * HTTP, a message of SMTP, a login of POP3 and FTP, or a query of DNS. The protocol refuses
	 * those beyond: 429 with Retry-After, 450, -ERR, 421; by UDP with TC, by TCP with REFUSED.
	 * Held; NULL: no bounds.
	 */
	struct weir_rates *rates;
	struct weir_rate rate[WEIR_RATE_KINDS];
};

/* Sets every member to its default: everybody is served, without bounds. */
WEIR_API void weir_policy_options_init(struct weir_policy_options *options);

/* Copies the options. The caller gets one reference. Returns 0 or -ENOMEM. */
WEIR_API int weir_policy_create(
        const struct weir_policy_options *options, struct weir_policy **ret);

/* Any thread. The last release frees. NULL may be held and released. */
WEIR_API struct weir_policy *weir_policy_hold(struct weir_policy *policy);
WEIR_API void weir_policy_release(struct weir_policy *policy);

/* Whether a socket with this peer has to begin with a PROXY header. False with a NULL policy. */
WEIR_API bool weir_policy_trusts(const struct weir_policy *policy, const struct weir_address *peer);

/* Whether a peer is served, by `allow`, `deny` and bans. True with a NULL policy. */
WEIR_API bool weir_policy_admits(
        const struct weir_policy *policy, const struct weir_address *peer, int64_t now_ms);

/* Whether a peer is a trusted forwarder, and the field that it is believed in. */
WEIR_API bool weir_policy_forwards(
        const struct weir_policy *policy, const struct weir_address *peer);
WEIR_API enum weir_forwarder_field weir_policy_forwarder_field(const struct weir_policy *policy);

/*
 * Whether a connection is served: as weir_policy_admits; always that of a trusted forwarder, whose
 * requests are looked at one by one.
 */
WEIR_API bool weir_policy_admits_connection(
        const struct weir_policy *policy, const struct weir_address *peer, int64_t now_ms);

/*
 * Count a connection, or a request, by the rates. Return 0, or the milliseconds after which there
 * is room for one; 0 with a NULL policy. A server counts the connections of its listener itself.
 */
WEIR_API uint32_t weir_policy_count_connection(
        const struct weir_policy *policy, const struct weir_address *peer, int64_t now_ms);
WEIR_API uint32_t weir_policy_count_request(
        const struct weir_policy *policy, const struct weir_address *peer, int64_t now_ms);

/* For protocols: the policy of the channel's listener, borrowed for this turn; NULL: none. */
WEIR_API const struct weir_policy *weir_channel_policy(const struct weir_channel *channel);

/* For protocols: weir_policy_count_request of the channel's listener and peer. */
WEIR_API uint32_t weir_channel_count_request(const struct weir_channel *channel);

WEIR_C_END

#endif
