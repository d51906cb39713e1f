/*
 * TSIG (RFC 8945): messages signed with a secret that both sides know.
 *
 *   verify the query ─▶ struct weir_dns_tsig ─▶ sign the reply, and each further one of a transfer
 *
 * A set of keys is immutable and reference counted; any thread may hold, use and release it.
 */
#ifndef WEIR_DNS_TSIG_H
#define WEIR_DNS_TSIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/dns_name.h>
#include <weir/limits.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_dns_keys;

enum weir_dns_tsig_algorithm {
	WEIR_DNS_HMAC_SHA256,
	WEIR_DNS_HMAC_SHA512,
	WEIR_DNS_HMAC_SHA1,
};

enum {
	WEIR_DNS_MAC_MAX = 64,
	WEIR_DNS_SECRET_MIN = 16, /* bytes of a new secret; shorter ones work, with a warning */
	WEIR_DNS_SECRET_MAX = 128,
	WEIR_DNS_TSIG_MAX = 420, /* bytes that a signature adds to a message at most */
};

struct weir_dns_tsig_key {
	struct weir_dns_name name;
	enum weir_dns_tsig_algorithm algorithm;
	uint8_t secret_size;
	uint8_t secret[WEIR_DNS_SECRET_MAX];
};

/*
 * Copies the keys. Returns 0, WEIR_E_LIMIT if there are more than WEIR_DNS_KEYS_MAX, WEIR_E_SYNTAX
 * if a name occurs twice, or -ENOMEM.
 */
WEIR_API int weir_dns_keys_create(
        const struct weir_dns_tsig_key *keys, size_t count, struct weir_dns_keys **ret);
WEIR_API struct weir_dns_keys *weir_dns_keys_hold(struct weir_dns_keys *keys);

/* The last release erases and frees the set. NULL is allowed. */
WEIR_API void weir_dns_keys_release(struct weir_dns_keys *keys);

/* Reads "hmac-sha256" and so on; the last dot may be missing. Returns false for other names. */
WEIR_API bool weir_dns_tsig_algorithm(struct weir_span text, enum weir_dns_tsig_algorithm *ret);

/* The state of a signed exchange of messages. */
struct weir_dns_tsig {
	const struct weir_dns_tsig_key
	        *key;              /* in the set of keys, which must be held; NULL: unknown */
	struct weir_dns_name name; /* as in the query, like `algorithm` */
	struct weir_dns_name algorithm;
	uint64_t time_s;
	uint16_t fudge_s;
	uint16_t error;    /* WEIR_DNS_BADSIG, BADKEY, BADTIME, BADTRUNC or 0 */
	uint16_t mac_size; /* of the previous message */
	uint8_t mac[WEIR_DNS_MAC_MAX];
};

/*
 * Checks a query whose TSIG record begins at `at`. `keys` may be NULL. Returns:
 *
 *   0                 the signature is good
 *   an error of TSIG  it is not; the reply must have the rcode NOTAUTH
 *   WEIR_E_SYNTAX     the record is malformed; the reply must be FORMERR and is not signed
 */
WEIR_API int weir_dns_tsig_verify(const struct weir_dns_keys *keys, struct weir_span message,
        size_t at, int64_t now_s, struct weir_dns_tsig *ret);

/*
 * Signs a message: adds the TSIG record at its end and counts it in the header. `following`: this
 * is not the first reply (RFC 8945 5.3.1). Returns the new size, or 0 without room or memory.
 */
WEIR_API size_t weir_dns_tsig_sign(struct weir_dns_tsig *tsig, uint8_t *message, size_t size,
        size_t room, int64_t now_s, bool following);

WEIR_C_END

#endif
