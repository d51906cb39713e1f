/* The server process's side of its key process: signatures of TLS handshakes. */
#ifndef DAEMON_KEY_CLIENT_H
#define DAEMON_KEY_CLIENT_H

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

#endif
