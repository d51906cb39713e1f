/*
 * A batch: the statements of its calls, and one sync behind them, which commits all of them or
 * none. A stream is a batch of one call. With early lock release there is a second sync, see
 * postgres_early.c. postgres_outcome.c decides what becomes of the calls.
 *
 * The server works on the statements in order, and skips the rest after the first error. So that
 * error belongs to the call at the cursor; an error at the sync is that of the commit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "helper.h"
#include "postgres_state.h"

static bool batch_bit(const uint64_t *bits, int number)
{
	return bits[number / 64] >> (number % 64) & 1;
}

static void batch_set_bit(uint64_t *bits, int number)
{
	bits[number / 64] |= UINT64_C(1) << (number % 64);
}

/* -- sending ----------------------------------------------------------------------------------- */

bool postgres_batch_send_statement(
        struct postgres_connection *connection, struct postgres_statement *statement, bool binary)
{
	PGconn *pg = connection->pg;
	char name[16];
	const char *const *values = statement->values;
	statement->prepares = false;
	if (statement->number < 0)
		return PQsendQueryParams(pg, statement->text, statement->count, NULL, values,
		        statement->sizes, statement->formats, binary);
	snprintf(name, sizeof name, "w%d", statement->number);
	if (!batch_bit(connection->prepared, statement->number) &&
	        !batch_bit(connection->preparing, statement->number)) {
		statement->prepares = true;
		batch_set_bit(connection->preparing, statement->number);
		if (!PQsendPrepare(pg, name, statement->text, 0, NULL))
			return false;
	}
	return PQsendQueryPrepared(
	        pg, name, statement->count, values, statement->sizes, statement->formats, binary);
}

static bool batch_send_calls(struct postgres_connection *connection)
{
	WEIR_LIST_EACH (struct weir_postgres_call, call, &connection->batch, queue)
		for (unsigned i = 0; i < call->count; i++)
			if (!postgres_batch_send_statement(
			            connection, &call->statements[i], call->binary))
				return false;
	return true;
}

static bool batch_send(struct postgres_connection *connection)
{
	bool sent;
	if (connection->early)
		sent = postgres_early_send_begin(connection) && batch_send_calls(connection) &&
		       postgres_early_send_flush(connection);
	else
		/* Results come before the commit, so that it is known when the server commits. */
		sent = batch_send_calls(connection) && PQsendFlushRequest(connection->pg);
	return sent && PQpipelineSync(connection->pg);
}

/* -- choosing ---------------------------------------------------------------------------------- */

static int batch_compare(const void *left, const void *right)
{
	const struct weir_postgres_call *a = *(struct weir_postgres_call *const *)left;
	const struct weir_postgres_call *b = *(struct weir_postgres_call *const *)right;
	size_t common = min_of(a->key.size, b->key.size);
	int order = common ? memcmp(a->key.data, b->key.data, common) : 0;
	if (order)
		return order;
	return (a->key.size > b->key.size) - (a->key.size < b->key.size);
}

/* Fills the list with calls that can share a batch; returns their number, at least 1. */
static size_t batch_choose(struct weir_postgres *postgres, struct weir_postgres_call **ret_calls)
{
	size_t count = 0, bytes = 0;
	WEIR_LIST_EACH (struct weir_postgres_call, call, &postgres->batchers, queue) {
		if (count && call->alone)
			continue;
		if (count && bytes + call->bytes > postgres->options.batch_bytes)
			break;
		ret_calls[count++] = call;
		bytes += call->bytes;
		if (call->alone || count == postgres->options.batch_max)
			break;
	}
	return count;
}

static void batch_take(struct postgres_connection *connection, struct weir_postgres_call *call)
{
	postgres_call_dequeue(call);
	call->state = POSTGRES_CALL_SENT;
	call->connection = connection;
	weir_list_append(&connection->batch, &call->queue);
	connection->batch_size++;
}

static void batch_fill(struct postgres_connection *connection, bool stream)
{
	struct weir_postgres *postgres = connection->pool;
	struct weir_postgres_call *calls[WEIR_POSTGRES_BATCH_MAX];
	if (stream) {
		batch_take(connection,
		        WEIR_CONTAINER(postgres->streamers.next, struct weir_postgres_call, queue));
		postgres->stream_count++;
		return;
	}
	size_t count = batch_choose(postgres, calls);
	qsort(calls, count, sizeof *calls, batch_compare);
	for (size_t i = 0; i < count; i++)
		batch_take(connection, calls[i]);
	postgres->batch_count++;
	postgres_gather_end(postgres);
}

void postgres_batch_set_cursor(
        struct postgres_connection *connection, struct weir_postgres_call *call, unsigned statement)
{
	connection->cursor = (struct postgres_cursor){
	        .call = call,
	        .statement = statement,
	        .preparing = call && call->statements[statement].prepares,
	};
}

static void batch_set_cursor_first(struct postgres_connection *connection)
{
	postgres_batch_set_cursor(connection,
	        WEIR_CONTAINER(connection->batch.next, struct weir_postgres_call, queue), 0);
}

void postgres_batch_start(struct postgres_connection *connection, bool stream)
{
	struct postgres_cells *cells = connection->pool->cells;
	batch_fill(connection, stream);
	connection->early = postgres_early_wanted(connection);
	connection->unlocked = false;
	connection->begun_ms = weir_loop_now_ms(connection->pool->loop);
	connection->state = POSTGRES_BUSY;
	connection->flushing = true;
	connection->failure = (struct postgres_failure){0};
	memset(connection->preparing, 0, sizeof connection->preparing);
	weir_metric_add(&cells->batches, 1);
	weir_metric_add(&cells->batched, connection->batch_size);
	if (!batch_send(connection)) {
		postgres_connection_fail(connection, -ENOMEM, PQerrorMessage(connection->pg));
		return;
	}
	if (connection->early)
		postgres_early_set_cursor(connection, POSTGRES_OWN_UNLOCK);
	else
		batch_set_cursor_first(connection);
	connection->flushing = PQflush(connection->pg) == 1;
	postgres_connection_restart_timer(connection);
	int error = postgres_connection_watch(connection);
	if (error < 0)
		postgres_connection_fail(connection, error, weir_error_text(error));
}

