/*
 * Chains that leave our zones: for who may have names looked up, what the name outside comes to is put
 * behind our own part, so that a client that follows nothing has all of it. The rcode is that of the
 * end. Either all of what was looked up is put, or none of it and TC; or there is nothing but a failure.
 *
 * AA stays, since it is about the first name (RFC 1035 4.1.1), which is ours; AD is never set, since
 * nobody has validated our part. What comes back into our zones is answered from them, once: our own
 * data wins over what an upstream says of it. A chain that leaves them a second time is a failure, so
 * that nothing goes round in circles.
 */
#include "name.h"
#include "rdata.h"
#include "responder.h"
#include "zone_image.h"

static unsigned responder_chase_fail(struct dns_exchange *exchange, int why)
{
	struct dns_answer *answer = &exchange->answer;
	answer->authoritative = false;
	answer->proof_count = 0;
	exchange->extended_error = why;
	weir_dns_writer_cut(&exchange->writer, exchange->query.question_end, WEIR_DNS_ANSWER, 0);
	return WEIR_DNS_SERVFAIL;
}

/* False: it does not fit. */
static bool responder_chase_put_section(struct dns_exchange *exchange, struct weir_span message,
        size_t *at, enum weir_dns_section section)
{
	const uint8_t *count = (const uint8_t *)message.data + 4 + 2 * section;
	for (unsigned left = dns_get16(count); left; left--) {
		struct weir_dns_record record;
		uint8_t buffer[DNS_EXPANDED_MAX];
		struct weir_span data;
		if (weir_dns_record_read(message, at, &record) < 0 ||
		        dns_rdata_expand(message, &record, buffer, &data) < 0 ||
		        !weir_dns_put_record(&exchange->writer, section, record.name.wire,
		                record.type, record.class, record.ttl, data))
			return false;
	}
	return true;
}

/* -- back into our zones ----------------------------------------------------------------------- */

/* The aliases of `name` in the answer section of a message, each put if `put`. False: there is none. */
static bool responder_chase_next_alias(struct dns_exchange *exchange, struct weir_span message,
        size_t at, bool put, struct weir_dns_name *name)
{
	unsigned count = dns_get16((const uint8_t *)message.data + 4 + 2 * WEIR_DNS_ANSWER);
	struct weir_dns_name target;
	bool found = false;
	for (; count; count--) {
		struct weir_dns_record record;
		uint8_t buffer[DNS_EXPANDED_MAX];
		struct weir_span data;
		if (weir_dns_record_read(message, &at, &record) < 0)
			break;
		bool is_alias = record.type == WEIR_DNS_CNAME;
		bool is_signature = record.type == WEIR_DNS_RRSIG && record.data.size > 2 &&
		                    dns_get16((const uint8_t *)record.data.data) == WEIR_DNS_CNAME;
		if ((!is_alias && !is_signature) || !weir_dns_name_equal(&record.name, name) ||
		        dns_rdata_expand(message, &record, buffer, &data) < 0)
			continue;
		if (put && !weir_dns_put_record(&exchange->writer, WEIR_DNS_ANSWER,
		                   record.name.wire, record.type, record.class, record.ttl, data))
			exchange->answer.truncated = true;
		if (is_alias && !found)
			found = weir_dns_name_set(data, &target) == 0;
	}
	if (found)
		*name = target;
	return found;
}

static bool responder_chase_is_ours(
        const struct dns_exchange *exchange, const struct weir_dns_name *name)
{
	struct dns_key key;
	dns_key_make(&key, name->wire, name->size, dns_seed());
	return dns_zones_search(exchange->zones, &key, 0);
}

bool dns_exchange_comes_back(struct dns_exchange *exchange, struct weir_span message, size_t at,
        const struct weir_dns_name *first)
{
	uint16_t type = exchange->query.question.type;
	struct weir_dns_name name = *first;
	if (!exchange->zones->count || type == WEIR_DNS_CNAME || type == WEIR_DNS_ANY)
		return false;
	for (unsigned hops = 0; hops <= WEIR_DNS_CHAIN_MAX; hops++) {
		if (!responder_chase_next_alias(exchange, message, at, false, &name))
			return false;
		if (responder_chase_is_ours(exchange, &name))
			return true;
	}
	return false;
}

