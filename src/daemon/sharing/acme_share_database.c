/*
 * Obtaining certificates together, in a database.
 *
 *   FREE ── claim ─▶ CLAIMING ─▶ LOADING ─▶ HELD ── release, or the lease is lost ─▶ FREE
 *
 * FREE: the snapshot of the rows is written into the directory. HELD: the observer of the store
 * fills the journal, publish empties it, and the lease is renewed at a third of its time. A lease
 * that could not be renewed for two thirds of its time counts as lost, before another front end can
 * have it. That time is measured by the monotonic clock of this machine.
 *
 * A certificate that could not be brought to the database stays in the directory, and is brought at
 * the next claim.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/database_acme.h>
#include <weir/database_snapshot.h>
#include <weir/error.h>

#include "acme_journal.h"
#include "acme_message.h"
#include "acme_rows.h"
#include "acme_share.h"
#include "config_acme.h"
#include "helper.h"
#include "say.h"

enum share_phase {
	SHARE_FREE,
	SHARE_CLAIMING,
	SHARE_LOADING, /* the lease is there */
	SHARE_HELD,
};

struct share_database {
	struct acme_share base;
	struct config *config; /* held */
	struct weir_database *database;
	enum share_phase phase;
	uint32_t lease_s;
	int64_t renewed_ms; /* when the last renewal that has succeeded was sent */
	int64_t sent_ms;    /* of the renewal under way */
	struct weir_timer renew;
	struct weir_timer retry; /* of a publish; or its pause for the others */
	struct weir_task losing;
	struct weir_database_call *call;    /* of the operation; or NULL */
	struct weir_database_call *renewal; /* or the release; or NULL */
	struct weir_database_snapshot *snapshot;
	struct acme_store_observer observer;
	struct acme_journal journal;
	bool proves; /* the journal had a proof, which the others must have */
	/* Of a load. */
	struct weir_buffer text;
	int format_error;
	char why[WEIR_POSTGRES_WHY_MAX];
	char zone[ACME_NAME_SIZE + 2];
};

static struct share_database *share_of(struct acme_share *share)
{
	return WEIR_CONTAINER(share, struct share_database, base);
}

/* A schema that waits for its migration is the likely reason. */
static void share_explain(char *to, size_t size, const char *why)
{
	snprintf(to, size, "the database: %.200s%s", why,
	        strstr(why, "weir_acme_") ? ": run `weir store migrate`" : "");
}

/* -- the journal ------------------------------------------------------------------------------- */

static void share_on_changed(void *context, const char *path, struct weir_span bytes)
{
	struct share_database *share = context;
	if (!acme_path_is_shared(path))
		return;
	share->proves |=
	        bytes.data && strncmp(path, ACME_CHALLENGES "/", sizeof ACME_CHALLENGES) == 0;
	acme_journal_note(&share->journal, path, bytes, weir_span(NULL, 0));
}

static void share_on_installed(
        void *context, const char *name, struct weir_span chain, struct weir_span key)
{
	struct share_database *share = context;
	acme_journal_note(&share->journal, name, chain, key);
}

/* -- the lease --------------------------------------------------------------------------------- */

static void share_on_renew(struct weir_timer *timer);

static void share_be_free(struct share_database *share)
{
	share->phase = SHARE_FREE;
	share->proves = false;
	acme_store_observe(share->base.store, NULL);
	acme_journal_finish(&share->journal);
	weir_timer_stop(&share->renew);
	weir_timer_stop(&share->retry);
	if (share->call)
		weir_database_call_cancel(share->call);
	if (share->renewal)
		weir_database_call_cancel(share->renewal);
	share->call = share->renewal = NULL;
	/* It has not used the rows that came meanwhile. */
	weir_database_snapshot_destroy(share->snapshot);
	share->snapshot = NULL;
}

static void share_follow(struct share_database *share);

static void share_on_losing(struct weir_task *task)
{
	struct share_database *share = WEIR_CONTAINER(task, struct share_database, losing);
	say_at(WEIR_LOG_WARNING,
	        "the lease to obtain certificates is lost: the database was away, or another front "
	        "end has it");
	acme_share_cancel(&share->base);
	share_be_free(share);
	share_follow(share);
	share->base.events.lost(share->base.events.context);
}

static void share_lose(struct share_database *share)
{
	share->losing.run = share_on_losing;
	weir_loop_defer(share->base.loop, &share->losing);
}

