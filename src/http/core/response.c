/*
 * The reply of an exchange as a producer: perhaps 100 Continue, then the head, then the body's
 * producer. It is in the channel's queue from the beginning, and waits there until the handler has
 * replied, so that replies leave in the order of the requests.
 *
 * The head is composed in the output's scratch. Only for an output that is too small it is composed
 * on the heap, and copied from there.
 */
#include <stdlib.h>

#include "exchange.h"
#include "helper.h"
#include "syntax.h"

static char *http_response_put(char *to, const void *data, size_t size)
{
	memcpy(to, data, size);
	return to + size;
}

#define PUT(to, literal) http_response_put(to, literal, sizeof literal - 1)

static char *http_response_put_status_line(char *to, unsigned status)
{
	struct weir_span reason = http_status_reason((int)status);
	to = PUT(to, "HTTP/1.1 ");
	to = text_put_decimal(to, status);
	*to++ = ' ';
	to = http_response_put(to, reason.data, reason.size);
	return PUT(to, "\r\n");
}

/* Most replies begin with the status line of 200 and the date, which are composed once a second. */
static inline void http_response_renew_opening(struct http_loop *loop_state, struct weir_loop *loop)
{
	int64_t now = weir_loop_wall_s(loop);
	if (loop_state->date_s == now)
		return;
	loop_state->date_s = now;
	char *end = PUT(loop_state->opening, STATUS_LINE_200 "Date: ");
	http_date_format(now, end);
	PUT(end + WEIR_HTTP_DATE_SIZE, "\r\n");
}

const char *http_response_date(struct weir_http_exchange *exchange)
{
	http_response_renew_opening(exchange->server->loop_state, exchange->server->loop);
	return exchange->server->loop_state->opening + sizeof STATUS_LINE_200 "Date: " - 1;
}

static char *http_response_put_opening(char *to, struct weir_http_exchange *exchange)
{
	struct http_loop *loop_state = exchange->server->loop_state;
	http_response_renew_opening(loop_state, exchange->server->loop);
	if (exchange->status == 200)
		return http_response_put(to, loop_state->opening, OPENING_SIZE);
	to = http_response_put_status_line(to, exchange->status);
	return http_response_put(to, loop_state->opening + STATUS_LINE_200_SIZE,
	        OPENING_SIZE - STATUS_LINE_200_SIZE);
}

static char *http_response_put_framing(char *to, const struct weir_http_exchange *exchange)
{
	if (exchange->framing == HTTP_FRAMED_BY_CHUNKS) {
		to = PUT(to, "Transfer-Encoding: chunked\r\n");
	} else if (exchange->framing == HTTP_FRAMED_BY_LENGTH) {
		to = PUT(to, "Content-Length: ");
		to = text_put_decimal(to, (uint64_t)exchange->reply_size);
		to = PUT(to, "\r\n");
	}
	if (exchange->framing == HTTP_FRAMED_BY_UPGRADE)
		to = PUT(to, "Connection: Upgrade\r\n");
	else if (!exchange->keep_alive)
		to = PUT(to, "Connection: close\r\n");
	else if (exchange->confirm_keep_alive)
		to = PUT(to, "Connection: keep-alive\r\n");
	return PUT(to, "\r\n");
}

/*
 * More than the head without its fields needs; and the largest lent body that is copied behind the
 * head.
 */
enum {
	HEAD_FRAME_MAX = 256,
	BODY_COPY_MAX = 256,
};

/*
 * The server has begun to drain since the request came. The last reply announces the end of the
 * connection (RFC 9112 9.6). Pipelined replies behind this one are still sent.
 */
static void http_response_note_drain(struct weir_http_exchange *exchange)
{
	struct weir_channel *channel = exchange->channel;
	if (!channel || !exchange->keep_alive || exchange->framing == HTTP_FRAMED_BY_UPGRADE ||
	        !weir_channel_draining(channel) || weir_channel_replies(channel) > 1)
		return;
	exchange->keep_alive = false;
	/* Otherwise the end of the body closes it. */
	if (exchange->body_state == HTTP_BODY_NONE)
		weir_channel_close(channel);
}

