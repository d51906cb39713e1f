/*
 * Mailboxes become Maildirs. Each lane has one mailbox at a time, whose messages export_page.c
 * writes.
 *
 * Invariant: the names of mailboxes are asked for when a lane needs one, a few at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

#include "export_mail.h"
#include "helper.h"
#include "maildir_state.h"
#include "mailboxes_state.h"

static void export_lane_close(struct export_lane *lane)
{
	export_file_close(&lane->file);
	for (int i = 0; i < 2; i++) {
		if (lane->parts[i] >= 0)
			close(lane->parts[i]);
		lane->parts[i] = -1;
	}
}

static void export_free(struct database_transfer *transfer)
{
	struct mail_export *export = WEIR_CONTAINER(transfer, struct mail_export, base);
	transfer_cancel(&export->call);
	for (unsigned i = 0; i < EXPORT_LANES; i++) {
		transfer_cancel(&export->lanes[i].call);
		export_lane_close(&export->lanes[i]);
	}
	weir_buffer_finish(&export->names);
	if (export->root >= 0)
		close(export->root);
}

static void export_lane_next(struct export_lane *lane);

void export_mail_fail(struct export_lane *lane, int error)
{
	transfer_fail(&lane->export->base, error, lane->user, weir_error_text(error));
}

void export_mailbox_end(struct export_lane *lane)
{
	struct database_transfer *transfer = &lane->export->base;
	export_lane_close(lane);
	lane->user[0] = 0;
	lane->export->active--;
	transfer_report(transfer);
	export_lane_next(lane);
}

/* -- mailboxes --------------------------------------------------------------------------------- */

static const char export_mailboxes[] = "SELECT validity, name FROM weir_mailbox WHERE name > $1"
                                       " ORDER BY name LIMIT $2::int";

static void export_on_mailbox_again(void *context)
{
	struct mail_export *export = context;
	export->names.size = export->next;
}

static void export_on_mailbox(void *context, const struct weir_postgres_row *row)
{
	struct mail_export *export = context;
	struct weir_span name = weir_postgres_row_value(row, 1);
	int64_t validity = mailboxes_row_number(row, 0, true);
	const struct weir_span parts[] = {
	        weir_span(&validity, sizeof validity), name, weir_span("", 1)};
	text_copy_span(export->last, sizeof export->last, name);
	export->ended = false;
	if (!export->error)
		export->error = buffer_append_spans(&export->names, parts, 3, SIZE_MAX);
}

static void export_on_mailboxes(void *context, const struct weir_postgres_end *end)
{
	struct mail_export *export = context;
	struct database_transfer *transfer = &export->base;
	export->call = NULL;
	if (transfer->over)
		return;
	if (end->error)
		transfer_fail_call(transfer, NULL, end);
	else if (export->error)
		transfer_fail(transfer, export->error, NULL, weir_error_text(export->error));
	for (unsigned i = 0; i < EXPORT_LANES && !transfer->over; i++)
		if (!export->lanes[i].user[0])
			export_lane_next(&export->lanes[i]);
}

static void export_ask_mailboxes(struct mail_export *export)
{
	static const struct weir_postgres_events events = {
	        .row = export_on_mailbox,
	        .again = export_on_mailbox_again,
	        .end = export_on_mailboxes,
	};
	char most[BODY_NUMBER_SIZE];
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(export->last), body_value_number(EXPORT_NAMES, most)};
	const struct weir_postgres_statement statement = {export_mailboxes, values, 2};
	struct weir_postgres_call_options options = transfer_options(&statement, 1);
	options.binary = true;
	weir_buffer_consume(&export->names, export->next);
	export->next = 0;
	export->ended = true;
	transfer_call(&export->base, &options, &events, export, &export->call);
}

