/*
 * Snapshots: the copy, looking, loading, and using what was loaded.
 *
 * Invariant: at most one of these runs: the timer, a call, a work. A work, which reads the copy or
 * parses, and which runs when the snapshot is destroyed, ends later, and frees what it has.
 *
 * The version and the rows come in one call, the version first: so the rows are at least as new as
 * the version, whichever host has replied. A change between the two is loaded twice.
 */
#include <weir/database_snapshot.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <weir/database_copy.h>
#include <weir/error.h>
#include <weir/loop.h>

#include "call.h"
#include "helper.h"

/* A version of this moment: another one than those that a lost transaction may have had. */
const char weir_database_snapshot_bump[] =
        "INSERT INTO weir_snapshot (name, version) VALUES"
        " ($1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)"
        " ON CONFLICT (name) DO UPDATE"
        " SET version = " DATABASE_NEXT_VERSION;

static const char snapshot_look[] = "SELECT version FROM weir_snapshot WHERE name = $1";

/* A text on its way into an object: rows, or with `reads` that of the copy. */
struct snapshot_work {
	struct weir_work work;
	struct weir_database_snapshot *snapshot; /* NULL: it was destroyed */
	struct weir_database *database;          /* held: parse() may need its keys */
	const struct weir_database_snapshot_type *type;
	bool reads;
	char *copy; /* or NULL */
	void *object;
	struct weir_buffer text;
	int64_t version;
	int64_t age_ms; /* of the copy that was read */
	int error;
	int copy_error;  /* of reading or writing it */
	size_t left_out; /* of the copy that was written */
	char why[WEIR_POSTGRES_WHY_MAX];
};

struct weir_database_snapshot {
	struct weir_loop *loop;
	struct weir_database *database;
	struct weir_postgres *pool;
	const struct weir_database_snapshot_type *type;
	void *context;
	char *copy;
	uint32_t poll_ms;
	struct weir_timer timer;
	struct weir_postgres_call *call; /* or NULL */
	struct snapshot_work *work;      /* or NULL */
	struct weir_buffer text;         /* of the load under way */
	bool loading;                    /* the call is a load */
	bool found;                      /* it had a version */
	int64_t version;                 /* that the call has seen */
	int64_t bad;                     /* a version that cannot be parsed */
	bool has_bad;                    /* there is one */
	int format_error;
	char why[WEIR_POSTGRES_WHY_MAX]; /* of a format that has failed */
	struct weir_database_copy_reports reports;
	int64_t copy_written_ms; /* or confirmed; 0: never */
	char last_why[WEIR_POSTGRES_WHY_MAX];
	struct weir_database_snapshot_info info;
};

static void snapshot_call(struct weir_database_snapshot *snapshot, bool loading);
static void snapshot_read_copy(struct weir_database_snapshot *snapshot);

/* -- waiting ----------------------------------------------------------------------------------- */

static void snapshot_on_timer(struct weir_timer *timer)
{
	struct weir_database_snapshot *snapshot =
	        WEIR_CONTAINER(timer, struct weir_database_snapshot, timer);
	if (snapshot->info.reading)
		snapshot_read_copy(snapshot);
	else
		snapshot_call(snapshot, false);
}

/* Front ends that were started together look at different times. */
static void snapshot_wait(struct weir_database_snapshot *snapshot)
{
	uint32_t random;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
		random = 0;
	weir_timer_start(snapshot->loop, &snapshot->timer,
	        snapshot->poll_ms - random % (snapshot->poll_ms / 2 + 1), snapshot_on_timer);
}

static void snapshot_report(struct weir_database_snapshot *snapshot, const char *why)
{
	bool news = snapshot->info.failing == !why;
	snapshot->info.failing = why;
	if (news && snapshot->type->report)
		snapshot->type->report(snapshot->context, why);
}

static void snapshot_fail(struct weir_database_snapshot *snapshot, const char *why)
{
	snapshot->info.failures++;
	text_copy(snapshot->last_why, sizeof snapshot->last_why, why);
	weir_buffer_finish(&snapshot->text);
	snapshot_report(snapshot, why);
	snapshot_wait(snapshot);
}

/* -- the text ---------------------------------------------------------------------------------- */

static void snapshot_work_free(struct snapshot_work *work)
{
	if (work->object)
		work->type->drop(work->object);
	weir_database_release(work->database);
	buffer_erase(&work->text);
	free(work->copy);
	free(work);
}