static size_t http_response_compose_head(struct weir_http_exchange *exchange, char *head)
{
	http_response_note_drain(exchange);
	const struct http_handling *handling = exchange->handling;
	char *end = http_response_put_opening(head, exchange);
	if (handling->lent.size)
		end = http_response_put(end, handling->lent.data, handling->lent.size);
	if (handling->fields.size)
		end = http_response_put(end, handling->fields.data, handling->fields.size);
	end = http_response_put_framing(end, exchange);
	return (size_t)(end - head);
}

static enum weir_more http_response_put_head_slowly(
        struct weir_http_exchange *exchange, struct weir_output *out)
{
	struct http_handling *handling = exchange->handling;
	size_t left = handling->head_size - handling->head_put;
	size_t put = weir_output_copy(out, handling->head + handling->head_put, left);
	handling->head_put += put;
	exchange->before_body += (uint32_t)put;
	if (put < left)
		return put || weir_output_room(out) == 0 ? WEIR_MORE : WEIR_FAILED;
	http_exchange_set_reply(exchange, HTTP_REPLY_BODY);
	return WEIR_DONE;
}

/* Returns WEIR_DONE when all of the head has been put. */
static enum weir_more http_response_put_head(
        struct weir_http_exchange *exchange, struct weir_output *out)
{
	struct http_handling *handling = exchange->handling;
	if (handling->head)
		return http_response_put_head_slowly(exchange, out);
	size_t most = HEAD_FRAME_MAX + handling->lent.size + handling->fields.size;
	size_t size = 0, room = weir_output_room(out);
	size_t body = exchange->body_is_lent ? (size_t)exchange->reply_size : 0;
	if (body > BODY_COPY_MAX || room < most + body)
		body = 0;
	char *scratch = room < most ? NULL : weir_output_reserve(out, most + body, &size);
	if (scratch && size >= most + body) {
		size_t head_size = http_response_compose_head(exchange, scratch);
		if (body) {
			memcpy(scratch + head_size, exchange->lent_body, body);
			exchange->reply_size = 0;
		}
		weir_output_commit(out, head_size + body);
		exchange->before_body += (uint32_t)head_size;
		http_exchange_set_reply(exchange, HTTP_REPLY_BODY);
		return WEIR_DONE;
	}
	handling->head = malloc(most);
	if (!handling->head)
		return WEIR_FAILED;
	handling->head_size = http_response_compose_head(exchange, handling->head);
	return http_response_put_head_slowly(exchange, out);
}

static enum weir_more http_response_put_continue(
        struct weir_http_exchange *exchange, struct weir_output *out)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct http_handling *handling = exchange->handling;
	size_t left = sizeof interim - 1 - handling->continue_put;
	size_t put = weir_output_borrow(out, interim + handling->continue_put, left);
	handling->continue_put += (uint8_t)put;
	exchange->before_body += (uint32_t)put;
	if (put < left)
		return WEIR_MORE;
	exchange->continue_state = HTTP_CONTINUE_NONE;
	return WEIR_DONE;
}

/* Each is put whole: the room of an output that is empty is larger than all of them together. */
static enum weir_more http_response_put_interims(
        struct weir_http_exchange *exchange, struct weir_output *out)
{
	struct http_interim interim;
	struct weir_span lines;
	while (http_interim_first(exchange, &interim, &lines)) {
		char text[HEAD_FRAME_MAX + WEIR_HTTP_INTERIM_MAX];
		char *end = http_response_put_status_line(text, interim.status);
		end = http_response_put(end, lines.data, lines.size);
		end = PUT(end, "\r\n");
		size_t size = (size_t)(end - text);
		if (weir_output_room(out) < size)
			return WEIR_MORE;
		if (weir_output_copy(out, text, size) != size)
			return WEIR_FAILED;
		exchange->before_body += (uint32_t)size;
		http_interim_remove_first(exchange);
	}
	return WEIR_DONE;
}

