/*
 * Chains that leave our zones: for who may have names looked up, what the name outside comes to is put
 * behind our own part, so that a client that follows nothing has all of it. The rcode is that of the
 * end. Either all of what was looked up is put, or none of it and TC; or there is nothing but a failure.
 *
 * AA stays, since it is about the first name (RFC 1035 4.1.1), which is ours; AD is never set, since
 * nobody has validated our part. What comes back into our zones is not searched there: it is as the
 * upstream has it, so that nothing goes round in circles.
 */
#include "rdata.h"
#include "responder.h"

static unsigned fail(struct dns_exchange *exchange, int why)
{
	struct dns_answer *answer = &exchange->answer;
	answer->authoritative = false;
	answer->proof_count = 0;
	exchange->extended_error = why;
	weir_dns_writer_cut(&exchange->writer, exchange->query.question_end, WEIR_DNS_ANSWER, 0);
	return WEIR_DNS_SERVFAIL;
}

/* False: it does not fit. */
static bool put_section(struct dns_exchange *exchange, struct weir_span message, size_t *at,
        enum weir_dns_section section)
{
	const uint8_t *count = (const uint8_t *)message.data + 4 + 2 * section;
	for (unsigned left = weir_dns_get16(count); left; left--) {
		struct weir_dns_record record;
		uint8_t buffer[DNS_EXPANDED_MAX];
		struct weir_span data;
		if (weir_dns_record_read(message, at, &record) < 0 ||
		        weir_dns_rdata_expand(message, &record, buffer, &data) < 0 ||
		        !weir_dns_put_record(&exchange->writer, section, record.name.wire,
		                record.type, record.class, record.ttl, data))
			return false;
	}
	return true;
}

/* The message answers `target`, without OPT. */
static unsigned append(
        struct dns_exchange *exchange, const struct weir_dns_found *found, struct weir_span message)
{
	struct weir_dns_writer *writer = &exchange->writer;
	size_t start = writer->size, at = WEIR_DNS_HEADER_SIZE + exchange->target.name.size + 4u;
	uint16_t count = writer->counts[WEIR_DNS_ANSWER];
	if (!message.size)
		return fail(exchange, WEIR_DNS_EDE_NOT_READY);
	exchange->forwarded = true;
	if (found->rcode == WEIR_DNS_SERVFAIL)
		return fail(exchange, found->extended_error);
	exchange->extended_error = found->extended_error;
	if (found->truncated || !put_section(exchange, message, &at, WEIR_DNS_ANSWER) ||
	        !put_section(exchange, message, &at, WEIR_DNS_AUTHORITY)) {
		exchange->answer.truncated = true;
		writer->counts[WEIR_DNS_AUTHORITY] = 0;
		weir_dns_writer_cut(writer, start, WEIR_DNS_ANSWER, count);
	}
	return found->rcode;
}

static void set_target(struct dns_exchange *exchange)
{
	const struct dns_key *key = &exchange->answer.key;
	struct weir_dns_question *target = &exchange->target;
	target->name.size = key->size;
	target->name.labels = key->labels;
	memcpy(target->name.wire, key->wire, key->size);
	target->type = exchange->query.question.type;
	target->class = WEIR_DNS_IN;
}

unsigned weir_dns_exchange_chase(struct dns_exchange *exchange)
{
	const struct dns_answer *answer = &exchange->answer;
	struct weir_dns_responder *responder = exchange->responder;
	struct weir_dns_found found;
	unsigned rcode;
	if (!exchange->recursive || !(exchange->query.header.flags & WEIR_DNS_RD))
		return answer->rcode;
	if (answer->zone)
		return fail(exchange, answer->zone->absence);
	set_target(exchange);
	if (weir_dns_exchange_special(exchange, &exchange->target, &rcode))
		return rcode;
	if (exchange->found)
		return append(exchange, exchange->found, exchange->message);
	uint8_t *cached = responder->later->cached;
	size_t size = weir_dns_lookup_cached(responder->recursion.lookups, &exchange->target,
	        weir_dns_exchange_ask_flags(exchange), cached, WEIR_DNS_MESSAGE_MAX, &found);
	if (size)
		return append(exchange, &found, weir_span(cached, size));
	exchange->asks = true;
	exchange->asked = &exchange->target;
	return WEIR_DNS_SERVFAIL;
}
