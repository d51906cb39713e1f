/*
 * The sink of the queue: the body leaves in chunks while it comes, and the last chunk is in the
 * transaction that inserts the message and its recipients.
 *
 *   WRITING ─ commit ─▶ FINISHING ─▶ INSERTING ─▶ (done) ─▶ freed
 *                                        └─ held ─▶ HELD ─ release, abort ─▶ RELEASING, WITHDRAWING
 *
 * A message that is held is claimed by its delivery: its lease is the message's own id. So if the
 * process is killed, or if the database cannot be asked to release it, it is due when that lease
 * ends.
 *
 * If the outcome of the insertion is unknown, the pool repeats it. It violates a key then, or finds
 * no body to claim, if it was committed before.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "helper.h"
#include "queue_database.h"

enum {
	QUEUE_PUT_AGAIN_MS = 1000 /* until a release or a withdrawal is repeated */
};

enum queue_put_state {
	QUEUE_PUT_WRITING,
	QUEUE_PUT_FINISHING, /* the writer sends chunks */
	QUEUE_PUT_INSERTING,
	QUEUE_PUT_HELD,
	QUEUE_PUT_ENDING, /* released or withdrawn: the owner has forgotten it */
};

struct queue_put {
	struct weir_mail_delivery base;
	struct database_leaver leaver; /* ENDING: in the loop's list */
	struct weir_task task;         /* reports an error from the loop */
	struct weir_timer timer;       /* ENDING: tries again */
	struct queue_database *queue;
	struct database_loop *at;
	struct weir_loop *loop;
	enum queue_put_state state;
	bool hold;
	bool released; /* ENDING: not withdrawn */
	bool has_writer;
	struct body_writer writer;
	struct weir_queued *queued;
	struct weir_postgres_call *call;
	uint64_t inserted; /* messages */
	int64_t held_ms;   /* until when; boottime */
	int error;
	int *errors; /* one for each recipient */
	weir_mail_done_fn *done;
	void *context;
};

#define PUT_SQL_COLUMNS "INSERT INTO weir_queue (id, due, arrived, lease, lease_end)"
/* $9: seconds for which the message is held; 0: it is not. */
#define PUT_SQL_TIMES                                                                              \
	" now(), now(), CASE WHEN $9::int > 0 THEN $1::uuid END,"                                  \
	" CASE WHEN $9::int > 0 THEN now() + $9::int * interval '1 s' END"
/* $4 to $8: size, flags, sender, envid, trace; $10 to $12: addresses, orcpts, notifies. */
#define PUT_SQL_REST                                                                               \
	" e AS (INSERT INTO weir_queue_message (id, size, flags, sender, envid, trace)"            \
	" SELECT id, $4::bigint, $5::int, $6::bytea, $7::bytea, $8::bytea FROM m),"                \
	" r AS (INSERT INTO weir_queue_recipient (id, number, address, orcpt, reports)"            \
	" SELECT m.id, (c.number - 1)::int, decode(c.address, 'hex'), decode(c.orcpt, 'hex'),"     \
	" c.reports FROM m, unnest($10::text[], $11::text[], $12::int[])"                          \
	" WITH ORDINALITY AS c (address, orcpt, reports, number)), " BODY_SQL_CHUNK                \
	" SELECT count(*) FROM m"

static const char put_insert[] = "WITH m AS (" PUT_SQL_COLUMNS " VALUES ($1::uuid," PUT_SQL_TIMES
                                 ") RETURNING id)," PUT_SQL_REST;

static const char put_insert_claimed[] =
        "WITH " BODY_SQL_CLAIM ", m AS (" PUT_SQL_COLUMNS " SELECT body," PUT_SQL_TIMES
        " FROM claimed RETURNING id), " BODY_SQL_CLAIMED "," PUT_SQL_REST;

/* With a lock, as delivery_look in mailboxes_delivery.c: a standby has the row then, too. */
static const char put_find[] = "SELECT count(*) FROM (SELECT 1 FROM weir_queue"
                               " WHERE id = $1::uuid FOR KEY SHARE) AS found";

static const char put_release[] =
        "UPDATE weir_queue SET due = now(), lease = NULL, lease_end = NULL"
        " WHERE id = $1::uuid AND lease = $1::uuid";

