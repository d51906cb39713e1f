/*
 * Queries by TCP and TLS: a terminator cuts them by their length, the reply goes into the queue as
 * soon as it is there, in any order (RFC 7766 6.2.1.1), and a transfer as a producer. What is no query
 * ends the connection.
 *
 * Every query that waits for its answer has a place in the queue: so the channel knows that something
 * is owed, and reads no further when that becomes too much. But a place is for whatever is ready
 * first.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/channel.h>
#include <weir/error.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "name.h"
#include "responder.h"
#include "server_state.h"
#include "zone_transfer.h"

/* -- places for replies ------------------------------------------------------------------------ */

/* Of a connection. */
struct session {
	struct weir_dns_server *server;
	struct weir_list places; /* in the order of their replies */
};

/* A query that waits, and a place in the queue, which may come to be another query's. */
struct reply_slot {
	struct weir_list link;
	struct session *session;
	struct weir_reply *reply;
	struct weir_dns_waiting *waiting;
};

static struct reply_slot *dns_tcp_first_place(const struct session *session)
{
	return weir_list_empty(&session->places)
	               ? NULL
	               : WEIR_CONTAINER(session->places.next, struct reply_slot, link);
}

/* A message with its length before it; or NULL. */
static struct weir_producer *dns_tcp_framed(struct weir_span message)
{
	uint8_t *bytes = malloc(WEIR_DNS_LENGTH_SIZE + message.size);
	if (!bytes)
		return NULL;
	dns_put16(bytes, (unsigned)message.size);
	memcpy(bytes + WEIR_DNS_LENGTH_SIZE, message.data, message.size);
	return weir_produce_owned(bytes, WEIR_DNS_LENGTH_SIZE + message.size);
}

/* The first place that waits is taken, and the last one is given for it. */
static void dns_tcp_reply_now(
        struct weir_channel *channel, struct session *session, struct weir_span message)
{
	struct reply_slot *first = dns_tcp_first_place(session);
	if (!first) {
		weir_channel_push(channel, dns_tcp_framed(message));
		return;
	}
	struct weir_reply *last = weir_reply_open(channel), *reply = first->reply;
	if (!last)
		return;
	first->reply = last;
	weir_list_remove(&first->link);
	weir_list_append(&session->places, &first->link);
	weir_reply_fill(reply, dns_tcp_framed(message));
}

static void dns_tcp_reply_later(void *context, struct weir_span message,
        const struct weir_dns_request *request, const struct weir_dns_outcome *outcome)
{
	struct reply_slot *place = context, *first = dns_tcp_first_place(place->session);
	struct weir_reply *reply = first->reply;
	(void)request;
	dns_server_count(place->session->server, outcome, message.size);
	if (first != place) {
		/* Who waits on gets the place that is not needed now. */
		first->reply = place->reply;
		weir_list_remove(&first->link);
		weir_list_append(&place->link, &first->link);
	}
	weir_list_remove(&place->link);
	free(place);
	/* That nothing can be said at all ends the connection. */
	weir_reply_fill(reply, message.size ? dns_tcp_framed(message) : NULL);
}

/* Of a channel that is gone. */
static void dns_tcp_leave(struct reply_slot *place)
{
	weir_dns_waiting_cancel(place->waiting);
	weir_reply_fill(place->reply, NULL);
	free(place);
}

/* -- connections ------------------------------------------------------------------------------- */

static int dns_tcp_on_open(struct weir_channel *channel)
{
	struct weir_dns_server *server = weir_channel_context(channel);
	struct session *session = malloc(sizeof *session);
	if (!session)
		return -ENOMEM;
	int error = server->peers ? weir_peers_enter(server->peers, weir_channel_peer(channel)) : 0;
	if (error < 0) {
		free(session);
		return error;
	}
	session->server = server;
	weir_list_init(&session->places);
	weir_channel_set_session(channel, session);
	weir_channel_await(channel, weir_until_dns_message());
	return 0;
}

static void dns_tcp_on_close(struct weir_channel *channel, int error)
{
	struct session *session = weir_channel_session(channel);
	struct weir_dns_server *server = weir_channel_context(channel);
	(void)error;
	if (!session)
		return;
	for (struct weir_list *link = session->places.next, *next; link != &session->places;
	        link = next) {
		next = link->next;
		dns_tcp_leave(WEIR_CONTAINER(link, struct reply_slot, link));
	}
	if (server->peers)
		weir_peers_leave(server->peers, weir_channel_peer(channel));
	free(session);
}

/* -- transfers --------------------------------------------------------------------------------- */

struct sending {
	struct weir_dns_server *server;
	struct weir_dns_zone *zone;
	struct weir_address peer;
};

static void dns_tcp_tell(struct weir_dns_server *server, enum weir_dns_event_kind kind,
        const struct weir_address *peer, const struct weir_dns_zone *zone, uint64_t bytes)
{
	struct weir_dns_zone_info info;
	if (!server->log)
		return;
	weir_dns_zone_info(zone, &info);
	server->log(server->context, &(struct weir_dns_event){.kind = kind,
	                                     .peer = peer,
	                                     .zone = &info.name,
	                                     .serial = info.serial,
	                                     .bytes = bytes});
}

