/*
 * Certificates that front ends obtain together by ACME (RFC 8555): a database (weir/database.h) has
 * small files, such as the key of the account, proofs of names and times, and a lease. The holder
 * of the lease alone changes the files, so that one front end orders at a time.
 *
 *   claim ─▶ load ─▶ store, again and again ─▶ release
 *               └─▶ others: a snapshot of the same rows (weir/database_snapshot.h)
 *
 * A lease ends by the database's clock. A front end that dies loses it by time. `store` renews it,
 * and changes nothing once another front end has it. A certificate that was obtained is a row of
 * weir/database_certificates.h.
 *
 * The functions are for the loop's thread. Each returns 0, or an error of weir_postgres_call_start:
 * then no callback comes. Before a migration has made the tables they end with WEIR_E_DATABASE.
 */
#ifndef WEIR_DATABASE_ACME_H
#define WEIR_DATABASE_ACME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/buffer.h>
#include <weir/database.h>
#include <weir/limits.h>
#include <weir/span.h>

WEIR_C_BEGIN

/* The version row in weir_snapshot, which each change raises. */
#define WEIR_DATABASE_ACME_SNAPSHOT "acme"

/*
 * The statement of a snapshot: "file" or "certificate"; the path, or the name; the content as it is
 * stored, or the chain; the key as it is stored, of a certificate; seconds since 1970.
 */
#define WEIR_DATABASE_ACME_SELECT                                                                  \
	"SELECT 'file', path, content, '', " WEIR_DATABASE_SECONDS(                                \
	        "changed") " FROM weir_acme_file UNION ALL"                                        \
	                   " SELECT 'certificate', name, chain, key, " WEIR_DATABASE_SECONDS(      \
	                           "stored") " FROM weir_certificate ORDER BY 1, 2"

/*
 * The end of a claim, as weir_database_done_fn; the error is -EBUSY if another front end has the
 * lease. `taken_over`: it was that of a front end that has not given it up.
 */
typedef void weir_database_acme_claim_fn(
        void *context, int error, const char *text, bool taken_over);

/* Takes the lease. */
WEIR_API int weir_database_acme_claim(struct weir_database *database, struct weir_loop *loop,
        uint32_t lease_s, weir_database_acme_claim_fn *done, void *context,
        struct weir_database_call **ret);

/* A row of WEIR_DATABASE_ACME_SELECT. Valid during the callback. */
typedef void weir_database_acme_row_fn(void *context, const struct weir_postgres_row *row);

/* Reports all rows; `again` makes those so far void. */
WEIR_API int weir_database_acme_load(struct weir_database *database, struct weir_loop *loop,
        weir_database_acme_row_fn *row, void (*again)(void *context), weir_database_done_fn *done,
        void *context, struct weir_database_call **ret);

/* Appends the content of a row of a file. Returns as weir_database_unseal. Any thread. */
WEIR_API int weir_database_acme_content(const struct weir_database *database, struct weir_span path,
        struct weir_span text, struct weir_buffer *content);

struct weir_database_acme_change {
	const char *name; /* the path of a file, or the name of a certificate */
	/* Of the file, or the chain of the certificate; `data` is NULL if the file goes. */
	struct weir_span content;
	struct weir_span key; /* the private key of a certificate; `data` is NULL: it is a file */
};

/*
 * Renews the lease, and makes the changes, WEIR_DATABASE_ACME_CHANGES_MAX at most, in one
 * transaction. It ends with -ESTALE if another front end has the lease: then nothing has changed.
 */
WEIR_API int weir_database_acme_store(struct weir_database *database, struct weir_loop *loop,
        uint32_t lease_s, const struct weir_database_acme_change *changes, unsigned count,
        weir_database_done_fn *done, void *context, struct weir_database_call **ret);

/* Gives the lease up. A store that is still under way ends with -ESTALE if it comes later. */
WEIR_API int weir_database_acme_release(struct weir_database *database, struct weir_loop *loop,
        weir_database_done_fn *done, void *context, struct weir_database_call **ret);

/* Gets the name of a zone; valid during the call. */
typedef void weir_database_acme_zone_fn(void *context, struct weir_span zone);

/*
 * Reports the innermost zone of the database (weir/database_zones.h) that has the name, if there is
 * one. The name is absolute and in lower case, such as "www.example.org.".
 */
WEIR_API int weir_database_acme_zone(struct weir_database *database, struct weir_loop *loop,
        const char *name, weir_database_acme_zone_fn *zone, weir_database_done_fn *done,
        void *context, struct weir_database_call **ret);

WEIR_C_END

#endif
