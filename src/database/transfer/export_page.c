/*
 * A page of the messages of a mailbox:
 *
 *   LISTING ─▶ those that are missing: WRITING to tmp/ ─▶ sync, rename to new/ ─▶ the next page
 *
 * Invariant: a file in new/ is whole and on the disk. Its name follows from the row alone, so that
 * an export that goes on finds the files that it has.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "export_mail.h"
#include "helper.h"
#include "mailboxes_state.h"

/* -- writing ----------------------------------------------------------------------------------- */

static const char export_bodies[] =
        "SELECT m.uid, c.number, c.bytes FROM weir_message AS m"
        " LEFT JOIN weir_body_chunk AS c ON c.body = m.body AND " BODY_SQL_BOUND
        " WHERE m.mailbox = $1 AND m.uid = ANY($2::bigint[]) ORDER BY m.uid, c.number";

/* Its rows do not make the body of the message. */
static void export_leave_out(struct export_lane *lane, const struct export_message *message)
{
	char what[WEIR_USER_NAME_MAX + EXPORT_NAME + 2];
	snprintf(what, sizeof what, "%s/%s", lane->user, message->name);
	transfer_problem(&lane->export->base, what, "its body is not whole");
	unlinkat(lane->parts[EXPORT_TMP], message->name, 0);
}

/* A message that has vanished meanwhile has no row, and so no file. */
static void export_finish_file(struct export_lane *lane)
{
	struct export_message *message = &lane->messages[lane->at];
	int error = 0;
	if (lane->file.fd < 0)
		return;
	bool whole = lane->file.size == message->octets;
	if (whole)
		error = export_file_set_time(&lane->file, message->arrived_us);
	export_file_close(&lane->file);
	if (!whole)
		export_leave_out(lane, message);
	message->written = whole && error == 0;
	if (!lane->error)
		lane->error = error;
}

static int export_start_file(struct export_lane *lane, int64_t uid)
{
	while (lane->at < lane->count && lane->messages[lane->at].uid < uid)
		lane->at++;
	if (lane->at == lane->count || lane->messages[lane->at].uid != uid)
		return -EIO;
	return export_file_open(
	        &lane->file, lane->parts[EXPORT_TMP], lane->messages[lane->at].name);
}

static void export_on_body_again(void *context)
{
	struct export_lane *lane = context;
	export_file_close(&lane->file);
	lane->at = 0;
	lane->error = 0;
	for (unsigned i = 0; i < lane->count; i++)
		lane->messages[i].written = false;
}

static void export_on_body_row(void *context, const struct weir_postgres_row *row)
{
	struct export_lane *lane = context;
	int64_t uid = mailboxes_row_number(row, 0, true);
	if (lane->error)
		return;
	if (lane->file.fd >= 0 && lane->messages[lane->at].uid != uid)
		export_finish_file(lane);
	if (!lane->error && lane->file.fd < 0)
		lane->error = export_start_file(lane, uid);
	if (!lane->error)
		lane->error = export_file_write(&lane->file, weir_postgres_row_value(row, 2));
}

static int export_publish(struct export_lane *lane)
{
	struct database_transfer *transfer = &lane->export->base;
	if (syncfs(lane->parts[EXPORT_NEW]) < 0)
		return -errno;
	for (unsigned i = 0; i < lane->count; i++) {
		const struct export_message *message = &lane->messages[i];
		if (!message->written)
			continue;
		if (renameat(lane->parts[EXPORT_TMP], message->name, lane->parts[EXPORT_NEW],
		            message->name) < 0)
			return -errno;
		transfer->counts.moved++;
		transfer->counts.octets += message->octets;
	}
	return 0;
}

static void export_on_bodies(void *context, const struct weir_postgres_end *end)
{
	struct export_lane *lane = context;
	lane->call = NULL;
	if (!transfer_goes_on(&lane->export->base, lane->user, end))
		return;
	if (!lane->error)
		export_finish_file(lane);
	int error = lane->error ? lane->error : export_publish(lane);
	if (error < 0) {
		export_mail_fail(lane, error);
		return;
	}
	transfer_report(&lane->export->base);
	export_page_list(lane);
}

static int export_write(struct export_lane *lane)
{
	static const struct weir_postgres_events events = {
	        .row = export_on_body_row,
	        .again = export_on_body_again,
	        .end = export_on_bodies,
	};
	struct weir_buffer uids = {0};
	int error = 0;
	for (unsigned i = 0; i < lane->count && error == 0; i++)
		error = weir_buffer_format(
		        &uids, SIZE_MAX, "%c%lld", i ? ',' : '{', (long long)lane->messages[i].uid);
	if (error == 0)
		error = weir_buffer_append(&uids, "}", 2, SIZE_MAX);
	if (error == 0) {
		const struct weir_postgres_value values[] = {
		        weir_postgres_text(lane->user), weir_postgres_text(uids.data)};
		const struct weir_postgres_statement statement = {export_bodies, values, 2};
		struct weir_postgres_call_options options = transfer_options(&statement, 1);
		options.stream = options.binary = true;
		lane->at = 0;
		transfer_call(&lane->export->base, &options, &events, lane, &lane->call);
	}
	weir_buffer_finish(&uids);
	return error;
}

