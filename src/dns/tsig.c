/*
 * TSIG by OpenSSL's HMAC. What is signed never lies in one stretch (the MAC before, the message as it
 * was without the record, the record's own fields), so that it is fed in pieces.
 *
 * Leaves out truncated MACs: they are refused as RFC 8945 5.2.4 has it, whole ones are what everybody
 * sends.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <weir/dns_message.h>
#include <weir/dns_tsig.h>
#include <weir/error.h>

#include "name.h"

struct weir_dns_keys {
	atomic_uint references;
	size_t count;
	struct weir_dns_tsig_key keys[];
};

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
	ALGORITHMS = sizeof algorithms / sizeof *algorithms,
	FUDGE_S = 300,
	MAC_MIN = 10 /* bytes, of those that are cut */
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

/* -- keys -------------------------------------------------------------------------------------- */

static const struct weir_dns_tsig_key *find(
        const struct weir_dns_keys *keys, const struct weir_dns_name *name)
{
	for (size_t i = 0; keys && i < keys->count; i++)
		if (weir_dns_name_equal(&keys->keys[i].name, name))
			return &keys->keys[i];
	return NULL;
}

int weir_dns_keys_create(
        const struct weir_dns_tsig_key *keys, size_t count, struct weir_dns_keys **ret)
{
	if (count > WEIR_DNS_KEYS_MAX)
		return WEIR_E_LIMIT;
	struct weir_dns_keys *set = calloc(1, sizeof *set + count * sizeof *keys);
	if (!set)
		return -ENOMEM;
	atomic_init(&set->references, 1);
	for (; set->count < count; set->count++) {
		if (find(set, &keys[set->count].name)) {
			weir_dns_keys_release(set);
			return WEIR_E_SYNTAX;
		}
		set->keys[set->count] = keys[set->count];
		weir_dns_name_lower(&set->keys[set->count].name);
	}
	*ret = set;
	return 0;
}

struct weir_dns_keys *weir_dns_keys_hold(struct weir_dns_keys *keys)
{
	atomic_fetch_add_explicit(&keys->references, 1, memory_order_relaxed);
	return keys;
}

void weir_dns_keys_release(struct weir_dns_keys *keys)
{
	if (!keys || atomic_fetch_sub_explicit(&keys->references, 1, memory_order_acq_rel) != 1)
		return;
	explicit_bzero(keys->keys, keys->count * sizeof *keys->keys);
	free(keys);
}

/* -- HMAC -------------------------------------------------------------------------------------- */

struct mac {
	EVP_MAC *type;
	EVP_MAC_CTX *context;
	bool failed;
};

static struct mac mac_begin(const struct weir_dns_tsig_key *key)
{
	struct mac mac = {.type = EVP_MAC_fetch(NULL, "HMAC", NULL)};
	OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
	                                   (char *)(uintptr_t)algorithms[key->algorithm].digest, 0),
	        OSSL_PARAM_construct_end()};
	mac.context = mac.type ? EVP_MAC_CTX_new(mac.type) : NULL;
	mac.failed = !mac.context ||
	             !EVP_MAC_init(mac.context, key->secret, key->secret_size, parameters);
	return mac;
}

static void mac_add(struct mac *mac, const void *data, size_t size)
{
	if (!mac->failed && size)
		mac->failed = !EVP_MAC_update(mac->context, data, size);
}

/* False: it failed somewhere on the way. */
static bool mac_end(struct mac *mac, uint8_t ret[WEIR_DNS_MAC_MAX])
{
	size_t size;
	if (!mac->failed)
		mac->failed = !EVP_MAC_final(mac->context, ret, &size, WEIR_DNS_MAC_MAX);
	EVP_MAC_CTX_free(mac->context);
	EVP_MAC_free(mac->type);
	return !mac->failed;
}

static void put48(uint8_t *to, uint64_t value)
{
	weir_dns_put16(to, (unsigned)(value >> 32) & 0xffff);
	weir_dns_put32(to + 2, (uint32_t)value);
}

