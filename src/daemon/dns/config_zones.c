/*
 * Loads zones. Invariant: either all zones without primaries are loaded, or loading has failed; a
 * zone that was served before is never lost.
 *
 * A zone is not loaded again if stat(2) shows no change of its file. It is loaded anyway if the
 * file changed so recently that a further change could have the same time, or if the zone has
 * several files.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <weir/error.h>
#include <weir/peers.h>

#include "config_dns.h"
#include "say.h"
#include "sources.h"
#include "store.h"

/* The clocks of all file systems are finer. */
#define RECENT_NS 2000000000

void config_zones_release(struct config_dns *dns)
{
	for (size_t i = 0; i < dns->zones.count; i++) {
		weir_dns_zone_release(dns->zones.items[i].zone);
		dns->zones.items[i].zone = NULL;
	}
	free(dns->by_name);
	dns->by_name = NULL;
}

/* -- by name ----------------------------------------------------------------------------------- */

static int config_zones_compare(const void *left, const void *right)
{
	const struct config_zone *const *a = left, *const *b = right;
	return weir_dns_name_compare(&(*a)->name, &(*b)->name);
}

struct config_zone *config_zones_find(
        const struct config_dns *dns, const struct weir_dns_name *name)
{
	const struct config_zone wanted = {.name = *name}, *key = &wanted;
	struct config_zone **found = dns->by_name ? bsearch(&key, dns->by_name, dns->zones.count,
	                                                    sizeof key, config_zones_compare)
	                                          : NULL;
	return found ? *found : NULL;
}

static int config_zones_sort(struct config_dns *dns, config_dns_report *report, void *context)
{
	int error = 0;
	size_t count = dns->zones.count;
	free(dns->by_name);
	dns->by_name = calloc(count + 1, sizeof *dns->by_name);
	if (!dns->by_name)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		dns->by_name[i] = &dns->zones.items[i];
	qsort(dns->by_name, count, sizeof *dns->by_name, config_zones_compare);
	for (size_t i = 1; i < count; i++) {
		if (config_zones_compare(&dns->by_name[i - 1], &dns->by_name[i]) != 0)
			continue;
		report(context, dns->by_name[i], "", 0, "this zone stands here a second time");
		error = WEIR_E_SYNTAX;
	}
	return error;
}

/* -- files ------------------------------------------------------------------------------------- */

