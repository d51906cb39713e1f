/*
 * Maildrops: the lease on a mailbox, and the list of its messages.
 *
 * Invariant: a row that may have our session is released or left to its end when the drop ends. So
 * a drop whose owner goes while the lease is being taken lives until the answer is there. One that
 * has ended lives in `releasing` of its loop until the database has confirmed the release, or the
 * lease must be over: so there are no more of them than sessions that were open when the database
 * went away.
 *
 * UIDs grow in the order in which deliveries commit, since each locks the row of the mailbox: the
 * list has all messages up to its last one. It has none that came after the lease. The lease's
 * commit is flushed to disk with all before it, but a later delivery may not be: a crash takes it
 * back, and its UID, which the client must not have seen.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "database_outcome.h"
#include "helper.h"
#include "mailboxes_state.h"

enum {
	DROP_STREAMED = 256,    /* a list with more messages has a connection of its own */
	DROP_RETRY_MS = 100,    /* then a lock that was taken is tried once more */
	DROP_RELEASE_MS = 1000, /* between two attempts to release a lease */
};

static const char drop_lock[] =
        "INSERT INTO weir_mailbox AS b"
        " (name, octets, messages, next_uid, validity, session, lease)"
        " VALUES ($1, 0, 0, 1, extract(epoch FROM now())::bigint, $2::uuid, " MAILBOXES_LEASE_END
        ")"
        " ON CONFLICT (name) DO UPDATE SET session = excluded.session, lease = excluded.lease"
        " WHERE b.session IS NULL OR b.session = excluded.session OR b.lease <= now()"
        " RETURNING b.messages, b.octets, b.next_uid";

static const char drop_renew[] = "UPDATE weir_mailbox SET lease = " MAILBOXES_LEASE_END
                                 " WHERE name = $1 AND session = $2::uuid";

static const char drop_unlock[] = "UPDATE weir_mailbox SET session = NULL, lease = NULL"
                                  " WHERE name = $1 AND session = $2::uuid";

/* With `validity` by the same snapshot: an import may change it after the lock. */
static const char drop_list[] =
        "SELECT m.uid, m.octets, m.dotless, m.ended, m.uidl, b.validity FROM weir_mailbox AS b"
        " JOIN weir_message AS m ON m.mailbox = b.name WHERE b.name = $1 AND m.uid < $3::bigint"
        " ORDER BY m.uid LIMIT $2::int";

/* -- the end ----------------------------------------------------------------------------------- */

static struct mailboxes_drop *drop_of(const struct weir_maildrop *base)
{
	return WEIR_CONTAINER(base, struct mailboxes_drop, base);
}

static void drop_forget_messages(struct mailboxes_drop *drop)
{
	weir_buffer_finish(&drop->messages);
	weir_buffer_finish(&drop->uidls);
	weir_buffer_finish(&drop->texts);
	free(drop->marks);
	drop->marks = NULL;
}

void mailboxes_drop_free(struct mailboxes_drop *drop)
{
	struct mailboxes_loop *at = drop->at;
	weir_list_remove(&drop->link);
	weir_timer_stop(&drop->timer);
	if (drop->call)
		weir_postgres_call_cancel(drop->call);
	if (drop->renewal)
		weir_postgres_call_cancel(drop->renewal);
	drop_forget_messages(drop);
	free(drop);
	mailboxes_loop_put(at);
}

static void drop_release(struct mailboxes_drop *drop);

static void drop_on_release_time(struct weir_timer *timer)
{
	drop_release(WEIR_CONTAINER(timer, struct mailboxes_drop, timer));
}

static void drop_release_later(struct mailboxes_drop *drop)
{
	struct weir_loop *loop = drop->at->at->loop;
	if (weir_loop_now_ms(loop) >= drop->ended_ms + WEIR_MAILDROP_LEASE_S * 1000)
		mailboxes_drop_free(drop);
	else
		weir_timer_start(loop, &drop->timer, DROP_RELEASE_MS, drop_on_release_time);
}

static void drop_released(void *context, const struct weir_postgres_end *end)
{
	struct mailboxes_drop *drop = context;
	drop->call = NULL;
	if (end->error)
		drop_release_later(drop);
	else
		mailboxes_drop_free(drop);
}

