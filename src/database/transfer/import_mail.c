/*
 * Maildirs become mailboxes. Each lane has one mailbox at a time:
 *
 *   next mailbox ─▶ KNOWN: what was imported before ─▶ FILLING ─▶ STORING ─▶ FILLING … ─▶ next
 *
 * Invariant: a lane has one call under way, so that the messages of a mailbox get their UIDs in the
 * order of the Maildir. A call has several messages, each with the item that marks it as imported.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

#include "helper.h"
#include "import_file.h"
#include "import_order.h"
#include "maildir_state.h"
#include "database_transfer.h"

enum {
	IMPORT_LANES = 16,
	IMPORT_GROUP = WEIR_POSTGRES_CALL_STATEMENTS_MAX, /* messages of a call */
	IMPORT_GROUP_BYTES = 256 * 1024,
	IMPORT_SOURCE = WEIR_USER_NAME_MAX + 8
};

struct mail_import;

struct import_message {
	struct import_body body;
	unsigned char item[TRANSFER_ITEM];
	char uidl[WEIR_MAIL_UID_MAX + 1];
	int64_t arrived_us;
	bool stored;
	bool claimed; /* the chunks before the last one were still there */
};

struct import_lane {
	struct mail_import *import;
	char source[IMPORT_SOURCE]; /* mail/USER */
	int directory;              /* of the user; -1: the lane is idle */
	struct maildir_list list;
	size_t next;      /* in the list */
	int64_t validity; /* see import_order.h */
	struct transfer_known known;
	struct weir_postgres_call *call;
	int error; /* of collecting rows */
	struct import_message messages[IMPORT_GROUP];
	unsigned count; /* that are finished */
	uint64_t bytes; /* of these */
};

struct mail_import {
	struct database_transfer base;
	DIR *root;
	unsigned active; /* lanes with a mailbox */
	char *buffer;
	struct import_lane lanes[IMPORT_LANES];
};

static const char *import_user(const struct import_lane *lane)
{
	return lane->source + sizeof "mail/" - 1;
}

/* -- the end of a mailbox ---------------------------------------------------------------------- */

static void import_lane_free(struct import_lane *lane)
{
	transfer_cancel(&lane->call);
	for (unsigned i = 0; i < IMPORT_GROUP; i++)
		import_body_free(&lane->messages[i].body, false);
	maildir_list_free(&lane->list);
	weir_buffer_finish(&lane->known.items);
	if (lane->directory >= 0)
		close(lane->directory);
	lane->directory = -1;
	lane->count = 0;
}

static void import_mail_free(struct database_transfer *transfer)
{
	struct mail_import *import = WEIR_CONTAINER(transfer, struct mail_import, base);
	for (unsigned i = 0; i < IMPORT_LANES; i++)
		import_lane_free(&import->lanes[i]);
	if (import->root)
		closedir(import->root);
	free(import->buffer);
}

static void import_lane_next(struct import_lane *lane);

static void import_lane_end(struct import_lane *lane)
{
	struct mail_import *import = lane->import;
	import_lane_free(lane);
	import->active--;
	transfer_report(&import->base);
	import_lane_next(lane);
}

static void import_lane_skip(struct import_lane *lane, const char *why)
{
	transfer_problem(&lane->import->base, import_user(lane), why);
	import_lane_end(lane);
}

/* -- storing ----------------------------------------------------------------------------------- */

/* $4 to $9: mailbox, octets, dotless, ended, arrived, UIDL; $12: validity of a new mailbox. */
#define IMPORT_MAILBOX                                                                             \
	", m AS (INSERT INTO weir_mailbox AS b (name, octets, messages, next_uid, validity)"       \
	" SELECT $4, $5::bigint, 1, 2,"                                                            \
	" greatest(extract(epoch FROM now())::bigint, $12::bigint) FROM fresh"                     \
	" ON CONFLICT (name) DO UPDATE SET octets = b.octets + excluded.octets,"                   \
	" messages = b.messages + 1, next_uid = b.next_uid + 1"                                    \
	" RETURNING b.name, b.next_uid - 1 AS uid), "
