/*
 * One connection: its events and results, its time limits, its end.
 *
 * Invariant: libpq reads from the socket only when it has no complete result left. So what it has
 * buffered is bounded by one read and one row, and while a stream is paused nothing is read at all.
 */
#include <errno.h>
#include <stdlib.h>

#include <openssl/ssl.h>

#include <weir/error.h>

#include "helper.h"
#include "postgres_state.h"

static void connection_read(struct postgres_connection *connection);

/* The stream; NULL: it has a batch, or none. */
static struct weir_postgres_call *connection_stream(const struct postgres_connection *connection)
{
	if (connection->state != POSTGRES_BUSY || weir_list_empty(&connection->batch))
		return NULL;
	struct weir_postgres_call *call =
	        WEIR_CONTAINER(connection->batch.next, struct weir_postgres_call, queue);
	return call->stream ? call : NULL;
}

static bool connection_is_paused(const struct postgres_connection *connection)
{
	const struct weir_postgres_call *stream = connection_stream(connection);
	return stream && stream->paused && !stream->orphan;
}

static bool connection_is_draining(const struct postgres_connection *connection)
{
	const struct weir_postgres_call *stream = connection_stream(connection);
	return stream && stream->orphan;
}

/* Every statement of a call has its results, and the server commits. */
static bool connection_commits(const struct postgres_connection *connection)
{
	bool behind = !connection->cursor.call && (!connection->cursor.own || connection->unlocked);
	return connection->state == POSTGRES_BUSY && behind && !connection->flushing &&
	       !connection->failure.happened;
}

/* -- watching ---------------------------------------------------------------------------------- */

static void connection_on_event(struct weir_watch *watch, unsigned events);

void postgres_connection_unwatch(struct postgres_connection *connection)
{
	if (connection->watched)
		weir_watch_cancel(connection->pool->loop, &connection->watch);
	connection->watched = 0;
}

int postgres_connection_watch(struct postgres_connection *connection)
{
	struct weir_loop *loop = connection->pool->loop;
	unsigned events = (connection_is_paused(connection) ? 0u : WEIR_READABLE) |
	                  (connection->flushing ? WEIR_WRITABLE : 0u);
	if (events == connection->watched)
		return 0;
	/* Not watched at all while paused: a hang-up would be reported again and again. */
	if (events == 0) {
		postgres_connection_unwatch(connection);
		return 0;
	}
	int error = connection->watched
	                    ? weir_watch_change(loop, &connection->watch, events)
	                    : weir_watch_start(loop, &connection->watch, PQsocket(connection->pg),
	                              events, connection_on_event);
	if (error == 0)
		connection->watched = events;
	return error;
}

/* Watches, or gives the connection up. */
static void connection_rewatch(struct postgres_connection *connection)
{
	int error = postgres_connection_watch(connection);
	if (error < 0)
		postgres_connection_fail(connection, error, weir_error_text(error));
}

/* -- the end ----------------------------------------------------------------------------------- */

void postgres_connection_free(struct postgres_connection *connection)
{
	struct weir_postgres *postgres = connection->pool;
	postgres_connection_unwatch(connection);
	weir_timer_stop(&connection->timer);
	weir_loop_cancel(postgres->loop, &connection->task);
	weir_resolving_cancel(connection->resolving);
	PQfinish(connection->pg);
	if (connection->state < POSTGRES_IDLE)
		postgres->opening_count--;
	postgres->connection_count--;
	weir_metric_subtract(&postgres->cells->connections, 1);
	weir_list_remove(&connection->link);
	postgres_schedule(postgres);
	free(connection);
}

/* The text is often libpq's, which ends with the connection. */
void postgres_connection_fail(struct postgres_connection *connection, int error, const char *text)
{
	struct weir_postgres *postgres = connection->pool;
	char why[WEIR_POSTGRES_WHY_MAX];
	struct weir_span line, rest = weir_span_of(text);
	weir_span_cut(&rest, '\n', &line);
	text_copy_span(why, sizeof why, line);
	if (connection->state != POSTGRES_BUSY) {
		postgres_connection_free(connection);
		return;
	}
	/* A server that ends each connection at its first statement is not asked at full speed. */
	if (!connection->proven) {
		text_copy(postgres->why, sizeof postgres->why, why);
		postgres_back_off(postgres);
	}
	postgres_outcome_on_loss(connection, error, why);
}

static void connection_fail_by_libpq(struct postgres_connection *connection)
{
	const char *text = PQerrorMessage(connection->pg);
	postgres_connection_fail(connection, -ECONNRESET,
	        *text ? text : "the database does not follow its protocol");
}

