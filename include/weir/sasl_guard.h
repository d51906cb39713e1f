/*
 * A guard against brute force: it delays answers to an address that has sent wrong passwords
 * lately.
 *
 *   wrong     1    2    3    4    5    6 …
 *   waits    1 s  2 s  4 s  8 s 16 s 30 s
 *
 * One guard serves all protocols and all loops of a process. It counts by network: an IPv4 address,
 * or the /64 of IPv6. The answer to a right password is delayed as long as the one to the last
 * wrong password, so that the delay reveals nothing. Every `decay_ms` the count is reduced by one.
 *
 * A user who has logged in from a network before is delayed there only by wrong passwords under the
 * user's own name: other users behind the same address cannot lock the user out. The guard
 * remembers such logins for WEIR_GUARD_KNOWN_MS, in memory.
 *
 * Memory is fixed: WEIR_GUARD_ADDRESSES_MAX networks and WEIR_GUARD_KNOWN_MAX pairs of user and
 * network. A full bucket of the hash table drops the network with the fewest wrong passwords, or
 * the user whose last login is longest ago. Any thread may call the functions of this header.
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

WEIR_C_BEGIN

struct weir_bans;
struct weir_guard;

/* Begin with weir_guard_options_init. */
struct weir_guard_options {
	bool enabled;       /* true; with false nothing is counted, and nothing delayed */
	unsigned threshold; /* wrong passwords without a delay; 0 up to WEIR_GUARD_THRESHOLD_MAX */
	uint32_t first_ms;  /* doubled with each wrong password; WEIR_GUARD_FIRST_MS */
	uint32_t most_ms;   /* WEIR_GUARD_MOST_MS; 0: no answer is delayed */
	uint32_t decay_ms;  /* WEIR_GUARD_DECAY_MS */
	/* Networks whose addresses are not counted; copied. */
	const struct weir_network *exempt;
	size_t exempt_count;
	/*
	 * Networks that have sent `ban_after` wrong passwords are banned for `ban_ms`. The guard
	 * borrows the list. NULL, or a `ban_after` of 0: nobody is banned.
	 */
	struct weir_bans *bans;
	unsigned ban_after; /* at most WEIR_GUARD_THRESHOLD_MAX */
	uint32_t ban_ms;
};

/* Sets every member to its default: those named above, and no exempt networks. */
WEIR_API void weir_guard_options_init(struct weir_guard_options *options);

/*
 * NULL options are the defaults. Returns 0; -EINVAL if decay_ms or first_ms is 0, for example
 * because the struct was not initialised; -ENOMEM; or -EIO if there is no random key.
 */
WEIR_API int weir_guard_create(const struct weir_guard_options *options, struct weir_guard **ret);

/* Sets other options; the counts stay. Returns 0, or -EINVAL or -ENOMEM: the old ones stay. */
WEIR_API int weir_guard_set(struct weir_guard *guard, const struct weir_guard_options *options);

/* NULL is allowed. */
WEIR_API void weir_guard_destroy(struct weir_guard *guard);

/* -- logins; `now_ms` as weir_loop_now_ms ------------------------------------------------------ */

/* Whether the network has sent wrong passwords lately, so that other logins should go first. */
WEIR_API bool weir_guard_suspects(struct weir_guard *guard, const struct weir_address *address,
        struct weir_span user, int64_t now_ms);

/* Remembers a right password. Returns the delay of the answer in ms; mostly 0. */
WEIR_API uint32_t weir_guard_passed(struct weir_guard *guard, const struct weir_address *address,
        struct weir_span user, int64_t now_ms);

/* Counts a wrong password. Returns the delay of the answer in ms. */
WEIR_API uint32_t weir_guard_failed(struct weir_guard *guard, const struct weir_address *address,
        struct weir_span user, int64_t now_ms);

/* -- the state --------------------------------------------------------------------------------- */

struct weir_guard_counters {
	uint64_t passed;  /* right passwords */
	uint64_t failed;  /* wrong ones */
	uint64_t delayed; /* answers to either that were delayed */
};

/* Any thread. */
WEIR_API void weir_guard_counters(struct weir_guard *guard, struct weir_guard_counters *ret);

struct weir_guard_entry {
	struct weir_network network;
	unsigned count;    /* of wrong passwords */
	uint32_t delay_ms; /* of the answer to the last of them */
};

/* Gets an entry, valid during the call; may use the guard. */
typedef void weir_guard_show_fn(void *context, const struct weir_guard_entry *entry);

/*
 * Calls `show` for every network with a count, in no order. Logins go on meanwhile, so that an
 * entry may be out of date when `show` returns.
 */
WEIR_API void weir_guard_each(
        struct weir_guard *guard, int64_t now_ms, weir_guard_show_fn *show, void *context);

/*
 * Resets the counts of all addresses in `network`, or with NULL all counts. Returns the number of
 * networks that had a count. Answers that are being delayed stay so.
 */
WEIR_API size_t weir_guard_clear(struct weir_guard *guard, const struct weir_network *network);

/*
 * Forgets the wrong passwords under the name of a user at the networks from which the user has
 * logged in before. Returns how many networks had a count for the user. The counts of these
 * networks stay.
 */
WEIR_API size_t weir_guard_clear_user(struct weir_guard *guard, struct weir_span user);

/* -- several processes ------------------------------------------------------------------------- */

/*
 * Processes that serve the same users can exchange their counts: each passes on
 * its own, and learns the sum of the others'. A delay, or a ban, is by both together.
 */

/* The count of a network. */
struct weir_guard_share {
	struct weir_network network;
	unsigned count;
	int64_t age_ms;  /* since it had that count */
	int64_t left_ms; /* until it is 0; of weir_guard_collect */
};

/*
 * Stores the networks whose own counts have grown since they were stored last, up to `room` of
 * them. Returns how many.
 */
WEIR_API size_t weir_guard_collect(
        struct weir_guard *guard, int64_t now_ms, struct weir_guard_share *ret, size_t room);

/*
 * Sets what the others have counted for a network, which is an IPv4 address or a /64 of IPv6. It is
 * reduced as the own counts are.
 */
WEIR_API void weir_guard_learn(
        struct weir_guard *guard, const struct weir_guard_share *share, int64_t now_ms);

WEIR_C_END

#endif
