/* See the header. Names and networks are borrowed from the configuration, and copied there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/http_proxy.h>

#include "config.h"
#include "proxies.h"

struct proxies_group {
	struct proxies_group *next;
	const struct config_upstreams *config;
	struct weir_http_upstreams *upstreams;
};

static int proxies_make_upstreams(
        const struct config_upstreams *config, struct weir_http_upstreams **ret)
{
	struct weir_http_upstream servers[WEIR_HTTP_PROXY_UPSTREAMS_MAX];
	struct weir_http_upstreams_options options;
	for (size_t i = 0; i < config->servers.count; i++)
		servers[i] = (struct weir_http_upstream){.url = config->servers.items[i].url,
		        .weight = (unsigned)config->servers.items[i].weight,
		        .backup = config->servers.items[i].backup};
	weir_http_upstreams_options_init(&options);
	options.name = config->name;
	options.upstreams = servers;
	options.count = config->servers.count;
	options.balance = config->balance;
	options.key = config->key;
	options.tls = config->tls;
	options.connections_max = (unsigned)config->connections;
	options.waiting_max = (unsigned)config->queue;
	options.wait_ms = (uint32_t)config->queue_ms;
	options.connect_ms = (uint32_t)config->connect_ms;
	options.head_ms = (uint32_t)config->head_ms;
	options.body_ms = (uint32_t)config->body_ms;
	options.idle_ms = (uint32_t)config->idle_ms;
	options.tunnel_ms = (uint32_t)config->tunnel_ms;
	options.retries_max = (unsigned)config->retries;
	options.failures_max = (unsigned)config->failures;
	options.down_ms = (uint32_t)config->down_ms;
	options.slow_start_ms = (uint32_t)config->slow_start_ms;
	return weir_http_upstreams_create(&options, ret);
}

/* Returns 0 or a negative errno. */
static int proxies_find(struct proxies *proxies, const struct config_upstreams *config,
        struct weir_http_upstreams **ret)
{
	struct proxies_group *group = proxies->first;
	while (group && group->config != config)
		group = group->next;
	if (!group) {
		group = calloc(1, sizeof *group);
		int error = group ? proxies_make_upstreams(config, &group->upstreams) : -ENOMEM;
		if (error < 0) {
			free(group);
			return error;
		}
		group->config = config;
		group->next = proxies->first;
		proxies->first = group;
	}
	*ret = group->upstreams;
	return 0;
}

int proxies_create(
        struct proxies *proxies, const struct config_proxy *config, struct weir_http_handler **ret)
{
	struct weir_http_proxy_options options;
	weir_http_proxy_options_init(&options);
	int error = proxies_find(proxies, config->upstreams, &options.upstreams);
	if (error < 0)
		return error;
	options.prefix = config->path;
	options.strip = config->strip;
	options.host = strcmp(config->host, "client") == 0     ? NULL
	               : strcmp(config->host, "upstream") == 0 ? ""
	                                                       : config->host;
	options.forwarded = config->forwarded;
	options.trusted = config->trusted.items;
	options.trusted_count = config->trusted.count;
	options.via = config->via;
	options.request_id = config->request_id;
	options.body_max = config->max_size;
	*ret = weir_http_proxy_create(&options);
	return *ret ? 0 : -ENOMEM;
}

void proxies_finish(struct proxies *proxies)
{
	struct proxies_group *group;
	while ((group = proxies->first)) {
		proxies->first = group->next;
		weir_http_upstreams_release(group->upstreams);
		free(group);
	}
}
