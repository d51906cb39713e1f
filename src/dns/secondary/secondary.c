/*
 * The set of secondaries: which zones there are, what of each is served, and the callback. When
 * primaries are asked is the matter of secondary_refresh.c, the files that of secondary_file.c.
 *
 * Only the data for NOTIFY is shared with other threads, under the lock: the list, and of each
 * secondary its options and its pending NOTIFY.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "secondary_state.h"

/* -- the version that is served ---------------------------------------------------------------- */

void dns_secondary_log(struct dns_secondary *secondary, enum weir_dns_event_kind kind,
        const struct weir_address *peer, const struct dns_fetched *fetched)
{
	const struct weir_dns_secondaries_options *options = &secondary->owner->options;
	bool failed = kind == WEIR_DNS_FETCH_FAILED || kind == WEIR_DNS_KEEP_FAILED;
	if (!options->log)
		return;
	options->log(
	        options->context, &(struct weir_dns_event){.kind = kind,
	                                  .peer = peer,
	                                  .zone = &secondary->config->options.name,
	                                  .serial = secondary->zone ? secondary->zone->serial : 0,
	                                  .bytes = fetched ? fetched->bytes : 0,
	                                  .why = failed ? fetched->why : NULL,
	                                  .rcode = failed ? fetched->rcode : 0});
}

static void secondary_on_changed(struct weir_task *task)
{
	struct weir_dns_secondaries *owner =
	        WEIR_CONTAINER(task, struct weir_dns_secondaries, changed);
	owner->options.changed(owner->options.context);
}

static void secondary_show(struct dns_secondary *secondary, struct weir_dns_zone *zone)
{
	struct weir_dns_secondaries *owner = secondary->owner;
	struct weir_dns_zone *old = secondary->shown;
	secondary->shown = weir_dns_zone_hold(zone);
	weir_dns_zone_release(old);
	weir_loop_defer(owner->loop, &owner->changed);
}

/* Without memory for a placeholder, the zone stays for a while longer. */
static void secondary_on_expiry(struct weir_timer *timer)
{
	struct dns_secondary *secondary = WEIR_CONTAINER(timer, struct dns_secondary, expiry);
	struct weir_dns_secondaries *owner = secondary->owner;
	struct weir_dns_zone *placeholder;
	if (weir_dns_zone_create_placeholder(&secondary->config->options.name,
	            WEIR_DNS_EDE_INVALID_DATA, &placeholder) < 0) {
		weir_timer_start(owner->loop, timer, 1000, secondary_on_expiry);
		return;
	}
	secondary_show(secondary, placeholder);
	weir_dns_zone_release(placeholder);
	dns_secondary_log(secondary, WEIR_DNS_EXPIRED, NULL, NULL);
}

static void secondary_set_expiry(struct dns_secondary *secondary)
{
	struct weir_dns_secondaries *owner = secondary->owner;
	struct dns_intervals intervals = dns_secondary_intervals(secondary);
	int64_t left_ms =
	        secondary->confirmed_ms + intervals.expire_ms - weir_loop_now_ms(owner->loop);
	if (left_ms > 0) {
		weir_timer_start(owner->loop, &secondary->expiry, left_ms, secondary_on_expiry);
	} else {
		weir_timer_stop(&secondary->expiry);
		secondary_on_expiry(&secondary->expiry);
	}
}

void dns_secondary_install(
        struct dns_secondary *secondary, struct weir_dns_zone *zone, int64_t age_ms)
{
	struct weir_dns_zone *old = secondary->zone;
	secondary->zone = weir_dns_zone_hold(zone);
	secondary->confirmed_ms = weir_loop_now_ms(secondary->owner->loop) - age_ms;
	secondary_show(secondary, zone);
	secondary_set_expiry(secondary);
	weir_dns_zone_release(old);
}

void dns_secondary_confirm(struct dns_secondary *secondary)
{
	secondary->confirmed_ms = weir_loop_now_ms(secondary->owner->loop);
	if (dns_secondary_expired(secondary))
		secondary_show(secondary, secondary->zone);
	secondary_set_expiry(secondary);
	secondary->touch_due = true;
	secondary->write_due |= secondary->unsaved;
	dns_secondary_save(secondary);
}

/* -- which zones there are --------------------------------------------------------------------- */

static int secondary_compare_secondaries(const void *left, const void *right)
{
	const struct dns_secondary *const *a = left, *const *b = right;
	return weir_dns_name_compare(&(*a)->config->options.name, &(*b)->config->options.name);
}

static int secondary_compare_name(const void *name, const void *right)
{
	const struct dns_secondary *const *secondary = right;
	return weir_dns_name_compare(name, &(*secondary)->config->options.name);
}

static struct dns_secondary *secondary_find(
        const struct weir_dns_secondaries *owner, const struct weir_dns_name *name)
{
	struct dns_secondary **found = owner->count
	                                       ? bsearch(name, owner->all, owner->count,
	                                                 sizeof *owner->all, secondary_compare_name)
	                                       : NULL;
	return found ? *found : NULL;
}