#define IMPORT_MESSAGE                                                                             \
	", stored AS (INSERT INTO weir_message"                                                    \
	" (mailbox, uid, body, octets, chunks, shared, dotless, ended, arrived, uidl)"             \
	" SELECT m.name, m.uid, $1::uuid, $5::bigint, $2::int + 1, false, $6::bool, $7::bool,"     \
	" timestamptz 'epoch' + interval '1 microsecond' * $8::bigint, $9 FROM m)"                 \
	" SELECT (SELECT count(*) FROM m), "

static const char import_insert[] = "WITH " TRANSFER_SQL_FRESH TRANSFER_SQL_FRESH_END IMPORT_MAILBOX
        BODY_SQL_CHUNK IMPORT_MESSAGE "1";

static const char import_insert_claimed[] =
        "WITH " BODY_SQL_CLAIM ", " TRANSFER_SQL_FRESH
        " FROM claimed" TRANSFER_SQL_FRESH_END IMPORT_MAILBOX BODY_SQL_CLAIMED
        ", " BODY_SQL_CHUNK IMPORT_MESSAGE "(SELECT count(*) FROM claimed)";

enum {
	IMPORT_VALUES = 12,
	IMPORT_NUMBERS = 4
};

/* The texts of the values of a message. */
struct import_texts {
	char numbers[IMPORT_NUMBERS][BODY_NUMBER_SIZE];
	char item[WEIR_DATABASE_ID_SIZE];
};

static void import_set_values(struct import_lane *lane, struct import_message *message,
        struct import_texts *texts, struct weir_postgres_value values[IMPORT_VALUES])
{
	struct body_writer *writer = &message->body.writer;
	bool ended = mail_scan_ended(&writer->scan);
	body_writer_values(writer, values, texts->numbers[0]);
	transfer_item_text(message->item, texts->item);
	values[3] = weir_postgres_text(import_user(lane));
	values[4] = body_value_number((int64_t)writer->scan.stored, texts->numbers[1]);
	values[5] = weir_postgres_text(ended && !writer->scan.dotted ? "t" : "f");
	values[6] = weir_postgres_text(ended ? "t" : "f");
	values[7] = body_value_number(message->arrived_us, texts->numbers[2]);
	values[8] = weir_postgres_text(message->uidl);
	values[9] = weir_postgres_text(texts->item);
	values[10] = weir_postgres_text(lane->source);
	values[11] = body_value_number(lane->validity, texts->numbers[3]);
}

static void import_fill(struct import_lane *lane);

static void import_on_stored_again(void *context)
{
	struct import_lane *lane = context;
	for (unsigned i = 0; i < lane->count; i++)
		lane->messages[i].stored = lane->messages[i].claimed = false;
}

static void import_on_stored_row(void *context, const struct weir_postgres_row *row)
{
	struct import_lane *lane = context;
	struct import_message *message = &lane->messages[row->statement];
	message->stored = weir_span_equal(weir_postgres_row_value(row, 0), WEIR_SPAN("1"));
	message->claimed = weir_span_equal(weir_postgres_row_value(row, 1), WEIR_SPAN("1"));
}

/* A statement that was repeated finds its item if it was committed before. */
static void import_on_stored(void *context, const struct weir_postgres_end *end)
{
	struct import_lane *lane = context;
	struct database_transfer *transfer = &lane->import->base;
	lane->call = NULL;
	if (!transfer_goes_on(transfer, import_user(lane), end))
		return;
	for (unsigned i = 0; i < lane->count; i++) {
		struct import_message *message = &lane->messages[i];
		bool stored = message->stored || end->repeated;
		if (!stored && !message->claimed) {
			transfer_fail(transfer, -ETIMEDOUT, import_user(lane),
			        "a message has taken too long");
			return;
		}
		transfer->counts.moved += stored;
		transfer->counts.there += !stored;
		transfer->counts.octets += stored ? message->body.writer.scan.stored : 0;
		import_body_free(&message->body, stored);
	}
	lane->count = 0;
	lane->bytes = 0;
	transfer_report(transfer);
	import_fill(lane);
}

