/*
 * Names of no zone of ours: for those who may ask, the answer is what the cache has, or what a lookup
 * has come to, a message that is complete but for OPT. Where there is neither, it has to be asked for.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/network.h>

#include "name.h"
#include "responder.h"

bool dns_exchange_recursive(const struct dns_exchange *exchange)
{
	const struct weir_dns_responder *responder = exchange->responder;
	const struct weir_dns_recursion *recursion = &responder->recursion;
	if (!recursion->lookups)
		return false;
	if (!recursion->networks)
		return weir_networks_contain(
		        responder->networks, DNS_NETWORKS_DEFAULT, exchange->request->peer);
	return weir_networks_contain(
	        recursion->networks, recursion->network_count, exchange->request->peer);
}

unsigned dns_exchange_ask_flags(const struct dns_exchange *exchange)
{
	return (exchange->query.edns.dnssec ? WEIR_DNS_ASK_DNSSEC : 0) |
	       (exchange->query.header.flags & WEIR_DNS_CD ? WEIR_DNS_ASK_CHECKING_DISABLED : 0);
}

/* The message stands in the reply; what follows is put behind it. */
static unsigned responder_forward_take(
        struct dns_exchange *exchange, const struct weir_dns_found *found, size_t size)
{
	struct weir_dns_writer *writer = &exchange->writer;
	const struct weir_dns_query *query = &exchange->query;
	writer->size = size;
	for (unsigned i = 0; i < 4; i++)
		writer->counts[i] = dns_get16(writer->data + 4 + 2 * i);
	exchange->forwarded = true;
	exchange->answer.truncated = found->truncated;
	exchange->extended_error = found->extended_error;
	exchange->authenticated = found->authenticated && exchange->responder->recursion.trust_ad &&
	                          (query->edns.dnssec || query->header.flags & WEIR_DNS_AD);
	exchange->outcome->kind = found->kind;
	struct weir_span message = weir_span(writer->data, size);
	size_t at = query->question_end;
	if (found->truncated ||
	        !dns_exchange_comes_back(exchange, message, at, &query->question.name))
		return found->rcode;
	/* The part before our zones is put anew, from a copy. */
	memcpy(exchange->responder->later->cached, writer->data, size);
	message.data = (const char *)exchange->responder->later->cached;
	writer->counts[WEIR_DNS_AUTHORITY] = 0;
	weir_dns_writer_cut(writer, at, WEIR_DNS_ANSWER, 0);
	return dns_exchange_come_back(exchange, message, at, &query->question.name);
}

/* What a lookup has come to, as far as it fits. */
static unsigned responder_forward_take_message(struct dns_exchange *exchange)
{
	struct weir_dns_writer *writer = &exchange->writer;
	struct weir_dns_found found = *exchange->found;
	struct weir_span message = exchange->message;
	if (!message.size) {
		exchange->extended_error = WEIR_DNS_EDE_NOT_READY;
		return WEIR_DNS_SERVFAIL;
	}
	found.truncated = message.size > writer->limit;
	if (found.truncated)
		message.size = exchange->query.question_end;
	memcpy(writer->data, message.data, message.size);
	if (found.truncated)
		memset(writer->data + 6, 0, 6);
	return responder_forward_take(exchange, &found, message.size);
}

/* RFC 8482 4.2. */
static unsigned responder_forward_answer_any(struct dns_exchange *exchange)
{
	enum {
		TTL_S = 3600
	};
	weir_dns_put_record(&exchange->writer, WEIR_DNS_ANSWER, exchange->query.question.name.wire,
	        WEIR_DNS_HINFO, WEIR_DNS_IN, TTL_S, WEIR_SPAN("\7RFC8482\0"));
	return WEIR_DNS_NOERROR;
}

static unsigned responder_forward_refuse(
        struct dns_exchange *exchange, enum weir_dns_extended_error why)
{
	exchange->extended_error = why;
	return WEIR_DNS_REFUSED;
}

unsigned dns_exchange_forward(struct dns_exchange *exchange)
{
	const struct weir_dns_question *question = &exchange->query.question;
	struct weir_dns_writer *writer = &exchange->writer;
	struct weir_dns_lookups *lookups = exchange->responder->recursion.lookups;
	struct weir_dns_found found;
	unsigned rcode;
	if (!lookups || !(exchange->query.header.flags & WEIR_DNS_RD))
		return responder_forward_refuse(exchange, WEIR_DNS_EDE_NOT_AUTHORITATIVE);
	if (!exchange->recursive)
		return responder_forward_refuse(exchange, WEIR_DNS_EDE_PROHIBITED);
	if (dns_exchange_special(exchange, question, &rcode))
		return rcode;
	if (question->type == WEIR_DNS_ANY)
		return responder_forward_answer_any(exchange);
	if (exchange->found)
		return responder_forward_take_message(exchange);
	size_t size = weir_dns_lookup_cached(lookups, question, dns_exchange_ask_flags(exchange),
	        writer->data, writer->limit, &found);
	if (size)
		return responder_forward_take(exchange, &found, size);
	exchange->asks = true;
	exchange->asked = question;
	return WEIR_DNS_SERVFAIL;
}

/* -- who may ----------------------------------------------------------------------------------- */

static void responder_forward_set_default_networks(struct weir_dns_responder *responder)
{
	static const char *const texts[DNS_NETWORKS_DEFAULT] = {"127.0.0.0/8", "::1", "10.0.0.0/8",
	        "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fe80::/10", "fc00::/7"};
	for (unsigned i = 0; i < DNS_NETWORKS_DEFAULT; i++)
		weir_network_parse(weir_span_of(texts[i]), &responder->networks[i]);
}

int weir_dns_responder_set_recursion(
        struct weir_dns_responder *responder, const struct weir_dns_recursion *recursion)
{
	struct weir_network *copy = NULL;
	size_t size = recursion->network_count * sizeof *copy;
	if (size && !(copy = malloc(size)))
		return -ENOMEM;
	if (size)
		memcpy(copy, recursion->networks, size);
	free((void *)(uintptr_t)responder->recursion.networks);
	responder->recursion = *recursion;
	responder->recursion.networks = copy;
	responder_forward_set_default_networks(responder);
	return 0;
}
