/*
 * Upstreams that an SRV name stands for (RFC 2782). Each name is a source: it is looked up again
 * and again, and its targets are upstreams of the group, in slots that are used again.
 *
 *   timer ─▶ lookup ─▶ targets that are new: slots; that are gone: their slots are free ─▶ timer …
 *
 * The cache of the resolver answers as long as the TTL lasts, so that a lookup costs little. If one
 * fails, the targets of the one before stay.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <weir/error.h>
#include <weir/resolver.h>

#include "client_state.h"
#include "proxy_state.h"

/* Behind all priorities of names that are no backups. */
#define SRV_BACKUP_RANK (1u << 16)

/* -- names ------------------------------------------------------------------------------------- */

static const char *const srv_schemes[] = {"http", "https", "fastcgi"};

/* Returns the scheme of "http+srv://…", and where the name begins; NULL: it is no such URL. */
static const char *srv_scheme_of(const char *url, const char **ret_name)
{
	static const char separator[] = "+srv://";
	for (size_t i = 0; i < sizeof srv_schemes / sizeof *srv_schemes; i++) {
		size_t size = strlen(srv_schemes[i]);
		if (strncasecmp(url, srv_schemes[i], size) != 0 ||
		        strncasecmp(url + size, separator, sizeof separator - 1) != 0)
			continue;
		*ret_name = url + size + sizeof separator - 1;
		return srv_schemes[i];
	}
	return NULL;
}

bool http_srv_is_url(const char *url)
{
	const char *name;
	return srv_scheme_of(url, &name);
}

/* _service._proto.domain */
static bool srv_name_is_good(const char *name)
{
	size_t size = 0;
	for (; isalnum((unsigned char)name[size]) || (name[size] && strchr("._-", name[size]));)
		size++;
	const char *proto = strstr(name, "._");
	return !name[size] && size <= WEIR_HTTP_PROXY_SRV_NAME_MAX && *name == '_' && proto &&
	       strchr(proto + 2, '.');
}

int http_source_init(struct http_source *source, struct weir_http_upstreams *group,
        const struct weir_http_upstream *from)
{
	const char *name;
	source->group = group;
	source->scheme = srv_scheme_of(from->url, &name);
	source->rank = from->backup ? SRV_BACKUP_RANK : 0;
	weir_list_init(&source->timer.link);
	if (!source->scheme || !srv_name_is_good(name))
		return WEIR_E_SYNTAX;
	if (strcmp(source->scheme, "https") == 0 && !group->options.tls)
		return -EINVAL;
	if ((strcmp(source->scheme, "fastcgi") == 0) != group->options.fastcgi)
		return WEIR_E_SYNTAX;
	source->name = strdup(name);
	return source->name ? 0 : -ENOMEM;
}

/* -- slots ------------------------------------------------------------------------------------- */

/* Finds the slot of the target, also of one that was gone; or makes one. NULL: there is none. */
static struct http_upstream *srv_slot(struct http_source *source, const char *url)
{
	struct weir_http_upstreams *group = source->group;
	struct weir_http_upstream target = {.url = url, .weight = 1};
	struct http_upstream *free_slot = NULL;
	for (size_t i = 0; i < group->count; i++) {
		struct http_upstream *slot = &group->upstreams[i];
		if (slot->source == source && strcmp(slot->url, url) == 0)
			return slot;
		if (slot->gone && !slot->busy && !free_slot)
			free_slot = slot;
	}
	bool is_new = !free_slot && group->count < group->capacity;
	if (is_new)
		free_slot = &group->upstreams[group->count];
	if (!free_slot)
		return NULL;
	http_upstream_clear(free_slot);
	int error = http_upstream_init(free_slot, group, &target);
	/* It is gone as long as it has not been put. */
	free_slot->gone = true;
	if (error < 0)
		return NULL;
	group->count += is_new;
	free_slot->source = source;
	return free_slot;
}

static void srv_put(struct http_source *source, const struct weir_srv *srv, unsigned priority)
{
	char url[WEIR_HTTP_PROXY_SRV_NAME_MAX + 32];
	int size = snprintf(url, sizeof url, "%s://%s:%u", source->scheme, srv->host, srv->port);
	struct http_upstream *slot =
	        size > 0 && (size_t)size < sizeof url ? srv_slot(source, url) : NULL;
	if (!slot)
		return;
	bool is_new = slot->gone;
	slot->weight = srv->weight ? srv->weight : 1;
	slot->rank = source->rank + priority;
	slot->listed = true;
	slot->gone = false;
	if (is_new)
		http_upstream_start_check(slot);
}

