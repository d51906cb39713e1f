/*
 * Reading messages. Each function checks what it takes against the bytes that are left, so that a
 * count in the header can promise anything. Leaves out what the rdata of a type means.
 */
#include <weir/dns_message.h>
#include <weir/error.h>

#include "dns_codec.h"

enum {
	QUERY_ADDITIONAL_MAX = 2 /* records of a query: OPT and TSIG */
};

static const uint8_t *dns_message_bytes_of(struct weir_span span)
{
	return (const uint8_t *)span.data;
}

bool weir_dns_header_read(struct weir_span message, struct weir_dns_header *ret)
{
	if (message.size < WEIR_DNS_HEADER_SIZE)
		return false;
	const uint8_t *data = dns_message_bytes_of(message);
	ret->id = dns_get16(data);
	ret->flags = dns_get16(data + 2);
	for (unsigned i = 0; i < 4; i++)
		ret->counts[i] = dns_get16(data + 4 + 2 * i);
	return true;
}

int weir_dns_question_read(struct weir_span message, size_t *at, struct weir_dns_question *ret)
{
	size_t from = *at;
	if (weir_dns_name_read(message, &from, &ret->name) < 0 || message.size - from < 4)
		return WEIR_E_SYNTAX;
	ret->type = dns_get16(dns_message_bytes_of(message) + from);
	ret->rr_class = dns_get16(dns_message_bytes_of(message) + from + 2);
	*at = from + 4;
	return 0;
}

int weir_dns_record_read(struct weir_span message, size_t *at, struct weir_dns_record *ret)
{
	size_t from = *at;
	if (weir_dns_name_read(message, &from, &ret->name) < 0 || message.size - from < 10)
		return WEIR_E_SYNTAX;
	const uint8_t *fixed = dns_message_bytes_of(message) + from;
	size_t size = dns_get16(fixed + 8);
	from += 10;
	if (size > message.size - from)
		return WEIR_E_SYNTAX;
	ret->type = dns_get16(fixed);
	ret->rr_class = dns_get16(fixed + 2);
	ret->ttl = dns_get32(fixed + 4);
	ret->at = from;
	ret->data = weir_span(message.data + from, size);
	*at = from + size;
	return 0;
}

bool weir_dns_option_read(struct weir_span *options, uint16_t *ret_code, struct weir_span *ret_data)
{
	if (options->size < 4)
		return false;
	size_t size = dns_get16(dns_message_bytes_of(*options) + 2);
	if (size > options->size - 4)
		return false;
	*ret_code = dns_get16(dns_message_bytes_of(*options));
	*ret_data = weir_span(options->data + 4, size);
	*options = weir_span_skip(*options, size + 4);
	return true;
}

int weir_dns_edns_read(const struct weir_dns_record *opt, struct weir_dns_edns *ret)
{
	struct weir_span left = opt->data, data;
	uint16_t code;
	if (opt->name.labels)
		return WEIR_E_SYNTAX;
	while (weir_dns_option_read(&left, &code, &data))
		;
	if (left.size)
		return WEIR_E_SYNTAX;
	*ret = (struct weir_dns_edns){
	        .present = true,
	        .dnssec = opt->ttl & 0x8000,
	        .version = (uint8_t)(opt->ttl >> 16),
	        .rcode_high = (uint8_t)(opt->ttl >> 24),
	        .size = opt->rr_class,
	        .options = opt->data,
	};
	return 0;
}

/* -- queries ----------------------------------------------------------------------------------- */

/* OPT may occur once, TSIG only as the very last record (RFC 8945 5.1). */
static int dns_message_read_additional(
        struct weir_span message, size_t *at, struct weir_dns_query *query)
{
	struct weir_dns_record record;
	if (query->header.counts[WEIR_DNS_ADDITIONAL] > QUERY_ADDITIONAL_MAX)
		return WEIR_DNS_FORMERR;
	for (unsigned i = 0; i < query->header.counts[WEIR_DNS_ADDITIONAL]; i++) {
		size_t start = *at;
		if (query->tsig || weir_dns_record_read(message, at, &record) < 0)
			return WEIR_DNS_FORMERR;
		if (record.type == WEIR_DNS_TSIG)
			query->tsig = start;
		if (record.type != WEIR_DNS_OPT)
			continue;
		if (query->edns.present || weir_dns_edns_read(&record, &query->edns) < 0)
			return WEIR_DNS_FORMERR;
	}
	return *at == message.size ? WEIR_DNS_NOERROR : WEIR_DNS_FORMERR;
}

