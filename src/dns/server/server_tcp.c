/*
 * Queries by TCP and TLS. A terminator cuts them by their length. A reply goes into the queue as
 * soon as it is ready, in any order (RFC 7766 6.2.1.1), and a transfer is a producer in the queue.
 * A message that is no query ends the connection.
 *
 * Every pending query has a slot in the reply queue. So the channel knows how many replies are
 * outstanding, and stops reading when there are too many (back-pressure). The reply that is ready
 * first takes the first slot.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/channel.h>
#include <weir/error.h>
#include <weir/policy.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "dns_codec.h"
#include "responder.h"
#include "server_state.h"
#include "zone_transfer.h"

/* -- slots for replies ------------------------------------------------------------------------ */

/* The state of a connection. */
struct session {
	struct weir_dns_server *server;
	struct weir_list slots; /* in the order of their replies */
};

/* A pending query, and a slot in the reply queue, which may be swapped with another query's. */
struct reply_slot {
	struct weir_list link;
	struct session *session;
	struct weir_reply *reply;
	struct weir_dns_waiting *waiting;
};

static struct reply_slot *dns_tcp_first_slot(const struct session *session)
{
	return weir_list_empty(&session->slots)
	               ? NULL
	               : WEIR_CONTAINER(session->slots.next, struct reply_slot, link);
}

/* A producer of a message, preceded by its length; or NULL. */
static struct weir_producer *dns_tcp_framed(struct weir_span message)
{
	uint8_t *bytes = malloc(WEIR_DNS_LENGTH_SIZE + message.size);
	if (!bytes)
		return NULL;
	dns_put16(bytes, (unsigned)message.size);
	memcpy(bytes + WEIR_DNS_LENGTH_SIZE, message.data, message.size);
	return weir_produce_owned(bytes, WEIR_DNS_LENGTH_SIZE + message.size);
}

/* A reply takes the first pending slot; the query that had it gets the last slot. */
static void dns_tcp_reply_now(
        struct weir_channel *channel, struct session *session, struct weir_span message)
{
	struct reply_slot *first = dns_tcp_first_slot(session);
	if (!first) {
		weir_channel_push(channel, dns_tcp_framed(message));
		return;
	}
	struct weir_reply *last = weir_reply_open(channel), *reply = first->reply;
	if (!last)
		return;
	first->reply = last;
	weir_list_remove(&first->link);
	weir_list_append(&session->slots, &first->link);
	weir_reply_fill(reply, dns_tcp_framed(message));
}

static void dns_tcp_reply_deferred(void *context, struct weir_span message,
        const struct weir_dns_request *request, const struct weir_dns_outcome *outcome)
{
	struct reply_slot *slot = context, *first = dns_tcp_first_slot(slot->session);
	struct weir_reply *reply = first->reply;
	dns_server_count(slot->session->server, request, outcome, message.size);
	if (first != slot) {
		/* Swap the slots, so that the query still pending has the later one. */
		first->reply = slot->reply;
		weir_list_remove(&first->link);
		weir_list_append(&slot->link, &first->link);
	}
	weir_list_remove(&slot->link);
	free(slot);
	/* If no reply is possible, the connection ends. */
	weir_reply_fill(reply, message.size ? dns_tcp_framed(message) : NULL);
}

/* Cancels the query of a channel that has gone. */
static void dns_tcp_leave(struct reply_slot *slot)
{
	weir_dns_waiting_cancel(slot->waiting);
	weir_reply_fill(slot->reply, NULL);
	free(slot);
}

/* -- connections ------------------------------------------------------------------------------- */

static int dns_tcp_on_open(struct weir_channel *channel)
{
	if (weir_channel_over_quota(channel))
		return WEIR_E_LIMIT;
	struct session *session = malloc(sizeof *session);
	if (!session)
		return -ENOMEM;
	session->server = weir_channel_context(channel);
	weir_list_init(&session->slots);
	weir_channel_set_session(channel, session);
	weir_channel_await(channel, weir_until_dns_message());
	return 0;
}

static void dns_tcp_on_close(struct weir_channel *channel, int error)
{
	struct session *session = weir_channel_session(channel);
	(void)error;
	if (!session)
		return;
	WEIR_LIST_EACH_SAFE (struct reply_slot, slot, next, &session->slots, link)
		dns_tcp_leave(slot);
	free(session);
}