unsigned dns_exchange_come_back(struct dns_exchange *exchange, struct weir_span message, size_t at,
        const struct weir_dns_name *first)
{
	struct dns_answer *answer = &exchange->answer;
	struct weir_dns_name name = *first;
	do {
		if (!responder_chase_next_alias(exchange, message, at, true, &name))
			return responder_chase_fail(exchange, WEIR_DNS_EDE_OTHER);
	} while (!responder_chase_is_ours(exchange, &name));
	exchange->authenticated = false;
	if (answer->truncated)
		return WEIR_DNS_NOERROR;
	answer->recursive = true;
	if (!dns_answer_resume(answer, &name) || answer->left || answer->delegated ||
	        answer->absence)
		return responder_chase_fail(
		        exchange, answer->absence ? answer->absence : WEIR_DNS_EDE_OTHER);
	return answer->rcode;
}

/* The message answers `target`, without OPT. */
static unsigned responder_chase_append(
        struct dns_exchange *exchange, const struct weir_dns_found *found, struct weir_span message)
{
	struct weir_dns_writer *writer = &exchange->writer;
	size_t start = writer->size, at = WEIR_DNS_HEADER_SIZE + exchange->target.name.size + 4u;
	uint16_t count = writer->counts[WEIR_DNS_ANSWER];
	if (!message.size)
		return responder_chase_fail(exchange, WEIR_DNS_EDE_NOT_READY);
	exchange->forwarded = true;
	if (found->rcode == WEIR_DNS_SERVFAIL)
		return responder_chase_fail(exchange, found->extended_error);
	exchange->extended_error = found->extended_error;
	if (!found->truncated &&
	        dns_exchange_comes_back(exchange, message, at, &exchange->target.name))
		return dns_exchange_come_back(exchange, message, at, &exchange->target.name);
	if (found->truncated ||
	        !responder_chase_put_section(exchange, message, &at, WEIR_DNS_ANSWER) ||
	        !responder_chase_put_section(exchange, message, &at, WEIR_DNS_AUTHORITY)) {
		exchange->answer.truncated = true;
		writer->counts[WEIR_DNS_AUTHORITY] = 0;
		weir_dns_writer_cut(writer, start, WEIR_DNS_ANSWER, count);
	}
	return found->rcode;
}

static void responder_chase_set_target(struct dns_exchange *exchange)
{
	const struct dns_key *key = &exchange->answer.key;
	struct weir_dns_question *target = &exchange->target;
	target->name.size = key->size;
	target->name.labels = key->labels;
	memcpy(target->name.wire, key->wire, key->size);
	target->type = exchange->query.question.type;
	target->class = WEIR_DNS_IN;
}

unsigned dns_exchange_chase(struct dns_exchange *exchange)
{
	const struct dns_answer *answer = &exchange->answer;
	struct weir_dns_responder *responder = exchange->responder;
	struct weir_dns_found found;
	unsigned rcode;
	if (!exchange->recursive || !(exchange->query.header.flags & WEIR_DNS_RD))
		return answer->rcode;
	if (answer->zone && answer->zone->absence)
		return responder_chase_fail(exchange, answer->zone->absence);
	responder_chase_set_target(exchange);
	if (dns_exchange_special(exchange, &exchange->target, &rcode))
		return rcode;
	if (exchange->found)
		return responder_chase_append(exchange, exchange->found, exchange->message);
	uint8_t *cached = responder->later->cached;
	size_t size = weir_dns_lookup_cached(responder->recursion.lookups, &exchange->target,
	        dns_exchange_ask_flags(exchange), cached, WEIR_DNS_MESSAGE_MAX, &found);
	if (size)
		return responder_chase_append(exchange, &found, weir_span(cached, size));
	exchange->asks = true;
	exchange->asked = &exchange->target;
	return WEIR_DNS_SERVFAIL;
}
