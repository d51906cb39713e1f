/*
 * The users of a file, and whether a password is theirs.
 *
 *   # name:hash of crypt(3)[:what else is known]
 *   alice:$y$j9T$…
 *   bob:$6$…:home=/srv/bob rights=read
 *   carol:!$y$j9T$…          locked: a hash beginning with `!` or `*` fits no password
 *   dave:$y$j9T$…:scram=SCRAM-SHA-256$65536:c2FsdA==$…:… home="/srv/da ve"
 *
 * What else is known is a list of key=value, spaces between; a value with a space in it stands in
 * double quotes. Keys that nobody asks for do no harm. `scram` is what SCRAM-SHA-256 needs instead
 * of the password, in the form of RFC 5803; weir passwd writes it.
 *
 * A snapshot is immutable and counted: a reload makes a new one, checks under way end on the old.
 * Any thread may hold, check (on its own loop) and release.
 *
 * crypt is slow on purpose. It runs on the work pool, WEIR_CRYPTS_MAX at a time, so that a flood of
 * logins leaves threads for other work; WEIR_CHECKS_MAX checks may be under way in the process, and
 * WEIR_CHECKS_NETWORK_MAX of one client's network (an IPv4 address or the /64 of IPv6). Networks take
 * turns. Suspects wait until nobody else does, and give up their slots to others when all are taken. A
 * password that was right is remembered for WEIR_VERIFIED_MS as a keyed hash (SipHash-2-4-128, the
 * key random and the snapshot's own), so that HTTP Basic does not pay for every request.
 */
#ifndef WEIR_USERS_H
#define WEIR_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/span.h>

struct weir_address;
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
 * Gives the name of the first user of the file who is not locked, as an example for a person to
 * try. False if there is none. The name is valid as long as the users are held.
 */
WEIR_API bool weir_users_first_name(const struct weir_users *users, struct weir_span *ret);

/*
 * The domains, up to NULL, at which every user may log in by an address, as alice@example.org; copied.
 * Before anybody else has the snapshot. 0 or -ENOMEM.
 */
WEIR_API int weir_users_set_domains(struct weir_users *users, const char *const *domains);

/*
 * The user that is meant by a name at a login: the one that is called so; else, of an address at one
 * of the domains, the one of the local part. If there is none, `name`. Valid as long as the snapshot
 * is held, and `name` is.
 */
WEIR_API struct weir_span weir_users_login_name(
        const struct weir_users *users, struct weir_span name);

/*
 * What follows the second colon of the user's line; false: no such user. Valid as long as the
 * snapshot is held.
 */
WEIR_API bool weir_users_rest(
        const struct weir_users *users, struct weir_span name, struct weir_span *ret);

/*
 * Of these the value of `key`, the first if there are several; false: no such user or key. Valid as
 * long as the snapshot is held.
 */
WEIR_API bool weir_users_value(const struct weir_users *users, struct weir_span name,
        struct weir_span key, struct weir_span *ret);

/* -- SCRAM ------------------------------------------------------------------------------------- */

/* What a server keeps of a password (RFC 5802 3): enough to check it, too little to use it. */
struct weir_scram {
	uint32_t iterations;
	uint32_t salt_size;
	unsigned char salt[WEIR_SCRAM_SALT_MAX];
	unsigned char stored_key[32];
	unsigned char server_key[32];
};

/* Characters of the form below, a NUL counted. */
#define WEIR_SCRAM_TEXT_MAX 256

/* SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey. 0 or WEIR_E_SYNTAX. */
WEIR_API int weir_scram_parse(struct weir_span text, struct weir_scram *ret);

/* The same the other way; ended by NUL. Returns the length. */
WEIR_API size_t weir_scram_format(const struct weir_scram *scram, char text[WEIR_SCRAM_TEXT_MAX]);

/* False: no such user, or locked, or there is none. */
WEIR_API bool weir_users_scram(
        const struct weir_users *users, struct weir_span name, struct weir_scram *ret);

/* That of the first user in the file who has one; false: nobody has. */
WEIR_API bool weir_users_first_scram(const struct weir_users *users, struct weir_scram *ret);

/* There is a user who can log in, and all who can have one. */
WEIR_API bool weir_users_all_scram(const struct weir_users *users);

/* -- checks ---------------------------------------------------------------------------------- */

/*
 * Embedded by the caller; needs no preparation. It must live until `done` is called or it is
 * cancelled.
 */
struct weir_check {
	struct weir_check_job *job; /* the library's own */
	void (*done)(struct weir_check *check, int error);
};

/*
 * Is this the user's password? Name and password are copied, and the copies erased; the caller's
 * are the caller's to erase. `done` is called exactly once, on `loop`: before this returns when the
 * answer is at hand, later if not. 0: it is. -EACCES: it is not, or no such user, or locked: the
 * time it takes does not tell which. WEIR_E_LIMIT: too many checks are under way. -ENOMEM, -EAGAIN:
 * the hash cannot be computed now, which says nothing about the password.
 *
 * All checks of a loop must be done or cancelled before the loop is destroyed.
 */
WEIR_API void weir_users_check(struct weir_users *users, struct weir_loop *loop,
        struct weir_check *check, struct weir_span name, struct weir_span password,
        void (*done)(struct weir_check *check, int error));

/* On whose behalf a password is checked. */
struct weir_check_client {
	const struct weir_address *address;
	bool suspect; /* the address has sent wrong passwords lately */
};

/*
 * Like weir_users_check, for a client; with NULL no network's share is asked for.
 * WEIR_E_LIMIT also when the client's network has its share already, or another network, or one that
 * is less suspect, has taken the slot.
 */
WEIR_API void weir_users_check_for(struct weir_users *users, struct weir_loop *loop,
        struct weir_check *check, const struct weir_check_client *client, struct weir_span name,
        struct weir_span password, void (*done)(struct weir_check *check, int error));

/* `done` is not called any more. Harmless when it was, or when the struct is all zero. */
WEIR_API void weir_check_cancel(struct weir_check *check);

#endif
