/*
 * The end of a batch: which of its calls have committed, which run again, alone or together, and
 * which end with an error.
 *
 * Invariant: a call runs again only if it was rolled back, or if it may run twice. The calls are in
 * no connection's batch meanwhile, so that callbacks may do what they like.
 */
#include <errno.h>
#include <string.h>

#include <weir/error.h>

#include "helper.h"
#include "postgres_state.h"

/* A batch that has left its connection. */
struct ended_batch {
	struct weir_list calls;
	unsigned size;
	bool stream;
	struct postgres_failure failure;
	bool timed_out;
	bool stale; /* the server does not know a prepared statement any more */
	bool moved; /* it has become read-only */
};

static void outcome_detach(struct postgres_connection *connection, struct ended_batch *ret_batch)
{
	struct weir_postgres *postgres = connection->pool;
	const struct postgres_failure *failure = &connection->failure;
	const struct weir_list *first = connection->batch.next;
	*ret_batch = (struct ended_batch){
	        .size = connection->batch_size,
	        .stream = WEIR_CONTAINER(first, struct weir_postgres_call, queue)->stream,
	        .failure = *failure,
	        .timed_out = connection->cancelled && strcmp(failure->state, "57014") == 0,
	        .stale = strcmp(failure->state, "26000") == 0 ||
	                 (strcmp(failure->state, "0A000") == 0 && failure->reused),
	        .moved = strcmp(failure->state, "25006") == 0 &&
	                 strcmp(postgres->target.session, "any") != 0,
	};
	weir_list_move(&ret_batch->calls, &connection->batch);
	WEIR_LIST_EACH (struct weir_postgres_call, call, &ret_batch->calls, queue)
		call->connection = NULL;
	connection->batch_size = 0;
	postgres_batch_set_cursor(connection, NULL, 0);
	if (ret_batch->stream)
		postgres->stream_count--;
	else
		postgres->batch_count--;
}

/* The next call of a batch, by its last one if `last`; it is in no list then. */
static struct weir_postgres_call *outcome_pop(struct ended_batch *batch, bool last)
{
	if (weir_list_empty(&batch->calls))
		return NULL;
	struct weir_postgres_call *call = WEIR_CONTAINER(
	        last ? batch->calls.prev : batch->calls.next, struct weir_postgres_call, queue);
	weir_list_remove(&call->queue);
	return call;
}

/* The caller of a stream has passed them on, so that it cannot run again. */
static bool outcome_rows_are_out(const struct weir_postgres_call *call)
{
	return call->stream && call->had_rows;
}

static void outcome_end_all(struct ended_batch *batch, const struct postgres_verdict *verdict)
{
	struct weir_postgres_call *call;
	while ((call = outcome_pop(batch, false)))
		postgres_call_end(call, verdict);
}

static bool outcome_is_serialization(const struct postgres_failure *failure)
{
	return strcmp(failure->state, "40001") == 0 || strcmp(failure->state, "40P01") == 0;
}

/* Nothing is wrong with the calls: another connection, or another server, will do them. */
static bool outcome_is_connection_failure(const struct ended_batch *batch)
{
	const char *state = batch->failure.state;
	return batch->stale || batch->moved || strncmp(state, "08", 2) == 0 ||
	       strncmp(state, "57P0", 4) == 0;
}

static struct postgres_verdict outcome_verdict(const struct ended_batch *batch)
{
	const struct postgres_failure *failure = &batch->failure;
	return (struct postgres_verdict){
	        .outcome = WEIR_POSTGRES_UNDONE,
	        .error = batch->timed_out ? -ETIMEDOUT : WEIR_E_DATABASE,
	        .state = failure->state,
	        .constraint = failure->constraint,
	        .text = batch->timed_out ? "the database took too long for a statement"
	                                 : failure->text,
	};
}

/*
 * The call's time is over. The constraint that another call has violated must not reach its caller,
 * which would take it for one that the call itself has violated.
 */
static struct postgres_verdict outcome_verdict_of_innocent(const struct postgres_verdict *verdict)
{
	return (struct postgres_verdict){
	        .outcome = verdict->outcome,
	        .error = -ETIMEDOUT,
	        .text = "other calls of its batches have failed until its time was over",
	};
}

/* A call that was alone, or is alone guilty. */
static void outcome_undo_one(struct ended_batch *batch, struct weir_postgres_call *call,
        const struct postgres_verdict *verdict)
{
	if (!outcome_is_serialization(&batch->failure) ||
	        call->retries == WEIR_POSTGRES_RETRIES_MAX) {
		postgres_call_end(call, verdict);
		return;
	}
	int64_t delay_ms = postgres_jitter((int64_t)WEIR_POSTGRES_RETRY_MS << call->retries);
	call->retries++;
	postgres_call_repeat(call, POSTGRES_RETRY_SERIALIZATION, delay_ms, verdict);
}

static void outcome_undo(struct ended_batch *batch, struct weir_postgres_call *call,
        const struct postgres_verdict *verdict)
{
	bool guilty = call == batch->failure.culprit;
	bool serialization = outcome_is_serialization(&batch->failure);
	if (outcome_rows_are_out(call)) {
		postgres_call_end(call, verdict);
	} else if (outcome_is_connection_failure(batch)) {
		postgres_call_repeat(call, POSTGRES_RETRY_CONNECTION, 0, verdict);
	} else if (batch->failure.own && !call->alone) {
		call->alone = true;
		postgres_call_repeat(call, POSTGRES_RETRY_BATCH, 0, verdict);
	} else if (batch->size == 1 || (guilty && batch->timed_out)) {
		outcome_undo_one(batch, call, verdict);
	} else {
		const struct postgres_verdict innocent = outcome_verdict_of_innocent(verdict);
		call->failed_batch++;
		call->alone = call->failed_batch > WEIR_POSTGRES_BATCH_FAILURES_MAX ||
		              (guilty && !serialization) || !batch->failure.culprit;
		postgres_call_repeat(call,
		        serialization ? POSTGRES_RETRY_SERIALIZATION : POSTGRES_RETRY_BATCH, 0,
		        guilty ? verdict : &innocent);
	}
}

