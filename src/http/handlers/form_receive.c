/*
 * Form fields of a body, by a cutter whose requests end in '&'. A field that is whole in the input
 * is not copied; one that is encoded is decoded into the one buffer of the form.
 *
 * Invariant: the receiver's end() is called exactly once after weir_http_form_receive has returned
 * 0, and no field() follows an error. Left out: charsets; fields are bytes.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/buffer.h>
#include <weir/cutter.h>
#include <weir/error.h>
#include <weir/http_form.h>
#include <weir/list.h>

#include "exchange.h"
#include "fields.h"

struct form_receive {
	struct weir_cutter cutter;
	struct weir_http_exchange *exchange;
	const struct weir_http_form_receiver *receiver;
	void *context;
	struct weir_buffer decoded; /* name and value of the current field */
	int error;                  /* the first; no field follows it */
};

/* -- fields ------------------------------------------------------------------------------------ */

static int http_form_receive_field(struct form_receive *form, struct weir_span field)
{
	struct weir_http_pair pair;
	if (!weir_http_pair_next(&field, &pair))
		return 0;
	struct weir_buffer *decoded = &form->decoded;
	decoded->size = 0;
	int error = weir_buffer_reserve(
	        decoded, pair.name.size + pair.value.size + 1, WEIR_HTTP_FORM_FIELD_MAX + 1);
	if (error == 0)
		error = weir_http_form_decode(
		        pair.name, decoded->data, decoded->capacity, &pair.name);
	if (error == 0)
		error = weir_http_form_decode(pair.value, decoded->data + pair.name.size,
		        decoded->capacity - pair.name.size, &pair.value);
	if (error == 0)
		form->receiver->field(form->context, pair.name, pair.value);
	return error;
}

static void http_form_receive_cut(struct weir_cutter *cutter, struct weir_span field)
{
	struct form_receive *form = WEIR_CONTAINER(cutter, struct form_receive, cutter);
	if (form->error)
		return;
	form->error = http_form_receive_field(form, field);
	if (form->error == WEIR_E_SYNTAX)
		http_log_note_fault(
		        form->exchange->server->loop_state, "not a field of a form", field);
}

static void http_form_receive_overflow(struct weir_cutter *cutter, int error)
{
	struct form_receive *form = WEIR_CONTAINER(cutter, struct form_receive, cutter);
	if (form->error == 0)
		form->error = error;
}

static void http_form_receive_feed(struct form_receive *form, struct weir_span bytes)
{
	static const struct weir_cutter_type type = {
	        .request = http_form_receive_cut, .overflow = http_form_receive_overflow};
	int error = weir_cutter_feed(&form->cutter, &type, bytes);
	if (form->error == 0)
		form->error = error;
}

/* -- the body ---------------------------------------------------------------------------------- */

static void http_form_receive_destroy(struct form_receive *form)
{
	weir_cutter_finish(&form->cutter);
	weir_buffer_finish(&form->decoded);
	free(form);
}

static unsigned http_form_receive_status(int error)
{
	if (error == WEIR_E_LIMIT)
		return 413;
	return error == WEIR_E_SYNTAX ? 400 : 500;
}

/* HTTP does not know of an error in the form, so the reply is made here. */
static void http_form_receive_end(struct form_receive *form, int error)
{
	struct weir_http_exchange *exchange = form->exchange;
	form->receiver->end(form->context, error);
	http_form_receive_destroy(form);
	if (error && !http_exchange_replied(exchange))
		weir_http_reply_error(exchange, http_form_receive_status(error));
	http_log_clear_fault(exchange->server->loop_state);
}

static void http_form_receive_on_piece(void *context, struct weir_span bytes)
{
	struct form_receive *form = context;
	struct weir_http_exchange *exchange = form->exchange;
	http_form_receive_feed(form, bytes);
	if (form->error == 0)
		return;
	/* The exchange is used after the reply, so it must not be freed by it. */
	enum http_handler_state before = http_exchange_enter_handler(exchange);
	weir_http_discard(exchange);
	if (http_exchange_replied(exchange))
		http_body_drop(exchange);
	http_form_receive_end(form, form->error);
	http_exchange_leave_handler(exchange, before);
	http_exchange_free_if_unused(exchange);
}

/* HTTP replies for errors of its own. */
static void http_form_receive_on_end(void *context, int error)
{
	struct form_receive *form = context;
	if (error) {
		form->receiver->end(form->context, error);
		http_form_receive_destroy(form);
		return;
	}
	if (weir_cutter_partial(&form->cutter))
		http_form_receive_feed(form, WEIR_SPAN("&"));
	http_form_receive_end(form, form->error);
}

static bool http_form_receive_is_form(const struct weir_http_request *request)
{
	struct weir_span type = weir_http_request_known(request, WEIR_HTTP_CONTENT_TYPE), head;
	return type.size && http_parameter_head(&type, &head) == 0 &&
	       weir_span_equal_nocase(head, WEIR_SPAN("application/x-www-form-urlencoded"));
}

int weir_http_form_receive(struct weir_http_exchange *exchange,
        const struct weir_http_form_receiver *receiver, void *context, uint64_t max)
{
	static const struct weir_http_receiver body = {
	        http_form_receive_on_piece, http_form_receive_on_end};
	if (!http_form_receive_is_form(exchange->handling->request))
		return WEIR_E_SYNTAX;
	struct form_receive *form = calloc(1, sizeof *form);
	if (!form)
		return -ENOMEM;
	weir_cutter_init(&form->cutter, weir_until(WEIR_SPAN("&")), WEIR_HTTP_FORM_FIELD_MAX);
	form->exchange = exchange;
	form->receiver = receiver;
	form->context = context;
	int error = weir_http_receive(exchange, &body, form, max);
	if (error)
		http_form_receive_destroy(form);
	return error;
}
