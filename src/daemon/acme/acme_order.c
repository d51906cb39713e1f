/*
 * Invariant: one thing is under way: a request, a pause (`timer`), or a question to servers of DNS
 * (`check`). Each ends in one function, which starts the next thing or ends the order.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/error.h>

#include "acme_dns.h"
#include "acme_order.h"
#include "acme_proofs.h"
#include "acme_state.h"
#include "config_acme.h"
#include "helper.h"
#include "say.h"

struct acme_order {
	struct acme_order_options options;
	struct weir_timer timer;    /* of a pause */
	struct weir_timer deadline; /* of the order */
	struct weir_task begin;
	uint32_t pause_ms;
	void (*next)(struct acme_order *order); /* behind the pause */
	bool replaces; /* the order names the certificate that this one replaces */
	const char *waits_for;

	char url[ACME_URL_SIZE]; /* of the order */
	struct acme_order_state state;
	size_t at; /* the authorisation that is under way */

	/* The proof that is in place. */
	bool proving;
	enum acme_challenge_kind kind;
	struct acme_authorization authorization;
	struct acme_dns_check *check;
	char digest[ACME_THUMBPRINT_SIZE]; /* of the key authorisation, for DNS-01 */
	unsigned confirmed;            /* how many checks in turn have found it on all servers */
	char zone[ACME_NAME_SIZE + 2]; /* of the database, that has the name; "" */

	EVP_PKEY *key; /* of the certificate */
};

/* -- ends -------------------------------------------------------------------------------------- */

static void acme_order_withdraw(struct acme_order *order)
{
	if (!order->proving)
		return;
	order->proving = false;
	acme_proof_remove(order->options.share->store, order->kind, order->authorization.name,
	        order->authorization.challenges[order->kind].token);
	if (order->kind == ACME_DNS_01)
		acme_dns_step(order->options.share->store, order->options.acme->config,
		        order->authorization.name, order->zone);
}

void acme_order_cancel(struct acme_order *order)
{
	if (!order)
		return;
	acme_session_cancel(order->options.session);
	acme_dns_check_cancel(order->check);
	weir_timer_stop(&order->timer);
	weir_timer_stop(&order->deadline);
	weir_loop_cancel(order->options.loop, &order->begin);
	acme_order_withdraw(order);
	EVP_PKEY_free(order->key);
	free(order);
}

static void acme_order_end(struct acme_order *order, const struct acme_order_end *end)
{
	struct acme_order_options options = order->options;
	acme_order_cancel(order);
	options.end(options.context, end);
}

static void acme_order_fail(struct acme_order *order, const char *why)
{
	acme_order_end(order, &(struct acme_order_end){.why = why});
}

/* Ends with the reason of a reply. `doing` completes "cannot". */
static void acme_order_refuse(
        struct acme_order *order, const struct acme_reply *reply, const char *doing)
{
	char why[ACME_WHY_SIZE];
	snprintf(why, sizeof why, "cannot %s: %s", doing,
	        acme_reply_is_good(reply) ? "the authority's reply is malformed" : reply->why);
	acme_order_end(order,
	        &(struct acme_order_end){
	                .why = why,
	                .retry_after_s = reply->retry_after_s,
	                .account_lost = strcmp(reply->problem.type, "accountDoesNotExist") == 0,
	        });
}

static void acme_order_on_deadline(struct weir_timer *timer)
{
	struct acme_order *order = WEIR_CONTAINER(timer, struct acme_order, deadline);
	char why[ACME_WHY_SIZE];
	snprintf(why, sizeof why, "the order took too long; it waited for %s", order->waits_for);
	acme_order_fail(order, why);
}

/* -- steps ------------------------------------------------------------------------------------- */

static void acme_order_on_pause(struct weir_timer *timer)
{
	struct acme_order *order = WEIR_CONTAINER(timer, struct acme_order, timer);
	order->next(order);
}

/* Goes on with `next` behind a pause: that of the server, or one that doubles. */
static void acme_order_pause(
        struct acme_order *order, int64_t after_s, void (*next)(struct acme_order *order))
{
	uint32_t pause_ms = after_s ? (uint32_t)min_of(after_s * 1000, (int64_t)ACME_POLL_MAX_MS)
	                            : order->pause_ms;
	order->pause_ms = min_of(order->pause_ms * 2, (uint32_t)ACME_POLL_MAX_MS);
	order->next = next;
	weir_timer_start(order->options.loop, &order->timer, pause_ms, acme_order_on_pause);
}

static void acme_order_ask(struct acme_order *order, const char *url, struct weir_span payload,
        acme_reply_fn *done, const char *waits_for)
{
	order->waits_for = waits_for;
	acme_session_post(order->options.session, url, payload, done, order);
}

