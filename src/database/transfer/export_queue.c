/*
 * The queue becomes a queue of files:
 *
 *   list: ID.new for each message, its envelope ─▶ pages: ID.msg, the body ─▶ sync ─▶ ID.new gets
 *   its name ID.env, and is a message
 *
 * Invariant: an ID follows from the row; of two rows with one ID, the later one takes the next ID.
 * A message whose ID.env is there, with the same text, has been exported.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "export_file.h"
#include "helper.h"
#include "mail_queue_state.h"
#include "queue_database.h"
#include "siphash.h"
#include "database_transfer.h"

enum {
	EXPORT_QUEUE_PAGE = 64,
	EXPORT_QUEUE_BYTES = 8 * 1024 * 1024, /* of a page; one message may have more */
};

/* A message that is to be exported. */
struct export_entry {
	uint64_t size;
	char id[QUEUE_FILE_ID];
	char row[WEIR_DATABASE_ID_SIZE];
	bool written;
};

struct queue_export {
	struct database_transfer base;
	int directory, lock, turn;
	struct weir_postgres_call *call;
	struct queue_reader reader;
	char row[WEIR_DATABASE_ID_SIZE]; /* the message that is being read */
	struct weir_buffer entries;      /* of struct export_entry, by the ids of their rows */
	size_t first, end;               /* the page */
	size_t at;
	struct export_file file;
	uint64_t claimed;
	int error; /* of a file */
};

static void export_queue_free(struct database_transfer *transfer)
{
	struct queue_export *export = WEIR_CONTAINER(transfer, struct queue_export, base);
	transfer_cancel(&export->call);
	queue_reader_clear(&export->reader);
	export_file_close(&export->file);
	weir_buffer_finish(&export->entries);
	mail_queue_give_up_turn(&export->turn);
	if (export->lock >= 0)
		close(export->lock);
	if (export->directory >= 0)
		close(export->directory);
}

static struct export_entry *export_queue_entries(const struct queue_export *export)
{
	return (struct export_entry *)(void *)export->entries.data;
}

static void export_queue_fail(struct queue_export *export, int error)
{
	transfer_fail(&export->base, error, "the queue", weir_error_text(error));
}

/* Whether the export is at its end. */
static bool export_queue_check(struct queue_export *export, const struct weir_postgres_end *end)
{
	export->call = NULL;
	if (transfer_goes_on(&export->base, NULL, end) && export->error)
		export_queue_fail(export, export->error);
	return export->base.over;
}

/* -- claims ------------------------------------------------------------------------------------ */

static const char export_queue_claims[] =
        "SELECT count(*)::text FROM weir_queue WHERE lease IS NOT NULL AND lease_end > now()";

static void export_queue_on_claims(void *context, const struct weir_postgres_row *row)
{
	((struct queue_export *)context)->claimed = (uint64_t)queue_row_number(row, 0);
}

static bool export_queue_is_claimed(
        struct queue_export *export, const struct weir_postgres_end *end)
{
	if (export_queue_check(export, end))
		return true;
	if (export->claimed)
		transfer_fail(&export->base, -EBUSY, "the queue",
		        "a front end is sending messages: stop all front ends, wait for the end of "
		        "their leases, and run this again");
	return export->claimed > 0;
}

static void export_queue_ask(struct queue_export *export, const struct weir_postgres_events *events)
{
	const struct weir_postgres_statement statement = {export_queue_claims, NULL, 0};
	const struct weir_postgres_call_options options = transfer_options(&statement, 1);
	transfer_call(&export->base, &options, events, export, &export->call);
}

static void export_queue_on_ended(void *context, const struct weir_postgres_end *end)
{
	struct queue_export *export = context;
	if (export_queue_is_claimed(export, end))
		return;
	if (fsync(export->directory) < 0)
		export_queue_fail(export, -errno);
	else
		transfer_end(&export->base);
}

static const struct weir_postgres_events export_queue_last_events = {
        .row = export_queue_on_claims,
        .end = export_queue_on_ended,
};

/* -- bodies ------------------------------------------------------------------------------------ */

static void export_queue_page(struct queue_export *export);

