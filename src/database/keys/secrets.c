/*
 * Secrets that change with time. Invariant: `known` are the secrets, the newest first, with the
 * time of the loop at which each comes into use.
 *
 * The statements of a poll are one transaction: the current and the next secret are inserted unless
 * they are there, old ones are removed, the rest is read. All times are computed by the database.
 *
 * A line of the copy is "BEGINS ID SECRET", with seconds since 1970 by the clock of this machine.
 */
#include <weir/database_secrets.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/rand.h>

#include <weir/buffer.h>
#include <weir/database_copy.h>
#include <weir/error.h>
#include <weir/loop.h>

#include "helper.h"

enum {
	SECRETS_POLLS = 8, /* in a period */
	SECRETS_POLL_MAX_MS = 10 * 60 * 1000,
	SECRETS_NUMBER = 24,
	SECRETS_COPY_BYTES = 4096,
};

struct shared_secret {
	unsigned char bytes[WEIR_DATABASE_SHARED_SECRET];
	int64_t begins_ms; /* of the loop's clock */
};

struct weir_database_secrets {
	struct weir_database *database;
	struct weir_loop *loop;
	struct weir_postgres *pool;
	struct weir_database_secrets_options options;
	char *purpose;
	char period[SECRETS_NUMBER];
	struct weir_postgres_call *call; /* or NULL */
	struct weir_timer poll;
	struct weir_timer change; /* when the next secret comes into use */
	bool failing;
	char *copy;                /* the path, or NULL */
	struct secrets_work *work; /* that reads the copy; or NULL */
	struct weir_database_copy_reports reports;
	struct weir_database_snapshot_info info;
	char why[WEIR_POSTGRES_WHY_MAX]; /* if it is failing */
	size_t count;
	struct shared_secret known[WEIR_DATABASE_SECRETS_MAX];
	/* Of the poll under way. */
	int read_error; /* of a row */
	size_t read_count;
	struct shared_secret read[WEIR_DATABASE_SECRETS_MAX];
	struct weir_buffer read_copy; /* lines of the copy */
	size_t read_clear;            /* secrets that it lacks */
};

void weir_database_secrets_options_init(struct weir_database_secrets_options *options)
{
	*options = (struct weir_database_secrets_options){.purpose = NULL};
}

/* -- reports ----------------------------------------------------------------------------------- */

static void secrets_fail(struct weir_database_secrets *secrets, const char *why)
{
	text_copy(secrets->why, sizeof secrets->why, why);
	secrets->info.failures++;
	if (!secrets->failing && secrets->options.failed)
		secrets->options.failed(secrets->options.context, why);
	secrets->failing = true;
}

static void secrets_on_change(struct weir_timer *timer);

static void secrets_report(struct weir_database_secrets *secrets)
{
	struct weir_database_secret report[WEIR_DATABASE_SECRETS_MAX];
	int64_t now_ms = weir_loop_now_ms(secrets->loop), next_ms = INT64_MAX;
	for (size_t i = 0; i < secrets->count; i++) {
		const struct shared_secret *known = &secrets->known[i];
		int64_t age_ms = now_ms - known->begins_ms;
		memcpy(report[i].bytes, known->bytes, sizeof known->bytes);
		/* Rounded down: -1 ms is not in use yet. */
		report[i].age_s = (age_ms - (age_ms < 0 ? 999 : 0)) / 1000;
		if (age_ms < 0)
			next_ms = min_of(next_ms, -age_ms);
	}
	if (next_ms < INT64_MAX)
		weir_timer_start(secrets->loop, &secrets->change, next_ms, secrets_on_change);
	secrets->options.changed(secrets->options.context, report, secrets->count);
	explicit_bzero(report, sizeof report);
}

static void secrets_on_change(struct weir_timer *timer)
{
	secrets_report(WEIR_CONTAINER(timer, struct weir_database_secrets, change));
}