/* -- the copy ---------------------------------------------------------------------------------- */

/* The copy gets the time of now, if it has not for a while. */
struct snapshot_touch {
	struct weir_work work;
	char path[];
};

static void snapshot_touch_run(struct weir_work *work)
{
	/* A copy that is gone comes back with the next version. */
	weir_database_copy_confirm(WEIR_CONTAINER(work, struct snapshot_touch, work)->path);
}

static void snapshot_touch_done(struct weir_work *work)
{
	free(WEIR_CONTAINER(work, struct snapshot_touch, work));
}

static void snapshot_confirm_copy(struct weir_database_snapshot *snapshot)
{
	int64_t now_ms = weir_loop_now_ms(snapshot->loop);
	if (!snapshot->copy || snapshot->reports.failing ||
	        now_ms - snapshot->copy_written_ms < WEIR_DATABASE_COPY_CONFIRM_MS)
		return;
	snapshot->copy_written_ms = now_ms;
	size_t size = strlen(snapshot->copy) + 1;
	struct snapshot_touch *touch = calloc(1, sizeof *touch + size);
	if (!touch)
		return;
	memcpy(touch->path, snapshot->copy, size);
	if (weir_work_submit_to(snapshot->loop, WEIR_LANE_GENERAL, &touch->work, snapshot_touch_run,
	            snapshot_touch_done) < 0)
		free(touch);
}

static void snapshot_confirm(struct weir_database_snapshot *snapshot)
{
	snapshot->info.origin = WEIR_DATABASE_ROWS;
	snapshot->info.seen_ms = weir_loop_now_ms(snapshot->loop);
	snapshot_confirm_copy(snapshot);
	snapshot_report(snapshot, NULL);
	snapshot_wait(snapshot);
}

/* -- works ------------------------------------------------------------------------------------- */

static void snapshot_work_read(struct snapshot_work *work)
{
	struct weir_database_copy_info info;
	work->copy_error = weir_database_copy_read(
	        work->copy, work->type->name, work->type->bytes_max, &info, &work->text);
	if (work->copy_error < 0)
		return;
	work->version = info.version;
	work->age_ms = info.age_ms;
}

static void snapshot_work_write(struct snapshot_work *work)
{
	struct weir_buffer filtered = {0};
	struct weir_span text = weir_buffer_span(&work->text);
	if (work->type->copy) {
		work->copy_error = work->type->copy(text, &filtered, &work->left_out);
		text = weir_buffer_span(&filtered);
	}
	if (work->copy_error == 0)
		work->copy_error =
		        weir_database_copy_write(work->copy, work->type->name, work->version, text);
	buffer_erase(&filtered);
}

static void snapshot_work_run(struct weir_work *base)
{
	struct snapshot_work *work = WEIR_CONTAINER(base, struct snapshot_work, work);
	text_copy(work->why, sizeof work->why, "");
	if (work->reads)
		snapshot_work_read(work);
	if (work->copy_error < 0)
		return;
	work->error = work->type->parse(work->object, weir_buffer_span(&work->text), work->why);
	if (work->error && !*work->why)
		text_copy(work->why, sizeof work->why, weir_error_text(work->error));
	if (work->error == 0 && work->copy && !work->reads)
		snapshot_work_write(work);
}

static void snapshot_use(struct weir_database_snapshot *snapshot, struct snapshot_work *work)
{
	snapshot->info.version = work->version;
	snapshot->info.bytes = work->text.size;
	snapshot->type->use(snapshot->context, work->object, &work->text);
	work->object = NULL;
}

static void snapshot_on_copy(struct weir_database_snapshot *snapshot, struct snapshot_work *work)
{
	snapshot->info.reading = false;
	if (work->copy_error == 0 && work->error == 0) {
		snapshot->info.origin = WEIR_DATABASE_COPY;
		snapshot->info.seen_ms = weir_loop_now_ms(snapshot->loop) - work->age_ms;
		snapshot_use(snapshot, work);
	} else if (work->copy_error == 0) {
		weir_database_copy_ignored(&snapshot->reports, snapshot->copy, work->why);
	} else if (work->copy_error != -ENOENT) {
		weir_database_copy_ignored(&snapshot->reports, snapshot->copy,
		        weir_database_copy_text(work->copy_error));
	}
	snapshot_call(snapshot, false);
}