static void add_previous(struct mac *mac, const struct weir_dns_tsig *tsig)
{
	uint8_t size[2];
	weir_dns_put16(size, tsig->mac_size);
	mac_add(mac, size, sizeof size);
	mac_add(mac, tsig->mac, tsig->mac_size);
}

static void add_timers(struct mac *mac, const struct weir_dns_tsig *tsig)
{
	uint8_t timers[8];
	put48(timers, tsig->time_s);
	weir_dns_put16(timers + 6, tsig->fudge_s);
	mac_add(mac, timers, sizeof timers);
}

/* RFC 8945 4.3.3: names in canonical form. */
static void add_variables(struct mac *mac, const struct weir_dns_tsig *tsig, struct weir_span other)
{
	static const uint8_t fixed[6] = {0, 255}; /* class ANY, TTL 0 */
	struct weir_dns_name name = tsig->name, algorithm = tsig->algorithm;
	uint8_t rest[4];
	weir_dns_name_lower(&name);
	weir_dns_name_lower(&algorithm);
	mac_add(mac, name.wire, name.size);
	mac_add(mac, fixed, sizeof fixed);
	mac_add(mac, algorithm.wire, algorithm.size);
	add_timers(mac, tsig);
	weir_dns_put16(rest, tsig->error);
	weir_dns_put16(rest + 2, (unsigned)other.size);
	mac_add(mac, rest, sizeof rest);
	mac_add(mac, other.data, other.size);
}

/* -- verifying --------------------------------------------------------------------------------- */

/* What stands in the record. */
struct record {
	struct weir_span mac;
	struct weir_span other;
	uint16_t original_id;
};

static int read_record(
        struct weir_span message, size_t at, struct weir_dns_tsig *tsig, struct record *ret)
{
	struct weir_dns_record record;
	if (weir_dns_record_read(message, &at, &record) < 0 || record.class != WEIR_DNS_CLASS_ANY ||
	        record.ttl)
		return WEIR_E_SYNTAX;
	size_t from = record.at;
	if (weir_dns_name_read(message, &from, &tsig->algorithm) < 0)
		return WEIR_E_SYNTAX;
	size_t end = record.at + record.data.size;
	const uint8_t *data = (const uint8_t *)message.data;
	if (from > end || end - from < 10)
		return WEIR_E_SYNTAX;
	tsig->name = record.name;
	tsig->time_s =
	        (uint64_t)weir_dns_get16(data + from) << 32 | weir_dns_get32(data + from + 2);
	tsig->fudge_s = weir_dns_get16(data + from + 6);
	ret->mac = weir_span(data + from + 10, weir_dns_get16(data + from + 8));
	from += 10;
	if (ret->mac.size > end - from || end - from - ret->mac.size < 6)
		return WEIR_E_SYNTAX;
	from += ret->mac.size;
	ret->original_id = weir_dns_get16(data + from);
	tsig->error = weir_dns_get16(data + from + 2);
	ret->other = weir_span(data + from + 6, weir_dns_get16(data + from + 4));
	return ret->other.size == end - from - 6 ? 0 : WEIR_E_SYNTAX;
}

static bool algorithm_is(const struct weir_dns_tsig *tsig)
{
	struct weir_dns_name known;
	const char *wire = algorithms[tsig->key->algorithm].wire;
	return weir_dns_name_set(weir_span(wire, strlen(wire) + 1), &known) == 0 &&
	       weir_dns_name_equal(&known, &tsig->algorithm);
}

static bool mac_is_right(struct weir_span message, size_t at, const struct weir_dns_tsig *tsig,
        const struct record *record)
{
	uint8_t header[WEIR_DNS_HEADER_SIZE], wanted[WEIR_DNS_MAC_MAX];
	memcpy(header, message.data, sizeof header);
	weir_dns_put16(header, record->original_id);
	weir_dns_put16(header + 10, weir_dns_get16(header + 10) - 1u);
	struct mac mac = mac_begin(tsig->key);
	mac_add(&mac, header, sizeof header);
	mac_add(&mac, message.data + sizeof header, at - sizeof header);
	add_variables(&mac, tsig, record->other);
	return mac_end(&mac, wanted) &&
	       CRYPTO_memcmp(record->mac.data, wanted, record->mac.size) == 0;
}

