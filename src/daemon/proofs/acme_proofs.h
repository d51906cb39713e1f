/*
 * Proofs that a name is ours, where the servers find them: files in the store's folder
 * `challenges`, which all workers of all server processes may read.
 *
 *   http-TOKEN   the key authorisation, for HTTP-01
 *   alpn-NAME    a certificate and its key in PEM, for TLS-ALPN-01
 *   dns-NAME     the text of the record _acme-challenge.NAME, a line each, for DNS-01
 */
#ifndef DAEMON_ACME_PROOFS_H
#define DAEMON_ACME_PROOFS_H

#include <stdbool.h>

#include <weir/buffer.h>
#include <weir/span.h>

#include "acme_message.h"

struct acme_store;
struct weir_http_handler;

enum {
	ACME_PROOF_MAX = 16 * 1024, /* bytes of such a file */
	ACME_AUTHORIZATION_SIZE = ACME_TOKEN_SIZE + 44,
};

/* -- by the process that obtains certificates -------------------------------------------------- */

/* Returns 0 or a negative errno. `authorization` is the key authorisation (RFC 8555 8.1). */
int acme_proof_put(const struct acme_store *store, enum acme_challenge_kind kind, const char *name,
        const char *token, struct weir_span authorization);
void acme_proof_remove(const struct acme_store *store, enum acme_challenge_kind kind,
        const char *name, const char *token);

/*
 * Removes the proofs that a process has left which was killed. Each of DNS-01 raises the serial of
 * its zone, as acme_order_withdraw does: otherwise servers and secondaries would retain it.
 */
void acme_proofs_clear(const struct acme_store *store);

/*
 * The name of a proof of DNS-01 by the path of its file in the store; NULL: it is another file.
 */
const char *acme_proof_dns_name(const char *path);

/* -- by servers -------------------------------------------------------------------------------- */

/* For weir_tls_options; the context is the path of the store's directory. */
int acme_proof_challenge(void *directory, const char *name, struct weir_buffer *pem);

/*
 * Creates the handler of /.well-known/acme-challenge/, which matches nothing else. `directory` is
 * the path of the store's directory and must outlive the handler. Returns NULL without memory.
 */
struct weir_http_handler *acme_proof_handler_create(const char *directory);

#endif