static const char put_withdraw[] =
        "WITH gone AS (DELETE FROM weir_queue WHERE id = $1::uuid AND lease = $1::uuid"
        " RETURNING id)," QUEUE_SQL_REMOVE " SELECT count(*) FROM gone";

static struct queue_put *queue_put_of(struct weir_mail_delivery *base)
{
	return WEIR_CONTAINER(base, struct queue_put, base);
}

/* -- ends -------------------------------------------------------------------------------------- */

/* `discard`: the message was not put. */
static void queue_put_free(struct queue_put *put, bool discard)
{
	if (put->call)
		weir_postgres_call_cancel(put->call);
	if (put->has_writer)
		body_writer_free(&put->writer, discard);
	weir_loop_cancel(put->loop, &put->task);
	weir_timer_stop(&put->timer);
	mail_queued_free(put->queued);
	free(put->errors);
	queue_database_release(put->queue);
	free(put);
}

static void queue_put_finish(struct queue_put *put, int error)
{
	weir_mail_done_fn *done = put->done;
	bool held = error == 0 && put->hold;
	put->done = NULL; /* an abort from the callback has no effect */
	for (size_t i = 0; i < put->queued->count; i++)
		put->errors[i] = error;
	if (held)
		put->state = QUEUE_PUT_HELD;
	if (error == 0 && !held) {
		queue_database_count(put->queue, 1);
		queue_database_wake(put->queue);
	}
	done(put->context, put->errors);
	if (!held)
		queue_put_free(put, error < 0);
}

static void queue_put_fail(struct weir_task *task)
{
	struct queue_put *put = WEIR_CONTAINER(task, struct queue_put, task);
	queue_put_finish(put, put->error);
}

static void queue_put_fail_later(struct queue_put *put, int error)
{
	put->error = error;
	put->task.run = queue_put_fail;
	weir_loop_defer(put->loop, &put->task);
}

/* -- calls ------------------------------------------------------------------------------------- */

static int queue_put_call(struct queue_put *put, const char *text,
        const struct weir_postgres_value *values, unsigned count,
        const struct weir_postgres_events *events)
{
	const struct weir_postgres_statement statement = {text, values, count};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	options.key = weir_span_of(put->writer.id);
	options.idempotent = true;
	options.early_lock_release = true; /* it shares batches with deliveries */
	return weir_postgres_call_start(put->at->pool, &options, events, put, &put->call);
}

static void queue_put_on_row(void *context, const struct weir_postgres_row *row)
{
	((struct queue_put *)context)->inserted = (uint64_t)queue_row_number(row, 0);
}

/*
 * Where the message is not there, the body was swept, since it took too long. Or another front end
 * has sent it, or it was lost with the server, which looks alike: the client repeats.
 */
static void queue_put_on_found(void *context, const struct weir_postgres_end *end)
{
	struct queue_put *put = context;
	int error = database_outcome(end);
	put->call = NULL;
	queue_put_finish(put, error ? error : put->inserted ? 0 : -ETIMEDOUT);
}

static const struct weir_postgres_events queue_put_find_events = {
        .row = queue_put_on_row,
        .end = queue_put_on_found,
};

/* The beginning of the names of the queue's tables. */
#define QUEUE_TABLES "weir_queue"

static bool queue_put_is_repeated(const struct weir_postgres_end *end)
{
	return database_outcome_is_repeated(end, BODY_TABLES) ||
	       database_outcome_is_repeated(end, QUEUE_TABLES);
}

static void queue_put_on_inserted(void *context, const struct weir_postgres_end *end)
{
	struct queue_put *put = context;
	bool repeated = queue_put_is_repeated(end);
	int error = repeated ? 0 : database_outcome(end);
	put->call = NULL;
	if (error || (put->inserted && !repeated)) {
		queue_put_finish(put, error);
		return;
	}
	const struct weir_postgres_value id = weir_postgres_text(put->writer.id);
	error = queue_put_call(put, put_find, &id, 1, &queue_put_find_events);
	if (error < 0)
		queue_put_finish(put, error);
}

static const struct weir_postgres_events queue_put_insert_events = {
        .row = queue_put_on_row,
        .end = queue_put_on_inserted,
};