/* -- the copy ---------------------------------------------------------------------------------- */

static void secrets_poll(struct weir_database_secrets *secrets);
static void secrets_use(
        struct weir_database_secrets *secrets, enum weir_database_origin origin, int64_t age_ms);

struct secrets_work {
	struct weir_work work;
	struct weir_database_secrets *secrets; /* NULL: they were destroyed */
	bool reads;
	char *path, *purpose;
	struct weir_buffer text;
	struct weir_database_copy_info info; /* of the copy that was read */
	size_t left_out;                     /* of the copy that was written */
	int error;
};

static int64_t secrets_now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

static void secrets_work_free(struct secrets_work *work)
{
	weir_buffer_finish(&work->text);
	free(work->path);
	free(work->purpose);
	free(work);
}

static void secrets_work_run(struct weir_work *base)
{
	struct secrets_work *work = WEIR_CONTAINER(base, struct secrets_work, work);
	work->error = work->reads ? weir_database_copy_read(work->path, work->purpose,
	                                    SECRETS_COPY_BYTES, &work->info, &work->text)
	                          : weir_database_copy_write(work->path, work->purpose, 0,
	                                    weir_buffer_span(&work->text));
}

/* Adds a secret to those of the poll, or of the copy. */
static int secrets_add(struct weir_database_secrets *secrets, struct weir_span id,
        struct weir_span text, int64_t begins_ms)
{
	struct weir_buffer bytes = {0};
	int error = weir_database_unseal(secrets->database, secrets->purpose, id, text, &bytes);
	if (error == 0 && bytes.size != WEIR_DATABASE_SHARED_SECRET)
		error = WEIR_E_SYNTAX;
	if (error == 0) {
		struct shared_secret *read = &secrets->read[secrets->read_count++];
		memcpy(read->bytes, bytes.data, sizeof read->bytes);
		read->begins_ms = begins_ms;
	}
	weir_database_erase(&bytes);
	return error;
}

static int secrets_parse_copy(struct weir_database_secrets *secrets, struct weir_span text)
{
	int error = 0;
	while (error == 0 && text.size && secrets->read_count < WEIR_DATABASE_SECRETS_MAX) {
		struct weir_span line, begins, id;
		uint64_t begins_s;
		weir_span_cut(&text, '\n', &line);
		weir_span_cut(&line, ' ', &begins);
		weir_span_cut(&line, ' ', &id);
		error = weir_span_number(begins, 10, &begins_s);
		if (error == 0 && begins_s > UINT32_MAX)
			error = WEIR_E_SYNTAX;
		if (error == 0)
			error = secrets_add(
			        secrets, id, line, ((int64_t)begins_s - secrets_now_s()) * 1000);
	}
	return error;
}

static const char *secrets_why(int error)
{
	return error == -ENOKEY    ? "they are encrypted, and there is no key for them"
	       : error == -EBADMSG ? "they are encrypted by another key"
	                           : weir_error_text(error);
}

static void secrets_on_copy(struct weir_database_secrets *secrets, const struct secrets_work *work)
{
	const char *why = NULL;
	secrets->info.reading = false;
	if (work->error < 0) {
		why = work->error == -ENOENT ? NULL : weir_database_copy_text(work->error);
	} else {
		int error = secrets_parse_copy(secrets, weir_buffer_span(&work->text));
		if (error < 0)
			why = secrets_why(error);
		else if (secrets->read_count)
			secrets_use(secrets, WEIR_DATABASE_COPY, work->info.age_ms);
	}
	if (why)
		weir_database_copy_ignored(&secrets->reports, secrets->copy, why);
	explicit_bzero(secrets->read, sizeof secrets->read);
	secrets_poll(secrets);
}

