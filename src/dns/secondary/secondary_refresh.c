/*
 * When a zone's primaries are asked, and the consequences of their replies.
 *
 *   resting ─▶ a round: a primary ─▶ SOA by UDP ─▶ SOA by TCP ─▶ IXFR ─▶ AXFR ─▶ resting
 *                           └─ it fails, or is behind: the next primary ┘
 *
 * A step that is not needed is skipped. Without a version, AXFR is the first step. Invariant: a
 * secondary is in a list of permits exactly while it is queued, and has a permit while it is
 * checking or fetching.
 */
#include <errno.h>
#include <sys/random.h>

#include <weir/error.h>

#include "helper.h"
#include "secondary_state.h"
#include "zone_image.h"

/* -- intervals --------------------------------------------------------------------------------- */

static int64_t secondary_refresh_bounded(uint32_t value, uint32_t least, uint32_t most)
{
	return (int64_t)min_of(max_of(value, least), most) * 1000;
}

struct dns_intervals dns_secondary_intervals(const struct dns_secondary *secondary)
{
	const struct weir_dns_secondary_options *options = &secondary->config->options;
	uint32_t refresh = options->refresh_min_s, retry = options->retry_min_s, expire = 0;
	if (secondary->zone) {
		struct zone_entry soa;
		dns_zone_soa(secondary->zone, &soa);
		const uint8_t *end = (const uint8_t *)soa.data.data + soa.data.size;
		refresh = dns_get32(end - 16);
		retry = dns_get32(end - 12);
		expire = dns_get32(end - 8);
	}
	struct dns_intervals intervals = {
	        .refresh_ms = secondary_refresh_bounded(
	                refresh, options->refresh_min_s, options->refresh_max_s),
	        .retry_ms = secondary_refresh_bounded(
	                retry, options->retry_min_s, options->retry_max_s),
	        .expire_ms = (int64_t)expire * 1000,
	};
	/* A zone must not expire between two checks that are both on time. */
	if (intervals.expire_ms < intervals.refresh_ms + intervals.retry_ms)
		intervals.expire_ms = intervals.refresh_ms + intervals.retry_ms;
	return intervals;
}

/* Up to an eighth less, so that zones that came together are not checked together for ever. */
static int64_t secondary_refresh_jittered(int64_t interval_ms)
{
	uint32_t dice;
	if (getrandom(&dice, sizeof dice, GRND_NONBLOCK) != sizeof dice)
		return interval_ms;
	return interval_ms - (int64_t)(dice % 1024) * interval_ms / 8192;
}

static void secondary_refresh_on_time(struct weir_timer *timer)
{
	dns_secondary_begin(WEIR_CONTAINER(timer, struct dns_secondary, timer), 0);
}

/* Without a version the interval doubles: the primary may not know the zone for long. */
static void secondary_refresh_rest(struct dns_secondary *secondary, bool good)
{
	struct dns_intervals intervals = dns_secondary_intervals(secondary);
	int64_t wait_ms = good ? intervals.refresh_ms : intervals.retry_ms;
	int64_t most_ms = secondary_refresh_bounded(
	        WEIR_DNS_FIRST_RETRY_MAX_S, 0, secondary->config->options.retry_max_s);
	secondary->state = SECONDARY_RESTING;
	secondary->failures = good ? 0 : secondary->failures + 1;
	for (unsigned i = 1; !secondary->zone && i < secondary->failures && wait_ms < most_ms; i++)
		wait_ms = min_of(wait_ms * 2, most_ms);
	wait_ms = secondary_refresh_jittered(wait_ms);
	if (secondary->again) {
		int64_t since_ms = weir_loop_now_ms(secondary->owner->loop) - secondary->round_ms;
		wait_ms = WEIR_DNS_NOTIFIED_MS - since_ms;
	}
	weir_timer_start(secondary->owner->loop, &secondary->timer, max_of(wait_ms, (int64_t)0),
	        secondary_refresh_on_time);
}

/* -- permits ----------------------------------------------------------------------------------- */

static struct dns_permits *secondary_refresh_permits_of(struct dns_secondary *secondary)
{
	bool check = secondary->state == SECONDARY_CHECK_QUEUED ||
	             secondary->state == SECONDARY_CHECKING;
	return check ? &secondary->owner->checks : &secondary->owner->fetches;
}

