/*
 * Server-sent events (text/event-stream, defined by HTML): a reply that stays open while the
 * program sends events.
 *
 * A drain waits for every open stream, as for any reply. So a program that drains its server calls
 * weir_http_events_end for each stream first. Otherwise the drain lasts for bounds.drain_ms, and
 * then the connections are reset.
 */
#ifndef WEIR_HTTP_EVENTS_H
#define WEIR_HTTP_EVENTS_H

#include <weir/api.h>
#include <weir/http.h>
#include <weir/producer.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_http_events;

/*
 * The client has gone, or the stream was ended: the stream is not valid any more. It is called
 * once, but never within the functions below.
 */
typedef void weir_http_events_closed_fn(void *context);

/*
 * Replies to the exchange with a stream of events. After `keepalive_ms` without an event a comment
 * is sent, so that dead clients are found; 0: never. Returns NULL without memory: the exchange was
 * replied to with a 500, and `closed` is not called.
 */
WEIR_API struct weir_http_events *weir_http_events_open(struct weir_http_exchange *exchange,
        uint32_t keepalive_ms, weir_http_events_closed_fn *closed, void *context);

/*
 * Sends an event. `name` and `id` may be empty; `data` may have several lines, with CR, LF or CRLF.
 * Returns 0, or an error with nothing queued:
 *
 *   WEIR_E_LIMIT   More than WEIR_HTTP_EVENTS_QUEUE_MAX bytes would wait for a slow client.
 *   WEIR_E_SYNTAX  `name` or `id` has a CR, LF or NUL.
 *   WEIR_E_CLOSED  The stream was ended.
 *   -ENOMEM
 */
WEIR_API int weir_http_events_send(struct weir_http_events *events, struct weir_span name,
        struct weir_span id, struct weir_span data);

/*
 * Returns the bytes of events that the client has not taken yet: 0 if all are in the kernel. A
 * program that sends a state, and not a history, leaves out an event while there are some.
 */
WEIR_API size_t weir_http_events_queued(const struct weir_http_events *events);

/* Ends the stream once all queued events have been sent. */
WEIR_API void weir_http_events_end(struct weir_http_events *events);

WEIR_C_END

#endif