static void secrets_work_done(struct weir_work *base)
{
	struct secrets_work *work = WEIR_CONTAINER(base, struct secrets_work, work);
	struct weir_database_secrets *secrets = work->secrets;
	if (secrets) {
		secrets->work = NULL;
		if (work->reads)
			secrets_on_copy(secrets, work);
		else
			weir_database_copy_written(
			        &secrets->reports, secrets->copy, work->error, work->left_out);
	}
	secrets_work_free(work);
}

/* Reads the copy, or writes the text, which it takes. */
static int secrets_work_start(
        struct weir_database_secrets *secrets, bool reads, struct weir_buffer *text)
{
	struct secrets_work *work = calloc(1, sizeof *work);
	if (!work)
		return -ENOMEM;
	work->secrets = secrets;
	work->reads = reads;
	work->left_out = secrets->read_clear;
	work->path = strdup(secrets->copy);
	work->purpose = strdup(secrets->purpose);
	if (text) {
		work->text = *text;
		*text = (struct weir_buffer){0};
	}
	int error = work->path && work->purpose ? 0 : -ENOMEM;
	if (error == 0)
		error = weir_work_submit_to(secrets->loop, WEIR_LANE_GENERAL, &work->work,
		        secrets_work_run, secrets_work_done);
	if (error < 0)
		secrets_work_free(work);
	else
		secrets->work = work;
	return error;
}

/* Also if nothing has changed: the time of the file is that of the poll. */
static void secrets_write_copy(struct weir_database_secrets *secrets)
{
	if (!secrets->copy || secrets->work)
		return;
	int error = secrets_work_start(secrets, false, &secrets->read_copy);
	if (error < 0)
		weir_database_copy_written(
		        &secrets->reports, secrets->copy, error, secrets->read_clear);
}

/* A line of the copy. */
static int secrets_keep(struct weir_database_secrets *secrets, struct weir_span id,
        struct weir_span text, int64_t begins_ms)
{
	if (!secrets->copy)
		return 0;
	if (!weir_database_is_sealed(text)) {
		secrets->read_clear++;
		return 0;
	}
	return weir_buffer_format(&secrets->read_copy, SECRETS_COPY_BYTES, "%lld %.*s %.*s\n",
	        (long long)(secrets_now_s() + begins_ms / 1000), (int)id.size, id.data,
	        (int)text.size, text.data);
}

/* -- polling ----------------------------------------------------------------------------------- */

static void secrets_on_poll(struct weir_timer *timer)
{
	secrets_poll(WEIR_CONTAINER(timer, struct weir_database_secrets, poll));
}

static bool secrets_are_new(const struct weir_database_secrets *secrets)
{
	if (secrets->read_count != secrets->count)
		return true;
	for (size_t i = 0; i < secrets->count; i++)
		if (memcmp(secrets->read[i].bytes, secrets->known[i].bytes,
		            sizeof secrets->read[i].bytes) != 0)
			return true;
	return false;
}

static void secrets_on_again(void *context)
{
	struct weir_database_secrets *secrets = context;
	secrets->read_count = 0;
	secrets->read_error = 0;
	secrets->read_clear = 0;
	weir_buffer_consume(&secrets->read_copy, secrets->read_copy.size);
}

/* Columns: the seconds until it comes into use, the id, the text. */
static void secrets_on_row(void *context, const struct weir_postgres_row *row)
{
	struct weir_database_secrets *secrets = context;
	if (secrets->read_count == WEIR_DATABASE_SECRETS_MAX || row->count != 3)
		return;
	struct weir_span id = weir_postgres_row_value(row, 1),
	                 text = weir_postgres_row_value(row, 2);
	int64_t begins_ms = (int64_t)(strtod(weir_postgres_row_value(row, 0).data, NULL) * 1000);
	int error = secrets_add(secrets, id, text, begins_ms);
	if (error == 0)
		error = secrets_keep(secrets, id, text, begins_ms);
	if (error < 0)
		secrets->read_error = error;
}

