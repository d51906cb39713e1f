/*
 * EDNS (RFC 6891): the options of a query, cookies among them (RFC 7873), and the OPT record of its
 * reply. The room for the options is reserved before the answer is written. An extended error (RFC
 * 8914) is added if there is room left.
 */
#include <string.h>

#include <openssl/crypto.h>

#include "dns_codec.h"
#include "responder.h"

/* -- cookies (RFC 7873, RFC 9018) -------------------------------------------------------------- */

/*
 * A server's cookie (RFC 9018 4) has version 1, the time it was made, and SipHash-2-4 over these,
 * the client's cookie and its address. It is good for an hour, and is made anew after half of it.
 */
enum {
	COOKIE_VERSION = 1,
	GOOD_S = 60 * 60,
	FRESH_S = 30 * 60,
	AHEAD_S = 5 * 60, /* of a server whose clock is not ours */
	HASHED = DNS_COOKIE_CLIENT + 8 + 16,
};

/* `cookie` has the client's cookie and the first half of the server's; fills in the hash. */
static void edns_cookie_seal(const struct siphash_key *key, const struct weir_address *peer,
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

static bool edns_cookie_is_ours(const struct dns_cookie_secrets *secrets, struct weir_span option,
        const struct weir_address *peer, unsigned which)
{
	uint8_t wanted[DNS_COOKIE_SIZE];
	memcpy(wanted, option.data, DNS_COOKIE_SIZE);
	edns_cookie_seal(&secrets->keys[which], peer, wanted);
	return CRYPTO_memcmp(wanted, option.data, DNS_COOKIE_SIZE) == 0;
}

/*
 * Stores the seconds since it was made, modulo 2^32 (RFC 1982). Returns false for a foreign cookie.
 */
static bool edns_cookie_check_server(const struct dns_cookie_secrets *secrets,
        struct weir_span option, const struct weir_address *peer, int64_t now_s, int32_t *ret_age,
        unsigned *ret_which)
{
	const uint8_t *server = (const uint8_t *)option.data + DNS_COOKIE_CLIENT;
	if (option.size != DNS_COOKIE_SIZE || server[0] != COOKIE_VERSION)
		return false;
	*ret_age = (int32_t)((uint32_t)now_s - dns_get32(server + 4));
	if (*ret_age > GOOD_S || *ret_age < -AHEAD_S)
		return false;
	for (*ret_which = 0; *ret_which < secrets->count; ++*ret_which)
		if (edns_cookie_is_ours(secrets, option, peer, *ret_which))
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
	bool valid = edns_cookie_check_server(secrets, option, peer, now_s, &age, &which);
	if (valid && which == 0 && age < FRESH_S) {
		memcpy(ret, option.data, DNS_COOKIE_SIZE);
		return DNS_COOKIE_VALID;
	}
	memcpy(ret, option.data, DNS_COOKIE_CLIENT);
	memset(ret + DNS_COOKIE_CLIENT, 0, 4);
	ret[DNS_COOKIE_CLIENT] = COOKIE_VERSION;
	dns_put32(ret + DNS_COOKIE_CLIENT + 4, (uint32_t)now_s);
	edns_cookie_seal(&secrets->keys[0], peer, ret);
	return valid ? DNS_COOKIE_VALID : DNS_COOKIE_CLIENT_ONLY;
}

/* -- options ----------------------------------------------------------------------------------- */

enum {
	OPT_SIZE = 11, /* without options */
	OPTION_HEAD = 4,
	EDE_SIZE = 2,
	OPTIONS_MAX =
	        OPTION_HEAD * 4 + DNS_COOKIE_SIZE + WEIR_DNS_NSID_MAX + EDE_SIZE + WEIR_DNS_PADDING,
};

unsigned dns_response_options(struct dns_response *response)
{
	/* cppcheck-suppress ctuuninitvar; of what is not set nothing is read */
	const struct weir_dns_request *request = response->request;
	struct weir_span left = response->query.edns.options, data;
	uint16_t code;
	while (weir_dns_option_read(&left, &code, &data)) {
		if (code == WEIR_DNS_OPTION_NSID && response->responder->nsid_size) {
			response->nsid = true;
		} else if (code == WEIR_DNS_OPTION_PADDING) {
			response->padding = request->over == WEIR_DNS_OVER_TLS;
		} else if (code == WEIR_DNS_OPTION_COOKIE && !response->cookie) {
			enum dns_cookie cookie = dns_cookie_check(&response->responder->secrets,
			        data, request->peer, request->now_s, response->cookie_data);
			if (cookie == DNS_COOKIE_MALFORMED)
				return WEIR_DNS_FORMERR;
			response->cookie = true;
			response->outcome->address_validated |= cookie == DNS_COOKIE_VALID;
		}
	}
	return WEIR_DNS_NOERROR;
}

size_t dns_response_reserve(const struct dns_response *response)
{
	size_t size = response->outcome->is_signed ? WEIR_DNS_TSIG_MAX : 0;
	if (response->query.edns.present)
		size += OPT_SIZE;
	if (response->cookie)
		size += OPTION_HEAD + DNS_COOKIE_SIZE;
	if (response->nsid)
		size += OPTION_HEAD + response->responder->nsid_size;
	return size;
}

static uint8_t *edns_put_option(uint8_t *to, uint16_t code, const void *data, size_t size)
{
	dns_put16(to, code);
	dns_put16(to + 2, (unsigned)size);
	memcpy(to + OPTION_HEAD, data, size);
	return to + OPTION_HEAD + size;
}

/* Pads up to the next multiple of the block, or as far as there is room. */
static uint8_t *edns_put_padding(
        const struct dns_response *response, const uint8_t *options, uint8_t *to)
{
	static const uint8_t zeros[WEIR_DNS_PADDING];
	size_t size = response->writer.size + OPT_SIZE + (size_t)(to - options) + OPTION_HEAD;
	size_t padding = (WEIR_DNS_PADDING - size % WEIR_DNS_PADDING) % WEIR_DNS_PADDING;
	size_t left = response->writer.limit;
	if (size > left)
		return to;
	if (padding > left - size)
		padding = left - size;
	return edns_put_option(to, WEIR_DNS_OPTION_PADDING, zeros, padding);
}

void dns_response_put_opt(struct dns_response *response)
{
	const struct weir_dns_responder *responder = response->responder;
	const struct weir_dns_edns *edns = &response->query.edns;
	uint8_t options[OPTIONS_MAX], *to = options, error[EDE_SIZE];
	if (!edns->present)
		return;
	if (response->cookie)
		to = edns_put_option(
		        to, WEIR_DNS_OPTION_COOKIE, response->cookie_data, DNS_COOKIE_SIZE);
	if (response->nsid)
		to = edns_put_option(
		        to, WEIR_DNS_OPTION_NSID, responder->nsid, responder->nsid_size);
	size_t used = response->writer.size + OPT_SIZE + (size_t)(to - options);
	if (response->extended_error >= 0 &&
	        used + OPTION_HEAD + EDE_SIZE <= response->writer.limit) {
		dns_put16(error, (unsigned)response->extended_error);
		to = edns_put_option(to, WEIR_DNS_OPTION_ERROR, error, sizeof error);
	}
	if (response->padding)
		to = edns_put_padding(response, options, to);
	weir_dns_put_opt(&response->writer, responder->udp_size, response->rcode, edns->dnssec,
	        weir_span(options, (size_t)(to - options)));
}