static const char export_queue_bodies[] =
        "SELECT c.body::text, c.bytes FROM weir_body_chunk AS c WHERE c.body = ANY($1::uuid[])"
        " AND " BODY_SQL_BOUND " ORDER BY c.body, c.number";

static void export_queue_finish_file(struct queue_export *export)
{
	struct export_entry *entry = &export_queue_entries(export)[export->at];
	if (export->file.fd < 0)
		return;
	entry->written = export->file.size == entry->size;
	export_file_close(&export->file);
}

static int export_queue_start_file(struct queue_export *export, struct weir_span row)
{
	char name[QUEUE_NAME];
	struct export_entry *entries = export_queue_entries(export);
	while (export->at < export->end &&
	        !weir_span_equal(weir_span_of(entries[export->at].row), row))
		export->at++;
	if (export->at == export->end)
		return -EIO;
	mail_queue_name(name, entries[export->at].id, ".msg");
	return export_file_open(&export->file, export->directory, name);
}

static void export_queue_on_body(void *context, const struct weir_postgres_row *row)
{
	struct queue_export *export = context;
	struct weir_span id = weir_postgres_row_value(row, 0);
	const struct export_entry *entries = export_queue_entries(export);
	if (export->error)
		return;
	if (export->file.fd >= 0 && !weir_span_equal(weir_span_of(entries[export->at].row), id))
		export_queue_finish_file(export);
	if (export->file.fd < 0)
		export->error = export_queue_start_file(export, id);
	if (!export->error)
		export->error = export_file_write(&export->file, weir_postgres_row_value(row, 1));
}

static void export_queue_on_body_again(void *context)
{
	struct queue_export *export = context;
	export_file_close(&export->file);
	export->at = export->first;
	export->error = 0;
}

static int export_queue_publish(struct queue_export *export)
{
	struct database_transfer *transfer = &export->base;
	const struct export_entry *entries = export_queue_entries(export);
	char from[QUEUE_NAME], to[QUEUE_NAME];
	if (syncfs(export->directory) < 0)
		return -errno;
	for (size_t i = export->first; i < export->end; i++) {
		mail_queue_name(from, entries[i].id, ".new");
		mail_queue_name(to, entries[i].id, ".env");
		transfer->counts.done++;
		if (!entries[i].written) {
			transfer_problem(transfer, entries[i].row, "its body is not whole");
			unlinkat(export->directory, from, 0);
			mail_queue_name(from, entries[i].id, ".msg");
			unlinkat(export->directory, from, 0);
			continue;
		}
		if (renameat(export->directory, from, export->directory, to) < 0)
			return -errno;
		transfer->counts.moved++;
		transfer->counts.octets += entries[i].size;
	}
	return 0;
}

static void export_queue_on_bodies(void *context, const struct weir_postgres_end *end)
{
	struct queue_export *export = context;
	if (export_queue_check(export, end))
		return;
	export_queue_finish_file(export);
	int error = export_queue_publish(export);
	if (error < 0) {
		export_queue_fail(export, error);
		return;
	}
	export->first = export->end;
	transfer_report(&export->base);
	export_queue_page(export);
}

static int export_queue_list_page(struct queue_export *export, struct weir_buffer *ids)
{
	const struct export_entry *entries = export_queue_entries(export);
	size_t count = export->entries.size / sizeof *entries;
	uint64_t bytes = 0;
	int error = queue_array_open(ids);
	export->end = export->first;
	while (error == 0 && export->end < count && bytes < EXPORT_QUEUE_BYTES &&
	        export->end - export->first < EXPORT_QUEUE_PAGE) {
		bytes += entries[export->end].size;
		error = queue_array_text(ids, entries[export->end++].row);
	}
	return error ? error : queue_array_close(ids);
}

