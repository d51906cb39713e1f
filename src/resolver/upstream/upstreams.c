/* The set of upstreams: creation, change, counters, end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "upstream_state.h"

static bool upstreams_same_address(const struct weir_address *a, const struct weir_address *b)
{
	return a->any.sa_family == b->any.sa_family && memcmp(a, b, weir_address_size(a)) == 0;
}

void weir_dns_upstreams_options_init(struct weir_dns_upstreams_options *options)
{
	*options = (struct weir_dns_upstreams_options){
	        .timeout_ms = WEIR_DNS_ASK_MS, .asks_max = WEIR_DNS_ASKS_MAX};
}

static bool upstreams_options_good(const struct weir_dns_upstreams_options *options)
{
	if (!options->timeout_ms || !options->asks_max || options->count == 0 ||
	        options->count > WEIR_DNS_UPSTREAMS_MAX)
		return false;
	for (size_t i = 0; i < options->count; i++) {
		int family = options->addresses[i].any.sa_family;
		if (family != AF_INET && family != AF_INET6)
			return false;
	}
	return true;
}

static void upstreams_drop_servers(struct weir_dns_upstreams *upstreams)
{
	for (unsigned i = 0; i < upstreams->count; i++) {
		struct upstream *server = &upstreams->servers[i];
		if (server->probe)
			upstream_attempt_free(server->probe);
		upstream_stream_drop(server->stream);
	}
}

static void upstreams_set_servers(
        struct weir_dns_upstreams *upstreams, const struct weir_address *addresses, size_t count)
{
	struct upstream servers[WEIR_DNS_UPSTREAMS_MAX] = {0};
	for (size_t i = 0; i < count; i++) {
		for (unsigned k = 0; k < upstreams->count; k++)
			if (upstreams_same_address(&addresses[i], &upstreams->servers[k].address))
				servers[i] = upstreams->servers[k];
		servers[i].all = upstreams;
		servers[i].address = addresses[i];
		servers[i].cells = upstream_metrics_of(upstreams->loop, &addresses[i]);
	}
	memcpy(upstreams->servers, servers, sizeof servers);
	upstreams->count = (unsigned)count;
}

static void upstreams_set_options(
        struct weir_dns_upstreams *upstreams, const struct weir_dns_upstreams_options *options)
{
	upstreams->asks_max = options->asks_max;
	upstreams->timeout_ms = options->timeout_ms;
	upstreams->in_order = options->in_order;
	upstreams_set_servers(upstreams, options->addresses, options->count);
}

int weir_dns_upstreams_create(struct weir_loop *loop,
        const struct weir_dns_upstreams_options *options, struct weir_dns_upstreams **ret)
{
	if (!upstreams_options_good(options))
		return -EINVAL;
	struct weir_dns_upstreams *upstreams = calloc(1, sizeof *upstreams);
	if (!upstreams)
		return -ENOMEM;
	upstreams->loop = loop;
	upstreams->cells = upstream_metrics(loop);
	if (!upstreams->cells) {
		free(upstreams);
		return -ENOMEM;
	}
	weir_list_init(&upstreams->asks);
	upstreams_set_options(upstreams, options);
	*ret = upstreams;
	return 0;
}

/* Attempts are cancelled first, because they refer to their servers. */
int weir_dns_upstreams_change(
        struct weir_dns_upstreams *upstreams, const struct weir_dns_upstreams_options *options)
{
	if (!upstreams_options_good(options))
		return -EINVAL;
	WEIR_LIST_EACH (struct weir_dns_ask, ask, &upstreams->asks, link)
		upstream_stop(ask);
	upstreams_drop_servers(upstreams);
	upstreams_set_options(upstreams, options);
	WEIR_LIST_EACH (struct weir_dns_ask, ask, &upstreams->asks, link)
		upstream_restart(ask);
	return 0;
}

void weir_dns_upstreams_destroy(struct weir_dns_upstreams *upstreams)
{
	if (!upstreams)
		return;
	while (!weir_list_empty(&upstreams->asks))
		weir_dns_ask_cancel(
		        WEIR_CONTAINER(upstreams->asks.next, struct weir_dns_ask, link));
	upstreams_drop_servers(upstreams);
	explicit_bzero(&upstreams->random, sizeof upstreams->random);
	free(upstreams);
}

/* -- what happened ----------------------------------------------------------------------------- */

const struct weir_dns_upstreams_counters *weir_dns_upstreams_counters(
        const struct weir_dns_upstreams *upstreams)
{
	return &upstreams->counters;
}

bool weir_dns_upstreams_info(const struct weir_dns_upstreams *upstreams, size_t index,
        struct weir_dns_upstream_info *ret)
{
	if (index >= upstreams->count)
		return false;
	const struct upstream *server = &upstreams->servers[index];
	int64_t now_ms = weir_loop_now_ms(upstreams->loop);
	*ret = (struct weir_dns_upstream_info){
	        .address = server->address,
	        .rtt_ms = server->rtt_ms,
	        .backing_off = server->backoff_ms != 0,
	        .plain = now_ms < server->plain_until_ms,
	        .one_case = now_ms < server->one_case_until_ms,
	};
	return true;
}
