/*
 * A guard against guessing passwords: how long has an answer to wait, for what its address has got
 * wrong lately?
 *
 *   wrong     1    2    3    4    5    6 …
 *   waits    1 s  2 s  4 s  8 s 16 s 30 s
 *
 * One guard serves all protocols and all loops of a process. It counts by IPv4 address and by the
 * /64 of IPv6. What is right waits too, as long as the last wrong answer did, so that not waiting
 * tells nothing; every WEIR_GUARD_DECAY_MS one wrong answer is forgotten. Memory is fixed:
 * WEIR_GUARD_ADDRESSES_MAX addresses; among those that share a place the most harmless is
 * forgotten first. Everything here may be called by any thread.
 */
#ifndef WEIR_SASL_GUARD_H
#define WEIR_SASL_GUARD_H

#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>

struct weir_guard;

struct weir_guard_options {
	uint32_t first_ms; /* 0: WEIR_GUARD_FIRST_MS; doubled with each wrong one */
	uint32_t most_ms;  /* 0: WEIR_GUARD_MOST_MS */
	uint32_t decay_ms; /* 0: WEIR_GUARD_DECAY_MS */
};

/* NULL options: the defaults. 0, -ENOMEM, -EIO: no random key. */
WEIR_API int weir_guard_create(const struct weir_guard_options *options, struct weir_guard **ret);

/* NULL is allowed. */
WEIR_API void weir_guard_destroy(struct weir_guard *guard);

/* How long a right answer has to wait, in ms; mostly 0. `now_ms` as weir_loop_now_ms. */
WEIR_API uint32_t weir_guard_delay(
        struct weir_guard *guard, const struct weir_address *address, int64_t now_ms);

/* Counts a wrong one: how long has this answer to wait? */
WEIR_API uint32_t weir_guard_failed(
        struct weir_guard *guard, const struct weir_address *address, int64_t now_ms);

#endif
