/*
 * Makes policies. `allow` of a listener replaces that of all listeners, so that it may be wider or
 * narrower; the networks of `deny` are added up, so that none is forgotten.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "network_policy.h"

/* Appends a list. */
static void network_policy_append(
        struct weir_network *to, size_t *count, const struct weir_network *from, size_t size)
{
	if (size)
		memcpy(to + *count, from, size * sizeof *from);
	*count += size;
}

static struct weir_rate network_policy_rate(uint64_t a_second, uint64_t burst)
{
	return (struct weir_rate){(uint32_t)a_second, (uint32_t)burst};
}

static void network_policy_set_rates(
        const struct config_policy *policy, struct weir_policy_options *options)
{
	struct weir_rate *rate = options->rate;
	rate[WEIR_RATE_CONNECTIONS] =
	        network_policy_rate(policy->connections, policy->connections_burst);
	rate[WEIR_RATE_REQUESTS] = network_policy_rate(policy->requests, policy->requests_burst);
	rate[WEIR_RATE_NETWORK_CONNECTIONS] =
	        network_policy_rate(policy->network_connections, policy->network_connections_burst);
	rate[WEIR_RATE_NETWORK_REQUESTS] =
	        network_policy_rate(policy->network_requests, policy->network_requests_burst);
}

int network_policy_create(const struct config *config, const struct config_listener *listener,
        struct weir_policy **ret)
{
	const struct config_policy *common = &config->policy;
	struct weir_policy_options options;
	weir_policy_options_init(&options);
	options.proxies = listener->proxies.items;
	options.proxy_count = listener->proxies.count;
	if (listener->forwarded_field != CONFIG_FORWARDED_OFF) {
		options.forwarders = listener->forwarders.items;
		options.forwarder_count = listener->forwarders.count;
		options.forwarder_field = listener->forwarded_field == CONFIG_FORWARDED_RFC
		                                  ? WEIR_FORWARDER_FORWARDED
		                                  : WEIR_FORWARDER_X_FORWARDED_FOR;
	}
	options.allow = listener->allow.count ? listener->allow.items : common->allow.items;
	options.allow_count = listener->allow.count ? listener->allow.count : common->allow.count;
	network_policy_set_rates(common, &options);
	options.rates = config->rates;
	options.bans = config->bans;
	size_t denied = common->deny.count + listener->deny.count;
	struct weir_network *deny = calloc(denied ? denied : 1, sizeof *deny);
	if (!deny)
		return -ENOMEM;
	network_policy_append(deny, &options.deny_count, common->deny.items, common->deny.count);
	network_policy_append(
	        deny, &options.deny_count, listener->deny.items, listener->deny.count);
	options.deny = deny;
	int error = weir_policy_create(&options, ret);
	free(deny);
	return error;
}
