/*
 * The reply around an answer: which queries are allowed, the room, the OPT and TSIG records, the
 * header. A reply is always well formed: truncation leaves out whole RRsets and sets TC.
 * Names in none of our zones are the matter of responder_forward.c and responder_alias.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <weir/error.h>

#include "helper.h"
#include "responder.h"
#include "zone_transfer.h"

/* -- transfers --------------------------------------------------------------------------------- */

static bool responder_key_may(
        const struct weir_dns_policy *policy, const struct weir_dns_outcome *outcome)
{
	if (!outcome->is_signed || outcome->tsig.error)
		return false;
	for (size_t i = 0; i < policy->key_count; i++)
		if (weir_dns_name_equal(&policy->keys[i], &outcome->tsig.name))
			return true;
	return false;
}

static bool responder_may_transfer(
        const struct dns_response *response, const struct weir_dns_policy *policy)
{
	bool network = weir_networks_contain(
	        policy->networks, policy->network_count, response->request->peer);
	bool key = responder_key_may(policy, response->outcome);
	return policy->both ? network && key : network || key;
}

/*
 * AXFR is for connections alone (RFC 5936 4.2). IXFR by UDP is answered at once, or with the SOA,
 * so that the client comes by TCP if it has another serial (RFC 1995 2).
 */
static unsigned responder_start_transfer(struct dns_response *response)
{
	const struct weir_dns_question *question = &response->query.question;
	const struct weir_dns_zone_entry *entry =
	        weir_dns_zones_find(response->zones, &question->name);
	if (!entry)
		return WEIR_DNS_NOTAUTH;
	if (!responder_may_transfer(response, &entry->policy)) {
		response->extended_error = WEIR_DNS_EDE_PROHIBITED;
		return WEIR_DNS_REFUSED;
	}
	if (entry->zone->unavailable) {
		response->extended_error = entry->zone->unavailable;
		return WEIR_DNS_SERVFAIL;
	}
	if (response->request->over != WEIR_DNS_OVER_UDP) {
		response->outcome->transfer = entry;
		return WEIR_DNS_NOERROR;
	}
	if (question->type == WEIR_DNS_AXFR)
		return WEIR_DNS_FORMERR;
	response->answer.authoritative = true;
	response->answer.truncated = !dns_transfer_put(
	        entry->zone, &response->query, response->request->message, &response->writer);
	return WEIR_DNS_NOERROR;
}

/* -- kinds of query ---------------------------------------------------------------------------- */

static unsigned responder_answer_zones(struct dns_response *response)
{
	struct dns_answer *answer = &response->answer;
	answer->type = response->query.question.type;
	answer->recursive = response->recursive && response->query.header.flags & WEIR_DNS_RD;
	dns_answer_make(answer, &response->query.question.name);
	response->outcome->kind = answer->kind;
	if (answer->unavailable)
		response->extended_error = answer->unavailable;
	unsigned rcode = answer->rcode;
	if (answer->refused || (answer->delegated && !answer->follow_count)) {
		answer->authoritative = false;
		rcode = dns_response_forward(response);
		/* Only a chain that has come back into our zones needs the last step. */
		if (!answer->resumed)
			return rcode;
	} else if (answer->left || answer->delegated) {
		rcode = dns_response_follow_alias(response);
	}
	dns_answer_end(answer);
	return rcode;
}

static unsigned responder_answer_notify(struct dns_response *response)
{
	struct weir_dns_responder *responder = response->responder;
	const struct weir_dns_outcome *outcome = response->outcome;
	if (!responder->notified)
		return WEIR_DNS_REFUSED;
	return responder->notified(responder->context, &response->query.question.name,
	        response->request->peer, outcome->is_signed ? &outcome->tsig : NULL);
}

static bool responder_is_notify(const struct dns_response *response)
{
	return (response->query.header.flags & WEIR_DNS_OPCODE_MASK) ==
	       WEIR_DNS_NOTIFY << WEIR_DNS_OPCODE_SHIFT;
}

static unsigned responder_answer_query(struct dns_response *response)
{
	const struct weir_dns_question *question = &response->query.question;
	if (!response->query.question_end)
		/* A query for a cookie alone has no question (RFC 7873 5.4). */
		return response->cookie ? WEIR_DNS_NOERROR : WEIR_DNS_FORMERR;
	if (responder_is_notify(response))
		return responder_answer_notify(response);
	if (question->rr_class == WEIR_DNS_CH)
		return dns_response_chaos(response);
	if (question->rr_class != WEIR_DNS_IN) {
		response->extended_error = WEIR_DNS_EDE_NOT_AUTHORITATIVE;
		return WEIR_DNS_REFUSED;
	}
	switch (question->type) {
	case WEIR_DNS_AXFR:
	case WEIR_DNS_IXFR:
		return responder_start_transfer(response);
	case 0:
	case WEIR_DNS_OPT:
	case WEIR_DNS_TSIG:
		return WEIR_DNS_FORMERR;
	case WEIR_DNS_TKEY:
	case WEIR_DNS_MAILA:
	case WEIR_DNS_MAILB:
		return WEIR_DNS_NOTIMP;
	default:
		return responder_answer_zones(response);
	}
}