static void snapshot_on_rows(struct weir_database_snapshot *snapshot, struct snapshot_work *work)
{
	if (work->error) {
		/* In these cases it is loaded again. */
		bool again = work->error == -ENOMEM || work->error == -EAGAIN;
		snapshot->bad = work->version;
		snapshot->has_bad = !again;
		snapshot_fail(snapshot, work->why);
		return;
	}
	snapshot->info.loads++;
	snapshot->copy_written_ms = weir_loop_now_ms(snapshot->loop);
	snapshot_use(snapshot, work);
	weir_database_copy_written(
	        &snapshot->reports, snapshot->copy, work->copy_error, work->left_out);
	snapshot_confirm(snapshot);
}

static void snapshot_work_done(struct weir_work *base)
{
	struct snapshot_work *work = WEIR_CONTAINER(base, struct snapshot_work, work);
	struct weir_database_snapshot *snapshot = work->snapshot;
	if (snapshot) {
		snapshot->work = NULL;
		if (work->reads)
			snapshot_on_copy(snapshot, work);
		else
			snapshot_on_rows(snapshot, work);
	}
	snapshot_work_free(work);
}

static struct snapshot_work *snapshot_work_create(struct weir_database_snapshot *snapshot)
{
	struct snapshot_work *work = calloc(1, sizeof *work);
	if (!work)
		return NULL;
	work->snapshot = snapshot;
	work->database = weir_database_hold(snapshot->database);
	work->type = snapshot->type;
	work->copy = snapshot->copy ? strdup(snapshot->copy) : NULL;
	work->object = work->type->begin(snapshot->context);
	if (work->object && (work->copy || !snapshot->copy))
		return work;
	snapshot_work_free(work);
	return NULL;
}

/* Frees the work if it cannot be submitted. */
static int snapshot_work_submit(struct weir_database_snapshot *snapshot, struct snapshot_work *work)
{
	int error = weir_work_submit_to(snapshot->loop, WEIR_LANE_GENERAL, &work->work,
	        snapshot_work_run, snapshot_work_done);
	if (error < 0)
		snapshot_work_free(work);
	else
		snapshot->work = work;
	return error;
}

static void snapshot_parse(struct weir_database_snapshot *snapshot)
{
	struct snapshot_work *work = snapshot_work_create(snapshot);
	int error = -ENOMEM;
	if (work) {
		work->version = snapshot->version;
		work->text = snapshot->text;
		snapshot->text = (struct weir_buffer){0};
		error = snapshot_work_submit(snapshot, work);
	}
	if (error < 0)
		snapshot_fail(snapshot, weir_error_text(error));
}

static void snapshot_read_copy(struct weir_database_snapshot *snapshot)
{
	struct snapshot_work *work = snapshot_work_create(snapshot);
	int error = -ENOMEM;
	if (work) {
		work->reads = true;
		error = snapshot_work_submit(snapshot, work);
	}
	if (error == 0)
		return;
	snapshot->info.reading = false;
	weir_database_copy_ignored(&snapshot->reports, snapshot->copy, weir_error_text(error));
	snapshot_call(snapshot, false);
}

/* -- calls ------------------------------------------------------------------------------------- */

static void snapshot_on_row(void *context, const struct weir_postgres_row *row)
{
	struct weir_database_snapshot *snapshot = context;
	struct weir_buffer *text = &snapshot->text;
	if (row->statement == 0) {
		snapshot->version = strtoll(weir_postgres_row_value(row, 0).data, NULL, 10);
		snapshot->found = true;
		return;
	}
	if (snapshot->format_error)
		return;
	snapshot->format_error = snapshot->type->format(row, text, snapshot->why);
	if (snapshot->format_error == 0 && text->size > snapshot->type->bytes_max)
		snapshot->format_error = WEIR_E_LIMIT;
	if (snapshot->format_error && !*snapshot->why)
		text_copy(snapshot->why, sizeof snapshot->why,
		        weir_error_text(snapshot->format_error));
}

static void snapshot_reset(struct weir_database_snapshot *snapshot)
{
	weir_buffer_finish(&snapshot->text);
	snapshot->found = false;
	snapshot->version = 0; /* nothing was ever written */
	snapshot->format_error = 0;
	snapshot->why[0] = '\0';
}

static void snapshot_on_again(void *context)
{
	snapshot_reset(context);
}

