/*
 * The certificates of the database, which all front ends show beside those of the configuration: a
 * name that one of them has is shown that one.
 *
 *   snapshot "certificates" ─▶ (pool) a weir_tls for each service ─▶ weir_tls_set_more
 *
 * A row that cannot be used is left out, or the one before of its name stays in use. A database
 * that is away leaves all of them in use; at a start those of the copy on disk are used then.
 * For the main thread.
 *
 * With a key process, private keys that `secret-key-file` encrypts are in the key process alone
 * (stored_signer.h). This process has read those that are stored as they are, so they stay here,
 * and it warns of them.
 */
#ifndef DAEMON_STORED_CERTIFICATES_H
#define DAEMON_STORED_CERTIFICATES_H

#include <stdbool.h>

#include <weir/database_snapshot.h>

#include "stored_expiries.h"

#include "config.h"

struct stored_certificates;
struct weir_loop;

/*
 * Follows the certificates; stores NULL if the configuration has the keys in files. Returns 0 or a
 * negative errno, which was reported.
 */
int stored_certificates_create(
        struct weir_loop *loop, const struct config *config, struct stored_certificates **ret);

/* Has the services of a configuration, which is held, show them. NULL is allowed. */
void stored_certificates_use(struct stored_certificates *certificates, struct config *config);

/* Returns false if nothing is followed. NULL is allowed. */
bool stored_certificates_info(
        const struct stored_certificates *certificates, struct weir_database_snapshot_info *ret);

/*
 * When the certificates in use expire: a reference, or NULL if there are none. NULL is allowed.
 */
struct stored_expiries *stored_certificates_expiries(struct stored_certificates *certificates);

/* Looks at the database now. NULL is allowed. */
void stored_certificates_poll(struct stored_certificates *certificates);

/* Call it before the loop leaves the database. NULL is allowed. */
void stored_certificates_destroy(struct stored_certificates *certificates);

#endif
