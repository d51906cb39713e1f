/*
 * The configuration in effect. Invariant: all workers serve one configuration. A change is prepared
 * on all of them first, and is committed only if none has failed (see worker.h).
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <weir/bans.h>
#include <weir/error.h>
#include <weir/permits.h>
#include <weir/rates.h>
#include <weir/sasl_guard.h>

#include "config_dns.h"
#include "link.h"
#include "log_file.h"
#include "mail_relay.h"
#include "resources.h"
#include "say.h"
#include "say_log.h"
#include "serve_state.h"
#include "service_dns.h"
#include "service_mail.h"
#include "store.h"
#include "store_users.h"
#include "worker.h"

/* idle_ms and replies_max are 0 if they are not configured: see service_set_listener. */
static struct weir_bounds serve_bounds_of(
        const struct config *config, struct weir_permits *permits, struct budget budget)
{
	struct weir_bounds bounds;
	weir_bounds_init(&bounds);
	bounds.replies_max = (unsigned)config->limits.replies;
	bounds.idle_ms = (uint32_t)config->limits.idle_ms;
	bounds.request_ms = (uint32_t)config->limits.request_ms;
	bounds.progress_ms = (uint32_t)config->limits.progress_ms;
	bounds.drain_ms = (uint32_t)config->limits.drain_ms;
	bounds.channels_max = budget.connections;
	bounds.permits = permits;
	return bounds;
}

/* Sets the size of the pool of connections. */
static struct budget serve_set_permits(struct daemon *daemon, const struct config *config)
{
	struct budget budget = resources_budget(config, daemon->files, daemon->worker_count);
	weir_permits_set(daemon->permits, budget.connections, budget.reserved);
	return budget;
}

/* Applies a configuration to all workers, or to none. */
static int serve_apply(struct daemon *daemon, struct config *config,
        const struct endpoint_list *endpoints, unsigned replace)
{
	struct budget budget = serve_set_permits(daemon, config);
	struct server_plan plan = {
	        .endpoints = endpoints->items,
	        .count = endpoints->count,
	        .logs = config->logs,
	        .user = config->user,
	        .guard = daemon->guard,
	        .relay = mail_relay_sink(daemon->relay),
	        .dns = daemon->dns,
	        .workers = daemon->worker_count,
	        .bounds = serve_bounds_of(config, daemon->permits, budget),
	        .replace = replace,
	};
	for (unsigned i = 0; i < daemon->worker_count; i++) {
		int error = service_states_load(config, budget, &plan.states);
		if (error == 0)
			error = worker_prepare(daemon->workers[i], &plan);
		if (error == 0)
			continue;
		while (i-- > 0)
			worker_forget(daemon->workers[i]);
		if (daemon->config)
			serve_set_permits(daemon, daemon->config);
		return error;
	}
	for (unsigned i = 0; i < daemon->worker_count; i++)
		worker_commit(daemon->workers[i]);
	return 0;
}

/* Without memory the old settings stay in effect. */
static void serve_set_guard(struct daemon *daemon, const struct config_guard *config)
{
	struct weir_guard_options options;
	weir_guard_options_init(&options);
	options.enabled = config->enabled;
	options.threshold = (unsigned)config->threshold;
	options.first_ms = (uint32_t)config->first_ms;
	options.most_ms = (uint32_t)config->most_ms;
	options.decay_ms = (uint32_t)config->decay_ms;
	options.exempt = config->exempt.items;
	options.exempt_count = config->exempt.count;
	options.bans = daemon->bans;
	options.ban_after = (unsigned)config->ban_after;
	options.ban_ms = (uint32_t)config->ban_ms;
	int error = weir_guard_set(daemon->guard, &options);
	if (error < 0)
		say("the guard keeps its previous settings: %s", weir_error_text(error));
}