static void dns_tcp_on_sent(void *context, enum weir_close_reason why, uint64_t bytes)
{
	struct sending *sending = context;
	struct weir_dns_server *server = sending->server;
	server->transfers--;
	dns_tcp_tell(server,
	        why == WEIR_CLOSE_DONE ? WEIR_DNS_TRANSFERRED : WEIR_DNS_TRANSFER_FAILED,
	        &sending->peer, sending->zone, bytes);
	weir_dns_zone_release(sending->zone);
	dns_server_release(server);
	free(sending);
}

static void dns_tcp_start_transfer(struct weir_channel *channel, struct weir_dns_server *server,
        const struct weir_dns_outcome *outcome, struct weir_span message)
{
	struct weir_dns_zone *zone = outcome->transfer->zone;
	struct sending *sending = NULL;
	if (server->transfers < server->transfers_max)
		sending = malloc(sizeof *sending);
	if (!sending) {
		/* He tries again later (RFC 5936 4.1 leaves it to us how to say so). */
		dns_tcp_tell(
		        server, WEIR_DNS_TRANSFER_REFUSED, weir_channel_peer(channel), zone, 0);
		weir_channel_close(channel);
		return;
	}
	*sending = (struct sending){server, weir_dns_zone_hold(zone), *weir_channel_peer(channel)};
	server->transfers++;
	server->holds++;
	server->counters.transfers++;
	weir_channel_push(channel, weir_produce_hook(dns_transfer(outcome, server->responder->keys,
	                                                     message, server->loop),
	                                   dns_tcp_on_sent, sending));
}

/* Of a zone that he may not have, or that there is not. */
static void dns_tcp_tell_refused(struct weir_dns_server *server, const struct weir_address *peer,
        const struct weir_dns_outcome *outcome, struct weir_span message)
{
	struct weir_dns_question question;
	size_t at = WEIR_DNS_HEADER_SIZE;
	if ((outcome->type != WEIR_DNS_AXFR && outcome->type != WEIR_DNS_IXFR) ||
	        outcome->rcode == WEIR_DNS_NOERROR || !server->log ||
	        weir_dns_question_read(message, &at, &question) < 0)
		return;
	server->log(server->context,
	        &(struct weir_dns_event){
	                .kind = WEIR_DNS_TRANSFER_REFUSED, .peer = peer, .zone = &question.name});
}

/* -- queries ----------------------------------------------------------------------------------- */

/* Its place in the queue; without, the channel has ended. */
static void dns_tcp_wait_in_queue(
        struct weir_channel *channel, struct reply_slot *place, struct weir_dns_waiting *waiting)
{
	struct session *session = weir_channel_session(channel);
	struct weir_reply *reply = weir_reply_open(channel);
	if (!reply) {
		weir_dns_waiting_cancel(waiting);
		free(place);
		return;
	}
	*place = (struct reply_slot){.session = session, .reply = reply, .waiting = waiting};
	weir_list_append(&session->places, &place->link);
}

static void dns_tcp_on_request(struct weir_channel *channel, struct weir_span request)
{
	struct weir_dns_server *server = weir_channel_context(channel);
	struct weir_dns_outcome outcome;
	struct weir_dns_waiting *waiting;
	struct weir_span message = weir_span_skip(request, WEIR_DNS_LENGTH_SIZE);
	/* Without memory to wait there is the cache, or failure. */
	struct reply_slot *place = malloc(sizeof *place);
	const struct weir_dns_request asked = {
	        .message = message,
	        .peer = weir_channel_peer(channel),
	        .over = server->over,
	        .now_s = weir_loop_wall_s(server->loop),
	};
	size_t size = weir_dns_respond_or_wait(server->responder, server->zones, &asked,
	        server->reply, sizeof server->reply, &outcome, place ? dns_tcp_reply_later : NULL,
	        place, &waiting);
	if (place && waiting) {
		dns_tcp_wait_in_queue(channel, place, waiting);
		return;
	}
	free(place);
	dns_server_count(server, &outcome, size);
	if (outcome.transfer)
		dns_tcp_start_transfer(channel, server, &outcome, message);
	else if (size)
		dns_tcp_reply_now(
		        channel, weir_channel_session(channel), weir_span(server->reply, size));
	else
		weir_channel_close(channel);
	if (size)
		dns_tcp_tell_refused(server, asked.peer, &outcome, message);
}

/* Whoever has nothing to ask for a while is closed without a word (RFC 7766 6.2.3). */
static void dns_tcp_on_timeout(struct weir_channel *channel, enum weir_timeout which)
{
	if (which == WEIR_TIMEOUT_IDLE)
		weir_channel_close(channel);
}

const struct weir_protocol dns_protocol = {
        .name = "dns",
        .open = dns_tcp_on_open,
        .request = dns_tcp_on_request,
        .timeout = dns_tcp_on_timeout,
        .close = dns_tcp_on_close,
};