/* -- the certificate --------------------------------------------------------------------------- */

static void acme_order_on_certificate(void *context, const struct acme_reply *reply)
{
	struct acme_order *order = context;
	struct acme_chain chain;
	struct weir_buffer key = {0};
	if (!acme_reply_is_good(reply)) {
		acme_order_refuse(order, reply, "fetch the certificate");
		return;
	}
	const char *why =
	        acme_chain_check(reply->body, order->key, order->options.name, time(NULL), &chain);
	if (why) {
		acme_order_fail(order, why);
		return;
	}
	int error = acme_key_print(order->key, &key);
	if (error == 0)
		error = acme_store_install(order->options.share->store, order->options.name,
		        weir_buffer_span(&chain.pem), weir_buffer_span(&key));
	buffer_erase(&key);
	char text[ACME_WHY_SIZE];
	snprintf(text, sizeof text, "the certificate cannot be stored: %s", weir_error_text(error));
	weir_buffer_finish(&chain.pem);
	acme_order_end(
	        order, &(struct acme_order_end){.why = error < 0 ? text : NULL, .chain = &chain});
}

/* -- the order --------------------------------------------------------------------------------- */

static void acme_order_look(struct acme_order *order);
static void acme_order_on_state(void *context, const struct acme_reply *reply);

static void acme_order_finalize(struct acme_order *order)
{
	struct weir_buffer der = {0}, payload = {0};
	int error = 0;
	if (!order->key && !(order->key = acme_key_create()))
		error = -ENOMEM;
	if (error == 0)
		error = acme_certificate_request(order->key, order->options.name, &der);
	if (error == 0)
		error = weir_buffer_format(&payload, ACME_JOSE_MAX, "{\"csr\":\"");
	if (error == 0)
		error = acme_base64_append(&payload, weir_buffer_span(&der));
	if (error == 0)
		error = weir_buffer_format(&payload, ACME_JOSE_MAX, "\"}");
	order->pause_ms = ACME_POLL_FIRST_MS;
	if (error == 0)
		acme_order_ask(order, order->state.finalize, weir_buffer_span(&payload),
		        acme_order_on_state, "the certificate");
	else
		acme_order_fail(order, weir_error_text(error));
	weir_buffer_finish(&der);
	weir_buffer_finish(&payload);
}

static void acme_order_follow(struct acme_order *order, int64_t after_s)
{
	char why[ACME_WHY_SIZE];
	switch (order->state.status) {
	case ACME_PENDING:
	case ACME_PROCESSING:
		acme_order_pause(order, after_s, acme_order_look);
		break;
	case ACME_READY:
		/* A second one after `processing` would be refused. */
		if (order->key)
			acme_order_pause(order, after_s, acme_order_look);
		else
			acme_order_finalize(order);
		break;
	case ACME_VALID:
		if (order->key)
			acme_order_ask(order, order->state.certificate, WEIR_SPAN(""),
			        acme_order_on_certificate, "the certificate");
		else
			acme_order_fail(
			        order, "the order has a certificate already, of another key");
		break;
	default:
		snprintf(why, sizeof why, "the authority has given the order up%s%s%s%s",
		        *order->state.problem.type ? ": " : "", order->state.problem.type,
		        *order->state.problem.detail ? ": " : "", order->state.problem.detail);
		acme_order_fail(order, why);
	}
}

static void acme_order_on_state(void *context, const struct acme_reply *reply)
{
	struct acme_order *order = context;
	if (!acme_reply_is_good(reply) || acme_order_parse(reply->body, &order->state) < 0)
		acme_order_refuse(order, reply, "follow the order");
	else
		acme_order_follow(order, reply->retry_after_s);
}

static void acme_order_look(struct acme_order *order)
{
	acme_order_ask(order, order->url, WEIR_SPAN(""), acme_order_on_state,
	        order->key ? "the certificate" : "the order");
}

/* -- proofs ------------------------------------------------------------------------------------ */

static void acme_order_authorize(struct acme_order *order);
static void acme_order_look_at_authorization(struct acme_order *order);

static bool acme_order_allows(const struct acme_order *order, enum acme_challenge_kind kind)
{
	const struct config_acme *acme = order->options.acme;
	const struct acme_authorization *authorization = &order->authorization;
	return *authorization->challenges[kind].url &&
	       (config_acme_can_prove(
	                acme->config, authorization->name, authorization->wildcard, kind) ||
	               (kind == ACME_DNS_01 && acme->dns_01 &&
	                       acme_dns_can_prove(acme->config, authorization->name, order->zone)));
}

