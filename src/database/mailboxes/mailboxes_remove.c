/*
 * Removing messages: a statement for each WEIR_DATABASE_REMOVE_MAX of them, which checks the
 * session, adjusts the sums, and removes bodies of one chunk that nobody shares. Others are left to
 * the sweep. The last statement gives the lease up.
 *
 * Invariant: a statement removes messages of the list alone, and only while the row of the mailbox
 * has our session. So one that is repeated finds nothing but what it has left.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "database_outcome.h"
#include "helper.h"
#include "mailboxes_state.h"

/*
 * The lease ends, but the session stays in the row: a repetition must find it. $4: whether this is
 * the last statement.
 */
static const char remove_text[] =
        "WITH owned AS (SELECT 1 FROM weir_mailbox WHERE name = $1 AND session = $2::uuid"
        " FOR UPDATE),"
        " gone AS (DELETE FROM weir_message WHERE mailbox = $1 AND uid = ANY($3::bigint[])"
        " AND EXISTS (SELECT 1 FROM owned) RETURNING body, octets, chunks, shared),"
        " " MAILBOXES_SQL_GIVE_UP " UPDATE weir_mailbox SET"
        " octets = octets - (SELECT coalesce(sum(octets), 0) FROM gone)::bigint,"
        " messages = messages - (SELECT count(*) FROM gone),"
        " lease = CASE WHEN $4::bool THEN now() ELSE lease END"
        " WHERE name = $1 AND session = $2::uuid"
        " RETURNING octets, messages, (SELECT count(*) FROM gone), " MAILBOXES_SQL_LEFT;

static void remove_start(struct mailboxes_drop *drop);

/* Reports the end, unless the owner has gone: then the drop is freed. */
static void remove_end(struct mailboxes_drop *drop, int error)
{
	struct weir_mail_call *call = mailboxes_job_end(&drop->job);
	weir_mail_removed_fn *done = drop->removed_done;
	size_t removed = drop->removed;
	drop->state = MAILBOXES_DROP_REMOVED;
	if (drop->unowned)
		mailboxes_sweep(drop->at, true);
	if (drop->closed)
		mailboxes_drop_end(drop);
	if (call)
		done(call, error, removed);
}

static void remove_on_again(void *context)
{
	((struct mailboxes_drop *)context)->row = false;
}

static void remove_on_row(void *context, const struct weir_postgres_row *row)
{
	struct mailboxes_drop *drop = context;
	drop->row = true;
	drop->octets_left = (uint64_t)mailboxes_row_number(row, 0, false);
	drop->messages_left = (uint64_t)mailboxes_row_number(row, 1, false);
	drop->gone = (size_t)mailboxes_row_number(row, 2, false);
	drop->unowned |= mailboxes_row_number(row, 3, false) > 0;
}

static void remove_on_end(void *context, const struct weir_postgres_end *end)
{
	struct mailboxes_drop *drop = context;
	int error = database_outcome(end);
	drop->call = NULL;
	if (error == 0 && !drop->row) {
		error = -EBUSY;
		drop->locked = false;
	}
	if (error < 0) {
		remove_end(drop, error);
		return;
	}
	/* Only our own attempts can have removed messages: the lock is exclusive. */
	drop->removed += end->repeated ? drop->marked : drop->gone;
	mailboxes_usage_note(drop->at->mailboxes, mailboxes_drop_user(drop), drop->octets_left,
	        drop->messages_left, weir_loop_now_ms(drop->at->at->loop));
	if (drop->next < drop->base.count) {
		remove_start(drop);
		return;
	}
	drop->locked = false;
	weir_timer_stop(&drop->timer);
	remove_end(drop, 0);
}

/* Appends the UIDs of the next messages as an array, and moves on to the marked one after them. */
static int remove_append_uids(struct mailboxes_drop *drop, struct weir_buffer *to)
{
	size_t i = drop->next;
	int error = 0;
	drop->marked = 0;
	for (; i < drop->base.count && error == 0; i++) {
		if (!(drop->marks[i / 8] >> (i % 8) & 1))
			continue;
		if (drop->marked == WEIR_DATABASE_REMOVE_MAX)
			break;
		error = weir_buffer_format(to, SIZE_MAX, "%c%lld", drop->marked++ ? ',' : '{',
		        (long long)mailboxes_messages_of(drop)[i].uid);
	}
	drop->next = i;
	if (error == 0)
		error = weir_buffer_append(
		        to, drop->marked ? "}" : "{}", drop->marked ? 1 : 2, SIZE_MAX);
	return error;
}

static int remove_call(struct mailboxes_drop *drop)
{
	static const struct weir_postgres_events events = {
	        .row = remove_on_row, .again = remove_on_again, .end = remove_on_end};
	struct weir_buffer uids = {0};
	int error = remove_append_uids(drop, &uids);
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(drop->user),
	        weir_postgres_text(drop->session),
	        {.bytes = weir_buffer_span(&uids)},
	        weir_postgres_text(drop->next == drop->base.count ? "t" : "f"),
	};
	const struct mailboxes_statement statement = {
	        .text = remove_text,
	        .values = values,
	        .count = 4,
	        .key = mailboxes_drop_user(drop),
	};
	drop->row = false;
	if (error == 0)
		error = mailboxes_call(drop->at, &statement, &events, drop, &drop->call);
	weir_buffer_finish(&uids);
	return error;
}

static void remove_start(struct mailboxes_drop *drop)
{
	int error = remove_call(drop);
	if (error < 0)
		remove_end(drop, error);
}

/* The marks are copied, so that a cancelled removal can go on. */
void mailboxes_remove(struct weir_maildrop *base, const uint8_t *marks, struct weir_mail_call *call,
        weir_mail_removed_fn *done)
{
	struct mailboxes_drop *drop = WEIR_CONTAINER(base, struct mailboxes_drop, base);
	size_t size = (base->count + 7) / 8;
	if (drop->state != MAILBOXES_DROP_OPEN || !drop->locked) {
		done(call, drop->locked ? -EINVAL : -EBUSY, 0);
		return;
	}
	drop->marks = malloc(size ? size : 1);
	if (!drop->marks) {
		done(call, -ENOMEM, 0);
		return;
	}
	memcpy(drop->marks, marks, size);
	drop->next = drop->removed = 0;
	drop->removed_done = done;
	drop->state = MAILBOXES_DROP_REMOVING;
	mailboxes_job_begin(&drop->job, call);
	remove_start(drop);
}
