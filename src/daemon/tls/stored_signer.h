/*
 * Signatures by the keys of certificates in the database, made in the key process: for a weir_tls,
 * it has the encrypted key of each certificate, and sends it with each request.
 *
 *   weir_tls ── sign(number) ──▶ stored_signer ── name, encrypted key, input ──▶ key process
 */
#ifndef DAEMON_STORED_SIGNER_H
#define DAEMON_STORED_SIGNER_H

#include <stddef.h>

#include <weir/span.h>
#include <weir/tls.h>

struct key_client;
struct stored_signer;

/* Holds the client, and copies the names and keys of the rows. Returns 0 or -ENOMEM. */
int stored_signer_create(struct key_client *client, size_t count, const char *const *names,
        const struct weir_span *keys, struct stored_signer **ret);

/* For weir_tls_options, with the signer as their context. NULL is allowed for the second. */
int stored_signer_sign(void *signer, const struct weir_tls_signing *signing,
        unsigned char *signature, size_t room, size_t *ret_size);
void stored_signer_release(void *signer);

/*
 * Returns the error of the last signature that has failed, as key_client_sign_stored; or 0. NULL is
 * allowed. Not while signatures are made.
 */
int stored_signer_error(const struct stored_signer *signer);

#endif
