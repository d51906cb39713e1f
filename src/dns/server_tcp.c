/*
 * Queries by TCP and TLS: a terminator cuts them by their length, the reply goes into the queue as
 * soon as it is there, and a transfer as a producer. What is no query ends the connection.
 */
#include <stdlib.h>

#include <weir/channel.h>
#include <weir/error.h>
#include <weir/transformers.h>

#include "name.h"
#include "responder.h"
#include "server_state.h"
#include "zone_transfer.h"

enum {
	LENGTH_SIZE = 2 /* of a message, before it (RFC 1035 4.2.2) */
};

static enum weir_scan scan(struct weir_terminator *terminator, struct weir_span data, size_t seen,
        uint64_t before, struct weir_cut *ret)
{
	(void)terminator, (void)seen, (void)before;
	if (data.size < LENGTH_SIZE)
		return WEIR_SCAN_MORE;
	size_t end = LENGTH_SIZE + (size_t)weir_dns_get16((const uint8_t *)data.data);
	if (data.size < end)
		return WEIR_SCAN_MORE;
	ret->end = end;
	return WEIR_SCAN_FOUND;
}

static int on_open(struct weir_channel *channel)
{
	static const struct weir_terminator_type type = {.name = "DNS message", .scan = scan};
	struct weir_dns_server *server = weir_channel_context(channel);
	int error = server->peers ? weir_peers_enter(server->peers, weir_channel_peer(channel)) : 0;
	if (error < 0)
		return error;
	/* That it is counted. */
	weir_channel_set_session(channel, server->peers);
	weir_channel_await(channel, (struct weir_terminator){.type = &type});
	return 0;
}

static void on_close(struct weir_channel *channel, int error)
{
	struct weir_peers *peers = weir_channel_session(channel);
	(void)error;
	if (peers)
		weir_peers_leave(peers, weir_channel_peer(channel));
}

/* -- transfers --------------------------------------------------------------------------------- */

struct sending {
	struct weir_dns_server *server;
	struct weir_dns_zone *zone;
	struct weir_address peer;
};

static void tell(struct weir_dns_server *server, enum weir_dns_event_kind kind,
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

static void on_sent(void *context, enum weir_close_reason why, uint64_t bytes)
{
	struct sending *sending = context;
	struct weir_dns_server *server = sending->server;
	server->transfers--;
	tell(server, why == WEIR_CLOSE_DONE ? WEIR_DNS_TRANSFERRED : WEIR_DNS_TRANSFER_FAILED,
	        &sending->peer, sending->zone, bytes);
	weir_dns_zone_release(sending->zone);
	weir_dns_server_release(server);
	free(sending);
}

static void start_transfer(struct weir_channel *channel, struct weir_dns_server *server,
        const struct weir_dns_outcome *outcome, struct weir_span message)
{
	struct weir_dns_zone *zone = outcome->transfer->zone;
	struct sending *sending = NULL;
	if (server->transfers < server->transfers_max)
		sending = malloc(sizeof *sending);
	if (!sending) {
		/* He tries again later (RFC 5936 4.1 leaves it to us how to say so). */
		tell(server, WEIR_DNS_TRANSFER_REFUSED, weir_channel_peer(channel), zone, 0);
		weir_channel_close(channel);
		return;
	}
	*sending = (struct sending){server, weir_dns_zone_hold(zone), *weir_channel_peer(channel)};
	server->transfers++;
	server->holds++;
	server->counters.transfers++;
	weir_channel_push(channel, weir_hook(weir_dns_transfer(outcome, server->responder->keys,
	                                             message, server->loop),
	                                   on_sent, sending));
}

/* Of a zone that he may not have, or that there is not. */
static void tell_refused(struct weir_dns_server *server, const struct weir_address *peer,
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

static void on_request(struct weir_channel *channel, struct weir_span request)
{
	struct weir_dns_server *server = weir_channel_context(channel);
	struct weir_dns_outcome outcome;
	struct weir_span message = weir_span_skip(request, LENGTH_SIZE);
	const struct weir_dns_request asked = {
	        .message = message,
	        .peer = weir_channel_peer(channel),
	        .over = server->over,
	        .now_s = weir_loop_wall_s(server->loop),
	};
	size_t size = weir_dns_respond(server->responder, server->zones, &asked,
	        server->reply + LENGTH_SIZE, WEIR_DNS_MESSAGE_MAX, &outcome);
	weir_dns_server_count(server, &outcome, size);
	if (outcome.transfer) {
		start_transfer(channel, server, &outcome, message);
	} else if (size) {
		tell_refused(server, asked.peer, &outcome, message);
		weir_dns_put16(server->reply, (unsigned)size);
		weir_channel_push_copy(channel, weir_span(server->reply, LENGTH_SIZE + size));
	} else {
		weir_channel_close(channel);
	}
}

/* Whoever has nothing to ask for a while is closed without a word (RFC 7766 6.2.3). */
static void on_timeout(struct weir_channel *channel, enum weir_timeout which)
{
	if (which == WEIR_TIMEOUT_IDLE)
		weir_channel_close(channel);
}

const struct weir_protocol weir_dns_protocol = {
        .name = "dns",
        .open = on_open,
        .request = on_request,
        .timeout = on_timeout,
        .close = on_close,
};
