/*
 * Server-sent events: a producer that waits for events of the program.
 *
 *   send ─▶ [ waiting ] ─swap when empty─▶ [ lent ] ─▶ output
 *
 * Bytes that are lent to the output must not move, so events are appended to another buffer. The
 * two together are bounded, and freed when they are empty. Left out: ids are not remembered; a
 * program repeats missed events by itself.
 */
#include <stdlib.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/http_events.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/loop.h>

struct weir_http_events {
	struct weir_producer producer;
	struct weir_buffer lent;
	size_t lent_at; /* of these, bytes put */
	struct weir_buffer waiting;
	struct weir_loop *loop;
	struct weir_timer timer;
	struct weir_task gone; /* calls `closed` after weir_http_events_open */
	uint32_t keepalive_ms;
	weir_http_events_closed_fn *closed;
	void *context;
	bool opening : 1; /* in weir_http_events_open */
	bool failed : 1;  /* closed while opening, since there was no memory */
	bool ended : 1;   /* nothing further will be sent */
};

size_t weir_http_events_queued(const struct weir_http_events *events)
{
	return events->lent.size + events->waiting.size;
}

/* -- the producer ------------------------------------------------------------------------------ */

/*
 * When the producer is asked again, the peer has taken all lent bytes. So the answer after the last
 * byte is WEIR_MORE and not WEIR_WAIT: the next call frees the memory.
 */
static enum weir_more http_events_more(struct weir_producer *producer, struct weir_output *out)
{
	struct weir_http_events *events =
	        WEIR_CONTAINER(producer, struct weir_http_events, producer);
	if (events->lent_at == events->lent.size) {
		weir_buffer_finish(&events->lent);
		events->lent = events->waiting;
		events->waiting = (struct weir_buffer){0};
		events->lent_at = 0;
	}
	size_t left = events->lent.size - events->lent_at;
	size_t put = left ? weir_output_borrow(out, events->lent.data + events->lent_at, left) : 0;
	events->lent_at += put;
	if (events->ended && put == left && events->waiting.size == 0)
		return WEIR_DONE;
	return left ? WEIR_MORE : WEIR_WAIT;
}

static void http_events_destroy(struct weir_http_events *events)
{
	weir_timer_stop(&events->timer);
	weir_buffer_finish(&events->lent);
	weir_buffer_finish(&events->waiting);
	free(events);
}

static void http_events_notify_gone(struct weir_task *task)
{
	struct weir_http_events *events = WEIR_CONTAINER(task, struct weir_http_events, gone);
	if (events->closed)
		events->closed(events->context);
	http_events_destroy(events);
}

static void http_events_close_producer(struct weir_producer *producer, enum weir_close_reason why)
{
	struct weir_http_events *events =
	        WEIR_CONTAINER(producer, struct weir_http_events, producer);
	events->ended = true;
	events->failed = why == WEIR_CLOSE_FAILED;
	if (!events->opening)
		http_events_notify_gone(&events->gone);
}

/* -- the stream -------------------------------------------------------------------------------- */

/* While events wait, the connection's own time limit detects a dead client. */
static void http_events_keep_alive(struct weir_timer *timer)
{
	struct weir_http_events *events = WEIR_CONTAINER(timer, struct weir_http_events, timer);
	if (weir_http_events_queued(events) == 0 &&
	        weir_buffer_append(&events->waiting, ":\n\n", 3, WEIR_HTTP_EVENTS_QUEUE_MAX) == 0)
		weir_wake(&events->producer);
	weir_timer_start(events->loop, timer, events->keepalive_ms, http_events_keep_alive);
}

