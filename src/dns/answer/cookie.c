/*
 * RFC 9018 4: version 1, the time it was made, and SipHash-2-4 over these, the client's cookie and
 * its address. A cookie is good for an hour, and is made anew after half of it.
 */
#include <string.h>

#include <openssl/crypto.h>

#include "cookie.h"
#include "name.h"

enum {
	VERSION = 1,
	GOOD_S = 60 * 60,
	FRESH_S = 30 * 60,
	AHEAD_S = 5 * 60, /* of a server whose clock is not ours */
	HASHED = DNS_COOKIE_CLIENT + 8 + 16,
};

/* `cookie` has the client's cookie and the first half of the server's; fills in the hash. */
static void dns_cookie_seal(const struct siphash_key *key, const struct weir_address *peer,
        uint8_t cookie[DNS_COOKIE_SIZE])
{
	uint8_t input[HASHED];
	size_t size = DNS_COOKIE_CLIENT + 8;
	memcpy(input, cookie, size);
	if (peer->any.sa_family == AF_INET6) {
		memcpy(input + size, &peer->v6.sin6_addr, 16);
		size += 16;
	} else {
		memcpy(input + size, &peer->v4.sin_addr, 4);
		size += 4;
	}
	uint64_t hash = htole64(siphash_24_64(key, input, size));
	memcpy(cookie + DNS_COOKIE_CLIENT + 8, &hash, sizeof hash);
}

static bool dns_cookie_is_ours(const struct dns_cookie_secrets *secrets, struct weir_span option,
        const struct weir_address *peer, unsigned which)
{
	uint8_t wanted[DNS_COOKIE_SIZE];
	memcpy(wanted, option.data, DNS_COOKIE_SIZE);
	dns_cookie_seal(&secrets->keys[which], peer, wanted);
	return CRYPTO_memcmp(wanted, option.data, DNS_COOKIE_SIZE) == 0;
}

/*
 * Stores the seconds since it was made, modulo 2^32 (RFC 1982). Returns false for a foreign cookie.
 */
static bool dns_cookie_check_server(const struct dns_cookie_secrets *secrets,
        struct weir_span option, const struct weir_address *peer, int64_t now_s, int32_t *ret_age,
        unsigned *ret_which)
{
	const uint8_t *server = (const uint8_t *)option.data + DNS_COOKIE_CLIENT;
	if (option.size != DNS_COOKIE_SIZE || server[0] != VERSION)
		return false;
	*ret_age = (int32_t)((uint32_t)now_s - dns_get32(server + 4));
	if (*ret_age > GOOD_S || *ret_age < -AHEAD_S)
		return false;
	for (*ret_which = 0; *ret_which < secrets->count; ++*ret_which)
		if (dns_cookie_is_ours(secrets, option, peer, *ret_which))
			return true;
	return false;
}

enum dns_cookie dns_cookie_check(const struct dns_cookie_secrets *secrets, struct weir_span option,
        const struct weir_address *peer, int64_t now_s, uint8_t ret[DNS_COOKIE_SIZE])
{
	int32_t age = 0;
	unsigned which = 0;
	if (option.size != DNS_COOKIE_CLIENT && (option.size < 16 || option.size > 40))
		return DNS_COOKIE_MALFORMED;
	bool valid = dns_cookie_check_server(secrets, option, peer, now_s, &age, &which);
	if (valid && which == 0 && age < FRESH_S) {
		memcpy(ret, option.data, DNS_COOKIE_SIZE);
		return DNS_COOKIE_VALID;
	}
	memcpy(ret, option.data, DNS_COOKIE_CLIENT);
	memset(ret + DNS_COOKIE_CLIENT, 0, 4);
	ret[DNS_COOKIE_CLIENT] = VERSION;
	dns_put32(ret + DNS_COOKIE_CLIENT + 4, (uint32_t)now_s);
	dns_cookie_seal(&secrets->keys[0], peer, ret);
	return valid ? DNS_COOKIE_VALID : DNS_COOKIE_CLIENT_ONLY;
}
