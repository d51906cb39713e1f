/*
 * The life of a WebSocket: acceptance, the closing handshake, pings and time limits. One timer
 * serves all limits: it is for pings until a Close frame is queued, and then for the connection's
 * end.
 *
 * Invariant: `closed` is called in the step from OPEN or CLOSING to ENDING or GONE, and nowhere
 * else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "helper.h"
#include "websocket_state.h"

void weir_websocket_options_init(struct weir_websocket_options *options)
{
	*options = (struct weir_websocket_options){
	        .check_origin = true,
	        .frame_max = WEIR_WEBSOCKET_FRAME_MAX,
	        .message_max = WEIR_WEBSOCKET_MESSAGE_MAX,
	        .queue_max = WEIR_WEBSOCKET_QUEUE_MAX,
	        .slow = WEIR_WEBSOCKET_SLOW_REFUSE,
	        .ping_ms = WEIR_WEBSOCKET_PING_MS,
	        .pong_ms = WEIR_WEBSOCKET_PONG_MS,
	        .close_ms = WEIR_WEBSOCKET_CLOSE_MS,
	        .deflate = WEIR_WEBSOCKET_DEFLATE,
	        .window_bits = WEIR_WEBSOCKET_WINDOW_BITS,
	        .takeovers_max = WEIR_WEBSOCKET_TAKEOVERS_MAX,
	};
}

/* -- the end ----------------------------------------------------------------------------------- */

static void websocket_enter(struct weir_websocket *websocket, enum websocket_phase phase,
        unsigned code, struct weir_span reason)
{
	bool closes = websocket->phase < WEBSOCKET_ENDING && phase >= WEBSOCKET_ENDING;
	websocket->phase = (uint8_t)phase;
	if (closes) {
		weir_metric_add(&websocket->cells->closed[websocket_metrics_end_of(code)], 1);
		weir_metric_subtract(&websocket->cells->open, 1);
	}
	if (closes && websocket->options->closed)
		websocket->options->closed(websocket->context, code, reason);
}

static void websocket_on_time(struct weir_timer *timer);

static void websocket_start_timer(struct weir_websocket *websocket, uint32_t after_ms)
{
	weir_timer_start(
	        websocket_loop_of(websocket), &websocket->timer, after_ms, websocket_on_time);
}

void weir_websocket_abort(struct weir_websocket *websocket)
{
	if (websocket->phase == WEBSOCKET_GONE || websocket->aborting)
		return;
	websocket->aborting = true;
	websocket->carrier->abort(websocket);
}

/* Queues a Close frame. Returns 0 or -ENOMEM; then the connection is aborted. */
static int websocket_queue_close(
        struct weir_websocket *websocket, unsigned code, struct weir_span reason)
{
	char payload[WEBSOCKET_CONTROL_MAX];
	size_t size = min_of(reason.size, (size_t)WEBSOCKET_REASON_MAX);
	payload[0] = (char)(code >> 8);
	payload[1] = (char)code;
	if (size)
		memcpy(payload + 2, reason.data, size);
	/* A character is not cut in two. */
	while (size && size < reason.size && ((uint8_t)reason.data[size] & 0xc0) == 0x80)
		size--;
	int error = websocket_output_push_control(websocket, WEBSOCKET_CLOSE,
	        weir_span(payload, code == WEIR_WEBSOCKET_NO_CODE ? 0 : 2 + size));
	websocket_start_timer(websocket, websocket->options->close_ms);
	if (error)
		weir_websocket_abort(websocket);
	return error;
}

void websocket_fail(struct weir_websocket *websocket, enum weir_websocket_code code)
{
	if (websocket->phase >= WEBSOCKET_ENDING)
		return;
	websocket_output_cut(websocket);
	if (websocket->phase == WEBSOCKET_OPEN)
		websocket_queue_close(websocket, code, WEIR_SPAN(""));
	websocket_enter(websocket, WEBSOCKET_ENDING, code, WEIR_SPAN(""));
	weir_wake(&websocket->producer);
}

void websocket_on_close_frame(
        struct weir_websocket *websocket, unsigned code, struct weir_span reason)
{
	websocket_output_cut(websocket);
	if (websocket->phase == WEBSOCKET_OPEN)
		websocket_queue_close(websocket, code, WEIR_SPAN(""));
	websocket_enter(websocket, WEBSOCKET_ENDING, code, reason);
	weir_wake(&websocket->producer);
}

void websocket_lose(struct weir_websocket *websocket)
{
	websocket_enter(websocket, WEBSOCKET_GONE, WEIR_WEBSOCKET_ABNORMAL, WEIR_SPAN(""));
}

