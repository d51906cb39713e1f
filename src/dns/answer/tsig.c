/*
 * TSIG (RFC 8945): keys, signing, the check of a query, and that of the replies to our own queries.
 *
 * OpenSSL computes the HMAC. The signed bytes are never contiguous (the previous MAC, the message
 * without the record, fields of the record), so they are fed in pieces. Truncated MACs are refused,
 * as 5.2.4 allows; no common implementation sends them.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <weir/error.h>

#include "dns_codec.h"
#include "helper.h"
#include "refcount.h"
#include "tsig.h"

/* The fields of the record that struct weir_dns_tsig does not have. */
struct dns_tsig_record {
	struct weir_span mac;
	struct weir_span other;
	uint16_t original_id;
};

/* -- algorithms -------------------------------------------------------------------------------- */

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

static bool tsig_mac_equal(const struct weir_dns_tsig_key *key, struct weir_span mac,
        const uint8_t wanted[WEIR_DNS_MAC_MAX])
{
	return mac.size == algorithms[key->algorithm].size &&
	       CRYPTO_memcmp(mac.data, wanted, mac.size) == 0;
}

static size_t tsig_mac_size(const struct weir_dns_tsig_key *key)
{
	return algorithms[key->algorithm].size;
}

static void tsig_set_algorithm(struct weir_dns_tsig *tsig, const struct weir_dns_tsig_key *key)
{
	const char *wire = algorithms[key->algorithm].wire;
	weir_dns_name_set(weir_span(wire, strlen(wire) + 1), &tsig->algorithm);
}

