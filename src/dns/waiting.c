/*
 * Queries whose answer has to be asked for. Each keeps its message and is answered anew when the
 * lookup has ended: so a late reply is made as any other, for whatever was asked, with what is true
 * then.
 */
#include <stdlib.h>

#include <weir/datagram.h>

#include "responder.h"

struct weir_dns_waiting {
	struct weir_list link;
	struct weir_dns_responder *responder;
	struct weir_dns_zones *zones; /* held */
	struct weir_dns_lookup *lookup;
	weir_dns_late *late;
	void *context;
	struct weir_dns_request request; /* points at what follows */
	struct weir_address peer;
	struct weir_datagram_local local;
	char message[];
};

static void release(struct weir_dns_waiting *waiting)
{
	weir_list_remove(&waiting->link);
	weir_dns_zones_release(waiting->zones);
	free(waiting);
}

void weir_dns_waiting_cancel(struct weir_dns_waiting *waiting)
{
	weir_dns_lookup_cancel(waiting->lookup);
	release(waiting);
}

void weir_dns_waiting_cancel_all(struct weir_dns_responder *responder)
{
	for (struct weir_list *link = responder->waiting.next, *next; link != &responder->waiting;
	        link = next) {
		next = link->next;
		weir_dns_waiting_cancel(WEIR_CONTAINER(link, struct weir_dns_waiting, link));
	}
}

/* -- the answer -------------------------------------------------------------------------------- */

static void on_answered(void *context, int error, struct weir_span message)
{
	struct weir_dns_waiting *waiting = context;
	struct weir_dns_outcome outcome;
	struct dns_exchange exchange;
	exchange.responder = waiting->responder;
	exchange.zones = waiting->zones;
	exchange.request = &waiting->request;
	exchange.outcome = &outcome;
	exchange.found = weir_dns_lookup_found(waiting->lookup);
	exchange.message = error ? WEIR_SPAN("") : message;
	uint8_t *reply = waiting->responder->late;
	size_t size = weir_dns_exchange_run(&exchange, reply, WEIR_DNS_MESSAGE_MAX);
	waiting->late(waiting->context, weir_span(reply, size), &waiting->request, &outcome);
	release(waiting);
}

static struct weir_dns_waiting *create(const struct dns_exchange *exchange)
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
static bool start(const struct dns_exchange *exchange, struct weir_dns_zones *zones,
        weir_dns_late *late, void *context, struct weir_dns_waiting **ret)
{
	struct weir_dns_responder *responder = exchange->responder;
	struct weir_dns_waiting *waiting = create(exchange);
	if (!waiting)
		return false;
	int error = weir_dns_lookup(responder->recursion.lookups, &exchange->query.question,
	        weir_dns_exchange_ask_flags(exchange), on_answered, waiting, &waiting->lookup);
	if (error < 0) {
		free(waiting);
		return false;
	}
	waiting->responder = responder;
	waiting->zones = weir_dns_zones_hold(zones);
	waiting->late = late;
	waiting->context = context;
	weir_list_append(&responder->waiting, &waiting->link);
	*ret = waiting;
	return true;
}

/* -- asking ------------------------------------------------------------------------------------ */

static size_t respond(struct dns_exchange *exchange, struct weir_dns_zones *zones, void *reply,
        size_t room, weir_dns_late *late, void *context, struct weir_dns_waiting **ret)
{
	static const struct weir_dns_found none = {.rcode = WEIR_DNS_SERVFAIL};
	exchange->found = NULL;
	size_t size = weir_dns_exchange_run(exchange, reply, room);
	if (!exchange->asks || (late && start(exchange, zones, late, context, ret)))
		return size;
	exchange->found = &none;
	exchange->message = WEIR_SPAN("");
	return weir_dns_exchange_run(exchange, reply, room);
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
	return respond(&exchange, NULL, reply, room, NULL, NULL, NULL);
}

size_t weir_dns_respond_or_wait(struct weir_dns_responder *responder, struct weir_dns_zones *zones,
        const struct weir_dns_request *request, void *reply, size_t room,
        struct weir_dns_outcome *ret, weir_dns_late *late, void *context,
        struct weir_dns_waiting **ret_waiting)
{
	struct dns_exchange exchange;
	exchange.responder = responder;
	exchange.zones = zones;
	exchange.request = request;
	exchange.outcome = ret;
	*ret_waiting = NULL;
	return respond(&exchange, zones, reply, room, late, context, ret_waiting);
}
