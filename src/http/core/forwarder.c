/*
 * The client of a request that a trusted forwarder passes on: the rightmost address of its field
 * that is not one of a trusted forwarder itself. Invariant: nothing left of that address, or of an
 * element that is not an address, is looked at.
 *
 * A connection carries requests of many clients, so each request is looked up anew.
 */
#include <weir/policy.h>

#include "exchange.h"

/* -- fields, from the last one to the first ---------------------------------------------------- */

/* The fields of one name are one list (RFC 9110 5.3). */
struct forwarder_list {
	const struct weir_http_request *request;
	enum weir_http_known name;
	unsigned left; /* fields of the request that have not been looked at */
	struct weir_span rest;
};

static void forwarder_list_begin(struct forwarder_list *list,
        const struct weir_http_request *request, enum weir_http_known name)
{
	*list = (struct forwarder_list){.request = request, .name = name};
	list->left = request->first[name] ? request->field_count : 0;
}

/* Cuts the last element off. Returns false if there is none. */
static bool forwarder_list_cut(struct forwarder_list *list, struct weir_span *ret)
{
	bool quotes = list->name == WEIR_HTTP_FORWARDED;
	while (!http_forwarded_cut_last(&list->rest, quotes, ret)) {
		while (list->left && list->request->known[list->left - 1] != list->name)
			list->left--;
		if (!list->left)
			return false;
		list->rest = list->request->fields[--list->left].value;
	}
	return true;
}

/* -- the client -------------------------------------------------------------------------------- */

static int forwarder_parse(
        enum weir_http_known name, struct weir_span element, struct http_forwarded *ret)
{
	if (name == WEIR_HTTP_FORWARDED)
		return http_forwarded_parse_element(element, ret);
	ret->scheme = HTTP_SCHEME_UNKNOWN;
	return http_forwarded_parse_for(element, &ret->client);
}

/* Returns whether the field names an address. */
static bool forwarder_walk(const struct weir_policy *policy,
        const struct weir_http_request *request, enum weir_http_known name,
        struct http_forwarded *ret)
{
	struct forwarder_list list;
	struct weir_span element;
	struct http_forwarded next;
	unsigned count = 0;
	forwarder_list_begin(&list, request, name);
	while (count < WEIR_HTTP_FORWARDERS_MAX && forwarder_list_cut(&list, &element) &&
	        forwarder_parse(name, element, &next) == 0) {
		*ret = next;
		count++;
		if (!weir_policy_forwards(policy, &next.client))
			break;
	}
	return count > 0;
}

/* X-Forwarded-Proto is about the client of the last forwarder. */
static enum http_scheme forwarder_find_scheme(const struct weir_http_request *request)
{
	struct forwarder_list list;
	struct weir_span element;
	forwarder_list_begin(&list, request, WEIR_HTTP_X_FORWARDED_PROTO);
	return forwarder_list_cut(&list, &element) ? http_scheme_find(element)
	                                           : HTTP_SCHEME_UNKNOWN;
}

static void forwarder_find_client(struct http_handling *handling, const struct weir_policy *policy)
{
	const struct weir_http_request *request = handling->request;
	bool x = weir_policy_forwarder_field(policy) == WEIR_FORWARDER_X_FORWARDED_FOR;
	struct http_forwarded found = {.scheme = HTTP_SCHEME_UNKNOWN};
	if (forwarder_walk(
	            policy, request, x ? WEIR_HTTP_X_FORWARDED_FOR : WEIR_HTTP_FORWARDED, &found)) {
		handling->forwarder = handling->peer;
		handling->peer = found.client;
		handling->forwarded = true;
	}
	handling->forwarded_scheme = (uint8_t)(x ? forwarder_find_scheme(request) : found.scheme);
}

/* -- admission --------------------------------------------------------------------------------- */

int http_forwarder_admit(struct weir_http_exchange *exchange)
{
	struct http_handling *handling = exchange->handling;
	const struct weir_policy *policy = weir_channel_policy(exchange->channel);
	int64_t now_ms = weir_loop_now_ms(exchange->server->loop);
	if (weir_policy_forwards(policy, &handling->peer)) {
		forwarder_find_client(handling, policy);
		if (!weir_policy_admits(policy, &handling->peer, now_ms)) {
			weir_metric_add(
			        &http_metrics_cells(exchange)->refusals[HTTP_REFUSED_NETWORK], 1);
			weir_http_log_note(exchange, "refused_by", WEIR_SPAN("policy"));
			return 403;
		}
	}
	uint32_t wait_ms = weir_policy_count_request(policy, &handling->peer, now_ms);
	if (!wait_ms)
		return 0;
	http_reply_add_wait(exchange, wait_ms);
	return 429;
}
