/*
 * The store: its creation and end, its part in each loop, and the sweep of bodies.
 *
 * Invariant: what is under way has a reference to its loop's part, which has one to the store. So
 * the store may be destroyed at any time. When a loop leaves, its sweep is cancelled, and maildrops
 * whose owners have gone are freed.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "mailboxes_state.h"

static void mailboxes_release(struct mailboxes *mailboxes)
{
	if (!refcount_release(&mailboxes->references))
		return;
	mailboxes_usage_free(mailboxes);
	pthread_mutex_destroy(&mailboxes->lock);
	weir_database_release(mailboxes->database);
	free(mailboxes);
}

/* -- the part of a loop ------------------------------------------------------------------------ */

static void mailboxes_loop_leave(struct database_leaver *leaver)
{
	struct mailboxes_loop *loop = WEIR_CONTAINER(leaver, struct mailboxes_loop, leaver);
	local_refcount_hold(&loop->references);
	weir_list_remove(&leaver->link);
	if (loop->sweep) {
		weir_postgres_call_cancel(loop->sweep);
		loop->sweep = NULL;
		mailboxes_loop_put(loop);
	}
	while (!weir_list_empty(&loop->closing))
		mailboxes_drop_free(
		        WEIR_CONTAINER(loop->closing.next, struct mailboxes_drop, link));
	while (!weir_list_empty(&loop->releasing))
		mailboxes_drop_free(
		        WEIR_CONTAINER(loop->releasing.next, struct mailboxes_drop, link));
	mailboxes_loop_put(loop);
}

/* With the lock held. */
static struct mailboxes_loop *mailboxes_loop_find(
        struct mailboxes *mailboxes, const struct weir_loop *loop)
{
	WEIR_LIST_EACH (struct mailboxes_loop, known, &mailboxes->loops, link)
		if (known->at->loop == loop)
			return known;
	return NULL;
}

static int mailboxes_loop_create(
        struct mailboxes *mailboxes, struct weir_loop *loop, struct mailboxes_loop **ret)
{
	struct mailboxes_loop *created = calloc(1, sizeof *created);
	if (!created)
		return -ENOMEM;
	int error = database_loop_get(mailboxes->database, loop, &created->at);
	if (error < 0) {
		free(created);
		return error;
	}
	refcount_hold(&mailboxes->references);
	created->mailboxes = mailboxes;
	local_refcount_init(&created->references);
	weir_list_init(&created->closing);
	weir_list_init(&created->releasing);
	created->leaver.leave = mailboxes_loop_leave;
	weir_list_append(&created->at->leavers, &created->leaver.link);
	pthread_mutex_lock(&mailboxes->lock);
	weir_list_append(&mailboxes->loops, &created->link);
	pthread_mutex_unlock(&mailboxes->lock);
	*ret = created;
	return 0;
}

int mailboxes_loop_get(
        struct mailboxes *mailboxes, struct weir_loop *loop, struct mailboxes_loop **ret)
{
	pthread_mutex_lock(&mailboxes->lock);
	struct mailboxes_loop *found = mailboxes_loop_find(mailboxes, loop);
	pthread_mutex_unlock(&mailboxes->lock);
	if (!found)
		return mailboxes_loop_create(mailboxes, loop, ret);
	local_refcount_hold(&found->references);
	*ret = found;
	return 0;
}

void mailboxes_loop_put(struct mailboxes_loop *loop)
{
	struct mailboxes *mailboxes = loop->mailboxes;
	if (!local_refcount_release(&loop->references))
		return;
	weir_list_remove(&loop->leaver.link);
	pthread_mutex_lock(&mailboxes->lock);
	weir_list_remove(&loop->link);
	pthread_mutex_unlock(&mailboxes->lock);
	free(loop);
	mailboxes_release(mailboxes);
}

/* -- calls ------------------------------------------------------------------------------------- */

int mailboxes_call(struct mailboxes_loop *loop, const struct mailboxes_statement *statement,
        const struct weir_postgres_events *events, void *context, struct weir_postgres_call **ret)
{
	const struct weir_postgres_statement one = {
	        statement->text, statement->values, statement->count};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = &one;
	options.key = statement->key;
	options.stream = statement->stream;
	options.binary = statement->binary;
	options.early_lock_release = statement->early_lock_release;
	options.idempotent = true;
	return weir_postgres_call_start(loop->at->pool, &options, events, context, ret);
}

