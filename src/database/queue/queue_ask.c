/*
 * Lists and commands. A list is a stream of rows, one for each recipient. A command changes rows
 * that nobody has claimed, and marks the others for the front end that has claimed them.
 *
 * Invariant: an asker's `done` is called once, also if its loop leaves meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "helper.h"
#include "queue_database.h"

enum {
	QUEUE_RETRY_STEP = 1000 /* messages that become due in one statement */
};

struct queue_inquiry {
	struct database_leaver leaver;
	struct queue_database *queue;
	struct weir_loop *loop;
	struct weir_postgres *pool;
	struct weir_postgres_call *call;
	enum weir_queue_command command;
	char id[WEIR_DATABASE_ID_SIZE]; /* of the message; or of the last one that was looked at */

	bool removed; /* WEIR_QUEUE_DELETE: nobody had claimed it */
	struct queue_reader reader;
	weir_mail_queue_show_fn *show;
	weir_mail_queue_done_fn *done;
	void *context;
};

#define ASK_TIMES QUEUE_SQL_SINCE("q.arrived") "::text, " QUEUE_SQL_UNTIL("q.due") "::text"

static const char ask_list[] =
        "SELECT q.id::text, " ASK_TIMES ", q.tries::text,"
        " " QUEUE_SQL_MESSAGE ", " QUEUE_SQL_RECIPIENT " FROM weir_queue AS q"
        " LEFT JOIN weir_queue_message AS m ON m.id = q.id"
        " LEFT JOIN weir_queue_recipient AS r ON r.id = q.id"
        " WHERE NOT q.deleted ORDER BY q.id, r.number";

enum {
	ASK_MESSAGE = 4, /* the first column of QUEUE_SQL_MESSAGE */
	ASK_RECIPIENT = ASK_MESSAGE + QUEUE_MESSAGE_COLUMNS
};

static const char ask_retry[] =
        "UPDATE weir_queue SET due = CASE WHEN lease IS NULL THEN now() ELSE due END,"
        " retried = lease IS NOT NULL WHERE id = $1::uuid";

/* In steps, from the message behind $1 on. */
static const char ask_retry_all[] =
        "WITH step AS (SELECT id FROM weir_queue WHERE id > $1::uuid ORDER BY id LIMIT $2::int),"
        " made AS (UPDATE weir_queue AS q"
        " SET due = CASE WHEN lease IS NULL THEN now() ELSE due END, retried = lease IS NOT NULL"
        " FROM step WHERE q.id = step.id)"
        " SELECT id FROM step ORDER BY id DESC LIMIT 1";

static const char ask_delete[] = "UPDATE weir_queue SET deleted = true WHERE id = $1::uuid";

static const char ask_remove[] =
        "WITH gone AS (DELETE FROM weir_queue WHERE id = $1::uuid AND deleted"
        " AND (lease IS NULL OR lease_end <= now()) RETURNING id)," QUEUE_SQL_REMOVE
        " SELECT count(*) FROM gone";

/* -- ends -------------------------------------------------------------------------------------- */

static void ask_finish(struct queue_inquiry *inquiry, int error)
{
	struct queue_database *queue = inquiry->queue;
	weir_list_remove(&inquiry->leaver.link);
	if (inquiry->call)
		weir_postgres_call_cancel(inquiry->call);
	queue_reader_clear(&inquiry->reader);
	inquiry->done(inquiry->context, error);
	free(inquiry);
	queue_database_release(queue);
}

static void ask_leave(struct database_leaver *leaver)
{
	ask_finish(WEIR_CONTAINER(leaver, struct queue_inquiry, leaver), -ECANCELED);
}

static int ask_make(struct weir_mail_queue *base, struct weir_loop *loop,
        weir_mail_queue_done_fn *done, void *context, struct queue_inquiry **ret)
{
	struct queue_database *queue = queue_database_of(base);
	struct database_loop *at;
	int error = database_loop_get(queue->database, loop, &at);
	if (error < 0)
		return error;
	struct queue_inquiry *inquiry = calloc(1, sizeof *inquiry);
	if (!inquiry)
		return -ENOMEM;
	inquiry->queue = queue;
	inquiry->loop = loop;
	inquiry->pool = at->pool;
	inquiry->done = done;
	inquiry->context = context;
	inquiry->leaver.leave = ask_leave;
	weir_list_append(&at->leavers, &inquiry->leaver.link);
	queue_database_hold(queue);
	*ret = inquiry;
	return 0;
}

/* Nothing was started. */
static int ask_refuse(struct queue_inquiry *inquiry, int error)
{
	weir_list_remove(&inquiry->leaver.link);
	queue_database_release(inquiry->queue);
	free(inquiry);
	return error;
}

static int ask_call(struct queue_inquiry *inquiry, const struct weir_postgres_statement *statements,
        unsigned count, bool stream, const struct weir_postgres_events *events)
{
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = statements;
	options.count = count;
	options.stream = options.binary = stream;
	options.idempotent = true;
	return weir_postgres_call_start(inquiry->pool, &options, events, inquiry, &inquiry->call);
}

/* -- listing ----------------------------------------------------------------------------------- */

static void ask_show(struct queue_inquiry *inquiry)
{
	struct weir_queued *queued = NULL;
	if (!inquiry->reader.has_message)
		return;
	(void)queue_reader_finish(&inquiry->reader, &queued);
	if (queued)
		text_copy(queued->id, sizeof queued->id, inquiry->id);
	inquiry->show(inquiry->context, inquiry->id, queued);
	mail_queued_free(queued);
}

