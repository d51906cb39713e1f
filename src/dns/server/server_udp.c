/*
 * Queries by UDP. Each is answered in its batch, or deferred: then by a datagram of its own. A
 * client whose address is not validated gets a limited number of replies of a kind in a second.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/limits.h>
#include <weir/network.h>
#include <weir/policy.h>

#include "dns_codec.h"
#include "helper.h"
#include "server_state.h"
#include "siphash.h"

/* -- response rate limiting (RRL) -------------------------------------------------------------- */

/*
 * A table of fixed size. If two clients fall on one bucket, the later one counts as new and gets
 * the bucket. A flood keeps its own bucket busy, and a rare client loses nothing if its count is
 * forgotten. The hash is keyed, because clients choose both addresses and names.
 */

struct bucket {
	uint32_t tag;     /* the upper half of the hash; 0: free */
	uint32_t time_ms; /* when it was last looked at */
	uint32_t credit;  /* thousandths of replies that may still be sent */
	uint32_t over; /* replies beyond the rate; a reply that is sent does not reset the count */
};

struct dns_rrl {
	struct siphash_key key;
	unsigned rate;
	unsigned slip;
	struct bucket buckets[WEIR_DNS_RRL_BUCKETS];
};

struct dns_rrl *dns_rrl_create(unsigned rate, unsigned slip)
{
	struct dns_rrl *rrl = calloc(1, sizeof *rrl);
	if (!rrl)
		return NULL;
	if (getrandom(&rrl->key, sizeof rrl->key, 0) != sizeof rrl->key) {
		free(rrl);
		return NULL;
	}
	/* A second of credit, in thousandths, must fit. */
	rrl->rate = min_of(rate, 1000000u);
	rrl->slip = slip;
	return rrl;
}

void dns_rrl_destroy(struct dns_rrl *rrl)
{
	free(rrl);
}

/* The network of the address: 24 bits, or 56 of IPv6. */
static void rrl_refill(const struct dns_rrl *rrl, struct bucket *bucket, uint32_t now_ms)
{
	uint32_t most = rrl->rate * 1000;
	uint64_t gain = (uint64_t)(now_ms - bucket->time_ms) * rrl->rate;
	bucket->credit = gain >= most - bucket->credit ? most : bucket->credit + (uint32_t)gain;
	bucket->time_ms = now_ms;
}

enum dns_rrl_verdict dns_rrl_check(
        struct dns_rrl *rrl, const struct weir_address *peer, uint64_t kind, int64_t now_ms)
{
	uint8_t input[16 + sizeof kind];
	struct weir_network network;
	weir_network_of(peer, 24, 56, &network);
	memcpy(input, network.address, sizeof network.address);
	memcpy(input + 16, &kind, sizeof kind);
	uint64_t hash = siphash_13(&rrl->key, input, sizeof input);
	struct bucket *bucket = &rrl->buckets[hash % WEIR_DNS_RRL_BUCKETS];
	uint32_t tag = (uint32_t)(hash >> 32) | 1, now = (uint32_t)now_ms;
	if (bucket->tag != tag)
		*bucket = (struct bucket){tag, now, rrl->rate * 1000, 0};
	rrl_refill(rrl, bucket, now);
	if (bucket->credit >= 1000) {
		bucket->credit -= 1000;
		return DNS_RRL_SEND;
	}
	bucket->over++;
	return rrl->slip && bucket->over % rrl->slip == 0 ? DNS_RRL_SLIP : DNS_RRL_DROP;
}

/* -- datagrams --------------------------------------------------------------------------------- */

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
	dns_server_count(server, request, outcome, size);
	/* A datagram that cannot be sent counts as lost on the network. */
	if (size && server->datagrams)
		weir_datagrams_send(
		        server->datagrams, request->peer, request->local, weir_span(bytes, size));
}

size_t dns_server_refuse(struct weir_span message, unsigned refusal, uint8_t *reply, size_t room)
{
	struct weir_dns_query query;
	if (weir_dns_query_read(message, &query) < 0)
		return 0;
	size_t end = query.question_end ? query.question_end : WEIR_DNS_HEADER_SIZE;
	if (end > room)
		return 0;
	memcpy(reply, message.data, end);
	/* The opcode, RD and CD of the query stay. */
	unsigned flags = dns_get16(reply + 2) & (0xfU << 11 | 1U << 8 | 1U << 4);
	dns_put16(reply + 2, WEIR_DNS_QR | flags | refusal);
	dns_put16(reply + 4, query.question_end ? 1 : 0);
	memset(reply + 6, 0, 6);
	return end;
}

/* With TC the client asks again by TCP, which nobody can do from a forged address. */
static unsigned dns_udp_policy_refusal(
        const struct weir_dns_server *server, const struct weir_address *peer)
{
	const struct weir_policy *policy =
	        server->listener ? weir_server_policy(server->listener) : NULL;
	int64_t now_ms = weir_loop_now_ms(server->loop);
	if (!weir_policy_admits(policy, peer, now_ms))
		return WEIR_DNS_REFUSED;
	return weir_policy_count_request(policy, peer, now_ms) ? WEIR_DNS_TC : 0;
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
	        .begun_ms = weir_loop_now_ms(server->loop),
	        .local = datagram->local,
	};
	unsigned refusal = dns_udp_policy_refusal(server, request.peer);
	if (refusal) {
		outcome = (struct weir_dns_outcome){.rcode = refusal & 0xf};
		size_t refused = dns_server_refuse(datagram->bytes, refusal, reply, room);
		refused = dns_udp_limit(server, &request, &outcome, reply, refused);
		dns_server_count(server, &request, &outcome, refused);
		return refused;
	}
	size_t size = weir_dns_respond_or_wait(server->responder, server->zones, &request, reply,
	        room, &outcome, dns_udp_send_deferred, server, &waiting);
	if (waiting)
		return 0;
	dns_server_note(server, &request, &outcome, size);
	size = dns_udp_limit(server, &request, &outcome, reply, size);
	dns_server_count(server, &request, &outcome, size);
	return size;
}
