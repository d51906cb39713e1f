/*
 * Queries whose answer has to be asked for. Each keeps its message and is answered anew when the
 * lookup has ended: so a late reply is made as any other, for whatever was asked, with what is true
 * then. A client who sends the same datagram again, since he is tired of waiting, gets one reply.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <weir/datagram.h>
#include <weir/network.h>

#include "responder.h"

struct weir_dns_waiting {
	struct weir_list link;
	struct weir_dns_responder *responder;
	struct weir_dns_zones *zones; /* held */
	struct weir_dns_lookup *lookup;
	weir_dns_deferred *late;
	void *context;
	struct weir_dns_request request; /* points at what follows */
	struct weir_address peer;
	struct weir_datagram_local local;
	char message[];
};

static void dns_waiting_release(struct weir_dns_waiting *waiting)
{
	weir_list_remove(&waiting->link);
	weir_dns_zones_release(waiting->zones);
	free(waiting);
}

void weir_dns_waiting_cancel(struct weir_dns_waiting *waiting)
{
	weir_dns_lookup_cancel(waiting->lookup);
	dns_waiting_release(waiting);
}

/* -- all of them ------------------------------------------------------------------------------- */

int dns_later_create(struct dns_later **ret)
{
	struct dns_later *later = malloc(sizeof *later);
	if (!later)
		return -ENOMEM;
	if (getrandom(&later->key, sizeof later->key, 0) != sizeof later->key) {
		free(later);
		return -EIO;
	}
	for (unsigned i = 0; i < DNS_WAITING_BUCKETS; i++)
		weir_list_init(&later->waiting[i]);
	*ret = later;
	return 0;
}

void dns_later_destroy(struct dns_later *later)
{
	for (unsigned i = 0; later && i < DNS_WAITING_BUCKETS; i++)
		while (!weir_list_empty(&later->waiting[i]))
			weir_dns_waiting_cancel(WEIR_CONTAINER(
			        later->waiting[i].next, struct weir_dns_waiting, link));
	free(later);
}

static struct weir_list *dns_waiting_bucket_of(struct dns_later *later, struct weir_span message)
{
	uint64_t hash = siphash_13(&later->key, message.data, message.size);
	return &later->waiting[hash % DNS_WAITING_BUCKETS];
}

static bool dns_waiting_same_peer(const struct weir_address *a, const struct weir_address *b)
{
	uint8_t bytes[2][16];
	weir_address_bytes(a, bytes[0]);
	weir_address_bytes(b, bytes[1]);
	return memcmp(bytes[0], bytes[1], sizeof bytes[0]) == 0 &&
	       weir_address_port(a) == weir_address_port(b);
}

static bool dns_waiting_is_repeated(
        const struct weir_list *bucket, const struct weir_dns_request *request)
{
	if (request->over != WEIR_DNS_OVER_UDP)
		return false;
	for (const struct weir_list *link = bucket->next; link != bucket; link = link->next) {
		const struct weir_dns_waiting *waiting =
		        WEIR_CONTAINER(link, const struct weir_dns_waiting, link);
		const struct weir_dns_request *other = &waiting->request;
		if (other->over == WEIR_DNS_OVER_UDP &&
		        other->message.size == request->message.size &&
		        memcmp(other->message.data, request->message.data, other->message.size) ==
		                0 &&
		        dns_waiting_same_peer(other->peer, request->peer))
			return true;
	}
	return false;
}

/* -- the answer -------------------------------------------------------------------------------- */

static void dns_waiting_on_answered(void *context, int error, struct weir_span message)
{
	struct weir_dns_waiting *waiting = context;
	struct weir_dns_outcome outcome;
	struct dns_exchange exchange;
	exchange.responder = waiting->responder;
	exchange.zones = waiting->zones;
	exchange.request = &waiting->request;
	exchange.outcome = &outcome;
	outcome.crowded = outcome.repeated = false;
	exchange.found = weir_dns_lookup_found(waiting->lookup);
	exchange.message = error ? WEIR_SPAN("") : message;
	uint8_t *reply = waiting->responder->later->reply;
	size_t size = dns_exchange_run(&exchange, reply, WEIR_DNS_MESSAGE_MAX);
	waiting->late(waiting->context, weir_span(reply, size), &waiting->request, &outcome);
	dns_waiting_release(waiting);
}

