/*
 * Invariant: the lookups of a worker are created once, since responders refer to them. So the
 * settings of the cache change at the next start only.
 */
#include <string.h>

#include <weir/dns_lookup.h>
#include <weir/error.h>

#include "say.h"
#include "service_dns.h"

void forwarding_init(struct forwarding *forwarding, struct weir_loop *loop)
{
	*forwarding = (struct forwarding){.loop = loop};
	weir_list_init(&forwarding->waiting);
}

/* Returns false if nothing has changed. */
static bool forwarding_set_options(struct forwarding *forwarding, const struct config_dns *dns)
{
	struct weir_dns_upstreams_options *options = &forwarding->options;
	size_t count = dns->forward.count, size = count * sizeof *dns->forward.items;
	if (options->count == count && options->in_order == dns->forward_in_order &&
	        memcmp(forwarding->addresses, dns->forward.items, size) == 0)
		return false;
	memcpy(forwarding->addresses, dns->forward.items, size);
	*options = (struct weir_dns_upstreams_options){
	        .addresses = forwarding->addresses,
	        .count = count,
	        .in_order = dns->forward_in_order,
	};
	return true;
}

static int forwarding_create_lookups(
        struct forwarding *forwarding, struct dns_shared *shared, const struct config_dns *dns)
{
	const struct config_cache *cache = &dns->cache;
	struct weir_dns_lookups_options options = {
	        .upstreams = forwarding->upstreams,
	        .ttl_min_s = (uint32_t)(cache->ttl_min_ms / 1000),
	        .ttl_max_s = (uint32_t)(cache->ttl_max_ms / 1000),
	        .negative_ttl_max_s = (uint32_t)(cache->negative_ttl_max_ms / 1000),
	};
	int error = dns_shared_cache(shared, dns, &options.cache);
	if (error < 0)
		return error;
	error = weir_dns_lookups_create(forwarding->loop, &options, &forwarding->lookups);
	weir_dns_cache_release(options.cache);
	return error;
}

static int forwarding_create(
        struct forwarding *forwarding, struct dns_shared *shared, const struct config_dns *dns)
{
	forwarding_set_options(forwarding, dns);
	int error = weir_dns_upstreams_create(
	        forwarding->loop, &forwarding->options, &forwarding->upstreams);
	if (error < 0)
		return error;
	error = forwarding_create_lookups(forwarding, shared, dns);
	if (error < 0) {
		weir_dns_upstreams_destroy(forwarding->upstreams);
		forwarding->upstreams = NULL;
	}
	return error;
}

int forwarding_use(struct forwarding *forwarding, struct dns_shared *shared,
        const struct config_dns *dns, struct weir_dns_recursion *ret)
{
	int error = 0;
	*ret = (struct weir_dns_recursion){0};
	if (dns->forward.count == 0)
		return 0;
	if (!forwarding->lookups)
		error = forwarding_create(forwarding, shared, dns);
	if (error < 0)
		return error;
	*ret = (struct weir_dns_recursion){
	        .lookups = forwarding->lookups,
	        .networks = dns->recurse_from.items,
	        .network_count = dns->recurse_from.count,
	        .trust_ad = dns->trust_ad,
	        .forward_private = dns->forward_private,
	};
	return 0;
}

void forwarding_change(struct forwarding *forwarding, const struct config_dns *dns)
{
	int error = 0;
	if (forwarding->upstreams && dns->forward.count && forwarding_set_options(forwarding, dns))
		error = weir_dns_upstreams_change(forwarding->upstreams, &forwarding->options);
	if (error < 0)
		say("cannot ask the new DNS servers: %s; the previous ones stay in effect",
		        weir_error_text(error));
}

void forwarding_destroy(struct forwarding *forwarding)
{
	while (!weir_list_empty(&forwarding->waiting)) {
		struct weir_list *first = forwarding->waiting.next;
		weir_list_remove(first);
		struct forwarding_wait *wait = WEIR_CONTAINER(first, struct forwarding_wait, link);
		wait->end(wait);
	}
	weir_dns_lookups_destroy(forwarding->lookups);
	weir_dns_upstreams_destroy(forwarding->upstreams);
}
