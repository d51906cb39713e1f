/*
 * A reply around an answer: what may be asked at all, how much room there is, the OPT and TSIG
 * records, the header. A reply is always complete: what does not fit is left out in whole RRsets, and
 * TC says so. Leaves out what becomes of names of no zone of ours
 * (responder_forward.c, responder_chase.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <weir/error.h>

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
        const struct dns_exchange *exchange, const struct weir_dns_policy *policy)
{
	bool network = weir_networks_contain(
	        policy->networks, policy->network_count, exchange->request->peer);
	bool key = responder_key_may(policy, exchange->outcome);
	return policy->both ? network && key : network || key;
}

/*
 * AXFR is for connections alone (RFC 5936 4.2). IXFR by UDP is answered at once, or with the SOA, so
 * that the client comes by TCP if it has another serial (RFC 1995 2).
 */
static unsigned responder_start_transfer(struct dns_exchange *exchange)
{
	const struct weir_dns_question *question = &exchange->query.question;
	const struct weir_dns_zone_entry *entry =
	        weir_dns_zones_find(exchange->zones, &question->name);
	if (!entry)
		return WEIR_DNS_NOTAUTH;
	if (!responder_may_transfer(exchange, &entry->policy)) {
		exchange->extended_error = WEIR_DNS_EDE_PROHIBITED;
		return WEIR_DNS_REFUSED;
	}
	if (entry->zone->absence) {
		exchange->extended_error = entry->zone->absence;
		return WEIR_DNS_SERVFAIL;
	}
	if (exchange->request->over != WEIR_DNS_OVER_UDP) {
		exchange->outcome->transfer = entry;
		return WEIR_DNS_NOERROR;
	}
	if (question->type == WEIR_DNS_AXFR)
		return WEIR_DNS_FORMERR;
	exchange->answer.authoritative = true;
	exchange->answer.truncated = !dns_transfer_put(
	        entry->zone, &exchange->query, exchange->request->message, &exchange->writer);
	return WEIR_DNS_NOERROR;
}

/* -- kinds of query ---------------------------------------------------------------------------- */

static unsigned responder_answer_zones(struct dns_exchange *exchange)
{
	struct dns_answer *answer = &exchange->answer;
	answer->type = exchange->query.question.type;
	answer->recursive = exchange->recursive && exchange->query.header.flags & WEIR_DNS_RD;
	dns_answer_make(answer, &exchange->query.question.name);
	exchange->outcome->kind = answer->kind;
	if (answer->absence)
		exchange->extended_error = answer->absence;
	unsigned rcode = answer->rcode;
	if (answer->refused || (answer->delegated && !answer->follow_count)) {
		answer->authoritative = false;
		rcode = dns_exchange_forward(exchange);
		/* Only what has come back into a zone of ours has a rest to be put. */
		if (!answer->follow_count)
			return rcode;
	} else if (answer->left || answer->delegated) {
		rcode = dns_exchange_chase(exchange);
	}
	dns_answer_end(answer);
	return rcode;
}

static unsigned responder_answer_notify(struct dns_exchange *exchange)
{
	struct weir_dns_responder *responder = exchange->responder;
	const struct weir_dns_outcome *outcome = exchange->outcome;
	if (!responder->notified)
		return WEIR_DNS_REFUSED;
	return responder->notified(responder->context, &exchange->query.question.name,
	        exchange->request->peer, outcome->is_signed ? &outcome->tsig : NULL);
}

static bool responder_is_notify(const struct dns_exchange *exchange)
{
	return (exchange->query.header.flags & WEIR_DNS_OPCODE_MASK) ==
	       WEIR_DNS_NOTIFY << WEIR_DNS_OPCODE_SHIFT;
}

