/*
 * Invariant: `zones` are those of the last list, sorted by name; each has the newest version that
 * could be read. One zone is read at a time, so that the memory for texts is bounded: first those
 * that have a copy on disk, since a database that is away would hold up the others. The lock is for
 * the keys, which workers ask for.
 */
#include "dns_stored.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/database_copy.h>
#include <weir/database_snapshot.h>
#include <weir/error.h>
#include <weir/loop.h>

#include "config_dns.h"
#include "helper.h"
#include "say.h"
#include "store.h"
#include "stored_cookies.h"
#include "stored_list.h"
#include "stored_sweep.h"
#include "stored_zone.h"

struct dns_stored {
	struct weir_loop *loop;
	struct weir_database *database;
	void (*changed)(void *context);
	void *context;
	struct weir_database_snapshot *snapshot;
	struct stored_cookies *cookies;            /* or NULL */
	bool has_zones, has_keys;                  /* the parts that are in the database */
	char *directory;                           /* of the copies, or NULL */
	struct weir_database_copy_reports reports; /* of the zones' copies */
	struct stored_sweep *sweep; /* that runs: no zone is read meanwhile; or NULL */
	bool is_swept;              /* since the last list of the database */
	struct stored_zone *zones;
	size_t count;
	struct stored_reading *reading; /* or NULL */
	struct weir_timer retry;
	int64_t changed_ms; /* when `changed` was called */
	bool news;          /* it is to be called */
	pthread_mutex_t lock;
	/* Protected. */
	struct weir_dns_tsig_key *keys;
	size_t key_count;
};

static void dns_stored_report(struct dns_stored *stored)
{
	stored->news = false;
	stored->changed_ms = weir_loop_now_ms(stored->loop);
	stored->changed(stored->context);
}

static void dns_stored_on_cookies(void *context)
{
	dns_stored_report(context);
}

/* -- zones ------------------------------------------------------------------------------------- */

static void dns_stored_read(struct dns_stored *stored);
static void dns_stored_sweep(struct dns_stored *stored);

static struct stored_zone *dns_stored_find(
        const struct dns_stored *stored, const struct weir_dns_name *name)
{
	return stored->zones ? bsearch(name, stored->zones, stored->count, sizeof *stored->zones,
	                               stored_zone_compare)
	                     : NULL;
}

static void dns_stored_say_bad(const struct stored_zone *zone)
{
	char name[WEIR_DNS_TEXT_MAX];
	weir_dns_name_format(&zone->name, name);
	say("the zone %s in the database has a mistake: %s; %s", name, zone->why,
	        zone->zone ? "the version before stays in use" : "it is not served");
}

static void dns_stored_use(struct dns_stored *stored, struct stored_reading *reading)
{
	char name[WEIR_DNS_TEXT_MAX];
	struct stored_zone *zone = dns_stored_find(stored, &reading->name);
	/* There may be another version by now, or none. */
	if (!zone || strcmp(zone->wanted, reading->version) != 0)
		return;
	weir_dns_name_format(&zone->name, name);
	if (reading->error < 0) {
		zone->bad = true;
		text_copy(zone->why, sizeof zone->why, reading->why);
		dns_stored_say_bad(zone);
		return;
	}
	if (reading->same_serial)
		say_at(WEIR_LOG_WARNING,
		        "the zone %s in the database has changed, and its serial is not later: "
		        "other servers will not take this version",
		        name);
	weir_dns_zone_release(zone->zone);
	zone->zone = reading->zone;
	reading->zone = NULL;
	text_copy(zone->have, sizeof zone->have, reading->version);
	stored->news = true;
}

/* Errors that say nothing about the zone: it is tried again. */
static bool dns_stored_may_pass(int error)
{
	return error < 0 && error != WEIR_E_SYNTAX && error != WEIR_E_LIMIT;
}

static void dns_stored_on_retry(struct weir_timer *timer)
{
	dns_stored_read(WEIR_CONTAINER(timer, struct dns_stored, retry));
}

