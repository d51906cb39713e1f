/* Replies of upstreams: what passes as one is whole; what is not for this query never passes. */
#include <stdlib.h>
#include <string.h>

#include <weir/dns_upstreams.h>

#include "dns_codec.h"
#include "upstream_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As its user does who relies on it: every record is there, and nothing behind. */
static void walk(struct weir_span reply)
{
	struct weir_dns_header header;
	struct weir_dns_question question;
	struct weir_dns_record record;
	size_t at = WEIR_DNS_HEADER_SIZE;
	if (!weir_dns_header_read(reply, &header) || header.flags & WEIR_DNS_TC ||
	        header.counts[0] != 1 || weir_dns_question_read(reply, &at, &question) < 0)
		abort();
	for (unsigned i = header.counts[1] + header.counts[2] + header.counts[3]; i; i--)
		if (weir_dns_record_read(reply, &at, &record) < 0)
			abort();
	if (at != reply.size)
		abort();
}

/* Bytes of the query are copied where the input demands it; otherwise no reply would ever match. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct random_pool random;
	struct weir_dns_question question = {.type = WEIR_DNS_A, .rr_class = WEIR_DNS_IN};
	struct upstream_query query;
	if (size < 2 || weir_dns_name_parse(WEIR_SPAN("www.example"), &question.name) < 0 ||
	        upstream_query_make(&query, &question, data[0], data[0] & 4, data[0] & 8, &random) <
	                0)
		return 0;
	size_t start = WEIR_DNS_HEADER_SIZE, end = start + question.name.size + 4u;
	uint8_t *reply = malloc(--size);
	if (!reply)
		return 0;
	memcpy(reply, data + 1, size);
	if (data[0] & 0x10 && size >= 2)
		memcpy(reply, query.bytes, 2);
	if (data[0] & 0x20 && size >= end)
		memcpy(reply + start, query.bytes + start, end - start);
	struct weir_span span = weir_span(reply, size);
	uint64_t before = dns_name_steps;
	enum upstream_verdict verdict = upstream_judge(&query, span, data[0] & 8);
	if (dns_name_steps - before > dns_name_steps_max(size) + 1000)
		abort();
	if (verdict == UPSTREAM_ANSWERS || verdict == UPSTREAM_REFUSES)
		walk(span);
	if (verdict != UPSTREAM_FOREIGN && memcmp(reply, query.bytes, 2) != 0)
		abort();
	free(reply);
	return 0;
}