/* -- listing ----------------------------------------------------------------------------------- */

#define EXPORT_ARRIVED_US                                                                          \
	"(extract(epoch FROM " WEIR_DATABASE_TIME("arrived") ") * 1000000)::bigint"

static const char export_page_text[] =
        "SELECT uid, octets, " EXPORT_ARRIVED_US ","
        " (dotless AND ended)::int::bigint, uidl FROM weir_message"
        " WHERE mailbox = $1 AND uid > $2::bigint ORDER BY uid LIMIT $3::int";

/* The unique part of the name is the UIDL. */
static void export_make_name(const struct export_lane *lane, struct export_message *message,
        struct weir_span uidl, bool dotless)
{
	char unique[WEIR_MAIL_UID_MAX + 1];
	unsigned long long octets = message->octets;
	if (mail_uid_is_good(uidl))
		text_copy_span(unique, sizeof unique, uidl);
	else
		snprintf(unique, sizeof unique, MAILBOXES_UIDL, lane->validity,
		        (uint64_t)message->uid);
	snprintf(message->name, sizeof message->name, "%s,S=%llu,W=%llu%s", unique, octets, octets,
	        dotless ? ",D=0" : "");
}

static void export_on_listed_again(void *context)
{
	((struct export_lane *)context)->listed = 0;
}

static void export_on_listed_row(void *context, const struct weir_postgres_row *row)
{
	struct export_lane *lane = context;
	if (lane->listed == EXPORT_PAGE)
		return;
	struct export_message *message = &lane->messages[lane->listed++];
	*message = (struct export_message){
	        .uid = mailboxes_row_number(row, 0, true),
	        .octets = (uint64_t)mailboxes_row_number(row, 1, true),
	        .arrived_us = mailboxes_row_number(row, 2, true),
	};
	export_make_name(lane, message, weir_postgres_row_value(row, 4),
	        mailboxes_row_number(row, 3, true) != 0);
}

/* Leaves the next messages that have no file yet; those whose names can be no file's are out. */
static int export_compare(struct export_lane *lane)
{
	struct database_transfer *transfer = &lane->export->base;
	uint64_t bytes = 0;
	lane->count = 0;
	for (unsigned i = 0; i < lane->listed && bytes < EXPORT_PAGE_BYTES; i++) {
		const struct export_message *message = &lane->messages[i];
		lane->after = message->uid;
		transfer->counts.done++;
		if (message->name[0] == '.' || strchr(message->name, '/')) {
			transfer_problem(transfer, lane->user, "a UIDL that can be no file's name");
		} else if (faccessat(lane->parts[EXPORT_NEW], message->name, F_OK,
		                   AT_SYMLINK_NOFOLLOW) == 0) {
			transfer->counts.there++;
		} else if (errno == ENOENT) {
			bytes += message->octets;
			lane->messages[lane->count++] = *message;
		} else {
			return -errno;
		}
	}
	return 0;
}

static void export_on_listed(void *context, const struct weir_postgres_end *end)
{
	struct export_lane *lane = context;
	struct database_transfer *transfer = &lane->export->base;
	lane->call = NULL;
	if (!transfer_goes_on(transfer, lane->user, end))
		return;
	if (!lane->listed) {
		export_mailbox_end(lane);
		return;
	}
	int error = export_compare(lane);
	if (error == 0 && lane->count)
		error = export_write(lane);
	else if (error == 0)
		export_page_list(lane);
	if (error < 0)
		export_mail_fail(lane, error);
}

void export_page_list(struct export_lane *lane)
{
	static const struct weir_postgres_events events = {
	        .row = export_on_listed_row,
	        .again = export_on_listed_again,
	        .end = export_on_listed,
	};
	char after[BODY_NUMBER_SIZE], most[BODY_NUMBER_SIZE];
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(lane->user),
	        body_value_number(lane->after, after),
	        body_value_number(EXPORT_PAGE, most),
	};
	const struct weir_postgres_statement statement = {export_page_text, values, 3};
	struct weir_postgres_call_options options = transfer_options(&statement, 1);
	options.key = weir_span_of(lane->user);
	options.binary = true;
	lane->listed = 0;
	transfer_call(&lane->export->base, &options, &events, lane, &lane->call);
}