/* A copy that is bad is one that is not there: the rows are read. */
static void dns_stored_on_copy(struct dns_stored *stored, struct stored_reading *reading)
{
	struct stored_zone *zone = dns_stored_find(stored, &reading->name);
	int error = reading->copy_error ? reading->copy_error : reading->error;
	if (zone && strcmp(zone->wanted, reading->version) == 0)
		zone->copy_tried = true;
	if (error == 0) {
		dns_stored_use(stored, reading);
	} else if (error != -ENOENT) {
		weir_database_copy_ignored(&stored->reports, reading->copy,
		        reading->copy_error ? weir_database_copy_text(error) : reading->why);
	}
	stored_reading_free(reading);
	stored->reading = NULL;
	dns_stored_read(stored);
}

static void dns_stored_on_read(void *context, struct stored_reading *reading)
{
	struct dns_stored *stored = context;
	if (reading->reads_copy) {
		dns_stored_on_copy(stored, reading);
		return;
	}
	if (reading->error == 0)
		weir_database_copy_written(&stored->reports, reading->copy, reading->copy_error, 0);
	bool again = dns_stored_may_pass(reading->error);
	if (!again)
		dns_stored_use(stored, reading);
	stored_reading_free(reading);
	stored->reading = NULL;
	if (again)
		weir_timer_start(
		        stored->loop, &stored->retry, DNS_STORED_RETRY_MS, dns_stored_on_retry);
	else
		dns_stored_read(stored);
}

/* With a directory, zones whose copy was not tried come first. */
static struct stored_zone *dns_stored_next(const struct dns_stored *stored)
{
	struct stored_zone *next = NULL;
	for (size_t i = 0; i < stored->count; i++) {
		struct stored_zone *zone = &stored->zones[i];
		if (zone->bad || strcmp(zone->wanted, zone->have) == 0)
			continue;
		if (!stored->directory || !zone->copy_tried)
			return zone;
		next = next ? next : zone;
	}
	return next;
}

/* Reads the next version that is new. `changed` is called once for many zones. */
static void dns_stored_read(struct dns_stored *stored)
{
	struct stored_zone *next = dns_stored_next(stored);
	int64_t now_ms = weir_loop_now_ms(stored->loop);
	if (stored->reading || stored->sweep)
		return;
	if (stored->news && (!next || now_ms - stored->changed_ms >= DNS_STORED_CHANGED_MS))
		dns_stored_report(stored);
	bool reads_copy = next && stored->directory && !next->copy_tried;
	if (next && stored_reading_start(stored->database, stored->loop, next, stored->directory,
	                    reads_copy, dns_stored_on_read, stored, &stored->reading) < 0)
		weir_timer_start(
		        stored->loop, &stored->retry, DNS_STORED_RETRY_MS, dns_stored_on_retry);
	if (!next && !stored->is_swept)
		dns_stored_sweep(stored);
}

/* -- copies of versions that are gone ---------------------------------------------------------- */

static void dns_stored_on_swept(void *context)
{
	struct dns_stored *stored = context;
	stored->sweep = NULL;
	dns_stored_read(stored);
}

/* Versions of a list that is itself a copy may be old: nothing is removed then. */
static void dns_stored_sweep(struct dns_stored *stored)
{
	struct weir_database_snapshot_info info;
	weir_database_snapshot_info(stored->snapshot, &info);
	if (!stored->directory || info.origin != WEIR_DATABASE_ROWS)
		return;
	stored->is_swept = true;
	stored->sweep = stored_sweep_start(stored->loop, stored->directory, stored->zones,
	        stored->count, dns_stored_on_swept, stored);
}

/* -- the list ---------------------------------------------------------------------------------- */

/* Moves the versions that are in use from the old list to the new one. */
static void dns_stored_carry(const struct dns_stored *stored, struct stored_list *list)
{
	for (size_t i = 0; i < list->zone_count; i++) {
		struct stored_zone *zone = &list->zones[i];
		struct stored_zone *before = dns_stored_find(stored, &zone->name);
		if (!before)
			continue;
		zone->zone = before->zone;
		before->zone = NULL;
		memcpy(zone->have, before->have, sizeof zone->have);
		if (strcmp(zone->wanted, before->wanted) == 0) {
			zone->bad = before->bad;
			zone->copy_tried = before->copy_tried;
			memcpy(zone->why, before->why, sizeof zone->why);
		}
	}
}

