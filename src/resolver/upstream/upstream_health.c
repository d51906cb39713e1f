/*
 * The health of servers: round trip times as in RFC 6298, failures in a row, and back-off. Only an
 * answer ends the back-off. After its time a copy of some question is sent to the server, so that
 * nobody waits for it.
 *
 * Failures of queries that were sent before an answered one do not count: a burst of names that
 * cannot be looked up is no fault of the server.
 */
#include "upstream_state.h"

static int64_t upstream_health_now_of(const struct upstream *server)
{
	return weir_loop_now_ms(server->all->loop);
}

static bool upstream_health_better(const struct upstream *a, const struct upstream *b)
{
	if (!a->backoff_ms != !b->backoff_ms)
		return !a->backoff_ms;
	if (a->backoff_ms)
		return a->backoff_until_ms < b->backoff_until_ms;
	if (a->all->in_order)
		return false;
	return upstream_wait_ms(a, 0) < upstream_wait_ms(b, 0);
}

struct upstream *upstream_choose(struct weir_dns_upstreams *all, uint32_t excluded)
{
	struct upstream *best = NULL;
	for (unsigned i = 0; i < all->count; i++) {
		struct upstream *server = &all->servers[i];
		if (!(excluded & upstream_bit(server)) &&
		        (!best || upstream_health_better(server, best)))
			best = server;
	}
	return best;
}

/* In order, only servers that back off are probed: the others are not asked before their turn. */
struct upstream *upstream_to_probe(struct weir_dns_upstreams *all, const struct upstream *chosen)
{
	for (unsigned i = 0; i < all->count; i++) {
		struct upstream *server = &all->servers[i];
		if (server != chosen && !server->probe && (server->backoff_ms || !all->in_order) &&
		        upstream_health_now_of(server) >= server->probe_at_ms)
			return server;
	}
	return NULL;
}

uint32_t upstream_wait_ms(const struct upstream *server, unsigned round)
{
	uint32_t wait_ms = server->measured ? server->rtt_ms + 4 * server->variation_ms
	                                    : WEIR_DNS_WAIT_FIRST_MS;
	if (wait_ms < WEIR_DNS_WAIT_LEAST_MS)
		wait_ms = WEIR_DNS_WAIT_LEAST_MS;
	for (; round && wait_ms < WEIR_DNS_WAIT_MOST_MS; round--)
		wait_ms *= 2;
	return wait_ms < WEIR_DNS_WAIT_MOST_MS ? wait_ms : WEIR_DNS_WAIT_MOST_MS;
}

static void upstream_health_measure(struct upstream *server, uint32_t rtt_ms)
{
	if (!server->measured) {
		server->measured = true;
		server->rtt_ms = rtt_ms;
		server->variation_ms = rtt_ms / 2;
		return;
	}
	uint32_t off_ms =
	        rtt_ms > server->rtt_ms ? rtt_ms - server->rtt_ms : server->rtt_ms - rtt_ms;
	server->variation_ms = (3 * server->variation_ms + off_ms) / 4;
	server->rtt_ms = (7 * server->rtt_ms + rtt_ms) / 8;
}

static void upstream_health_show(const struct upstream *server)
{
	if (!server->cells)
		return;
	weir_metric_set(&server->cells->rtt_ms, server->rtt_ms);
	weir_metric_set(&server->cells->backing_off, server->backoff_ms != 0);
}

void upstream_answered(struct upstream *server, int64_t sent_ms)
{
	int64_t now_ms = upstream_health_now_of(server), rtt_ms = now_ms - sent_ms;
	upstream_health_measure(
	        server, rtt_ms < WEIR_DNS_WAIT_MOST_MS ? (uint32_t)rtt_ms : WEIR_DNS_WAIT_MOST_MS);
	server->failures = 0;
	server->backoff_ms = 0;
	upstream_health_show(server);
	server->probe_at_ms = now_ms + WEIR_DNS_PROBE_MS;
	if (sent_ms > server->answered_ms)
		server->answered_ms = sent_ms;
}

/* Questions that fail together make the server back off once. */
static void upstream_health_back_off(struct upstream *server)
{
	int64_t now_ms = upstream_health_now_of(server);
	if (server->backoff_ms && now_ms < server->backoff_until_ms)
		return;
	uint32_t longer = server->backoff_ms ? 2 * server->backoff_ms : WEIR_DNS_BACKOFF_FIRST_MS;
	server->backoff_ms = longer < WEIR_DNS_BACKOFF_MAX_MS ? longer : WEIR_DNS_BACKOFF_MAX_MS;
	server->backoff_until_ms = server->probe_at_ms = now_ms + server->backoff_ms;
	LOOKUP_COUNT(server->all, backed_off);
	upstream_health_show(server);
}

void upstream_silent(struct upstream *server, int64_t sent_ms)
{
	LOOKUP_COUNT(server->all, unanswered);
	if (sent_ms < server->answered_ms)
		return;
	if (!server->backoff_ms)
		server->probe_at_ms = upstream_health_now_of(server) + WEIR_DNS_PROBE_MS;
	if (++server->failures >= WEIR_DNS_FAILURES_MAX)
		upstream_health_back_off(server);
}

void upstream_unreachable(struct upstream *server)
{
	server->failures++;
	upstream_health_back_off(server);
}
