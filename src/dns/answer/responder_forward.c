/*
 * Names of no zone of ours: for those who may ask, the answer is what the cache has, or what a
 * lookup has come to, a message that is complete but for OPT. Where there is neither, it has to be
 * asked for.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/network.h>

#include "dns_codec.h"
#include "responder.h"

bool dns_response_recursive(const struct dns_response *response)
{
	const struct weir_dns_responder *responder = response->responder;
	const struct weir_dns_recursion *recursion = &responder->recursion;
	if (!recursion->lookups)
		return false;
	if (!recursion->networks)
		return weir_networks_contain(
		        responder->networks, DNS_NETWORKS_DEFAULT, response->request->peer);
	return weir_networks_contain(
	        recursion->networks, recursion->network_count, response->request->peer);
}

unsigned dns_response_ask_flags(const struct dns_response *response)
{
	return (response->query.edns.dnssec ? WEIR_DNS_ASK_DNSSEC : 0) |
	       (response->query.header.flags & WEIR_DNS_CD ? WEIR_DNS_ASK_CHECKING_DISABLED : 0);
}

/* The message is already in the reply; further records are put behind it. */
static unsigned responder_forward_take(
        struct dns_response *response, const struct weir_dns_lookup_info *info, size_t size)
{
	struct weir_dns_writer *writer = &response->writer;
	const struct weir_dns_query *query = &response->query;
	writer->size = size;
	for (unsigned i = 0; i < 4; i++)
		writer->counts[i] = dns_get16(writer->data + 4 + 2 * i);
	response->forwarded = true;
	response->answer.truncated = info->truncated;
	response->extended_error = info->extended_error;
	response->authenticated = info->authenticated && response->responder->recursion.trust_ad &&
	                          (query->edns.dnssec || query->header.flags & WEIR_DNS_AD);
	response->outcome->kind = info->kind;
	struct weir_span message = weir_span(writer->data, size);
	size_t at = query->question_end;
	if (info->truncated ||
	        !dns_response_comes_back(response, message, at, &query->question.name))
		return info->rcode;
	/* The part before our zones is put again, from a copy. */
	memcpy(response->responder->deferred->cached, writer->data, size);
	message.data = (const char *)response->responder->deferred->cached;
	writer->counts[WEIR_DNS_AUTHORITY] = 0;
	weir_dns_writer_cut(writer, at, WEIR_DNS_ANSWER, 0);
	return dns_response_come_back(response, message, at, &query->question.name);
}

/* Copies the result of a lookup into the reply, if it fits. */
static unsigned take_result(struct dns_response *response, const struct dns_result *result)
{
	struct weir_dns_writer *writer = &response->writer;
	struct weir_dns_lookup_info info = result->info;
	struct weir_span message = result->message;
	if (!message.size) {
		response->extended_error = WEIR_DNS_EDE_NOT_READY;
		return WEIR_DNS_SERVFAIL;
	}
	info.truncated = message.size > writer->limit;
	if (info.truncated)
		message.size = response->query.question_end;
	memcpy(writer->data, message.data, message.size);
	if (info.truncated)
		memset(writer->data + 6, 0, 6);
	return responder_forward_take(response, &info, message.size);
}

const struct dns_result *dns_response_result(
        const struct dns_response *response, const struct weir_dns_question *question)
{
	const struct dns_result *result = response->results;
	while (result && !weir_dns_name_equal(&result->question.name, &question->name))
		result = result->next;
	return result;
}

bool dns_response_must_ask(struct dns_response *response, const struct weir_dns_question *question)
{
	response->asks = !response->final;
	response->asked = question;
	return response->asks;
}

/* RFC 8482 4.2. */
static unsigned responder_forward_answer_any(struct dns_response *response)
{
	enum {
		TTL_S = 3600
	};
	weir_dns_put_record(&response->writer, WEIR_DNS_ANSWER, response->query.question.name.wire,
	        WEIR_DNS_HINFO, WEIR_DNS_IN, TTL_S, WEIR_SPAN("\7RFC8482\0"));
	return WEIR_DNS_NOERROR;
}

static unsigned responder_forward_refuse(
        struct dns_response *response, enum weir_dns_extended_error why)
{
	response->extended_error = why;
	return WEIR_DNS_REFUSED;
}

unsigned dns_response_forward(struct dns_response *response)
{
	const struct weir_dns_question *question = &response->query.question;
	struct weir_dns_writer *writer = &response->writer;
	struct weir_dns_lookups *lookups = response->responder->recursion.lookups;
	struct weir_dns_lookup_info info;
	unsigned rcode;
	if (!lookups || !(response->query.header.flags & WEIR_DNS_RD))
		return responder_forward_refuse(response, WEIR_DNS_EDE_NOT_AUTHORITATIVE);
	if (!response->recursive)
		return responder_forward_refuse(response, WEIR_DNS_EDE_PROHIBITED);
	if (dns_response_special(response, question, &rcode))
		return rcode;
	if (question->type == WEIR_DNS_ANY)
		return responder_forward_answer_any(response);
	const struct dns_result *result = dns_response_result(response, question);
	if (result)
		return take_result(response, result);
	size_t size = weir_dns_lookup_cached(lookups, question, dns_response_ask_flags(response),
	        writer->data, writer->limit, &info);
	if (size)
		return responder_forward_take(response, &info, size);
	if (!dns_response_must_ask(response, question))
		response->extended_error = WEIR_DNS_EDE_NOT_READY;
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
