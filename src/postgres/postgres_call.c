/*
 * A call from its start to its end, over repetitions.
 *
 * Invariant: a callback may cancel any call but the one that ends. A call that was sent is only
 * marked then, and stays until its batch has ended; so no list changes below a walk over it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <weir/error.h>

#include "helper.h"
#include "postgres_state.h"

/* -- statements that are refused --------------------------------------------------------------- */

/*
 * The first words of statements that change the session, or the transaction that calls share.
 * Procedures and blocks of code can commit.
 */
static const char *const call_refused_words[] = {"ABORT", "BEGIN", "CALL", "CLOSE", "COMMIT",
        "COPY", "DEALLOCATE", "DECLARE", "DISCARD", "DO", "END", "EXECUTE", "FETCH", "LISTEN",
        "LOAD", "MOVE", "PREPARE", "RELEASE", "RESET", "ROLLBACK", "SAVEPOINT", "SET", "START",
        "UNLISTEN"};

static bool call_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A comment in front would hide the first word, and is refused, too. */
static bool call_text_good(const char *text)
{
	text += strspn(text, " \t\r\n(");
	size_t size = 0;
	while (call_is_letter(text[size]))
		size++;
	if (size == 0)
		return false;
	for (size_t i = 0; i < sizeof call_refused_words / sizeof *call_refused_words; i++)
		if (strlen(call_refused_words[i]) == size &&
		        strncasecmp(call_refused_words[i], text, size) == 0)
			return false;
	return true;
}

static bool call_statement_good(const struct weir_postgres_statement *statement)
{
	if (statement->count > WEIR_POSTGRES_VALUES_MAX || !call_text_good(statement->text))
		return false;
	for (unsigned i = 0; i < statement->count; i++) {
		const struct weir_postgres_value *value = &statement->values[i];
		if (!value->binary && value->bytes.size &&
		        memchr(value->bytes.data, 0, value->bytes.size))
			return false;
	}
	return true;
}

/* -- the memory of a call ---------------------------------------------------------------------- */

/* The memory that the copies of a call need. */
struct call_size {
	size_t bytes;  /* of texts and values, each with a NUL */
	size_t values; /* their number */
};

/* Returns false if it is more than a call may have. */
static bool call_measure(
        const struct weir_postgres_call_options *options, struct call_size *ret_size)
{
	struct call_size size = {.bytes = options->key.size};
	for (unsigned i = 0; i < options->count; i++) {
		const struct weir_postgres_statement *statement = &options->statements[i];
		size.bytes += strlen(statement->text) + 1;
		size.values += statement->count;
		for (unsigned k = 0; k < statement->count; k++) {
			if (statement->values[k].bytes.size > WEIR_POSTGRES_CALL_BYTES)
				return false;
			size.bytes += statement->values[k].bytes.size + 1;
		}
		if (size.bytes > WEIR_POSTGRES_CALL_BYTES)
			return false;
	}
	*ret_size = size;
	return size.bytes <= WEIR_POSTGRES_CALL_BYTES;
}

static char *call_copy(char **to, struct weir_span bytes)
{
	char *copy = *to;
	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	copy[bytes.size] = 0;
	*to += bytes.size + 1;
	return copy;
}

static void call_copy_values(
        struct postgres_statement *to, const struct weir_postgres_statement *from, char **bytes)
{
	for (unsigned i = 0; i < from->count; i++) {
		const struct weir_postgres_value *value = &from->values[i];
		to->values[i] = value->bytes.data ? call_copy(bytes, value->bytes) : NULL;
		to->sizes[i] = (int)value->bytes.size;
		to->formats[i] = value->binary;
	}
}

/* The parts follow each other by falling alignment. */
static struct weir_postgres_call *call_make(struct weir_postgres *postgres,
        const struct weir_postgres_call_options *options, const struct call_size *size)
{
	struct weir_postgres_call *call = calloc(
	        1, sizeof *call + options->count * (sizeof *call->statements + sizeof *call->rows) +
	                   size->values * (sizeof(char *) + 2 * sizeof(int)) + size->bytes + 1);
	if (!call)
		return NULL;
	call->statements = (struct postgres_statement *)(void *)(call + 1);
	call->rows = (uint64_t *)(void *)(call->statements + options->count);
	const char **values = (const char **)(void *)(call->rows + options->count);
	int *numbers = (int *)(void *)(values + size->values);
	char *bytes = (char *)(numbers + 2 * size->values);
	call->key = weir_span(call_copy(&bytes, options->key), options->key.size);
	for (unsigned i = 0; i < options->count; i++) {
		const struct weir_postgres_statement *from = &options->statements[i];
		struct postgres_statement *to = &call->statements[i];
		to->number = postgres_find_statement(postgres, from->text);
		to->text = to->number >= 0 ? postgres->statements[to->number]
		                           : call_copy(&bytes, weir_span_of(from->text));
		to->count = (int)from->count;
		to->values = values;
		to->sizes = numbers;
		to->formats = numbers + from->count;
		values += from->count;
		numbers += 2 * (size_t)from->count;
		call_copy_values(to, from, &bytes);
	}
	return call;
}

