/*
 * Health checks. Each upstream has a timer and at most one check under way, on a client of their
 * own, so that a pool that is full of requests does not make an upstream unhealthy. The body of a
 * reply is not read: its connection is closed.
 *
 *   timer ─▶ claim ─▶ call ─▶ head or end: good or bad ─▶ so many in a row: a change ─▶ timer …
 *              └── another loop has it, or had it lately ──▶ timer …
 *
 * Groups of other loops see a change before their next request (http_upstreams_follow_health).
 */
#include <errno.h>
#include <string.h>

#include <weir/error.h>

#include "health_state.h"
#include "proxy_state.h"

static void health_on_time(struct weir_timer *timer);

static void health_wait(struct http_upstream *upstream, uint32_t ms)
{
	upstream->check = NULL;
	weir_timer_start(upstream->group->loop, &upstream->timer, ms, health_on_time);
}

static int64_t health_due_ms(const struct http_upstream *upstream)
{
	return weir_loop_now_ms(upstream->group->loop) + upstream->group->options.check.interval_ms;
}

/* Nothing was found out. */
static void health_skip(struct http_upstream *upstream)
{
	upstream->claimed = false;
	http_health_skip(upstream->group->health, upstream->server, health_due_ms(upstream));
	health_wait(upstream, upstream->group->options.check.interval_ms);
}

static void health_follow(struct http_upstream *upstream)
{
	struct weir_http_upstreams *group = upstream->group;
	bool bad = http_health_is_bad(group->health, upstream->server);
	if (bad == upstream->unhealthy)
		return;
	upstream->unhealthy = bad;
	if (bad)
		return;
	http_upstream_succeeded(group, upstream);
	upstream->up_since_ms = weir_loop_now_ms(group->loop);
}

void http_upstreams_follow_health(struct weir_http_upstreams *upstreams)
{
	unsigned version = http_health_version(upstreams->health);
	if (version == upstreams->health_version)
		return;
	upstreams->health_version = version;
	for (size_t i = 0; i < upstreams->count; i++)
		if (upstreams->upstreams[i].server)
			health_follow(&upstreams->upstreams[i]);
}

static void health_note(struct http_upstream *upstream, bool good, const char *why)
{
	struct weir_http_upstreams *group = upstream->group;
	const struct weir_http_check *check = &group->options.check;
	weir_metric_add(&group->cells->checks[good ? 0 : 1], 1);
	health_wait(upstream, check->interval_ms);
	upstream->claimed = false;
	if (!http_health_note(
	            group->health, upstream->server, good, check, health_due_ms(upstream)))
		return;
	/* The loops count together: the sum of their cells is the number of servers. */
	if (good)
		weir_metric_subtract(&group->cells->unhealthy, 1);
	else
		weir_metric_add(&group->cells->unhealthy, 1);
	http_upstreams_follow_health(group);
	if (group->options.health_changed)
		group->options.health_changed(
		        group->options.context, group->name, upstream->url, good, why);
}

static void health_on_head(void *context, const struct weir_http_reply_head *head)
{
	struct http_upstream *upstream = context;
	unsigned wanted = upstream->group->options.check.status;
	bool good = wanted ? head->status == wanted : head->status >= 200 && head->status <= 399;
	char why[] = "status 599";
	for (unsigned i = 0, left = head->status; i < 3; i++, left /= 10)
		why[sizeof why - 2 - i] = (char)('0' + left % 10);
	weir_http_call_cancel(upstream->check);
	health_note(upstream, good, why);
}

/* Without memory, nothing is known of the upstream. */
static void health_on_end(void *context, const struct weir_http_call_end *end)
{
	struct http_upstream *upstream = context;
	if (end->error == -ENOMEM || end->error == WEIR_E_LIMIT)
		health_skip(upstream);
	else
		health_note(upstream, end->error == 0, end->text);
}