enum {
	PUT_ADDRESSES,
	PUT_ORCPTS,
	PUT_NOTIFIES,
	PUT_ARRAYS
};

static int queue_put_recipients(
        const struct weir_queued *queued, struct weir_buffer arrays[PUT_ARRAYS])
{
	int error = 0;
	for (int i = 0; i < PUT_ARRAYS && error == 0; i++)
		error = queue_array_open(&arrays[i]);
	for (size_t i = 0; i < queued->count && error == 0; i++) {
		const struct weir_queued_recipient *to = &queued->recipients[i];
		error = queue_array_bytes(&arrays[PUT_ADDRESSES], to->address);
		if (error == 0)
			error = queue_array_bytes(&arrays[PUT_ORCPTS], to->orcpt);
		if (error == 0)
			error = queue_array_number(&arrays[PUT_NOTIFIES], to->notify);
	}
	for (int i = 0; i < PUT_ARRAYS && error == 0; i++)
		error = queue_array_close(&arrays[i]);
	return error;
}

static struct weir_postgres_value queue_put_bytes(struct weir_span bytes)
{
	return weir_postgres_binary(bytes.data, bytes.size);
}

static int queue_put_insert(struct queue_put *put, struct weir_buffer arrays[PUT_ARRAYS])
{
	const struct weir_mail_envelope *envelope = &put->queued->envelope;
	char number[BODY_NUMBER_SIZE], size[BODY_NUMBER_SIZE], flags[BODY_NUMBER_SIZE],
	        hold[BODY_NUMBER_SIZE];
	int error = queue_put_recipients(put->queued, arrays);
	if (error < 0)
		return error;
	struct weir_postgres_value values[12] = {
	        [3] = body_value_number((int64_t)put->writer.scan.stored, size),
	        [4] = body_value_number(mail_queued_flags(envelope), flags),
	        [5] = queue_put_bytes(envelope->sender),
	        [6] = queue_put_bytes(envelope->envid),
	        [7] = queue_put_bytes(envelope->trace),
	        [8] = body_value_number(put->hold ? put->queue->options.lease_s : 0, hold),
	        [9] = weir_postgres_text(arrays[PUT_ADDRESSES].data),
	        [10] = weir_postgres_text(arrays[PUT_ORCPTS].data),
	        [11] = weir_postgres_text(arrays[PUT_NOTIFIES].data)};
	body_writer_values(&put->writer, values, number);
	put->held_ms = queue_boottime_ms() + (int64_t)put->queue->options.lease_s * 1000;
	return queue_put_call(put, put->writer.chunks ? put_insert_claimed : put_insert, values, 12,
	        &queue_put_insert_events);
}

static void queue_put_on_finished(struct body_writer *writer, int error)
{
	struct queue_put *put = WEIR_CONTAINER(writer, struct queue_put, writer);
	struct weir_buffer arrays[PUT_ARRAYS] = {{0}};
	put->state = QUEUE_PUT_INSERTING;
	if (error == 0)
		error = queue_put_insert(put, arrays);
	for (int i = 0; i < PUT_ARRAYS; i++)
		weir_buffer_finish(&arrays[i]);
	if (error < 0)
		queue_put_fail_later(put, error);
}

/* -- held messages ----------------------------------------------------------------------------- */

static void queue_put_leave(struct database_leaver *leaver)
{
	weir_list_remove(&leaver->link);
	queue_put_free(WEIR_CONTAINER(leaver, struct queue_put, leaver), false);
}

static void queue_put_end_held(struct queue_put *put);

static void queue_put_on_timer(struct weir_timer *timer)
{
	queue_put_end_held(WEIR_CONTAINER(timer, struct queue_put, timer));
}

/* Again, as long as the message is held. */
static void queue_put_on_ended(void *context, const struct weir_postgres_end *end)
{
	struct queue_put *put = context;
	put->call = NULL;
	if (end->error && queue_boottime_ms() < put->held_ms) {
		weir_timer_start(put->loop, &put->timer, QUEUE_PUT_AGAIN_MS, queue_put_on_timer);
		return;
	}
	if (!end->error && put->released)
		queue_database_wake(put->queue);
	queue_put_leave(&put->leaver);
}

