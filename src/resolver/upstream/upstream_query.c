/*
 * Making queries and judging replies. A message that is not certainly a reply to this query, from
 * its ID to the last letter of its question, is foreign: it is only counted.
 *
 * The question of a reply is compared as bytes: no pointer can occur in it. Records are not looked
 * at.
 */
#include <string.h>

#include <weir/dns_upstreams.h>
#include <weir/limits.h>

#include "dns_codec.h"
#include "upstream_state.h"

/* Bit 5 of each letter is random. */
static int upstream_query_mix_case(uint8_t *wire, size_t size, struct random_pool *random)
{
	uint8_t bits[(WEIR_DNS_NAME_MAX + 7) / 8];
	int error = random_pool_take(random, bits, (size + 7) / 8);
	for (size_t i = 0; error == 0 && i < size; i++)
		if ((uint8_t)(dns_lower(wire[i]) - 'a') < 26)
			wire[i] ^= bits[i / 8] >> i % 8 << 5 & 0x20;
	return error;
}

int upstream_query_make(struct upstream_query *query, const struct weir_dns_question *question,
        unsigned flags, bool edns, bool mixed, struct random_pool *random)
{
	uint8_t bytes[WEIR_DNS_NAME_MAX + 4];
	struct weir_dns_writer writer;
	size_t size = question->name.size;
	uint16_t id;
	int error = random_pool_take(random, &id, sizeof id);
	memcpy(bytes, question->name.wire, size);
	if (error == 0 && mixed)
		error = upstream_query_mix_case(bytes, size, random);
	if (error < 0)
		return error;
	dns_put16(bytes + size, question->type);
	dns_put16(bytes + size + 2, question->rr_class);
	weir_dns_writer_init(&writer, query->bytes, sizeof query->bytes);
	weir_dns_put_question(&writer, weir_span(bytes, size + 4));
	if (edns)
		weir_dns_put_opt(&writer, WEIR_DNS_UDP_SIZE, WEIR_DNS_NOERROR,
		        flags & WEIR_DNS_ASK_DNSSEC, weir_span(NULL, 0));
	query->edns = edns;
	query->mixed = mixed;
	query->size = (uint16_t)weir_dns_writer_finish(&writer, id,
	        WEIR_DNS_RD | (flags & WEIR_DNS_ASK_CHECKING_DISABLED ? WEIR_DNS_CD : 0));
	return 0;
}

static bool upstream_query_same_nocase(const uint8_t *a, const uint8_t *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (dns_lower(a[i]) != dns_lower(b[i]))
			return false;
	return true;
}

/* Reads every record up to the end. Returns the full rcode, or -1 if the message is malformed. */
static int upstream_query_read_records(
        struct weir_span reply, size_t at, const struct weir_dns_header *header)
{
	struct weir_dns_edns edns = {0};
	struct weir_dns_record record;
	uint64_t steps_end = dns_name_steps + dns_name_steps_max(reply.size);
	for (unsigned section = WEIR_DNS_ANSWER; section <= WEIR_DNS_ADDITIONAL; section++)
		for (unsigned i = 0; i < header->counts[section]; i++) {
			if (weir_dns_record_read(reply, &at, &record) < 0 ||
			        dns_name_steps > steps_end)
				return -1;
			if (record.type == WEIR_DNS_OPT &&
			        (section != WEIR_DNS_ADDITIONAL || edns.present ||
			                weir_dns_edns_read(&record, &edns) < 0))
				return -1;
		}
	if (at != reply.size)
		return -1;
	return edns.rcode_high << 4 | (header->flags & WEIR_DNS_RCODE_MASK);
}

static enum upstream_verdict upstream_query_judge_rcode(
        const struct upstream_query *query, int rcode)
{
	switch (rcode) {
	case WEIR_DNS_NOERROR:
	case WEIR_DNS_NXDOMAIN:
	case WEIR_DNS_YXDOMAIN:
		return UPSTREAM_ANSWERS;
	case WEIR_DNS_FORMERR:
	case WEIR_DNS_NOTIMP:
	case WEIR_DNS_BADVERS:
		return query->edns ? UPSTREAM_PLAIN : UPSTREAM_REFUSES;
	default:
		return rcode < 0 ? UPSTREAM_MALFORMED : UPSTREAM_REFUSES;
	}
}

/* Some servers that cannot read a query, or refuse it, return only its header. */
static enum upstream_verdict upstream_query_judge_bare(
        const struct upstream_query *query, const struct weir_dns_header *header)
{
	int rcode = header->flags & WEIR_DNS_RCODE_MASK;
	enum upstream_verdict verdict = upstream_query_judge_rcode(query, rcode);
	return verdict == UPSTREAM_PLAIN ? verdict : UPSTREAM_MALFORMED;
}

enum upstream_verdict upstream_judge(
        const struct upstream_query *query, struct weir_span reply, bool case_counts)
{
	const uint8_t *bytes = (const uint8_t *)reply.data, *asked = query->bytes;
	size_t start = WEIR_DNS_HEADER_SIZE;
	size_t size = dns_wire_size(asked + start) + 4; /* of the question */
	struct weir_dns_header header;
	if (!weir_dns_header_read(reply, &header) || header.id != dns_get16(asked) ||
	        !(header.flags & WEIR_DNS_QR) || header.flags & WEIR_DNS_OPCODE_MASK)
		return UPSTREAM_FOREIGN;
	if (header.counts[WEIR_DNS_QUESTION] == 0 && reply.size == start)
		return upstream_query_judge_bare(query, &header);
	if (header.counts[WEIR_DNS_QUESTION] != 1 || reply.size < start + size ||
	        !upstream_query_same_nocase(bytes + start, asked + start, size - 4) ||
	        memcmp(bytes + start + size - 4, asked + start + size - 4, 4) != 0)
		return UPSTREAM_FOREIGN;
	if (case_counts && memcmp(bytes + start, asked + start, size) != 0)
		return UPSTREAM_CASED;
	if (header.flags & WEIR_DNS_TC)
		return UPSTREAM_TRUNCATED;
	return upstream_query_judge_rcode(
	        query, upstream_query_read_records(reply, start + size, &header));
}
