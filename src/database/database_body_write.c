/*
 * Writing a body. Full chunks leave as they come; the last one stays for the owner's statement.
 *
 * Invariant: `at->buffered` counts the bytes in `waiting` and in flights. Over its bound chunks
 * leave before they are full, so that memory is bounded however many bodies come slowly.
 */
#include "database_body.h"

#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "database_outcome.h"
#include "helper.h"

enum {
	BODY_SMALLEST = 4 * 1024 /* bytes of a chunk that leaves early */
};

static const char body_first[] =
        "WITH rooted AS (INSERT INTO weir_body_sweep (body, holder, due)"
        " VALUES ($1::uuid, '', now() + interval '" WEIR_DATABASE_BODY_STALE "'))"
        " INSERT INTO weir_body_chunk (body, number, bytes) VALUES ($1::uuid, $2::int, $3::bytea)";

static const char body_further[] =
        "INSERT INTO weir_body_chunk (body, number, bytes) SELECT body, $2::int, $3::bytea"
        " FROM weir_body_sweep WHERE body = $1::uuid AND holder = '' FOR SHARE";

/*
 * A statement sees the chunks that were there at its start, and one may come while it waits for a
 * lock. So a statement of its own ends all writing, and the next one removes the chunks.
 */
static const char body_discard_lock[] = "SELECT 1 FROM weir_body_sweep"
                                        " WHERE body = $1::uuid AND holder = '' FOR UPDATE";

static const char body_discard[] =
        "WITH unrooted AS (DELETE FROM weir_body_sweep WHERE body = $1::uuid AND holder = ''"
        " RETURNING body)"
        " DELETE FROM weir_body_chunk WHERE body IN (SELECT body FROM unrooted)";

static const char body_sweep_lock[] =
        "UPDATE weir_body_sweep SET holder = '/swept', due = now() WHERE holder = '' AND body IN"
        " (SELECT body FROM weir_body_sweep WHERE due <= now() AND holder = '' ORDER BY due"
        " LIMIT $1::int FOR UPDATE SKIP LOCKED)";

static const char body_sweeps[] =
        "WITH swept AS (DELETE FROM weir_body_sweep WHERE (body, holder) IN"
        " (SELECT body, holder FROM weir_body_sweep WHERE due <= now() AND holder <> ''"
        " ORDER BY due LIMIT $1::int FOR UPDATE SKIP LOCKED) RETURNING body),"
        " gone AS (DELETE FROM weir_body_chunk WHERE body IN (SELECT body FROM swept"
        " WHERE NOT EXISTS (SELECT 1 FROM weir_body_holder WHERE body = swept.body)))"
        " SELECT count(*) FROM swept";

int body_writer_init(struct body_writer *writer, struct database_loop *at, uint64_t most,
        weir_mail_ready_fn *ready, void *context)
{
	*writer = (struct body_writer){.at = at, .most = most, .ready = ready, .context = context};
	for (int i = 0; i < BODY_FLIGHTS; i++)
		writer->flights[i].writer = writer;
	return weir_database_make_id(writer->id);
}

/* -- chunks on their way ----------------------------------------------------------------------- */

static void body_on_chunk(void *context, const struct weir_postgres_end *end);

static const struct weir_postgres_events body_chunk_events = {.end = body_on_chunk};

/* Before the first chunk is there, no other one may be sent. */
static struct body_flight *body_free_flight(struct body_writer *writer)
{
	if (!writer->rooted && writer->chunks)
		return NULL;
	for (int i = 0; i < BODY_FLIGHTS; i++)
		if (!writer->flights[i].call)
			return &writer->flights[i];
	return NULL;
}

static int body_send(struct body_writer *writer, struct body_flight *flight, size_t size)
{
	char number[BODY_NUMBER_SIZE];
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(writer->id),
	        body_value_number(writer->chunks, number),
	        weir_postgres_binary(writer->waiting.data, size),
	};
	struct weir_postgres_statement statement = {
	        writer->chunks ? body_further : body_first, values, 3};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	options.key = weir_span_of(writer->id);
	options.idempotent = true;
	options.early_lock_release = true; /* it shares batches with deliveries */
	int error = weir_postgres_call_start(
	        writer->at->pool, &options, &body_chunk_events, flight, &flight->call);
	if (error < 0)
		return error;
	flight->bytes = size;
	weir_buffer_consume(&writer->waiting, size);
	writer->chunks++;
	writer->flying++;
	return 0;
}

/* Returns how many bytes should leave now; 0: none. */
static size_t body_due(const struct body_writer *writer)
{
	bool tight = writer->at->buffered > WEIR_DATABASE_BUFFER;
	if (writer->waiting.size > WEIR_DATABASE_CHUNK)
		return WEIR_DATABASE_CHUNK;
	return tight && !writer->finishing && writer->waiting.size >= BODY_SMALLEST
	               ? writer->waiting.size
	               : 0;
}