static void ask_on_listed(void *context, const struct weir_postgres_row *row)
{
	struct queue_inquiry *inquiry = context;
	struct queue_reader *reader = &inquiry->reader;
	int64_t now_s = weir_loop_wall_s(inquiry->loop);
	if (!weir_span_equal(weir_postgres_row_value(row, 0), weir_span_of(inquiry->id))) {
		ask_show(inquiry);
		text_copy_span(inquiry->id, sizeof inquiry->id, weir_postgres_row_value(row, 0));
		reader->head.arrived_s = now_s - queue_row_number(row, 1);
		reader->head.next_s = now_s + queue_row_number(row, 2);
		reader->head.tries = queue_row_tries(row, 3);
		queue_reader_message(reader, row, ASK_MESSAGE);
	}
	queue_reader_recipient(reader, row, ASK_RECIPIENT);
}

static void ask_on_list_end(void *context, const struct weir_postgres_end *end)
{
	struct queue_inquiry *inquiry = context;
	inquiry->call = NULL;
	if (!end->error)
		ask_show(inquiry);
	ask_finish(inquiry, database_outcome(end));
}

/* A stream is repeated only if it has had no row. */
static const struct weir_postgres_events ask_list_events = {
        .row = ask_on_listed,
        .end = ask_on_list_end,
};

int queue_ask_list(struct weir_mail_queue *base, struct weir_loop *loop,
        weir_mail_queue_show_fn *show, weir_mail_queue_done_fn *done, void *context)
{
	const struct weir_postgres_statement statement = {ask_list, NULL, 0};
	struct queue_inquiry *inquiry;
	int error = ask_make(base, loop, done, context, &inquiry);
	if (error < 0)
		return error;
	inquiry->show = show;
	error = ask_call(inquiry, &statement, 1, true, &ask_list_events);
	return error < 0 ? ask_refuse(inquiry, error) : 0;
}

/* -- commands ---------------------------------------------------------------------------------- */

static void ask_on_id(void *context, const struct weir_postgres_row *row)
{
	struct queue_inquiry *inquiry = context;
	if (inquiry->command == WEIR_QUEUE_RETRY_ALL)
		text_copy_span(inquiry->id, sizeof inquiry->id, weir_postgres_row_value(row, 0));
	else
		inquiry->removed = queue_row_number(row, 0) > 0;
}

static int ask_start_command(struct queue_inquiry *inquiry);

static void ask_on_command_end(void *context, const struct weir_postgres_end *end)
{
	struct queue_inquiry *inquiry = context;
	int error = database_outcome(end);
	inquiry->call = NULL;
	if (error == 0 && inquiry->command == WEIR_QUEUE_RETRY_ALL && end->rows[0]) {
		error = ask_start_command(inquiry);
		if (error == 0)
			return;
	}
	/* A deletion that was repeated has deleted it before. */
	if (error == 0 && inquiry->command != WEIR_QUEUE_RETRY_ALL && !end->rows[0] &&
	        !end->repeated)
		error = -ENOENT;
	if (error == 0 && inquiry->removed)
		queue_database_count(inquiry->queue, -1);
	if (error == 0)
		queue_database_wake(inquiry->queue);
	ask_finish(inquiry, error);
}

static const struct weir_postgres_events ask_command_events = {
        .row = ask_on_id,
        .end = ask_on_command_end,
};

static int ask_start_command(struct queue_inquiry *inquiry)
{
	static const char *const texts[] = {[WEIR_QUEUE_RETRY] = ask_retry,
	        [WEIR_QUEUE_RETRY_ALL] = ask_retry_all,
	        [WEIR_QUEUE_DELETE] = ask_delete};
	bool all = inquiry->command == WEIR_QUEUE_RETRY_ALL;
	char step[BODY_NUMBER_SIZE];
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(inquiry->id),
	        body_value_number(QUEUE_RETRY_STEP, step),
	};
	const struct weir_postgres_statement statements[] = {
	        {texts[inquiry->command], values, all ? 2 : 1},
	        {ask_remove, values, 1},
	};
	return ask_call(inquiry, statements, inquiry->command == WEIR_QUEUE_DELETE ? 2 : 1, false,
	        &ask_command_events);
}

/* Whether it is a UUID as the database prints it. */
static bool ask_is_id(const char *id)
{
	size_t size = strlen(id);
	for (size_t i = 0; i < size; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? id[i] != '-' : !strchr("0123456789abcdef", id[i]))
			return false;
	}
	return size == WEIR_DATABASE_ID_SIZE - 1;
}

int queue_ask_command(struct weir_mail_queue *base, struct weir_loop *loop,
        enum weir_queue_command command, const char *id, weir_mail_queue_done_fn *done,
        void *context)
{
	struct queue_inquiry *inquiry;
	if (command == WEIR_QUEUE_RETRY_ALL)
		id = "00000000-0000-0000-0000-000000000000";
	else if (!id || !ask_is_id(id))
		return -EINVAL;
	int error = ask_make(base, loop, done, context, &inquiry);
	if (error < 0)
		return error;
	inquiry->command = command;
	text_copy(inquiry->id, sizeof inquiry->id, id);
	error = ask_start_command(inquiry);
	return error < 0 ? ask_refuse(inquiry, error) : 0;
}