static void queue_put_end_held(struct queue_put *put)
{
	static const struct weir_postgres_events events = {.end = queue_put_on_ended};
	const struct weir_postgres_value id = weir_postgres_text(put->writer.id);
	int error =
	        queue_put_call(put, put->released ? put_release : put_withdraw, &id, 1, &events);
	if (error < 0)
		weir_timer_start(put->loop, &put->timer, QUEUE_PUT_AGAIN_MS, queue_put_on_timer);
}

static void queue_put_begin_end(struct queue_put *put, bool released)
{
	put->state = QUEUE_PUT_ENDING;
	put->released = released;
	put->leaver.leave = queue_put_leave;
	weir_list_append(&put->at->leavers, &put->leaver.link);
	if (released)
		queue_database_count(put->queue, 1);
	queue_put_end_held(put);
}

static void queue_put_hold(struct weir_mail_delivery *base)
{
	queue_put_of(base)->hold = true;
}

static void queue_put_release(struct weir_mail_delivery *base)
{
	queue_put_begin_end(queue_put_of(base), true);
}

/* -- the sink ---------------------------------------------------------------------------------- */

static int queue_put_begin(struct weir_mail_sink *sink, struct weir_loop *loop,
        const struct weir_mail_envelope *envelope, weir_mail_ready_fn *ready, void *context,
        struct weir_mail_delivery **ret)
{
	struct queue_database *queue =
	        queue_database_of(WEIR_CONTAINER(sink, struct weir_mail_queue, sink));
	struct database_loop *at;
	int error = mail_queue_check(queue->options.message_max, envelope);
	if (error == 0 && atomic_load(&queue->count) >= queue->options.messages_max)
		error = WEIR_E_LIMIT;
	if (error == 0)
		error = database_loop_get(queue->database, loop, &at);
	if (error < 0)
		return error;
	struct queue_put *put = calloc(1, sizeof *put);
	if (!put)
		return -ENOMEM;
	queue_database_hold(queue);
	put->base.sink = sink;
	put->queue = queue;
	put->loop = loop;
	put->at = at; /* NOLINT: there is no error */
	put->queued = mail_queued_make(envelope, weir_loop_wall_s(loop));
	put->errors = calloc(envelope->count, sizeof *put->errors);
	error = put->queued && put->errors ? body_writer_init(&put->writer, at,
	                                             queue->options.message_max, ready, context)
	                                   : -ENOMEM;
	put->has_writer = error == 0;
	if (error < 0)
		queue_put_free(put, false);
	else
		*ret = &put->base;
	return error;
}

static int queue_put_write(struct weir_mail_delivery *base, struct weir_span bytes)
{
	struct queue_put *put = queue_put_of(base);
	return put->state == QUEUE_PUT_WRITING ? body_writer_write(&put->writer, bytes)
	                                       : WEIR_E_CLOSED;
}

/* A stored message ends in a line end, since a forwarded one has to. */
static void queue_put_commit(
        struct weir_mail_delivery *base, weir_mail_done_fn *done, void *context)
{
	struct queue_put *put = queue_put_of(base);
	int error = 0;
	put->done = done;
	put->context = context;
	if (put->writer.scan.stored && put->writer.scan.last[1] != '\n')
		error = body_writer_write(&put->writer, WEIR_SPAN("\r\n"));
	put->state = QUEUE_PUT_FINISHING;
	if (error < 0)
		queue_put_fail_later(put, error);
	else
		body_writer_finish(&put->writer, queue_put_on_finished);
}

static void queue_put_abort(struct weir_mail_delivery *base)
{
	struct queue_put *put = queue_put_of(base);
	if (put->state == QUEUE_PUT_HELD)
		queue_put_begin_end(put, false);
	else if (put->state == QUEUE_PUT_WRITING || put->done)
		queue_put_free(put, true);
}

const struct weir_mail_sink_type queue_put_type = {
        .name = "queue",
        .begin = queue_put_begin,
        .write = queue_put_write,
        .commit = queue_put_commit,
        .abort = queue_put_abort,
        .hold = queue_put_hold,
        .release = queue_put_release,
};
