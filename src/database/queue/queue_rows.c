/*
 * Rows of the queue as messages, and arrays as values of statements.
 *
 * Invariant: a span of a message that is being read has an offset in `text` in place of its
 * address, since the text still moves.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "helper.h"
#include "queue_database.h"

/* -- reading ----------------------------------------------------------------------------------- */

int64_t queue_row_number(const struct weir_postgres_row *row, unsigned column)
{
	char text[32];
	text_copy_span(text, sizeof text, weir_postgres_row_value(row, column));
	return strtoll(text, NULL, 10);
}

unsigned queue_row_tries(const struct weir_postgres_row *row, unsigned column)
{
	int64_t tries = queue_row_number(row, column);
	return (unsigned)min_of(max_of(tries, (int64_t)0), (int64_t)INT32_MAX);
}

bool queue_row_bool(const struct weir_postgres_row *row, unsigned column)
{
	struct weir_span value = weir_postgres_row_value(row, column);
	return value.size && value.data[0] == 't';
}

/* A line end in an address would begin a command of its own at the smart host. */
static struct weir_span queue_reader_put(struct queue_reader *reader, struct weir_span bytes)
{
	uintptr_t offset = reader->text.size;
	int error = text_has_control(bytes) ? -EIO
	                                    : weir_buffer_append(&reader->text, bytes.data,
	                                              bytes.size, WEIR_QUEUE_ENVELOPE_MAX);
	if (error < 0 && !reader->error)
		reader->error = error;
	return weir_span((const char *)offset, error < 0 ? 0 : bytes.size);
}

void queue_reader_message(
        struct queue_reader *reader, const struct weir_postgres_row *row, unsigned column)
{
	struct weir_queued *head = &reader->head;
	reader->has_message = true;
	if (!weir_postgres_row_value(row, column).data)
		reader->error = -EIO;
	head->size = (uint64_t)queue_row_number(row, column);
	head->envelope.size = head->size;
	mail_queued_set_flags(&head->envelope, (unsigned)queue_row_number(row, column + 1));
	head->envelope.sender = queue_reader_put(reader, weir_postgres_row_value(row, column + 2));
	head->envelope.envid = queue_reader_put(reader, weir_postgres_row_value(row, column + 3));
	head->envelope.trace = queue_reader_put(reader, weir_postgres_row_value(row, column + 4));
}

void queue_reader_recipient(
        struct queue_reader *reader, const struct weir_postgres_row *row, unsigned column)
{
	struct weir_queued_recipient to = {
	        .notify = (unsigned)queue_row_number(row, column),
	        .address = queue_reader_put(reader, weir_postgres_row_value(row, column + 2)),
	        .orcpt = queue_reader_put(reader, weir_postgres_row_value(row, column + 3)),
	};
	int64_t state = queue_row_number(row, column + 1);
	bool good = state >= WEIR_QUEUED_WAITING && state <= WEIR_QUEUED_DONE && to.address.size;
	to.state = (enum weir_queued_state)state;
	text_copy_span(to.status, sizeof to.status, weir_postgres_row_value(row, column + 4));
	int error = !good ? -EIO
	                  : weir_buffer_append(&reader->recipients, &to, sizeof to,
	                            WEIR_MAIL_RECIPIENTS_MAX * sizeof to);
	if (error < 0 && !reader->error)
		reader->error = error;
}

void queue_reader_clear(struct queue_reader *reader)
{
	weir_buffer_finish(&reader->text);
	weir_buffer_finish(&reader->recipients);
	*reader = (struct queue_reader){0};
}

static void queue_reader_rebase(const char *text, struct weir_span *span)
{
	span->data = text + (uintptr_t)span->data;
}

static int queue_reader_make(struct queue_reader *reader, struct weir_queued **ret)
{
	size_t count = reader->recipients.size / sizeof(struct weir_queued_recipient);
	if (reader->error || !reader->has_message || !count)
		return reader->error ? reader->error : -EIO;
	/* An empty text is none. */
	int error = weir_buffer_reserve(&reader->text, 1, SIZE_MAX);
	struct weir_queued *queued = error == 0 ? malloc(sizeof *queued) : NULL;
	if (!queued)
		return -ENOMEM;
	*queued = reader->head;
	queued->fd = -1;
	queued->text = reader->text.data;
	queued->recipients = (struct weir_queued_recipient *)(void *)reader->recipients.data;
	queued->count = queued->envelope.count = count;
	reader->text = reader->recipients = (struct weir_buffer){0};
	queue_reader_rebase(queued->text, &queued->envelope.sender);
	queue_reader_rebase(queued->text, &queued->envelope.envid);
	queue_reader_rebase(queued->text, &queued->envelope.trace);
	for (size_t i = 0; i < count; i++) {
		queue_reader_rebase(queued->text, &queued->recipients[i].address);
		queue_reader_rebase(queued->text, &queued->recipients[i].orcpt);
	}
	*ret = queued;
	return 0;
}

int queue_reader_finish(struct queue_reader *reader, struct weir_queued **ret)
{
	int error = queue_reader_make(reader, ret);
	queue_reader_clear(reader);
	return error;
}

/* -- arrays ------------------------------------------------------------------------------------ */

static int queue_array_next(struct weir_buffer *array)
{
	bool first = array->data[array->size - 1] == '{';
	return first ? 0 : weir_buffer_append(array, ",", 1, WEIR_POSTGRES_CALL_BYTES);
}

int queue_array_open(struct weir_buffer *array)
{
	return weir_buffer_append(array, "{", 1, WEIR_POSTGRES_CALL_BYTES);
}

int queue_array_bytes(struct weir_buffer *array, struct weir_span bytes)
{
	int error = queue_array_next(array);
	if (error == 0 && !bytes.size)
		error = weir_buffer_append(array, "\"\"", 2, WEIR_POSTGRES_CALL_BYTES);
	if (error == 0)
		error = weir_buffer_reserve(array, 2 * bytes.size, WEIR_POSTGRES_CALL_BYTES);
	for (size_t i = 0; i < bytes.size && error == 0; i++) {
		unsigned char c = (unsigned char)bytes.data[i];
		array->data[array->size++] = "0123456789abcdef"[c >> 4];
		array->data[array->size++] = "0123456789abcdef"[c & 15];
	}
	return error;
}

int queue_array_number(struct weir_buffer *array, uint64_t number)
{
	int error = queue_array_next(array);
	return error ? error
	             : weir_buffer_format(
	                       array, WEIR_POSTGRES_CALL_BYTES, "%llu", (unsigned long long)number);
}

int queue_array_text(struct weir_buffer *array, const char *text)
{
	int error = queue_array_next(array);
	return error ? error
	             : weir_buffer_append(array, text, strlen(text), WEIR_POSTGRES_CALL_BYTES);
}

int queue_array_close(struct weir_buffer *array)
{
	return weir_buffer_append(array, "}", 2, WEIR_POSTGRES_CALL_BYTES);
}
