/*
 * Server-sent events: a clock that every browser and curl can follow. Signals end the streams, and
 * then the server, in an orderly way. Try it:
 *
 *   ./events & pid=$!
 *   curl -N --max-time 3 http://127.0.0.1:7006/
 *   kill $pid
 *   wait
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/http_events.h>
#include <weir/list.h>
#include <weir/loop.h>

enum {
	TICK_MS = 500,
	KEEPALIVE_MS = 15000,
	STREAMS_MAX = 1000
};

struct clock {
	struct weir_timer timer;
	struct weir_signals signals;
	struct weir_loop *loop;
	struct weir_http_server *server;
	struct weir_list streams;
	unsigned count;
	unsigned ticks;
	bool stopping;
};

struct stream {
	struct weir_list link;
	struct clock *clock;
	struct weir_http_events *events;
};

/* -- streams ----------------------------------------------------------------------------------- */

static void stream_closed(void *context)
{
	struct stream *stream = context;
	weir_list_remove(&stream->link);
	stream->clock->count--;
	free(stream);
}

static void stream_open(void *context, struct weir_http_exchange *exchange)
{
	struct clock *clock = context;
	struct stream *stream = clock->count < STREAMS_MAX ? calloc(1, sizeof *stream) : NULL;
	if (!stream) {
		weir_http_reply_error(exchange, 503);
		return;
	}
	stream->clock = clock;
	stream->events = weir_http_events_open(exchange, KEEPALIVE_MS, stream_closed, stream);
	if (!stream->events) { /* the exchange has got a 500 */
		free(stream);
		return;
	}
	weir_list_append(&clock->streams, &stream->link);
	clock->count++;
}

/* A client that does not read loses ticks, and no more: sending fails while its queue is full. */
static void clock_tick(struct weir_timer *timer)
{
	struct clock *clock = WEIR_CONTAINER(timer, struct clock, timer);
	char text[32];
	int size = snprintf(text, sizeof text, "%u", ++clock->ticks);
	for (struct weir_list *link = clock->streams.next; link != &clock->streams;
	        link = link->next)
		weir_http_events_send(WEIR_CONTAINER(link, struct stream, link)->events,
		        WEIR_SPAN("tick"), WEIR_SPAN(""), weir_span(text, (size_t)size));
	weir_timer_start(clock->loop, timer, TICK_MS, clock_tick);
}

/* -- the end ----------------------------------------------------------------------------------- */

static void clock_drained(void *context)
{
	struct clock *clock = context;
	weir_loop_stop(clock->loop);
}

/* A drain waits for open streams, so they are ended first. */
static void clock_stop(struct weir_signals *signals, int signal)
{
	struct clock *clock = WEIR_CONTAINER(signals, struct clock, signals);
	(void)signal;
	if (clock->stopping) { /* the second signal: do not wait any longer */
		weir_loop_stop(clock->loop);
		return;
	}
	clock->stopping = true;
	weir_timer_stop(&clock->timer);
	for (struct weir_list *link = clock->streams.next; link != &clock->streams;
	        link = link->next)
		weir_http_events_end(WEIR_CONTAINER(link, struct stream, link)->events);
	weir_server_drain(weir_http_listener(clock->server), clock_drained, clock);
}

int main(int count, char **arguments)
{
	static const int stops[] = {SIGINT, SIGTERM, 0};
	const char *address = count > 1 ? arguments[1] : "127.0.0.1:7006";
	struct clock clock = {0};
	struct weir_http_options options;
	weir_http_options_init(&options);
	weir_list_init(&clock.streams);
	int error = weir_address_parse(weir_span_of(address), &options.listener.address);
	if (error == 0)
		error = weir_loop_create(&clock.loop);
	if (error == 0)
		error = weir_signals_start(clock.loop, &clock.signals, stops, clock_stop);
	options.sites = weir_http_sites_create(weir_http_function_create("", stream_open, &clock));
	if (error == 0)
		error = weir_http_create(clock.loop, &options, &clock.server);
	if (error) {
		fprintf(stderr, "events: cannot listen on %s: %s\n", address,
		        weir_error_text(error));
		return 1;
	}
	weir_timer_start(clock.loop, &clock.timer, TICK_MS, clock_tick);
	printf("events: http://%s/\n", address);
	fflush(stdout);
	error = weir_loop_run(clock.loop);
	weir_http_destroy(clock.server);
	weir_signals_stop(&clock.signals);
	weir_loop_destroy(clock.loop);
	puts("events: ended in an orderly way");
	return error < 0;
}
