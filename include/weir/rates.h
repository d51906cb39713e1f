/*
 * Rates: how much each client, and each network of clients, may do in a second. Token buckets in
 * one table, which listeners of all protocols and loops may share.
 *
 * A bucket holds `burst` tokens when it is full, and gets `a_second` of them back each second. The
 * table is bounded (WEIR_RATES_BUCKETS); it forgets full buckets first, and else the fullest one
 * among a few. A client is an address of IPv4 or a /64 of IPv6, a network is a /24 or a /56.
 */
#ifndef WEIR_RATES_H
#define WEIR_RATES_H

#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/span.h>

WEIR_C_BEGIN

#define WEIR_RATES_BUCKETS 65536 /* of a table, 16 bytes each */
#define WEIR_RATE_MAX 1000000    /* the most in a second, and the largest burst */

struct weir_rates;

/* The kinds of tokens; each has its own buckets. */
enum weir_rate_kind {
	WEIR_RATE_CONNECTIONS,
	WEIR_RATE_REQUESTS,
	WEIR_RATE_NETWORK_CONNECTIONS,
	WEIR_RATE_NETWORK_REQUESTS,
	WEIR_RATE_KINDS,
};

struct weir_rate {
	uint32_t a_second; /* 0: no limit */
	uint32_t burst;    /* 0: as many as in a second */
	uint32_t period_s; /* in so many seconds instead of one, at most a day; 0: 1 */
};

/* The caller gets one reference. Returns 0, -ENOMEM, or -EIO without random bits. */
WEIR_API int weir_rates_create(struct weir_rates **ret);

/* Any thread. The last release frees. NULL may be held and released. */
WEIR_API struct weir_rates *weir_rates_hold(struct weir_rates *rates);
WEIR_API void weir_rates_release(struct weir_rates *rates);

/*
 * Takes a token of this peer. Returns 0, or the milliseconds until there is one. `now_ms` is as
 * weir_loop_now_ms. Any thread.
 */
WEIR_API uint32_t weir_rates_take(struct weir_rates *rates, enum weir_rate_kind kind,
        const struct weir_rate *rate, const struct weir_address *peer, int64_t now_ms);

/*
 * Takes a token of another key than a peer, such as a name; keys of different uses must differ.
 * Returns as weir_rates_take.
 */
WEIR_API uint32_t weir_rates_take_key(struct weir_rates *rates, const struct weir_rate *rate,
        struct weir_span key, int64_t now_ms);

WEIR_C_END

#endif