static void secrets_use(
        struct weir_database_secrets *secrets, enum weir_database_origin origin, int64_t age_ms)
{
	bool are_new = secrets_are_new(secrets);
	int64_t now_ms = weir_loop_now_ms(secrets->loop);
	for (size_t i = 0; i < secrets->read_count; i++)
		secrets->read[i].begins_ms += now_ms;
	memcpy(secrets->known, secrets->read, sizeof secrets->known);
	secrets->count = secrets->read_count;
	secrets->info.origin = origin;
	secrets->info.seen_ms = now_ms - age_ms;
	if (are_new)
		secrets_report(secrets);
}

static void secrets_on_end(void *context, const struct weir_postgres_end *end)
{
	struct weir_database_secrets *secrets = context;
	uint64_t wait_ms = min_of((uint64_t)secrets->options.period_s * 1000 / SECRETS_POLLS,
	        (uint64_t)SECRETS_POLL_MAX_MS);
	secrets->call = NULL;
	if (end->error) {
		secrets_fail(secrets, end->text);
	} else if (secrets->read_error) {
		secrets_fail(secrets, secrets_why(secrets->read_error));
	} else {
		secrets->failing = false;
		secrets->info.loads++;
		secrets_use(secrets, WEIR_DATABASE_ROWS, 0);
		secrets_write_copy(secrets);
	}
	explicit_bzero(secrets->read, sizeof secrets->read);
	if (secrets->failing)
		wait_ms = min_of(wait_ms, (uint64_t)WEIR_DATABASE_SECRETS_RETRY_MS);
	weir_timer_start(secrets->loop, &secrets->poll, (int64_t)wait_ms, secrets_on_poll);
}

#define SECRETS_NOW "extract(epoch FROM now())"

static const char *const secrets_insert =
        "INSERT INTO weir_secret (purpose, begins, id, secret)"
        " SELECT $1, (floor(" SECRETS_NOW " / $2::bigint)::bigint + s.step) * $2::bigint,"
        " s.id, s.secret FROM (VALUES (0, $3, $4), (1, $5, $6)) AS s (step, id, secret)"
        " ON CONFLICT (purpose, begins) DO NOTHING";

static const char *const secrets_prune = "DELETE FROM weir_secret WHERE purpose = $1"
                                         " AND begins < " SECRETS_NOW " - 3 * $2::bigint";

/* Rows of a clock that was wrong by more than a period do not count. */
static const char *const secrets_select =
        "SELECT begins - " SECRETS_NOW ", id, secret FROM weir_secret WHERE purpose = $1"
        " AND begins <= " SECRETS_NOW " + $2::bigint ORDER BY begins DESC";

/* Makes a secret, in case there is none yet. */
static int secrets_make(const struct weir_database_secrets *secrets, char id[WEIR_DATABASE_ID_SIZE],
        struct weir_buffer *text)
{
	unsigned char bytes[WEIR_DATABASE_SHARED_SECRET];
	int error = weir_database_make_id(id);
	if (error == 0 && RAND_bytes(bytes, sizeof bytes) != 1)
		error = -EAGAIN;
	if (error == 0)
		error = weir_database_seal(secrets->database, secrets->purpose, weir_span_of(id),
		        weir_span((const char *)bytes, sizeof bytes), text);
	explicit_bzero(bytes, sizeof bytes);
	return error;
}