int64_t mailboxes_row_number(const struct weir_postgres_row *row, unsigned column, bool binary)
{
	struct weir_span value = weir_postgres_row_value(row, column);
	uint64_t number = 0;
	if (!binary)
		return value.data ? strtoll(value.data, NULL, 10) : 0;
	if (value.size != sizeof number)
		return 0;
	memcpy(&number, value.data, sizeof number);
	return (int64_t)be64toh(number);
}

/* -- the sweep --------------------------------------------------------------------------------- */

static void mailboxes_sweep_start(struct mailboxes_loop *loop);

static void mailboxes_sweep_on_row(void *context, const struct weir_postgres_row *row)
{
	struct mailboxes_loop *loop = context;
	/* More may be left. */
	if (row->statement == 1 && mailboxes_row_number(row, 0, false) == WEIR_DATABASE_SWEEP) {
		pthread_mutex_lock(&loop->mailboxes->lock);
		loop->mailboxes->sweep_ms = 0;
		pthread_mutex_unlock(&loop->mailboxes->lock);
	}
}

static void mailboxes_sweep_on_end(void *context, const struct weir_postgres_end *end)
{
	struct mailboxes_loop *loop = context;
	loop->sweep = NULL;
	if (!end->error)
		mailboxes_sweep(loop, false);
	mailboxes_loop_put(loop);
}

static const struct weir_postgres_events mailboxes_sweep_events = {
        .row = mailboxes_sweep_on_row,
        .end = mailboxes_sweep_on_end,
};

static void mailboxes_sweep_start(struct mailboxes_loop *loop)
{
	if (body_sweep(loop->at->pool, &mailboxes_sweep_events, loop, &loop->sweep) == 0)
		local_refcount_hold(&loop->references);
	else
		loop->sweep = NULL;
}

void mailboxes_sweep(struct mailboxes_loop *loop, bool now)
{
	struct mailboxes *mailboxes = loop->mailboxes;
	int64_t now_ms = weir_loop_now_ms(loop->at->loop);
	pthread_mutex_lock(&mailboxes->lock);
	bool due = now || mailboxes->sweep_ms <= now_ms;
	if (due && !loop->sweep)
		mailboxes->sweep_ms = now_ms + WEIR_DATABASE_SWEEP_MS;
	pthread_mutex_unlock(&mailboxes->lock);
	if (due && !loop->sweep)
		mailboxes_sweep_start(loop);
}

/* -- the store --------------------------------------------------------------------------------- */

static void mailboxes_cancel(struct weir_mail_call *call)
{
	struct mailboxes_job *job = call->job;
	job->call = NULL;
	job->cancel(job);
}

static void mailboxes_destroy(struct weir_mail_store *store)
{
	mailboxes_release(mailboxes_of(store));
}

static void mailboxes_count(struct weir_mail_store *store, struct weir_mail_store_counters *ret)
{
	const struct mailboxes_counters *counters = &mailboxes_of(store)->counters;
	*ret = (struct weir_mail_store_counters){
	        .messages = counters->messages,
	        .files = counters->bodies,
	        .over_quota = counters->over_quota,
	};
}

static const struct weir_mail_store_type mailboxes_type = {
        .name = "database",
        .open = mailboxes_open,
        .info = mailboxes_info,
        .fetch = mailboxes_fetch,
        .remove = mailboxes_remove,
        .cancel = mailboxes_cancel,
        .close = mailboxes_close,
        .destroy = mailboxes_destroy,
        .count = mailboxes_count,
        .each_usage = mailboxes_each_usage,
};

int weir_database_mail_create(struct weir_database *database,
        const struct weir_mail_store_options *options, struct weir_mail_store **ret)
{
	if (options && !options->message_max)
		return -EINVAL;
	struct mailboxes *mailboxes = calloc(1, sizeof *mailboxes);
	if (!mailboxes)
		return -ENOMEM;
	int error = -pthread_mutex_init(&mailboxes->lock, NULL);
	if (error < 0) {
		free(mailboxes);
		return error;
	}
	mailboxes->base.type = &mailboxes_type;
	mailboxes->base.sink.type = &mailboxes_sink;
	refcount_init(&mailboxes->references);
	mailboxes->database = weir_database_hold(database);
	weir_mail_store_options_init(&mailboxes->options);
	if (options)
		mailboxes->options = *options;
	weir_list_init(&mailboxes->loops);
	weir_list_init(&mailboxes->usages);
	*ret = &mailboxes->base;
	return 0;
}
