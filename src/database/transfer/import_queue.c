/*
 * A queue of files becomes rows of the queue. Each lane has one message at a time:
 *
 *   next message ─▶ its body in chunks ─▶ one statement: message, recipients, last chunk ─▶ next
 *
 * Invariant: the queue is locked, so that no process sends its messages meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "helper.h"
#include "mail_queue_state.h"
#include "queue_database.h"
#include "database_transfer.h"

enum {
	IMPORT_QUEUE_LANES = 16,
	IMPORT_QUEUE_ARRAYS = 4,
	IMPORT_QUEUE_VALUES = 18,
};

struct queue_import;

struct queue_lane {
	struct queue_import *import;
	bool busy;
	struct import_body body;
	struct weir_queued *queued;
	struct weir_postgres_call *call;
	bool stored, claimed;
};

struct queue_import {
	struct database_transfer base;
	int directory, lock, turn;
	struct weir_buffer ids; /* of QUEUE_FILE_ID bytes each */
	size_t next;
	struct transfer_known known;
	struct weir_postgres_call *call;
	int error; /* of collecting */
	unsigned active;
	char *buffer;
	struct queue_lane lanes[IMPORT_QUEUE_LANES];
};

static void import_queue_clear(struct queue_lane *lane, bool stored)
{
	transfer_cancel(&lane->call);
	import_body_free(&lane->body, stored);
	mail_queued_free(lane->queued);
	lane->queued = NULL;
}

static void import_queue_free(struct database_transfer *transfer)
{
	struct queue_import *import = WEIR_CONTAINER(transfer, struct queue_import, base);
	transfer_cancel(&import->call);
	for (unsigned i = 0; i < IMPORT_QUEUE_LANES; i++)
		import_queue_clear(&import->lanes[i], false);
	weir_buffer_finish(&import->ids);
	weir_buffer_finish(&import->known.items);
	free(import->buffer);
	mail_queue_give_up_turn(&import->turn);
	if (import->lock >= 0)
		close(import->lock);
	if (import->directory >= 0)
		close(import->directory);
}

/* -- storing ----------------------------------------------------------------------------------- */

/*
 * $4 to $9: arrived, due, tries, warned, size, flags; $12 to $14: sender, envid, trace; $15 to $18:
 * of the recipients: addresses, orcpts, notifies and states, and statuses.
 */
#define IMPORT_QUEUE_ROW                                                                           \
	", m AS (INSERT INTO weir_queue (id, arrived, due, tries, warned)"                         \
	" SELECT $1::uuid, timestamptz 'epoch' + interval '1 microsecond' * $4::bigint,"           \
	" timestamptz 'epoch' + interval '1 microsecond' * $5::bigint, $6::int, $7::bool"          \
	" FROM fresh RETURNING id), "
#define IMPORT_QUEUE_MESSAGE                                                                       \
	", e AS (INSERT INTO weir_queue_message (id, size, flags, sender, envid, trace)"           \
	" SELECT id, $8::bigint, $9::int, $12::bytea, $13::bytea, $14::bytea FROM m),"             \
	" r AS (INSERT INTO weir_queue_recipient"                                                  \
	" (id, number, address, orcpt, reports, state, status)"                                    \
	" SELECT m.id, (c.number - 1)::int, decode(c.address, 'hex'), decode(c.orcpt, 'hex'),"     \
	" c.codes / 16, c.codes % 16, decode(c.status, 'hex')"                                     \
	" FROM m, unnest($15::text[], $16::text[], $17::int[], $18::text[])"                       \
	" WITH ORDINALITY AS c (address, orcpt, codes, status, number))"                           \
	" SELECT (SELECT count(*) FROM m), "

static const char import_queue_insert[] = "WITH " TRANSFER_SQL_FRESH TRANSFER_SQL_FRESH_END
        IMPORT_QUEUE_ROW BODY_SQL_CHUNK IMPORT_QUEUE_MESSAGE "1";

static const char import_queue_insert_claimed[] =
        "WITH " BODY_SQL_CLAIM ", " TRANSFER_SQL_FRESH
        " FROM claimed" TRANSFER_SQL_FRESH_END IMPORT_QUEUE_ROW BODY_SQL_CLAIMED
        ", " BODY_SQL_CHUNK IMPORT_QUEUE_MESSAGE "(SELECT count(*) FROM claimed)";

static void import_queue_next(struct queue_lane *lane);

static void import_queue_on_again(void *context)
{
	struct queue_lane *lane = context;
	lane->stored = lane->claimed = false;
}

static void import_queue_on_row(void *context, const struct weir_postgres_row *row)
{
	struct queue_lane *lane = context;
	lane->stored = weir_span_equal(weir_postgres_row_value(row, 0), WEIR_SPAN("1"));
	lane->claimed = weir_span_equal(weir_postgres_row_value(row, 1), WEIR_SPAN("1"));
}