/* The calls have committed, but the flush behind them has failed. */
static void outcome_doubt_all(struct ended_batch *batch)
{
	struct postgres_verdict verdict = outcome_verdict(batch);
	struct weir_postgres_call *call;
	verdict.outcome = WEIR_POSTGRES_UNKNOWN;
	while ((call = outcome_pop(batch, true))) {
		call->alone = true;
		if (call->idempotent && !outcome_rows_are_out(call))
			postgres_call_repeat(call, POSTGRES_RETRY_BATCH, 0, &verdict);
		else
			postgres_call_end(call, &verdict);
	}
}

/* The last one first, since each goes to the front of the queue. */
static void outcome_undo_all(struct ended_batch *batch)
{
	struct postgres_verdict verdict = outcome_verdict(batch);
	struct weir_postgres_call *call;
	while ((call = outcome_pop(batch, true)))
		outcome_undo(batch, call, &verdict);
}

/* A server in recovery, or a pooler, is left: the next connection may find another one. */
static bool outcome_connection_good(
        const struct postgres_connection *connection, const struct ended_batch *batch)
{
	return !connection->cancelled && !connection->large && !batch->failure.fatal &&
	       !outcome_is_connection_failure(batch) &&
	       PQtransactionStatus(connection->pg) == PQTRANS_IDLE;
}

/* A statement that the check of first words has not seen has begun a transaction. */
static void outcome_note_open_transaction(struct postgres_connection *connection)
{
	struct postgres_failure *failure = &connection->failure;
	failure->happened = true;
	text_copy(failure->state, sizeof failure->state, "25001");
	text_copy(failure->text, sizeof failure->text,
	        "a statement has left a transaction open, which was rolled back");
}

void postgres_outcome_on_sync(struct postgres_connection *connection)
{
	struct weir_postgres *postgres = connection->pool;
	struct ended_batch batch;
	static const struct postgres_verdict committed = {.outcome = WEIR_POSTGRES_COMMITTED};
	/* The cancel may have come so late that it has ended the wait for a standby. */
	static const struct postgres_verdict doubtful = {.outcome = WEIR_POSTGRES_UNKNOWN,
	        .error = -ETIMEDOUT,
	        .text = "the database took too long for a statement"};
	bool cancelled = connection->cancelled;
	int64_t took_ms = weir_loop_now_ms(postgres->loop) - connection->begun_ms;
	if (!connection->failure.happened && PQtransactionStatus(connection->pg) != PQTRANS_IDLE)
		outcome_note_open_transaction(connection);
	outcome_detach(connection, &batch);
	bool good = outcome_connection_good(connection, &batch);
	if (good || !batch.failure.happened) {
		connection->proven = true;
		postgres->failures = 0;
		postgres->why[0] = 0;
	} else if (!connection->proven) {
		text_copy(postgres->why, sizeof postgres->why, batch.failure.text);
		postgres_back_off(postgres);
	}
	if (good)
		postgres_connection_set_idle(connection);
	else
		postgres_connection_free(connection);
	if (!batch.stream)
		postgres_await_return(postgres, batch.size, took_ms);
	if (batch.failure.unflushed)
		outcome_doubt_all(&batch);
	else if (batch.failure.happened)
		outcome_undo_all(&batch);
	else
		outcome_end_all(&batch, cancelled ? &doubtful : &committed);
}

/* -- a connection that was lost ---------------------------------------------------------------- */

static void outcome_lose(struct weir_postgres_call *call, bool sent, int error, const char *text)
{
	struct postgres_verdict verdict = {
	        .outcome = sent ? WEIR_POSTGRES_UNKNOWN : WEIR_POSTGRES_UNDONE,
	        .error = error,
	        .text = text,
	};
	if (error == -ECONNRESET && !outcome_rows_are_out(call) && (!sent || call->idempotent))
		postgres_call_repeat(call, POSTGRES_RETRY_CONNECTION, 0, &verdict);
	else
		postgres_call_end(call, &verdict);
}

/* After an error at the commit only its sync proves that it is no more than that. */
static bool outcome_is_rolled_back(const struct postgres_failure *failure, bool unlocked)
{
	return failure->happened &&
	       (failure->culprit || failure->own || (unlocked && !failure->unflushed));
}

/*
 * After an error of a statement the server has rolled back. Without the sync it cannot commit; of
 * two syncs the first one may have left.
 */
void postgres_outcome_on_loss(struct postgres_connection *connection, int error, const char *text)
{
	bool sent = !connection->flushing || connection->early;
	bool rolled_back = outcome_is_rolled_back(&connection->failure, connection->unlocked);
	struct ended_batch batch;
	struct weir_postgres_call *call;
	outcome_detach(connection, &batch);
	postgres_connection_free(connection);
	if (rolled_back) {
		outcome_undo_all(&batch);
		return;
	}
	while ((call = outcome_pop(&batch, true)))
		outcome_lose(call, sent, error, text);
}