/* Chooses by turn among the kinds that are possible. Returns false if none is. */
static bool acme_order_choose(struct acme_order *order)
{
	enum acme_challenge_kind possible[ACME_CHALLENGE_KINDS];
	unsigned count = 0;
	for (unsigned kind = 0; kind < ACME_CHALLENGE_KINDS; kind++)
		if (acme_order_allows(order, kind))
			possible[count++] = kind;
	if (count)
		order->kind = possible[order->options.turn % count];
	return count;
}

static int acme_order_prove(struct acme_order *order)
{
	char text[ACME_AUTHORIZATION_SIZE], thumbprint[ACME_THUMBPRINT_SIZE];
	const struct acme_challenge *challenge = &order->authorization.challenges[order->kind];
	int error = acme_key_thumbprint(acme_session_key(order->options.session), thumbprint);
	if (error < 0)
		return error;
	snprintf(text, sizeof text, "%s.%s", challenge->token, thumbprint);
	order->proving = true;
	order->confirmed = 0;
	if (order->kind == ACME_DNS_01)
		error = acme_dns_digest(weir_span_of(text), order->digest);
	if (error == 0)
		error = acme_proof_put(order->options.share->store, order->kind,
		        order->authorization.name, challenge->token, weir_span_of(text));
	/* Afterwards: a server that sees the step sees the proof, too. */
	if (error == 0 && order->kind == ACME_DNS_01)
		error = acme_dns_step(order->options.share->store, order->options.acme->config,
		        order->authorization.name, order->zone);
	return error;
}

static void acme_order_on_challenge(void *context, const struct acme_reply *reply)
{
	struct acme_order *order = context;
	if (acme_reply_is_good(reply))
		acme_order_pause(order, reply->retry_after_s, acme_order_look_at_authorization);
	else
		acme_order_refuse(order, reply, "begin the challenge");
}

static void acme_order_challenge(struct acme_order *order)
{
	order->pause_ms = ACME_POLL_FIRST_MS;
	acme_order_ask(order, order->authorization.challenges[order->kind].url, WEIR_SPAN("{}"),
	        acme_order_on_challenge, "the authority to look at the proof");
}

static void acme_order_check_dns(struct acme_order *order);

static void acme_order_on_dns(void *context, bool ready)
{
	struct acme_order *order = context;
	order->check = NULL;
	order->confirmed = ready ? order->confirmed + 1 : 0;
	if (order->confirmed == ACME_DNS_CONFIRMATIONS)
		acme_order_challenge(order);
	else
		acme_order_pause(order, ready ? 1 : 0, acme_order_check_dns);
}

static void acme_order_check_dns(struct acme_order *order)
{
	order->waits_for = "the record of the proof, on all servers of the zone";
	int error = acme_dns_check_start(order->options.loop, order->options.acme->config,
	        order->authorization.name, order->zone, order->digest, acme_order_on_dns, order,
	        &order->check);
	if (error < 0)
		acme_order_fail(order, weir_error_text(error));
}

static void acme_order_on_shared(void *context, int error, const char *why)
{
	struct acme_order *order = context;
	if (error < 0)
		acme_order_fail(order, why);
	else if (order->kind == ACME_DNS_01)
		acme_order_check_dns(order);
	else
		acme_order_challenge(order);
}

static void acme_order_put_proof(struct acme_order *order)
{
	char why[ACME_WHY_SIZE];
	if (!acme_order_choose(order)) {
		acme_order_fail(order,
		        order->authorization.wildcard
		                ? "a wildcard needs dns-01, and so a zone of 'dns' that is not signed"
		                : "the authority offers no challenge that the configuration allows");
		return;
	}
	int error = acme_order_prove(order);
	snprintf(why, sizeof why, "the proof cannot be stored: %s", weir_error_text(error));
	order->waits_for = "the other front ends to have the proof";
	if (error < 0)
		acme_order_fail(order, why);
	else
		acme_share_publish(order->options.share, acme_order_on_shared, order);
}

static void acme_order_on_zone(void *context, const char *zone)
{
	struct acme_order *order = context;
	if (!text_copy(order->zone, sizeof order->zone, zone))
		*order->zone = 0;
	acme_order_put_proof(order);
}

static void acme_order_begin_proof(struct acme_order *order)
{
	order->waits_for = "the database";
	acme_share_find_zone(
	        order->options.share, order->authorization.name, acme_order_on_zone, order);
}

/* -- authorisations ---------------------------------------------------------------------------- */

/* The name of the order without the wildcard. */
static bool acme_order_is_for(
        const struct acme_order *order, const struct acme_authorization *authorization)
{
	const char *name = order->options.name;
	bool wild = strncmp(name, "*.", 2) == 0;
	return strcmp(wild ? name + 2 : name, authorization->name) == 0 &&
	       (authorization->wildcard || !wild);
}