/* RFC 8945 5.2.2.1: a MAC of another size is malformed, not just wrong. */
static bool size_is_right(size_t size, size_t whole)
{
	size_t least = whole / 2 > MAC_MIN ? whole / 2 : MAC_MIN;
	return size >= least && size <= whole;
}

int weir_dns_tsig_verify(const struct weir_dns_keys *keys, struct weir_span message, size_t at,
        int64_t now_s, struct weir_dns_tsig *ret)
{
	struct record record;
	*ret = (struct weir_dns_tsig){0};
	int error = read_record(message, at, ret, &record);
	if (error < 0)
		return error;
	ret->key = find(keys, &ret->name);
	if (ret->key && !algorithm_is(ret))
		ret->key = NULL;
	if (!ret->key)
		return ret->error = WEIR_DNS_BADKEY;
	size_t whole = algorithms[ret->key->algorithm].size;
	if (!size_is_right(record.mac.size, whole))
		return WEIR_E_SYNTAX;
	if (!mac_is_right(message, at, ret, &record)) {
		ret->key = NULL; /* what is answered is not signed then */
		return ret->error = WEIR_DNS_BADSIG;
	}
	ret->mac_size = (uint16_t)record.mac.size;
	memcpy(ret->mac, record.mac.data, record.mac.size);
	uint64_t now = (uint64_t)now_s;
	uint64_t apart = now > ret->time_s ? now - ret->time_s : ret->time_s - now;
	if (apart > ret->fudge_s)
		ret->error = WEIR_DNS_BADTIME;
	else
		ret->error = record.mac.size < whole ? WEIR_DNS_BADTRUNC : 0;
	return ret->error;
}

/* -- signing ----------------------------------------------------------------------------------- */

size_t weir_dns_tsig_sign(struct weir_dns_tsig *tsig, uint8_t *message, size_t size, size_t room,
        int64_t now_s, bool following)
{
	uint8_t rdata[WEIR_DNS_NAME_MAX + 32 + WEIR_DNS_MAC_MAX], time[6];
	struct weir_dns_writer writer;
	bool late = tsig->error == WEIR_DNS_BADTIME;
	struct weir_span other = weir_span(time, late ? sizeof time : 0);
	put48(time, (uint64_t)now_s);
	/* Who is told that his clock is wrong has to recognise his own time (RFC 8945 5.2.3). */
	tsig->time_s = late ? tsig->time_s : (uint64_t)now_s;
	tsig->fudge_s = FUDGE_S;
	size_t mac_size = tsig->key ? algorithms[tsig->key->algorithm].size : 0;
	if (tsig->key) {
		struct mac mac = mac_begin(tsig->key);
		add_previous(&mac, tsig);
		mac_add(&mac, message, size);
		if (following)
			add_timers(&mac, tsig);
		else
			add_variables(&mac, tsig, other);
		if (!mac_end(&mac, tsig->mac))
			return 0;
	}
	tsig->mac_size = (uint16_t)mac_size;
	uint8_t *to = rdata;
	memcpy(to, tsig->algorithm.wire, tsig->algorithm.size);
	to += tsig->algorithm.size;
	put48(to, tsig->time_s);
	weir_dns_put16(to + 6, tsig->fudge_s);
	weir_dns_put16(to + 8, (unsigned)mac_size);
	memcpy(to + 10, tsig->mac, mac_size);
	to += 10 + mac_size;
	memcpy(to, message, 2); /* the ID */
	weir_dns_put16(to + 2, tsig->error);
	weir_dns_put16(to + 4, (unsigned)other.size);
	memcpy(to + 6, time, other.size);
	to += 6 + other.size;
	weir_dns_writer_init(&writer, message, room);
	writer.size = size;
	if (!weir_dns_put_record(&writer, WEIR_DNS_ADDITIONAL, tsig->name.wire, WEIR_DNS_TSIG,
	            WEIR_DNS_CLASS_ANY, 0, weir_span(rdata, (size_t)(to - rdata))))
		return 0;
	weir_dns_put16(message + 10, weir_dns_get16(message + 10) + 1u);
	return writer.size;
}