static int secrets_start(struct weir_database_secrets *secrets)
{
	static const struct weir_postgres_events events = {
	        .row = secrets_on_row, .again = secrets_on_again, .end = secrets_on_end};
	char ids[2][WEIR_DATABASE_ID_SIZE];
	struct weir_buffer texts[2] = {0};
	struct weir_postgres_call_options options;
	int error = secrets_make(secrets, ids[0], &texts[0]);
	if (error == 0)
		error = secrets_make(secrets, ids[1], &texts[1]);
	if (error == 0) {
		struct weir_postgres_value values[] = {weir_postgres_text(secrets->purpose),
		        weir_postgres_text(secrets->period), weir_postgres_text(ids[0]),
		        {weir_buffer_span(&texts[0]), false}, weir_postgres_text(ids[1]),
		        {weir_buffer_span(&texts[1]), false}};
		struct weir_postgres_statement statements[] = {{secrets_insert, values, 6},
		        {secrets_prune, values, 2}, {secrets_select, values, 2}};
		weir_postgres_call_options_init(&options);
		options.statements = statements;
		options.count = 3;
		options.idempotent = true;
		secrets_on_again(secrets);
		error = weir_postgres_call_start(
		        secrets->pool, &options, &events, secrets, &secrets->call);
	}
	weir_database_erase(&texts[0]);
	weir_database_erase(&texts[1]);
	return error;
}

static void secrets_poll(struct weir_database_secrets *secrets)
{
	int error = secrets_start(secrets);
	if (error == 0)
		return;
	secrets_fail(secrets, weir_error_text(error));
	weir_timer_start(
	        secrets->loop, &secrets->poll, WEIR_DATABASE_SECRETS_RETRY_MS, secrets_on_poll);
}

/* -- life -------------------------------------------------------------------------------------- */

static void secrets_on_start(struct weir_timer *timer)
{
	struct weir_database_secrets *secrets =
	        WEIR_CONTAINER(timer, struct weir_database_secrets, poll);
	if (secrets->copy && secrets_work_start(secrets, true, NULL) == 0)
		return;
	secrets->info.reading = false;
	secrets_poll(secrets);
}

void weir_database_secrets_info(
        const struct weir_database_secrets *secrets, struct weir_database_snapshot_info *ret)
{
	*ret = secrets->info;
	ret->failing = secrets->failing;
	ret->why = secrets->why;
}

int weir_database_secrets_create(struct weir_database *database, struct weir_loop *loop,
        const struct weir_database_secrets_options *options, struct weir_database_secrets **ret)
{
	struct weir_postgres *pool;
	int error = weir_database_pool(database, loop, &pool);
	struct weir_database_secrets *secrets = error == 0 ? calloc(1, sizeof *secrets) : NULL;
	if (!secrets)
		return error ? error : -ENOMEM;
	secrets->database = weir_database_hold(database);
	secrets->loop = loop;
	secrets->pool = pool;
	secrets->options = *options;
	secrets->reports.warn = options->warn;
	secrets->reports.context = options->context;
	secrets->purpose = weir_span_copy(weir_span_of(options->purpose));
	snprintf(secrets->period, sizeof secrets->period, "%u", (unsigned)options->period_s);
	weir_list_init(&secrets->poll.link);
	weir_list_init(&secrets->change.link);
	secrets->copy = options->copy ? strdup(options->copy) : NULL;
	secrets->info.version = -1;
	secrets->info.since_ms = weir_loop_now_ms(loop);
	if (!secrets->purpose || (options->copy && !secrets->copy)) {
		weir_database_secrets_destroy(secrets);
		return -ENOMEM;
	}
	/* The file is not opened here: the process may become another user before the loop runs. */
	weir_timer_start(loop, &secrets->poll, 0, secrets_on_start);
	secrets->info.reading = secrets->copy;
	*ret = secrets;
	return 0;
}

void weir_database_secrets_destroy(struct weir_database_secrets *secrets)
{
	if (!secrets)
		return;
	if (secrets->call)
		weir_postgres_call_cancel(secrets->call);
	if (secrets->work)
		secrets->work->secrets = NULL;
	weir_timer_stop(&secrets->poll);
	weir_timer_stop(&secrets->change);
	explicit_bzero(secrets->known, sizeof secrets->known);
	explicit_bzero(secrets->read, sizeof secrets->read);
	weir_buffer_finish(&secrets->read_copy);
	free(secrets->copy);
	free(secrets->purpose);
	weir_database_release(secrets->database);
	free(secrets);
}