static void import_queue_on_end(void *context, const struct weir_postgres_end *end)
{
	struct queue_lane *lane = context;
	struct database_transfer *transfer = &lane->import->base;
	bool stored = lane->stored || end->repeated;
	lane->call = NULL;
	if (!transfer_goes_on(transfer, lane->queued->id, end))
		return;
	if (!stored && !lane->claimed) {
		transfer_fail(
		        transfer, -ETIMEDOUT, lane->queued->id, "the message has taken too long");
		return;
	}
	transfer->counts.moved += stored;
	transfer->counts.there += !stored;
	transfer->counts.octets += stored ? lane->queued->size : 0;
	import_queue_clear(lane, stored);
	import_queue_next(lane);
}

static int import_queue_recipients(
        const struct weir_queued *queued, struct weir_buffer arrays[IMPORT_QUEUE_ARRAYS])
{
	int error = 0;
	for (size_t i = 0; i < queued->count && error == 0; i++) {
		const struct weir_queued_recipient *to = &queued->recipients[i];
		error = queue_array_bytes(&arrays[0], to->address);
		if (error == 0)
			error = queue_array_bytes(&arrays[1], to->orcpt);
		if (error == 0)
			error = queue_array_number(&arrays[2], to->notify * 16 + to->state);
		if (error == 0)
			error = queue_array_bytes(&arrays[3], weir_span_of(to->status));
	}
	return error;
}

static void import_queue_call(struct queue_lane *lane, struct weir_buffer *arrays)
{
	static const struct weir_postgres_events events = {
	        .row = import_queue_on_row,
	        .again = import_queue_on_again,
	        .end = import_queue_on_end,
	};
	const struct weir_queued *queued = lane->queued;
	const struct weir_mail_envelope *envelope = &queued->envelope;
	unsigned char item[TRANSFER_ITEM];
	char numbers[6][BODY_NUMBER_SIZE], text[WEIR_DATABASE_ID_SIZE];
	struct weir_postgres_value values[IMPORT_QUEUE_VALUES];
	transfer_item(weir_span_of(queued->id), item);
	transfer_item_text(item, text);
	body_writer_values(&lane->body.writer, values, numbers[0]);
	values[3] = body_value_number(queued->arrived_s * 1000000, numbers[1]);
	values[4] = body_value_number(queued->next_s * 1000000, numbers[2]);
	values[5] = body_value_number(queued->tries, numbers[3]);
	values[6] = weir_postgres_text(queued->warned ? "t" : "f");
	values[7] = body_value_number((int64_t)queued->size, numbers[4]);
	values[8] = body_value_number(mail_queued_flags(envelope), numbers[5]);
	values[9] = weir_postgres_text(text);
	values[10] = weir_postgres_text("queue");
	values[11] = weir_postgres_binary(envelope->sender.data, envelope->sender.size);
	values[12] = weir_postgres_binary(envelope->envid.data, envelope->envid.size);
	values[13] = weir_postgres_binary(envelope->trace.data, envelope->trace.size);
	for (int i = 0; i < IMPORT_QUEUE_ARRAYS; i++)
		values[14 + i] = weir_postgres_text(arrays[i].data);
	const struct weir_postgres_statement statement = {
	        lane->body.writer.chunks ? import_queue_insert_claimed : import_queue_insert,
	        values, IMPORT_QUEUE_VALUES};
	struct weir_postgres_call_options options = transfer_options(&statement, 1);
	options.key = weir_span_of(lane->body.writer.id);
	lane->stored = lane->claimed = false;
	transfer_call(&lane->import->base, &options, &events, lane, &lane->call);
}

static void import_queue_store(struct queue_lane *lane)
{
	struct weir_buffer arrays[IMPORT_QUEUE_ARRAYS] = {{0}};
	int error = 0;
	for (int i = 0; i < IMPORT_QUEUE_ARRAYS && error == 0; i++)
		error = queue_array_open(&arrays[i]);
	if (error == 0)
		error = import_queue_recipients(lane->queued, arrays);
	for (int i = 0; i < IMPORT_QUEUE_ARRAYS && error == 0; i++)
		error = queue_array_close(&arrays[i]);
	if (error < 0)
		transfer_fail(&lane->import->base, error, lane->queued->id, weir_error_text(error));
	else
		import_queue_call(lane, arrays);
	for (int i = 0; i < IMPORT_QUEUE_ARRAYS; i++)
		weir_buffer_finish(&arrays[i]);
}

/* -- reading ----------------------------------------------------------------------------------- */

static void import_queue_skip(struct queue_lane *lane, const char *id, int error)
{
	transfer_problem(&lane->import->base, id, weir_error_text(error));
	import_queue_clear(lane, false);
}

static void import_queue_on_resumed(void *context)
{
	struct queue_lane *lane = context;
	if (lane->import->base.over)
		return;
	if (!lane->body.error) {
		import_queue_store(lane);
		return;
	}
	import_queue_skip(lane, lane->queued->id, lane->body.error);
	import_queue_next(lane);
}