/* Without an answer the row may still have our session, which would keep the user out. */
static void drop_release(struct mailboxes_drop *drop)
{
	static const struct weir_postgres_events events = {.end = drop_released};
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(drop->user), weir_postgres_text(drop->session)};
	const struct mailboxes_statement statement = {
	        .text = drop_unlock,
	        .values = values,
	        .count = 2,
	        .key = mailboxes_drop_user(drop),
	};
	if (mailboxes_call(drop->at, &statement, &events, drop, &drop->call) < 0) {
		drop->call = NULL;
		drop_release_later(drop);
	}
}

void mailboxes_drop_end(struct mailboxes_drop *drop)
{
	if (!drop->locked) {
		mailboxes_drop_free(drop);
		return;
	}
	if (drop->renewal)
		weir_postgres_call_cancel(drop->renewal);
	drop->renewal = NULL;
	weir_timer_stop(&drop->timer);
	drop_forget_messages(drop);
	drop->state = MAILBOXES_DROP_RELEASING;
	drop->ended_ms = weir_loop_now_ms(drop->at->at->loop);
	weir_list_remove(&drop->link);
	weir_list_append(&drop->at->releasing, &drop->link);
	drop_release(drop);
}

/* The owner has gone. */
static void drop_close(struct mailboxes_drop *drop)
{
	drop->closed = true;
	if (drop->call)
		weir_list_append(&drop->at->closing, &drop->link);
	else
		mailboxes_drop_end(drop);
}

void mailboxes_close(struct weir_maildrop *base)
{
	drop_close(drop_of(base));
}

/* -- the lease --------------------------------------------------------------------------------- */

static void drop_start_timer(struct mailboxes_drop *drop);

static void drop_renewed(void *context, const struct weir_postgres_end *end)
{
	struct mailboxes_drop *drop = context;
	drop->renewal = NULL;
	/* Another session has the mailbox. After an error the next attempt may be in time. */
	if (!end->error && !end->rows[0])
		drop->locked = false;
	else
		drop_start_timer(drop);
}

static void drop_on_timer(struct weir_timer *timer)
{
	static const struct weir_postgres_events events = {.end = drop_renewed};
	struct mailboxes_drop *drop = WEIR_CONTAINER(timer, struct mailboxes_drop, timer);
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(drop->user), weir_postgres_text(drop->session)};
	const struct mailboxes_statement statement = {
	        .text = drop_renew,
	        .values = values,
	        .count = 2,
	        .key = mailboxes_drop_user(drop),
	};
	if (mailboxes_call(drop->at, &statement, &events, drop, &drop->renewal) < 0) {
		drop->renewal = NULL;
		drop_start_timer(drop);
	}
}

/* Two renewals may fail before the lease ends. */
static void drop_start_timer(struct mailboxes_drop *drop)
{
	weir_timer_start(
	        drop->at->at->loop, &drop->timer, WEIR_MAILDROP_LEASE_S * 1000 / 3, drop_on_timer);
}

/* -- opening ----------------------------------------------------------------------------------- */

/* Reports the end of opening. After an error, or without an owner, the drop is gone. */
static void drop_opened(struct mailboxes_drop *drop, int error)
{
	struct weir_mail_call *call = mailboxes_job_end(&drop->job);
	weir_mail_opened_fn *done = drop->opened;
	if (error < 0 || !call) {
		mailboxes_drop_end(drop);
		drop = NULL;
	} else {
		drop->state = MAILBOXES_DROP_OPEN;
		drop->base.count = drop->messages.size / sizeof(struct mailboxes_message);
		for (size_t i = 0; i < drop->base.count; i++)
			drop->base.octets += mailboxes_messages_of(drop)[i].octets;
	}
	if (call)
		done(call, error, drop ? &drop->base : NULL);
}

static void drop_listing_on_again(void *context)
{
	struct mailboxes_drop *drop = context;
	drop->messages.size = drop->uidls.size = drop->texts.size = 0;
	drop->error = 0;
}