struct weir_http_events *weir_http_events_open(struct weir_http_exchange *exchange,
        uint32_t keepalive_ms, weir_http_events_closed_fn *closed, void *context)
{
	static const struct weir_producer_type type = {
	        .name = "events", .more = http_events_more, .close = http_events_close_producer};
	struct weir_http_events *events = calloc(1, sizeof *events);
	if (!events) {
		weir_http_reply(exchange, 500, NULL);
		return NULL;
	}
	weir_producer_init(&events->producer, &type);
	events->loop = weir_http_loop(exchange);
	events->keepalive_ms = keepalive_ms;
	events->closed = closed;
	events->context = context;
	events->opening = true;
	weir_http_add_field(exchange, "Content-Type", WEIR_SPAN("text/event-stream"));
	weir_http_add_field(exchange, "Cache-Control", WEIR_SPAN("no-store"));
	weir_http_reply(exchange, 200, &events->producer);
	events->opening = false;
	if (events->ended && events->failed) {
		http_events_destroy(events);
		return NULL;
	}
	if (events->ended) {
		/*
		 * For HEAD or a client that has gone, `closed` is called after the caller has the
		 * stream.
		 */
		events->gone.run = http_events_notify_gone;
		weir_loop_defer(events->loop, &events->gone);
	} else if (keepalive_ms) {
		weir_timer_start(
		        events->loop, &events->timer, keepalive_ms, http_events_keep_alive);
	}
	return events;
}

void weir_http_events_end(struct weir_http_events *events)
{
	if (events->ended)
		return;
	events->ended = true;
	weir_timer_stop(&events->timer);
	weir_wake(&events->producer);
}

/* -- events ------------------------------------------------------------------------------------ */

static bool http_events_is_line(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] == '\n' || text.data[i] == '\r' || text.data[i] == 0)
			return false;
	return true;
}

static int http_events_put_line(
        struct weir_buffer *buffer, size_t limit, struct weir_span field, struct weir_span value)
{
	int error = weir_buffer_reserve(buffer, field.size + value.size + 1, limit);
	if (error < 0)
		return error;
	weir_buffer_append(buffer, field.data, field.size, limit);
	weir_buffer_append(buffer, value.data, value.size, limit);
	return weir_buffer_append(buffer, "\n", 1, limit);
}

/* Cuts off the first line, which CR, LF or CRLF ends. Returns false for the last one. */
static bool http_events_cut_line(struct weir_span *rest, struct weir_span *ret_line)
{
	size_t size = 0;
	while (size < rest->size && rest->data[size] != '\n' && rest->data[size] != '\r')
		size++;
	*ret_line = weir_span(rest->data, size);
	*rest = weir_span_skip(*rest, size);
	if (rest->size == 0)
		return false;
	*rest = weir_span_skip(*rest, weir_span_starts(*rest, WEIR_SPAN("\r\n")) ? 2 : 1);
	return true;
}

static int http_events_put_event(struct weir_buffer *buffer, size_t limit, struct weir_span name,
        struct weir_span id, struct weir_span data)
{
	int error = 0;
	if (name.size)
		error = http_events_put_line(buffer, limit, WEIR_SPAN("event: "), name);
	if (error == 0 && id.size)
		error = http_events_put_line(buffer, limit, WEIR_SPAN("id: "), id);
	for (bool another = true; error == 0 && another;) {
		struct weir_span line;
		another = http_events_cut_line(&data, &line);
		error = http_events_put_line(buffer, limit, WEIR_SPAN("data: "), line);
	}
	return error ? error : http_events_put_line(buffer, limit, WEIR_SPAN(""), WEIR_SPAN(""));
}

int weir_http_events_send(struct weir_http_events *events, struct weir_span name,
        struct weir_span id, struct weir_span data)
{
	size_t before = events->waiting.size;
	if (events->ended)
		return WEIR_E_CLOSED;
	if (!http_events_is_line(name) || !http_events_is_line(id))
		return WEIR_E_SYNTAX;
	int error = http_events_put_event(
	        &events->waiting, WEIR_HTTP_EVENTS_QUEUE_MAX - events->lent.size, name, id, data);
	if (error < 0) {
		events->waiting.size = before;
		return error;
	}
	if (events->keepalive_ms)
		weir_timer_start(
		        events->loop, &events->timer, events->keepalive_ms, http_events_keep_alive);
	weir_wake(&events->producer);
	return 0;
}