static int64_t config_zones_nanoseconds(struct timespec time)
{
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static struct config_stamp config_zones_stamp(const char *path)
{
	struct stat status;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (stat(path, &status) < 0)
		return (struct config_stamp){0};
	struct config_stamp config_zones_stamp = {
	        .device = status.st_dev,
	        .inode = status.st_ino,
	        .size = (uint64_t)status.st_size,
	        .modified_ns = config_zones_nanoseconds(status.st_mtim),
	        .changed_ns = config_zones_nanoseconds(status.st_ctim),
	};
	if (config_zones_nanoseconds(now) - config_zones_stamp.changed_ns < RECENT_NS)
		config_zones_stamp.modified_ns = config_zones_stamp.changed_ns = 0;
	return config_zones_stamp;
}

static bool config_zones_is_unchanged(
        const struct config_zone *zone, const struct config_zone *before)
{
	const struct config_stamp *a = &zone->stamp, *b = &before->stamp;
	struct weir_dns_zone_info info;
	weir_dns_zone_info(before->zone, &info);
	return !info.includes && a->changed_ns && a->device == b->device && a->inode == b->inode &&
	       a->size == b->size && a->modified_ns == b->modified_ns &&
	       a->changed_ns == b->changed_ns;
}

struct telling {
	const struct config_zone *zone;
	config_dns_report *report; /* NULL: print the mistake */
	void *context;
};

static void config_zones_pass_on(void *context, const char *path, unsigned line, const char *text)
{
	const struct telling *telling = context;
	if (telling->report)
		telling->report(telling->context, telling->zone, path, line, text);
	else if (line)
		say("%s:%u: %s", path, line, text);
	else
		say("%s: %s", path, text);
}

/* Other servers recognise a new version by its serial number alone. */
static void config_zones_warn_of_serial(
        const struct config_zone *zone, const struct config_zone *before)
{
	struct weir_dns_zone_info now, then;
	weir_dns_zone_info(zone->zone, &now);
	weir_dns_zone_info(before->zone, &then);
	if ((int32_t)(now.serial - then.serial) < 0)
		say_at(WEIR_LOG_WARNING,
		        "%s: warning: the serial number goes back from %u to %u: other servers will not "
		        "take this version until it is larger",
		        zone->path, then.serial, now.serial);
	else if (now.serial == then.serial && !weir_dns_zone_equal(zone->zone, before->zone))
		say_at(WEIR_LOG_WARNING,
		        "%s: warning: the zone has changed, and its serial number is still %u: other "
		        "servers will not take this version until it is larger",
		        zone->path, now.serial);
}

/* `before` is the same zone of the previous configuration, or NULL. */
static int config_zones_load_file(struct config_zone *zone, const struct config_zone *before,
        config_dns_report *report, void *context)
{
	char name[WEIR_DNS_TEXT_MAX];
	struct telling telling = {zone, before ? NULL : report, context};
	zone->stamp = config_zones_stamp(zone->path);
	if (before && config_zones_is_unchanged(zone, before)) {
		zone->zone = weir_dns_zone_hold(before->zone);
		return 0;
	}
	int error = weir_dns_zone_load(
	        zone->path, &zone->name, config_zones_pass_on, &telling, &zone->zone);
	/* Without memory for the history, secondaries are sent the whole zone. */
	if (error == 0 && before) {
		config_zones_warn_of_serial(zone, before);
		weir_dns_zone_follow(zone->zone, before->zone);
	}
	if (error == 0 || !before)
		return error;
	weir_dns_name_format(&zone->name, name);
	say_at(WEIR_LOG_WARNING, "the zone %s keeps its previous version", name);
	zone->zone = weir_dns_zone_hold(before->zone);
	zone->stamp = (struct config_stamp){0};
	return 0;
}

/* -- a set ------------------------------------------------------------------------------------ */

static struct weir_dns_policy config_zones_policy_of(const struct config_transfer *transfer,
        const struct weir_address *notify, size_t notify_count)
{
	return (struct weir_dns_policy){
	        .networks = transfer->networks.items,
	        .network_count = transfer->networks.count,
	        .keys = transfer->keys.items,
	        .key_count = transfer->keys.count,
	        .both = transfer->both,
	        .notify = notify,
	        .notify_count = notify_count,
	};
}

/* Returns the number of entries. */
static size_t config_zones_add_stored(const struct config_dns *dns,
        const struct config_zones_versions *versions, struct weir_dns_zone_entry *entries)
{
	const struct config_stored_zones *policy = &dns->stored;
	size_t used = 0;
	for (size_t i = 0; i < versions->stored_count; i++) {
		struct weir_dns_zone *zone = versions->stored(versions->context, i);
		struct weir_dns_zone_info info;
		if (!zone)
			continue;
		weir_dns_zone_info(zone, &info);
		if (config_zones_find(dns, &info.name))
			continue;
		entries[used++] = (struct weir_dns_zone_entry){
		        zone, config_zones_policy_of(&policy->transfer, policy->notify.items,
		                      policy->notify.count)};
	}
	return used;
}

int config_zones_set(const struct config_dns *dns, const struct config_zones_versions *versions,
        struct weir_dns_zones **ret)
{
	size_t count = dns->zones.count;
	struct weir_dns_zone_entry *entries =
	        calloc(count + versions->stored_count + 1, sizeof *entries);
	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct config_zone *zone = &dns->zones.items[i];
		entries[i] =
		        (struct weir_dns_zone_entry){versions->configured(versions->context, zone),
		                config_zones_policy_of(
		                        &zone->transfer, zone->notify.items, zone->notify.count)};
	}
	count += config_zones_add_stored(dns, versions, entries + count);
	int error = weir_dns_zones_create(entries, count, ret);
	free(entries);
	return error;
}

/* -- all of them ------------------------------------------------------------------------------- */

static int config_zones_check_key(const struct config_dns *dns, const struct config_zone *zone,
        const struct weir_dns_name *key, config_dns_report *report, void *context)
{
	char name[WEIR_DNS_TEXT_MAX], text[WEIR_DNS_TEXT_MAX + 64];
	if (config_dns_key(dns, key))
		return 0;
	weir_dns_name_format(key, name);
	snprintf(text, sizeof text, "there is no key '%s' in 'keys'", name);
	report(context, zone, "", 0, text);
	return WEIR_E_SYNTAX;
}

