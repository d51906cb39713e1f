/*
 * TSIG by OpenSSL's HMAC. The signed bytes are never contiguous (the previous MAC, the message
 * without the record, fields of the record), so that they are fed in pieces.
 *
 * Truncated MACs are refused; no common implementation sends them.
 */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <weir/error.h>

#include "name.h"
#include "tsig_mac.h"

static const struct {
	const char *text;
	const char *wire;
	const char *digest;
	size_t size;
} algorithms[] = {
        [WEIR_DNS_HMAC_SHA256] = {"hmac-sha256", "\013hmac-sha256", "SHA256", 32},
        [WEIR_DNS_HMAC_SHA512] = {"hmac-sha512", "\013hmac-sha512", "SHA512", 64},
        [WEIR_DNS_HMAC_SHA1] = {"hmac-sha1", "\011hmac-sha1", "SHA1", 20},
};

enum {
	ALGORITHMS = sizeof algorithms / sizeof *algorithms
};

bool weir_dns_tsig_algorithm(struct weir_span text, enum weir_dns_tsig_algorithm *ret)
{
	if (text.size && text.data[text.size - 1] == '.')
		text.size--;
	for (unsigned i = 0; i < ALGORITHMS; i++)
		if (weir_span_equal_nocase(text, weir_span_of(algorithms[i].text))) {
			*ret = (enum weir_dns_tsig_algorithm)i;
			return true;
		}
	return false;
}

/* -- HMAC -------------------------------------------------------------------------------------- */

struct dns_mac dns_mac_begin(const struct weir_dns_tsig_key *key)
{
	struct dns_mac mac = {.type = EVP_MAC_fetch(NULL, "HMAC", NULL)};
	OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
	                                   (char *)(uintptr_t)algorithms[key->algorithm].digest, 0),
	        OSSL_PARAM_construct_end()};
	mac.context = mac.type ? EVP_MAC_CTX_new(mac.type) : NULL;
	mac.failed = !mac.context ||
	             !EVP_MAC_init(mac.context, key->secret, key->secret_size, parameters);
	return mac;
}

void dns_mac_add(struct dns_mac *mac, const void *data, size_t size)
{
	if (!mac->failed && size)
		mac->failed = !EVP_MAC_update(mac->context, data, size);
}

bool dns_mac_end(struct dns_mac *mac, uint8_t ret[WEIR_DNS_MAC_MAX])
{
	size_t size;
	if (!mac->failed && ret)
		mac->failed = !EVP_MAC_final(mac->context, ret, &size, WEIR_DNS_MAC_MAX);
	EVP_MAC_CTX_free(mac->context);
	EVP_MAC_free(mac->type);
	return !mac->failed;
}

/* A request has no previous MAC. */
void dns_mac_add_previous(struct dns_mac *mac, const struct weir_dns_tsig *tsig)
{
	uint8_t size[2];
	if (!tsig->mac_size)
		return;
	dns_put16(size, tsig->mac_size);
	dns_mac_add(mac, size, sizeof size);
	dns_mac_add(mac, tsig->mac, tsig->mac_size);
}

void dns_mac_add_timers(struct dns_mac *mac, const struct weir_dns_tsig *tsig)
{
	uint8_t timers[8];
	dns_put48(timers, tsig->time_s);
	dns_put16(timers + 6, tsig->fudge_s);
	dns_mac_add(mac, timers, sizeof timers);
}

/* RFC 8945 4.3.3: names in canonical form. */
void dns_mac_add_variables(
        struct dns_mac *mac, const struct weir_dns_tsig *tsig, struct weir_span other)
{
	static const uint8_t fixed[6] = {0, 255}; /* class ANY, TTL 0 */
	struct weir_dns_name name = tsig->name, algorithm = tsig->algorithm;
	uint8_t rest[4];
	weir_dns_name_lower(&name);
	weir_dns_name_lower(&algorithm);
	dns_mac_add(mac, name.wire, name.size);
	dns_mac_add(mac, fixed, sizeof fixed);
	dns_mac_add(mac, algorithm.wire, algorithm.size);
	dns_mac_add_timers(mac, tsig);
	dns_put16(rest, tsig->error);
	dns_put16(rest + 2, (unsigned)other.size);
	dns_mac_add(mac, rest, sizeof rest);
	dns_mac_add(mac, other.data, other.size);
}

/* -- the record -------------------------------------------------------------------------------- */

int dns_tsig_read(struct weir_span message, size_t at, struct weir_dns_tsig *tsig,
        struct dns_tsig_record *ret)
{
	struct weir_dns_record record;
	if (weir_dns_record_read(message, &at, &record) < 0 ||
	        record.rr_class != WEIR_DNS_CLASS_ANY || record.ttl)
		return WEIR_E_SYNTAX;
	size_t from = record.at;
	if (weir_dns_name_read(message, &from, &tsig->algorithm) < 0)
		return WEIR_E_SYNTAX;
	size_t end = record.at + record.data.size;
	const uint8_t *data = (const uint8_t *)message.data;
	if (from > end || end - from < 10)
		return WEIR_E_SYNTAX;
	tsig->name = record.name;
	tsig->time_s = (uint64_t)dns_get16(data + from) << 32 | dns_get32(data + from + 2);
	tsig->fudge_s = dns_get16(data + from + 6);
	ret->mac = weir_span(data + from + 10, dns_get16(data + from + 8));
	from += 10;
	if (ret->mac.size > end - from || end - from - ret->mac.size < 6)
		return WEIR_E_SYNTAX;
	from += ret->mac.size;
	ret->original_id = dns_get16(data + from);
	tsig->error = dns_get16(data + from + 2);
	ret->other = weir_span(data + from + 6, dns_get16(data + from + 4));
	return ret->other.size == end - from - 6 ? 0 : WEIR_E_SYNTAX;
}

void dns_mac_add_message(struct dns_mac *mac, struct weir_span message, size_t at,
        const struct dns_tsig_record *record)
{
	uint8_t header[WEIR_DNS_HEADER_SIZE];
	memcpy(header, message.data, sizeof header);
	dns_put16(header, record->original_id);
	dns_put16(header + 10, dns_get16(header + 10) - 1u);
	dns_mac_add(mac, header, sizeof header);
	dns_mac_add(mac, message.data + sizeof header, at - sizeof header);
}

/* -- by algorithm ------------------------------------------------------------------------------ */

bool dns_mac_equal(const struct weir_dns_tsig_key *key, struct weir_span mac,
        const uint8_t wanted[WEIR_DNS_MAC_MAX])
{
	return mac.size == algorithms[key->algorithm].size &&
	       CRYPTO_memcmp(mac.data, wanted, mac.size) == 0;
}

size_t dns_mac_size(const struct weir_dns_tsig_key *key)
{
	return algorithms[key->algorithm].size;
}

void dns_tsig_set_algorithm(struct weir_dns_tsig *tsig, const struct weir_dns_tsig_key *key)
{
	const char *wire = algorithms[key->algorithm].wire;
	weir_dns_name_set(weir_span(wire, strlen(wire) + 1), &tsig->algorithm);
}

bool dns_tsig_algorithm_is(const struct weir_dns_tsig *tsig, const struct weir_dns_tsig_key *key)
{
	struct weir_dns_tsig known;
	dns_tsig_set_algorithm(&known, key);
	return weir_dns_name_equal(&known.algorithm, &tsig->algorithm);
}