static void secondary_free(struct dns_secondary *secondary)
{
	if (!secondary)
		return;
	weir_timer_stop(&secondary->expiry);
	dns_secondary_cancel(secondary);
	dns_secondary_forget(secondary);
	weir_dns_zone_release(secondary->zone);
	weir_dns_zone_release(secondary->shown);
	dns_secondary_free_config(secondary->config);
	free(secondary);
}

static void secondary_free_all(struct dns_secondary **all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		secondary_free(all[i]);
	free(all);
}

static bool secondary_options_good(const struct weir_dns_secondary_options *options)
{
	return options->refresh_min_s && options->refresh_max_s && options->retry_min_s &&
	       options->retry_max_s && options->bytes_max;
}

static int secondary_make_one(struct weir_dns_secondaries *owner,
        const struct weir_dns_secondary_options *options, struct dns_secondary **ret)
{
	if (!options->primary_count)
		return WEIR_E_SYNTAX;
	if (options->primary_count > WEIR_DNS_PRIMARIES_MAX)
		return WEIR_E_LIMIT;
	if (!secondary_options_good(options))
		return -EINVAL;
	struct dns_secondary *secondary = calloc(1, sizeof *secondary);
	if (!secondary)
		return -ENOMEM;
	secondary->owner = owner;
	secondary->state = SECONDARY_RESTING;
	weir_list_init(&secondary->wait);
	secondary->config = dns_secondary_copy(options);
	int error = secondary->config ? weir_dns_zone_create_placeholder(&options->name,
	                                        WEIR_DNS_EDE_NOT_READY, &secondary->shown)
	                              : -ENOMEM;
	if (error < 0)
		secondary_free(secondary);
	else
		*ret = secondary;
	return error;
}

/* Creates secondaries for all options, in order. */
static int secondary_make_all(struct weir_dns_secondaries *owner,
        const struct weir_dns_secondary_options *zones, size_t count, struct dns_secondary ***ret)
{
	struct dns_secondary **all = calloc(count + 1, sizeof *all);
	size_t made = 0;
	int error = all ? 0 : -ENOMEM;
	while (error == 0 && made < count) {
		error = secondary_make_one(owner, &zones[made], &all[made]);
		made += error == 0;
	}
	if (error == 0)
		qsort(all, count, sizeof *all, secondary_compare_secondaries);
	for (size_t i = 1; error == 0 && i < count; i++)
		error = secondary_compare_secondaries(&all[i - 1], &all[i]) == 0 ? WEIR_E_SYNTAX
		                                                                 : 0;
	if (error < 0)
		secondary_free_all(all, made);
	else
		*ret = all;
	return error;
}

/* If there is a secondary of that name already, it goes on with the new options. */
static void secondary_exchange(struct weir_dns_secondaries *owner, struct dns_secondary **all,
        size_t count, struct dns_secondary **fresh)
{
	pthread_mutex_lock(&owner->lock);
	for (size_t i = 0; i < count; i++) {
		/* NOLINTNEXTLINE: each has a copy of its options */
		struct dns_secondary *old = secondary_find(owner, &all[i]->config->options.name);
		fresh[i] = all[i];
		if (!old)
			continue;
		struct dns_secondary_config *config = old->config;
		old->config = all[i]->config;
		all[i]->config = config;
		old->goes_on = true;
		all[i] = old;
	}
	pthread_mutex_unlock(&owner->lock);
}

/* Handles a secondary that went on; `before` has its previous options. */
static void secondary_go_on(struct dns_secondary *secondary, const struct dns_secondary *before)
{
	const struct dns_secondary_config *now = secondary->config, *old = before->config;
	secondary->goes_on = false;
	if (dns_secondary_same(now, old) || secondary->state == SECONDARY_READING)
		return;
	secondary->write_due |= strcmp(now->path, old->path) != 0;
	if (secondary->zone)
		secondary_set_expiry(secondary);
	dns_secondary_cancel(secondary);
	dns_secondary_begin(secondary, 0);
	dns_secondary_save(secondary);
}

int weir_dns_secondaries_set(struct weir_dns_secondaries *owner,
        const struct weir_dns_secondary_options *zones, size_t count, bool wait)
{
	struct dns_secondary **all, **fresh = calloc(count + 1, sizeof *fresh);
	if (count > WEIR_DNS_SECONDARIES_MAX || !fresh) {
		free(fresh);
		return count > WEIR_DNS_SECONDARIES_MAX ? WEIR_E_LIMIT : -ENOMEM;
	}
	int error = secondary_make_all(owner, zones, count, &all);
	if (error < 0) {
		free(fresh);
		return error;
	}
	secondary_exchange(owner, all, count, fresh);
	pthread_mutex_lock(&owner->lock);
	struct dns_secondary **old = owner->all;
	size_t old_count = owner->count;
	owner->all = all;
	owner->count = count;
	pthread_mutex_unlock(&owner->lock);
	for (size_t i = 0; i < old_count; i++)
		if (!old[i]->goes_on)
			secondary_free(old[i]);
	free(old);
	for (size_t i = 0; i < count; i++) {
		if (all[i] == fresh[i]) {
			dns_secondary_read(all[i], wait);
		} else {
			secondary_go_on(all[i], fresh[i]);
			secondary_free(fresh[i]);
		}
	}
	free(fresh);
	weir_loop_defer(owner->loop, &owner->changed);
	return 0;
}