static bool dns_stored_same_keys(const struct dns_stored *stored, const struct stored_list *list)
{
	return stored->key_count == list->key_count &&
	       (list->key_count == 0 ||
	               memcmp(stored->keys, list->keys, list->key_count * sizeof *list->keys) == 0);
}

/* The list takes what there was, so that its end frees it. */
static void dns_stored_on_list(void *context, void *object, struct weir_buffer *text)
{
	struct dns_stored *stored = context;
	struct stored_list *list = object, old;
	(void)text;
	if (list->problem[0])
		say("the database has a row that is left out: %s", list->problem);
	dns_stored_carry(stored, list);
	stored->news |= !dns_stored_same_keys(stored, list) || list->zone_count != stored->count;
	old = (struct stored_list){.zones = stored->zones, .zone_count = stored->count};
	stored->zones = list->zones;
	stored->count = list->zone_count;
	/* A zone that was removed still has its image in the old list. */
	for (size_t i = 0; i < old.zone_count; i++)
		stored->news |= old.zones[i].zone != NULL;
	pthread_mutex_lock(&stored->lock);
	old.keys = stored->keys;
	old.key_count = stored->key_count;
	stored->keys = list->keys;
	stored->key_count = list->key_count;
	pthread_mutex_unlock(&stored->lock);
	*list = old;
	stored_list_free(list);
	stored->is_swept = false;
	dns_stored_read(stored);
}

static void dns_stored_on_report(void *context, const char *why)
{
	(void)context;
	if (why)
		say_at(WEIR_LOG_WARNING,
		        "the zones and keys of DNS are not renewed from the database: %s", why);
	else
		say_at(WEIR_LOG_INFO, "the zones and keys of DNS are renewed from the database");
}

static void *dns_stored_begin(void *context)
{
	const struct dns_stored *stored = context;
	struct stored_list *list = stored_list_create(stored->database);
	if (list) {
		list->has_zones = stored->has_zones;
		list->has_keys = stored->has_keys;
	}
	return list;
}

static const struct weir_database_snapshot_type dns_stored_type = {
        .name = WEIR_DATABASE_ZONES_SNAPSHOT,
        .select = STORED_LIST_SELECT,
        .bytes_max = STORED_LIST_BYTES,
        .format = stored_list_format,
        .begin = dns_stored_begin,
        .parse = stored_list_parse,
        .use = dns_stored_on_list,
        .drop = stored_list_free,
        .report = dns_stored_on_report,
        .copy = stored_list_copy,
        .warn = store_on_copy_warning,
};

/* -- what workers ask for ---------------------------------------------------------------------- */

int dns_stored_keys(
        struct dns_stored *stored, const struct config_dns *dns, struct weir_dns_keys **ret)
{
	struct weir_dns_tsig_key *keys = calloc(2 * WEIR_DNS_KEYS_MAX, sizeof *keys);
	size_t count = 0;
	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < dns->keys.count; i++)
		keys[count++] = dns->keys.items[i].key;
	if (stored)
		pthread_mutex_lock(&stored->lock);
	for (size_t i = 0; stored && i < stored->key_count && count < WEIR_DNS_KEYS_MAX; i++)
		if (!config_dns_key(dns, &stored->keys[i].name))
			keys[count++] = stored->keys[i];
	if (stored)
		pthread_mutex_unlock(&stored->lock);
	int error = weir_dns_keys_create(keys, count, ret);
	explicit_bzero(keys, 2 * WEIR_DNS_KEYS_MAX * sizeof *keys);
	free(keys);
	return error;
}

unsigned dns_stored_secrets(struct dns_stored *stored, const struct config_dns *dns,
        uint8_t ret[2][WEIR_DNS_COOKIE_SECRET_SIZE])
{
	unsigned count = 0;
	if (stored && stored->cookies && !dns->secrets_path)
		count = stored_cookies_secrets(stored->cookies, ret);
	if (count)
		return count;
	memcpy(ret, dns->secrets, sizeof dns->secrets);
	return dns->secret_count;
}