/* -- cancelling -------------------------------------------------------------------------------- */

/* libpq's request to cancel connects and waits, so a thread of the pool makes it. */
struct connection_cancel {
	struct weir_work work;
	PGcancel *cancel;
};

static void connection_cancel_run(struct weir_work *work)
{
	struct connection_cancel *cancel = WEIR_CONTAINER(work, struct connection_cancel, work);
	char text[256];
	PQcancel(cancel->cancel, text, sizeof text);
}

static void connection_cancel_done(struct weir_work *work)
{
	struct connection_cancel *cancel = WEIR_CONTAINER(work, struct connection_cancel, work);
	PQfreeCancel(cancel->cancel);
	free(cancel);
}

/* Without memory or a thread, the server notices only that the connection ends. */
void postgres_cancel(struct weir_loop *loop, PGconn *pg)
{
	struct connection_cancel *cancel = calloc(1, sizeof *cancel);
	if (!cancel)
		return;
	cancel->cancel = PQgetCancel(pg);
	if (!cancel->cancel || weir_work_submit_to(loop, WEIR_LANE_DATABASE, &cancel->work,
	                               connection_cancel_run, connection_cancel_done) < 0)
		connection_cancel_done(&cancel->work);
}

void postgres_connection_cancel(struct postgres_connection *connection)
{
	connection->cancelled = true;
	postgres_cancel(connection->pool->loop, connection->pg);
}

/* -- time limits ------------------------------------------------------------------------------- */

static void connection_on_answer_time(struct weir_timer *timer)
{
	struct postgres_connection *connection =
	        WEIR_CONTAINER(timer, struct postgres_connection, timer);
	bool draining = connection_is_draining(connection);
	/* No batch begins beside the most, but streams do. Cancelled, their outcome is unknown. */
	if (connection_commits(connection) &&
	        connection->pool->late_count < WEIR_POSTGRES_LATE_MAX) {
		postgres_late_begin(connection);
		postgres_connection_fail(
		        connection, -ETIMEDOUT, "the database does not confirm a commit");
		return;
	}
	if (!connection->cancelled)
		postgres_connection_cancel(connection);
	else
		draining = true;
	if (draining)
		postgres_connection_fail(connection, -ETIMEDOUT, "the database does not answer");
	else
		weir_timer_start(connection->pool->loop, timer, WEIR_POSTGRES_CANCEL_MS,
		        connection_on_answer_time);
}

/* A stream whose caller has gone, and one that was cancelled, must end soon, whatever comes. */
void postgres_connection_restart_timer(struct postgres_connection *connection)
{
	if (connection_is_draining(connection) || connection->cancelled)
		return;
	if (connection_is_paused(connection))
		weir_timer_stop(&connection->timer);
	else
		weir_timer_start(connection->pool->loop, &connection->timer,
		        connection->pool->options.answer_ms, connection_on_answer_time);
}

static void connection_on_idle_time(struct weir_timer *timer)
{
	postgres_connection_free(WEIR_CONTAINER(timer, struct postgres_connection, timer));
}

/* -- changes ----------------------------------------------------------------------------------- */

void postgres_connection_set_idle(struct postgres_connection *connection)
{
	struct weir_postgres *postgres = connection->pool;
	connection->state = POSTGRES_IDLE;
	connection->flushing = false;
	weir_list_remove(&connection->link);
	weir_list_append(&postgres->connections, &connection->link);
	weir_timer_start(postgres->loop, &connection->timer, postgres->options.idle_ms,
	        connection_on_idle_time);
	postgres_schedule(postgres);
	connection_rewatch(connection);
}

/* Results may be in libpq's buffer, of which the poller knows nothing. */
static void connection_on_task(struct weir_task *task)
{
	connection_read(WEIR_CONTAINER(task, struct postgres_connection, task));
}

static void connection_read_later(struct postgres_connection *connection)
{
	connection->task.run = connection_on_task;
	weir_loop_defer(connection->pool->loop, &connection->task);
}

void postgres_connection_update(struct postgres_connection *connection)
{
	postgres_connection_restart_timer(connection);
	if (connection_is_paused(connection))
		postgres_connection_watch(
		        connection); /* watches less, which cannot fail for good */
	else
		connection_read_later(connection);
}

void postgres_connection_drain(struct postgres_connection *connection)
{
	weir_timer_start(connection->pool->loop, &connection->timer, WEIR_POSTGRES_DRAIN_MS,
	        connection_on_answer_time);
	connection_read_later(connection);
}