static unsigned responder_answer_query(struct dns_exchange *exchange)
{
	const struct weir_dns_question *question = &exchange->query.question;
	if (!exchange->query.question_end)
		/* Who only wants a cookie asks for nothing (RFC 7873 5.4). */
		return exchange->cookie ? WEIR_DNS_NOERROR : WEIR_DNS_FORMERR;
	if (responder_is_notify(exchange))
		return responder_answer_notify(exchange);
	if (question->class == WEIR_DNS_CH)
		return dns_exchange_chaos(exchange);
	if (question->class != WEIR_DNS_IN) {
		exchange->extended_error = WEIR_DNS_EDE_NOT_AUTHORITATIVE;
		return WEIR_DNS_REFUSED;
	}
	switch (question->type) {
	case WEIR_DNS_AXFR:
	case WEIR_DNS_IXFR:
		return responder_start_transfer(exchange);
	case 0:
	case WEIR_DNS_OPT:
	case WEIR_DNS_TSIG:
		return WEIR_DNS_FORMERR;
	case WEIR_DNS_TKEY:
	case WEIR_DNS_MAILA:
	case WEIR_DNS_MAILB:
		return WEIR_DNS_NOTIMP;
	default:
		return responder_answer_zones(exchange);
	}
}

/* -- the whole --------------------------------------------------------------------------------- */

/* The bytes that the client takes by the way it came. */
static size_t responder_room_of(const struct dns_exchange *exchange, size_t room)
{
	size_t most = WEIR_DNS_MESSAGE_MAX;
	const struct weir_dns_edns *edns = &exchange->query.edns;
	if (exchange->request->over == WEIR_DNS_OVER_UDP) {
		most = edns->present ? edns->size : WEIR_DNS_UDP_MIN;
		if (most > exchange->responder->udp_size)
			most = exchange->responder->udp_size;
		if (most < WEIR_DNS_UDP_MIN)
			most = WEIR_DNS_UDP_MIN;
	}
	return most < room ? most : room;
}

/* 0, or the rcode of the refusal. */
static unsigned responder_check_signature(struct dns_exchange *exchange)
{
	const struct weir_dns_request *request = exchange->request;
	struct weir_dns_outcome *outcome = exchange->outcome;
	if (!exchange->query.tsig)
		return WEIR_DNS_NOERROR;
	int error = weir_dns_tsig_verify(exchange->responder->keys, request->message,
	        exchange->query.tsig, request->now_s, &outcome->tsig);
	if (error < 0)
		return WEIR_DNS_FORMERR;
	outcome->is_signed = true;
	outcome->proven |= error == 0;
	return error ? WEIR_DNS_NOTAUTH : WEIR_DNS_NOERROR;
}

static void responder_begin(struct dns_exchange *exchange, void *reply, size_t room)
{
	const struct weir_dns_query *query = &exchange->query;
	struct weir_dns_writer *writer = &exchange->writer;
	exchange->room = responder_room_of(exchange, room);
	size_t reserve = dns_exchange_reserve(exchange);
	/* The question always fits; then it may be OPT or TSIG that does not. */
	size_t least = query->question_end ? query->question_end : WEIR_DNS_HEADER_SIZE;
	size_t limit = exchange->room > reserve ? exchange->room - reserve : 0;
	weir_dns_writer_init(writer, reply, limit > least ? limit : least);
	if (query->question_end)
		weir_dns_put_question(
		        writer, weir_span(exchange->request->message.data + WEIR_DNS_HEADER_SIZE,
		                        query->question_end - WEIR_DNS_HEADER_SIZE));
}

static uint16_t responder_flags_of(const struct dns_exchange *exchange)
{
	unsigned kept =
	        WEIR_DNS_OPCODE_MASK | WEIR_DNS_RD | (exchange->forwarded ? WEIR_DNS_CD : 0);
	unsigned flags = WEIR_DNS_QR | (exchange->query.header.flags & kept) |
	                 (exchange->rcode & WEIR_DNS_RCODE_MASK);
	if (exchange->recursive && !responder_is_notify(exchange))
		flags |= WEIR_DNS_RA;
	if (exchange->authenticated)
		flags |= WEIR_DNS_AD;
	if (exchange->answer.authoritative || (responder_is_notify(exchange) && !exchange->rcode))
		flags |= WEIR_DNS_AA;
	if (exchange->answer.truncated)
		flags |= WEIR_DNS_TC;
	return (uint16_t)flags;
}

