/*
 * Opening a message: its first chunk is read, with which the producer begins. See
 * database_body_read.c for the others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "database_outcome.h"
#include "helper.h"
#include "mailboxes_state.h"

struct mailboxes_fetch {
	struct mailboxes_job job;
	struct mailboxes_loop *at;
	struct weir_postgres_call *call;
	struct mailboxes_message message;
	weir_mail_fetched_fn *done;
	char id[WEIR_DATABASE_ID_SIZE]; /* of the body */
	bool found;
	char *first; /* from malloc; NULL: none, or no memory */
	size_t size;
};

static const char mailboxes_fetch_select[] =
        "SELECT chunk.bytes, message.body::text FROM weir_message AS message"
        " JOIN weir_body_chunk AS chunk ON chunk.body = message.body AND chunk.number = 0"
        " AND " BODY_SQL_BOUND " WHERE message.mailbox = $1 AND message.uid = $2::bigint";

static void mailboxes_fetch_free(struct mailboxes_fetch *fetch)
{
	struct mailboxes_loop *at = fetch->at;
	free(fetch->first);
	free(fetch);
	mailboxes_loop_put(at);
}

static void mailboxes_fetch_on_again(void *context)
{
	struct mailboxes_fetch *fetch = context;
	free(fetch->first);
	fetch->first = NULL;
	fetch->found = false;
}

static void mailboxes_fetch_on_row(void *context, const struct weir_postgres_row *row)
{
	struct mailboxes_fetch *fetch = context;
	struct weir_span bytes = weir_postgres_row_value(row, 0);
	mailboxes_fetch_on_again(fetch);
	fetch->found = true;
	text_copy_span(fetch->id, sizeof fetch->id, weir_postgres_row_value(row, 1));
	fetch->first = malloc(bytes.size ? bytes.size : 1);
	if (!fetch->first)
		return;
	if (bytes.size)
		memcpy(fetch->first, bytes.data, bytes.size);
	fetch->size = bytes.size;
}

static void mailboxes_fetch_on_end(void *context, const struct weir_postgres_end *end)
{
	struct mailboxes_fetch *fetch = context;
	struct weir_mail_call *call = mailboxes_job_end(&fetch->job);
	weir_mail_fetched_fn *done = fetch->done;
	struct weir_mail_body body = {
	        .octets = fetch->message.octets,
	        .dotless = fetch->message.dotless,
	        .ended = fetch->message.ended,
	};
	int error = database_outcome(end);
	if (error == 0 && !fetch->found)
		error = -ENOENT;
	if (error == 0 && fetch->first) {
		body.producer = body_produce(fetch->at->at->pool, fetch->id, fetch->first,
		        fetch->size, fetch->message.octets);
		fetch->first = NULL;
	}
	if (error == 0 && !body.producer)
		error = -ENOMEM;
	mailboxes_fetch_free(fetch);
	done(call, error, error ? NULL : &body);
}

static void mailboxes_fetch_on_cancel(struct mailboxes_job *job)
{
	struct mailboxes_fetch *fetch = WEIR_CONTAINER(job, struct mailboxes_fetch, job);
	weir_postgres_call_cancel(fetch->call);
	mailboxes_fetch_free(fetch);
}

static int mailboxes_fetch_start(struct mailboxes_fetch *fetch, const struct mailboxes_drop *drop)
{
	static const struct weir_postgres_events events = {.row = mailboxes_fetch_on_row,
	        .again = mailboxes_fetch_on_again,
	        .end = mailboxes_fetch_on_end};
	char uid[BODY_NUMBER_SIZE];
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(drop->user),
	        body_value_number((int64_t)fetch->message.uid, uid),
	};
	const struct mailboxes_statement statement = {
	        .text = mailboxes_fetch_select,
	        .values = values,
	        .count = 2,
	        .key = mailboxes_drop_user(drop),
	        .binary = true,
	};
	return mailboxes_call(fetch->at, &statement, &events, fetch, &fetch->call);
}

void mailboxes_fetch(struct weir_maildrop *base, size_t index, struct weir_mail_call *call,
        weir_mail_fetched_fn *done)
{
	struct mailboxes_drop *drop = WEIR_CONTAINER(base, struct mailboxes_drop, base);
	struct mailboxes_fetch *fetch = calloc(1, sizeof *fetch);
	if (!fetch) {
		done(call, -ENOMEM, NULL);
		return;
	}
	fetch->job.cancel = mailboxes_fetch_on_cancel;
	fetch->at = drop->at;
	local_refcount_hold(&fetch->at->references);
	fetch->message = mailboxes_messages_of(drop)[index];
	fetch->done = done;
	int error = mailboxes_fetch_start(fetch, drop);
	if (error < 0) {
		mailboxes_fetch_free(fetch);
		done(call, error, NULL);
		return;
	}
	mailboxes_job_begin(&fetch->job, call);
}