static void export_queue_page(struct queue_export *export)
{
	static const struct weir_postgres_events events = {
	        .row = export_queue_on_body,
	        .again = export_queue_on_body_again,
	        .end = export_queue_on_bodies,
	};
	struct weir_buffer ids = {0};
	int error = export_queue_list_page(export, &ids);
	if (error < 0) {
		export_queue_fail(export, error);
	} else if (export->first == export->end) {
		export_queue_ask(export, &export_queue_last_events);
	} else {
		const struct weir_postgres_value value = weir_postgres_text(ids.data);
		const struct weir_postgres_statement statement = {export_queue_bodies, &value, 1};
		struct weir_postgres_call_options options = transfer_options(&statement, 1);
		options.stream = options.binary = true;
		export->at = export->first;
		transfer_call(&export->base, &options, &events, export, &export->call);
	}
	weir_buffer_finish(&ids);
}

/* -- envelopes --------------------------------------------------------------------------------- */

#define EXPORT_QUEUE_TIMES                                                                         \
	WEIR_DATABASE_SECONDS("q.arrived") "::text, " WEIR_DATABASE_SECONDS("q.due") "::text"

static const char export_queue_list[] =
        "SELECT q.id::text, " EXPORT_QUEUE_TIMES ", q.tries::text, q.warned::int::text,"
        " " QUEUE_SQL_MESSAGE ", " QUEUE_SQL_RECIPIENT " FROM weir_queue AS q"
        " LEFT JOIN weir_queue_message AS m ON m.id = q.id"
        " LEFT JOIN weir_queue_recipient AS r ON r.id = q.id"
        " WHERE NOT q.deleted ORDER BY q.id, r.number";

enum {
	EXPORT_QUEUE_MESSAGE = 5, /* the first column of QUEUE_SQL_MESSAGE */
	EXPORT_QUEUE_RECIPIENT = EXPORT_QUEUE_MESSAGE + QUEUE_MESSAGE_COLUMNS
};

/* A name of a queue of files begins with the microsecond of the arrival. */
static void export_queue_make_id(
        const char *row, int64_t arrived_s, unsigned attempt, char ret[QUEUE_FILE_ID])
{
	static const struct siphash_key key = {0x5745495245585051, 0x5745495251554555};
	uint64_t hash = siphash_24_64(&key, row, strlen(row));
	/* The first 48 bits of the row's id are the millisecond when it was inserted. */
	uint64_t ms = strtoull(row, NULL, 16) << 16 | (strtoull(row + 9, NULL, 16) & 0xffff);
	uint64_t us = (uint64_t)arrived_s * 1000000 + ms % 1000 * 1000 + hash % 1000;
	uint64_t low = (hash >> 32 & 0xfff) + attempt;
	snprintf(ret, QUEUE_FILE_ID, "%013llx%03x",
	        (unsigned long long)(us + (low >> 12)) & 0xfffffffffffff, (unsigned)low & 0xfffu);
}

static bool export_queue_is_there(
        const struct queue_export *export, const char *name, struct weir_span text)
{
	struct weir_buffer found = {0};
	bool there = file_read_whole(export->directory, name, O_NOFOLLOW, WEIR_QUEUE_ENVELOPE_MAX,
	                     &found) == 0 &&
	             weir_span_equal(weir_buffer_span(&found), text);
	weir_buffer_finish(&found);
	return there;
}

