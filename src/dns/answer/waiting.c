/*
 * Pending queries: those whose answer has to be looked up. Each has a copy of its message and is
 * answered anew when the lookup has ended. So a deferred reply is made as any other, from the zones
 * and the cache of that moment. A client that repeats its datagram meanwhile gets one reply.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <weir/datagram.h>
#include <weir/network.h>

#include "responder.h"

/*
 * A copy of the result of an earlier lookup. The chain goes on behind it, and is followed again
 * from the query.
 */
struct saved_result {
	struct dns_result result;
	uint8_t bytes[];
};

enum {
	SAVED_RESULT_MAX = 4096, /* bytes; a larger one must come from the cache again */
};

struct weir_dns_waiting {
	struct weir_list link;
	struct weir_dns_responder *responder;
	struct weir_dns_zones *zones; /* held */
	struct weir_dns_lookup *lookup;
	struct weir_dns_question asked;   /* of the lookup */
	const struct dns_result *results; /* of those before; each a struct saved_result */
	unsigned lookups;                 /* so far */
	weir_dns_deferred_fn *deliver;
	void *context;
	struct weir_dns_request request; /* points at what follows */
	struct weir_address peer;
	struct weir_datagram_local local;
	char message[];
};

static int dns_waiting_start_lookup(
        struct weir_dns_waiting *waiting, const struct dns_response *response);