static int export_open(struct export_lane *lane)
{
	static const char *const parts[] = {"tmp", "new", "cur"};
	int root = lane->export->root;
	if (mkdirat(root, lane->user, 0700) < 0 && errno != EEXIST)
		return -errno;
	int user = maildir_open_beneath(root, lane->user, O_RDONLY | O_DIRECTORY, false);
	int error = user < 0 ? user : 0;
	for (int i = 0; i < 3 && error == 0; i++)
		if (mkdirat(user, parts[i], 0700) < 0 && errno != EEXIST)
			error = -errno;
	for (int i = 0; i < 2 && error == 0; i++) {
		lane->parts[i] =
		        maildir_open_beneath(user, parts[i], O_RDONLY | O_DIRECTORY, false);
		error = lane->parts[i] < 0 ? lane->parts[i] : 0;
	}
	if (user >= 0)
		close(user);
	return error;
}

/* Takes the next name; false if there is none now. */
static bool export_take_name(struct export_lane *lane)
{
	struct mail_export *export = lane->export;
	if (export->next == export->names.size)
		return false;
	const char *at = export->names.data + export->next;
	memcpy(&lane->validity, at, sizeof lane->validity);
	text_copy(lane->user, sizeof lane->user, at + sizeof lane->validity);
	export->next += sizeof lane->validity + strlen(at + sizeof lane->validity) + 1;
	return true;
}

/* All files have their names: what was renamed last is synced here. */
static void export_end(struct mail_export *export)
{
	if (syncfs(export->root) < 0)
		transfer_fail(&export->base, -errno, NULL, weir_error_text(-errno));
	else
		transfer_end(&export->base);
}

static void export_lane_next(struct export_lane *lane)
{
	struct mail_export *export = lane->export;
	while (!export->base.over && export_take_name(lane)) {
		int error =
		        weir_mail_user_good(weir_span_of(lane->user)) ? export_open(lane) : -EINVAL;
		if (error == 0) {
			lane->after = INT64_MIN;
			export->active++;
			export_page_list(lane);
			return;
		}
		if (error != -EINVAL) {
			export_mail_fail(lane, error);
			return;
		}
		transfer_problem(&export->base, lane->user, "no name of a mailbox");
		lane->user[0] = 0;
	}
	if (export->base.over || export->call)
		return;
	if (!export->ended)
		export_ask_mailboxes(export);
	else if (!export->active)
		export_end(export);
}

/* -- beginning --------------------------------------------------------------------------------- */

static void export_on_count(void *context, const struct weir_postgres_row *row)
{
	struct mail_export *export = context;
	export->base.counts.total = (uint64_t)mailboxes_row_number(row, 0, true);
}

static void export_on_counted(void *context, const struct weir_postgres_end *end)
{
	struct mail_export *export = context;
	export->call = NULL;
	if (end->error)
		transfer_fail_call(&export->base, NULL, end);
	else
		export_ask_mailboxes(export);
}

int weir_database_export_mail(const struct weir_database_transfer *options, const char *directory)
{
	static const struct weir_postgres_events events = {
	        .row = export_on_count, .end = export_on_counted};
	static const struct weir_postgres_statement statement = {
	        "SELECT coalesce(sum(messages), 0)::bigint FROM weir_mailbox", NULL, 0};
	struct database_transfer *transfer = NULL;
	int error = transfer_create(options, sizeof(struct mail_export), export_free, &transfer);
	if (error < 0)
		return error;
	struct mail_export *export = WEIR_CONTAINER(transfer, struct mail_export, base);
	for (unsigned i = 0; i < EXPORT_LANES; i++) {
		struct export_lane *lane = &export->lanes[i];
		lane->export = export;
		lane->parts[0] = lane->parts[1] = lane->file.fd = -1;
	}
	export->root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (export->root < 0)
		return transfer_refuse(transfer, -errno);
	struct weir_postgres_call_options count = transfer_options(&statement, 1);
	count.binary = true;
	transfer_call(transfer, &count, &events, export, &export->call);
	return 0;
}
