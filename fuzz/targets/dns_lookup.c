/*
 * Replies of upstreams: whatever is taken of one is a well-formed message that is no longer than it
 * has to be, costs a bounded number of steps, is kept as it was taken, and comes back as it was
 * kept, with TTLs that have run down.
 */
#include <stdlib.h>

#include "cache.h"
#include "dns_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	AGE_S = 7,
	NAMES_STEPS = 1000 /* of the record that exceeds the bound */
};

/* The sum of the TTLs; aborts where the message is not well formed, or has other sections. */
static uint64_t check(struct weir_span message, const struct weir_dns_question *question)
{
	struct weir_dns_header header;
	struct weir_dns_question read;
	struct weir_dns_record record;
	size_t at = WEIR_DNS_HEADER_SIZE;
	uint64_t sum = 0;
	if (!weir_dns_header_read(message, &header) || header.counts[0] != 1 || header.counts[3] ||
	        weir_dns_question_read(message, &at, &read) < 0 ||
	        !weir_dns_name_equal(&read.name, &question->name))
		abort();
	for (unsigned i = header.counts[1] + header.counts[2]; i; i--) {
		if (weir_dns_record_read(message, &at, &record) < 0 ||
		        record.rr_class != question->rr_class)
			abort();
		sum += record.ttl;
	}
	if (at != message.size)
		abort();
	return sum;
}

static void keep(struct weir_dns_cache *cache, const struct weir_dns_question *question,
        unsigned flags, const struct dns_accepted *accepted)
{
	static uint8_t reply[WEIR_DNS_MESSAGE_MAX];
	struct weir_dns_lookup_info found;
	struct dns_cache_key key;
	uint64_t sum = check(weir_span(accepted->message, accepted->size), question);
	unsigned records = accepted->answers + accepted->authorities;
	dns_cache_key(cache, question, flags, &key);
	dns_cache_put(cache, &key, accepted, 0);
	struct dns_cache_entry *entry = dns_cache_find(cache, &key, AGE_S);
	if (!entry)
		return;
	size_t size = dns_entry_write(entry, question, AGE_S, reply, sizeof reply, &found);
	uint64_t left = check(weir_span(reply, size), question);
	uint64_t wanted = dns_entry_fresh(entry, AGE_S) ? sum - (uint64_t)AGE_S * records
	                                                : WEIR_DNS_STALE_TTL_S * records;
	if (size != accepted->size || found.rcode != accepted->info.rcode || left != wanted)
		abort();
	if (dns_entry_write(entry, question, 0, reply, accepted->body, &found) != accepted->body)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weir_dns_cache *cache;
	struct weir_dns_cache_options options;
	static uint8_t message[WEIR_DNS_MESSAGE_MAX];
	static const struct dns_ttl_bounds bounds = {.max_s = 86400, .negative_max_s = 3600};
	struct weir_dns_question question;
	struct dns_accepted accepted;
	size_t at = WEIR_DNS_HEADER_SIZE;
	weir_dns_cache_options_init(&options);
	options.bytes = 1 << 20;
	options.stale_s = 100;
	if (!cache && weir_dns_cache_create(&options, &cache) < 0)
		abort();
	if (size < 1 + WEIR_DNS_HEADER_SIZE)
		return 0;
	/* The question is taken from the input. */
	struct weir_span reply = weir_span(data + 1, size - 1);
	if (weir_dns_question_read(reply, &at, &question) < 0)
		return 0;
	unsigned flags = data[0] & DNS_CACHE_FLAGS;
	uint64_t before = dns_name_steps;
	int error = dns_accept(reply, &question, flags, &bounds, message, &accepted);
	if (dns_name_steps - before > 3 * dns_name_steps_max(reply.size) + NAMES_STEPS)
		abort();
	if (error == 0)
		keep(cache, &question, flags, &accepted);
	return 0;
}
