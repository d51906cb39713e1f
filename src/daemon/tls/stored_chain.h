/*
 * The facts of a chain in PEM that need no private key: when its first certificate expires, and for
 * which names it is. Any thread.
 */
#ifndef DAEMON_STORED_CHAIN_H
#define DAEMON_STORED_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/span.h>

/* Returns INT64_MAX for a text without a certificate in front, or without a readable date. */
int64_t stored_chain_expires_s(struct weir_span pem);

/*
 * Returns whether clients that ask for the name get the certificate: it has the name, or a wildcard
 * that matches. If not, appends all its names to `names`, with commas between them.
 */
bool stored_chain_is_for(struct weir_span pem, const char *name, struct weir_buffer *names);

#endif