struct weir_dns_zone *weir_dns_secondaries_zone(
        const struct weir_dns_secondaries *owner, const struct weir_dns_name *name)
{
	const struct dns_secondary *secondary = secondary_find(owner, name);
	return secondary ? secondary->shown : NULL;
}

/* -- NOTIFY ------------------------------------------------------------------------------------ */

static bool secondary_may_notify(const struct dns_secondary_config *config,
        const struct weir_address *peer, const struct weir_dns_tsig *tsig)
{
	if (tsig && config->options.key && weir_dns_name_equal(&tsig->name, &config->key.name))
		return true;
	for (size_t i = 0; i < config->options.primary_count; i++)
		if (dns_same_host(&config->primaries[i], peer))
			return true;
	return false;
}

/* NOTIFYs are taken one at a time, so that no round begins under the lock. */
static void secondary_handle_notifies(struct weir_task *task)
{
	struct weir_dns_secondaries *owner =
	        WEIR_CONTAINER(task, struct weir_dns_secondaries, notify_task);
	pthread_mutex_lock(&owner->lock);
	owner->notify_posted = false;
	bool gone = owner->gone;
	for (size_t i = 0; !gone && i < owner->count; i++) {
		struct dns_secondary *secondary = owner->all[i];
		struct weir_address notifier = secondary->notifier;
		if (!secondary->notified)
			continue;
		secondary->notified = false;
		pthread_mutex_unlock(&owner->lock);
		dns_secondary_handle_notify(secondary, &notifier);
		pthread_mutex_lock(&owner->lock);
	}
	pthread_mutex_unlock(&owner->lock);
	if (gone) {
		pthread_mutex_destroy(&owner->lock);
		free(owner);
	}
}

unsigned weir_dns_secondaries_notified(struct weir_dns_secondaries *owner,
        const struct weir_dns_name *zone, const struct weir_address *peer,
        const struct weir_dns_tsig *tsig)
{
	unsigned rcode = WEIR_DNS_NOERROR;
	pthread_mutex_lock(&owner->lock);
	struct dns_secondary *secondary = secondary_find(owner, zone);
	if (!secondary) {
		rcode = WEIR_DNS_NOTAUTH;
	} else if (!secondary_may_notify(secondary->config, peer, tsig)) {
		rcode = WEIR_DNS_REFUSED;
	} else {
		secondary->notified = true;
		secondary->notifier = *peer;
		if (!owner->notify_posted)
			weir_loop_post(owner->loop, &owner->notify_task);
		owner->notify_posted = true;
	}
	pthread_mutex_unlock(&owner->lock);
	return rcode;
}

/* -- life -------------------------------------------------------------------------------------- */

void weir_dns_secondaries_options_init(struct weir_dns_secondaries_options *options)
{
	*options = (struct weir_dns_secondaries_options){.fetches_max = WEIR_DNS_FETCHES_MAX};
}

int weir_dns_secondaries_create(struct weir_loop *loop,
        const struct weir_dns_secondaries_options *options, struct weir_dns_secondaries **ret)
{
	if (!options->changed || !options->fetches_max)
		return -EINVAL;
	struct weir_dns_secondaries *owner = calloc(1, sizeof *owner);
	if (!owner)
		return -ENOMEM;
	owner->loop = loop;
	owner->options = *options;
	owner->checks.free = WEIR_DNS_CHECKS_MAX;
	owner->fetches.free = options->fetches_max;
	weir_list_init(&owner->checks.waiting);
	weir_list_init(&owner->fetches.waiting);
	owner->start_queued.run = dns_secondaries_start_queued;
	owner->changed.run = secondary_on_changed;
	owner->notify_task.run = secondary_handle_notifies;
	pthread_mutex_init(&owner->lock, NULL);
	*ret = owner;
	return 0;
}

void weir_dns_secondaries_destroy(struct weir_dns_secondaries *owner)
{
	if (!owner)
		return;
	secondary_free_all(owner->all, owner->count);
	weir_loop_cancel(owner->loop, &owner->start_queued);
	weir_loop_cancel(owner->loop, &owner->changed);
	pthread_mutex_lock(&owner->lock);
	owner->gone = owner->notify_posted;
	bool gone = owner->gone;
	pthread_mutex_unlock(&owner->lock);
	if (gone)
		return;
	pthread_mutex_destroy(&owner->lock);
	free(owner);
}
