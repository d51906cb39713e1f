/*
 * Secrets in a database (weir/database.h): how they are stored, and those that all front ends share
 * and that change with time, of session tickets and of DNS cookies.
 *
 *   previous    current     next        of the database's clock, in periods
 *   ────────────┼───────────┼────────
 *               in use ▲    known, so that all can read what is made with it
 *
 * The first front end that needs a secret makes it, by one conditional insert. Every one learns the
 * next secret during the period before, and changes to it without a word between them. While the
 * database is away, each goes on with what it has, or what its copy on disk has.
 */
#ifndef WEIR_DATABASE_SECRETS_H
#define WEIR_DATABASE_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/buffer.h>
#include <weir/database.h>
#include <weir/database_snapshot.h>
#include <weir/limits.h>
#include <weir/span.h>

WEIR_C_BEGIN

/* -- secrets as texts -------------------------------------------------------------------------- */

/* The purposes of rows, beside those of struct weir_database_secrets_options. */
#define WEIR_DATABASE_SEAL_ACME "acme"
#define WEIR_DATABASE_SEAL_CERTIFICATE "certificate"
#define WEIR_DATABASE_SEAL_TSIG "tsig"

/*
 * Without the key of weir_database_set_seal a secret is stored in base64. With it, it is encrypted
 * by AES-256-GCM:
 *
 *   sealed:BASE64(nonce of 12 bytes, ciphertext, tag of 16 bytes)
 *
 * The purpose and the name of the row are authenticated, so that two secrets cannot be exchanged.
 */

/*
 * Appends the text of a secret. Returns 0; WEIR_E_LIMIT if it has more than
 * WEIR_DATABASE_SECRET_MAX bytes; -ENOMEM; or -EAGAIN (no random bytes). Any thread.
 */
WEIR_API int weir_database_seal(const struct weir_database *database, const char *purpose,
        struct weir_span name, struct weir_span secret, struct weir_buffer *text);

/*
 * Appends the secret of a text. Texts that are not sealed are read with a key, too. Returns 0;
 * -ENOKEY if the text is sealed, and there is no key; -EBADMSG if this key has not sealed it, or
 * for another row; WEIR_E_SYNTAX; WEIR_E_LIMIT or -ENOMEM. Any thread.
 */
WEIR_API int weir_database_unseal(const struct weir_database *database, const char *purpose,
        struct weir_span name, struct weir_span text, struct weir_buffer *secret);

/*
 * Do so with a key, for a process that has no database. `text` of the second must be sealed.
 */
WEIR_API int weir_database_seal_by(const unsigned char key[WEIR_DATABASE_SEAL_SIZE],
        const char *purpose, struct weir_span name, struct weir_span secret,
        struct weir_buffer *text);
WEIR_API int weir_database_unseal_by(const unsigned char key[WEIR_DATABASE_SEAL_SIZE],
        const char *purpose, struct weir_span name, struct weir_span text,
        struct weir_buffer *secret);

/* Whether the text of a secret is encrypted, so that it may be in a copy on disk. */
WEIR_API bool weir_database_is_sealed(struct weir_span text);

/* Erases the bytes, and frees them. */
WEIR_API void weir_database_erase(struct weir_buffer *secret);

/* -- secrets that change with time ------------------------------------------------------------- */

struct weir_database_secrets;

struct weir_database_secret {
	unsigned char bytes[WEIR_DATABASE_SHARED_SECRET];
	/* The time since it came into use; negative: the time until then. */
	int64_t age_s;
};

/* Begin with weir_database_secrets_options_init. */
struct weir_database_secrets_options {
	const char *purpose; /* names the row; copied */
	uint32_t period_s;   /* the same on all front ends, for all time */
	/*
	 * The secrets, the newest first, WEIR_DATABASE_SECRETS_MAX at most. Called when they have
	 * come for the first time, when there are others, and when the next one comes into use.
	 */
	void (*changed)(void *context, const struct weir_database_secret *secrets, size_t count);
	/* They cannot be had; it is tried again. Called once, up to the next success. */
	void (*failed)(void *context, const char *why);
	/* Hears what is wrong with the copy. NULL: no reports. */
	void (*warn)(void *context, const char *text);
	/* The file of the copy of encrypted secrets (weir/database_copy.h); NULL: none. */
	const char *copy;
	void *context;
};

WEIR_API void weir_database_secrets_options_init(struct weir_database_secrets_options *options);

/*
 * Follows the secrets of a purpose, on the loop's thread; the database is held. Returns 0, or
 * -ENOMEM.
 */
WEIR_API int weir_database_secrets_create(struct weir_database *database, struct weir_loop *loop,
        const struct weir_database_secrets_options *options, struct weir_database_secrets **ret);

/* Reports on the secrets as on a snapshot without a version. */
WEIR_API void weir_database_secrets_info(
        const struct weir_database_secrets *secrets, struct weir_database_snapshot_info *ret);

/* Call it before the loop leaves the database. Erases the secrets. NULL is allowed. */
WEIR_API void weir_database_secrets_destroy(struct weir_database_secrets *secrets);

WEIR_C_END

#endif
