/*
 * How servers are: their round trips as in RFC 6298, failures in a row, and who is set aside for
 * how long. A server that is set aside comes back by an answer and nothing else; after its time a
 * copy of some question is sent to it, so that nobody waits for it.
 *
 * Failures of queries that were sent before another one that was answered do not count: a burst of
 * names that nobody can look up says little about who was asked.
 */
#include "upstream_state.h"

static int64_t upstream_health_now_of(const struct upstream *server)
{
	return weir_loop_now_ms(server->all->loop);
}

static bool upstream_health_better(const struct upstream *a, const struct upstream *b)
{
	if (!a->aside_ms != !b->aside_ms)
		return !a->aside_ms;
	if (a->aside_ms)
		return a->aside_until_ms < b->aside_until_ms;
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

/* In order, only those that were set aside: the others are not asked before their turn. */
struct upstream *upstream_to_probe(struct weir_dns_upstreams *all, const struct upstream *chosen)
{
	for (unsigned i = 0; i < all->count; i++) {
		struct upstream *server = &all->servers[i];
		if (server != chosen && !server->probe && (server->aside_ms || !all->in_order) &&
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

void upstream_answered(struct upstream *server, int64_t sent_ms)
{
	int64_t now_ms = upstream_health_now_of(server), rtt_ms = now_ms - sent_ms;
	upstream_health_measure(
	        server, rtt_ms < WEIR_DNS_WAIT_MOST_MS ? (uint32_t)rtt_ms : WEIR_DNS_WAIT_MOST_MS);
	server->failures = 0;
	server->aside_ms = 0;
	server->probe_at_ms = now_ms + WEIR_DNS_PROBE_MS;
	if (sent_ms > server->answered_ms)
		server->answered_ms = sent_ms;
}

/* Questions that fail together set it aside once. */
static void upstream_health_set_aside(struct upstream *server)
{
	int64_t now_ms = upstream_health_now_of(server);
	if (server->aside_ms && now_ms < server->aside_until_ms)
		return;
	uint32_t longer = server->aside_ms ? 2 * server->aside_ms : WEIR_DNS_ASIDE_FIRST_MS;
	server->aside_ms = longer < WEIR_DNS_ASIDE_MOST_MS ? longer : WEIR_DNS_ASIDE_MOST_MS;
	server->aside_until_ms = server->probe_at_ms = now_ms + server->aside_ms;
	server->all->counters.set_aside++;
}

void upstream_silent(struct upstream *server, int64_t sent_ms)
{
	server->all->counters.unanswered++;
	if (sent_ms < server->answered_ms)
		return;
	if (!server->aside_ms)
		server->probe_at_ms = upstream_health_now_of(server) + WEIR_DNS_PROBE_MS;
	if (++server->failures >= WEIR_DNS_FAILURES_MAX)
		upstream_health_set_aside(server);
}

void upstream_unreachable(struct upstream *server)
{
	server->failures++;
	upstream_health_set_aside(server);
}
