/* Requests, pauses and the end, of an order and of its authorisations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "acme_order_state.h"
#include "acme_saved_order.h"
#include "acme_state.h"
#include "helper.h"

/* -- ends -------------------------------------------------------------------------------------- */

void acme_order_withdraw(struct acme_order *order)
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

void acme_order_forget(struct acme_order *order)
{
	if (order->saved)
		acme_saved_order_remove(order->options.share->store, order->options.name);
	order->saved = false;
}

void acme_order_end(struct acme_order *order, const struct acme_order_end *end)
{
	struct acme_order_options options = order->options;
	acme_order_cancel(order);
	options.end(options.context, end);
}

void acme_order_fail(struct acme_order *order, const char *why)
{
	acme_order_forget(order);
	acme_order_end(order, &(struct acme_order_end){.why = why});
}

bool acme_order_may_go_on(const struct acme_reply *reply)
{
	return reply->error < 0 || reply->status >= 500 || reply->status == 429 ||
	       strcmp(reply->problem.type, "badNonce") == 0;
}

void acme_order_refuse(struct acme_order *order, const struct acme_reply *reply, const char *doing)
{
	char why[ACME_WHY_SIZE];
	if (!acme_order_may_go_on(reply))
		acme_order_forget(order);
	snprintf(why, sizeof why, "cannot %s: %s", doing,
	        acme_reply_is_good(reply) ? "the authority's reply is malformed" : reply->why);
	acme_order_end(order,
	        &(struct acme_order_end){
	                .why = why,
	                .retry_after_s = reply->retry_after_s,
	                .account_lost = strcmp(reply->problem.type, "accountDoesNotExist") == 0,
	        });
}

void acme_order_set_aside(struct acme_order *order, int64_t after_s)
{
	acme_order_end(order, &(struct acme_order_end){.why = "the authority processes the order",
	                              .retry_after_s = after_s,
	                              .waits = true});
}

void acme_order_on_deadline(struct weir_timer *timer)
{
	struct acme_order *order = WEIR_CONTAINER(timer, struct acme_order, deadline);
	char why[ACME_WHY_SIZE];
	snprintf(why, sizeof why, "the order took too long; it waited for %s", order->waits_for);
	if (order->saved)
		acme_order_set_aside(order, 0);
	else
		acme_order_fail(order, why);
}

/* -- steps ------------------------------------------------------------------------------------- */

static void acme_order_on_pause(struct weir_timer *timer)
{
	struct acme_order *order = WEIR_CONTAINER(timer, struct acme_order, timer);
	order->next(order);
}

void acme_order_pause(
        struct acme_order *order, int64_t after_s, void (*next)(struct acme_order *order))
{
	uint32_t pause_ms = after_s ? (uint32_t)min_of(after_s * 1000, (int64_t)ACME_POLL_MAX_MS)
	                            : order->pause_ms;
	order->pause_ms = min_of(order->pause_ms * 2, (uint32_t)ACME_POLL_MAX_MS);
	order->next = next;
	weir_timer_start(order->options.loop, &order->timer, pause_ms, acme_order_on_pause);
}

void acme_order_ask(struct acme_order *order, const char *url, struct weir_span payload,
        acme_reply_fn *done, const char *waits_for)
{
	order->waits_for = waits_for;
	acme_session_post(order->options.session, url, payload, done, order);
}