static bool share_is_late(const struct share_database *share)
{
	return weir_loop_now_ms(share->base.loop) - share->renewed_ms >=
	       (int64_t)share->lease_s * 1000 * 2 / 3;
}

static void share_wait_to_renew(struct share_database *share)
{
	weir_timer_start(share->base.loop, &share->renew, (int64_t)share->lease_s * 1000 / 3,
	        share_on_renew);
}

static void share_on_renewed(void *context, int error, const char *text)
{
	struct share_database *share = context;
	(void)text;
	share->renewal = NULL;
	if (error == 0)
		share->renewed_ms = share->sent_ms;
	if (error == -ESTALE || share_is_late(share)) {
		share_lose(share);
		return;
	}
	share_wait_to_renew(share);
}

static void share_on_renew(struct weir_timer *timer)
{
	struct share_database *share = WEIR_CONTAINER(timer, struct share_database, renew);
	if (share_is_late(share)) {
		share_lose(share);
		return;
	}
	/* One that takes long is no reason not to look at the time. */
	share_wait_to_renew(share);
	if (share->renewal)
		return;
	share->sent_ms = weir_loop_now_ms(share->base.loop);
	weir_database_acme_store(share->database, share->base.loop, share->lease_s, NULL, 0,
	        share_on_renewed, share, &share->renewal);
}

/* -- loading ----------------------------------------------------------------------------------- */

static void share_on_again(void *context)
{
	struct share_database *share = context;
	weir_buffer_finish(&share->text);
	share->format_error = 0;
}

static void share_on_row(void *context, const struct weir_postgres_row *row)
{
	struct share_database *share = context;
	if (share->format_error == 0)
		share->format_error = acme_rows_format(row, &share->text, share->why);
}

/* Writes rows into the directory, and reports that, except the states to their loader. */
static int share_apply(struct share_database *share, const struct acme_rows *rows)
{
	struct acme_rows_changes changes;
	int error = acme_rows_apply(rows, share->base.store, &changes);
	if (error < 0)
		say("cannot write to %s what other front ends have: %s",
		        share->config->acme.directory, weir_error_text(error));
	if (changes.installed || (changes.states && share->phase == SHARE_FREE))
		share->base.events.changed(share->base.events.context, changes.installed);
	return error;
}

static int share_use_load(struct share_database *share, char why[WEIR_POSTGRES_WHY_MAX])
{
	struct acme_rows *rows = acme_rows_create(share->database, share->config);
	int error = rows ? acme_rows_parse(rows, weir_buffer_span(&share->text), why) : -ENOMEM;
	if (error == 0)
		error = share_apply(share, rows);
	if (error == 0)
		acme_rows_bring(rows, share->base.store, &share->observer);
	acme_rows_destroy(rows);
	if (error < 0 && !*why)
		text_copy(why, WEIR_POSTGRES_WHY_MAX, weir_error_text(error));
	return error;
}

static void share_release(struct acme_share *base);

static void share_refuse(struct share_database *share, int error, const char *why)
{
	char text[WEIR_POSTGRES_WHY_MAX];
	share_explain(text, sizeof text, why);
	share_release(&share->base);
	acme_share_end(&share->base, error, text);
}

static void share_on_loaded(void *context, int error, const char *text)
{
	struct share_database *share = context;
	char why[WEIR_POSTGRES_WHY_MAX] = "";
	share->call = NULL;
	text_copy(why, sizeof why, text);
	if (error == 0 && (error = share->format_error) < 0)
		text_copy(why, sizeof why, share->why);
	if (error == 0)
		error = share_use_load(share, why);
	share_on_again(share);
	if (error < 0) {
		share_refuse(share, error, why);
		return;
	}
	share->phase = SHARE_HELD;
	acme_store_observe(share->base.store, &share->observer);
	acme_share_end(&share->base, 0, "");
}

static void share_on_claimed(void *context, int error, const char *text)
{
	struct share_database *share = context;
	char why[WEIR_POSTGRES_WHY_MAX];
	share->call = NULL;
	if (error == 0) {
		share->phase = SHARE_LOADING;
		share->renewed_ms = share->sent_ms;
		share_wait_to_renew(share);
		share_on_again(share);
		error = weir_database_acme_load(share->database, share->base.loop, share_on_row,
		        share_on_again, share_on_loaded, share, &share->call);
		if (error < 0)
			share_refuse(share, error, weir_error_text(error));
		return;
	}
	share->phase = SHARE_FREE;
	share_explain(why, sizeof why, text);
	acme_share_end(&share->base, error, why);
}

