/*
 * An entry of the cache: the records of a reply, written with the names that follow the question's
 * place in any message, and where their TTLs are.
 */
#include <stdlib.h>

#include "cache.h"
#include "dns_codec.h"
#include "lookup_state.h"

enum {
	FIRST_USES = 1
};

/* The position behind a name in the writer's form. */
static size_t cache_entry_skip_name(const uint8_t *message, size_t at)
{
	while (message[at] && message[at] < 0xc0)
		at += message[at] + 1u;
	return at + (message[at] ? 2 : 1);
}

static void cache_entry_note_ttls(const struct dns_accepted *accepted, uint8_t *to)
{
	size_t at = accepted->body;
	for (; at < accepted->size; to += 2) {
		size_t fixed = cache_entry_skip_name(accepted->message, at);
		uint16_t offset = (uint16_t)(fixed + 4 - accepted->body);
		memcpy(to, &offset, sizeof offset);
		at = fixed + 10 + dns_get16(accepted->message + fixed + 8);
	}
}

_Static_assert(offsetof(struct dns_cache_entry, bytes) + 1 + 5 >= sizeof(struct dns_cache_entry),
        "the least key, of the root, fills the struct up");

struct dns_cache_entry *dns_cache_entry_create(
        const struct dns_cache_key *key, const struct dns_accepted *accepted, uint32_t now_s)
{
	const struct weir_dns_lookup_info *info = &accepted->info;
	size_t body = accepted->size - accepted->body;
	size_t records = (size_t)accepted->answers + accepted->authorities;
	size_t size = offsetof(struct dns_cache_entry, bytes) + key->size + body +
	              records * sizeof(uint16_t);
	struct dns_cache_entry *entry = malloc(size);
	if (!entry)
		return NULL;
	memset(entry, 0, sizeof *entry);
	entry->hash = key->hash;
	entry->stored_s = now_s;
	entry->ttl_s = accepted->ttl_s;
	atomic_init(&entry->retry_s, now_s);
	entry->key_size = key->size;
	entry->body_size = (uint16_t)body;
	entry->answers = accepted->answers;
	entry->authorities = accepted->authorities;
	entry->extended_error =
	        (uint16_t)(info->extended_error < 0 ? DNS_NO_ERROR : info->extended_error);
	entry->rcode = (uint8_t)info->rcode;
	atomic_init(&entry->uses, FIRST_USES);
	entry->authenticated = info->authenticated;
	entry->failure = info->rcode == WEIR_DNS_SERVFAIL;
	memcpy(entry->bytes, key->bytes, key->size);
	memcpy(entry->bytes + key->size, accepted->message + accepted->body, body);
	cache_entry_note_ttls(accepted, entry->bytes + key->size + body);
	return entry;
}

/* -- writing ----------------------------------------------------------------------------------- */

static void cache_entry_found_of(
        const struct dns_cache_entry *entry, uint32_t now_s, struct weir_dns_lookup_info *ret)
{
	*ret = (struct weir_dns_lookup_info){
	        .rcode = entry->rcode,
	        .authenticated = entry->authenticated,
	        .extended_error =
	                entry->extended_error == DNS_NO_ERROR ? -1 : entry->extended_error,
	        .kind = entry->hash | 1,
	};
	if (entry->failure) {
		if (ret->extended_error < 0)
			ret->extended_error = WEIR_DNS_EDE_CACHED_ERROR;
	} else if (!dns_entry_fresh(entry, now_s)) {
		ret->extended_error = entry->rcode == WEIR_DNS_NXDOMAIN
		                              ? WEIR_DNS_EDE_STALE_NXDOMAIN
		                              : WEIR_DNS_EDE_STALE;
	}
}

static void cache_entry_set_ttls(const struct dns_cache_entry *entry, uint32_t now_s, uint8_t *body)
{
	const uint8_t *offsets = entry->bytes + entry->key_size + entry->body_size;
	unsigned count = (unsigned)entry->answers + entry->authorities;
	bool fresh = dns_entry_fresh(entry, now_s);
	uint32_t age = dns_entry_age(entry, now_s);
	for (unsigned i = 0; i < count; i++, offsets += 2) {
		uint16_t offset;
		memcpy(&offset, offsets, sizeof offset);
		dns_put32(body + offset,
		        fresh ? dns_get32(body + offset) - age : WEIR_DNS_STALE_TTL_S);
	}
}

size_t dns_entry_write(const struct dns_cache_entry *entry,
        const struct weir_dns_question *question, uint32_t now_s, uint8_t *reply, size_t room,
        struct weir_dns_lookup_info *ret)
{
	size_t name = question->name.size, body = WEIR_DNS_HEADER_SIZE + name + 4;
	cache_entry_found_of(entry, now_s, ret);
	ret->truncated = entry->body_size > room - body;
	dns_put16(reply, 0);
	dns_put16(reply + 2, dns_lookup_info_flags(ret));
	dns_put16(reply + 4, 1);
	dns_put16(reply + 6, ret->truncated ? 0 : entry->answers);
	dns_put16(reply + 8, ret->truncated ? 0 : entry->authorities);
	dns_put16(reply + 10, 0);
	memcpy(reply + WEIR_DNS_HEADER_SIZE, question->name.wire, name);
	dns_put16(reply + body - 4, question->type);
	dns_put16(reply + body - 2, question->rr_class);
	if (ret->truncated)
		return body;
	memcpy(reply + body, entry->bytes + entry->key_size, entry->body_size);
	cache_entry_set_ttls(entry, now_s, reply + body);
	return body + entry->body_size;
}