/* The targets are in the order of their priorities. */
static void srv_replace(struct http_source *source, const struct weir_srv *list, size_t count)
{
	struct weir_http_upstreams *group = source->group;
	unsigned priority = 0;
	for (size_t i = 0; i < group->count; i++)
		if (group->upstreams[i].source == source)
			group->upstreams[i].listed = false;
	for (size_t i = 0; i < count; i++) {
		priority += i && list[i].priority != list[i - 1].priority;
		srv_put(source, &list[i], priority);
	}
	for (size_t i = 0; i < group->count; i++) {
		struct http_upstream *slot = &group->upstreams[i];
		if (slot->source != source || slot->listed || slot->gone)
			continue;
		http_upstream_stop_check(slot);
		slot->gone = true;
	}
}

void http_sources_inherit(struct weir_http_upstreams *group, const struct weir_http_upstreams *from)
{
	for (size_t i = 0; i < group->source_count; i++)
		for (size_t j = 0; j < from->count; j++) {
			struct http_source *source = &group->sources[i];
			const struct http_upstream *known = &from->upstreams[j];
			if (!known->source || known->gone ||
			        strcmp(known->source->name, source->name) != 0 ||
			        known->source->scheme != source->scheme)
				continue;
			struct http_upstream *slot = srv_slot(source, known->url);
			if (!slot)
				continue;
			slot->weight = known->weight;
			slot->rank = known->rank;
			slot->listed = source->known = true;
			slot->gone = false;
		}
}

/* -- lookups ----------------------------------------------------------------------------------- */

static void srv_look_up(struct http_source *source);

static void srv_on_time(struct weir_timer *timer)
{
	srv_look_up(WEIR_CONTAINER(timer, struct http_source, timer));
}

static void srv_wait(struct http_source *source)
{
	weir_timer_start(source->group->loop, &source->timer, WEIR_HTTP_PROXY_SRV_MS, srv_on_time);
}

/* Requests that have found no upstream are tried again, in a turn of their own. */
static void srv_run_waiting(struct weir_task *task)
{
	struct weir_http_upstreams *group = WEIR_CONTAINER(task, struct weir_http_upstreams, woken);
	for (unsigned left = group->waiting_count; left && group->waiting_count; left--)
		http_proxy_try_again(
		        WEIR_CONTAINER(group->waiting.next, struct proxy_job, waiting));
}

static void srv_on_resolved(void *context, const struct weir_resolved *resolved)
{
	struct http_source *source = context;
	struct weir_http_upstreams *group = source->group;
	source->resolving = NULL;
	source->known = true;
	if (resolved->error == 0)
		srv_replace(source, resolved->srv, resolved->count);
	srv_wait(source);
	group->woken.run = srv_run_waiting;
	if (group->waiting_count)
		weir_loop_defer(group->loop, &group->woken);
}

static void srv_look_up(struct http_source *source)
{
	struct weir_http_client *client = source->group->client;
	if (http_client_get_resolver(client) < 0 ||
	        weir_resolve_srv(client->resolver, source->name, srv_on_resolved, source,
	                &source->resolving) < 0)
		srv_wait(source);
}

void http_sources_start(struct weir_http_upstreams *group)
{
	for (size_t i = 0; i < group->source_count; i++)
		srv_look_up(&group->sources[i]);
}

void http_sources_finish(struct weir_http_upstreams *group)
{
	for (size_t i = 0; i < group->source_count; i++) {
		struct http_source *source = &group->sources[i];
		weir_timer_stop(&source->timer);
		weir_resolving_cancel(source->resolving);
		free(source->name);
	}
	if (group->loop)
		weir_loop_cancel(group->loop, &group->woken);
	free(group->sources);
}

/* -- requests that wait ------------------------------------------------------------------------ */

bool http_sources_await(struct weir_http_upstreams *group, struct weir_list *waiting)
{
	bool unknown = false;
	for (size_t i = 0; i < group->source_count; i++)
		unknown |= !group->sources[i].known;
	if (!unknown || group->waiting_count >= group->options.waiting_max)
		return false;
	weir_list_append(&group->waiting, waiting);
	group->waiting_count++;
	return true;
}

void http_sources_forget(struct weir_http_upstreams *group, struct weir_list *waiting)
{
	if (weir_list_empty(waiting))
		return;
	weir_list_remove(waiting);
	group->waiting_count--;
}