/* Returns WEIR_DONE when all of it has been put. */
static enum weir_more http_response_put_lent_body(
        struct weir_http_exchange *exchange, struct weir_output *out)
{
	size_t left = exchange->body_is_lent ? (size_t)exchange->reply_size : 0;
	if (!left)
		return WEIR_DONE;
	size_t put = weir_output_borrow(out, exchange->lent_body, left);
	exchange->lent_body += put;
	exchange->reply_size -= (int64_t)put;
	return put < left ? WEIR_MORE : WEIR_DONE;
}

static inline enum weir_more http_response_ask_body(
        struct weir_http_exchange *exchange, struct weir_output *out)
{
	enum weir_more answer = WEIR_MORE;
	if (exchange->body_is_lent || !exchange->body)
		answer = http_response_put_lent_body(exchange, out);
	else if (weir_output_room(out))
		answer = weir_producer_more(exchange->body, out);
	if (answer == WEIR_MORE || answer == WEIR_WAIT)
		http_exchange_end_handling(exchange);
	return answer;
}

enum weir_more http_response_put_body(struct weir_http_exchange *exchange, struct weir_output *out)
{
	return http_response_ask_body(exchange, out);
}

/* All that precedes the body. Returns WEIR_DONE when it has been put. */
static enum weir_more http_response_put_before_body(
        struct weir_http_exchange *exchange, struct weir_output *out)
{
	if (exchange->continue_state == HTTP_CONTINUE_DUE &&
	        http_response_put_continue(exchange, out) != WEIR_DONE)
		return WEIR_MORE;
	if (exchange->handling->interim.size) {
		enum weir_more answer = http_response_put_interims(exchange, out);
		if (answer != WEIR_DONE)
			return answer;
	}
	if (exchange->reply_state == HTTP_REPLY_AWAITED)
		return WEIR_WAIT;
	return http_response_put_head(exchange, out);
}

static enum weir_more http_response_more(struct weir_producer *producer, struct weir_output *out)
{
	struct weir_http_exchange *exchange =
	        WEIR_CONTAINER(producer, struct weir_http_exchange, producer);
	if (exchange->reply_state < HTTP_REPLY_BODY) {
		enum weir_more answer = http_response_put_before_body(exchange, out);
		if (answer != WEIR_DONE)
			return answer;
	}
	return http_response_ask_body(exchange, out);
}

void http_response_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct weir_http_exchange *exchange =
	        WEIR_CONTAINER(producer, struct weir_http_exchange, producer);
	const struct http_handling *handling = exchange->handling;
	struct weir_producer *body = exchange->body_is_lent ? NULL : exchange->body;
	bool replied = exchange->reply_state >= HTTP_REPLY_HEAD;
	bool waits =
	        !replied && !handling->receiver && exchange->handler_state != HTTP_HANDLER_DEFERRED;
	weir_http_gone_fn *gone = waits ? handling->gone : NULL;
	void *gone_context = waits ? handling->gone_context : NULL;
	http_exchange_set_reply(exchange, replied ? HTTP_REPLY_CLOSED : HTTP_REPLY_UNWANTED);
	exchange->body = NULL;
	weir_producer_close(body, why);
	if (replied)
		http_log_finish(exchange, why);
	bool freed = why != WEIR_CLOSE_DONE && http_body_abandon(exchange);
	if (why == WEIR_CLOSE_DONE)
		exchange->connection->reply_left(exchange);
	if (!freed)
		http_exchange_free_if_unused(exchange);
	/* The exchange is still there, since the handler that is notified has not replied. */
	if (gone)
		gone(gone_context);
}

const struct weir_producer_type http_response_type = {
        .name = "http-response",
        .more = http_response_more,
        .close = http_response_close,
};
