/*
 * The users of a file, and whether a password is theirs.
 *
 *   # name:hash of crypt(3)[:anything]
 *   alice:$y$j9T$…
 *   bob:$6$…:home=/srv/bob
 *   carol:!$y$j9T$…          locked: a hash beginning with `!` or `*` fits no password
 *
 * A snapshot is immutable and counted: a reload makes a new one, checks under way end on the old.
 * Any thread may hold, check (on its own loop) and release.
 *
 * crypt is slow on purpose. It runs on the work pool, WEIR_CRYPTS_MAX at a time, so that a flood of
 * logins leaves threads for other work; WEIR_CHECKS_MAX checks may be under way in the process. A
 * password that was right is remembered for WEIR_VERIFIED_MS as a keyed hash (SipHash-2-4-128, the
 * key random and the snapshot's own), so that HTTP Basic does not pay for every request.
 */
#ifndef WEIR_USERS_H
#define WEIR_USERS_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/api.h>
#include <weir/span.h>

struct weir_loop;
struct weir_users;
struct weir_check;

/* -- the snapshot ---------------------------------------------------------------------------- */

/*
 * Reads and parses the file; blocks: for the start and for a reload on the work pool. Every mistake
 * is told to `report(context, line, text)` (NULL: to nobody), lines counted from 1, and 0 for the
 * file as a whole. Any mistake fails the whole: WEIR_E_SYNTAX. WEIR_E_LIMIT: more than
 * WEIR_USERS_MAX users or WEIR_USERS_FILE_MAX bytes. -ENOMEM, or another errno of reading.
 */
WEIR_API int weir_users_load(const char *path,
        void (*report)(void *context, unsigned line, const char *text), void *context,
        struct weir_users **ret);

/* The same from memory, which is copied. */
WEIR_API int weir_users_parse(struct weir_span text,
        void (*report)(void *context, unsigned line, const char *text), void *context,
        struct weir_users **ret);

WEIR_API struct weir_users *weir_users_hold(struct weir_users *users);

/* The last release frees, and erases. NULL is allowed. */
WEIR_API void weir_users_release(struct weir_users *users);

WEIR_API size_t weir_users_count(const struct weir_users *users);

/*
 * What follows the second colon of the user's line; false: no such user. Valid as long as the
 * snapshot is held.
 */
WEIR_API bool weir_users_rest(
        const struct weir_users *users, struct weir_span name, struct weir_span *ret);

/* -- checks ---------------------------------------------------------------------------------- */

/*
 * Embedded by the caller; needs no preparation. It must live until `done` is called or it is
 * cancelled.
 */
struct weir_check {
	struct check_job *job; /* the library's own */
	void (*done)(struct weir_check *check, int error);
};

/*
 * Is this the user's password? Name and password are copied, and the copies erased; the caller's
 * are the caller's to erase. `done` is called exactly once, on `loop`: before this returns when the
 * answer is at hand, later if not. 0: it is. -EACCES: it is not, or no such user, or locked: the
 * time it takes does not tell which. WEIR_E_LIMIT: too many checks are under way. -ENOMEM.
 *
 * All checks of a loop must be done or cancelled before the loop is destroyed.
 */
WEIR_API void weir_users_check(struct weir_users *users, struct weir_loop *loop,
        struct weir_check *check, struct weir_span name, struct weir_span password,
        void (*done)(struct weir_check *check, int error));

/* `done` is not called any more. Harmless when it was, or when the struct is all zero. */
WEIR_API void weir_check_cancel(struct weir_check *check);

#endif
