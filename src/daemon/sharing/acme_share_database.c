/*
 * Obtaining certificates together, in a database: what is read of it. The lease is in acme_lease.c,
 * what the holder writes in acme_publish.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "acme_rows.h"
#include "acme_share_state.h"
#include "config_acme.h"
#include "helper.h"
#include "say.h"

/* A schema that waits for its migration is the likely reason. */
void share_explain(char *to, size_t size, const char *why)
{
	snprintf(to, size, "the database: %.200s%s", why,
	        strstr(why, "weir_acme_") ? ": run `weir store migrate`" : "");
}

/* -- loading ----------------------------------------------------------------------------------- */

static void share_on_load_again(void *context)
{
	struct share_database *share = context;
	weir_buffer_finish(&share->text);
	share->format_error = 0;
}

static void share_on_load_row(void *context, const struct weir_postgres_row *row)
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

static void share_refuse(struct share_database *share, int error, const char *why)
{
	char text[WEIR_POSTGRES_WHY_MAX];
	share_explain(text, sizeof text, why);
	acme_lease_release(&share->base);
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
	share_on_load_again(share);
	if (error < 0) {
		share_refuse(share, error, why);
		return;
	}
	share->phase = SHARE_HELD;
	acme_store_observe(share->base.store, &share->observer);
	acme_share_end(&share->base, 0, "");
}

void share_load(struct share_database *share)
{
	share_on_load_again(share);
	int error = weir_database_acme_load(share->database, share->base.loop, share_on_load_row,
	        share_on_load_again, share_on_loaded, share, &share->call);
	if (error < 0)
		share_refuse(share, error, weir_error_text(error));
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
		acme_publish(&share->base);
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

static void share_on_follow_again(struct weir_timer *timer)
{
	share_follow(WEIR_CONTAINER(timer, struct share_database, follow));
}

/* Begins anew, with all rows. */
void share_follow(struct share_database *share)
{
	struct weir_database_snapshot_options options;
	weir_database_snapshot_options_init(&options);
	options.type = &share_snapshot_type;
	options.context = share;
	options.poll_ms = (uint32_t)share->config->store.refresh_ms;
	int error = weir_database_snapshot_create(
	        share->database, share->base.loop, &options, &share->snapshot);
	if (error == 0)
		return;
	say("proofs of other front ends are not taken: %s", weir_error_text(error));
	weir_timer_start(
	        share->base.loop, &share->follow, ACME_SHARE_RETRY_MS, share_on_follow_again);
}

/* -- life -------------------------------------------------------------------------------------- */

static void share_destroy(struct acme_share *base)
{
	struct share_database *share = share_of(base);
	acme_lease_drop(share);
	weir_timer_stop(&share->stop);
	weir_buffer_finish(&share->text);
	config_release(share->config);
	free(share);
}

static const struct acme_share_type acme_share_database = {
        .reloads = true,
        .claim = acme_lease_claim,
        .publish = acme_publish,
        .find_zone = share_find_zone,
        .release = acme_lease_release,
        .stop = acme_lease_stop,
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
	acme_publish_init(share);
	weir_list_init(&share->renew.link);
	weir_list_init(&share->retry.link);
	weir_list_init(&share->stop.link);
	weir_list_init(&share->follow.link);
	acme_lease_show(share);
	share_follow(share);
	*ret = &share->base;
	return 0;
}
