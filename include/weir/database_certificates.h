/*
 * Certificates in a database that several machines share (weir/database.h). A row has a name of the
 * operator's choice, the chain and the private key, which is a secret of weir/database_secrets.h. A
 * writer changes the version of the snapshot "certificates".
 *
 * The functions are for the loop's thread. Each returns 0, or an error of weir_postgres_call_start:
 * then no callback comes.
 */
#ifndef WEIR_DATABASE_CERTIFICATES_H
#define WEIR_DATABASE_CERTIFICATES_H

#include <stdint.h>

#include <weir/api.h>
#include <weir/buffer.h>
#include <weir/database.h>
#include <weir/span.h>

WEIR_C_BEGIN

/* The version row in weir_snapshot. */
#define WEIR_DATABASE_CERTIFICATES_SNAPSHOT "certificates"

/* The statement of a snapshot: the name, the chain, the key as it is stored, seconds since 1970. */
#define WEIR_DATABASE_CERTIFICATES_SELECT                                                          \
	"SELECT name, chain, key, " WEIR_DATABASE_SECONDS("stored") " FROM weir_certificate"       \
	                                                            " ORDER BY name"

/* Stores a certificate, in place of the one that has the name. Both texts are PEM. */
WEIR_API int weir_database_certificate_put(struct weir_database *database, struct weir_loop *loop,
        const char *name, struct weir_span chain, struct weir_span key, weir_database_done_fn *done,
        void *context, struct weir_database_call **ret);

/* Removes a certificate. It ends with -ENOENT if there is none. */
WEIR_API int weir_database_certificate_remove(struct weir_database *database,
        struct weir_loop *loop, const char *name, weir_database_done_fn *done, void *context,
        struct weir_database_call **ret);

/* Appends the private key of a row. Returns as weir_database_unseal. Any thread. */
WEIR_API int weir_database_certificate_key(const struct weir_database *database,
        struct weir_span name, struct weir_span text, struct weir_buffer *key);

/* A row. Valid during the callback. */
typedef void weir_database_certificate_fn(
        void *context, struct weir_span name, struct weir_span chain, int64_t stored_s);

/* Reports all certificates, in the order of their names; `again` makes those so far void. */
WEIR_API int weir_database_certificates_list(struct weir_database *database, struct weir_loop *loop,
        weir_database_certificate_fn *certificate, void (*again)(void *context),
        weir_database_done_fn *done, void *context, struct weir_database_call **ret);

WEIR_C_END

#endif
