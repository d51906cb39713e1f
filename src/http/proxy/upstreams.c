/*
 * A group of upstreams. Its client is made with the first request, on the loop that has it, and
 * destroyed by a task of that loop, since the last reference may end within a callback of a call.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <weir/error.h>
#include <weir/tls.h>

#include "client_url.h"
#include "proxy_state.h"
#include "siphash.h"

/* -- options ----------------------------------------------------------------------------------- */

void weir_http_upstreams_options_init(struct weir_http_upstreams_options *options)
{
	*options = (struct weir_http_upstreams_options){
	        .connections_max = WEIR_HTTP_PROXY_CONNECTIONS_MAX,
	        .waiting_max = WEIR_HTTP_PROXY_WAITING_MAX,
	        .wait_ms = WEIR_HTTP_PROXY_WAIT_MS,
	        .connect_ms = WEIR_HTTP_CLIENT_CONNECT_MS,
	        .head_ms = WEIR_HTTP_CLIENT_HEAD_MS,
	        .body_ms = WEIR_HTTP_CLIENT_BODY_MS,
	        .idle_ms = WEIR_HTTP_CLIENT_IDLE_MS,
	        .tunnel_ms = WEIR_HTTP_PROXY_TUNNEL_MS,
	        .retries_max = WEIR_HTTP_PROXY_RETRIES_MAX,
	        .failures_max = WEIR_HTTP_PROXY_FAILURES_MAX,
	        .down_ms = WEIR_HTTP_PROXY_DOWN_MS,
	        .check = {.time_ms = WEIR_HTTP_PROXY_CHECK_TIME_MS,
	                .rise = WEIR_HTTP_PROXY_CHECK_RISE,
	                .fall = WEIR_HTTP_PROXY_CHECK_FALL},
	        .buffers_max = WEIR_HTTP_PROXY_BUFFERS_MAX,
	};
}

static bool upstreams_check_is_good(const struct weir_http_check *check)
{
	return !check->interval_ms ||
	       (check->time_ms && check->rise && check->fall &&
	               (!check->path || *check->path == '/') &&
	               (!check->status || (check->status >= 200 && check->status <= 599)));
}

static int upstreams_check(const struct weir_http_upstreams_options *options)
{
	bool keyed = options->balance == WEIR_HTTP_BALANCE_COOKIE ||
	             options->balance == WEIR_HTTP_BALANCE_FIELD;
	if (options->count == 0 || options->count > WEIR_HTTP_PROXY_UPSTREAMS_MAX ||
	        (keyed && !options->key) || !options->connections_max || !options->waiting_max ||
	        !options->wait_ms || !options->connect_ms || !options->head_ms ||
	        !options->body_ms || !options->idle_ms || !options->tunnel_ms ||
	        !upstreams_check_is_good(&options->check))
		return -EINVAL;
	for (size_t i = 0; i < options->count; i++)
		if (options->upstreams[i].weight == 0 ||
		        options->upstreams[i].weight > WEIR_HTTP_PROXY_WEIGHT_MAX)
			return -EINVAL;
	return 0;
}

/* -- an upstream ------------------------------------------------------------------------------- */