/* -- the whole --------------------------------------------------------------------------------- */

/* The most bytes that the client accepts by this protocol. */
static size_t responder_room_of(const struct dns_response *response, size_t room)
{
	size_t most = WEIR_DNS_MESSAGE_MAX;
	const struct weir_dns_edns *edns = &response->query.edns;
	if (response->request->over == WEIR_DNS_OVER_UDP) {
		most = edns->present ? edns->size : WEIR_DNS_UDP_MIN;
		if (most > response->responder->udp_size)
			most = response->responder->udp_size;
		if (most < WEIR_DNS_UDP_MIN)
			most = WEIR_DNS_UDP_MIN;
	}
	return min_of(most, room);
}

/* Returns 0, or the rcode of the refusal. */
static unsigned responder_check_signature(struct dns_response *response)
{
	const struct weir_dns_request *request = response->request;
	struct weir_dns_outcome *outcome = response->outcome;
	if (!response->query.tsig)
		return WEIR_DNS_NOERROR;
	int error = weir_dns_tsig_verify(response->responder->keys, request->message,
	        response->query.tsig, request->now_s, &outcome->tsig);
	if (error < 0)
		return WEIR_DNS_FORMERR;
	outcome->is_signed = true;
	outcome->address_validated |= error == 0;
	return error ? WEIR_DNS_NOTAUTH : WEIR_DNS_NOERROR;
}

static void responder_begin(struct dns_response *response, void *reply, size_t room)
{
	const struct weir_dns_query *query = &response->query;
	struct weir_dns_writer *writer = &response->writer;
	response->room = responder_room_of(response, room);
	size_t reserve = dns_response_reserve(response);
	/* The question always fits; then OPT or TSIG may not. */
	size_t least = query->question_end ? query->question_end : WEIR_DNS_HEADER_SIZE;
	size_t limit = response->room > reserve ? response->room - reserve : 0;
	weir_dns_writer_init(writer, reply, max_of(limit, least));
	if (query->question_end)
		weir_dns_put_question(
		        writer, weir_span(response->request->message.data + WEIR_DNS_HEADER_SIZE,
		                        query->question_end - WEIR_DNS_HEADER_SIZE));
}

static uint16_t responder_flags_of(const struct dns_response *response)
{
	unsigned copied =
	        WEIR_DNS_OPCODE_MASK | WEIR_DNS_RD | (response->forwarded ? WEIR_DNS_CD : 0);
	unsigned flags = WEIR_DNS_QR | (response->query.header.flags & copied) |
	                 (response->rcode & WEIR_DNS_RCODE_MASK);
	if (response->recursive && !responder_is_notify(response))
		flags |= WEIR_DNS_RA;
	if (response->authenticated)
		flags |= WEIR_DNS_AD;
	if (response->answer.authoritative || (responder_is_notify(response) && !response->rcode))
		flags |= WEIR_DNS_AA;
	if (response->answer.truncated)
		flags |= WEIR_DNS_TC;
	return (uint16_t)flags;
}

static size_t responder_finish(struct dns_response *response, uint8_t *reply)
{
	struct weir_dns_outcome *outcome = response->outcome;
	struct weir_dns_writer *writer = &response->writer;
	size_t for_tsig = outcome->is_signed ? WEIR_DNS_TSIG_MAX : 0;
	size_t limit = response->room - for_tsig;
	writer->limit = max_of(limit, writer->size);
	dns_response_put_opt(response);
	size_t size = weir_dns_writer_finish(
	        writer, response->query.header.id, responder_flags_of(response));
	outcome->rcode = response->rcode;
	outcome->truncated = response->answer.truncated;
	if (!outcome->is_signed)
		return size;
	return weir_dns_tsig_sign(
	        &outcome->tsig, reply, size, response->room, response->request->now_s, false);
}