int weir_websocket_close(struct weir_websocket *websocket, unsigned code, struct weir_span reason)
{
	bool none = code == WEIR_WEBSOCKET_NO_CODE;
	if ((!none && !websocket_code_valid(code)) || (none && reason.size) ||
	        !websocket_utf8_valid(reason))
		return -EINVAL;
	if (websocket->phase != WEBSOCKET_OPEN || websocket->aborting)
		return WEIR_E_CLOSED;
	websocket->phase = WEBSOCKET_CLOSING;
	return websocket_queue_close(websocket, code, reason);
}

void websocket_drain(struct weir_websocket *websocket)
{
	weir_websocket_close(websocket, WEIR_WEBSOCKET_GOING_AWAY, WEIR_SPAN(""));
}

void websocket_free(struct weir_websocket *websocket)
{
	weir_timer_stop(&websocket->timer);
	websocket_output_finish(websocket, WEIR_CLOSE_ABORTED);
	websocket_takeover_end(websocket);
	if (websocket->saved)
		weir_buffer_finish(&websocket->saved->message);
	free(websocket->saved);
	free(websocket);
}

/* -- time -------------------------------------------------------------------------------------- */

/* Pings a client that was silent, and aborts one that stays so. */
static void websocket_on_ping_time(struct weir_websocket *websocket)
{
	const struct weir_websocket_options *options = websocket->options;
	bool silent = !websocket->heard && !websocket->paused;
	bool dead = silent && websocket->pinged;
	websocket->heard = false;
	websocket->pinged = silent;
	if (!dead)
		websocket_start_timer(websocket, silent ? options->pong_ms : options->ping_ms);
	if (dead || (silent && websocket_output_push_control(
	                               websocket, WEBSOCKET_PING, WEIR_SPAN("")) < 0))
		weir_websocket_abort(websocket);
}

static void websocket_on_time(struct weir_timer *timer)
{
	struct weir_websocket *websocket = WEIR_CONTAINER(timer, struct weir_websocket, timer);
	if (websocket->phase == WEBSOCKET_OPEN && !websocket->aborting)
		websocket_on_ping_time(websocket);
	else
		weir_websocket_abort(websocket);
}

/* -- the beginning ----------------------------------------------------------------------------- */

int weir_websocket_accept(struct weir_http_exchange *exchange,
        const struct weir_websocket_options *options, void *context, struct weir_websocket **ret)
{
	unsigned status = 500;
	int error = weir_http_gone(exchange) ? WEIR_E_CLOSED : 0;
	struct weir_websocket *websocket = error ? NULL : websocket_carrier_create(exchange);
	if (!error && !websocket)
		error = -ENOMEM;
	if (!error) {
		websocket->options = options;
		websocket->context = context ? context : websocket;
		websocket->cells = websocket_metrics_of(exchange);
		error = websocket->cells ? websocket_handshake(websocket, exchange, &status)
		                         : -ENOMEM;
		if (error)
			websocket_free(websocket);
		else
			error = websocket_carrier_begin(websocket, exchange);
	}
	if (error) {
		weir_http_reply_error(exchange, status);
		return error;
	}
	*ret = websocket;
	websocket->phase = WEBSOCKET_OPEN;
	weir_metric_add(&websocket->cells->begun, 1);
	weir_metric_add(&websocket->cells->open, 1);
	if (options->ping_ms)
		websocket_start_timer(websocket, options->ping_ms);
	return 0;
}

const char *weir_websocket_protocol(const struct weir_websocket *websocket)
{
	return websocket->protocol ? websocket->options->protocols[websocket->protocol - 1] : NULL;
}

/* -- flow -------------------------------------------------------------------------------------- */

void weir_websocket_pause(struct weir_websocket *websocket)
{
	websocket->paused = true;
	websocket->carrier->pause(websocket);
}

void weir_websocket_resume(struct weir_websocket *websocket)
{
	if (!websocket->paused)
		return;
	websocket->paused = false;
	websocket->heard = true;
	websocket->carrier->resume(websocket);
}

size_t weir_websocket_queued(const struct weir_websocket *websocket)
{
	return websocket->queued;
}

int websocket_may_queue(struct weir_websocket *websocket, size_t size)
{
	const struct weir_websocket_options *options = websocket->options;
	if (websocket->phase != WEBSOCKET_OPEN || websocket->aborting)
		return WEIR_E_CLOSED;
	if (websocket->queued <= options->queue_max &&
	        size <= options->queue_max - websocket->queued)
		return 0;
	if (options->slow == WEIR_WEBSOCKET_SLOW_DROP)
		weir_websocket_abort(websocket);
	websocket->refused = true;
	return WEIR_E_LIMIT;
}
