/*
 * Putting claimed messages back. A statement changes a message only while it has the claim's lease,
 * so a front end that has lost it changes nothing.
 *
 * The result of sending must not be forgotten: while the database is away, the claim stays in
 * memory as UNSAVED, for up to WEIR_QUEUE_STATES_MAX messages, and each tick tries again.
 */
#include <errno.h>
#include <unistd.h>

#include <weir/error.h>

#include "helper.h"
#include "queue_database.h"

/*
 * $1 id, $2 lease, $3 seconds until it is due, $4 tries, $5 warned; $6 to $8 are the numbers,
 * states and statuses of the recipients. A message that was deleted is due at once: the claim after
 * this one removes it.
 */
static const char store_state[] =
        "WITH mine AS (UPDATE weir_queue SET due = CASE WHEN retried OR deleted THEN now()"
        " ELSE now() + $3::bigint * interval '1 s' END, lease = NULL, lease_end = NULL,"
        " tries = $4::int, warned = $5::bool, retried = false"
        " WHERE id = $1::uuid AND lease = $2::uuid RETURNING id, due <= now() AS due),"
        " changed AS (UPDATE weir_queue_recipient AS r"
        " SET state = c.state, status = decode(c.status, 'hex')"
        " FROM unnest($6::int[], $7::int[], $8::text[]) AS c (number, state, status)"
        " WHERE r.id IN (SELECT id FROM mine) AND r.number = c.number"
        " AND (r.state <> c.state OR r.status <> decode(c.status, 'hex')))"
        " SELECT count(*), bool_or(due) FROM mine";

static const char store_removal[] =
        "WITH gone AS (DELETE FROM weir_queue WHERE id = $1::uuid AND lease = $2::uuid"
        " RETURNING id)," QUEUE_SQL_REMOVE " SELECT count(*), false FROM gone";

static const char store_lease_given_up[] = "UPDATE weir_queue SET lease = NULL, lease_end = NULL"
                                           " WHERE lease = $1::uuid AND due <= now()";

/* -- ends -------------------------------------------------------------------------------------- */

static void store_finish(struct queue_claim *claim, int error)
{
	struct queue_database *queue = claim->queue;
	weir_mail_queue_requeued_fn *requeued = claim->requeued;
	void *context = claim->context;
	queue_claim_free(claim);
	if (requeued)
		requeued(context, error);
	else if (queue->changed)
		queue->changed(queue->context);
}

/* A claim that nobody waits for, because its message was never sent, ends by time. */
static void store_fail(struct queue_claim *claim, int error)
{
	struct queue_database *queue = claim->queue;
	weir_mail_queue_requeued_fn *requeued = claim->requeued;
	if (!claim->keeps || queue->unsaved >= WEIR_QUEUE_STATES_MAX) {
		store_finish(claim, error);
		return;
	}
	claim->phase = QUEUE_UNSAVED;
	claim->requeued = NULL;
	queue->unsaved++;
	if (requeued)
		requeued(claim->context, error);
}

static void store_on_row(void *context, const struct weir_postgres_row *row)
{
	struct queue_claim *claim = context;
	claim->matched = (uint64_t)queue_row_number(row, 0);
	claim->due = queue_row_bool(row, 1);
}

static void store_on_end(void *context, const struct weir_postgres_end *end)
{
	struct queue_claim *claim = context;
	struct queue_database *queue = claim->queue;
	int error = database_outcome(end);
	claim->call = NULL;
	if (error) {
		store_fail(claim, error);
		return;
	}
	/* A call that was repeated may have been committed before. */
	if (!claim->matched && !end->repeated)
		error = -ESTALE;
	if (error == 0 && claim->removes)
		queue_database_count(queue, -1);
	else
		queue_look_by(queue, claim->due ? 0 : claim->queued->next_s);
	store_finish(claim, error);
}

static const struct weir_postgres_events store_events = {
        .row = store_on_row,
        .end = store_on_end,
};

/* -- calls ------------------------------------------------------------------------------------- */

enum {
	STORE_NUMBERS,
	STORE_STATES,
	STORE_STATUSES,
	STORE_ARRAYS
};

