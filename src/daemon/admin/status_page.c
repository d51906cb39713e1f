/*
 * Requests for the page, and streams, wait for a survey; its end replies to the former and sends an
 * event to each stream that has read its last one.
 *
 * Invariant: while a survey is under way the page exists. A survey that ends after the servers have
 * ended (`closed`) only replies to what still waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/http.h>
#include <weir/http_events.h>
#include <weir/http_routes.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/sources.h>

#include "admin_http.h"
#include "config.h"
#include "daemon_metrics.h"
#include "metrics_read.h"
#include "page_files.h"
#include "page_tables.h"
#include "status_page.h"
#include "survey.h"
#include "worker.h"

enum {
	PAGE_KEEPALIVE_MS = 15 * 1000, /* if no event can be composed */
	PAGE_END_TURNS = 16,           /* of the loop, for a survey that is under way at the end */
};

struct status_page {
	struct admin_http_options options;
	struct weir_timer timer; /* runs while there are streams */
	struct weir_list streams;
	unsigned stream_count;
	struct weir_list requests; /* for "/", that wait for the survey */
	bool surveying;
	bool closed;
};

struct page_stream {
	struct weir_list link;
	struct status_page *page;
	struct weir_http_events *events;
};

/* In the scratch memory of its exchange. */
struct page_request {
	struct weir_list link;
	struct weir_http_exchange *exchange;
};

_Static_assert(sizeof(struct page_request) <= WEIR_HTTP_SCRATCH, "it fits the exchange");

/* Nothing of another origin, no script or style within the page, and no page around it. */
#define PAGE_FIELDS                                                                                \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "       \
	"img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "                \
	"frame-ancestors 'none'\r\n"                                                               \
	"X-Content-Type-Options: nosniff\r\n"                                                      \
	"X-Frame-Options: DENY\r\n"                                                                \
	"Referrer-Policy: no-referrer\r\n"                                                         \
	"Cross-Origin-Resource-Policy: same-origin\r\n"

static void page_add_fields(struct weir_http_exchange *exchange)
{
	weir_http_lend_fields(exchange, WEIR_SPAN(PAGE_FIELDS), NULL, NULL);
}

/* -- what a survey is for ---------------------------------------------------------------------- */

static int page_compose(const struct status_page *page, const struct connection_survey *survey,
        enum status_format format, struct weir_buffer *to)
{
	struct weir_loop *loops[CONFIG_WORKERS_MAX + 1];
	const struct admin_http_options *options = &page->options;
	struct metrics_reader reader = {loops,
	        worker_loops(options->workers, *options->worker_count, options->loop, loops)};
	return page_tables_write(options->metrics, &reader, survey, format, to);
}

static void page_reply(struct weir_http_exchange *exchange, const struct weir_buffer *tables)
{
	struct weir_span before, behind;
	struct weir_buffer text = {0};
	page_template(&before, &behind);
	int error = weir_buffer_append(&text, before.data, before.size, SIZE_MAX);
	if (error == 0)
		error = weir_buffer_append(&text, tables->data, tables->size, SIZE_MAX);
	if (error == 0)
		error = weir_buffer_append(&text, behind.data, behind.size, SIZE_MAX);
	page_add_fields(exchange);
	if (error < 0) {
		weir_buffer_finish(&text);
		weir_http_reply_error(exchange, 500);
		return;
	}
	weir_http_add_field(exchange, "Content-Type", WEIR_SPAN("text/html; charset=utf-8"));
	weir_http_add_field(exchange, "Cache-Control", WEIR_SPAN("no-store"));
	weir_http_compress(exchange);
	weir_http_reply(exchange, 200, weir_produce_owned(text.data, text.size));
}

/* Replies to all requests that wait. Without tables the reply is 503. */
static void page_reply_all(struct status_page *page, const struct weir_buffer *tables)
{
	while (!weir_list_empty(&page->requests)) {
		struct page_request *request =
		        WEIR_CONTAINER(page->requests.next, struct page_request, link);
		struct weir_http_exchange *exchange = request->exchange;
		weir_list_remove(&request->link);
		if (tables)
			page_reply(exchange, tables);
		else
			weir_http_reply_error(exchange, 503);
	}
}

static bool page_stream_ready(const struct page_stream *stream)
{
	return weir_http_events_queued(stream->events) == 0;
}

static bool page_wants_event(const struct status_page *page)
{
	WEIR_LIST_EACH (struct page_stream, stream, &page->streams, link)
		if (page_stream_ready(stream))
			return true;
	return false;
}

static void page_send_events(struct status_page *page, const struct connection_survey *survey)
{
	struct weir_buffer text = {0};
	if (page_compose(page, survey, STATUS_JSON, &text) == 0)
		WEIR_LIST_EACH (struct page_stream, stream, &page->streams, link)
			if (page_stream_ready(stream))
				weir_http_events_send(stream->events, WEIR_SPAN(""), WEIR_SPAN(""),
				        weir_buffer_span(&text));
	weir_buffer_finish(&text);
}