static int drop_append_uidl(struct mailboxes_drop *drop, struct weir_span uidl)
{
	const struct mailboxes_uidl entry = {
	        .index = (uint32_t)(drop->messages.size / sizeof(struct mailboxes_message)),
	        .offset = (uint32_t)drop->texts.size};
	int error = weir_buffer_append(&drop->uidls, &entry, sizeof entry, SIZE_MAX);
	if (error == 0)
		error = weir_buffer_append(&drop->texts, uidl.data, uidl.size, UINT32_MAX);
	return error ? error : weir_buffer_append(&drop->texts, "", 1, UINT32_MAX);
}

static bool drop_row_bool(const struct weir_postgres_row *row, unsigned column)
{
	struct weir_span value = weir_postgres_row_value(row, column);
	return value.size == 1 && value.data[0];
}

static void drop_listing_on_row(void *context, const struct weir_postgres_row *row)
{
	struct mailboxes_drop *drop = context;
	const struct mailboxes_message message = {
	        .uid = (uint64_t)mailboxes_row_number(row, 0, true),
	        .octets = (uint64_t)mailboxes_row_number(row, 1, true) & (UINT64_MAX >> 2),
	        .dotless = drop_row_bool(row, 2),
	        .ended = drop_row_bool(row, 3),
	};
	struct weir_span uidl = weir_postgres_row_value(row, 4);
	drop->validity = mailboxes_row_number(row, 5, true);
	if (!drop->error && mail_uid_is_good(uidl))
		drop->error = drop_append_uidl(drop, uidl);
	if (!drop->error)
		drop->error =
		        weir_buffer_append(&drop->messages, &message, sizeof message, SIZE_MAX);
}

static void drop_listing_on_end(void *context, const struct weir_postgres_end *end)
{
	struct mailboxes_drop *drop = context;
	int error = database_outcome(end);
	drop->call = NULL;
	drop_opened(drop, error ? error : drop->error);
}

static int drop_start_listing(struct mailboxes_drop *drop)
{
	static const struct weir_postgres_events events = {
	        .row = drop_listing_on_row,
	        .again = drop_listing_on_again,
	        .end = drop_listing_on_end,
	};
	char most[BODY_NUMBER_SIZE], next_uid[BODY_NUMBER_SIZE];
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(drop->user),
	        body_value_number(WEIR_MAILDROP_MAX, most),
	        body_value_number(drop->next_uid, next_uid),
	};
	const struct mailboxes_statement statement = {
	        .text = drop_list,
	        .values = values,
	        .count = 3,
	        .key = mailboxes_drop_user(drop),
	        .stream = drop->expected > DROP_STREAMED,
	        .binary = true,
	};
	size_t expected = (size_t)min_of(drop->expected, (uint64_t)WEIR_MAILDROP_MAX);
	drop->state = MAILBOXES_DROP_LISTING;
	int error = weir_buffer_reserve(
	        &drop->messages, expected * sizeof(struct mailboxes_message), SIZE_MAX);
	return error ? error : mailboxes_call(drop->at, &statement, &events, drop, &drop->call);
}

static void drop_locking_on_row(void *context, const struct weir_postgres_row *row)
{
	struct mailboxes_drop *drop = context;
	drop->busy = false;
	drop->expected = (uint64_t)mailboxes_row_number(row, 0, false);
	drop->next_uid = mailboxes_row_number(row, 2, false);
	mailboxes_usage_note(drop->at->mailboxes, mailboxes_drop_user(drop),
	        (uint64_t)mailboxes_row_number(row, 1, false), drop->expected,
	        weir_loop_now_ms(drop->at->at->loop));
}

static void drop_locking_on_again(void *context)
{
	((struct mailboxes_drop *)context)->busy = true;
}

static int drop_start_locking(struct mailboxes_drop *drop);

static void drop_on_lock_time(struct weir_timer *timer)
{
	struct mailboxes_drop *drop = WEIR_CONTAINER(timer, struct mailboxes_drop, timer);
	int error = drop_start_locking(drop);
	if (error < 0)
		drop_opened(drop, error);
}

/* A session that has just ended gives the lease up after its last reply. */
static void drop_lock_later(struct mailboxes_drop *drop)
{
	drop->retried = true;
	weir_timer_start(drop->at->at->loop, &drop->timer, DROP_RETRY_MS, drop_on_lock_time);
}