static void share_on_claim_retry(struct weir_timer *timer)
{
	struct share_database *share = WEIR_CONTAINER(timer, struct share_database, retry);
	share_on_claimed(share, -ENOMEM, weir_error_text(-ENOMEM));
}

static void share_claim(struct acme_share *base)
{
	struct share_database *share = share_of(base);
	share->phase = SHARE_CLAIMING;
	share->sent_ms = weir_loop_now_ms(base->loop);
	int error = weir_database_acme_claim(
	        share->database, base->loop, share->lease_s, share_on_claimed, share, &share->call);
	if (error < 0)
		weir_timer_start(
		        base->loop, &share->retry, ACME_SHARE_RETRY_MS, share_on_claim_retry);
}

/* -- publishing -------------------------------------------------------------------------------- */

static void share_send(struct share_database *share);

static void share_on_retry(struct weir_timer *timer)
{
	share_send(WEIR_CONTAINER(timer, struct share_database, retry));
}

static void share_on_settled(struct weir_timer *timer)
{
	struct share_database *share = WEIR_CONTAINER(timer, struct share_database, retry);
	acme_share_end(&share->base, 0, "");
}

/* The others look at least once in `refresh`. */
static void share_settle(struct share_database *share)
{
	bool proves = share->proves;
	share->proves = false;
	if (share->journal.failed) {
		share->journal.failed = false;
		acme_share_end(&share->base, -ENOMEM, weir_error_text(-ENOMEM));
	} else if (proves) {
		weir_timer_start(share->base.loop, &share->retry,
		        (int64_t)share->config->store.refresh_ms + ACME_SHARE_SETTLE_MS,
		        share_on_settled);
	} else {
		acme_share_end(&share->base, 0, "");
	}
}

static void share_on_stored(void *context, int error, const char *text)
{
	struct share_database *share = context;
	(void)text;
	share->call = NULL;
	if (error == -ESTALE) {
		share_lose(share);
		return;
	}
	if (error < 0) {
		acme_journal_failed(&share->journal);
		weir_timer_start(
		        share->base.loop, &share->retry, ACME_SHARE_RETRY_MS, share_on_retry);
		return;
	}
	acme_journal_arrived(&share->journal);
	if (share->journal.count)
		share_send(share);
	else
		share_settle(share);
}

static void share_send(struct share_database *share)
{
	struct weir_database_acme_change changes[WEIR_DATABASE_ACME_CHANGES_MAX];
	unsigned count = acme_journal_send(&share->journal, changes);
	int error = weir_database_acme_store(share->database, share->base.loop, share->lease_s,
	        changes, count, share_on_stored, share, &share->call);
	if (error < 0) {
		acme_journal_failed(&share->journal);
		weir_timer_start(
		        share->base.loop, &share->retry, ACME_SHARE_RETRY_MS, share_on_retry);
	}
}

/* One that nobody waited for any more goes on, and ends this one. */
static void share_publish(struct acme_share *base)
{
	struct share_database *share = share_of(base);
	if (share->phase != SHARE_HELD || share->call)
		return; /* it is being lost, which ends it */
	weir_timer_stop(&share->retry);
	if (share->journal.count || share->journal.failed)
		share_send(share);
	else
		acme_share_end_soon(base);
}

/* -- zones ------------------------------------------------------------------------------------- */

static void share_on_zone(void *context, struct weir_span zone)
{
	struct share_database *share = context;
	if (!text_copy_span(share->zone, sizeof share->zone, zone))
		*share->zone = 0;
}

static void share_on_zone_found(void *context, int error, const char *text)
{
	struct share_database *share = context;
	(void)text;
	share->call = NULL;
	acme_share_end_zone(&share->base, error ? "" : share->zone);
	/* Nobody waited for it any more, and a publish came meanwhile. */
	if (share->base.done)
		share_publish(&share->base);
}