static void page_on_survey(void *context, const struct connection_survey *survey)
{
	struct status_page *page = context;
	struct weir_buffer tables = {0};
	page->surveying = false;
	if (page->closed) {
		page_reply_all(page, NULL);
		return;
	}
	if (!weir_list_empty(&page->requests)) {
		int error = page_compose(page, survey, STATUS_HTML, &tables);
		page_reply_all(page, error == 0 ? &tables : NULL);
	}
	weir_buffer_finish(&tables);
	if (page_wants_event(page))
		page_send_events(page, survey);
}

static void page_survey(struct status_page *page)
{
	const struct admin_http_options *options = &page->options;
	if (page->surveying)
		return;
	int error = *options->worker_count
	                    ? survey_start(options->workers, *options->worker_count, SURVEY_SLOW,
	                              PAGE_SLOW_MAX, page_on_survey, page)
	                    : -ESHUTDOWN;
	page->surveying = error == 0;
	if (error < 0)
		page_reply_all(page, NULL);
}

static void page_show(void *context, struct weir_http_exchange *exchange)
{
	struct status_page *page = context;
	struct page_request *request = weir_http_scratch(exchange);
	request->exchange = exchange;
	weir_list_append(&page->requests, &request->link);
	page_survey(page);
}

/* -- streams ----------------------------------------------------------------------------------- */

static void page_on_time(struct weir_timer *timer)
{
	struct status_page *page = WEIR_CONTAINER(timer, struct status_page, timer);
	weir_timer_start(page->options.loop, timer, PAGE_EVENT_MS, page_on_time);
	if (page_wants_event(page))
		page_survey(page);
}

static void page_stream_closed(void *context)
{
	struct page_stream *stream = context;
	struct status_page *page = stream->page;
	weir_list_remove(&stream->link);
	free(stream);
	if (--page->stream_count == 0)
		weir_timer_stop(&page->timer);
}

static void page_open_stream(void *context, struct weir_http_exchange *exchange)
{
	struct status_page *page = context;
	struct page_stream *stream =
	        page->stream_count < PAGE_STREAMS_MAX ? calloc(1, sizeof *stream) : NULL;
	page_add_fields(exchange);
	if (!stream) {
		weir_http_reply_error(exchange, 503);
		return;
	}
	stream->page = page;
	stream->events =
	        weir_http_events_open(exchange, PAGE_KEEPALIVE_MS, page_stream_closed, stream);
	if (!stream->events) {
		free(stream);
		return;
	}
	weir_list_append(&page->streams, &stream->link);
	if (page->stream_count++ == 0)
		weir_timer_start(page->options.loop, &page->timer, PAGE_EVENT_MS, page_on_time);
	page_survey(page);
}

/* -- files ------------------------------------------------------------------------------------- */

static void page_send_file(void *context, struct weir_http_exchange *exchange)
{
	struct weir_span path = weir_http_path(exchange);
	const struct page_file *file = page_files;
	(void)context;
	while (!weir_span_equal(weir_span_of(file->name), path))
		file++; /* the routes name no others */
	struct weir_span known =
	        weir_http_request_known(weir_http_request(exchange), WEIR_HTTP_IF_NONE_MATCH);
	page_add_fields(exchange);
	weir_http_add_field(exchange, "ETag", weir_span_of(file->tag));
	weir_http_add_field(exchange, "Cache-Control", WEIR_SPAN("no-cache"));
	if (weir_span_equal(known, weir_span_of(file->tag))) {
		weir_http_reply_empty(exchange, 304);
		return;
	}
	weir_http_add_field(exchange, "Content-Type", weir_span_of(file->type));
	weir_http_compress(exchange);
	weir_http_reply(exchange, 200, weir_produce_borrowed(file->data, file->size));
}

/* -- life -------------------------------------------------------------------------------------- */

struct weir_http_handler *status_page_handler(struct status_page *page)
{
	static const struct weir_http_route routes[] = {
	        {"GET", "", page_show},
	        {"GET", "events", page_open_stream},
	        {"GET", "page.css", page_send_file},
	        {"GET", "page.js", page_send_file},
	        {"GET", "icon.svg", page_send_file},
	        {"GET", "uPlot.iife.min.js", page_send_file},
	        {"GET", "uPlot.min.css", page_send_file},
	};
	return weir_http_routes_create(routes, sizeof routes / sizeof *routes, page);
}

int status_page_create(const struct admin_http_options *options, struct status_page **ret)
{
	struct status_page *page = calloc(1, sizeof *page);
	if (!page)
		return -ENOMEM;
	page->options = *options;
	weir_list_init(&page->streams);
	weir_list_init(&page->requests);
	weir_list_init(&page->timer.link);
	*ret = page;
	return 0;
}

void status_page_end_streams(struct status_page *page)
{
	WEIR_LIST_EACH (struct page_stream, stream, &page->streams, link)
		weir_http_events_end(stream->events);
}

void status_page_destroy(struct status_page *page)
{
	if (!page)
		return;
	page->closed = true;
	/* The workers have ended, so that what they did for the survey has been posted. */
	for (int i = 0; page->surveying && i < PAGE_END_TURNS; i++)
		weir_loop_turn(page->options.loop, 0);
	weir_timer_stop(&page->timer);
	/* A worker that was never started does not answer, and the process ends. */
	if (!page->surveying)
		free(page);
}