/* -- transfers --------------------------------------------------------------------------------- */

struct sending {
	struct weir_dns_server *server;
	struct weir_dns_zone *zone;
	struct weir_address peer;
};

static void dns_tcp_log_transfer(struct weir_dns_server *server, enum weir_dns_event_kind kind,
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
	dns_tcp_log_transfer(server,
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
		/* The peer will try again (RFC 5936 4.1 leaves the rcode to us). */
		dns_tcp_log_transfer(
		        server, WEIR_DNS_TRANSFER_REFUSED, weir_channel_peer(channel), zone, 0);
		weir_channel_close(channel);
		return;
	}
	*sending = (struct sending){server, weir_dns_zone_hold(zone), *weir_channel_peer(channel)};
	server->transfers++;
	local_refcount_hold(&server->holds);
	server->counters.transfers++;
	weir_metric_add(&server->cells->transfers, 1);
	weir_channel_push(channel, weir_produce_hook(dns_transfer(outcome, server->responder->keys,
	                                                     message, server->loop),
	                                   dns_tcp_on_sent, sending));
}

/* Refuses the transfer of a zone that the peer may not have, or that does not exist. */
static void dns_tcp_log_refused(struct weir_dns_server *server, const struct weir_address *peer,
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

/* Gives the query its slot in the queue. Without memory for that, the channel has ended. */
static void dns_tcp_wait_in_queue(
        struct weir_channel *channel, struct reply_slot *slot, struct weir_dns_waiting *waiting)
{
	struct session *session = weir_channel_session(channel);
	struct weir_reply *reply = weir_reply_open(channel);
	if (!reply) {
		weir_dns_waiting_cancel(waiting);
		free(slot);
		return;
	}
	*slot = (struct reply_slot){.session = session, .reply = reply, .waiting = waiting};
	weir_list_append(&session->slots, &slot->link);
}

static void dns_tcp_refuse(struct weir_channel *channel, const struct weir_dns_request *request)
{
	struct weir_dns_server *server = weir_channel_context(channel);
	struct weir_dns_outcome outcome = {.rcode = WEIR_DNS_REFUSED};
	size_t size = dns_server_refuse(
	        request->message, WEIR_DNS_REFUSED, server->reply, sizeof server->reply);
	dns_server_count(server, request, &outcome, size);
	if (size)
		dns_tcp_reply_now(
		        channel, weir_channel_session(channel), weir_span(server->reply, size));
	else
		weir_channel_close(channel);
}

static void dns_tcp_on_request(struct weir_channel *channel, struct weir_span request)
{
	struct weir_dns_server *server = weir_channel_context(channel);
	struct weir_dns_outcome outcome;
	struct weir_dns_waiting *waiting;
	struct weir_span message = weir_span_skip(request, WEIR_DNS_LENGTH_SIZE);
	const struct weir_dns_request asked = {
	        .message = message,
	        .peer = weir_channel_peer(channel),
	        .over = server->over,
	        .now_s = weir_loop_wall_s(server->loop),
	        .begun_ms = weir_loop_now_ms(server->loop),
	};
	if (weir_channel_count_request(channel)) {
		dns_tcp_refuse(channel, &asked);
		return;
	}
	/* Without memory for a slot the query is answered from the cache, or fails. */
	struct reply_slot *slot = malloc(sizeof *slot);
	size_t size = weir_dns_respond_or_wait(server->responder, server->zones, &asked,
	        server->reply, sizeof server->reply, &outcome, slot ? dns_tcp_reply_deferred : NULL,
	        slot, &waiting);
	if (slot && waiting) {
		dns_tcp_wait_in_queue(channel, slot, waiting);
		return;
	}
	free(slot);
	dns_server_note(server, &asked, &outcome, size);
	dns_server_count(server, &asked, &outcome, size);
	if (outcome.transfer)
		dns_tcp_start_transfer(channel, server, &outcome, message);
	else if (size)
		dns_tcp_reply_now(
		        channel, weir_channel_session(channel), weir_span(server->reply, size));
	else
		weir_channel_close(channel);
	if (size)
		dns_tcp_log_refused(server, asked.peer, &outcome, message);
}

/* An idle connection is closed without a message (RFC 7766 6.2.3). */
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