void postgres_call_free(struct weir_postgres_call *call)
{
	if (call->state == POSTGRES_CALL_SENT)
		weir_list_remove(&call->queue);
	else
		postgres_call_dequeue(call);
	weir_list_remove(&call->link);
	free(call);
}

/* -- queues ------------------------------------------------------------------------------------ */

/* There was no connection, or none was free. */
static void call_on_deadline(struct weir_timer *timer)
{
	struct weir_postgres_call *call = WEIR_CONTAINER(timer, struct weir_postgres_call, timer);
	const char *why = call->pool->why;
	struct postgres_verdict verdict = {
	        .outcome = WEIR_POSTGRES_UNDONE,
	        .error = *why ? -ENOTCONN : -ETIMEDOUT,
	        .text = *why ? why : "all connections to the database are busy",
	};
	postgres_call_end(call, &verdict);
}

/* A callback may cancel, or start, other calls: begin anew after each. */
void postgres_calls_end_waiting(struct weir_postgres *postgres)
{
	struct weir_list *queues[] = {&postgres->batchers, &postgres->streamers};
	char why[WEIR_POSTGRES_WHY_MAX];
	memcpy(why, postgres->why, sizeof why);
	const struct postgres_verdict verdict = {
	        .outcome = WEIR_POSTGRES_UNDONE, .error = -ENOTCONN, .text = why};
	unsigned left = postgres->waiting_count;
	for (size_t i = 0; i < 2; i++)
		for (; left && !weir_list_empty(queues[i]); left--)
			postgres_call_end(
			        WEIR_CONTAINER(queues[i]->next, struct weir_postgres_call, queue),
			        &verdict);
}

void postgres_call_enqueue(struct weir_postgres_call *call, bool first)
{
	struct weir_postgres *postgres = call->pool;
	struct weir_list *queue = call->stream ? &postgres->streamers : &postgres->batchers;
	int64_t left_ms = call->deadline_ms - weir_loop_now_ms(postgres->loop);
	call->state = POSTGRES_CALL_WAITING;
	/* Appended before the first link of a ring is in front. */
	weir_list_append(first ? queue->next : queue, &call->queue);
	postgres->batcher_count += !call->stream;
	postgres->waiting_count++;
	postgres->waiting_bytes += call->bytes;
	weir_metric_add(&postgres->cells->waiting, 1);
	weir_timer_start(
	        postgres->loop, &call->timer, max_of(left_ms, (int64_t)0), call_on_deadline);
	postgres_schedule(postgres);
}

void postgres_call_dequeue(struct weir_postgres_call *call)
{
	struct weir_postgres *postgres = call->pool;
	weir_list_remove(&call->queue);
	weir_timer_stop(&call->timer);
	if (call->state == POSTGRES_CALL_SENT)
		return;
	postgres->batcher_count -= call->state == POSTGRES_CALL_WAITING && !call->stream;
	postgres->waiting_count--;
	postgres->waiting_bytes -= call->bytes;
	weir_metric_subtract(&postgres->cells->waiting, 1);
}

static void call_on_delay(struct weir_timer *timer)
{
	struct weir_postgres_call *call = WEIR_CONTAINER(timer, struct weir_postgres_call, timer);
	postgres_call_dequeue(call);
	postgres_call_enqueue(call, true);
}

static void call_delay(struct weir_postgres_call *call, int64_t delay_ms)
{
	struct weir_postgres *postgres = call->pool;
	call->state = POSTGRES_CALL_DELAYED;
	postgres->waiting_count++;
	postgres->waiting_bytes += call->bytes;
	weir_metric_add(&postgres->cells->waiting, 1);
	weir_timer_start(postgres->loop, &call->timer, delay_ms, call_on_delay);
}

/* -- start ------------------------------------------------------------------------------------- */

void weir_postgres_call_options_init(struct weir_postgres_call_options *options)
{
	*options = (struct weir_postgres_call_options){.count = 1};
}

static int call_check(struct weir_postgres *postgres,
        const struct weir_postgres_call_options *options, struct call_size *ret_size)
{
	if (options->count < 1 || options->count > WEIR_POSTGRES_CALL_STATEMENTS_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < options->count; i++)
		if (!call_statement_good(&options->statements[i]))
			return -EINVAL;
	if (!call_measure(options, ret_size))
		return WEIR_E_LIMIT;
	if (postgres->waiting_count < postgres->options.waiting_max &&
	        postgres->waiting_bytes + ret_size->bytes <= postgres->options.waiting_bytes)
		return 0;
	weir_metric_add(&postgres->cells->calls[POSTGRES_RESULT_REFUSED], 1);
	return WEIR_E_LIMIT;
}

