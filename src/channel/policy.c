/* Policies: copies of lists of networks, in one block. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/policy.h>

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

int weir_policy_create(const struct weir_policy_options *options, struct weir_policy **ret)
{
	size_t count = options->proxy_count + options->allow_count + options->deny_count;
	struct weir_policy *policy = malloc(sizeof *policy + count * sizeof *policy->networks);
	if (!policy)
		return -ENOMEM;
	struct weir_network *to = policy->networks;
	policy->options = *options;
	policy_copy_list(&policy->options.proxies, options->proxy_count, &to);
	policy_copy_list(&policy->options.allow, options->allow_count, &to);
	policy_copy_list(&policy->options.deny, options->deny_count, &to);
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
	if (policy && refcount_release(&policy->references))
		free(policy);
}

bool weir_policy_trusts(const struct weir_policy *policy, const struct weir_address *peer)
{
	return policy && policy->options.proxy_count &&
	       weir_networks_contain(policy->options.proxies, policy->options.proxy_count, peer);
}

bool weir_policy_admits(const struct weir_policy *policy, const struct weir_address *peer)
{
	if (!policy)
		return true;
	const struct weir_policy_options *options = &policy->options;
	if (weir_networks_contain(options->deny, options->deny_count, peer))
		return false;
	return !options->allow_count ||
	       weir_networks_contain(options->allow, options->allow_count, peer);
}
