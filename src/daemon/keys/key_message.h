/*
 * The messages between a server process and its key process, on pairs of SOCK_SEQPACKET sockets.
 *
 *   server ── request(id, key, input) ──▶ key process     any thread of the server waits
 *   server ◀── reply(id, signature) ──── key process
 *
 * The key process signs handshakes of TLS servers, and nothing else: a server that an attacker has
 * taken over cannot have it sign a certificate, a ticket or a mail.
 */
#ifndef DAEMON_KEY_MESSAGE_H
#define DAEMON_KEY_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include <weir/limits.h>

enum {
	KEY_MAGIC = 0x576b6579,
	KEY_SOCKETS = WEIR_WORK_THREADS, /* as many threads of the server wait at a time */
	KEY_INPUT_MAX = 256,             /* bytes to sign; TLS 1.2 with P-521 has 201 */
	KEY_SIGNATURE_MAX = 1024,        /* of RSA with 8,192 bits */
};

enum key_digest {
	KEY_DIGEST_NONE, /* Ed25519 */
	KEY_SHA256,
	KEY_SHA384,
	KEY_SHA512,
	KEY_DIGESTS,
};

struct key_request {
	uint32_t magic; /* KEY_MAGIC */
	uint32_t id;
	uint16_t key;   /* the index of the certificate in the configuration */
	uint8_t digest; /* enum key_digest */
	uint8_t pss;    /* RSA: 1 PSS, 0 PKCS #1 1.5 */
	uint32_t size;  /* of the input; the message ends with it */
	unsigned char input[KEY_INPUT_MAX];
};

#define KEY_REQUEST_HEAD offsetof(struct key_request, input)

struct key_reply {
	uint32_t magic;
	uint32_t id;
	uint32_t size; /* of the signature; 0: refused */
	unsigned char signature[KEY_SIGNATURE_MAX];
};

#define KEY_REPLY_HEAD offsetof(struct key_reply, signature)

/* The names of the digests; that of KEY_DIGEST_NONE is NULL. */
extern const char *const key_digests[KEY_DIGESTS];

/*
 * Checks a request of `size` bytes: its head, and that its input is what a server of TLS 1.3 (RFC
 * 8446 4.4.3) or 1.2 (RFC 8422 5.4) signs. Returns 0 or -EPROTO.
 */
int key_request_check(const struct key_request *request, size_t size);

/* Checks a reply of `size` bytes to the request `id`. Returns 0, or -EPROTO for another one. */
int key_reply_check(const struct key_reply *reply, size_t size, uint32_t id);

#endif