static int upstream_set_unix(struct http_upstream *upstream, const char *path, bool fastcgi)
{
	if (*path != '/' || strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
		return WEIR_E_SYNTAX;
	upstream->unix_path = strdup(path);
	upstream->base = strdup(fastcgi ? "fastcgi://localhost" : "http://localhost");
	upstream->host = strdup("localhost");
	return upstream->unix_path && upstream->base && upstream->host ? 0 : -ENOMEM;
}

static int upstream_set_url(struct http_upstream *upstream, const char *text,
        const struct weir_http_upstreams_options *options)
{
	struct http_url url;
	int error = http_url_parse(weir_span_of(text), &url);
	if (!error && url.fastcgi != options->fastcgi)
		error = WEIR_E_SYNTAX;
	if (!error && (url.path.size > 1 || url.query.size || strchr(text, '#')))
		error = WEIR_E_SYNTAX;
	if (error)
		return error;
	if (url.tls && !options->tls)
		return -EINVAL;
	size_t size = (size_t)(url.authority.data + url.authority.size - text);
	upstream->base = strndup(text, size);
	upstream->host = strndup(url.authority.data, url.authority.size);
	return upstream->base && upstream->host ? 0 : -ENOMEM;
}

int http_upstream_init(struct http_upstream *upstream, struct weir_http_upstreams *group,
        const struct weir_http_upstream *from)
{
	static const struct siphash_key key = {0};
	upstream->group = group;
	upstream->weight = from->weight;
	upstream->rank = from->backup ? UINT_MAX : 0;
	upstream->hash = siphash_13(&key, from->url, strlen(from->url));
	upstream->url = strdup(from->url);
	if (!upstream->url)
		return -ENOMEM;
	if (strncmp(from->url, "unix:", 5) == 0)
		return upstream_set_unix(upstream, from->url + 5, group->options.fastcgi);
	return upstream_set_url(upstream, from->url, &group->options);
}

void http_upstream_clear(struct http_upstream *upstream)
{
	free(upstream->url);
	free(upstream->base);
	free(upstream->host);
	free(upstream->unix_path);
	*upstream = (struct http_upstream){0};
}

/* 0: the upstream is not down. */
static void upstream_set_down(struct http_upstream *upstream, int64_t until_ms)
{
	uint64_t *down = &upstream->group->cells->down;
	if (until_ms && !upstream->down_until_ms)
		weir_metric_add(down, 1);
	else if (!until_ms && upstream->down_until_ms)
		weir_metric_subtract(down, 1);
	upstream->down_until_ms = until_ms;
}

void http_upstream_set_up(struct http_upstream *upstream)
{
	upstream->failures = 0;
	upstream_set_down(upstream, 0);
}

void http_upstream_succeeded(struct weir_http_upstreams *upstreams, struct http_upstream *upstream)
{
	if (upstream->down_until_ms)
		upstream->up_since_ms = weir_loop_now_ms(upstreams->loop);
	http_upstream_set_up(upstream);
}

void http_upstream_failed(struct weir_http_upstreams *upstreams, struct http_upstream *upstream)
{
	if (upstream->gone || !upstreams->options.failures_max ||
	        ++upstream->failures < upstreams->options.failures_max)
		return;
	upstream->failures = upstreams->options.failures_max - 1;
	upstream_set_down(upstream, weir_loop_now_ms(upstreams->loop) + upstreams->options.down_ms);
}

/* -- life -------------------------------------------------------------------------------------- */

static void upstreams_free(struct weir_http_upstreams *upstreams)
{
	http_upstreams_stop_checks(upstreams);
	http_sources_finish(upstreams);
	for (size_t i = 0; i < upstreams->count; i++)
		http_upstream_clear(&upstreams->upstreams[i]);
	weir_http_client_destroy(upstreams->client);
	weir_tls_release(upstreams->options.tls);
	weir_http_health_release(upstreams->health);
	free(upstreams->name);
	free(upstreams->key);
	free(upstreams->check_path);
	free(upstreams);
}

static int upstreams_copy(
        struct weir_http_upstreams *upstreams, const struct weir_http_upstreams_options *options)
{
	upstreams->options = *options;
	upstreams->options.tls = options->tls ? weir_tls_hold(options->tls) : NULL;
	upstreams->name = strdup(options->name ? options->name : options->upstreams[0].url);
	upstreams->key = options->key ? strdup(options->key) : NULL;
	upstreams->check_path = options->check.path ? strdup(options->check.path) : NULL;
	upstreams->health = options->health ? weir_http_health_hold(options->health)
	                                    : weir_http_health_create();
	upstreams->sources = calloc(options->count, sizeof *upstreams->sources);
	bool copied = upstreams->sources && upstreams->name && upstreams->health &&
	              (upstreams->key || !options->key) &&
	              (upstreams->check_path || !options->check.path);
	return copied ? 0 : -ENOMEM;
}

/* A name may have as many targets as there are slots. */
static size_t upstreams_capacity(const struct weir_http_upstreams_options *options)
{
	for (size_t i = 0; i < options->count; i++)
		if (http_srv_is_url(options->upstreams[i].url))
			return WEIR_HTTP_PROXY_UPSTREAMS_MAX;
	return options->count;
}

static int upstreams_add(
        struct weir_http_upstreams *upstreams, const struct weir_http_upstream *from)
{
	if (!http_srv_is_url(from->url))
		return http_upstream_init(
		        &upstreams->upstreams[upstreams->count++], upstreams, from);
	return http_source_init(&upstreams->sources[upstreams->source_count++], upstreams, from);
}

int weir_http_upstreams_create(
        const struct weir_http_upstreams_options *options, struct weir_http_upstreams **ret)
{
	int error = upstreams_check(options);
	if (error < 0)
		return error;
	size_t capacity = upstreams_capacity(options);
	struct weir_http_upstreams *upstreams =
	        calloc(1, sizeof *upstreams + capacity * sizeof upstreams->upstreams[0]);
	if (!upstreams)
		return -ENOMEM;
	local_refcount_init(&upstreams->references);
	weir_list_init(&upstreams->waiting);
	upstreams->capacity = capacity;
	error = upstreams_copy(upstreams, options);
	for (size_t i = 0; i < options->count && !error; i++)
		error = upstreams_add(upstreams, &options->upstreams[i]);
	if (error < 0) {
		upstreams_free(upstreams);
		return error;
	}
	*ret = upstreams;
	return 0;
}

struct weir_http_upstreams *weir_http_upstreams_hold(struct weir_http_upstreams *upstreams)
{
	local_refcount_hold(&upstreams->references);
	return upstreams;
}

void weir_http_upstreams_detach(struct weir_http_upstreams *upstreams)
{
	upstreams->options.health_changed = NULL;
	upstreams->options.error_text = NULL;
}

static void upstreams_run_end(struct weir_task *task)
{
	upstreams_free(WEIR_CONTAINER(task, struct weir_http_upstreams, end));
}

void weir_http_upstreams_release(struct weir_http_upstreams *upstreams)
{
	if (!upstreams || !local_refcount_release(&upstreams->references))
		return;
	if (!upstreams->loop) {
		upstreams_free(upstreams);
		return;
	}
	upstreams->end.run = upstreams_run_end;
	weir_loop_defer(upstreams->loop, &upstreams->end);
}

void http_upstreams_set_loop(struct weir_http_upstreams *upstreams, struct weir_loop *loop)
{
	if (upstreams->loop)
		return;
	upstreams->loop = loop;
	upstreams->cells = http_proxy_cells(loop, upstreams->name);
	if (!upstreams->cells)
		upstreams->cells = &upstreams->uncounted;
	for (size_t i = 0; i < upstreams->count; i++) {
		const struct http_upstream *upstream = &upstreams->upstreams[i];
		weir_metric_add(&upstreams->cells->down, upstream->down_until_ms != 0);
	}
}

static void upstream_inherit(struct http_upstream *upstream, const struct http_upstream *from)
{
	upstream->failures = from->failures;
	upstream->down_until_ms = from->down_until_ms;
	upstream->up_since_ms = from->up_since_ms;
	if (upstream->group->options.check.interval_ms && from->group->options.check.interval_ms)
		upstream->unhealthy = from->unhealthy;
}

void weir_http_upstreams_inherit(
        struct weir_http_upstreams *upstreams, const struct weir_http_upstreams *from)
{
	if (upstreams->loop)
		return;
	http_sources_inherit(upstreams, from);
	for (size_t i = 0; i < upstreams->count; i++)
		for (size_t j = 0; j < from->count; j++)
			if (strcmp(upstreams->upstreams[i].url, from->upstreams[j].url) == 0)
				upstream_inherit(&upstreams->upstreams[i], &from->upstreams[j]);
}

/* A head that is passed on must fit into a reply of ours. */
int http_upstreams_join(struct weir_http_upstreams *upstreams, struct weir_loop *loop)
{
	const struct weir_http_upstreams_options *from = &upstreams->options;
	struct weir_http_client_options options;
	if (upstreams->client)
		return 0;
	weir_http_client_options_init(&options);
	options.tls = from->tls;
	options.origin_max = from->connections_max;
	options.resolver = from->resolver;
	options.connections_max = from->connections_max * (unsigned)upstreams->capacity;
	options.waiting_max = from->waiting_max;
	options.wait_ms = from->wait_ms;
	options.connect_ms = from->connect_ms;
	options.head_ms = from->head_ms;
	options.body_ms = from->body_ms;
	options.idle_ms = from->idle_ms;
	options.head_max = WEIR_HTTP_REPLY_FIELDS_MAX;
	options.small_pieces = true;
	options.fastcgi_keep = from->fastcgi_keep;
	http_upstreams_set_loop(upstreams, loop);
	int error = weir_http_client_create(loop, &options, &upstreams->client);
	if (!error)
		http_sources_start(upstreams);
	return error;
}
