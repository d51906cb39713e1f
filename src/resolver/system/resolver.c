/*
 * The resolver's life, and that of each lookup: begun from a task, ended once.
 *
 *   created ─▶ (waits for the files) ─▶ start ─▶ chains ─▶ end
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "resolver_state.h"

const char *weir_resolved_text(int error)
{
	switch (error) {
	case -ENOENT:
		return "no such name";
	case -ENODATA:
		return "the name has no such data";
	case -EAGAIN:
		return "the name servers failed or did not answer";
	case WEIR_E_SYNTAX:
		return "not a name";
	default:
		return weir_error_text(error);
	}
}

/* -- lookups ----------------------------------------------------------------------------------- */

static void resolver_begin(struct weir_resolving *resolving)
{
	if (resolving->error < 0)
		resolver_resolving_fail(resolving, resolving->error);
	else
		resolving->methods->start(resolving);
}

static void resolver_run_start(struct weir_task *task)
{
	resolver_begin(WEIR_CONTAINER(task, struct weir_resolving, start));
}

void resolver_begin_waiting(struct weir_resolver *resolver)
{
	while (!weir_list_empty(&resolver->waiting)) {
		struct weir_list *link = resolver->waiting.next;
		weir_list_remove(link);
		weir_list_append(&resolver->begun, link);
		resolver_begin(WEIR_CONTAINER(link, struct weir_resolving, link));
	}
}

int resolver_resolving_create(struct weir_resolver *resolver,
        const struct resolving_methods *methods, weir_resolved_fn *resolved, void *context,
        struct weir_resolving **ret)
{
	if (resolver->count >= WEIR_RESOLVINGS_MAX)
		return WEIR_E_LIMIT;
	struct weir_resolving *resolving = calloc(1, sizeof *resolving);
	if (!resolving)
		return -ENOMEM;
	resolving->resolver = resolver;
	resolving->methods = methods;
	resolving->resolved = resolved;
	resolving->context = context;
	resolver->count++;
	if (resolver_looks(resolver)) {
		weir_list_append(&resolver->waiting, &resolving->link);
	} else {
		weir_list_append(&resolver->begun, &resolving->link);
		resolving->start.run = resolver_run_start;
		weir_loop_defer(resolver->loop, &resolving->start);
	}
	*ret = resolving;
	return 0;
}

static void resolver_detach(struct weir_resolving *resolving)
{
	weir_loop_cancel(resolving->resolver->loop, &resolving->start);
	resolver_chain_stop(&resolving->chains[0]);
	resolver_chain_stop(&resolving->chains[1]);
	weir_list_remove(&resolving->link);
	resolving->resolver->count--;
}

void weir_resolving_cancel(struct weir_resolving *resolving)
{
	if (!resolving)
		return;
	resolver_detach(resolving);
	free(resolving);
}

void resolver_resolving_end(struct weir_resolving *resolving, const struct weir_resolved *resolved)
{
	resolver_detach(resolving);
	resolving->resolved(resolving->context, resolved);
	free(resolving);
}

void resolver_resolving_fail(struct weir_resolving *resolving, int error)
{
	resolver_resolving_end(resolving, &(struct weir_resolved){.error = error});
}

/* -- the resolver ------------------------------------------------------------------------------ */

static int resolver_make_lookups(
        struct weir_resolver *resolver, const struct weir_resolver_options *options)
{
	struct weir_dns_upstreams_options upstreams = resolver_upstreams(&resolver->conf);
	int error = weir_dns_upstreams_create(resolver->loop, &upstreams, &resolver->upstreams);
	if (error < 0)
		return error;
	struct weir_dns_lookups_options lookups;
	weir_dns_lookups_options_init(&lookups);
	lookups.upstreams = resolver->upstreams;
	lookups.own_cache.bytes = options->cache_bytes;
	resolver->lookups_owned = true;
	return weir_dns_lookups_create(resolver->loop, &lookups, &resolver->lookups);
}

void weir_resolver_options_init(struct weir_resolver_options *options)
{
	*options = (struct weir_resolver_options){
	        .conf = "/etc/resolv.conf",
	        .hosts = "/etc/hosts",
	        .cache_bytes = WEIR_DNS_CACHE_BYTES,
	};
}

int weir_resolver_create(struct weir_loop *loop, const struct weir_resolver_options *options,
        struct weir_resolver **ret)
{
	const char *conf = options->lookups ? NULL : options->conf;
	const char *hosts = options->hosts ? options->hosts : ""; /* no file has this path */
	if (!options->lookups && !conf)
		return -EINVAL;
	struct weir_resolver *resolver = calloc(1, sizeof *resolver);
	if (!resolver)
		return -ENOMEM;
	resolver->loop = loop;
	resolver->lookups = options->lookups;
	weir_list_init(&resolver->begun);
	weir_list_init(&resolver->waiting);
	int error = resolver_read_files(resolver, conf, hosts);
	if (error == 0 && !options->lookups)
		error = resolver_make_lookups(resolver, options);
	if (error < 0) {
		weir_resolver_destroy(resolver);
		return error;
	}
	*ret = resolver;
	return 0;
}

static void resolver_cancel_all(struct weir_list *list)
{
	WEIR_LIST_EACH_SAFE (struct weir_resolving, resolving, next, list, link)
		weir_resolving_cancel(resolving);
}

void weir_resolver_destroy(struct weir_resolver *resolver)
{
	if (!resolver)
		return;
	resolver_cancel_all(&resolver->waiting);
	resolver_cancel_all(&resolver->begun);
	resolver_forget_files(resolver);
	if (resolver->lookups_owned)
		weir_dns_lookups_destroy(resolver->lookups);
	weir_dns_upstreams_destroy(resolver->upstreams);
	free(resolver);
}