size_t dns_stored_count(const struct dns_stored *stored)
{
	return stored ? stored->count : 0;
}

struct weir_dns_zone *dns_stored_zone(const struct dns_stored *stored, size_t index)
{
	return stored->zones[index].zone;
}

void dns_stored_problems(const struct dns_stored *stored,
        void (*report)(void *context, const char *zone, const char *why), void *context)
{
	for (size_t i = 0; i < dns_stored_count(stored); i++) {
		const struct stored_zone *zone = &stored->zones[i];
		char name[WEIR_DNS_TEXT_MAX];
		weir_dns_name_format(&zone->name, name);
		if (zone->bad)
			report(context, name, zone->why);
		else if (strcmp(zone->wanted, zone->have) != 0)
			report(context, name, "the current version was not read yet");
	}
}

/* -- life -------------------------------------------------------------------------------------- */

static int dns_stored_follow(struct dns_stored *stored, const struct config *config)
{
	char *copy;
	struct weir_database_snapshot_options options;
	weir_database_snapshot_options_init(&options);
	options.type = &dns_stored_type;
	options.context = stored;
	int error = store_copy_path(config, STORE_SNAPSHOT_ZONES, &copy);
	options.copy = copy;
	if (error == 0)
		error = weir_database_snapshot_create(
		        stored->database, stored->loop, &options, &stored->snapshot);
	free(copy);
	if (error == 0 && stored->has_keys)
		error = stored_cookies_create(
		        stored->loop, config, dns_stored_on_cookies, stored, &stored->cookies);
	return error;
}

int dns_stored_create(struct weir_loop *loop, const struct config *config,
        void (*changed)(void *context), void *context, struct dns_stored **ret)
{
	*ret = NULL;
	if (!store_has(config, STORE_ZONES) && !store_has(config, STORE_KEYS))
		return 0;
	struct dns_stored *stored = calloc(1, sizeof *stored);
	int error = stored ? 0 : -ENOMEM;
	if (error == 0) {
		stored->loop = loop;
		stored->database = config->store.database;
		stored->has_zones = store_has(config, STORE_ZONES);
		stored->has_keys = store_has(config, STORE_KEYS);
		stored->changed = changed;
		stored->context = context;
		stored->reports.warn = store_on_copy_warning;
		weir_list_init(&stored->retry.link);
		pthread_mutex_init(&stored->lock, NULL);
		if (config->store.directory &&
		        !(stored->directory = strdup(config->store.directory)))
			error = -ENOMEM;
		if (error == 0)
			error = dns_stored_follow(stored, config);
	}
	if (error < 0) {
		say("cannot follow the zones of the database: %s", weir_error_text(error));
		dns_stored_destroy(stored);
	} else {
		*ret = stored;
	}
	return error;
}

bool dns_stored_info(
        const struct dns_stored *stored, bool secrets, struct weir_database_snapshot_info *ret)
{
	if (!stored || (secrets && !stored->cookies))
		return false;
	if (secrets)
		stored_cookies_info(stored->cookies, ret);
	else
		weir_database_snapshot_info(stored->snapshot, ret);
	return true;
}

bool dns_stored_is_reading(const struct dns_stored *stored, bool copies)
{
	return stored && stored->reading && (!copies || stored->reading->reads_copy);
}

void dns_stored_poll(struct dns_stored *stored)
{
	if (stored)
		weir_database_snapshot_poll(stored->snapshot);
}

void dns_stored_destroy(struct dns_stored *stored)
{
	if (!stored)
		return;
	weir_database_snapshot_destroy(stored->snapshot);
	stored_cookies_destroy(stored->cookies);
	if (stored->reading)
		stored_reading_free(stored->reading);
	if (stored->sweep)
		stored_sweep_abandon(stored->sweep);
	free(stored->directory);
	weir_timer_stop(&stored->retry);
	struct stored_list *list = stored_list_create(stored->database);
	if (list)
		*list = (struct stored_list){.zones = stored->zones,
		        .zone_count = stored->count,
		        .keys = stored->keys,
		        .key_count = stored->key_count};
	stored_list_free(list);
	pthread_mutex_destroy(&stored->lock);
	free(stored);
}
