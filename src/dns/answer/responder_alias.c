/*
 * Chains of aliases that leave our zones. If the client may have names looked up, the rest of the
 * chain is put behind our part. The rcode is that of the end. If not all of it fits, our part alone
 * is put, with TC. If a lookup fails, the reply has no records.
 *
 * AA stays set, because it is about the first name (RFC 1035 4.1.1), which is ours. AD is never
 * set, because our part was not validated. Where the chain comes back into our zones, our data is
 * used and not that of the upstreams. The chain may leave them again, and is looked up again then.
 * Each time it passes an alias of ours. At most WEIR_DNS_CHAIN_MAX of these are followed, and none
 * twice.
 */
#include "dns_codec.h"
#include "responder.h"
#include "zone_image.h"

static unsigned responder_alias_fail(struct dns_response *response, int why)
{
	struct dns_answer *answer = &response->answer;
	answer->authoritative = false;
	answer->proof_count = 0;
	response->extended_error = why;
	weir_dns_writer_cut(&response->writer, response->query.question_end, WEIR_DNS_ANSWER, 0);
	return WEIR_DNS_SERVFAIL;
}

/* Returns false if it does not fit. */
static bool responder_alias_put_section(struct dns_response *response, struct weir_span message,
        size_t *at, enum weir_dns_section section)
{
	const uint8_t *count = (const uint8_t *)message.data + 4 + 2 * section;
	for (unsigned left = dns_get16(count); left; left--) {
		struct weir_dns_record record;
		uint8_t buffer[DNS_EXPANDED_MAX];
		struct weir_span data;
		if (weir_dns_record_read(message, at, &record) < 0 ||
		        dns_rdata_expand(message, &record, buffer, &data) < 0 ||
		        !weir_dns_put_record(&response->writer, section, record.name.wire,
		                record.type, record.rr_class, record.ttl, data))
			return false;
	}
	return true;
}

/* -- back into our zones ----------------------------------------------------------------------- */

/*
 * The aliases of `name` in the answer section of a message, each put if `put`. Returns false if
 * there is none.
 */
static bool responder_alias_next_alias(struct dns_response *response, struct weir_span message,
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
		if (put &&
		        !weir_dns_put_record(&response->writer, WEIR_DNS_ANSWER, record.name.wire,
		                record.type, record.rr_class, record.ttl, data))
			response->answer.truncated = true;
		if (is_alias && !found)
			found = weir_dns_name_set(data, &target) == 0;
	}
	if (found)
		*name = target;
	return found;
}

bool dns_response_comes_back(struct dns_response *response, struct weir_span message, size_t at,
        const struct weir_dns_name *first)
{
	uint16_t type = response->query.question.type;
	struct weir_dns_name name = *first;
	if (!response->zones->count || type == WEIR_DNS_CNAME || type == WEIR_DNS_ANY)
		return false;
	for (unsigned hops = 0; hops <= WEIR_DNS_CHAIN_MAX; hops++) {
		if (!responder_alias_next_alias(response, message, at, false, &name))
			return false;
		if (dns_answer_owns(&response->answer, &name))
			return true;
	}
	return false;
}

/* Puts the aliases up to our zones, and what these have. */
static unsigned responder_alias_come_back(struct dns_response *response, struct weir_span message,
        size_t at, const struct weir_dns_name *first)
{
	struct dns_answer *answer = &response->answer;
	struct weir_dns_name name = *first;
	do {
		if (!responder_alias_next_alias(response, message, at, true, &name))
			return responder_alias_fail(response, WEIR_DNS_EDE_OTHER);
	} while (!dns_answer_owns(answer, &name));
	response->authenticated = false;
	answer->left = answer->delegated = false;
	if (answer->truncated)
		return WEIR_DNS_NOERROR;
	answer->recursive = true;
	dns_answer_resume(answer, &name);
	if (answer->endless)
		return responder_alias_fail(response, WEIR_DNS_EDE_OTHER);
	return answer->unavailable ? responder_alias_fail(response, answer->unavailable)
	                           : answer->rcode;
}