/* -- results ----------------------------------------------------------------------------------- */

/* Bytes that OpenSSL has decrypted are not seen by the poller, and libpq leaves some. */
static bool connection_has_plaintext(const struct postgres_connection *connection)
{
	SSL *tls = PQsslStruct(connection->pg, "OpenSSL");
	return tls && SSL_pending(tls) > 0;
}

/* Only the rows of a statement are asked for one by one, and only before the first has come. */
static void connection_arm(struct postgres_connection *connection)
{
	struct postgres_cursor *cursor = &connection->cursor;
	if (!cursor->call || cursor->preparing || cursor->armed)
		return;
	PQsetSingleRowMode(connection->pg);
	cursor->armed = true;
}

/* An error without a SQLSTATE is libpq's own: it can no longer read what the server sends. */
static bool connection_is_lost(const struct postgres_connection *connection, const PGresult *result)
{
	return PQstatus(connection->pg) == CONNECTION_BAD &&
	       (!result || !PQresultErrorField(result, PG_DIAG_SQLSTATE));
}

static enum postgres_step connection_step(struct postgres_connection *connection)
{
	if (connection_is_paused(connection))
		return POSTGRES_STEP_WAIT;
	connection_arm(connection);
	if (PQisBusy(connection->pg))
		return POSTGRES_STEP_WAIT;
	PGresult *result = PQgetResult(connection->pg);
	enum postgres_step step = POSTGRES_STEP_GOT;
	if (connection_is_lost(connection, result))
		step = POSTGRES_STEP_LOST;
	else if (result)
		step = postgres_batch_on_result(connection, result);
	else
		postgres_batch_advance(connection);
	PQclear(result);
	return step;
}

/* Returns whether the connection still has its batch; if not, it may be gone. */
static bool connection_take_results(struct postgres_connection *connection)
{
	unsigned left = WEIR_POSTGRES_ROWS_BUDGET;
	enum postgres_step step = POSTGRES_STEP_GOT;
	while (left > 0 && (step = connection_step(connection)) == POSTGRES_STEP_GOT)
		left--;
	if (step == POSTGRES_STEP_SYNC) {
		postgres_outcome_on_sync(connection);
		return false;
	}
	if (step == POSTGRES_STEP_LOST) {
		connection_fail_by_libpq(connection);
		return false;
	}
	if (left < WEIR_POSTGRES_ROWS_BUDGET)
		postgres_connection_restart_timer(connection);
	if (step == POSTGRES_STEP_GOT ||
	        (!connection_is_paused(connection) && connection_has_plaintext(connection)))
		connection_read_later(connection);
	return true;
}

/*
 * Invariant: `flushing` is true only while the server cannot have the sync. On a broken socket
 * nothing leaves any more, but libpq drops what it should send, and reports that all has left.
 */
static void connection_flush(struct postgres_connection *connection)
{
	if (connection->flushing && !connection->broken)
		connection->flushing = PQflush(connection->pg) == 1;
}

/* Results that libpq has already come first. */
static void connection_read(struct postgres_connection *connection)
{
	if (connection->state != POSTGRES_BUSY || connection_is_paused(connection))
		return;
	connection_arm(connection);
	if (PQisBusy(connection->pg)) {
		bool open = PQconsumeInput(connection->pg);
		/* It sends, too: the sync may have left only now. */
		connection_flush(connection);
		if (!open) {
			connection_fail_by_libpq(connection);
			return;
		}
	}
	if (connection_take_results(connection))
		connection_rewatch(connection);
}

/* The server ends the connection, or sends a notice. */
static void connection_read_idle(struct postgres_connection *connection)
{
	PGnotify *notify;
	bool open = PQconsumeInput(connection->pg);
	PQisBusy(connection->pg); /* has libpq read what has come */
	if (!open || PQstatus(connection->pg) == CONNECTION_BAD) {
		postgres_connection_free(connection);
		return;
	}
	while ((notify = PQnotifies(connection->pg)))
		PQfreemem(notify);
}

static void connection_on_event(struct weir_watch *watch, unsigned events)
{
	struct postgres_connection *connection =
	        WEIR_CONTAINER(watch, struct postgres_connection, watch);
	if (connection->state == POSTGRES_IDLE) {
		connection_read_idle(connection);
		return;
	}
	connection->broken = events & WEIR_BROKEN;
	connection_flush(connection);
	if (connection_is_paused(connection) && connection->broken) {
		postgres_connection_unwatch(connection);
		return;
	}
	if (connection_is_paused(connection))
		connection_rewatch(connection);
	else
		connection_read(connection);
}