static void dns_waiting_release(struct weir_dns_waiting *waiting)
{
	for (const struct dns_result *result = waiting->results, *next; result; result = next) {
		next = result->next;
		free(WEIR_CONTAINER(result, struct saved_result, result));
	}
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

int dns_deferred_create(struct dns_deferred **ret)
{
	struct dns_deferred *deferred = malloc(sizeof *deferred);
	if (!deferred)
		return -ENOMEM;
	if (getrandom(&deferred->key, sizeof deferred->key, 0) != sizeof deferred->key) {
		free(deferred);
		return -EIO;
	}
	for (unsigned i = 0; i < DNS_WAITING_BUCKETS; i++)
		weir_list_init(&deferred->waiting[i]);
	*ret = deferred;
	return 0;
}

void dns_deferred_destroy(struct dns_deferred *deferred)
{
	for (unsigned i = 0; deferred && i < DNS_WAITING_BUCKETS; i++)
		while (!weir_list_empty(&deferred->waiting[i]))
			weir_dns_waiting_cancel(WEIR_CONTAINER(
			        deferred->waiting[i].next, struct weir_dns_waiting, link));
	free(deferred);
}

static struct weir_list *dns_waiting_bucket_of(
        struct dns_deferred *deferred, struct weir_span message)
{
	uint64_t hash = siphash_13(&deferred->key, message.data, message.size);
	return &deferred->waiting[hash % DNS_WAITING_BUCKETS];
}

static bool dns_waiting_same_peer(const struct weir_address *a, const struct weir_address *b)
{
	uint8_t bytes[2][16];
	weir_address_bytes(a, bytes[0]);
	weir_address_bytes(b, bytes[1]);
	return memcmp(bytes[0], bytes[1], sizeof bytes[0]) == 0 &&
	       weir_address_port(a) == weir_address_port(b);
}

static bool dns_waiting_is_duplicate(
        const struct weir_list *bucket, const struct weir_dns_request *request)
{
	if (request->over != WEIR_DNS_OVER_UDP)
		return false;
	WEIR_LIST_EACH (const struct weir_dns_waiting, waiting, bucket, link) {
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

/*
 * A result that is not copied, because it is large or for lack of memory, may still be in the
 * cache.
 */
static void dns_waiting_save_result(
        struct weir_dns_waiting *waiting, const struct dns_result *result)
{
	size_t size = result->message.size;
	if (size > SAVED_RESULT_MAX)
		return;
	struct saved_result *saved = malloc(sizeof *saved + size);
	if (!saved)
		return;
	memcpy(saved->bytes, result->message.data, size);
	saved->result = *result;
	saved->result.message = weir_span(saved->bytes, size);
	waiting->results = &saved->result;
}

/* Looks up the next part of the chain. Returns false if no more can be asked. */
static bool dns_waiting_ask_again(
        struct weir_dns_waiting *waiting, const struct dns_response *response)
{
	if (waiting->lookups > WEIR_DNS_CHAIN_MAX ||
	        dns_waiting_start_lookup(waiting, response) < 0)
		return false;
	dns_waiting_save_result(waiting, response->results);
	return true;
}

static void dns_waiting_on_answered(void *context, int error, struct weir_span message)
{
	struct weir_dns_waiting *waiting = context;
	struct weir_dns_outcome outcome;
	struct dns_response response;
	const struct dns_result result = {.next = waiting->results,
	        .question = waiting->asked,
	        .info = *weir_dns_lookup_info(waiting->lookup),
	        .message = error ? WEIR_SPAN("") : message};
	response.responder = waiting->responder;
	response.zones = waiting->zones;
	response.request = &waiting->request;
	response.outcome = &outcome;
	outcome.over_quota = outcome.duplicate = false;
	response.results = &result;
	response.final = false;
	uint8_t *reply = waiting->responder->deferred->reply;
	size_t size = dns_response_run(&response, reply, WEIR_DNS_MESSAGE_MAX);
	if (response.asks) {
		if (dns_waiting_ask_again(waiting, &response))
			return;
		response.final = true;
		size = dns_response_run(&response, reply, WEIR_DNS_MESSAGE_MAX);
	}
	waiting->deliver(waiting->context, weir_span(reply, size), &waiting->request, &outcome);
	dns_waiting_release(waiting);
}

static int dns_waiting_start_lookup(
        struct weir_dns_waiting *waiting, const struct dns_response *response)
{
	waiting->asked = *response->asked;
	waiting->lookups++;
	return weir_dns_lookup_for(waiting->responder->recursion.lookups, waiting->request.peer,
	        &waiting->asked, dns_response_ask_flags(response), dns_waiting_on_answered, waiting,
	        &waiting->lookup);
}

static struct weir_dns_waiting *dns_waiting_create(const struct dns_response *response)
{
	struct weir_span message = response->request->message;
	/*
	 * By TCP a query may be larger, but no honest client sends such a query.
	 */
	if (message.size > WEIR_DNS_UDP_QUERY_MAX)
		return NULL;
	struct weir_dns_waiting *waiting = malloc(sizeof *waiting + message.size);
	if (!waiting)
		return NULL;
	memcpy(waiting->message, message.data, message.size);
	waiting->peer = *response->request->peer;
	waiting->request = *response->request;
	waiting->request.message.data = waiting->message;
	waiting->request.peer = &waiting->peer;
	if (response->request->local) {
		waiting->local = *response->request->local;
		waiting->request.local = &waiting->local;
	}
	waiting->responder = response->responder;
	waiting->results = NULL;
	waiting->lookups = 0;
	return waiting;
}

/* Makes the query pending. Returns false if that is not possible. */
static bool dns_waiting_start(const struct dns_response *response, struct weir_dns_zones *zones,
        weir_dns_deferred_fn *deliver, void *context, struct weir_dns_waiting **ret)
{
	const struct weir_dns_request *request = response->request;
	struct weir_dns_waiting *waiting = dns_waiting_create(response);
	if (!waiting)
		return false;
	int error = dns_waiting_start_lookup(waiting, response);
	if (error < 0) {
		response->outcome->over_quota = error == -EDQUOT;
		free(waiting);
		return false;
	}
	waiting->zones = weir_dns_zones_hold(zones);
	waiting->deliver = deliver;
	waiting->context = context;
	weir_list_append(dns_waiting_bucket_of(waiting->responder->deferred, request->message),
	        &waiting->link);
	*ret = waiting;
	return true;
}

/* -- asking ------------------------------------------------------------------------------------ */

/* Returns true if nothing must be sent now. */
static bool dns_waiting_wait_or_drop(const struct dns_response *response,
        struct weir_dns_zones *zones, weir_dns_deferred_fn *deliver, void *context,
        struct weir_dns_waiting **ret)
{
	const struct weir_dns_request *request = response->request;
	struct weir_dns_outcome *outcome = response->outcome;
	if (!deliver)
		return false;
	outcome->duplicate = dns_waiting_is_duplicate(
	        dns_waiting_bucket_of(response->responder->deferred, request->message), request);
	if (outcome->duplicate || dns_waiting_start(response, zones, deliver, context, ret))
		return true;
	return outcome->over_quota && request->over == WEIR_DNS_OVER_UDP;
}

static size_t dns_waiting_respond(struct dns_response *response, struct weir_dns_zones *zones,
        void *reply, size_t room, weir_dns_deferred_fn *deliver, void *context,
        struct weir_dns_waiting **ret)
{
	response->results = NULL;
	response->final = false;
	response->outcome->over_quota = response->outcome->duplicate = false;
	size_t size = dns_response_run(response, reply, room);
	if (!response->asks || dns_waiting_wait_or_drop(response, zones, deliver, context, ret))
		return size;
	response->final = true;
	return dns_response_run(response, reply, room);
}

size_t weir_dns_respond(struct weir_dns_responder *responder, const struct weir_dns_zones *zones,
        const struct weir_dns_request *request, void *reply, size_t room,
        struct weir_dns_outcome *ret)
{
	struct dns_response response;
	response.responder = responder;
	response.zones = zones;
	response.request = request;
	response.outcome = ret;
	return dns_waiting_respond(&response, NULL, reply, room, NULL, NULL, NULL);
}

size_t weir_dns_respond_or_wait(struct weir_dns_responder *responder, struct weir_dns_zones *zones,
        const struct weir_dns_request *request, void *reply, size_t room,
        struct weir_dns_outcome *ret, weir_dns_deferred_fn *deliver, void *context,
        struct weir_dns_waiting **ret_waiting)
{
	struct dns_response response;
	response.responder = responder;
	response.zones = zones;
	response.request = request;
	response.outcome = ret;
	*ret_waiting = NULL;
	return dns_waiting_respond(&response, zones, reply, room, deliver, context, ret_waiting);
}