static void body_send_due(struct body_writer *writer)
{
	struct body_flight *flight;
	size_t size;
	while (!writer->error && (size = body_due(writer)) && (flight = body_free_flight(writer)))
		writer->error = body_send(writer, flight, size);
}

/* Calls back; the last thing that is done, since the writer may be freed. */
static void body_report(struct body_writer *writer)
{
	bool good = !writer->error && !body_due(writer);
	if (writer->finishing) {
		if (!writer->error && (!good || writer->flying))
			return;
		writer->finishing = false;
		writer->finished(writer, writer->error);
	} else if (writer->full && (good || writer->error)) {
		writer->full = false;
		if (writer->ready)
			writer->ready(writer->context, writer->error);
	}
}

static void body_on_chunk(void *context, const struct weir_postgres_end *end)
{
	struct body_flight *flight = context;
	struct body_writer *writer = flight->writer;
	int error = database_outcome_is_repeated(end, BODY_TABLES) ? 0 : database_outcome(end);
	/* Swept meanwhile: it has taken too long. */
	if (!end->error && !end->rows[0])
		error = -ETIMEDOUT;
	flight->call = NULL;
	writer->at->buffered -= flight->bytes;
	writer->flying--;
	writer->rooted = true;
	if (!writer->error)
		writer->error = error;
	body_send_due(writer);
	body_report(writer);
}

/* -- the writer -------------------------------------------------------------------------------- */

static int body_consume(struct body_writer *writer, struct weir_span bytes)
{
	if (bytes.size > writer->most - writer->scan.stored)
		return WEIR_E_LIMIT;
	int error = weir_buffer_append(&writer->waiting, bytes.data, bytes.size, SIZE_MAX);
	if (error < 0)
		return error;
	writer->at->buffered += bytes.size;
	mail_scan(&writer->scan, bytes);
	return 0;
}

int body_writer_write(struct body_writer *writer, struct weir_span bytes)
{
	if (!writer->error)
		writer->error = body_consume(writer, bytes);
	body_send_due(writer);
	if (writer->error) {
		writer->full = false;
		return writer->error;
	}
	writer->full = body_due(writer) > 0;
	return writer->full ? WEIR_MAIL_FULL : 0;
}

void body_writer_finish(
        struct body_writer *writer, void (*finished)(struct body_writer *writer, int error))
{
	writer->finishing = true;
	writer->finished = finished;
	body_send_due(writer);
	body_report(writer);
}

void body_writer_values(struct body_writer *writer, struct weir_postgres_value ret_values[3],
        char ret_number[BODY_NUMBER_SIZE])
{
	snprintf(ret_number, 16, "%u", writer->chunks);
	ret_values[0] = weir_postgres_text(writer->id);
	ret_values[1] = body_value_number(writer->chunks, ret_number);
	ret_values[2] = weir_postgres_binary(writer->waiting.data, writer->waiting.size);
}

static void body_ignore_end(void *context, const struct weir_postgres_end *end)
{
	(void)context, (void)end;
}

/* If this fails, the sweep removes the chunks. */
static void body_start_discard(struct body_writer *writer)
{
	static const struct weir_postgres_events events = {.end = body_ignore_end};
	const struct weir_postgres_value id = weir_postgres_text(writer->id);
	const struct weir_postgres_statement statements[] = {
	        {body_discard_lock, &id, 1}, {body_discard, &id, 1}};
	struct weir_postgres_call_options options;
	struct weir_postgres_call *call;
	weir_postgres_call_options_init(&options);
	options.statements = statements;
	options.count = 2;
	options.key = weir_span_of(writer->id);
	options.idempotent = true;
	(void)weir_postgres_call_start(writer->at->pool, &options, &events, NULL, &call);
}

void body_writer_free(struct body_writer *writer, bool discard)
{
	for (int i = 0; i < BODY_FLIGHTS; i++) {
		struct body_flight *flight = &writer->flights[i];
		if (!flight->call)
			continue;
		weir_postgres_call_cancel(flight->call);
		flight->call = NULL;
		writer->at->buffered -= flight->bytes;
	}
	writer->at->buffered -= writer->waiting.size;
	weir_buffer_finish(&writer->waiting);
	if (discard && writer->chunks)
		body_start_discard(writer);
}

/* -- sweeping ---------------------------------------------------------------------------------- */

int body_sweep(struct weir_postgres *pool, const struct weir_postgres_events *events, void *context,
        struct weir_postgres_call **ret)
{
	char most[BODY_NUMBER_SIZE];
	const struct weir_postgres_value value = body_value_number(WEIR_DATABASE_SWEEP, most);
	const struct weir_postgres_statement statements[] = {
	        {body_sweep_lock, &value, 1}, {body_sweeps, &value, 1}};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = statements;
	options.count = 2;
	options.stream = true;
	return weir_postgres_call_start(pool, &options, events, context, ret);
}
