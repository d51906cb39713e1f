/*
 * The order from its beginning to its certificate. Its authorisations are in acme_authorization.c,
 * what both have in common in acme_order_step.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/error.h>

#include "acme_order_state.h"
#include "acme_saved_order.h"
#include "acme_state.h"
#include "helper.h"
#include "say.h"

/* -- the certificate --------------------------------------------------------------------------- */

static void acme_order_submit(struct acme_order *order);
static void acme_order_look(struct acme_order *order);

/* The order that was resumed cannot end well. */
static void acme_order_begin_anew(struct acme_order *order)
{
	acme_order_forget(order);
	EVP_PKEY_free(order->key);
	order->key = NULL;
	order->resumed = order->waited = order->finalized = false;
	acme_order_submit(order);
}

/* An old order that nobody has removed may have an old certificate. */
static const char *acme_order_check_chain(
        const struct acme_order *order, struct weir_span pem, struct acme_chain *ret)
{
	const char *why = acme_chain_check(pem, order->key, order->options.name, time(NULL), ret);
	if (why || !order->resumed || acme_validity_is_newer(ret->validity, order->options.before))
		return why;
	weir_buffer_finish(&ret->pem);
	return "the certificate of the order is not newer";
}

static void acme_order_on_certificate(void *context, const struct acme_reply *reply)
{
	struct acme_order *order = context;
	struct acme_chain chain;
	struct weir_buffer key = {0};
	if (!acme_reply_is_good(reply)) {
		acme_order_refuse(order, reply, "fetch the certificate");
		return;
	}
	const char *why = acme_order_check_chain(order, reply->body, &chain);
	if (why && order->resumed) {
		acme_order_begin_anew(order);
		return;
	}
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
	if (error == 0)
		acme_order_forget(order);
	acme_order_end(
	        order, &(struct acme_order_end){.why = error < 0 ? text : NULL, .chain = &chain});
}

/* -- the order --------------------------------------------------------------------------------- */

static void acme_order_on_state(void *context, const struct acme_reply *reply);

static void acme_order_finalize(struct acme_order *order)
{
	struct weir_buffer der = {0}, payload = {0};
	int error = acme_certificate_request(order->key, order->options.name, &der);
	if (error == 0)
		error = weir_buffer_format(&payload, ACME_JOSE_MAX, "{\"csr\":\"");
	if (error == 0)
		error = acme_base64_append(&payload, weir_buffer_span(&der));
	if (error == 0)
		error = weir_buffer_format(&payload, ACME_JOSE_MAX, "\"}");
	order->pause_ms = ACME_POLL_FIRST_MS;
	order->finalized = true;
	if (error == 0)
		acme_order_ask(order, order->state.finalize, weir_buffer_span(&payload),
		        acme_order_on_state, "the certificate");
	else
		acme_order_fail(order, weir_error_text(error));
	weir_buffer_finish(&der);
	weir_buffer_finish(&payload);
}

static void acme_order_on_saved(void *context, int error, const char *why)
{
	struct acme_order *order = context;
	if (error < 0)
		acme_order_fail(order, why);
	else
		acme_order_finalize(order);
}

/* Another front end that takes over from here on fetches the certificate with this key. */
static void acme_order_save(struct acme_order *order)
{
	struct acme_saved_order saved;
	order->key = acme_key_create();
	saved.key = order->key;
	text_copy(saved.url, sizeof saved.url, order->url);
	order->saved = true;
	int error = order->key ? acme_saved_order_write(order->options.share->store,
	                                 order->options.name,
	                                 acme_session_url(order->options.session), &saved)
	                       : -ENOMEM;
	order->waits_for = "the other front ends to have the key";
	if (error < 0)
		acme_order_fail(order, weir_error_text(error));
	else
		acme_share_publish(order->options.share, acme_order_on_saved, order);
}

/* Whether an order that the authority still processes is over by the time that it has named. */
static bool acme_order_has_expired(const struct acme_order *order)
{
	int64_t expires_s = order->state.expires_s ? min_of(order->state.expires_s,
	                                                     order->saved_s + ACME_ORDER_LIFE_MAX_S)
	                                           : order->saved_s + ACME_ORDER_LIFE_S;
	return weir_loop_wall_s(order->options.loop) >= expires_s;
}

/* RFC 8555 7.4: the reply may name the time for the next look. */
static void acme_order_wait(struct acme_order *order, int64_t after_s)
{
	if (!order->saved)
		acme_order_pause(order, after_s, acme_order_look);
	else if (order->resumed && acme_order_has_expired(order))
		acme_order_fail(order, "the order has expired before the authority has ended it");
	else if (order->waited || after_s * 1000 > ACME_POLL_MAX_MS)
		acme_order_set_aside(order, after_s);
	else
		acme_order_pause(order, after_s, acme_order_look);
}

static void acme_order_follow(struct acme_order *order, int64_t after_s)
{
	char why[ACME_WHY_SIZE];
	switch (order->state.status) {
	case ACME_PENDING:
		acme_order_pause(order, after_s, acme_order_look);
		break;
	case ACME_PROCESSING:
		acme_order_wait(order, after_s);
		break;
	case ACME_READY:
		if (order->finalized)
			acme_order_pause(order, after_s, acme_order_look);
		else if (order->key)
			acme_order_finalize(order);
		else
			acme_order_save(order);
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
	bool good = acme_reply_is_good(reply) && acme_order_parse(reply->body, &order->state) == 0;
	bool over = good ? order->state.status == ACME_INVALID ||
	                            (order->state.status == ACME_PENDING && !order->finalized)
	                 : !acme_order_may_go_on(reply);
	if (order->resumed && over)
		acme_order_begin_anew(order);
	else if (!good)
		acme_order_refuse(order, reply, "follow the order");
	else
		acme_order_follow(order, reply->retry_after_s);
}

static void acme_order_look(struct acme_order *order)
{
	acme_order_ask(order, order->url, WEIR_SPAN(""), acme_order_on_state,
	        order->key ? "the certificate" : "the order");
}

/* -- the beginning ----------------------------------------------------------------------------- */

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
	if (order->state.status == ACME_PENDING)
		acme_authorization_begin(order, acme_order_look);
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

static void acme_order_resume(struct acme_order *order, const struct acme_saved_order *saved)
{
	order->waited = order->options.waited;
	if (!order->waited)
		say_at(WEIR_LOG_INFO, "the order for %s that was under way is resumed",
		        order->options.name);
	text_copy(order->url, sizeof order->url, saved->url);
	order->key = saved->key;
	order->saved_s = saved->saved_s;
	order->resumed = order->saved = true;
	acme_order_look(order);
}

static void acme_order_on_begin(struct weir_task *task)
{
	struct acme_order *order = WEIR_CONTAINER(task, struct acme_order, begin);
	struct acme_saved_order saved;
	if (acme_saved_order_read(order->options.share->store, order->options.name,
	            acme_session_url(order->options.session), &saved) == 0)
		acme_order_resume(order, &saved);
	else
		acme_order_submit(order);
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