int weir_postgres_call_start(struct weir_postgres *postgres,
        const struct weir_postgres_call_options *options, const struct weir_postgres_events *events,
        void *context, struct weir_postgres_call **ret)
{
	struct call_size size;
	int error = call_check(postgres, options, &size);
	if (error)
		return error;
	struct weir_postgres_call *call = call_make(postgres, options, &size);
	if (!call)
		return -ENOMEM;
	call->pool = postgres;
	call->events = events;
	call->context = context;
	call->stream = options->stream;
	call->idempotent = options->idempotent;
	call->binary = options->binary;
	call->early_lock_release = options->early_lock_release;
	call->count = options->count;
	call->bytes = size.bytes;
	call->started_ms = weir_loop_now_ms(postgres->loop);
	call->deadline_ms = call->started_ms + postgres->options.wait_ms;
	weir_list_init(&call->queue);
	weir_list_init(&call->timer.link);
	weir_list_append(&postgres->calls, &call->link);
	postgres_call_enqueue(call, false);
	*ret = call;
	return 0;
}

/* -- end --------------------------------------------------------------------------------------- */

/* The rows are in the call's memory, which is freed last. */
void postgres_call_end(struct weir_postgres_call *call, const struct postgres_verdict *verdict)
{
	struct postgres_cells *cells = call->pool->cells;
	bool doubtful = call->doubtful && verdict->outcome == WEIR_POSTGRES_UNDONE;
	struct weir_postgres_end end = {
	        .outcome = doubtful ? WEIR_POSTGRES_UNKNOWN : verdict->outcome,
	        .error = verdict->error,
	        .state = or_default(verdict->state, ""),
	        .constraint = or_default(verdict->constraint, ""),
	        .text = verdict->error ? or_default(verdict->text, weir_error_text(verdict->error))
	                               : "",
	        .rows = call->rows,
	        .repeated = call->repeated,
	};
	weir_metric_add(&cells->calls[call->orphan ? POSTGRES_RESULT_CANCELLED
	                                           : (enum postgres_result)end.outcome],
	        1);
	if (call->orphan) {
		postgres_call_free(call);
		return;
	}
	weir_metric_observe_ms(
	        cells->call_ms, weir_loop_now_ms(call->pool->loop) - call->started_ms);
	postgres_call_dequeue(call);
	weir_list_remove(&call->link);
	call->events->end(call->context, &end);
	free(call);
}

void postgres_call_repeat(struct weir_postgres_call *call, enum postgres_retry reason,
        int64_t delay_ms, const struct postgres_verdict *verdict)
{
	int64_t now_ms = weir_loop_now_ms(call->pool->loop);
	if (!call->orphan && now_ms + delay_ms < call->deadline_ms && call->had_rows) {
		call->had_rows = false;
		if (call->events->again)
			call->events->again(call->context);
	}
	if (call->orphan || now_ms + delay_ms >= call->deadline_ms) {
		postgres_call_end(call, verdict);
		return;
	}
	call->doubtful |= verdict->outcome == WEIR_POSTGRES_UNKNOWN;
	call->repeated++;
	weir_metric_add(&call->pool->cells->retries[reason], 1);
	memset(call->rows, 0, call->count * sizeof *call->rows);
	if (delay_ms)
		call_delay(call, delay_ms);
	else
		postgres_call_enqueue(call, true);
}

void weir_postgres_call_cancel(struct weir_postgres_call *call)
{
	if (call->state == POSTGRES_CALL_SENT) {
		call->orphan = true;
		if (call->connection && call->stream)
			postgres_connection_drain(call->connection);
		return;
	}
	weir_metric_add(&call->pool->cells->calls[POSTGRES_RESULT_CANCELLED], 1);
	postgres_call_free(call);
}

/* -- back-pressure ----------------------------------------------------------------------------- */

void weir_postgres_call_pause(struct weir_postgres_call *call)
{
	if (!call->stream || call->paused)
		return;
	call->paused = true;
	if (call->connection)
		postgres_connection_update(call->connection);
}

void weir_postgres_call_resume(struct weir_postgres_call *call)
{
	if (!call->paused)
		return;
	call->paused = false;
	if (call->connection)
		postgres_connection_update(call->connection);
}

/* -- rows -------------------------------------------------------------------------------------- */

struct weir_span weir_postgres_row_value(const struct weir_postgres_row *row, unsigned column)
{
	const PGresult *result = row->result;
	if (column >= row->count || PQgetisnull(result, row->number, (int)column))
		return weir_span(NULL, 0);
	return weir_span(PQgetvalue(result, row->number, (int)column),
	        (size_t)PQgetlength(result, row->number, (int)column));
}

const char *weir_postgres_row_name(const struct weir_postgres_row *row, unsigned column)
{
	return column < row->count ? PQfname(row->result, (int)column) : "";
}