/* Keys of the database, which transfers to other servers may use, are not known here. */
static int config_zones_check_keys(const struct config_dns *dns, const struct config_zone *zone,
        bool has_stored, config_dns_report *report, void *context)
{
	int error =
	        zone->key.size ? config_zones_check_key(dns, zone, &zone->key, report, context) : 0;
	for (size_t i = 0; i < zone->transfer.keys.count && !has_stored; i++) {
		int other = config_zones_check_key(
		        dns, zone, &zone->transfer.keys.items[i], report, context);
		error = error ? error : other;
	}
	return error;
}

static int load_all(struct config_dns *dns, const struct config_dns *previous, bool has_stored,
        config_dns_report *report, void *context)
{
	int first_error = config_zones_sort(dns, report, context);
	if (first_error == -ENOMEM) {
		report(context, NULL, "", 0, weir_error_text(first_error));
		return first_error;
	}
	/* All zones are loaded, so that all mistakes are reported. */
	for (size_t i = 0; i < dns->zones.count; i++) {
		struct config_zone *zone = &dns->zones.items[i];
		const struct config_zone *before =
		        previous ? config_zones_find(previous, &zone->name) : NULL;
		int error = config_zones_check_keys(dns, zone, has_stored, report, context);
		int unread = 0;
		if (!zone->zone && !zone->primaries.count)
			unread = config_zones_load_file(
			        zone, before && before->zone ? before : NULL, report, context);
		error = error ? error : unread;
		first_error = first_error ? first_error : error;
	}
	return first_error;
}

/* `what` is the key or zone that the file is for, or NULL. */
static bool config_zones_leave_file(
        const char *path, const void *what, config_dns_report *report, void *context)
{
	int error;
	bool left = sources_leave(path, &error);
	if (error < 0 && report)
		report(context, what, path, 0, weir_error_text(error));
	return left;
}

/* A server that has a version of a zone keeps it while the file is missing. */
static bool config_zones_keeps(const struct config_dns *previous, const struct config_zone *zone)
{
	const struct config_zone *before =
	        previous ? config_zones_find(previous, &zone->name) : NULL;
	return before && before->primaries.count == 0;
}

/* See sources_leave. */
static bool config_zones_leave(const struct config_dns *dns, const struct config_dns *previous,
        config_dns_report *report, void *context)
{
	for (size_t i = 0; i < dns->keys.count; i++)
		config_zones_leave_file(
		        dns->keys.items[i].secret_path, &dns->keys.items[i], report, context);
	for (size_t i = 0; i < dns->zones.count; i++) {
		const struct config_zone *zone = &dns->zones.items[i];
		bool keeps = config_zones_keeps(previous, zone);
		if (zone->primaries.count == 0)
			config_zones_leave_file(zone->path, zone, keeps ? NULL : report, context);
	}
	return config_zones_leave_file(dns->secrets_path, NULL, report, context);
}

int config_dns_load(struct config *config, const struct config *previous, config_dns_report *report,
        void *context)
{
	struct config_dns *dns = &config->dns;
	const struct config_dns *old = previous ? &previous->dns : NULL;
	if (config_zones_leave(dns, old, report, context))
		return config_zones_sort(dns, report, context);
	int keys = config_dns_load_keys(dns, report, context);
	int secrets = config_dns_load_secrets(dns, old, report, context);
	int zones = load_all(dns, old, store_has(config, STORE_KEYS), report, context);
	return keys ? keys : secrets ? secrets : zones;
}

void config_dns_release(struct config *config)
{
	struct config_dns *dns = &config->dns;
	config_zones_release(dns);
	weir_dns_keys_release(dns->keyring);
	weir_peers_release(dns->peers);
	for (size_t i = 0; i < dns->keys.count; i++) {
		struct config_dns_key *key = &dns->keys.items[i];
		explicit_bzero(key->key.secret, sizeof key->key.secret);
		if (key->secret)
			explicit_bzero((void *)(uintptr_t)key->secret, strlen(key->secret));
	}
	explicit_bzero(dns->secrets, sizeof dns->secrets);
}
