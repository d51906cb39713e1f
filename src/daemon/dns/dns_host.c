/*
 * Invariant: `zones` consists of the zones of `config` and of those that the secondaries have, and
 * is never NULL; `notified` is the set of the last notifications. The lock is for other threads
 * that take the set.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <weir/dns_lookup.h>
#include <weir/dns_secondary.h>
#include <weir/error.h>
#include <weir/log.h>

#include "config_dns.h"
#include "config_zones.h"
#include "dns_host.h"
#include "dns_log.h"
#include "log_file.h"
#include "resources.h"
#include "say.h"

struct dns_host {
	struct weir_loop *loop;
	void (*renew)(void *context);
	void *context;
	struct weir_dns_notifier *notifier;
	struct weir_dns_secondaries *secondaries;
	struct config *config; /* a reference; NULL at first */
	struct weir_log *log;  /* or NULL */
	struct weir_dns_zones *notified;
	struct weir_dns_zones *zones;
	struct weir_dns_cache *cache; /* NULL: nothing was looked up yet */
	pthread_mutex_t lock;         /* of `zones` and `cache` */
};

static void dns_host_note(void *context, const struct weir_dns_event *event)
{
	struct dns_host *host = context;
	dns_log(host->log, host->loop, "dns", event);
}

/* -- the set ----------------------------------------------------------------------------------- */

struct weir_dns_zones *dns_host_zones(struct dns_host *host)
{
	pthread_mutex_lock(&host->lock);
	struct weir_dns_zones *zones = weir_dns_zones_hold(host->zones);
	pthread_mutex_unlock(&host->lock);
	return zones;
}

int dns_host_cache(struct dns_host *host, const struct config_dns *dns, struct weir_dns_cache **ret)
{
	const struct weir_dns_cache_options options = {
	        .bytes = dns->cache.size,
	        .stale_s = (uint32_t)(dns->cache.stale_ms / 1000),
	        .never_stale = dns->cache.stale_ms == 0,
	};
	pthread_mutex_lock(&host->lock);
	int error = host->cache ? 0 : weir_dns_cache_create(&options, &host->cache);
	if (error == 0)
		*ret = weir_dns_cache_hold(host->cache);
	pthread_mutex_unlock(&host->lock);
	return error;
}

struct weir_dns_cache *dns_host_cache_in_use(struct dns_host *host)
{
	pthread_mutex_lock(&host->lock);
	struct weir_dns_cache *cache = host->cache ? weir_dns_cache_hold(host->cache) : NULL;
	pthread_mutex_unlock(&host->lock);
	return cache;
}

bool dns_host_cache_counters(struct dns_host *host, struct weir_dns_cache_counters *ret)
{
	struct weir_dns_cache *cache = dns_host_cache_in_use(host);
	if (!cache)
		return false;
	weir_dns_cache_counters(cache, ret);
	weir_dns_cache_release(cache);
	return true;
}

static void dns_host_set_zones(struct dns_host *host, struct weir_dns_zones *zones)
{
	pthread_mutex_lock(&host->lock);
	struct weir_dns_zones *old = host->zones;
	host->zones = zones;
	pthread_mutex_unlock(&host->lock);
	weir_dns_zones_release(old);
}

/* Returns the version of a zone that is served. */
static struct weir_dns_zone *dns_host_zone_of(void *context, const struct config_zone *zone)
{
	const struct dns_host *host = context;
	return zone->primaries.count ? weir_dns_secondaries_zone(host->secondaries, &zone->name)
	                             : zone->zone;
}

static int dns_host_make_zones(struct dns_host *host, const struct config *config)
{
	struct weir_dns_zones *zones;
	int error = config_zones_set(&config->dns, dns_host_zone_of, host, &zones);
	if (error < 0)
		say("cannot serve the zones: %s", weir_error_text(error));
	else
		dns_host_set_zones(host, zones);
	return error;
}

void dns_host_notify(struct dns_host *host)
{
	weir_dns_notifier_notify(host->notifier, host->notified, host->zones);
	weir_dns_zones_release(host->notified);
	host->notified = weir_dns_zones_hold(host->zones);
}

static void dns_host_on_changed(void *context)
{
	struct dns_host *host = context;
	if (!host->config || dns_host_make_zones(host, host->config) < 0)
		return;
	host->renew(host->context);
	dns_host_notify(host);
}

/* -- secondaries ------------------------------------------------------------------------------- */

static void dns_host_add_secondary(const struct config_dns *dns, const struct config_zone *zone,
        struct weir_dns_secondary_options *ret)
{
	const struct config_dns_key *key = zone->key.size ? config_dns_key(dns, &zone->key) : NULL;
	*ret = (struct weir_dns_secondary_options){
	        .name = zone->name,
	        .primaries = zone->primaries.items,
	        .primary_count = zone->primaries.count,
	        .key = key ? &key->key : NULL,
	        .path = zone->path,
	};
}

