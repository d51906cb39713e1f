/*
 * The users of a file, and checks of their passwords.
 *
 *   # name:hash of crypt(3)[:attributes]
 *   alice:$y$j9T$…
 *   bob:$6$…:home=/srv/bob rights=read
 *   carol:!$y$j9T$…          locked: a hash beginning with `!` or `*` fits no password
 *   dave:$y$j9T$…:scram=SCRAM-SHA-256$65536:c2FsdA==$…:… home="/srv/da ve"
 *
 * Attributes are a list of key=value, separated by spaces; a value with a space in it is in double
 * quotes. Unknown keys are ignored. `scram` has the keys of SCRAM-SHA-256 in the form of RFC 5803;
 * weir passwd writes it.
 *
 * A snapshot is immutable and counts its references. A reload makes a new one; checks under way end
 * on the old one. Any thread may take a reference, check a password on its own loop, and release
 * it.
 *
 * crypt is slow on purpose. It runs on the work pool, WEIR_CRYPTS_MAX at a time, so that a flood of
 * logins leaves threads for other work. At most WEIR_CHECKS_MAX checks are under way in the
 * process, and WEIR_CHECKS_NETWORK_MAX for one network of clients (an IPv4 address or the /64 of
 * IPv6). Networks take turns. A suspect's check starts when no other waits, and gives up its slot
 * to another when all slots are taken.
 *
 * A right password is remembered for WEIR_VERIFIED_MS as a keyed hash (SipHash-2-4-128 with a
 * random key for each snapshot), so that HTTP Basic does not need crypt for every request.
 */
#ifndef WEIR_USERS_H
#define WEIR_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_address;
struct weir_loop;
struct weir_users;
struct weir_check;

/* -- the snapshot ---------------------------------------------------------------------------- */

/* A mistake in a line of a users file. Lines are counted from 1; 0 is the file as a whole. */
typedef void weir_users_report_fn(void *context, unsigned line, const char *text);

/*
 * Reads and parses the file. Blocks: call it at the start, or on the work pool. `report` is called
 * for every mistake; it may be NULL. Returns 0; WEIR_E_SYNTAX if there is any mistake; WEIR_E_LIMIT
 * if there are more than WEIR_USERS_MAX users or WEIR_USERS_FILE_MAX bytes; -ENOMEM; or an errno of
 * reading.
 */
WEIR_API int weir_users_load(
        const char *path, weir_users_report_fn *report, void *context, struct weir_users **ret);

/* Parses the text of such a file, which is copied. Returns as weir_users_load. */
WEIR_API int weir_users_parse(struct weir_span text, weir_users_report_fn *report, void *context,
        struct weir_users **ret);

WEIR_API struct weir_users *weir_users_hold(struct weir_users *users);

/* Releases one reference; the last release erases and frees the snapshot. NULL is allowed. */
WEIR_API void weir_users_release(struct weir_users *users);

WEIR_API size_t weir_users_count(const struct weir_users *users);

/*
 * Finds the first user of the file that is not locked, as an example for people to try. Returns
 * false if there is none. The name is valid as long as the snapshot.
 */
WEIR_API bool weir_users_first_name(const struct weir_users *users, struct weir_span *ret);

/*
 * Sets the domains, up to NULL, at which every user may log in by an address, as alice@example.org.
 * They are copied. Must be called before another thread has the snapshot. Returns 0 or -ENOMEM.
 */
WEIR_API int weir_users_set_domains(struct weir_users *users, const char *const *domains);

/*
 * Returns the name of the user that a login name means: the user of that name; otherwise, if it is
 * an address at one of the domains, the user of its local part; otherwise `name` itself. Valid as
 * long as the snapshot and `name`.
 */
WEIR_API struct weir_span weir_users_login_name(
        const struct weir_users *users, struct weir_span name);

/*
 * Gets the text behind the second colon of the user's line. Returns false if there is no such user.
 * Valid as long as the snapshot.
 */
WEIR_API bool weir_users_rest(
        const struct weir_users *users, struct weir_span name, struct weir_span *ret);

/*
 * Gets the value of an attribute, the first if there are several. Returns false if there is no such
 * user or key. Valid as long as the snapshot.
 */
WEIR_API bool weir_users_value(const struct weir_users *users, struct weir_span name,
        struct weir_span key, struct weir_span *ret);

/* -- SCRAM ------------------------------------------------------------------------------------- */

/*
 * The keys that a server stores for a password (RFC 5802 3): they check it, but do not contain it.
 */
struct weir_scram {
	uint32_t iterations;
	uint32_t salt_size;
	unsigned char salt[WEIR_SCRAM_SALT_MAX];
	unsigned char stored_key[32];
	unsigned char server_key[32];
};

/* Characters of the text form, with its NUL. */
#define WEIR_SCRAM_TEXT_MAX 256

/* Parses "SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey". Returns 0 or WEIR_E_SYNTAX. */
WEIR_API int weir_scram_parse(struct weir_span text, struct weir_scram *ret);

/* Writes that form, with a NUL. Returns the length. */
WEIR_API size_t weir_scram_format(const struct weir_scram *scram, char text[WEIR_SCRAM_TEXT_MAX]);

/* Returns false if there is no such user, if it is locked, or if it has no `scram`. */
WEIR_API bool weir_users_scram(
        const struct weir_users *users, struct weir_span name, struct weir_scram *ret);

/* Gets that of the first user in the file that has one. Returns false if there is none. */
WEIR_API bool weir_users_first_scram(const struct weir_users *users, struct weir_scram *ret);

/* Whether at least one user can log in, and all users who can have a `scram`. */
WEIR_API bool weir_users_all_scram(const struct weir_users *users);

/* -- checks ---------------------------------------------------------------------------------- */

/*
 * The answer to a check. It is called exactly once, on the loop: during the call if the answer is
 * known, otherwise later. `error` is
 *   0              the password is right
 *   -EACCES        it is wrong, or there is no such user, or the user is locked; how long the check
 *                  takes does not reveal which
 *   WEIR_E_LIMIT   too many checks are under way
 *   -ENOMEM, -EAGAIN   the hash cannot be computed now
 */
typedef void weir_check_done_fn(struct weir_check *check, int error);

/*
 * A check under way, embedded by the caller; needs no preparation. It must live until `done` is
 * called or the check is cancelled.
 */
struct weir_check {
	struct weir_check_job *job; /* private */
	weir_check_done_fn *done;
};

/*
 * Checks a password. Name and password are copied, and the copies are erased; the caller erases its
 * own. All checks of a loop must be done or cancelled before the loop is destroyed.
 */
WEIR_API void weir_users_check(struct weir_users *users, struct weir_loop *loop,
        struct weir_check *check, struct weir_span name, struct weir_span password,
        weir_check_done_fn *done);

/* The client that has sent the password. */
struct weir_check_client {
	const struct weir_address *address;
	bool suspect; /* the address has sent wrong passwords lately */
};

/*
 * Checks a password as weir_users_check does, for a client. WEIR_E_LIMIT also means that the
 * network of the client has used up its share, or that a check of another network has taken the
 * slot. A NULL `client` has no share of a network.
 */
WEIR_API void weir_users_check_for(struct weir_users *users, struct weir_loop *loop,
        struct weir_check *check, const struct weir_check_client *client, struct weir_span name,
        struct weir_span password, weir_check_done_fn *done);

/* Cancels `done`. Has no effect after it was called, or if the struct is all zero. */
WEIR_API void weir_check_cancel(struct weir_check *check);

WEIR_C_END

#endif