/* -- results ----------------------------------------------------------------------------------- */

/* Behind the first of our own come the calls, behind the other one the last sync. */
static void batch_advance_own(struct postgres_connection *connection)
{
	if (connection->cursor.preparing)
		connection->cursor.preparing = false;
	else if (connection->unlocked)
		postgres_batch_set_cursor(connection, NULL, 0);
	else
		batch_set_cursor_first(connection);
}

void postgres_batch_advance(struct postgres_connection *connection)
{
	struct postgres_cursor *cursor = &connection->cursor;
	struct weir_postgres_call *call = cursor->call;
	if (cursor->own) {
		batch_advance_own(connection);
		return;
	}
	if (!call)
		return;
	if (cursor->preparing) {
		cursor->preparing = false;
	} else if (cursor->statement + 1 < call->count) {
		postgres_batch_set_cursor(connection, call, cursor->statement + 1);
	} else if (call->queue.next == &connection->batch) {
		postgres_batch_set_cursor(connection, NULL, 0);
	} else {
		postgres_batch_set_cursor(connection,
		        WEIR_CONTAINER(call->queue.next, struct weir_postgres_call, queue), 0);
	}
}

static void batch_measure_row(
        struct postgres_connection *connection, const PGresult *result, int row)
{
	size_t size = 0;
	for (int i = 0; i < PQnfields(result); i++)
		size += (size_t)PQgetlength(result, row, i);
	if (size > WEIR_POSTGRES_LARGE_ROW)
		connection->large = true;
}

static void batch_on_rows(struct postgres_connection *connection, const PGresult *result)
{
	struct weir_postgres_call *call = connection->cursor.call;
	if (!call)
		return;
	struct weir_postgres_row row = {
	        .statement = connection->cursor.statement,
	        .count = (unsigned)PQnfields(result),
	        .result = result,
	};
	for (; row.number < PQntuples(result); row.number++) {
		batch_measure_row(connection, result, row.number);
		call->had_rows = true;
		if (call->events->row && !call->orphan)
			call->events->row(call->context, &row);
	}
}

static void batch_copy_field(char *to, size_t size, const PGresult *result, int field)
{
	text_copy(to, size, or_default(PQresultErrorField(result, field), ""));
}

/* The statement at the cursor; NULL: the sync. */
static const struct postgres_statement *batch_statement(
        const struct postgres_connection *connection)
{
	const struct postgres_cursor *cursor = &connection->cursor;
	return cursor->call ? &cursor->call->statements[cursor->statement] : cursor->own;
}

static void batch_on_error(struct postgres_connection *connection, const PGresult *result)
{
	struct postgres_failure *failure = &connection->failure;
	const struct postgres_statement *statement = batch_statement(connection);
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	if (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
		failure->fatal = true;
	if (failure->happened)
		return;
	failure->happened = true;
	failure->culprit = connection->cursor.call;
	failure->reused = statement && statement->number >= 0 && !statement->prepares;
	failure->own = connection->cursor.own && !connection->unlocked;
	failure->unflushed = connection->unlocked;
	batch_copy_field(failure->state, sizeof failure->state, result, PG_DIAG_SQLSTATE);
	batch_copy_field(
	        failure->constraint, sizeof failure->constraint, result, PG_DIAG_CONSTRAINT_NAME);
	batch_copy_field(failure->text, sizeof failure->text, result, PG_DIAG_MESSAGE_PRIMARY);
	if (connection->cursor.own)
		postgres_early_on_error(connection, failure->state);
}

static void batch_on_success(struct postgres_connection *connection, const PGresult *result)
{
	struct postgres_cursor *cursor = &connection->cursor;
	if (cursor->preparing)
		batch_set_bit(connection->prepared, batch_statement(connection)->number);
	else if (cursor->call)
		cursor->call->rows[cursor->statement] =
		        strtoull(PQcmdTuples((PGresult *)result), NULL, 10);
}

/* The batch ends at the last sync. */
static enum postgres_step batch_on_sync(struct postgres_connection *connection)
{
	if (!connection->early || connection->unlocked)
		return POSTGRES_STEP_SYNC;
	connection->unlocked = true;
	postgres_early_set_cursor(connection, POSTGRES_OWN_FLUSH);
	return POSTGRES_STEP_GOT;
}

enum postgres_step postgres_batch_on_result(
        struct postgres_connection *connection, const PGresult *result)
{
	bool at_sync = !batch_statement(connection);
	switch (PQresultStatus(result)) {
	case PGRES_PIPELINE_SYNC:
		return at_sync ? batch_on_sync(connection) : POSTGRES_STEP_LOST;
	case PGRES_PIPELINE_ABORTED:
		return POSTGRES_STEP_GOT;
	case PGRES_FATAL_ERROR:
		batch_on_error(connection, result);
		return POSTGRES_STEP_GOT;
	case PGRES_SINGLE_TUPLE:
		if (!at_sync)
			batch_on_rows(connection, result);
		return at_sync ? POSTGRES_STEP_LOST : POSTGRES_STEP_GOT;
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		if (at_sync)
			return POSTGRES_STEP_LOST;
		batch_on_rows(connection, result);
		batch_on_success(connection, result);
		return POSTGRES_STEP_GOT;
	default:
		return POSTGRES_STEP_LOST;
	}
}