static void import_store(struct import_lane *lane)
{
	static const struct weir_postgres_events events = {
	        .row = import_on_stored_row,
	        .again = import_on_stored_again,
	        .end = import_on_stored,
	};
	struct weir_postgres_statement statements[IMPORT_GROUP];
	struct weir_postgres_value values[IMPORT_GROUP][IMPORT_VALUES];
	struct import_texts texts[IMPORT_GROUP];
	for (unsigned i = 0; i < lane->count; i++) {
		struct import_message *message = &lane->messages[i];
		message->stored = message->claimed = false;
		import_set_values(lane, message, &texts[i], values[i]);
		statements[i] = (struct weir_postgres_statement){
		        message->body.writer.chunks ? import_insert_claimed : import_insert,
		        values[i], IMPORT_VALUES};
	}
	struct weir_postgres_call_options options = transfer_options(statements, lane->count);
	options.key = weir_span_of(import_user(lane));
	transfer_call(&lane->import->base, &options, &events, lane, &lane->call);
}

/* -- reading messages -------------------------------------------------------------------------- */

/* Counts a message whose file has ended; one that could not be read is left out. */
static void import_add(struct import_lane *lane)
{
	struct import_message *message = &lane->messages[lane->count];
	if (message->body.error) {
		char what[IMPORT_SOURCE + WEIR_MAIL_UID_MAX + 2];
		snprintf(what, sizeof what, "%s/%s", import_user(lane), message->uidl);
		transfer_problem(&lane->import->base, what, weir_error_text(message->body.error));
		import_body_free(&message->body, false);
		return;
	}
	lane->bytes += message->body.writer.waiting.size;
	lane->count++;
}

static void import_on_resumed(void *context)
{
	struct import_lane *lane = context;
	if (lane->import->base.over)
		return;
	import_add(lane);
	import_fill(lane);
}

/* Returns whether the message has ended. */
static bool import_begin(
        struct import_lane *lane, const struct maildir_message *message, const unsigned char *item)
{
	struct mail_import *import = lane->import;
	struct import_message *to = &lane->messages[lane->count];
	struct stat status;
	int fd = import_file_open(lane->directory, message);
	/* Its user has removed it. */
	if (fd == -ENOENT)
		return true;
	memcpy(to->item, item, sizeof to->item);
	mail_name_uid(message->unique, to->uidl);
	to->body = (struct import_body){.what = import_user(lane),
	        .buffer = import->buffer,
	        .fd = fd,
	        .resumed = import_on_resumed,
	        .context = lane};
	to->body.error = fd < 0 ? fd : fstat(fd, &status) < 0 ? -errno : 0;
	if (to->body.error) {
		import_add(lane);
		return true;
	}
	/* As the store of Maildirs does: the sizes of the name count if they fit the file. */
	to->body.converts =
	        (uint64_t)status.st_size != message->stored || message->octets != message->stored;
	if (!import_file_parse_time(message->unique, &to->arrived_us))
		to->arrived_us = status.st_mtim.tv_sec * 1000000LL + status.st_mtim.tv_nsec / 1000;
	if (!import_body_start(&to->body, &import->base, fd))
		return false;
	import_add(lane);
	return true;
}

static void import_fill(struct import_lane *lane)
{
	struct database_transfer *transfer = &lane->import->base;
	size_t end = lane->list.offsets.size / sizeof(uint32_t);
	while (lane->next < end && lane->count < IMPORT_GROUP && lane->bytes < IMPORT_GROUP_BYTES) {
		struct maildir_message message;
		unsigned char item[TRANSFER_ITEM];
		maildir_list_get(&lane->list, lane->next++, &message);
		transfer->counts.done++;
		transfer_item(message.unique, item);
		if (transfer_known_has(&lane->known, item))
			transfer->counts.there++;
		else if (!import_begin(lane, &message, item))
			return;
	}
	if (lane->count)
		import_store(lane);
	else
		import_lane_end(lane);
}

/* -- mailboxes --------------------------------------------------------------------------------- */

static void import_on_known_again(void *context)
{
	((struct import_lane *)context)->known.items.size = 0;
}

static void import_on_known_row(void *context, const struct weir_postgres_row *row)
{
	struct import_lane *lane = context;
	if (!lane->error)
		lane->error = transfer_known_add(&lane->known, row);
}