int serve_config(struct daemon *daemon, struct config *config, unsigned replace)
{
	struct endpoint_list endpoints = {0};
	config->rates = daemon->rates;
	config->bans = daemon->bans;
	config->store.database = daemon->database;
	int error = link_active() ? endpoints_take(config, &endpoints)
	                          : endpoints_reserve(config, &daemon->endpoints, &endpoints);
	config->https_port = endpoints_port(&endpoints, listener_type_find("https"));
	config->guarded = daemon->guard;
	if (error == 0)
		error = store_users_apply(daemon->users, config);
	if (error == 0)
		error = serve_apply(daemon, config, &endpoints, replace);
	if (error < 0) {
		endpoints_free(&endpoints);
		config_release(config);
		return error;
	}
	serve_set_guard(daemon, &config->guard);
	endpoints_unreserve(&endpoints);
	endpoints_free(&daemon->endpoints);
	config_release(daemon->config);
	daemon->endpoints = endpoints;
	daemon->config = config;
	store_use_keys(config);
	shared_tickets_use(daemon->tickets, config);
	stored_certificates_use(daemon->certificates, config);
	store_users_follow(daemon->users, config);
	return 0;
}

/* A bit for each service. */
#define SERVICES_ALL ((1u << SERVICE_COUNT) - 1)

/*
 * Returns a bit for each service whose servers must be opened again; sessions of the others stay. A
 * server keeps the log and the bounds that it was opened with. After root was given up an address
 * cannot be opened a second time, so these change at the next start only.
 */
static unsigned serve_changed_services(struct daemon *daemon, struct config *config)
{
	const struct config *old = daemon->config;
	bool same_mail = config_mail_same(&config->mail, &old->mail);
	bool same_dns = config_dns_same(&config->dns, &old->dns);
	bool same_limits = memcmp(&config->limits, &old->limits, sizeof old->limits) == 0;
	unsigned changed = same_limits ? 0 : SERVICES_ALL;
	if (config->workers && config->workers != daemon->worker_count)
		say_at(WEIR_LOG_WARNING, "the number of workers changes at the next start");
	if (!config_dns_same_cache(&config->dns, &old->dns))
		say_at(WEIR_LOG_WARNING, "the cache of DNS changes at the next start");
	for (unsigned i = 0; i < SERVICE_COUNT; i++)
		if (!config_same_log(config, old, service_infos[i].log))
			changed |= 1u << i;
	/* All servers of mail must have the same mailboxes. */
	if (!same_mail)
		changed |= 1u << SERVICE_SMTP | 1u << SERVICE_POP3;
	if (!same_dns)
		changed |= 1u << SERVICE_DNS;
	if (!changed || !daemon->dropped)
		return changed;
	say_at(WEIR_LOG_WARNING,
	        "limits, logs, and settings of mail and DNS other than zones, keys and cookies change at "
	        "the next start, for addresses that are open already");
	/* All servers of mail, and the reports of the relay, must have the same mailboxes. */
	mail_shared_use(config, old);
	return 0;
}

int serve_listen_admin(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	int error = admin_listen(daemon->admin, config->user, config->admin.path);
	int http_error = admin_http_listen(daemon->admin_http, &config->admin);
	return error < 0 ? error : http_error;
}

int serve_use_config(struct daemon *daemon, struct config *config)
{
	if (!store_same(config, daemon->config)) {
		say("a change of 'store', or of its password, needs a restart");
		config_release(config);
		return -EINVAL;
	}
	enum weir_log_level level = weir_log_level();
	log_configure(config);
	int error = serve_config(daemon, config, serve_changed_services(daemon, config));
	if (error < 0) {
		log_configure(daemon->config);
		weir_log_set_level(level); /* the console may have changed it */
		return error;
	}
	mail_relay_update(daemon->relay, daemon->config);
	dns_shared_update(daemon->dns, daemon->config, false);
	say_log_use(daemon->loop, daemon->config);
	if (serve_listen_admin(daemon) < 0)
		say_at(WEIR_LOG_WARNING, "the admin listener stays where it was");
	return 0;
}
