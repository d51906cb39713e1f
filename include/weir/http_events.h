/*
 * Server-sent events (text/event-stream, as HTML defines it): a reply that stays open and waits for
 * what the program has to say.
 *
 * A drain waits for every stream that is open, as for any reply: a program that drains its server
 * calls weir_http_events_end for each of its streams first, or the drain lasts until bounds.drain_ms
 * have passed and their connections are reset.
 */
#ifndef WEIR_HTTP_EVENTS_H
#define WEIR_HTTP_EVENTS_H

#include <weir/api.h>
#include <weir/http.h>
#include <weir/producer.h>
#include <weir/span.h>

struct weir_http_events;

/*
 * Replies to the exchange with a stream of events. `closed(context)` is called once, when the
 * client has gone or the stream was ended, never from in here; the stream is not valid any more
 * then. NULL without memory (the exchange got a 500, and `closed` is not called). A comment is sent
 * after `keepalive_ms` of silence (0: never) so that dead clients are found.
 */
WEIR_API struct weir_http_events *weir_http_events_open(struct weir_http_exchange *exchange,
        uint32_t keepalive_ms, void (*closed)(void *context), void *context);

/*
 * Sends an event; `name` and `id` may be empty, `data` may have several lines (CR, LF or CRLF). 0;
 * WEIR_E_LIMIT: WEIR_HTTP_EVENTS_QUEUE_MAX bytes are waiting for a slow client; WEIR_E_SYNTAX: a
 * CR, LF or NUL in name or id; WEIR_E_CLOSED: it was ended; -ENOMEM. Nothing was queued then.
 */
WEIR_API int weir_http_events_send(struct weir_http_events *events, struct weir_span name,
        struct weir_span id, struct weir_span data);

/* Ends the stream when what is queued has gone. */
WEIR_API void weir_http_events_end(struct weir_http_events *events);

#endif
