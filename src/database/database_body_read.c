/*
 * Reading a body: a chunk is asked for when the peer has taken the one before.
 *
 * Invariant: either a call is under way, or a chunk is lent to the peer, or neither has begun.
 */
#include "database_body.h"

#include <errno.h>
#include <stdlib.h>

#include "database_outcome.h"
#include "helper.h"

struct body_reader {
	struct weir_producer base;
	struct weir_postgres *pool;
	struct weir_postgres_call *call; /* NULL: none is under way */
	char id[WEIR_DATABASE_ID_SIZE];
	unsigned next; /* the number of the chunk to be asked for */
	char *chunk;   /* owned; NULL: it was taken */
	size_t size;
	size_t put;
	uint64_t left; /* bytes behind this chunk */
	bool failed;
};

static const char body_select[] = "SELECT bytes FROM weir_body_chunk"
                                  " WHERE body = $1::uuid AND number = $2::int AND " BODY_SQL_BOUND;

static void body_reader_on_again(void *context)
{
	struct body_reader *reader = context;
	free(reader->chunk);
	reader->chunk = NULL;
}

static void body_reader_on_row(void *context, const struct weir_postgres_row *row)
{
	struct body_reader *reader = context;
	struct weir_span bytes = weir_postgres_row_value(row, 0);
	body_reader_on_again(reader);
	if (bytes.size > reader->left)
		return;
	reader->chunk = malloc(bytes.size ? bytes.size : 1);
	if (!reader->chunk)
		return;
	if (bytes.size)
		memcpy(reader->chunk, bytes.data, bytes.size);
	reader->size = bytes.size;
}

static void body_reader_on_end(void *context, const struct weir_postgres_end *end)
{
	struct body_reader *reader = context;
	reader->call = NULL;
	reader->put = 0;
	reader->next++;
	if (end->error || !reader->chunk)
		reader->failed = true;
	else
		reader->left -= reader->size;
	weir_wake(&reader->base);
}

static const struct weir_postgres_events body_reader_events = {
        .row = body_reader_on_row,
        .again = body_reader_on_again,
        .end = body_reader_on_end,
};

static void body_reader_ask(struct body_reader *reader)
{
	char number[BODY_NUMBER_SIZE];
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(reader->id),
	        body_value_number(reader->next, number),
	};
	struct weir_postgres_statement statement = {body_select, values, 2};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	options.idempotent = true;
	options.binary = true;
	if (weir_postgres_call_start(
	            reader->pool, &options, &body_reader_events, reader, &reader->call) < 0)
		reader->failed = true;
}

static enum weir_more body_reader_more(struct weir_producer *producer, struct weir_output *out)
{
	struct body_reader *reader = WEIR_CONTAINER(producer, struct body_reader, base);
	if (reader->call)
		return WEIR_WAIT;
	if (reader->chunk && reader->put == reader->size) {
		free(reader->chunk);
		reader->chunk = NULL;
	}
	if (!reader->chunk && !reader->failed && reader->left)
		body_reader_ask(reader);
	if (reader->failed)
		return WEIR_FAILED;
	if (!reader->chunk)
		return reader->left ? WEIR_WAIT : WEIR_DONE;
	reader->put +=
	        weir_output_borrow(out, reader->chunk + reader->put, reader->size - reader->put);
	return reader->put == reader->size && !reader->left ? WEIR_DONE : WEIR_MORE;
}

static void body_reader_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct body_reader *reader = WEIR_CONTAINER(producer, struct body_reader, base);
	(void)why;
	if (reader->call)
		weir_postgres_call_cancel(reader->call);
	free(reader->chunk);
	free(reader);
}

static int64_t body_reader_size(const struct weir_producer *producer)
{
	const struct body_reader *reader = WEIR_CONTAINER(producer, const struct body_reader, base);
	return (int64_t)(reader->left + (reader->chunk ? reader->size : 0));
}

static const struct weir_producer_type body_reader_type = {
        .name = "body",
        .more = body_reader_more,
        .close = body_reader_close,
        .size = body_reader_size,
};

struct weir_producer *body_produce(
        struct weir_postgres *pool, const char *id, char *first, size_t first_size, uint64_t octets)
{
	struct body_reader *reader = calloc(1, sizeof *reader);
	if (!reader) {
		free(first);
		return NULL;
	}
	weir_producer_init(&reader->base, &body_reader_type);
	reader->pool = pool;
	text_copy(reader->id, sizeof reader->id, id);
	reader->next = first ? 1 : 0;
	reader->chunk = first;
	reader->size = first ? first_size : 0;
	reader->failed = reader->size > octets;
	reader->left = octets - min_of((uint64_t)reader->size, octets);
	return &reader->base;
}
