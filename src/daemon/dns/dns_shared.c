/*
 * DNS of the whole process: zones, secondaries and notifications.
 *
 * Invariant: `zones` consists of the zones of `config` and of those that the secondaries have, and
 * is never NULL; `notified` is the set of the last notifications. The lock is for other threads
 * that hold the set.
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

#include "acme_overlay.h"
#include "config_dns.h"
#include "dns_stored.h"
#include "log_file.h"
#include "resources.h"
#include "say.h"
#include "service_dns.h"

struct dns_shared {
	struct weir_loop *loop;
	void (*renew)(void *context);
	void *context;
	struct weir_dns_notifier *notifier;
	struct weir_dns_secondaries *secondaries;
	struct dns_stored *stored; /* or NULL */
	struct config *config;     /* a reference; NULL at first */
	const struct config *next; /* that zones are made for */
	struct weir_log *log;      /* or NULL */
	struct weir_dns_zones *notified;
	struct weir_dns_zones *zones;
	struct weir_dns_cache *cache; /* NULL: nothing was looked up yet */
	struct acme_overlay overlay;  /* proofs of names, for certificates */
	struct weir_timer look;       /* for such proofs */
	pthread_mutex_t lock;         /* of `zones` and `cache` */
};

/* -- log --------------------------------------------------------------------------------------- */

static const char *const dns_shared_event_names[] = {
        [WEIR_DNS_TRANSFERRED] = "transferred",
        [WEIR_DNS_TRANSFER_FAILED] = "transfer-failed",
        [WEIR_DNS_TRANSFER_REFUSED] = "transfer-refused",
        [WEIR_DNS_NOTIFIED] = "notified",
        [WEIR_DNS_NOTIFY_FAILED] = "notify-failed",
        [WEIR_DNS_RESTORED] = "restored",
        [WEIR_DNS_FETCHED] = "fetched",
        [WEIR_DNS_FETCH_FAILED] = "fetch-failed",
        [WEIR_DNS_EXPIRED] = "expired",
        [WEIR_DNS_KEEP_FAILED] = "keep-failed",
};

static bool dns_shared_is_transfer(const struct weir_dns_event *event)
{
	return event->kind == WEIR_DNS_TRANSFERRED || event->kind == WEIR_DNS_TRANSFER_FAILED ||
	       event->kind == WEIR_DNS_FETCHED;
}

void dns_shared_log(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_dns_event *event)
{
	struct log_line line;
	char zone[WEIR_DNS_TEXT_MAX];
	if (!log)
		return;
	log_line_begin(&line, log, loop, event->why ? WEIR_LOG_WARNING : WEIR_LOG_INFO, name,
	        dns_shared_event_names[event->kind]);
	if (event->peer)
		log_line_add_peer(&line, event->peer, false);
	weir_dns_name_format(event->zone, zone);
	log_line_add_known(&line, "zone", weir_span_of(zone));
	if (event->serial)
		log_line_add(&line, " serial=%u", event->serial);
	if (dns_shared_is_transfer(event))
		log_line_add(&line, " bytes=%llu", (unsigned long long)event->bytes);
	if (event->rcode)
		log_line_add(&line, " rcode=%u", event->rcode);
	if (event->why)
		log_line_add_known(&line, "error", weir_span_of(event->why));
	log_line_end(&line);
}

static void dns_shared_log_event(void *context, const struct weir_dns_event *event)
{
	struct dns_shared *shared = context;
	dns_shared_log(shared->log, shared->loop, "dns", event);
}

/* -- the set ----------------------------------------------------------------------------------- */

struct weir_dns_zones *dns_shared_zones(struct dns_shared *shared)
{
	pthread_mutex_lock(&shared->lock);
	struct weir_dns_zones *zones = weir_dns_zones_hold(shared->zones);
	pthread_mutex_unlock(&shared->lock);
	return zones;
}

int dns_shared_cache(
        struct dns_shared *shared, const struct config_dns *dns, struct weir_dns_cache **ret)
{
	struct weir_dns_cache_options options;
	weir_dns_cache_options_init(&options);
	options.bytes = dns->cache.size;
	options.stale = dns->cache.stale_ms != 0;
	options.stale_s = (uint32_t)(dns->cache.stale_ms / 1000);
	pthread_mutex_lock(&shared->lock);
	int error = shared->cache ? 0 : weir_dns_cache_create(&options, &shared->cache);
	if (error == 0)
		*ret = weir_dns_cache_hold(shared->cache);
	pthread_mutex_unlock(&shared->lock);
	return error;
}

struct weir_dns_cache *dns_shared_cache_in_use(struct dns_shared *shared)
{
	pthread_mutex_lock(&shared->lock);
	struct weir_dns_cache *cache = shared->cache ? weir_dns_cache_hold(shared->cache) : NULL;
	pthread_mutex_unlock(&shared->lock);
	return cache;
}

