/*
 * TSIG for a server: keys, the check of a query, and signing. A client signs by the same functions,
 * and checks replies with tsig_answer.c.
 *
 * Truncated MACs are refused, as RFC 8945 5.2.4 allows; no common implementation sends them.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include <weir/error.h>

#include "name.h"
#include "tsig_mac.h"
#include "refcount.h"

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
	dns_mac_add_message(&mac, message, at, record);
	dns_mac_add_variables(&mac, tsig, record->other);
	return dns_mac_end(&mac, wanted) &&
	       CRYPTO_memcmp(record->mac.data, wanted, record->mac.size) == 0;
}

/* RFC 8945 5.2.2.1: a MAC of another size is malformed, not just wrong. */
static bool tsig_size_is_right(size_t size, size_t whole)
{
	size_t least = whole / 2 > MAC_MIN ? whole / 2 : MAC_MIN;
	return size >= least && size <= whole;
}

int weir_dns_tsig_verify(const struct weir_dns_keys *keys, struct weir_span message, size_t at,
        int64_t now_s, struct weir_dns_tsig *ret)
{
	struct dns_tsig_record record;
	*ret = (struct weir_dns_tsig){0};
	int error = dns_tsig_read(message, at, ret, &record);
	if (error < 0)
		return error;
	ret->key = tsig_find(keys, &ret->name);
	if (ret->key && !dns_tsig_algorithm_is(ret, ret->key))
		ret->key = NULL;
	if (!ret->key)
		return ret->error = WEIR_DNS_BADKEY;
	size_t whole = dns_mac_size(ret->key);
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
	bool late = tsig->error == WEIR_DNS_BADTIME;
	struct weir_span other = weir_span(time, late ? sizeof time : 0);
	dns_put48(time, (uint64_t)now_s);
	/* A client whose clock is wrong has to recognise its own time (RFC 8945 5.2.3). */
	tsig->time_s = late ? tsig->time_s : (uint64_t)now_s;
	tsig->fudge_s = FUDGE_S;
	size_t mac_size = tsig->key ? dns_mac_size(tsig->key) : 0;
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
