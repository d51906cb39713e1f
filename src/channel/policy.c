/* Policies: copies of lists of networks, in one block. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/bans.h>
#include <weir/policy.h>

#include "channel_state.h"
#include "refcount.h"

struct weir_policy {
	struct refcount references;
	struct weir_policy_options options; /* its lists are in `networks` */
	struct weir_network networks[];
};

/* Appends a list to the policy's networks, and points to the copy. */
static void policy_copy_list(
        const struct weir_network **list, size_t count, struct weir_network **to)
{
	if (count)
		memcpy(*to, *list, count * sizeof **to);
	*list = *to;
	*to += count;
}

void weir_policy_options_init(struct weir_policy_options *options)
{
	memset(options, 0, sizeof *options);
}

int weir_policy_create(const struct weir_policy_options *options, struct weir_policy **ret)
{
	size_t count = options->proxy_count + options->forwarder_count + options->allow_count +
	               options->deny_count;
	struct weir_policy *policy = malloc(sizeof *policy + count * sizeof *policy->networks);
	if (!policy)
		return -ENOMEM;
	struct weir_network *to = policy->networks;
	policy->options = *options;
	policy_copy_list(&policy->options.proxies, options->proxy_count, &to);
	policy_copy_list(&policy->options.forwarders, options->forwarder_count, &to);
	policy_copy_list(&policy->options.allow, options->allow_count, &to);
	policy_copy_list(&policy->options.deny, options->deny_count, &to);
	weir_bans_hold(options->bans);
	weir_rates_hold(options->rates);
	refcount_init(&policy->references);
	*ret = policy;
	return 0;
}

struct weir_policy *weir_policy_hold(struct weir_policy *policy)
{
	if (policy)
		refcount_hold(&policy->references);
	return policy;
}

void weir_policy_release(struct weir_policy *policy)
{
	if (!policy || !refcount_release(&policy->references))
		return;
	weir_bans_release(policy->options.bans);
	weir_rates_release(policy->options.rates);
	free(policy);
}

bool weir_policy_trusts(const struct weir_policy *policy, const struct weir_address *peer)
{
	return policy && policy->options.proxy_count &&
	       weir_networks_contain(policy->options.proxies, policy->options.proxy_count, peer);
}

bool weir_policy_forwards(const struct weir_policy *policy, const struct weir_address *peer)
{
	return policy && policy->options.forwarder_count &&
	       weir_networks_contain(
	               policy->options.forwarders, policy->options.forwarder_count, peer);
}

enum weir_forwarder_field weir_policy_forwarder_field(const struct weir_policy *policy)
{
	return policy->options.forwarder_field;
}

bool weir_policy_admits(
        const struct weir_policy *policy, const struct weir_address *peer, int64_t now_ms)
{
	if (!policy)
		return true;
	const struct weir_policy_options *options = &policy->options;
	if (weir_networks_contain(options->deny, options->deny_count, peer) ||
	        weir_bans_contain(options->bans, peer, now_ms))
		return false;
	return !options->allow_count ||
	       weir_networks_contain(options->allow, options->allow_count, peer);
}

bool weir_policy_admits_connection(
        const struct weir_policy *policy, const struct weir_address *peer, int64_t now_ms)
{
	return weir_policy_forwards(policy, peer) || weir_policy_admits(policy, peer, now_ms);
}

/* The network is not asked for a client that has used up its own tokens. */
static uint32_t policy_count(const struct weir_policy *policy, enum weir_rate_kind own,
        enum weir_rate_kind network, const struct weir_address *peer, int64_t now_ms)
{
	if (!policy || !policy->options.rates)
		return 0;
	const struct weir_policy_options *options = &policy->options;
	uint32_t wait_ms = weir_rates_take(options->rates, own, &options->rate[own], peer, now_ms);
	if (wait_ms == 0)
		wait_ms = weir_rates_take(
		        options->rates, network, &options->rate[network], peer, now_ms);
	return wait_ms;
}

uint32_t weir_policy_count_connection(
        const struct weir_policy *policy, const struct weir_address *peer, int64_t now_ms)
{
	return policy_count(
	        policy, WEIR_RATE_CONNECTIONS, WEIR_RATE_NETWORK_CONNECTIONS, peer, now_ms);
}

uint32_t weir_policy_count_request(
        const struct weir_policy *policy, const struct weir_address *peer, int64_t now_ms)
{
	return policy_count(policy, WEIR_RATE_REQUESTS, WEIR_RATE_NETWORK_REQUESTS, peer, now_ms);
}

const struct weir_policy *weir_channel_policy(const struct weir_channel *channel)
{
	const struct weir_listener *listener = channel->group->listener;
	return listener ? listener->policy : NULL;
}

uint32_t weir_channel_count_request(const struct weir_channel *channel)
{
	return weir_policy_count_request(weir_channel_policy(channel), &channel->peer,
	        weir_loop_now_ms(channel->group->loop));
}