static int health_begin(struct http_upstream *upstream)
{
	static const struct weir_http_call_events events = {
	        .head = health_on_head, .end = health_on_end};
	struct weir_http_upstreams *group = upstream->group;
	struct weir_http_field agent = {WEIR_SPAN("User-Agent"), WEIR_SPAN("weir")};
	struct weir_http_call_options options;
	struct weir_buffer url = {0};
	int error = weir_buffer_format(&url, WEIR_HTTP_CLIENT_URL_MAX, "%s%s", upstream->base,
	        group->check_path ? group->check_path : "/");
	if (!error)
		error = weir_buffer_append(&url, "", 1, SIZE_MAX);
	weir_http_call_options_init(&options);
	options.url = url.data;
	options.unix_path = upstream->unix_path;
	options.host = upstream->host;
	options.fields = &agent;
	options.field_count = 1;
	options.fresh = true;
	options.connect_only = !group->check_path;
	/* The page that php-fpm has for this is found by both. */
	struct weir_span path = weir_span_of(group->check_path ? group->check_path : "");
	const struct weir_http_field params[] = {
	        {WEIR_SPAN("SCRIPT_NAME"), path},
	        {WEIR_SPAN("SCRIPT_FILENAME"), path},
	};
	options.params = params;
	options.param_count = group->options.fastcgi ? 2 : 0;
	if (!error)
		error = weir_http_call_start(
		        group->checker, &options, &events, upstream, &upstream->check);
	weir_buffer_finish(&url);
	return error;
}

static void health_on_time(struct weir_timer *timer)
{
	struct http_upstream *upstream = WEIR_CONTAINER(timer, struct http_upstream, timer);
	struct weir_http_upstreams *group = upstream->group;
	uint32_t wait_ms = http_health_claim(group->health, upstream->server,
	        weir_loop_now_ms(group->loop), group->options.check.interval_ms);
	if (wait_ms) {
		health_wait(upstream, wait_ms);
		return;
	}
	upstream->claimed = true;
	if (health_begin(upstream) < 0)
		health_skip(upstream);
}

/* -- start and end ----------------------------------------------------------------------------- */

static int health_create_client(struct weir_http_upstreams *upstreams)
{
	struct weir_http_client_options options;
	weir_http_client_options_init(&options);
	options.tls = upstreams->options.tls;
	options.connections_max = options.origin_max = WEIR_HTTP_PROXY_UPSTREAMS_MAX;
	options.waiting_max = WEIR_HTTP_PROXY_UPSTREAMS_MAX;
	options.connect_ms = upstreams->options.check.time_ms;
	options.head_ms = upstreams->options.check.time_ms;
	options.small_pieces = true;
	return weir_http_client_create(upstreams->loop, &options, &upstreams->checker);
}

int weir_http_upstreams_start(struct weir_http_upstreams *upstreams, struct weir_loop *loop)
{
	http_upstreams_set_loop(upstreams, loop);
	if (upstreams->source_count) {
		int error = http_upstreams_join(upstreams, loop);
		if (error < 0)
			return error;
	}
	if (upstreams->checker || !upstreams->options.check.interval_ms)
		return 0;
	int error = health_create_client(upstreams);
	for (size_t i = 0; i < upstreams->count && !error; i++)
		if (!upstreams->upstreams[i].gone)
			http_upstream_start_check(&upstreams->upstreams[i]);
	return error;
}

void http_upstream_start_check(struct http_upstream *upstream)
{
	struct weir_http_upstreams *group = upstream->group;
	bool is_new;
	if (!group->checker)
		return;
	upstream->server =
	        http_health_join(group->health, upstream->url, upstream->unhealthy, &is_new);
	/* Without memory it is not checked. */
	if (!upstream->server)
		return;
	if (is_new && upstream->unhealthy)
		weir_metric_add(&group->cells->unhealthy, 1);
	health_follow(upstream);
	weir_timer_start(group->loop, &upstream->timer, 0, health_on_time);
}

static void health_leave(struct http_upstream *upstream)
{
	weir_timer_stop(&upstream->timer);
	if (!upstream->server)
		return;
	if (http_health_leave(upstream->group->health, upstream->server, upstream->claimed))
		weir_metric_subtract(&upstream->group->cells->unhealthy, 1);
	upstream->server = NULL;
	upstream->claimed = false;
}

void http_upstream_stop_check(struct http_upstream *upstream)
{
	health_leave(upstream);
	if (upstream->check)
		weir_http_call_cancel(upstream->check);
	upstream->check = NULL;
	upstream->unhealthy = false;
	http_upstream_set_up(upstream);
}

void http_upstreams_stop_checks(struct weir_http_upstreams *upstreams)
{
	for (size_t i = 0; i < upstreams->count; i++) {
		struct http_upstream *upstream = &upstreams->upstreams[i];
		health_leave(upstream);
		if (upstreams->loop)
			weir_metric_subtract(&upstreams->cells->down, upstream->down_until_ms != 0);
	}
	weir_http_client_destroy(upstreams->checker);
}