/* Without an answer, the name is proven in another way, or by a zone of the configuration. */
static void share_find_zone(struct acme_share *base, const char *name)
{
	struct share_database *share = share_of(base);
	char absolute[ACME_NAME_SIZE + 2];
	*share->zone = 0;
	snprintf(absolute, sizeof absolute, "%s.", name);
	if (share->call || !config_acme_may_prove_by_stored_zone(share->config) ||
	        weir_database_acme_zone(share->database, base->loop, absolute, share_on_zone,
	                share_on_zone_found, share, &share->call) < 0)
		acme_share_end_soon(base);
}

/* -- following --------------------------------------------------------------------------------- */

static void *share_begin(void *context)
{
	struct share_database *share = context;
	return acme_rows_create(share->database, share->config);
}

static int share_parse(void *object, struct weir_span text, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	return acme_rows_parse(object, text, ret_why);
}

static void share_use(void *context, void *object, struct weir_buffer *text)
{
	struct share_database *share = context;
	(void)text;
	/* The holder alone changes the rows: they are what it has. */
	if (share->phase == SHARE_FREE || share->phase == SHARE_CLAIMING)
		share_apply(share, object);
	acme_rows_destroy(object);
}

static void share_drop(void *object)
{
	acme_rows_destroy(object);
}

static void share_report(void *context, const char *why)
{
	char text[WEIR_POSTGRES_WHY_MAX];
	(void)context;
	share_explain(text, sizeof text, why ? why : "");
	if (why)
		say_at(WEIR_LOG_WARNING,
		        "proofs and certificates of other front ends are not taken, and none are "
		        "obtained: %s",
		        text);
	else
		say_at(WEIR_LOG_INFO,
		        "proofs and certificates of other front ends are taken again");
}

static const struct weir_database_snapshot_type share_snapshot_type = {
        .name = WEIR_DATABASE_ACME_SNAPSHOT,
        .select = WEIR_DATABASE_ACME_SELECT,
        .bytes_max = ACME_ROWS_BYTES,
        .format = acme_rows_format,
        .begin = share_begin,
        .parse = share_parse,
        .use = share_use,
        .drop = share_drop,
        .report = share_report,
};

/* Begins anew, with all rows. Without memory it is tried again at the next release. */
static void share_follow(struct share_database *share)
{
	struct weir_database_snapshot_options options;
	weir_database_snapshot_options_init(&options);
	options.type = &share_snapshot_type;
	options.context = share;
	options.poll_ms = (uint32_t)share->config->store.refresh_ms;
	int error = weir_database_snapshot_create(
	        share->database, share->base.loop, &options, &share->snapshot);
	if (error < 0)
		say("proofs of other front ends are not taken: %s", weir_error_text(error));
}

/* -- life -------------------------------------------------------------------------------------- */

static void share_on_released(void *context, int error, const char *text)
{
	struct share_database *share = context;
	(void)error, (void)text; /* it ends by itself then */
	share->renewal = NULL;
}

static void share_release(struct acme_share *base)
{
	struct share_database *share = share_of(base);
	bool had = share->phase == SHARE_LOADING || share->phase == SHARE_HELD;
	share_be_free(share);
	weir_loop_cancel(base->loop, &share->losing);
	if (had)
		weir_database_acme_release(
		        share->database, base->loop, share_on_released, share, &share->renewal);
	share_follow(share);
}

static void share_destroy(struct acme_share *base)
{
	struct share_database *share = share_of(base);
	share_be_free(share);
	weir_loop_cancel(base->loop, &share->losing);
	weir_buffer_finish(&share->text);
	config_release(share->config);
	free(share);
}

static const struct acme_share_type acme_share_database = {
        .reloads = true,
        .claim = share_claim,
        .publish = share_publish,
        .find_zone = share_find_zone,
        .release = share_release,
        .destroy = share_destroy,
};

int acme_share_create_database(struct weir_loop *loop, struct config *config,
        struct acme_store *store, const struct acme_share_events *events, struct acme_share **ret)
{
	struct share_database *share = calloc(1, sizeof *share);
	if (!share)
		return -ENOMEM;
	share->base.type = &acme_share_database;
	share->base.loop = loop;
	share->base.store = store;
	share->base.events = *events;
	share->config = config_hold(config);
	share->database = config->store.database;
	share->lease_s = (uint32_t)(config->acme.lease_ms / 1000);
	share->observer = (struct acme_store_observer){
	        .changed = share_on_changed, .installed = share_on_installed, .context = share};
	weir_list_init(&share->renew.link);
	weir_list_init(&share->retry.link);
	share_follow(share);
	*ret = &share->base;
	return 0;
}
