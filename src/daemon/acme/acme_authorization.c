/*
 * The authorisations of an order, one after the other: each is for a name, and is valid once the
 * authority has found the proof. A proof is published before the authority hears of it.
 */
#include <stdio.h>
#include <string.h>

#include <weir/error.h>

#include "acme_order_state.h"
#include "acme_proofs.h"
#include "acme_state.h"
#include "config_acme.h"
#include "helper.h"

/* -- proofs ------------------------------------------------------------------------------------ */

static void acme_authorization_look(struct acme_order *order);

static bool acme_authorization_allows(const struct acme_order *order, enum acme_challenge_kind kind)
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
static bool acme_authorization_choose(struct acme_order *order)
{
	enum acme_challenge_kind possible[ACME_CHALLENGE_KINDS];
	unsigned count = 0;
	for (unsigned kind = 0; kind < ACME_CHALLENGE_KINDS; kind++)
		if (acme_authorization_allows(order, kind))
			possible[count++] = kind;
	if (count)
		order->kind = possible[order->options.turn % count];
	return count;
}

static int acme_authorization_prove(struct acme_order *order)
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

static void acme_authorization_on_challenge(void *context, const struct acme_reply *reply)
{
	struct acme_order *order = context;
	if (acme_reply_is_good(reply))
		acme_order_pause(order, reply->retry_after_s, acme_authorization_look);
	else
		acme_order_refuse(order, reply, "begin the challenge");
}

static void acme_authorization_challenge(struct acme_order *order)
{
	order->pause_ms = ACME_POLL_FIRST_MS;
	acme_order_ask(order, order->authorization.challenges[order->kind].url, WEIR_SPAN("{}"),
	        acme_authorization_on_challenge, "the authority to look at the proof");
}

static void acme_authorization_check_dns(struct acme_order *order);

static void acme_authorization_on_dns(void *context, bool ready)
{
	struct acme_order *order = context;
	order->check = NULL;
	order->confirmed = ready ? order->confirmed + 1 : 0;
	if (order->confirmed == ACME_DNS_CONFIRMATIONS)
		acme_authorization_challenge(order);
	else
		acme_order_pause(order, ready ? 1 : 0, acme_authorization_check_dns);
}

static void acme_authorization_check_dns(struct acme_order *order)
{
	order->waits_for = "the record of the proof, on all servers of the zone";
	int error = acme_dns_check_start(order->options.loop, order->options.acme->config,
	        order->authorization.name, order->zone, order->digest, acme_authorization_on_dns,
	        order, &order->check);
	if (error < 0)
		acme_order_fail(order, weir_error_text(error));
}

static void acme_authorization_on_shared(void *context, int error, const char *why)
{
	struct acme_order *order = context;
	if (error < 0)
		acme_order_fail(order, why);
	else if (order->kind == ACME_DNS_01)
		acme_authorization_check_dns(order);
	else
		acme_authorization_challenge(order);
}

static void acme_authorization_put_proof(struct acme_order *order)
{
	char why[ACME_WHY_SIZE];
	if (!acme_authorization_choose(order)) {
		acme_order_fail(order,
		        order->authorization.wildcard
		                ? "a wildcard needs dns-01, and so a zone of 'dns' that is not signed"
		                : "the authority offers no challenge that the configuration allows");
		return;
	}
	int error = acme_authorization_prove(order);
	snprintf(why, sizeof why, "the proof cannot be stored: %s", weir_error_text(error));
	order->waits_for = "the other front ends to have the proof";
	if (error < 0)
		acme_order_fail(order, why);
	else
		acme_share_publish(order->options.share, acme_authorization_on_shared, order);
}

static void acme_authorization_on_zone(void *context, const char *zone)
{
	struct acme_order *order = context;
	if (!text_copy(order->zone, sizeof order->zone, zone))
		*order->zone = 0;
	acme_authorization_put_proof(order);
}

static void acme_authorization_begin_proof(struct acme_order *order)
{
	order->waits_for = "the database";
	acme_share_find_zone(
	        order->options.share, order->authorization.name, acme_authorization_on_zone, order);
}

/* -- authorisations ---------------------------------------------------------------------------- */

/* The name of the order without the wildcard. */
static bool acme_authorization_is_for(
        const struct acme_order *order, const struct acme_authorization *authorization)
{
	const char *name = order->options.name;
	bool wild = strncmp(name, "*.", 2) == 0;
	return strcmp(wild ? name + 2 : name, authorization->name) == 0 &&
	       (authorization->wildcard || !wild);
}

static void acme_authorization_end(struct acme_order *order)
{
	acme_order_withdraw(order);
	order->pause_ms = ACME_POLL_FIRST_MS;
	if (++order->at < order->state.authorization_count)
		acme_authorization_look(order);
	else
		order->authorized(order);
}

static void acme_authorization_fail(struct acme_order *order, const struct acme_problem *problem)
{
	char why[ACME_WHY_SIZE];
	snprintf(why, sizeof why, "the authority does not accept the proof%s%s%s%s%s%s",
	        order->proving ? " by " : "",
	        order->proving ? acme_challenge_names[order->kind] : "", *problem->type ? ": " : "",
	        problem->type, *problem->detail ? ": " : "", problem->detail);
	acme_order_fail(order, why);
}

static void acme_authorization_on_reply(void *context, const struct acme_reply *reply)
{
	struct acme_order *order = context;
	struct acme_authorization authorization;
	if (!acme_reply_is_good(reply) ||
	        acme_authorization_parse(reply->body, &authorization) < 0 ||
	        !acme_authorization_is_for(order, &authorization)) {
		acme_order_refuse(order, reply, "read the authorization");
	} else if (authorization.status == ACME_VALID) {
		acme_authorization_end(order);
	} else if (authorization.status != ACME_PENDING) {
		acme_authorization_fail(order, &authorization.problem);
	} else if (order->proving) {
		acme_order_pause(order, reply->retry_after_s, acme_authorization_look);
	} else {
		order->authorization = authorization;
		acme_authorization_begin_proof(order);
	}
}

static void acme_authorization_look(struct acme_order *order)
{
	acme_order_ask(order, order->state.authorizations[order->at], WEIR_SPAN(""),
	        acme_authorization_on_reply, "the authority to look at the proof");
}

void acme_authorization_begin(
        struct acme_order *order, void (*authorized)(struct acme_order *order))
{
	order->at = 0;
	order->authorized = authorized;
	acme_authorization_look(order);
}
