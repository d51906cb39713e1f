/*
 * The choice of an upstream. Those that are up come first, and of these the ones of the lowest
 * rank: backups have a higher one, and so have the later priorities of an SRV name. A request is
 * never refused for want of an upstream that is up.
 */
#include <string.h>

#include <weir/http_form.h>

#include "proxy_state.h"
#include "siphash.h"

enum {
	WEIGHT_UNIT = 256, /* the smallest part of a weight in a slow start */
};

/* Those among which a request's upstream is chosen. */
struct candidates {
	struct http_upstream *of[WEIR_HTTP_PROXY_UPSTREAMS_MAX];
	uint64_t weights[WEIR_HTTP_PROXY_UPSTREAMS_MAX];
	uint64_t total; /* of the weights */
	unsigned count;
};

/* The later an upstream has come up, the smaller is its weight. */
static uint64_t balance_weight(
        const struct weir_http_upstreams *upstreams, const struct http_upstream *upstream)
{
	uint64_t weight = (uint64_t)upstream->weight * WEIGHT_UNIT;
	int64_t up_ms = weir_loop_now_ms(upstreams->loop) - upstream->up_since_ms;
	uint32_t slow_ms = upstreams->options.slow_start_ms;
	if (!upstream->up_since_ms || up_ms >= slow_ms)
		return weight;
	return max_of(weight * (uint64_t)up_ms / slow_ms, (uint64_t)1);
}

static bool balance_is_down(
        const struct weir_http_upstreams *upstreams, const struct http_upstream *upstream)
{
	return upstream->unhealthy || upstream->down_until_ms > weir_loop_now_ms(upstreams->loop);
}

/* Those of the lowest rank. */
static void balance_collect(
        struct weir_http_upstreams *upstreams, uint64_t tried, bool down, struct candidates *ret)
{
	ret->count = 0;
	ret->total = 0;
	for (size_t i = 0; i < upstreams->count; i++) {
		struct http_upstream *upstream = &upstreams->upstreams[i];
		if ((tried & (uint64_t)1 << i) || upstream->gone ||
		        balance_is_down(upstreams, upstream) != down)
			continue;
		if (ret->count && upstream->rank > ret->of[0]->rank)
			continue;
		if (ret->count && upstream->rank < ret->of[0]->rank)
			ret->total = ret->count = 0;
		ret->of[ret->count] = upstream;
		ret->weights[ret->count] = balance_weight(upstreams, upstream);
		ret->total += ret->weights[ret->count++];
	}
}

/* -- by number of requests --------------------------------------------------------------------- */

/* Returns whether the first has fewer requests for its weight than the second. */
static bool balance_is_less(const struct candidates *among, unsigned first, unsigned second)
{
	return (among->of[first]->busy + 1) * among->weights[second] <
	       (among->of[second]->busy + 1) * among->weights[first];
}

static unsigned balance_draw(struct weir_http_upstreams *upstreams, const struct candidates *among)
{
	uint64_t chance = 0, at;
	unsigned i = 0;
	/* Without random bits the first is drawn. */
	random_pool_take(&upstreams->random, &chance, sizeof chance);
	for (at = chance % among->total; i + 1 < among->count && at >= among->weights[i]; i++)
		at -= among->weights[i];
	return i;
}

static unsigned balance_random(
        struct weir_http_upstreams *upstreams, const struct candidates *among)
{
	struct candidates others = *among;
	unsigned first = balance_draw(upstreams, among);
	if (among->count == 1)
		return first;
	others.total -= others.weights[first];
	others.weights[first] = 0;
	unsigned second = balance_draw(upstreams, &others);
	return balance_is_less(among, second, first) ? second : first;
}

static unsigned balance_least(const struct candidates *among)
{
	unsigned best = 0;
	for (unsigned i = 1; i < among->count; i++)
		if (balance_is_less(among, i, best))
			best = i;
	return best;
}

/* Each gains its weight, and the one that has most pays for all. */
static unsigned balance_round_robin(const struct candidates *among)
{
	unsigned best = 0;
	for (unsigned i = 0; i < among->count; i++) {
		among->of[i]->credit += (int64_t)among->weights[i];
		if (among->of[i]->credit > among->of[best]->credit)
			best = i;
	}
	among->of[best]->credit -= (int64_t)among->total;
	return best;
}

/* -- by hash ----------------------------------------------------------------------------------- */

/* -log2 of a hash as a fraction of 1, times 2^20, linear between powers of two. */
static uint64_t balance_log(uint64_t hash)
{
	unsigned zeros = hash ? (unsigned)__builtin_clzll(hash) : 63;
	uint64_t fraction = (hash << zeros << 1) >> 44;
	return ((uint64_t)(zeros + 1) << 20) - fraction;
}

/* Each worker and each start chooses alike, since the hashes have no secret. */
static unsigned balance_rendezvous(const struct candidates *among, struct weir_span key)
{
	uint64_t least = UINT64_MAX;
	unsigned best = 0;
	for (unsigned i = 0; i < among->count; i++) {
		struct siphash_key own = {.k0 = among->of[i]->hash};
		uint64_t hash = siphash_13(&own, key.data, key.size);
		uint64_t score = (balance_log(hash) << 32) / among->weights[i];
		if (score < least) {
			least = score;
			best = i;
		}
	}
	return best;
}

/* Returns the text to be hashed, which is empty if the request has none. */
static struct weir_span balance_key(const struct weir_http_upstreams *upstreams,
        const struct weir_http_exchange *exchange, uint8_t address[16])
{
	const struct weir_http_request *request = weir_http_request(exchange);
	switch (upstreams->options.balance) {
	case WEIR_HTTP_BALANCE_CLIENT:
		weir_address_bytes(weir_http_peer(exchange), address);
		return weir_span((const char *)address, 16);
	case WEIR_HTTP_BALANCE_PATH:
		/* That of the root is empty. */
		return weir_http_path(exchange).size ? weir_http_path(exchange) : WEIR_SPAN("/");
	case WEIR_HTTP_BALANCE_COOKIE:
		return weir_http_cookie(request, weir_span_of(upstreams->key));
	case WEIR_HTTP_BALANCE_FIELD:
		return weir_http_request_field(request, weir_span_of(upstreams->key));
	default:
		return weir_span(NULL, 0);
	}
}

/* -- the choice -------------------------------------------------------------------------------- */

static unsigned balance_among(struct weir_http_upstreams *upstreams,
        const struct weir_http_exchange *exchange, const struct candidates *among)
{
	uint8_t address[16];
	struct weir_span key;
	switch (upstreams->options.balance) {
	case WEIR_HTTP_BALANCE_LEAST:
		return balance_least(among);
	case WEIR_HTTP_BALANCE_ROUND_ROBIN:
		return balance_round_robin(among);
	case WEIR_HTTP_BALANCE_RANDOM:
		return balance_random(upstreams, among);
	default:
		key = balance_key(upstreams, exchange, address);
		return key.size ? balance_rendezvous(among, key) : balance_random(upstreams, among);
	}
}

struct http_upstream *http_upstreams_choose(struct weir_http_upstreams *upstreams,
        const struct weir_http_exchange *exchange, uint64_t tried)
{
	if (upstreams->count == 1 && !upstreams->source_count)
		return &upstreams->upstreams[0];
	struct candidates among = {0};
	http_upstreams_follow_health(upstreams);
	for (unsigned down = 0; down < 2; down++) {
		balance_collect(upstreams, tried, down, &among);
		if (among.count)
			return among.of[balance_among(upstreams, exchange, &among)];
	}
	return tried ? http_upstreams_choose(upstreams, exchange, 0) : NULL;
}