static void import_on_known(void *context, const struct weir_postgres_end *end)
{
	struct import_lane *lane = context;
	struct database_transfer *transfer = &lane->import->base;
	lane->call = NULL;
	if (transfer->over)
		return;
	if (strcmp(end->state, "22021") == 0) {
		import_lane_skip(lane, "the name of the mailbox is not UTF-8");
		return;
	}
	if (!transfer_goes_on(transfer, import_user(lane), end))
		return;
	if (lane->error) {
		transfer_fail(
		        transfer, lane->error, import_user(lane), weir_error_text(lane->error));
		return;
	}
	transfer_known_sort(&lane->known);
	import_fill(lane);
}

/* Asks what was imported before, and raises `validity` of a mailbox that is there. */
static void import_ask_known(struct import_lane *lane)
{
	static const struct weir_postgres_events events = {
	        .row = import_on_known_row,
	        .again = import_on_known_again,
	        .end = import_on_known,
	};
	char validity[BODY_NUMBER_SIZE];
	const struct weir_postgres_value source = weir_postgres_text(lane->source);
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(import_user(lane)), body_value_number(lane->validity, validity)};
	const struct weir_postgres_statement statements[] = {
	        {transfer_known_select, &source, 1},
	        {import_order_lock, values, 2},
	        {import_order_keep, values, 2},
	        {import_order_raise, values, 2},
	};
	struct weir_postgres_call_options options = transfer_options(statements, 4);
	options.key = weir_span_of(import_user(lane));
	options.binary = true;
	transfer_call(&lane->import->base, &options, &events, lane, &lane->call);
}

/* The next directory that can be a mailbox; NULL after the last one, or an error. */
static const char *import_next_user(struct mail_import *import)
{
	const struct dirent *entry;
	struct stat status;
	while (errno = 0, (entry = readdir(import->root))) {
		if (!weir_mail_user_good(weir_span_of(entry->d_name)))
			continue;
		if (fstatat(dirfd(import->root), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) ==
		                0 &&
		        S_ISDIR(status.st_mode))
			return entry->d_name;
	}
	if (errno)
		transfer_fail(&import->base, -errno, "the mailboxes", weir_error_text(-errno));
	return NULL;
}

static void import_lane_next(struct import_lane *lane)
{
	struct mail_import *import = lane->import;
	const char *user;
	while (!import->base.over && (user = import_next_user(import))) {
		const char *why =
		        import_file_list(dirfd(import->root), user, &lane->directory, &lane->list);
		if (!why) {
			snprintf(lane->source, sizeof lane->source, "mail/%s", user);
			lane->validity = import_order_validity(&lane->list);
			lane->next = lane->bytes = 0;
			lane->error = 0;
			import->active++;
			import_ask_known(lane);
			return;
		}
		transfer_problem(&import->base, user, why);
		import_lane_free(lane);
	}
	if (!import->base.over && import->active == 0)
		transfer_end(&import->base);
}

/* For the progress alone, so that mistakes do not matter. */
static void import_count_messages(struct mail_import *import)
{
	const char *user;
	while ((user = import_next_user(import)))
		import->base.counts.total += import_file_count(dirfd(import->root), user, "new") +
		                             import_file_count(dirfd(import->root), user, "cur");
	rewinddir(import->root);
}

int weir_database_import_mail(const struct weir_database_transfer *options, const char *directory)
{
	struct database_transfer *transfer = NULL;
	int error =
	        transfer_create(options, sizeof(struct mail_import), import_mail_free, &transfer);
	if (error < 0)
		return error;
	struct mail_import *import = WEIR_CONTAINER(transfer, struct mail_import, base);
	for (unsigned i = 0; i < IMPORT_LANES; i++) {
		import->lanes[i].import = import;
		import->lanes[i].directory = -1;
		for (unsigned j = 0; j < IMPORT_GROUP; j++)
			import->lanes[i].messages[j].body.fd = -1;
	}
	import->buffer = malloc(IMPORT_READ);
	if (!import->buffer)
		return transfer_refuse(transfer, -ENOMEM);
	import->root = opendir(directory);
	if (!import->root)
		return transfer_refuse(transfer, -errno);
	import_count_messages(import);
	/* A lane that finds no mailbox must not end the import before the others have begun. */
	import->active++;
	for (unsigned i = 0; i < IMPORT_LANES; i++)
		import_lane_next(&import->lanes[i]);
	import->active--;
	if (!transfer->over && import->active == 0)
		transfer_end(transfer);
	return 0;
}
