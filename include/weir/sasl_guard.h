/*
 * A guard against guessing passwords (brute force): how long does an answer wait, for the wrong
 * passwords that its address has sent lately?
 *
 *   wrong     1    2    3    4    5    6 …
 *   waits    1 s  2 s  4 s  8 s 16 s 30 s
 *
 * One guard serves all protocols and all loops of a process. It counts by network: an IPv4 address,
 * or the /64 of IPv6. A right password waits too, as long as the last wrong one did, so that an early
 * answer tells the client nothing. Every `decay_ms` one wrong password is forgotten.
 *
 * A user who has logged in from a network before waits there only for wrong passwords under the
 * user's own name: other users behind the same address cannot lock the user out. That is remembered
 * for WEIR_GUARD_KNOWN_MS, in memory.
 *
 * Memory is fixed: WEIR_GUARD_ADDRESSES_MAX networks and WEIR_GUARD_KNOWN_MAX users of networks. Among
 * those that share a bucket the network with the fewest wrong passwords is forgotten first, and the
 * user whose last login is longest ago. Everything here may be called by any thread.
 */
#ifndef WEIR_SASL_GUARD_H
#define WEIR_SASL_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/network.h>
#include <weir/span.h>

struct weir_guard;

struct weir_guard_options {
	bool off; /* nothing is counted, and nothing waits */
	unsigned
	        threshold; /* wrong passwords that cost nothing, at most WEIR_GUARD_THRESHOLD_MAX */
	uint32_t first_ms; /* 0: WEIR_GUARD_FIRST_MS; doubled with each wrong one */
	uint32_t most_ms;  /* 0: WEIR_GUARD_MOST_MS */
	uint32_t decay_ms; /* 0: WEIR_GUARD_DECAY_MS */
	/* Networks whose addresses are not counted; copied. */
	const struct weir_network *exempt;
	size_t exempt_count;
};

/* NULL options: the defaults. Returns 0, -ENOMEM, or -EIO if there is no random key. */
WEIR_API int weir_guard_create(const struct weir_guard_options *options, struct weir_guard **ret);

/* Takes other options; what has been counted stays. Returns 0, or -ENOMEM: the old ones stay. */
WEIR_API int weir_guard_set(struct weir_guard *guard, const struct weir_guard_options *options);

/* NULL is allowed. */
WEIR_API void weir_guard_destroy(struct weir_guard *guard);

/* -- logins; `now_ms` as weir_loop_now_ms ------------------------------------------------------ */

/* Whether this login should let others go first: its network has sent wrong passwords lately. */
WEIR_API bool weir_guard_suspects(struct weir_guard *guard, const struct weir_address *address,
        struct weir_span user, int64_t now_ms);

/* Remembers a right password. Returns how long the answer waits, in ms; mostly 0. */
WEIR_API uint32_t weir_guard_passed(struct weir_guard *guard, const struct weir_address *address,
        struct weir_span user, int64_t now_ms);

/* Counts a wrong password. Returns how long the answer waits, in ms. */
WEIR_API uint32_t weir_guard_failed(struct weir_guard *guard, const struct weir_address *address,
        struct weir_span user, int64_t now_ms);

/* -- the state --------------------------------------------------------------------------------- */

struct weir_guard_entry {
	struct weir_network network;
	unsigned count;    /* wrong passwords that are not forgotten yet */
	uint32_t delay_ms; /* that the last of them waited */
};

/*
 * Shows every network that has a count, in no order. `show(context, entry)` may use the guard. Logins
 * go on meanwhile: an entry is as it was when it was shown.
 */
WEIR_API void weir_guard_each(struct weir_guard *guard, int64_t now_ms,
        void (*show)(void *context, const struct weir_guard_entry *entry), void *context);

/*
 * Forgets the wrong passwords of all addresses in `network`, or with NULL of all. Returns how many
 * networks had a count. Answers that wait already go on waiting.
 */
WEIR_API size_t weir_guard_clear(struct weir_guard *guard, const struct weir_network *network);

/*
 * Forgets the wrong passwords under the name of a user at the networks from which the user has logged in
 * before. Returns how many networks had a count for the user. The counts of these networks stay.
 */
WEIR_API size_t weir_guard_clear_user(struct weir_guard *guard, struct weir_span user);

#endif