static void drop_locking_on_end(void *context, const struct weir_postgres_end *end)
{
	struct mailboxes_drop *drop = context;
	int error = database_outcome(end);
	drop->call = NULL;
	if (error == 0 && drop->busy) {
		error = -EBUSY;
		drop->locked = false;
		if (!drop->closed && !drop->retried) {
			drop_lock_later(drop);
			return;
		}
	}
	if (error == 0 && !drop->closed) {
		drop_start_timer(drop);
		error = drop->expected ? drop_start_listing(drop) : 0;
		if (error == 0 && drop->expected)
			return;
	}
	drop_opened(drop, error);
}

static int drop_start_locking(struct mailboxes_drop *drop)
{
	static const struct weir_postgres_events events = {
	        .row = drop_locking_on_row,
	        .again = drop_locking_on_again,
	        .end = drop_locking_on_end,
	};
	const struct weir_postgres_value values[] = {
	        weir_postgres_text(drop->user), weir_postgres_text(drop->session)};
	const struct mailboxes_statement statement = {
	        .text = drop_lock,
	        .values = values,
	        .count = 2,
	        .key = mailboxes_drop_user(drop),
	};
	/* Until the answer is there, the row may have our session. */
	drop->locked = drop->busy = true;
	return mailboxes_call(drop->at, &statement, &events, drop, &drop->call);
}

/* Opening is undone once its call has ended; a removal goes on until the owner closes the drop. */
static void drop_on_cancel(struct mailboxes_job *job)
{
	struct mailboxes_drop *drop = WEIR_CONTAINER(job, struct mailboxes_drop, job);
	if (drop->state < MAILBOXES_DROP_OPEN)
		drop_close(drop);
}

static int drop_create(struct mailboxes *mailboxes, struct weir_loop *loop, struct weir_span user,
        struct mailboxes_drop **ret)
{
	struct mailboxes_drop *drop = calloc(1, sizeof *drop + user.size + 1);
	if (!drop)
		return -ENOMEM;
	memcpy(drop->user, user.data, user.size);
	drop->size = user.size;
	drop->base.store = &mailboxes->base;
	drop->job.cancel = drop_on_cancel;
	weir_list_init(&drop->link);
	int error = weir_database_make_id(drop->session);
	if (error == 0)
		error = mailboxes_loop_get(mailboxes, loop, &drop->at);
	if (error < 0)
		free(drop);
	else
		*ret = drop;
	return error;
}

void mailboxes_open(struct weir_mail_store *store, struct weir_loop *loop, struct weir_span user,
        struct weir_mail_call *call, weir_mail_opened_fn *done)
{
	struct mailboxes_drop *drop = NULL;
	int error = weir_mail_user_good(user) ? drop_create(mailboxes_of(store), loop, user, &drop)
	                                      : -ENOENT;
	if (error == 0) {
		error = drop_start_locking(drop);
		if (error == 0) {
			drop->opened = done;
			mailboxes_job_begin(&drop->job, call);
			return;
		}
		mailboxes_drop_free(drop);
	}
	done(call, error, NULL);
}

/* Returns the UIDL that the message was imported with, or NULL. */
static const char *drop_find_uidl(const struct mailboxes_drop *drop, size_t index)
{
	const struct mailboxes_uidl *uidls = (const void *)drop->uidls.data;
	size_t low = 0, high = drop->uidls.size / sizeof *uidls;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (uidls[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	bool found = low < drop->uidls.size / sizeof *uidls && uidls[low].index == index;
	return found ? drop->texts.data + uidls[low].offset : NULL;
}

void mailboxes_info(const struct weir_maildrop *base, size_t index, struct weir_mail_info *ret)
{
	const struct mailboxes_drop *drop = drop_of(base);
	const struct mailboxes_message *message = &mailboxes_messages_of(drop)[index];
	ret->octets = message->octets;
	const char *uidl = drop_find_uidl(drop, index);
	if (uidl)
		text_copy(ret->uid, sizeof ret->uid, uidl);
	else
		snprintf(ret->uid, sizeof ret->uid, MAILBOXES_UIDL, drop->validity, message->uid);
}