static size_t responder_finish(struct dns_exchange *exchange, uint8_t *reply)
{
	struct weir_dns_outcome *outcome = exchange->outcome;
	struct weir_dns_writer *writer = &exchange->writer;
	size_t for_tsig = outcome->is_signed ? WEIR_DNS_TSIG_MAX : 0;
	size_t limit = exchange->room - for_tsig;
	writer->limit = limit > writer->size ? limit : writer->size;
	dns_exchange_put_opt(exchange);
	size_t size = weir_dns_writer_finish(
	        writer, exchange->query.header.id, responder_flags_of(exchange));
	outcome->rcode = exchange->rcode;
	outcome->truncated = exchange->answer.truncated;
	if (!outcome->is_signed)
		return size;
	return weir_dns_tsig_sign(
	        &outcome->tsig, reply, size, exchange->room, exchange->request->now_s, false);
}

size_t dns_exchange_run(struct dns_exchange *exchange, void *reply, size_t room)
{
	/* cppcheck-suppress ctuuninitvar; of what is not set nothing is read */
	struct weir_dns_responder *responder = exchange->responder;
	struct weir_dns_outcome *outcome = exchange->outcome;
	exchange->extended_error = -1;
	exchange->nsid = exchange->padding = exchange->cookie = false;
	exchange->recursive = exchange->forwarded = exchange->authenticated = exchange->asks =
	        false;
	outcome->type = 0;
	outcome->kind = 0;
	outcome->transfer = NULL;
	outcome->is_signed = outcome->truncated = false;
	outcome->proven = exchange->request->over != WEIR_DNS_OVER_UDP;
	int rcode = weir_dns_query_read(exchange->request->message, &exchange->query);
	if (rcode < 0)
		return 0;
	exchange->rcode = (unsigned)rcode;
	outcome->type = exchange->query.question.type;
	if (rcode == WEIR_DNS_NOERROR)
		exchange->rcode = dns_exchange_options(exchange);
	if (exchange->rcode == WEIR_DNS_NOERROR)
		exchange->rcode = responder_check_signature(exchange);
	exchange->recursive = dns_exchange_recursive(exchange);
	responder_begin(exchange, reply, room);
	dns_answer_init(&exchange->answer, exchange->zones, &exchange->writer, responder->hasher,
	        exchange->query.edns.dnssec);
	if (exchange->rcode == WEIR_DNS_NOERROR)
		exchange->rcode = responder_answer_query(exchange);
	return outcome->transfer || exchange->asks ? 0 : responder_finish(exchange, reply);
}

/* -- life -------------------------------------------------------------------------------------- */

/* The rdata of a TXT record of one string. */
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
	if (options->nsid.size > WEIR_DNS_NSID_MAX ||
	        !responder_set_text(
	                options->version, responder->version, &responder->version_size) ||
	        !responder_set_text(
	                options->identity, responder->identity, &responder->identity_size))
		return WEIR_E_LIMIT;
	if (options->nsid.size)
		memcpy(responder->nsid, options->nsid.data, options->nsid.size);
	responder->nsid_size = (uint8_t)options->nsid.size;
	responder->udp_size = options->udp_size ? options->udp_size : WEIR_DNS_UDP_SIZE;
	if (responder->udp_size < WEIR_DNS_UDP_MIN)
		responder->udp_size = WEIR_DNS_UDP_MIN;
	int error = 0;
	if (options->recursion.lookups)
		error = dns_later_create(&responder->later);
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
	dns_later_destroy(responder->later);
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
