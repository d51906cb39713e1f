/* The server process's side of its key process: signatures of TLS handshakes; sealed secrets. */
#ifndef DAEMON_KEY_CLIENT_H
#define DAEMON_KEY_CLIENT_H

#include <stdbool.h>

#include <weir/buffer.h>
#include <weir/span.h>
#include <weir/tls.h>

struct key_client;

/*
 * Opens the sockets that the table in effect has (link.h). The caller has one reference. Returns 0
 * or a negative errno.
 */
int key_client_create(struct key_client **ret);

struct key_client *key_client_hold(struct key_client *client);

/* For weir_tls_options, with the client as their context. */
int key_client_sign(void *client, const struct weir_tls_signing *signing, unsigned char *signature,
        size_t room, size_t *ret_size);
void key_client_release(void *client);

/*
 * The functions below may be called on any thread, and wait. They return 0; an error of
 * weir_database_unseal; -EPERM if the key process has refused; -EAGAIN if it does not reply; or
 * -EMSGSIZE if a part is longer than key_message.h allows.
 */

/* Signs by the key of a certificate in the database: `name` and `text` are those of its row. */
int key_client_sign_stored(struct key_client *client, struct weir_span name, struct weir_span text,
        const struct weir_tls_signing *signing, unsigned char *signature, size_t room,
        size_t *ret_size);

/* In place of weir_database_seal and weir_database_unseal, for the purposes of key_message.h. */
int key_client_seal(struct key_client *client, const char *purpose, struct weir_span name,
        struct weir_span secret, struct weir_buffer *text);
int key_client_unseal(struct key_client *client, const char *purpose, struct weir_span name,
        struct weir_span text, struct weir_buffer *secret);

/* Returns 0 if both have the same `secret-key-file`, or -EBADMSG. */
int key_client_compare(struct key_client *client, struct key_client *other);

#endif