static void secondary_refresh_queue(struct dns_secondary *secondary, enum secondary_state state)
{
	struct weir_dns_secondaries *owner = secondary->owner;
	secondary->state = state;
	weir_list_append(&secondary_refresh_permits_of(secondary)->waiting, &secondary->wait);
	weir_loop_defer(owner->loop, &owner->start_queued);
}

/* Returns the permit, so that another secondary can have it. */
static void secondary_refresh_leave(struct dns_secondary *secondary)
{
	secondary_refresh_permits_of(secondary)->free++;
	weir_loop_defer(secondary->owner->loop, &secondary->owner->start_queued);
}

static void secondary_refresh_ask(struct dns_secondary *secondary);

static void secondary_refresh_start_queued(struct dns_permits *permits)
{
	while (permits->free && !weir_list_empty(&permits->waiting)) {
		struct dns_secondary *secondary =
		        WEIR_CONTAINER(permits->waiting.next, struct dns_secondary, wait);
		weir_list_remove(&secondary->wait);
		permits->free--;
		secondary_refresh_ask(secondary);
	}
}

void dns_secondaries_start_queued(struct weir_task *task)
{
	struct weir_dns_secondaries *owner =
	        WEIR_CONTAINER(task, struct weir_dns_secondaries, start_queued);
	secondary_refresh_start_queued(&owner->checks);
	secondary_refresh_start_queued(&owner->fetches);
}

/* -- a round ----------------------------------------------------------------------------------- */

static void secondary_refresh_fetch(struct dns_secondary *secondary, uint16_t type)
{
	secondary->type = type;
	secondary_refresh_queue(secondary, SECONDARY_FETCH_QUEUED);
}

/* With a version, the serial is checked first. */
static void secondary_refresh_begin_primary(struct dns_secondary *secondary)
{
	if (secondary->zone)
		secondary_refresh_queue(secondary, SECONDARY_CHECK_QUEUED);
	else
		secondary_refresh_fetch(secondary, WEIR_DNS_AXFR);
}

static void secondary_refresh_next_primary(struct dns_secondary *secondary)
{
	const struct weir_dns_secondary_options *options = &secondary->config->options;
	if (++secondary->asked >= options->primary_count) {
		secondary_refresh_rest(secondary, false);
		return;
	}
	secondary->primary = (secondary->primary + 1) % options->primary_count;
	secondary_refresh_begin_primary(secondary);
}

static void secondary_refresh_log_failure(
        struct dns_secondary *secondary, const struct dns_fetched *fetched)
{
	dns_secondary_log(secondary, WEIR_DNS_FETCH_FAILED,
	        &secondary->config->primaries[secondary->primary], fetched);
}

static void secondary_refresh_confirmed(struct dns_secondary *secondary)
{
	dns_secondary_confirm(secondary);
	secondary_refresh_rest(secondary, true);
}

/* Compares the primary's serial with ours. */
static void secondary_refresh_compare_serial(struct dns_secondary *secondary, uint32_t serial)
{
	int32_t later = (int32_t)(serial - secondary->zone->serial);
	const struct dns_fetched behind = {.why = "it has an older version", .serial = serial};
	if (later > 0) {
		secondary_refresh_fetch(secondary, WEIR_DNS_IXFR);
	} else if (later == 0) {
		secondary_refresh_confirmed(secondary);
	} else if (dns_secondary_expired(secondary)) {
		/* A version that no primary confirms may be replaced by an older one. */
		secondary_refresh_fetch(secondary, WEIR_DNS_AXFR);
	} else {
		secondary_refresh_log_failure(secondary, &behind);
		secondary_refresh_next_primary(secondary);
	}
}

/* UDP may be blocked where TCP is not. A primary that refuses does so by both. */
static void secondary_refresh_on_checked(void *context, const struct dns_fetched *fetched)
{
	struct dns_secondary *secondary = context;
	secondary->check = NULL;
	secondary_refresh_leave(secondary);
	if (fetched->error == 0) {
		secondary_refresh_compare_serial(secondary, fetched->serial);
	} else if (fetched->rcode) {
		secondary_refresh_log_failure(secondary, fetched);
		secondary_refresh_next_primary(secondary);
	} else {
		secondary_refresh_fetch(secondary, WEIR_DNS_SOA);
	}
}

static void secondary_refresh_on_zone(
        struct dns_secondary *secondary, const struct dns_fetched *fetched)
{
	dns_secondary_install(secondary, fetched->zone, 0);
	dns_secondary_log(secondary, WEIR_DNS_FETCHED,
	        &secondary->config->primaries[secondary->primary], fetched);
	secondary->write_due = true;
	dns_secondary_save(secondary);
	secondary_refresh_rest(secondary, true);
}

