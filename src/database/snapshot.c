/*
 * Snapshots: looking, loading, and using what was loaded.
 *
 * Invariant: at most one of these runs: the timer, a call, a parse. A parse that runs when the
 * snapshot is destroyed ends later, and frees what it has.
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

#include <weir/error.h>
#include <weir/loop.h>

#include "helper.h"
#include "snapshot_copy.h"

/* A version of this moment: another one than those that a lost transaction may have had. */
const char weir_database_snapshot_bump[] =
        "INSERT INTO weir_snapshot (name, version) VALUES"
        " ($1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)"
        " ON CONFLICT (name) DO UPDATE"
        " SET version = greatest(weir_snapshot.version + 1, excluded.version)";

static const char snapshot_look[] = "SELECT version FROM weir_snapshot WHERE name = $1";

/* A text on its way into an object. */
struct snapshot_work {
	struct weir_work work;
	struct weir_database_snapshot *snapshot; /* NULL: it was destroyed */
	const struct weir_database_snapshot_type *type;
	char *copy; /* or NULL */
	void *object;
	struct weir_buffer text;
	int64_t version;
	int error;
	int copy_error;
	char why[WEIR_POSTGRES_WHY_MAX];
};

struct weir_database_snapshot {
	struct weir_loop *loop;
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
	int64_t bad;                     /* a version that cannot be parsed; -1: none */
	int format_error;
	char why[WEIR_POSTGRES_WHY_MAX]; /* of a format that has failed */
	bool copy_failing;
	bool quiet; /* nothing is reported */
	char last_why[WEIR_POSTGRES_WHY_MAX];
	struct weir_database_snapshot_info info;
};

static void snapshot_call(struct weir_database_snapshot *snapshot, bool loading);

/* -- waiting ----------------------------------------------------------------------------------- */