/* The message answers `target`, without OPT. */
static unsigned responder_alias_append(struct dns_response *response,
        const struct weir_dns_lookup_info *info, struct weir_span message)
{
	struct weir_dns_writer *writer = &response->writer;
	struct dns_answer *answer = &response->answer;
	size_t start = writer->size, at = WEIR_DNS_HEADER_SIZE + response->target.name.size + 4u;
	uint16_t count = writer->counts[WEIR_DNS_ANSWER];
	answer->left = answer->delegated = false;
	if (!message.size)
		return responder_alias_fail(response, WEIR_DNS_EDE_NOT_READY);
	response->forwarded = true;
	if (info->rcode == WEIR_DNS_SERVFAIL)
		return responder_alias_fail(response, info->extended_error);
	response->extended_error = info->extended_error;
	if (!info->truncated &&
	        dns_response_comes_back(response, message, at, &response->target.name))
		return responder_alias_come_back(response, message, at, &response->target.name);
	if (info->truncated ||
	        !responder_alias_put_section(response, message, &at, WEIR_DNS_ANSWER) ||
	        !responder_alias_put_section(response, message, &at, WEIR_DNS_AUTHORITY)) {
		answer->truncated = true;
		writer->counts[WEIR_DNS_AUTHORITY] = 0;
		weir_dns_writer_cut(writer, start, WEIR_DNS_ANSWER, count);
	}
	return info->rcode;
}

static void responder_alias_set_target(struct dns_response *response)
{
	const struct dns_key *key = &response->answer.key;
	struct weir_dns_question *target = &response->target;
	target->name.size = key->size;
	target->name.labels = key->labels;
	memcpy(target->name.wire, key->wire, key->size);
	target->type = response->query.question.type;
	target->rr_class = WEIR_DNS_IN;
}

/* Looks up the name that the chain has left our zones with. The chain may have come back then. */
static unsigned responder_alias_once(struct dns_response *response)
{
	struct dns_answer *answer = &response->answer;
	struct weir_dns_responder *responder = response->responder;
	struct weir_dns_lookup_info info;
	unsigned rcode;
	responder_alias_set_target(response);
	if (dns_response_special(response, &response->target, &rcode)) {
		answer->left = answer->delegated = false;
		return rcode;
	}
	const struct dns_result *result = dns_response_result(response, &response->target);
	if (result)
		return responder_alias_append(response, &result->info, result->message);
	uint8_t *cached = responder->deferred->cached;
	size_t size = weir_dns_lookup_cached(responder->recursion.lookups, &response->target,
	        dns_response_ask_flags(response), cached, WEIR_DNS_MESSAGE_MAX, &info);
	if (size || !dns_response_must_ask(response, &response->target))
		return responder_alias_append(response, &info, weir_span(cached, size));
	answer->left = answer->delegated = false;
	return WEIR_DNS_SERVFAIL;
}

static unsigned responder_alias_follow(struct dns_response *response)
{
	const struct dns_answer *answer = &response->answer;
	unsigned rcode = answer->rcode;
	while (answer->left || answer->delegated) {
		if (answer->zone && answer->zone->unavailable)
			return responder_alias_fail(response, answer->zone->unavailable);
		rcode = responder_alias_once(response);
	}
	return rcode;
}

unsigned dns_response_come_back(struct dns_response *response, struct weir_span message, size_t at,
        const struct weir_dns_name *first)
{
	unsigned rcode = responder_alias_come_back(response, message, at, first);
	return response->answer.left || response->answer.delegated
	               ? responder_alias_follow(response)
	               : rcode;
}

unsigned dns_response_follow_alias(struct dns_response *response)
{
	if (!response->recursive || !(response->query.header.flags & WEIR_DNS_RD))
		return response->answer.rcode;
	return responder_alias_follow(response);
}
