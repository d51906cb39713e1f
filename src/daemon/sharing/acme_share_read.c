/* The rows of other front ends: all of them at the beginning of a lease, and as they change. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>

#include "acme_rows.h"
#include "acme_share_state.h"
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
	share->loaded(share, error, why);
}

void share_load(struct share_database *share,
        void (*loaded)(struct share_database *share, int error, const char *why))
{
	share->loaded = loaded;
	share_on_load_again(share);
	int error = weir_database_acme_load(share->database, share->base.loop, share_on_load_row,
	        share_on_load_again, share_on_loaded, share, &share->call);
	if (error < 0)
		loaded(share, error, weir_error_text(error));
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

static void share_drop(void *object)
{
	acme_rows_destroy(object);
}

static void share_report(void *context, const char *why)
{
	struct share_database *share = context;
	char text[WEIR_POSTGRES_WHY_MAX];
	if (share->untaken == !!why)
		return;
	share->untaken = why;
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

static void share_use(void *context, void *object, struct weir_buffer *text)
{
	struct share_database *share = context;
	(void)text;
	share_report(share, NULL);
	/* The holder alone changes the rows: they are what it has. */
	if (share->phase == SHARE_FREE || share->phase == SHARE_CLAIMING)
		share_apply(share, object);
	acme_rows_destroy(object);
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