size_t dns_response_run(struct dns_response *response, void *reply, size_t room)
{
	/* cppcheck-suppress ctuuninitvar; of what is not set nothing is read */
	struct weir_dns_responder *responder = response->responder;
	struct weir_dns_outcome *outcome = response->outcome;
	response->extended_error = -1;
	response->nsid = response->padding = response->cookie = false;
	response->recursive = response->forwarded = response->authenticated = response->asks =
	        false;
	outcome->type = 0;
	outcome->kind = 0;
	outcome->transfer = NULL;
	outcome->is_signed = outcome->truncated = false;
	outcome->address_validated = response->request->over != WEIR_DNS_OVER_UDP;
	int rcode = weir_dns_query_read(response->request->message, &response->query);
	if (rcode < 0)
		return 0;
	response->rcode = (unsigned)rcode;
	outcome->type = response->query.question.type;
	if (rcode == WEIR_DNS_NOERROR)
		response->rcode = dns_response_options(response);
	if (response->rcode == WEIR_DNS_NOERROR)
		response->rcode = responder_check_signature(response);
	response->recursive = dns_response_recursive(response);
	responder_begin(response, reply, room);
	dns_answer_init(&response->answer, response->zones, &response->writer, responder->hasher,
	        response->query.edns.dnssec);
	if (response->rcode == WEIR_DNS_NOERROR)
		response->rcode = responder_answer_query(response);
	return outcome->transfer || response->asks ? 0 : responder_finish(response, reply);
}

/* -- life -------------------------------------------------------------------------------------- */

void weir_dns_responder_options_init(struct weir_dns_responder_options *options)
{
	*options = (struct weir_dns_responder_options){.udp_size = WEIR_DNS_UDP_SIZE};
}

/* Makes the rdata of a TXT record of one string. */
static bool responder_set_text(const char *text, uint8_t *to, uint8_t *ret_size)
{
	struct weir_span span = weir_span_of(text ? text : "");
	if (span.size > WEIR_DNS_CHAOS_MAX - 1)
		return false;
	to[0] = (uint8_t)span.size;
	memcpy(to + 1, span.data, span.size);
	*ret_size = text ? (uint8_t)(span.size + 1) : 0;
	return true;
}

static int responder_set_options(
        struct weir_dns_responder *responder, const struct weir_dns_responder_options *options)
{
	if (options->udp_size < WEIR_DNS_UDP_MIN)
		return -EINVAL;
	if (options->nsid.size > WEIR_DNS_NSID_MAX ||
	        !responder_set_text(
	                options->version, responder->version, &responder->version_size) ||
	        !responder_set_text(
	                options->identity, responder->identity, &responder->identity_size))
		return WEIR_E_LIMIT;
	if (options->nsid.size)
		memcpy(responder->nsid, options->nsid.data, options->nsid.size);
	responder->nsid_size = (uint8_t)options->nsid.size;
	responder->udp_size = options->udp_size;
	int error = 0;
	if (options->recursion.lookups)
		error = dns_deferred_create(&responder->deferred);
	if (error == 0)
		error = weir_dns_responder_set_recursion(responder, &options->recursion);
	if (error < 0)
		return error;
	responder->notified = options->notified;
	responder->context = options->context;
	weir_dns_responder_set_keys(responder, options->keys);
	responder->secrets.count = 1;
	size_t size = sizeof responder->secrets.keys[0];
	return getrandom(&responder->secrets.keys[0], size, 0) == (ssize_t)size ? 0 : -EIO;
}

int weir_dns_responder_create(
        const struct weir_dns_responder_options *options, struct weir_dns_responder **ret)
{
	struct weir_dns_responder *responder = calloc(1, sizeof *responder);
	if (!responder)
		return -ENOMEM;
	responder->hasher = dns_hasher_create();
	int error = responder->hasher ? responder_set_options(responder, options) : -ENOMEM;
	if (error < 0)
		weir_dns_responder_destroy(responder);
	else
		*ret = responder;
	return error;
}

void weir_dns_responder_destroy(struct weir_dns_responder *responder)
{
	if (!responder)
		return;
	dns_deferred_destroy(responder->deferred);
	free((void *)(uintptr_t)responder->recursion.networks);
	dns_hasher_destroy(responder->hasher);
	weir_dns_keys_release(responder->keys);
	explicit_bzero(&responder->secrets, sizeof responder->secrets);
	free(responder);
}

void weir_dns_responder_set_keys(struct weir_dns_responder *responder, struct weir_dns_keys *keys)
{
	struct weir_dns_keys *old = responder->keys;
	responder->keys = keys ? weir_dns_keys_hold(keys) : NULL;
	weir_dns_keys_release(old);
}

void weir_dns_responder_set_secrets(struct weir_dns_responder *responder,
        const uint8_t (*secrets)[WEIR_DNS_COOKIE_SECRET_SIZE], unsigned count)
{
	struct dns_cookie_secrets *own = &responder->secrets;
	own->count = count < 2 ? 1 : 2;
	for (unsigned i = 0; i < own->count && i < count; i++) {
		uint64_t words[2];
		memcpy(words, secrets[i], sizeof words);
		own->keys[i] = (struct siphash_key){le64toh(words[0]), le64toh(words[1])};
	}
}
