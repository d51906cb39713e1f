/*
 * Bans: networks whose clients are not served for a time. One list for all protocols and loops of a
 * process: a guard fills it (weir/sasl_guard.h), and so does the program. It is not stored on disk.
 */
#ifndef WEIR_BANS_H
#define WEIR_BANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/network.h>

WEIR_C_BEGIN

#define WEIR_BANS_MAX 1024 /* networks that are banned at a time */

struct weir_bans;

struct weir_ban {
	struct weir_network network;
	int64_t until_ms; /* as weir_loop_now_ms */
};

/* The caller gets one reference. Returns 0 or -ENOMEM. */
WEIR_API int weir_bans_create(struct weir_bans **ret);

/* Any thread may call all that follow. The last release frees. NULL may be held and released. */
WEIR_API struct weir_bans *weir_bans_hold(struct weir_bans *bans);
WEIR_API void weir_bans_release(struct weir_bans *bans);

/*
 * Bans a network until then; a ban that it has already is replaced if it ends earlier. Returns 0,
 * or WEIR_E_LIMIT if there are WEIR_BANS_MAX bans that have not ended.
 */
WEIR_API int weir_bans_add(struct weir_bans *bans, const struct weir_network *network,
        int64_t until_ms, int64_t now_ms);

/* Whether a network with this address is banned now. False with NULL bans. */
WEIR_API bool weir_bans_contain(
        struct weir_bans *bans, const struct weir_address *address, int64_t now_ms);

/* Ends the bans of just this network, or with NULL all. Returns how many had not ended. */
WEIR_API size_t weir_bans_clear(
        struct weir_bans *bans, const struct weir_network *network, int64_t now_ms);

/* Copies the bans that have not ended, up to `room` of them. Returns how many. */
WEIR_API size_t weir_bans_list(
        struct weir_bans *bans, struct weir_ban *ret, size_t room, int64_t now_ms);

WEIR_C_END

#endif