/* Returns 1 if it has been written, 0 if it was exported before, -EEXIST to try another ID. */
static int export_queue_stage(
        const struct queue_export *export, const char *id, struct weir_span text)
{
	char name[QUEUE_NAME];
	struct export_file file;
	mail_queue_name(name, id, ".env");
	if (faccessat(export->directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return export_queue_is_there(export, name, text) ? 0 : -EEXIST;
	mail_queue_name(name, id, ".new");
	if (faccessat(export->directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	int error = export_file_open(&file, export->directory, name);
	if (error < 0)
		return error;
	error = export_file_write(&file, text);
	export_file_close(&file);
	return error < 0 ? error : 1;
}

static int export_queue_add(struct queue_export *export, struct weir_queued *queued)
{
	struct export_entry entry = {.size = queued->size};
	struct weir_buffer text = {0};
	int result = mail_queued_format(queued, &text);
	for (unsigned attempt = 0; result >= 0; attempt++) {
		export_queue_make_id(export->row, queued->arrived_s, attempt, entry.id);
		result = export_queue_stage(export, entry.id, weir_buffer_span(&text));
		if (result != -EEXIST)
			break;
		result = 0;
	}
	weir_buffer_finish(&text);
	if (result == 0) {
		export->base.counts.there++;
		export->base.counts.done++;
	} else if (result > 0) {
		text_copy(entry.row, sizeof entry.row, export->row);
		result = weir_buffer_append(&export->entries, &entry, sizeof entry, SIZE_MAX);
	}
	return result;
}

/* Its rows are those of no message: the others do not depend on it. */
static void export_queue_leave_out(struct queue_export *export)
{
	transfer_problem(&export->base, export->row,
	        "the rows of its envelope are missing, too large, or have values that cannot be");
	export->base.counts.done++;
}

/* The rows of a message have ended. */
static void export_queue_add_read(struct queue_export *export)
{
	struct weir_queued *queued = NULL;
	if (!export->reader.has_message || export->error)
		return;
	export->base.counts.total++;
	int error = queue_reader_finish(&export->reader, &queued);
	if (error == -EIO || error == WEIR_E_LIMIT)
		export_queue_leave_out(export);
	else
		export->error = error ? error : export_queue_add(export, queued);
	mail_queued_free(queued);
}

static void export_queue_on_row(void *context, const struct weir_postgres_row *row)
{
	struct queue_export *export = context;
	struct queue_reader *reader = &export->reader;
	if (!weir_span_equal(weir_postgres_row_value(row, 0), weir_span_of(export->row))) {
		export_queue_add_read(export);
		text_copy_span(export->row, sizeof export->row, weir_postgres_row_value(row, 0));
		reader->head.arrived_s = queue_row_number(row, 1);
		reader->head.next_s = queue_row_number(row, 2);
		reader->head.tries = queue_row_tries(row, 3);
		reader->head.warned = queue_row_number(row, 4) != 0;
		queue_reader_message(reader, row, EXPORT_QUEUE_MESSAGE);
	}
	queue_reader_recipient(reader, row, EXPORT_QUEUE_RECIPIENT);
}

static void export_queue_on_listed(void *context, const struct weir_postgres_end *end)
{
	struct queue_export *export = context;
	if (!end->error)
		export_queue_add_read(export);
	if (export_queue_check(export, end))
		return;
	transfer_report(&export->base);
	export_queue_page(export);
}

static bool export_queue_remove_staged(void *context, const char *id)
{
	const struct queue_export *export = context;
	char name[QUEUE_NAME];
	mail_queue_name(name, id, ".new");
	unlinkat(export->directory, name, 0);
	return true;
}

/* A stream is repeated only if it has had no row. */
static void export_queue_on_free(void *context, const struct weir_postgres_end *end)
{
	static const struct weir_postgres_events events = {
	        .row = export_queue_on_row, .end = export_queue_on_listed};
	static const struct weir_postgres_statement statement = {export_queue_list, NULL, 0};
	struct queue_export *export = context;
	if (export_queue_is_claimed(export, end))
		return;
	int error = mail_queue_scan(export->directory, ".new", export_queue_remove_staged, export);
	if (error < 0) {
		export_queue_fail(export, error);
		return;
	}
	struct weir_postgres_call_options options = transfer_options(&statement, 1);
	options.stream = options.binary = true;
	transfer_call(&export->base, &options, &events, export, &export->call);
}

int weir_database_export_queue(const struct weir_database_transfer *options, const char *directory)
{
	static const struct weir_postgres_events first = {
	        .row = export_queue_on_claims, .end = export_queue_on_free};
	struct database_transfer *transfer = NULL;
	int error =
	        transfer_create(options, sizeof(struct queue_export), export_queue_free, &transfer);
	if (error < 0)
		return error;
	struct queue_export *export = WEIR_CONTAINER(transfer, struct queue_export, base);
	export->lock = export->turn = export->file.fd = -1;
	export->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (export->directory < 0)
		return transfer_refuse(transfer, -errno);
	export->lock = mail_queue_lock(export->directory, &export->turn);
	if (export->lock < 0)
		return transfer_refuse(transfer, export->lock);
	export_queue_ask(export, &first);
	return 0;
}