static void snapshot_on_timer(struct weir_timer *timer)
{
	snapshot_call(WEIR_CONTAINER(timer, struct weir_database_snapshot, timer), false);
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
	if (news && snapshot->type->report && !snapshot->quiet)
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

static void snapshot_confirm(struct weir_database_snapshot *snapshot)
{
	snapshot->info.seen_ms = weir_loop_now_ms(snapshot->loop);
	snapshot_report(snapshot, NULL);
	snapshot_wait(snapshot);
}

/* -- the text ---------------------------------------------------------------------------------- */

static void snapshot_work_free(struct snapshot_work *work)
{
	if (work->object)
		work->type->drop(work->object);
	if (work->text.data)
		explicit_bzero(work->text.data, work->text.capacity);
	weir_buffer_finish(&work->text);
	free(work->copy);
	free(work);
}

static void snapshot_work_run(struct weir_work *base)
{
	struct snapshot_work *work = WEIR_CONTAINER(base, struct snapshot_work, work);
	struct weir_span text = weir_buffer_span(&work->text);
	text_copy(work->why, sizeof work->why, "");
	work->error = work->type->parse(work->object, text, work->why);
	if (work->error && !*work->why)
		text_copy(work->why, sizeof work->why, weir_error_text(work->error));
	if (work->error == 0 && work->copy)
		work->copy_error =
		        snapshot_copy_write(work->copy, work->type->name, work->version, text);
}

static void snapshot_use(struct weir_database_snapshot *snapshot, struct snapshot_work *work)
{
	snapshot->info.version = work->version;
	snapshot->info.bytes = work->text.size;
	snapshot->info.loads++;
	snapshot->type->use(snapshot->context, work->object, &work->text);
	work->object = NULL;
}

static void snapshot_report_copy(struct weir_database_snapshot *snapshot, int error)
{
	char why[WEIR_POSTGRES_WHY_MAX];
	bool news = error && !snapshot->copy_failing;
	snapshot->copy_failing = error;
	if (!news || !snapshot->type->report || snapshot->quiet)
		return;
	snprintf(
	        why, sizeof why, "cannot write %.200s: %s", snapshot->copy, weir_error_text(error));
	snapshot->type->report(snapshot->context, why);
}

static void snapshot_work_done(struct weir_work *base)
{
	struct snapshot_work *work = WEIR_CONTAINER(base, struct snapshot_work, work);
	struct weir_database_snapshot *snapshot = work->snapshot;
	if (snapshot) {
		snapshot->work = NULL;
		if (work->error) {
			/* Without memory it is loaded again. */
			snapshot->bad = work->error == -ENOMEM ? -1 : work->version;
			snapshot_fail(snapshot, work->why);
		} else {
			snapshot_use(snapshot, work);
			snapshot_confirm(snapshot);
			snapshot_report_copy(snapshot, work->copy_error);
		}
	}
	snapshot_work_free(work);
}

static struct snapshot_work *snapshot_work_create(
        const struct weir_database_snapshot_type *type, void *context, const char *copy)
{
	struct snapshot_work *work = calloc(1, sizeof *work);
	if (!work)
		return NULL;
	work->type = type;
	work->copy = copy ? strdup(copy) : NULL;
	work->object = type->begin(context);
	if (work->object && (work->copy || !copy))
		return work;
	snapshot_work_free(work);
	return NULL;
}

static void snapshot_parse(struct weir_database_snapshot *snapshot)
{
	struct snapshot_work *work =
	        snapshot_work_create(snapshot->type, snapshot->context, snapshot->copy);
	if (!work) {
		snapshot_fail(snapshot, weir_error_text(-ENOMEM));
		return;
	}
	work->snapshot = snapshot;
	work->version = snapshot->version;
	work->text = snapshot->text;
	snapshot->text = (struct weir_buffer){0};
	int error = weir_work_submit_to(snapshot->loop, WEIR_LANE_GENERAL, &work->work,
	        snapshot_work_run, snapshot_work_done);
	if (error < 0) {
		snapshot_work_free(work);
		snapshot_fail(snapshot, weir_error_text(error));
		return;
	}
	snapshot->work = work;
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
	bool known = snapshot->version == snapshot->info.version;
	if (end->error) {
		snapshot_fail(snapshot, end->text);
	} else if (snapshot->format_error) {
		snapshot->bad = snapshot->version;
		snapshot_fail(snapshot, snapshot->why);
	} else if (snapshot->loading) {
		snapshot_parse(snapshot);
	} else if (known) {
		snapshot->bad = -1;
		snapshot_confirm(snapshot);
	} else if (snapshot->version == snapshot->bad) {
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
	if (!weir_timer_running(&snapshot->timer))
		return;
	weir_timer_stop(&snapshot->timer);
	snapshot_call(snapshot, false);
}

/* -- life -------------------------------------------------------------------------------------- */

void weir_database_snapshot_options_init(struct weir_database_snapshot_options *options)
{
	*options = (struct weir_database_snapshot_options){
	        .poll_ms = WEIR_DATABASE_POLL_MS, .have = -1};
}

int weir_database_snapshot_create(struct weir_database *database, struct weir_loop *loop,
        const struct weir_database_snapshot_options *options, struct weir_database_snapshot **ret)
{
	struct weir_database_snapshot *snapshot = calloc(1, sizeof *snapshot);
	if (!snapshot)
		return -ENOMEM;
	snapshot->loop = loop;
	snapshot->type = options->type;
	snapshot->context = options->context;
	snapshot->poll_ms = options->poll_ms;
	snapshot->bad = -1;
	snapshot->info.version = options->have;
	snapshot->info.since_ms = weir_loop_now_ms(loop);
	snapshot->copy = options->copy ? strdup(options->copy) : NULL;
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

/* -- a start ----------------------------------------------------------------------------------- */

/* Uses the copy. Returns 0 or a negative error. */
static int snapshot_use_copy(
        const struct weir_database_snapshot_options *options, int64_t *ret_version)
{
	struct snapshot_work *work =
	        snapshot_work_create(options->type, options->context, options->copy);
	if (!work)
		return -ENOMEM;
	int error = snapshot_copy_read(options->copy, options->type->name, options->type->bytes_max,
	        &work->version, &work->text);
	if (error == 0)
		error = work->type->parse(work->object, weir_buffer_span(&work->text), work->why);
	if (error == 0) {
		*ret_version = work->version;
		work->type->use(options->context, work->object, &work->text);
		work->object = NULL;
	}
	snapshot_work_free(work);
	return error;
}

struct snapshot_start {
	struct weir_timer timer;
	bool late;
};

static void snapshot_start_on_timer(struct weir_timer *timer)
{
	WEIR_CONTAINER(timer, struct snapshot_start, timer)->late = true;
}

/* Turns the loop until the first load has ended, in one way or the other. */
static int snapshot_start_run(struct weir_database *database, struct weir_loop *loop,
        const struct weir_database_snapshot_options *options, uint32_t wait_ms,
        int64_t *ret_version, char why[WEIR_POSTGRES_WHY_MAX])
{
	struct snapshot_start start = {.late = false};
	struct weir_database_snapshot *snapshot;
	int error = weir_database_snapshot_create(database, loop, options, &snapshot);
	if (error < 0)
		return error;
	snapshot->quiet = true;
	weir_list_init(&start.timer.link);
	weir_timer_start(loop, &start.timer, wait_ms, snapshot_start_on_timer);
	const struct weir_database_snapshot_info *info = &snapshot->info;
	while (error >= 0 && !start.late && info->loads + info->failures == 0)
		error = weir_loop_turn(loop, -1);
	weir_timer_stop(&start.timer);
	if (error >= 0)
		error = info->loads ? 0 : info->failures ? WEIR_E_DATABASE : -ETIMEDOUT;
	*ret_version = info->version;
	text_copy(why, WEIR_POSTGRES_WHY_MAX,
	        error == WEIR_E_DATABASE ? snapshot->last_why
	        : error == -ETIMEDOUT    ? "it does not reply"
	                                 : weir_error_text(error));
	weir_database_snapshot_destroy(snapshot);
	return error;
}

int weir_database_snapshot_load(struct weir_database *database,
        const struct weir_database_snapshot_options *options, uint32_t wait_ms,
        int64_t *ret_version, bool *ret_is_copy, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct weir_loop *loop;
	int64_t version = -1;
	int error = weir_loop_create(&loop);
	if (error < 0) {
		text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, weir_error_text(error));
		return error;
	}
	error = snapshot_start_run(database, loop, options, wait_ms, &version, ret_why);
	weir_database_leave(database, loop);
	weir_loop_destroy(loop); /* waits for a parse */
	bool is_copy = error < 0 && options->copy && snapshot_use_copy(options, &version) == 0;
	if (error < 0 && !is_copy)
		return error;
	*ret_version = version;
	*ret_is_copy = is_copy;
	return 0;
}