static int dns_host_set_secondaries(struct dns_host *host, const struct config *config, bool wait)
{
	const struct config_dns *dns = &config->dns;
	struct weir_dns_secondary_options *options = calloc(dns->zones.count + 1, sizeof *options);
	size_t count = 0;
	if (!options)
		return -ENOMEM;
	for (size_t i = 0; i < dns->zones.count; i++)
		if (dns->zones.items[i].primaries.count)
			dns_host_add_secondary(dns, &dns->zones.items[i], &options[count++]);
	int error = count && dns->directory ? resources_make_directory(config, dns->directory) : 0;
	if (error < 0)
		say("cannot keep zones in %s: %s", dns->directory, weir_error_text(error));
	/* The files belong to the user, who could have replaced them by links. */
	else if ((error = resources_lend(config->user)) == 0) {
		error = weir_dns_secondaries_set(host->secondaries, options, count, wait);
		resources_return();
		if (error < 0)
			say("cannot be a secondary of the zones: %s", weir_error_text(error));
	}
	free(options);
	return error;
}

unsigned dns_host_notified(void *context, const struct weir_dns_name *zone,
        const struct weir_address *peer, const struct weir_dns_tsig *tsig)
{
	struct dns_host *host = context;
	return weir_dns_secondaries_notified(host->secondaries, zone, peer, tsig);
}

/* -- the log ----------------------------------------------------------------------------------- */

static bool dns_host_same_log(const struct config *a, const struct config *b)
{
	const char *one = a ? a->logs[LOG_DNS] : NULL, *other = b->logs[LOG_DNS];
	return one == other || (one && other && strcmp(one, other) == 0);
}

/* Keeps the old log if the new one cannot be opened. */
static int dns_host_open_log(struct dns_host *host, const char *user, const char *path)
{
	struct weir_log *log = NULL;
	int error = path ? log_create(host->loop, user, path, &log) : 0;
	if (error < 0)
		return error;
	weir_log_destroy(host->log);
	host->log = log;
	return 0;
}

void dns_host_reopen_log(struct dns_host *host)
{
	int error = host->log ? weir_log_reopen(host->log) : 0;
	if (error < 0)
		say("cannot reopen the log %s: %s; logging goes on in the old file",
		        host->config->logs[LOG_DNS], weir_error_text(error));
}

/* -- life -------------------------------------------------------------------------------------- */

int dns_host_update(struct dns_host *host, struct config *config, bool starting)
{
	int error = 0;
	if (!dns_host_same_log(host->config, config))
		error = dns_host_open_log(host, config->user, config->logs[LOG_DNS]);
	if (error < 0 && starting)
		return error;
	if (host->log)
		weir_log_set_format(host->log, (enum weir_log_format)config->log_format);
	error = dns_host_set_secondaries(host, config, starting);
	if (error == 0)
		error = dns_host_make_zones(host, config);
	if (error < 0)
		return error;
	config_release(host->config);
	host->config = config_hold(config);
	if (!starting) {
		host->renew(host->context);
		dns_host_notify(host);
	}
#ifdef __GLIBC__
	/* Memory from loading large zones would otherwise stay in this process, fragmented. */
	malloc_trim(0);
#endif
	return 0;
}

static int dns_host_equip(struct dns_host *host)
{
	const struct weir_dns_secondaries_options options = {
	        .changed = dns_host_on_changed, .log = dns_host_note, .context = host};
	int error = weir_dns_zones_create(NULL, 0, &host->zones);
	if (error < 0)
		return error;
	host->notified = weir_dns_zones_hold(host->zones);
	error = weir_dns_notifier_create(host->loop, dns_host_note, host, &host->notifier);
	if (error == 0)
		error = weir_dns_secondaries_create(host->loop, &options, &host->secondaries);
	return error;
}

int dns_host_create(
        struct weir_loop *loop, void (*renew)(void *context), void *context, struct dns_host **ret)
{
	struct dns_host *host = calloc(1, sizeof *host);
	int error = host ? 0 : -ENOMEM;
	if (error == 0) {
		pthread_mutex_init(&host->lock, NULL);
		host->loop = loop;
		host->renew = renew;
		host->context = context;
		error = dns_host_equip(host);
	}
	if (error < 0) {
		say("out of memory");
		dns_host_destroy(host);
		return error;
	}
	*ret = host;
	return 0;
}

void dns_host_destroy(struct dns_host *host)
{
	if (!host)
		return;
	weir_dns_secondaries_destroy(host->secondaries);
	weir_dns_notifier_destroy(host->notifier);
	weir_dns_zones_release(host->notified);
	weir_dns_zones_release(host->zones);
	weir_dns_cache_release(host->cache);
	weir_log_destroy(host->log);
	config_release(host->config);
	pthread_mutex_destroy(&host->lock);
	free(host);
}
