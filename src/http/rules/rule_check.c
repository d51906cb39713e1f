/*
 * The checks that a request has to pass before anything else of its site: networks, certificates,
 * rates, sizes, then a password or a token. Preflights of CORS are answered before that, since
 * browsers send them without credentials. Invariant: a request that a rule has sent on to another
 * path is checked by the rule of that path, too.
 */
#include <stdio.h>
#include <string.h>

#include <weir/tls.h>

#include "exchange.h"
#include "helper.h"
#include "rule.h"
#include "rules_state.h"

static void http_rule_refuse(const struct http_rule *rule, struct weir_http_exchange *exchange,
        unsigned status, enum http_refusal why)
{
	weir_metric_add(&http_metrics_cells(exchange)->refusals[why], 1);
	weir_http_log_note(exchange, "refused_by", weir_span_of(rule->options.name));
	weir_http_reply_error(exchange, status);
}

static bool http_rule_admits(const struct http_rule *rule, const struct weir_address *peer)
{
	const struct weir_http_rule *options = &rule->options;
	if (weir_networks_contain(options->deny, options->deny_count, peer))
		return false;
	return !options->allow_count ||
	       weir_networks_contain(options->allow, options->allow_count, peer);
}

/*
 * Returns the status for a client without the certificate that it needs, or 0. One that has
 * connected for another site was not asked for it (RFC 9110 15.5.20).
 */
static unsigned http_rule_check_certificate(
        const struct http_rule *rule, const struct weir_http_exchange *exchange)
{
	const char *ca = rule->options.clients_ca;
	struct weir_tls_info info;
	if (!weir_http_tls(exchange, &info))
		return 403;
	if (ca && (!info.clients_ca || strcmp(info.clients_ca, ca) != 0))
		return 421;
	return info.subject ? 0 : 403;
}

/* -- rates ------------------------------------------------------------------------------------- */

/* The key begins with the rule's name, so that rules do not share tokens. */
static struct weir_span http_rule_key(const struct http_rule *rule,
        const struct weir_http_exchange *exchange, char *text, size_t room)
{
	char client[WEIR_NETWORK_TEXT_MAX];
	struct weir_network network;
	struct weir_span value = {0};
	if (rule->options.rate_by == WEIR_HTTP_RATE_USER)
		value = weir_http_user(exchange);
	else if (rule->options.rate_by == WEIR_HTTP_RATE_FIELD)
		value = weir_http_request_field(
		        exchange->handling->request, weir_span_of(rule->options.rate_field));
	bool known = value.size && value.size <= WEIR_HTTP_RATE_KEY_MAX;
	if (!known) {
		weir_network_of(&exchange->handling->peer, 32, 64, &network);
		value = weir_span(client, weir_network_format(&network, client));
	}
	int size = snprintf(text, room, "%.*s%c%s", (int)value.size, value.data, known ? '=' : '@',
	        rule->options.name);
	return weir_span(text, min_of((size_t)size, room - 1));
}

bool http_rule_take_rate(const struct http_rule *rule, struct weir_http_exchange *exchange)
{
	char key[WEIR_HTTP_RATE_KEY_MAX + 512];
	uint32_t wait_ms = weir_rates_take_key(rule->rules->rates, &rule->options.rate,
	        http_rule_key(rule, exchange, key, sizeof key),
	        weir_loop_now_ms(exchange->server->loop));
	if (!wait_ms)
		return true;
	http_reply_add_wait(exchange, wait_ms);
	http_rule_refuse(rule, exchange, 429, HTTP_REFUSED_RATE);
	return false;
}

/* -- sizes ------------------------------------------------------------------------------------- */

/* The bytes of a head, as HTTP/1.1 writes it. */
static size_t http_rule_head_size(const struct weir_http_request *request)
{
	size_t size =
	        request->method_name.size + request->target.size + sizeof "  HTTP/1.1\r\n\r\n";
	for (unsigned i = 0; i < request->field_count; i++)
		size += request->fields[i].name.size + request->fields[i].value.size + 4;
	return size;
}

/* Returns the status for a request that is too large, or 0. */
static unsigned http_rule_too_large(
        const struct http_rule *rule, const struct weir_http_request *request)
{
	if (rule->options.head_max && http_rule_head_size(request) > rule->options.head_max)
		return 431;
	return request->length > rule->options.body_max ? 413 : 0;
}

uint64_t http_rule_body_max(const struct weir_http_exchange *exchange)
{
	return exchange->handling->rule->options.body_max;
}

/* -- the handler ------------------------------------------------------------------------------- */

/* The handler that asks for a password or a token; NULL: none does. */
static struct weir_http_handler *http_rule_admitter(
        const struct http_rule *rule, const struct weir_http_request *request)
{
	struct weir_span credentials = weir_http_request_known(request, WEIR_HTTP_AUTHORIZATION);
	struct weir_span scheme;
	if (!rule->options.bearer || !rule->options.basic)
		return rule->options.bearer ? rule->options.bearer : rule->options.basic;
	if (!credentials.data)
		return rule->options.basic;
	weir_span_cut(&credentials, ' ', &scheme);
	return weir_span_equal_nocase(scheme, WEIR_SPAN("Bearer")) ? rule->options.bearer
	                                                           : rule->options.basic;
}

static bool http_rule_passes(const struct http_rule *rule, struct weir_http_exchange *exchange)
{
	unsigned status;
	if (!http_rule_admits(rule, &exchange->handling->peer))
		http_rule_refuse(rule, exchange, 403, HTTP_REFUSED_NETWORK);
	else if (rule->options.certificate &&
	         (status = http_rule_check_certificate(rule, exchange)))
		http_rule_refuse(rule, exchange, status, HTTP_REFUSED_CERTIFICATE);
	else if ((status = http_rule_too_large(rule, exchange->handling->request)))
		http_rule_refuse(rule, exchange, status, HTTP_REFUSED_SIZE);
	else
		return true;
	return false;
}

void http_rule_check(struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	const struct http_rules *rules = WEIR_CONTAINER(handler, struct http_rules, check);
	const struct http_rule *before = exchange->handling->rule;
	const struct http_rule *rule = http_rules_find(rules, exchange);
	exchange->handling->rule = rule;
	exchange->handling->skip = 0;
	/* Rewritten within one rule: it has admitted the request already. */
	if (!rule || rule == before) {
		weir_http_next(handler, exchange);
		return;
	}
	if (!http_rule_passes(rule, exchange))
		return;
	if (rule->options.cors.origin_count && http_rule_answer_preflight(rule, exchange))
		return;
	if (rule->options.rate_by != WEIR_HTTP_RATE_USER && rule->options.rate.a_second &&
	        !http_rule_take_rate(rule, exchange))
		return;
	struct weir_http_handler *admitter = http_rule_admitter(rule, exchange->handling->request);
	if (!admitter) {
		weir_http_next(handler, exchange);
		return;
	}
	admitter->next = handler->next;
	admitter->type->handle(admitter, exchange);
}