static bool tsig_algorithm_is(const struct weir_dns_tsig *tsig, const struct weir_dns_tsig_key *key)
{
	struct weir_dns_tsig known;
	tsig_set_algorithm(&known, key);
	return weir_dns_name_equal(&known.algorithm, &tsig->algorithm);
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

/* Reads the record at `at`. Returns 0 or WEIR_E_SYNTAX. */
static int tsig_read_record(struct weir_span message, size_t at, struct weir_dns_tsig *tsig,
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

/* Adds the message up to its TSIG record, as it was signed. */
static void tsig_mac_add_message(struct dns_mac *mac, struct weir_span message, size_t at,
        const struct dns_tsig_record *record)
{
	uint8_t header[WEIR_DNS_HEADER_SIZE];
	memcpy(header, message.data, sizeof header);
	dns_put16(header, record->original_id);
	dns_put16(header + 10, dns_get16(header + 10) - 1u);
	dns_mac_add(mac, header, sizeof header);
	dns_mac_add(mac, message.data + sizeof header, at - sizeof header);
}

struct weir_dns_keys {
	struct refcount references;
	size_t count;
	struct weir_dns_tsig_key keys[];
};

enum {
	FUDGE_S = 300,
	MAC_MIN = 10 /* bytes, of those that are cut */
};

/* -- keys -------------------------------------------------------------------------------------- */

static const struct weir_dns_tsig_key *tsig_find(
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
	refcount_init(&set->references);
	for (; set->count < count; set->count++) {
		if (tsig_find(set, &keys[set->count].name)) {
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
	refcount_hold(&keys->references);
	return keys;
}

void weir_dns_keys_release(struct weir_dns_keys *keys)
{
	if (!keys || !refcount_release(&keys->references))
		return;
	explicit_bzero(keys->keys, keys->count * sizeof *keys->keys);
	free(keys);
}

/* -- verifying --------------------------------------------------------------------------------- */

/* Compares as much of the MAC as there is; its size was checked. */
static bool tsig_mac_is_right(struct weir_span message, size_t at, const struct weir_dns_tsig *tsig,
        const struct dns_tsig_record *record)
{
	uint8_t wanted[WEIR_DNS_MAC_MAX];
	struct dns_mac mac = dns_mac_begin(tsig->key);
	tsig_mac_add_message(&mac, message, at, record);
	dns_mac_add_variables(&mac, tsig, record->other);
	return dns_mac_end(&mac, wanted) &&
	       CRYPTO_memcmp(record->mac.data, wanted, record->mac.size) == 0;
}

/* RFC 8945 5.2.2.1: a MAC of another size is malformed, not just wrong. */
static bool tsig_size_is_right(size_t size, size_t whole)
{
	size_t least = max_of(whole / 2, (size_t)MAC_MIN);
	return size >= least && size <= whole;
}

int weir_dns_tsig_verify(const struct weir_dns_keys *keys, struct weir_span message, size_t at,
        int64_t now_s, struct weir_dns_tsig *ret)
{
	struct dns_tsig_record record;
	*ret = (struct weir_dns_tsig){0};
	int error = tsig_read_record(message, at, ret, &record);
	if (error < 0)
		return error;
	ret->key = tsig_find(keys, &ret->name);
	if (ret->key && !tsig_algorithm_is(ret, ret->key))
		ret->key = NULL;
	if (!ret->key)
		return ret->error = WEIR_DNS_BADKEY;
	size_t whole = tsig_mac_size(ret->key);
	if (!tsig_size_is_right(record.mac.size, whole))
		return WEIR_E_SYNTAX;
	if (!tsig_mac_is_right(message, at, ret, &record)) {
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
	bool bad_time = tsig->error == WEIR_DNS_BADTIME;
	struct weir_span other = weir_span(time, bad_time ? sizeof time : 0);
	dns_put48(time, (uint64_t)now_s);
	/* A client whose clock is wrong has to recognise its own time (RFC 8945 5.2.3). */
	tsig->time_s = bad_time ? tsig->time_s : (uint64_t)now_s;
	tsig->fudge_s = FUDGE_S;
	size_t mac_size = tsig->key ? tsig_mac_size(tsig->key) : 0;
	if (tsig->key) {
		struct dns_mac mac = dns_mac_begin(tsig->key);
		dns_mac_add_previous(&mac, tsig);
		dns_mac_add(&mac, message, size);
		if (following)
			dns_mac_add_timers(&mac, tsig);
		else
			dns_mac_add_variables(&mac, tsig, other);
		if (!dns_mac_end(&mac, tsig->mac))
			return 0;
	}
	tsig->mac_size = (uint16_t)mac_size;
	uint8_t *to = rdata;
	memcpy(to, tsig->algorithm.wire, tsig->algorithm.size);
	to += tsig->algorithm.size;
	dns_put48(to, tsig->time_s);
	dns_put16(to + 6, tsig->fudge_s);
	dns_put16(to + 8, (unsigned)mac_size);
	memcpy(to + 10, tsig->mac, mac_size);
	to += 10 + mac_size;
	memcpy(to, message, 2); /* the ID */
	dns_put16(to + 2, tsig->error);
	dns_put16(to + 4, (unsigned)other.size);
	memcpy(to + 6, time, other.size);
	to += 6 + other.size;
	weir_dns_writer_init(&writer, message, room);
	writer.size = size;
	if (!weir_dns_put_record(&writer, WEIR_DNS_ADDITIONAL, tsig->name.wire, WEIR_DNS_TSIG,
	            WEIR_DNS_CLASS_ANY, 0, weir_span(rdata, (size_t)(to - rdata))))
		return 0;
	dns_put16(message + 10, dns_get16(message + 10) + 1u);
	return writer.size;
}

/* -- a client: the replies to a request -------------------------------------------------------- */

/*
 * A chain of MACs: each covers the one before it, and the messages since then. Invariant: `mac` has
 * digested all messages since the last signed one, and is open only if there are any.
 */

size_t dns_tsig_request(struct dns_tsig_answers *answers, const struct weir_dns_tsig_key *key,
        uint8_t *message, size_t size, size_t room, int64_t now_s)
{
	*answers = (struct dns_tsig_answers){.key = key};
	answers->tsig.key = key;
	answers->tsig.name = key->name;
	tsig_set_algorithm(&answers->tsig, key);
	return weir_dns_tsig_sign(&answers->tsig, message, size, room, now_s, false);
}

static void tsig_answer_open_mac(struct dns_tsig_answers *answers)
{
	if (answers->open)
		return;
	answers->mac = dns_mac_begin(answers->key);
	dns_mac_add_previous(&answers->mac, &answers->tsig);
	answers->open = true;
}

/* A message without a signature, which a later signature covers. The first has to have its own. */
static int tsig_answer_add_unsigned(struct dns_tsig_answers *answers, struct weir_span message)
{
	if (!answers->messages || answers->unsigned_count == DNS_TSIG_UNSIGNED_MAX)
		return -EACCES;
	tsig_answer_open_mac(answers);
	dns_mac_add(&answers->mac, message.data, message.size);
	answers->unsigned_count++;
	answers->messages++;
	return 0;
}

static bool tsig_answer_is_timely(const struct weir_dns_tsig *tsig, int64_t now_s)
{
	uint64_t now = (uint64_t)now_s;
	uint64_t apart = now > tsig->time_s ? now - tsig->time_s : tsig->time_s - now;
	return apart <= tsig->fudge_s;
}

int dns_tsig_answer(
        struct dns_tsig_answers *answers, struct weir_span message, size_t at, int64_t now_s)
{
	struct weir_dns_tsig found = {0};
	struct dns_tsig_record record;
	uint8_t wanted[WEIR_DNS_MAC_MAX];
	if (!at)
		return tsig_answer_add_unsigned(answers, message);
	int error = tsig_read_record(message, at, &found, &record);
	if (error < 0)
		return error;
	if (found.error || !weir_dns_name_equal(&found.name, &answers->key->name) ||
	        !tsig_algorithm_is(&found, answers->key))
		return -EACCES;
	tsig_answer_open_mac(answers);
	tsig_mac_add_message(&answers->mac, message, at, &record);
	if (answers->messages)
		dns_mac_add_timers(&answers->mac, &found);
	else
		dns_mac_add_variables(&answers->mac, &found, record.other);
	answers->open = false;
	if (!dns_mac_end(&answers->mac, wanted))
		return -ENOMEM;
	if (!tsig_mac_equal(answers->key, record.mac, wanted) ||
	        !tsig_answer_is_timely(&found, now_s))
		return -EACCES;
	answers->tsig.mac_size = (uint16_t)record.mac.size;
	memcpy(answers->tsig.mac, record.mac.data, record.mac.size);
	answers->unsigned_count = 0;
	answers->messages++;
	return 0;
}

bool dns_tsig_complete(const struct dns_tsig_answers *answers)
{
	return answers->messages && !answers->unsigned_count;
}

void dns_tsig_answers_free(struct dns_tsig_answers *answers)
{
	if (answers->open)
		dns_mac_end(&answers->mac, NULL);
	answers->open = false;
}
