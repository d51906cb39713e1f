/* See the header. Names and networks are borrowed from the configuration, and copied there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/http_fastcgi.h>
#include <weir/http_proxy.h>
#include <weir/tree.h>

#include "config.h"
#include "proxies.h"
#include "say.h"

struct proxies_group {
	struct proxies_group *next;
	const struct config_upstreams *config;
	struct weir_http_upstreams *upstreams;
	struct weir_loop *loop;       /* NULL before the start */
	struct complaints complaints; /* what applications write to their error streams */
};

/* One worker checks a server at a time, and prints what it finds for all. */
static void proxies_on_health(
        void *context, const char *name, const char *url, bool healthy, const char *why)
{
	(void)context;
	if (healthy)
		say_at(WEIR_LOG_INFO, "upstreams %s: %s is healthy", name, url);
	else
		say_at(WEIR_LOG_WARNING, "upstreams %s: %s is unhealthy: %s", name, url, why);
}

/* PHP names the level of its own messages. */
static enum weir_log_level proxies_level_of(struct weir_span line)
{
	static const struct {
		const char *text;
		enum weir_log_level level;
	} levels[] = {
	        {"PHP Notice:", WEIR_LOG_INFO},
	        {"PHP Deprecated:", WEIR_LOG_INFO},
	        {"PHP Fatal error:", WEIR_LOG_ERROR},
	        {"PHP Parse error:", WEIR_LOG_ERROR},
	};
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		if (memmem(line.data, line.size, levels[i].text, strlen(levels[i].text)))
			return levels[i].level;
	return WEIR_LOG_WARNING;
}

/* A line for each of the text. */
static void proxies_on_error_text(
        void *context, const char *name, const char *url, uint64_t id, struct weir_span text)
{
	struct proxies_group *group = context;
	struct weir_span line;
	for (bool more = true; more;) {
		more = weir_span_cut(&text, '\n', &line);
		line = weir_span_trim(line);
		if (line.size && complaints_allow(&group->complaints))
			say_at(proxies_level_of(line), "upstreams %s: %s: request %016llx: %.*s",
			        name, url, (unsigned long long)id, (int)line.size, line.data);
	}
}

static struct weir_http_check proxies_check_of(const struct config_check *config)
{
	return (struct weir_http_check){
	        .interval_ms = config->present ? (uint32_t)config->interval_ms : 0,
	        .time_ms = (uint32_t)config->time_ms,
	        .path = config->path,
	        .status = (unsigned)config->status,
	        .rise = (unsigned)config->rise,
	        .fall = (unsigned)config->fall,
	};
}

static int proxies_make_upstreams(struct proxies_group *group)
{
	const struct config_upstreams *config = group->config;
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
	options.fastcgi = config->protocol == CONFIG_PROTOCOL_FASTCGI;
	options.fastcgi_keep = config->keep;
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
	options.buffer_max = config->buffer;
	options.buffers_max = config->buffers;
	options.check = proxies_check_of(&config->check);
	options.health = config->health;
	options.health_changed = proxies_on_health;
	options.error_text = proxies_on_error_text;
	options.context = group;
	return weir_http_upstreams_create(&options, &group->upstreams);
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
		if (!group)
			return -ENOMEM;
		group->config = config;
		int error = proxies_make_upstreams(group);
		if (error < 0) {
			free(group);
			return error;
		}
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
	options.underscores = config->underscores;
	options.request_id = config->request_id;
	options.body_max = config->max_size;
	options.abort_on_close = config->abort_on_close;
	options.compress = config->compress;
	options.compress_types = config->compress_types.items;
	options.compress_type_count = config->compress_types.count;
	options.zstd = config->zstd;
	options.compress_level = (unsigned)config->compress_level;
	*ret = weir_http_proxy_create(&options);
	return *ret ? 0 : -ENOMEM;
}

int proxies_create_auth(struct proxies *proxies, const struct config_forward_auth *config,
        struct weir_http_handler **ret)
{
	struct weir_http_forward_auth_options options;
	weir_http_forward_auth_options_init(&options);
	int error = proxies_find(proxies, config->upstreams, &options.upstreams);
	if (error < 0)
		return error;
	options.prefix = config->path;
	options.path = config->ask;
	options.fields = config->fields.items;
	options.field_count = config->fields.count;
	options.trusted = config->trusted.items;
	options.trusted_count = config->trusted.count;
	*ret = weir_http_forward_auth_create(&options);
	return *ret ? 0 : -ENOMEM;
}

int proxies_create_fastcgi(struct proxies *proxies, const struct config_fastcgi *config,
        const struct config_site *site, struct weir_tree *tree, struct weir_http_handler **ret)
{
	struct weir_http_fastcgi_options options;
	weir_http_fastcgi_options_init(&options);
	int error = proxies_find(proxies, config->upstreams, &options.upstreams);
	if (error < 0) {
		weir_tree_close(tree);
		return error;
	}
	options.prefix = config->path;
	options.tree = tree;
	options.root = config->application_root ? config->application_root : site->root;
	options.extension = config->extension;
	options.index = *config->index ? config->index : NULL;
	options.script = config->script;
	options.never = config->never.items;
	options.never_count = config->never.count;
	options.hidden = site->settings.hidden;
	options.trusted = config->trusted.items;
	options.trusted_count = config->trusted.count;
	options.request_id = config->request_id;
	options.body_max = config->max_size;
	options.abort_on_close = config->abort_on_close;
	options.compress = config->compress;
	options.compress_types = config->compress_types.items;
	options.compress_type_count = config->compress_types.count;
	options.zstd = config->zstd;
	options.compress_level = (unsigned)config->compress_level;
	*ret = weir_http_fastcgi_create(&options);
	return *ret ? 0 : -ENOMEM;
}

static void proxies_inherit_group(struct proxies_group *group, const struct proxies_group *from)
{
	if (strcmp(group->config->name, from->config->name) == 0)
		weir_http_upstreams_inherit(group->upstreams, from->upstreams);
}

void proxies_inherit(struct proxies *proxies, const struct proxies *from)
{
	for (struct proxies_group *group = proxies->first; group; group = group->next)
		for (struct proxies_group *old = from->first; old; old = old->next)
			proxies_inherit_group(group, old);
}

int proxies_start(struct proxies *proxies, struct weir_loop *loop)
{
	int error = 0;
	for (struct proxies_group *group = proxies->first; group && !error; group = group->next) {
		if (!group->loop)
			complaints_init(
			        &group->complaints, loop, "lines in error streams of applications");
		group->loop = loop;
		error = weir_http_upstreams_start(group->upstreams, loop);
	}
	return error;
}

void proxies_finish(struct proxies *proxies)
{
	struct proxies_group *group;
	while ((group = proxies->first)) {
		proxies->first = group->next;
		if (group->loop)
			complaints_end(&group->complaints);
		weir_http_upstreams_detach(group->upstreams);
		weir_http_upstreams_release(group->upstreams);
		free(group);
	}
}