static void snapshot_on_end(void *context, const struct weir_postgres_end *end)
{
	struct weir_database_snapshot *snapshot = context;
	snapshot->call = NULL;
	/* Rows of a copy may be those of another database. */
	bool known = snapshot->info.origin == WEIR_DATABASE_ROWS &&
	             snapshot->version == snapshot->info.version;
	if (end->error) {
		snapshot_fail(snapshot, end->text);
	} else if (snapshot->format_error) {
		snapshot->bad = snapshot->version;
		snapshot->has_bad = snapshot->format_error != -ENOMEM;
		snapshot_fail(snapshot, snapshot->why);
	} else if (snapshot->loading) {
		snapshot_parse(snapshot);
	} else if (known) {
		snapshot->has_bad = false;
		snapshot_confirm(snapshot);
	} else if (snapshot->has_bad && snapshot->version == snapshot->bad) {
		snapshot_wait(snapshot); /* which was reported */
	} else {
		snapshot_call(snapshot, true);
	}
}

static const struct weir_postgres_events snapshot_events = {
        .row = snapshot_on_row,
        .again = snapshot_on_again,
        .end = snapshot_on_end,
};

static void snapshot_call(struct weir_database_snapshot *snapshot, bool loading)
{
	struct weir_postgres_value name = weir_postgres_text(snapshot->type->name);
	struct weir_postgres_statement statements[] = {
	        {snapshot_look, &name, 1}, {snapshot->type->select, NULL, 0}};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = statements;
	options.count = loading ? 2 : 1;
	options.stream = loading;
	options.idempotent = true;
	snapshot->loading = loading;
	snapshot_reset(snapshot);
	int error = weir_postgres_call_start(
	        snapshot->pool, &options, &snapshot_events, snapshot, &snapshot->call);
	if (error < 0)
		snapshot_fail(snapshot, weir_error_text(error));
}

void weir_database_snapshot_poll(struct weir_database_snapshot *snapshot)
{
	if (!weir_timer_running(&snapshot->timer) || snapshot->info.reading)
		return;
	weir_timer_stop(&snapshot->timer);
	snapshot_call(snapshot, false);
}

/* -- life -------------------------------------------------------------------------------------- */

void weir_database_snapshot_options_init(struct weir_database_snapshot_options *options)
{
	*options = (struct weir_database_snapshot_options){.poll_ms = WEIR_DATABASE_POLL_MS};
}

int weir_database_snapshot_create(struct weir_database *database, struct weir_loop *loop,
        const struct weir_database_snapshot_options *options, struct weir_database_snapshot **ret)
{
	struct weir_database_snapshot *snapshot = calloc(1, sizeof *snapshot);
	if (!snapshot)
		return -ENOMEM;
	snapshot->loop = loop;
	snapshot->database = database;
	snapshot->type = options->type;
	snapshot->context = options->context;
	snapshot->poll_ms = options->poll_ms;
	snapshot->info.version = -1;
	snapshot->info.since_ms = weir_loop_now_ms(loop);
	snapshot->reports.warn = options->type->warn;
	snapshot->reports.context = options->context;
	snapshot->copy = options->copy ? strdup(options->copy) : NULL;
	snapshot->info.reading = snapshot->copy;
	weir_list_init(&snapshot->timer.link);
	int error = options->copy && !snapshot->copy ? -ENOMEM : 0;
	if (error == 0)
		error = weir_database_pool(database, loop, &snapshot->pool);
	if (error < 0) {
		weir_database_snapshot_destroy(snapshot);
		return error;
	}
	weir_timer_start(loop, &snapshot->timer, 0, snapshot_on_timer);
	*ret = snapshot;
	return 0;
}

void weir_database_snapshot_destroy(struct weir_database_snapshot *snapshot)
{
	if (!snapshot)
		return;
	weir_timer_stop(&snapshot->timer);
	if (snapshot->call)
		weir_postgres_call_cancel(snapshot->call);
	if (snapshot->work)
		snapshot->work->snapshot = NULL;
	weir_buffer_finish(&snapshot->text);
	free(snapshot->copy);
	free(snapshot);
}

void weir_database_snapshot_info(
        const struct weir_database_snapshot *snapshot, struct weir_database_snapshot_info *ret)
{
	*ret = snapshot->info;
	ret->why = snapshot->last_why;
}