static void acme_order_next_authorization(struct acme_order *order)
{
	acme_order_withdraw(order);
	order->pause_ms = ACME_POLL_FIRST_MS;
	if (++order->at < order->state.authorization_count)
		acme_order_authorize(order);
	else
		acme_order_look(order);
}

static void acme_order_invalid(struct acme_order *order, const struct acme_problem *problem)
{
	char why[ACME_WHY_SIZE];
	snprintf(why, sizeof why, "the authority does not accept the proof%s%s%s%s%s%s",
	        order->proving ? " by " : "",
	        order->proving ? acme_challenge_names[order->kind] : "", *problem->type ? ": " : "",
	        problem->type, *problem->detail ? ": " : "", problem->detail);
	acme_order_fail(order, why);
}

static void acme_order_on_authorization(void *context, const struct acme_reply *reply)
{
	struct acme_order *order = context;
	struct acme_authorization authorization;
	if (!acme_reply_is_good(reply) ||
	        acme_authorization_parse(reply->body, &authorization) < 0 ||
	        !acme_order_is_for(order, &authorization)) {
		acme_order_refuse(order, reply, "read the authorization");
	} else if (authorization.status == ACME_VALID) {
		acme_order_next_authorization(order);
	} else if (authorization.status != ACME_PENDING) {
		acme_order_invalid(order, &authorization.problem);
	} else if (order->proving) {
		acme_order_pause(order, reply->retry_after_s, acme_order_look_at_authorization);
	} else {
		order->authorization = authorization;
		acme_order_begin_proof(order);
	}
}

static void acme_order_look_at_authorization(struct acme_order *order)
{
	acme_order_ask(order, order->state.authorizations[order->at], WEIR_SPAN(""),
	        acme_order_on_authorization, "the authority to look at the proof");
}

static void acme_order_authorize(struct acme_order *order)
{
	acme_order_look_at_authorization(order);
}

/* -- the beginning ----------------------------------------------------------------------------- */

static void acme_order_submit(struct acme_order *order);

static void acme_order_on_order(void *context, const struct acme_reply *reply)
{
	struct acme_order *order = context;
	/* The certificate may have been replaced, or be of another authority (RFC 9773 5). */
	if (order->replaces && reply->error == 0 && reply->status >= 400 && reply->status < 500 &&
	        reply->status != 429) {
		order->replaces = false;
		acme_order_submit(order);
		return;
	}
	if (!acme_reply_is_good(reply) || !*reply->location ||
	        acme_order_parse(reply->body, &order->state) < 0) {
		acme_order_refuse(order, reply, "place the order");
		return;
	}
	text_copy(order->url, sizeof order->url, reply->location);
	order->at = 0;
	if (order->state.status == ACME_PENDING)
		acme_order_authorize(order);
	else
		acme_order_follow(order, reply->retry_after_s);
}

static void acme_order_submit(struct acme_order *order)
{
	const struct acme_order_options *options = &order->options;
	struct weir_buffer payload = {0};
	int error = weir_buffer_format(&payload, ACME_JOSE_MAX,
	        "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}]", options->name);
	if (error == 0 && options->profile)
		error = weir_buffer_format(
		        &payload, ACME_JOSE_MAX, ",\"profile\":\"%s\"", options->profile);
	if (error == 0 && order->replaces)
		error = weir_buffer_format(
		        &payload, ACME_JOSE_MAX, ",\"replaces\":\"%s\"", options->replaces);
	if (error == 0)
		error = weir_buffer_format(&payload, ACME_JOSE_MAX, "}");
	if (error == 0)
		acme_order_ask(order, acme_session_directory(options->session)->new_order,
		        weir_buffer_span(&payload), acme_order_on_order, "the order");
	else
		acme_order_fail(order, weir_error_text(error));
	weir_buffer_finish(&payload);
}

static void acme_order_on_begin(struct weir_task *task)
{
	acme_order_submit(WEIR_CONTAINER(task, struct acme_order, begin));
}

int acme_order_start(const struct acme_order_options *options, struct acme_order **ret)
{
	struct acme_order *order = calloc(1, sizeof *order);
	if (!order)
		return -ENOMEM;
	order->options = *options;
	order->pause_ms = ACME_POLL_FIRST_MS;
	order->replaces =
	        options->replaces && *acme_session_directory(options->session)->renewal_info;
	order->waits_for = "the order";
	weir_list_init(&order->timer.link);
	weir_list_init(&order->deadline.link);
	order->begin.run = acme_order_on_begin;
	weir_loop_defer(options->loop, &order->begin);
	weir_timer_start(options->loop, &order->deadline, ACME_ORDER_MS, acme_order_on_deadline);
	*ret = order;
	return 0;
}
