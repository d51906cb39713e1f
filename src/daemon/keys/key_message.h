/*
 * The messages between a server process and its key process, on pairs of SOCK_SEQPACKET sockets.
 *
 *   server ── request(id, kind, input, name, text) ──▶ key process   any thread of the server waits
 *   server ◀── reply(id, error, bytes) ────────────── key process
 *
 *   kind             the reply has
 *   KEY_SIGN         the signature of the input by a key of the configuration
 *   KEY_SIGN_STORED  the signature of the input by the key of a certificate in the database: `name`
 *                    and `text` are those of its row
 *   KEY_SEAL         the text of the secret `input` for the row `name` (weir/database_secrets.h)
 *   KEY_UNSEAL       the secret of the text
 *
 * The key process signs handshakes of TLS servers, and nothing else: a server that an attacker has
 * taken over cannot have it sign a certificate, a ticket or a mail. Secrets are sealed and unsealed
 * for the purposes of `key_purposes` alone: the server has these secrets anyway. Private keys, and
 * what the process that obtains certificates has stored, are sealed for other purposes.
 *
 * The text of a private key comes with each request. So no message is needed when rows change, or
 * when the key process was started again, and it needs no right to the database. It parses no key
 * that this `secret-key-file` has not sealed.
 */
#ifndef DAEMON_KEY_MESSAGE_H
#define DAEMON_KEY_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include <weir/limits.h>
#include <weir/span.h>

enum {
	KEY_MAGIC = 0x576b6579,
	KEY_SOCKETS = WEIR_WORK_THREADS, /* as many threads of the server wait at a time */
	KEY_INPUT_MAX = 256,             /* bytes to sign; TLS 1.2 with P-521 has 201 */
	KEY_NAME_MAX = 1024,
	KEY_TEXT_MAX = WEIR_DATABASE_SECRET_MAX / 3 * 4 + 128, /* in base64, with its overhead */
	KEY_BYTES_MAX = KEY_INPUT_MAX + KEY_NAME_MAX + KEY_TEXT_MAX,
	KEY_REPLY_MAX = 1024, /* a signature of RSA with 8,192 bits */
};

enum key_kind {
	KEY_SIGN,
	KEY_SIGN_STORED,
	KEY_SEAL,
	KEY_UNSEAL,
	KEY_KINDS,
};

enum key_digest {
	KEY_DIGEST_NONE, /* Ed25519 */
	KEY_SHA256,
	KEY_SHA384,
	KEY_SHA512,
	KEY_DIGESTS,
};

enum {
	KEY_PURPOSES = 3
};

/* The three parts follow it: the input, the name, the text. */
struct key_request {
	uint32_t magic; /* KEY_MAGIC */
	uint32_t id;
	uint8_t kind;       /* enum key_kind */
	uint8_t purpose;    /* to seal or unseal: an index in key_purposes */
	uint8_t digest;     /* to sign: enum key_digest */
	uint8_t pss;        /* RSA: 1 PSS, 0 PKCS #1 1.5 */
	uint16_t key;       /* KEY_SIGN: the index of the certificate in the configuration */
	uint16_t name_size; /* KEY_SIGN has no name */
	uint32_t input_size;
	uint32_t text_size;
};

struct key_received {
	struct key_request request;
	unsigned char bytes[KEY_BYTES_MAX];
};

struct key_reply {
	uint32_t magic;
	uint32_t id;
	int32_t error; /* 0; -EPERM: refused; or an error of weir_database_unseal */
	uint32_t size; /* 0 after an error */
	unsigned char bytes[KEY_REPLY_MAX];
};

#define KEY_REPLY_HEAD offsetof(struct key_reply, bytes)

/* The names of the digests; that of KEY_DIGEST_NONE is NULL. */
extern const char *const key_digests[KEY_DIGESTS];

extern const char *const key_purposes[KEY_PURPOSES];

/*
 * Checks a request of `size` bytes: its head, and that its input, if it is to be signed, is what a
 * server of TLS 1.3 (RFC 8446 4.4.3) or 1.2 (RFC 8422 5.4) signs. Returns 0 or -EPROTO.
 */
int key_request_check(const struct key_received *received, size_t size);

/* The parts of a request that was checked. */
struct weir_span key_request_input(const struct key_received *received);
struct weir_span key_request_name(const struct key_received *received);
struct weir_span key_request_text(const struct key_received *received);

/* Checks a reply of `size` bytes to the request `id`. Returns 0, or -EPROTO for another one. */
int key_reply_check(const struct key_reply *reply, size_t size, uint32_t id);

#endif