/* If the steps of IXFR are wrong, the whole zone may still be right. */
static void secondary_refresh_on_fetched(void *context, const struct dns_fetched *fetched)
{
	struct dns_secondary *secondary = context;
	bool reached = fetched->connected || fetched->rcode || fetched->error == -EPROTO;
	secondary->fetch = NULL;
	secondary_refresh_leave(secondary);
	if (fetched->error == 0 && fetched->zone) {
		secondary_refresh_on_zone(secondary, fetched);
	} else if (fetched->error == 0) {
		secondary_refresh_compare_serial(secondary, fetched->serial);
	} else if (secondary->type == WEIR_DNS_IXFR && reached) {
		secondary_refresh_fetch(secondary, WEIR_DNS_AXFR);
	} else {
		secondary_refresh_log_failure(secondary, fetched);
		secondary_refresh_next_primary(secondary);
	}
}

/* Begins the step for which the secondary has got a permit. */
static void secondary_refresh_ask(struct dns_secondary *secondary)
{
	const struct dns_secondary_config *config = secondary->config;
	bool check = secondary->state == SECONDARY_CHECK_QUEUED;
	bool expired = dns_secondary_expired(secondary);
	const struct dns_fetch_options options = {
	        .peer = config->primaries[secondary->primary],
	        .apex = &config->options.name,
	        .type = check ? WEIR_DNS_SOA : secondary->type,
	        .before = secondary->zone,
	        .any_version = expired && secondary->type == WEIR_DNS_AXFR,
	        .key = config->options.key,
	        .bytes_max = config->options.bytes_max,
	        .done = check ? secondary_refresh_on_checked : secondary_refresh_on_fetched,
	        .context = secondary,
	};
	int error;
	secondary->state = check ? SECONDARY_CHECKING : SECONDARY_FETCHING;
	if (check)
		error = dns_check_begin(secondary->owner->loop, &options, &secondary->check);
	else
		error = dns_fetch_begin(secondary->owner->loop, &options, &secondary->fetch);
	if (error == 0)
		return;
	const struct dns_fetched failed = {.error = error, .why = weir_error_text(error)};
	secondary_refresh_leave(secondary);
	secondary_refresh_log_failure(secondary, &failed);
	secondary_refresh_next_primary(secondary);
}

void dns_secondary_begin(struct dns_secondary *secondary, unsigned primary)
{
	weir_timer_stop(&secondary->timer);
	secondary->primary = primary;
	secondary->asked = 0;
	secondary->again = false;
	secondary->round_ms = weir_loop_now_ms(secondary->owner->loop);
	secondary_refresh_begin_primary(secondary);
}

void dns_secondary_cancel(struct dns_secondary *secondary)
{
	weir_timer_stop(&secondary->timer);
	dns_check_abort(secondary->check);
	dns_fetch_abort(secondary->fetch);
	secondary->check = NULL;
	secondary->fetch = NULL;
	weir_list_remove(&secondary->wait);
	if (secondary->state == SECONDARY_CHECKING || secondary->state == SECONDARY_FETCHING)
		secondary_refresh_leave(secondary);
	if (secondary->state != SECONDARY_READING)
		secondary->state = SECONDARY_RESTING;
}

/* -- NOTIFY ------------------------------------------------------------------------------------ */

/* The primary that sent the NOTIFY has the new version already: it is asked first. */
static unsigned secondary_refresh_primary_of(
        const struct dns_secondary *secondary, const struct weir_address *notifier)
{
	for (unsigned i = 0; i < secondary->config->options.primary_count; i++)
		if (dns_same_host(&secondary->config->primaries[i], notifier))
			return i;
	return 0;
}

void dns_secondary_handle_notify(
        struct dns_secondary *secondary, const struct weir_address *notifier)
{
	int64_t since_ms = weir_loop_now_ms(secondary->owner->loop) - secondary->round_ms;
	if (secondary->state != SECONDARY_RESTING) {
		secondary->again = true;
	} else if (since_ms >= WEIR_DNS_NOTIFIED_MS) {
		dns_secondary_begin(secondary, secondary_refresh_primary_of(secondary, notifier));
	} else if (!secondary->again) {
		secondary->again = true;
		weir_timer_start(secondary->owner->loop, &secondary->timer,
		        WEIR_DNS_NOTIFIED_MS - since_ms, secondary_refresh_on_time);
	}
}