bool dns_shared_cache_counters(struct dns_shared *shared, struct weir_dns_cache_counters *ret)
{
	struct weir_dns_cache *cache = dns_shared_cache_in_use(shared);
	if (!cache)
		return false;
	weir_dns_cache_counters(cache, ret);
	weir_dns_cache_release(cache);
	return true;
}

static void dns_shared_set_zones(struct dns_shared *shared, struct weir_dns_zones *zones)
{
	pthread_mutex_lock(&shared->lock);
	struct weir_dns_zones *old = shared->zones;
	shared->zones = zones;
	pthread_mutex_unlock(&shared->lock);
	weir_dns_zones_release(old);
}

/* Returns the version of a zone that is served. */
static struct weir_dns_zone *dns_shared_zone_of(void *context, const struct config_zone *zone)
{
	struct dns_shared *shared = context;
	return zone->primaries.count
	               ? weir_dns_secondaries_zone(shared->secondaries, &zone->name)
	               : acme_overlay_zone(&shared->overlay, shared->next, zone->zone);
}

static struct weir_dns_zone *dns_shared_stored_zone(void *context, size_t index)
{
	struct dns_shared *shared = context;
	return acme_overlay_zone(
	        &shared->overlay, shared->next, dns_stored_zone(shared->stored, index));
}

static int dns_shared_make_zones(struct dns_shared *shared, const struct config *config)
{
	struct weir_dns_zones *zones;
	struct config_zones_versions versions = {
	        .configured = dns_shared_zone_of,
	        .stored = dns_shared_stored_zone,
	        .stored_count = dns_stored_count(shared->stored),
	        .context = shared,
	};
	shared->next = config;
	int error = config_zones_set(&config->dns, &versions, &zones);
	if (error < 0)
		say("cannot serve the zones: %s", weir_error_text(error));
	else
		dns_shared_set_zones(shared, zones);
	return error;
}

void dns_shared_notify(struct dns_shared *shared)
{
	weir_dns_notifier_notify(shared->notifier, shared->notified, shared->zones);
	weir_dns_zones_release(shared->notified);
	shared->notified = weir_dns_zones_hold(shared->zones);
}

static void dns_shared_on_changed(void *context)
{
	struct dns_shared *shared = context;
	if (!shared->config || dns_shared_make_zones(shared, shared->config) < 0)
		return;
	shared->renew(shared->context);
	dns_shared_notify(shared);
}

/* -- the database ------------------------------------------------------------------------------ */

struct dns_stored *dns_shared_stored(struct dns_shared *shared)
{
	return shared ? shared->stored : NULL;
}

/* -- proofs ------------------------------------------------------------------------------------ */

static void dns_shared_on_look(struct weir_timer *timer)
{
	struct dns_shared *shared = WEIR_CONTAINER(timer, struct dns_shared, look);
	if (acme_overlay_look(&shared->overlay, shared->config))
		dns_shared_on_changed(shared);
	weir_timer_start(shared->loop, timer, ACME_OVERLAY_LOOK_MS, dns_shared_on_look);
}

static void dns_shared_watch_proofs(struct dns_shared *shared)
{
	if (acme_overlay_wanted(shared->config))
		weir_timer_start(
		        shared->loop, &shared->look, ACME_OVERLAY_LOOK_MS, dns_shared_on_look);
	else
		weir_timer_stop(&shared->look);
}

/* -- secondaries ------------------------------------------------------------------------------- */

static void dns_shared_add_secondary(const struct config_dns *dns, const struct config_zone *zone,
        struct weir_dns_secondary_options *ret)
{
	const struct config_dns_key *key = zone->key.size ? config_dns_key(dns, &zone->key) : NULL;
	weir_dns_secondary_options_init(ret);
	ret->name = zone->name;
	ret->primaries = zone->primaries.items;
	ret->primary_count = zone->primaries.count;
	ret->key = key ? &key->key : NULL;
	ret->path = zone->path;
}

static int dns_shared_set_secondaries(
        struct dns_shared *shared, const struct config *config, bool wait)
{
	const struct config_dns *dns = &config->dns;
	struct weir_dns_secondary_options *options = calloc(dns->zones.count + 1, sizeof *options);
	size_t count = 0;
	if (!options)
		return -ENOMEM;
	for (size_t i = 0; i < dns->zones.count; i++)
		if (dns->zones.items[i].primaries.count)
			dns_shared_add_secondary(dns, &dns->zones.items[i], &options[count++]);
	int error = count && dns->directory ? resources_make_directory(config, dns->directory) : 0;
	if (error < 0)
		say("cannot keep zones in %s: %s", dns->directory, weir_error_text(error));
	/* The files belong to the user, who could have replaced them by links. */
	else if ((error = resources_lend(config->user)) == 0) {
		error = weir_dns_secondaries_set(shared->secondaries, options, count, wait);
		resources_return();
		if (error < 0)
			say("cannot be a secondary of the zones: %s", weir_error_text(error));
	}
	free(options);
	return error;
}