/*
 * A NOTIFY may have the new SOA in the answer section, an IXFR the old one in the authority
 * section.
 */
static bool dns_message_counts_allowed(const struct weir_dns_query *query, unsigned opcode)
{
	const uint16_t *counts = query->header.counts;
	bool ixfr = query->question.type == WEIR_DNS_IXFR;
	return counts[WEIR_DNS_ANSWER] <= (opcode == WEIR_DNS_NOTIFY ? 1 : 0) &&
	       counts[WEIR_DNS_AUTHORITY] <= (opcode == WEIR_DNS_NOTIFY || ixfr ? 1 : 0);
}

static int dns_message_read_question(
        struct weir_span message, size_t *at, struct weir_dns_query *query)
{
	unsigned count = query->header.counts[WEIR_DNS_QUESTION];
	const uint8_t *name = dns_message_bytes_of(message) + *at;
	if (count > 1)
		return WEIR_DNS_FORMERR;
	if (count == 0)
		return WEIR_DNS_NOERROR;
	if (weir_dns_question_read(message, at, &query->question) < 0)
		return WEIR_DNS_FORMERR;
	/* No name has been written that it could point to. */
	if (dns_wire_size(query->question.name.wire) + WEIR_DNS_HEADER_SIZE + 4 != *at ||
	        memcmp(name, query->question.name.wire, query->question.name.size) != 0)
		return WEIR_DNS_FORMERR;
	query->question_end = *at;
	return WEIR_DNS_NOERROR;
}

int weir_dns_query_read(struct weir_span message, struct weir_dns_query *ret)
{
	struct weir_dns_record record;
	size_t at = WEIR_DNS_HEADER_SIZE;
	ret->question_end = ret->authority = ret->tsig = 0;
	ret->question.type = ret->question.rr_class = 0;
	ret->edns = (struct weir_dns_edns){0};
	if (!weir_dns_header_read(message, &ret->header) || ret->header.flags & WEIR_DNS_QR)
		return -1;
	unsigned opcode = (ret->header.flags & WEIR_DNS_OPCODE_MASK) >> WEIR_DNS_OPCODE_SHIFT;
	if (opcode != WEIR_DNS_QUERY && opcode != WEIR_DNS_NOTIFY)
		return WEIR_DNS_NOTIMP;
	int rcode = dns_message_read_question(message, &at, ret);
	/* TC in a query is ignored, as by BIND, NSD and Knot. */
	if (rcode != WEIR_DNS_NOERROR || !dns_message_counts_allowed(ret, opcode))
		return WEIR_DNS_FORMERR;
	for (unsigned i = 0; i < ret->header.counts[WEIR_DNS_ANSWER]; i++)
		if (weir_dns_record_read(message, &at, &record) < 0)
			return WEIR_DNS_FORMERR;
	ret->authority = at;
	for (unsigned i = 0; i < ret->header.counts[WEIR_DNS_AUTHORITY]; i++)
		if (weir_dns_record_read(message, &at, &record) < 0)
			return WEIR_DNS_FORMERR;
	rcode = dns_message_read_additional(message, &at, ret);
	if (rcode == WEIR_DNS_NOERROR && ret->edns.version)
		return WEIR_DNS_BADVERS;
	return rcode;
}

/* -- streams ----------------------------------------------------------------------------------- */

static enum weir_scan dns_message_scan(struct weir_terminator *terminator, struct weir_span data,
        size_t seen, uint64_t before, struct weir_cut *ret)
{
	(void)terminator, (void)seen, (void)before;
	if (data.size < WEIR_DNS_LENGTH_SIZE)
		return WEIR_SCAN_MORE;
	size_t end = WEIR_DNS_LENGTH_SIZE + (size_t)dns_get16((const uint8_t *)data.data);
	if (data.size < end)
		return WEIR_SCAN_MORE;
	ret->end = end;
	return WEIR_SCAN_FOUND;
}

struct weir_terminator weir_until_dns_message(void)
{
	static const struct weir_terminator_type type = {
	        .name = "DNS message", .scan = dns_message_scan};
	return (struct weir_terminator){.type = &type};
}