/* Returns whether the lane is busy with it. */
static bool import_queue_begin(struct queue_lane *lane, const char *id)
{
	struct queue_import *import = lane->import;
	int error = mail_queued_load(import->directory, id, true, &lane->queued);
	if (error < 0) {
		lane->queued = NULL;
		import_queue_skip(lane, id, error);
		return false;
	}
	lane->body = (struct import_body){.what = lane->queued->id,
	        .buffer = import->buffer,
	        .fd = -1,
	        .resumed = import_queue_on_resumed,
	        .context = lane};
	int fd = lane->queued->fd;
	lane->queued->fd = -1;
	if (!import_body_start(&lane->body, &import->base, fd))
		return true;
	if (lane->body.error) {
		import_queue_skip(lane, id, lane->body.error);
		return false;
	}
	import_queue_store(lane);
	return true;
}

static void import_queue_next(struct queue_lane *lane)
{
	struct queue_import *import = lane->import;
	struct database_transfer *transfer = &import->base;
	bool busy = false;
	import->active -= lane->busy;
	transfer->counts.done += lane->busy;
	lane->busy = false;
	while (!transfer->over && !busy && import->next < import->ids.size) {
		const char *id = import->ids.data + import->next;
		unsigned char item[TRANSFER_ITEM];
		import->next += QUEUE_FILE_ID;
		transfer_item(weir_span_of(id), item);
		bool known = transfer_known_has(&import->known, item);
		transfer->counts.there += known;
		busy = !known && import_queue_begin(lane, id);
		transfer->counts.done += !busy;
	}
	lane->busy = busy;
	import->active += busy;
	transfer_report(transfer);
	if (!transfer->over && !import->active)
		transfer_end(transfer);
}

/* -- beginning --------------------------------------------------------------------------------- */

static bool import_queue_found(void *context, const char *id)
{
	struct queue_import *import = context;
	import->error = weir_buffer_append(&import->ids, id, QUEUE_FILE_ID, SIZE_MAX);
	return import->error == 0;
}

static int import_queue_compare(const void *a, const void *b)
{
	return memcmp(a, b, QUEUE_FILE_ID);
}

static void import_queue_on_known_again(void *context)
{
	((struct queue_import *)context)->known.items.size = 0;
}

static void import_queue_on_known_row(void *context, const struct weir_postgres_row *row)
{
	struct queue_import *import = context;
	if (!import->error)
		import->error = transfer_known_add(&import->known, row);
}

static void import_queue_on_known(void *context, const struct weir_postgres_end *end)
{
	struct queue_import *import = context;
	struct database_transfer *transfer = &import->base;
	import->call = NULL;
	if (!transfer_goes_on(transfer, NULL, end))
		return;
	if (import->error) {
		transfer_fail(transfer, import->error, NULL, weir_error_text(import->error));
		return;
	}
	transfer_known_sort(&import->known);
	/* A lane without a message must not end the import before the others have begun. */
	import->active++;
	for (unsigned i = 0; i < IMPORT_QUEUE_LANES; i++)
		import_queue_next(&import->lanes[i]);
	if (--import->active == 0 && !transfer->over)
		transfer_end(transfer);
}

static int import_queue_open(struct queue_import *import, const char *directory)
{
	import->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (import->directory < 0)
		return -errno;
	import->lock = mail_queue_lock(import->directory, &import->turn);
	if (import->lock < 0)
		return import->lock;
	int error = mail_queue_scan(import->directory, ".env", import_queue_found, import);
	if (error == 0)
		error = import->error;
	if (error == 0 && import->ids.size)
		qsort(import->ids.data, import->ids.size / QUEUE_FILE_ID, QUEUE_FILE_ID,
		        import_queue_compare);
	import->base.counts.total = import->ids.size / QUEUE_FILE_ID;
	return error;
}

static void import_queue_ask_known(struct queue_import *import)
{
	static const struct weir_postgres_events events = {
	        .row = import_queue_on_known_row,
	        .again = import_queue_on_known_again,
	        .end = import_queue_on_known,
	};
	const struct weir_postgres_value source = weir_postgres_text("queue");
	const struct weir_postgres_statement statement = {transfer_known_select, &source, 1};
	struct weir_postgres_call_options options = transfer_options(&statement, 1);
	options.binary = true;
	transfer_call(&import->base, &options, &events, import, &import->call);
}

int weir_database_import_queue(const struct weir_database_transfer *options, const char *directory)
{
	struct database_transfer *transfer = NULL;
	int error =
	        transfer_create(options, sizeof(struct queue_import), import_queue_free, &transfer);
	if (error < 0)
		return error;
	struct queue_import *import = WEIR_CONTAINER(transfer, struct queue_import, base);
	import->directory = import->lock = import->turn = -1;
	for (unsigned i = 0; i < IMPORT_QUEUE_LANES; i++) {
		import->lanes[i].import = import;
		import->lanes[i].body.fd = -1;
	}
	import->buffer = malloc(IMPORT_READ);
	error = import->buffer ? import_queue_open(import, directory) : -ENOMEM;
	if (error < 0)
		return transfer_refuse(transfer, error);
	import_queue_ask_known(import);
	return 0;
}