static int store_put_recipients(
        const struct weir_queued *queued, struct weir_buffer arrays[STORE_ARRAYS])
{
	int error = 0;
	for (int i = 0; i < STORE_ARRAYS && error == 0; i++)
		error = queue_array_open(&arrays[i]);
	for (size_t i = 0; i < queued->count && error == 0; i++) {
		const struct weir_queued_recipient *to = &queued->recipients[i];
		error = queue_array_number(&arrays[STORE_NUMBERS], i);
		if (error == 0)
			error = queue_array_number(&arrays[STORE_STATES], to->state);
		if (error == 0)
			error = queue_array_bytes(
			        &arrays[STORE_STATUSES], weir_span_of(to->status));
	}
	for (int i = 0; i < STORE_ARRAYS && error == 0; i++)
		error = queue_array_close(&arrays[i]);
	return error;
}

static int store_call(struct queue_claim *claim, struct weir_buffer arrays[STORE_ARRAYS])
{
	struct queue_database *queue = claim->queue;
	const struct weir_queued *queued = claim->queued;
	int64_t wait_s = queued->next_s - weir_loop_wall_s(queue->loop);
	char wait[BODY_NUMBER_SIZE], tries[BODY_NUMBER_SIZE];
	int error = claim->removes ? 0 : store_put_recipients(queued, arrays);
	if (error < 0)
		return error;
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(claim->id),
	        weir_postgres_text(claim->lease),
	        body_value_number(max_of(wait_s, (int64_t)0), wait),
	        body_value_number(min_of(queued->tries, (unsigned)INT32_MAX), tries),
	        weir_postgres_text(queued->warned ? "t" : "f"),
	        weir_postgres_text(claim->removes ? "" : arrays[STORE_NUMBERS].data),
	        weir_postgres_text(claim->removes ? "" : arrays[STORE_STATES].data),
	        weir_postgres_text(claim->removes ? "" : arrays[STORE_STATUSES].data),
	};
	const struct weir_postgres_statement statement = {
	        claim->removes ? store_removal : store_state, values, claim->removes ? 2 : 8};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	options.key = weir_span_of(claim->id);
	options.idempotent = true;
	return weir_postgres_call_start(queue->pool, &options, &store_events, claim, &claim->call);
}

static void store_start(struct queue_claim *claim)
{
	struct weir_buffer arrays[STORE_ARRAYS] = {{0}};
	weir_list_remove(&claim->link);
	weir_list_append(&claim->queue->storing, &claim->link);
	claim->phase = QUEUE_STORING;
	claim->matched = 0;
	int error = store_call(claim, arrays);
	for (int i = 0; i < STORE_ARRAYS; i++)
		weir_buffer_finish(&arrays[i]);
	if (error < 0)
		store_fail(claim, error);
}

/* -- what ends a claim ------------------------------------------------------------------------- */

void queue_store_requeue(struct weir_mail_queue *base, struct weir_loop *loop,
        struct weir_queued *queued, weir_mail_queue_requeued_fn *requeued, void *context)
{
	struct queue_claim *claim = queued->job;
	(void)base, (void)loop;
	if (queued->fd >= 0)
		close(queued->fd);
	queued->fd = -1;
	claim->requeued = requeued;
	claim->context = context;
	claim->keeps = true;
	claim->removes = mail_queued_is_done(queued);
	store_start(claim);
}

void queue_store_give_up(struct queue_claim *claim, uint32_t within_s)
{
	claim->queued->next_s = weir_loop_wall_s(claim->queue->loop) + within_s;
	store_start(claim);
}

void queue_store_remove(struct queue_claim *claim)
{
	claim->removes = true;
	store_start(claim);
}

static void store_ignore_end(void *context, const struct weir_postgres_end *end)
{
	(void)context, (void)end;
}

/* If it fails, the leases end by time. */
void queue_store_give_up_lease(struct queue_database *queue, const char *lease)
{
	static const struct weir_postgres_events events = {.end = store_ignore_end};
	const struct weir_postgres_value value = weir_postgres_text(lease);
	const struct weir_postgres_statement statement = {store_lease_given_up, &value, 1};
	struct weir_postgres_call *call;
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	options.idempotent = true;
	(void)weir_postgres_call_start(queue->pool, &options, &events, NULL, &call);
}

static struct queue_claim *store_find_unsaved(struct queue_database *queue)
{
	WEIR_LIST_EACH (struct queue_claim, claim, &queue->storing, link)
		if (claim->phase == QUEUE_UNSAVED)
			return claim;
	return NULL;
}

void queue_store_tick(struct queue_database *queue)
{
	struct queue_claim *claim;
	for (size_t left = queue->unsaved; left && (claim = store_find_unsaved(queue)); left--) {
		queue->unsaved--;
		store_start(claim);
	}
}