unsigned dns_shared_notified(void *context, const struct weir_dns_name *zone,
        const struct weir_address *peer, const struct weir_dns_tsig *tsig)
{
	struct dns_shared *shared = context;
	return weir_dns_secondaries_notified(shared->secondaries, zone, peer, tsig);
}

/* -- the log ----------------------------------------------------------------------------------- */

static bool dns_shared_same_log(const struct config *a, const struct config *b)
{
	const char *one = a ? a->logs[LOG_DNS] : NULL, *other = b->logs[LOG_DNS];
	return one == other || (one && other && strcmp(one, other) == 0);
}

/* Keeps the old log if the new one cannot be opened. */
static int dns_shared_open_log(struct dns_shared *shared, const char *user, const char *path)
{
	struct weir_log *log = NULL;
	int error = path ? log_create(shared->loop, user, path, &log) : 0;
	if (error < 0)
		return error;
	weir_log_destroy(shared->log);
	shared->log = log;
	return 0;
}

void dns_shared_reopen_log(struct dns_shared *shared)
{
	int error = shared->log ? weir_log_reopen(shared->log) : 0;
	if (error < 0)
		say("cannot reopen the log %s: %s; logging goes on in the old file",
		        shared->config->logs[LOG_DNS], weir_error_text(error));
}

/* -- life -------------------------------------------------------------------------------------- */

int dns_shared_update(struct dns_shared *shared, struct config *config, bool starting)
{
	int error = 0;
	if (!dns_shared_same_log(shared->config, config))
		error = dns_shared_open_log(shared, config->user, config->logs[LOG_DNS]);
	if (error < 0 && starting)
		return error;
	if (shared->log)
		log_use_format(shared->log, (enum weir_log_format)config->log_format);
	if (error == 0 && !shared->stored && config_dns_is_served(config))
		error = dns_stored_create(
		        shared->loop, config, dns_shared_on_changed, shared, &shared->stored);
	if (error == 0)
		error = dns_shared_set_secondaries(shared, config, starting);
	acme_overlay_look(&shared->overlay, config);
	if (error == 0)
		error = dns_shared_make_zones(shared, config);
	if (error < 0)
		return error;
	config_release(shared->config);
	shared->config = config_hold(config);
	dns_shared_watch_proofs(shared);
	if (!starting) {
		shared->renew(shared->context);
		dns_shared_notify(shared);
	}
#ifdef __GLIBC__
	/* Memory from loading large zones would otherwise stay in this process, fragmented. */
	malloc_trim(0);
#endif
	return 0;
}

static int dns_shared_equip(struct dns_shared *shared)
{
	struct weir_dns_secondaries_options options;
	weir_dns_secondaries_options_init(&options);
	options.changed = dns_shared_on_changed;
	options.log = dns_shared_log_event;
	options.context = shared;
	int error = weir_dns_zones_create(NULL, 0, &shared->zones);
	if (error < 0)
		return error;
	shared->notified = weir_dns_zones_hold(shared->zones);
	error = weir_dns_notifier_create(
	        shared->loop, dns_shared_log_event, shared, &shared->notifier);
	if (error == 0)
		error = weir_dns_secondaries_create(shared->loop, &options, &shared->secondaries);
	return error;
}

int dns_shared_create(struct weir_loop *loop, void (*renew)(void *context), void *context,
        struct dns_shared **ret)
{
	struct dns_shared *shared = calloc(1, sizeof *shared);
	int error = shared ? 0 : -ENOMEM;
	if (error == 0) {
		pthread_mutex_init(&shared->lock, NULL);
		weir_list_init(&shared->look.link);
		shared->loop = loop;
		shared->renew = renew;
		shared->context = context;
		error = dns_shared_equip(shared);
	}
	if (error < 0) {
		say("out of memory");
		dns_shared_destroy(shared);
		return error;
	}
	*ret = shared;
	return 0;
}

void dns_shared_destroy(struct dns_shared *shared)
{
	if (!shared)
		return;
	dns_stored_destroy(shared->stored);
	weir_dns_secondaries_destroy(shared->secondaries);
	weir_dns_notifier_destroy(shared->notifier);
	weir_dns_zones_release(shared->notified);
	weir_dns_zones_release(shared->zones);
	weir_dns_cache_release(shared->cache);
	weir_log_destroy(shared->log);
	weir_timer_stop(&shared->look);
	acme_overlay_finish(&shared->overlay);
	config_release(shared->config);
	pthread_mutex_destroy(&shared->lock);
	free(shared);
}
