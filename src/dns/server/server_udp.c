/*
 * Queries by UDP. Each is answered in its batch, or deferred: then by a datagram of its own. A
 * client whose address is not validated gets a limited number of replies of a kind in a second.
 */
#include "name.h"
#include "server_state.h"

/* Truncation: puts the question alone, with TC. The reply is no larger than the query. */
static size_t dns_udp_truncate_reply(uint8_t *reply, size_t size, struct weir_span query)
{
	struct weir_dns_query read;
	if (weir_dns_query_read(query, &read) < 0)
		return 0;
	size_t end = read.question_end ? read.question_end : WEIR_DNS_HEADER_SIZE;
	if (size < end)
		return size;
	dns_put16(reply + 2, dns_get16(reply + 2) | WEIR_DNS_TC);
	memset(reply + 6, 0, 6);
	return end;
}

static bool dns_udp_is_limited(const struct weir_dns_server *server,
        const struct weir_dns_outcome *outcome, const struct weir_address *peer)
{
	return server->rrl && !outcome->address_validated &&
	       !weir_networks_contain(server->unlimited, server->unlimited_count, peer);
}

/* Applies the rate limit to a reply. Returns the size to be sent. */
static size_t dns_udp_limit(struct weir_dns_server *server, const struct weir_dns_request *request,
        const struct weir_dns_outcome *outcome, uint8_t *reply, size_t size)
{
	if (!size || !dns_udp_is_limited(server, outcome, request->peer))
		return size;
	uint64_t kind = (uint64_t)outcome->rcode << 32 | outcome->kind;
	switch (dns_rrl_check(server->rrl, request->peer, kind, weir_loop_now_ms(server->loop))) {
	case DNS_RRL_SEND:
		break;
	case DNS_RRL_SLIP:
		server->counters.slipped++;
		weir_metric_add(&server->cells->slipped, 1);
		size = dns_udp_truncate_reply(reply, size, request->message);
		break;
	case DNS_RRL_DROP:
		server->counters.dropped++;
		weir_metric_add(&server->cells->dropped, 1);
		size = 0;
		break;
	}
	return size;
}

static void dns_udp_send_deferred(void *context, struct weir_span reply,
        const struct weir_dns_request *request, const struct weir_dns_outcome *outcome)
{
	struct weir_dns_server *server = context;
	uint8_t *bytes = (uint8_t *)(uintptr_t)reply.data;
	size_t size = dns_udp_limit(server, request, outcome, bytes, reply.size);
	dns_server_count(server, outcome, size);
	/* A datagram that cannot be sent counts as lost on the network. */
	if (size && server->datagrams)
		weir_datagrams_send(
		        server->datagrams, request->peer, request->local, weir_span(bytes, size));
}

size_t dns_answer_datagram(
        void *context, const struct weir_datagram *datagram, void *reply, size_t room)
{
	struct weir_dns_server *server = context;
	struct weir_dns_waiting *waiting;
	struct weir_dns_outcome outcome;
	const struct weir_dns_request request = {
	        .message = datagram->bytes,
	        .peer = datagram->peer,
	        .over = WEIR_DNS_OVER_UDP,
	        .now_s = weir_loop_wall_s(server->loop),
	        .local = datagram->local,
	};
	size_t size = weir_dns_respond_or_wait(server->responder, server->zones, &request, reply,
	        room, &outcome, dns_udp_send_deferred, server, &waiting);
	if (waiting)
		return 0;
	size = dns_udp_limit(server, &request, &outcome, reply, size);
	dns_server_count(server, &outcome, size);
	return size;
}