static struct weir_dns_waiting *dns_waiting_create(const struct dns_exchange *exchange)
{
	struct weir_span message = exchange->request->message;
	/* By TCP a query may be larger; only who wants to fill our memory makes it so. */
	if (message.size > WEIR_DNS_UDP_QUERY_MAX)
		return NULL;
	struct weir_dns_waiting *waiting = malloc(sizeof *waiting + message.size);
	if (!waiting)
		return NULL;
	memcpy(waiting->message, message.data, message.size);
	waiting->peer = *exchange->request->peer;
	waiting->request = *exchange->request;
	waiting->request.message.data = waiting->message;
	waiting->request.peer = &waiting->peer;
	if (exchange->request->local) {
		waiting->local = *exchange->request->local;
		waiting->request.local = &waiting->local;
	}
	return waiting;
}

/* False: it cannot wait. */
static bool dns_waiting_start(const struct dns_exchange *exchange, struct weir_dns_zones *zones,
        weir_dns_deferred *late, void *context, struct weir_dns_waiting **ret)
{
	struct weir_dns_responder *responder = exchange->responder;
	const struct weir_dns_request *request = exchange->request;
	struct weir_dns_waiting *waiting = dns_waiting_create(exchange);
	if (!waiting)
		return false;
	int error = weir_dns_lookup_for(responder->recursion.lookups, request->peer,
	        exchange->asked, dns_exchange_ask_flags(exchange), dns_waiting_on_answered, waiting,
	        &waiting->lookup);
	if (error < 0) {
		exchange->outcome->crowded = error == -EDQUOT;
		free(waiting);
		return false;
	}
	waiting->responder = responder;
	waiting->zones = weir_dns_zones_hold(zones);
	waiting->late = late;
	waiting->context = context;
	weir_list_append(dns_waiting_bucket_of(responder->later, request->message), &waiting->link);
	*ret = waiting;
	return true;
}

/* -- asking ------------------------------------------------------------------------------------ */

/* True: there is nothing to be said now. */
static bool dns_waiting_wait_or_drop(const struct dns_exchange *exchange,
        struct weir_dns_zones *zones, weir_dns_deferred *late, void *context,
        struct weir_dns_waiting **ret)
{
	const struct weir_dns_request *request = exchange->request;
	struct weir_dns_outcome *outcome = exchange->outcome;
	if (!late)
		return false;
	outcome->repeated = dns_waiting_is_repeated(
	        dns_waiting_bucket_of(exchange->responder->later, request->message), request);
	if (outcome->repeated || dns_waiting_start(exchange, zones, late, context, ret))
		return true;
	return outcome->crowded && request->over == WEIR_DNS_OVER_UDP;
}

static size_t dns_waiting_respond(struct dns_exchange *exchange, struct weir_dns_zones *zones,
        void *reply, size_t room, weir_dns_deferred *late, void *context,
        struct weir_dns_waiting **ret)
{
	static const struct weir_dns_found none = {.rcode = WEIR_DNS_SERVFAIL};
	exchange->found = NULL;
	exchange->outcome->crowded = exchange->outcome->repeated = false;
	size_t size = dns_exchange_run(exchange, reply, room);
	if (!exchange->asks || dns_waiting_wait_or_drop(exchange, zones, late, context, ret))
		return size;
	exchange->found = &none;
	exchange->message = WEIR_SPAN("");
	return dns_exchange_run(exchange, reply, room);
}

size_t weir_dns_respond(struct weir_dns_responder *responder, const struct weir_dns_zones *zones,
        const struct weir_dns_request *request, void *reply, size_t room,
        struct weir_dns_outcome *ret)
{
	struct dns_exchange exchange;
	exchange.responder = responder;
	exchange.zones = zones;
	exchange.request = request;
	exchange.outcome = ret;
	return dns_waiting_respond(&exchange, NULL, reply, room, NULL, NULL, NULL);
}

size_t weir_dns_respond_or_wait(struct weir_dns_responder *responder, struct weir_dns_zones *zones,
        const struct weir_dns_request *request, void *reply, size_t room,
        struct weir_dns_outcome *ret, weir_dns_deferred *late, void *context,
        struct weir_dns_waiting **ret_waiting)
{
	struct dns_exchange exchange;
	exchange.responder = responder;
	exchange.zones = zones;
	exchange.request = request;
	exchange.outcome = ret;
	*ret_waiting = NULL;
	return dns_waiting_respond(&exchange, zones, reply, room, late, context, ret_waiting);
}
