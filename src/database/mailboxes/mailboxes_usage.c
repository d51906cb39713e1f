/*
 * The sizes of mailboxes as the database has reported them last, so that most checks of recipients
 * need no call, and for metrics.
 *
 * Invariant: a refusal comes from the database. Of all mailboxes WEIR_MAILBOXES_KEPT are
 * remembered, those with the latest mail.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "database_outcome.h"
#include "helper.h"
#include "mailboxes_state.h"

/* -- the table, with the lock held ------------------------------------------------------------- */

static struct mailboxes_usage **usage_bucket(struct mailboxes *mailboxes, struct weir_span user)
{
	uint32_t hash = 2166136261; /* FNV-1a; the names are our users' */
	for (size_t i = 0; i < user.size; i++)
		hash = (hash ^ (unsigned char)user.data[i]) * 16777619;
	return &mailboxes->buckets[hash % MAILBOXES_BUCKETS];
}

static struct mailboxes_usage *usage_find(struct mailboxes *mailboxes, struct weir_span user)
{
	struct mailboxes_usage *usage = *usage_bucket(mailboxes, user);
	while (usage && !weir_span_equal(weir_span(usage->user, usage->size), user))
		usage = usage->next;
	return usage;
}

static void usage_drop_oldest(struct mailboxes *mailboxes)
{
	struct mailboxes_usage *oldest =
	        WEIR_CONTAINER(mailboxes->usages.next, struct mailboxes_usage, link);
	struct mailboxes_usage **at =
	        usage_bucket(mailboxes, weir_span(oldest->user, oldest->size));
	while (*at != oldest)
		at = &(*at)->next;
	*at = oldest->next;
	weir_list_remove(&oldest->link);
	mailboxes->usage_count--;
	free(oldest);
}

/* Finds or makes it; NULL without memory. It is the last one in the list then. */
static struct mailboxes_usage *usage_get(struct mailboxes *mailboxes, struct weir_span user)
{
	struct mailboxes_usage *usage = usage_find(mailboxes, user);
	if (usage) {
		weir_list_remove(&usage->link);
		weir_list_append(&mailboxes->usages, &usage->link);
		return usage;
	}
	usage = calloc(1, sizeof *usage + user.size + 1);
	if (!usage)
		return NULL;
	memcpy(usage->user, user.data, user.size);
	usage->size = user.size;
	struct mailboxes_usage **bucket = usage_bucket(mailboxes, user);
	usage->next = *bucket;
	*bucket = usage;
	weir_list_append(&mailboxes->usages, &usage->link);
	if (++mailboxes->usage_count > WEIR_MAILBOXES_KEPT)
		usage_drop_oldest(mailboxes);
	return usage;
}

/* -- notes ------------------------------------------------------------------------------------- */

void mailboxes_usage_note(struct mailboxes *mailboxes, struct weir_span user, uint64_t octets,
        uint64_t messages, int64_t now_ms)
{
	if (!mailboxes_have_quota(mailboxes))
		return;
	pthread_mutex_lock(&mailboxes->lock);
	struct mailboxes_usage *usage = usage_get(mailboxes, user);
	if (usage) {
		usage->octets = octets;
		usage->messages = messages;
		usage->noted_ms = now_ms;
	}
	pthread_mutex_unlock(&mailboxes->lock);
}

void mailboxes_usage_note_unfit(
        struct mailboxes *mailboxes, struct weir_span user, uint64_t announced, uint64_t octets)
{
	pthread_mutex_lock(&mailboxes->lock);
	struct mailboxes_usage *usage = usage_find(mailboxes, user);
	if (usage) {
		usage->unfit_announced = announced;
		usage->unfit = octets;
		usage->noted_ms = 0;
	}
	pthread_mutex_unlock(&mailboxes->lock);
}

void mailboxes_usage_free(struct mailboxes *mailboxes)
{
	WEIR_LIST_EACH_SAFE (struct mailboxes_usage, usage, next, &mailboxes->usages, link)
		free(usage);
}

void mailboxes_each_usage(struct weir_mail_store *store, weir_mailbox_usage_fn *show, void *context)
{
	struct mailboxes *mailboxes = mailboxes_of(store);
	pthread_mutex_lock(&mailboxes->lock);
	WEIR_LIST_EACH (struct mailboxes_usage, usage, &mailboxes->usages, link) {
		const struct weir_mailbox_usage shown = {
		        usage->user, usage->octets, usage->messages};
		show(context, &shown);
	}
	pthread_mutex_unlock(&mailboxes->lock);
}

/* -- checks ------------------------------------------------------------------------------------ */

struct mailboxes_asking {
	struct mailboxes_loop *at;
	struct weir_postgres_call *call;
	struct weir_mail_check *check;
	weir_mail_checked_fn *done;
	void *context;
	uint64_t need;
	uint64_t octets, messages;
	size_t size;
	char user[];
};

static bool usage_has_room(
        const struct mailboxes *mailboxes, uint64_t octets, uint64_t messages, uint64_t need)
{
	uint64_t most = mailboxes->options.mailbox_max;
	if (mailboxes->options.messages_max && messages >= mailboxes->options.messages_max)
		return false;
	return !most || (need <= most && octets <= most - need);
}

/*
 * Whether the mailbox has room as far as memory knows. A message grows by the fields that are added
 * to it: the last one without room for these is recognised by its SIZE.
 */
static bool usage_is_known_good(
        struct mailboxes *mailboxes, struct weir_span user, int64_t now_ms, uint64_t *need)
{
	bool good = false;
	pthread_mutex_lock(&mailboxes->lock);
	const struct mailboxes_usage *usage = usage_find(mailboxes, user);
	if (usage) {
		if (*need && *need == usage->unfit_announced)
			*need = usage->unfit;
		good = now_ms - usage->noted_ms < WEIR_MAIL_RECOUNT_S * 1000 &&
		       usage_has_room(mailboxes, usage->octets, usage->messages, *need);
	}
	pthread_mutex_unlock(&mailboxes->lock);
	return good;
}

static void usage_free_asking(struct mailboxes_asking *asking)
{
	struct mailboxes_loop *at = asking->at;
	free(asking);
	mailboxes_loop_put(at);
}

static void usage_on_row(void *context, const struct weir_postgres_row *row)
{
	struct mailboxes_asking *asking = context;
	asking->octets = (uint64_t)mailboxes_row_number(row, 0, false);
	asking->messages = (uint64_t)mailboxes_row_number(row, 1, false);
}

static void usage_on_end(void *context, const struct weir_postgres_end *end)
{
	struct mailboxes_asking *asking = context;
	struct mailboxes *mailboxes = asking->at->mailboxes;
	weir_mail_checked_fn *done = asking->done;
	void *done_context = asking->context;
	int error = database_outcome(end);
	if (!error)
		mailboxes_usage_note(mailboxes, weir_span(asking->user, asking->size),
		        asking->octets, asking->messages, weir_loop_now_ms(asking->at->at->loop));
	if (!error && !usage_has_room(mailboxes, asking->octets, asking->messages, asking->need)) {
		mailboxes->counters.over_quota++;
		error = -EDQUOT;
	}
	asking->check->job = NULL;
	usage_free_asking(asking);
	done(done_context, error);
}

static int usage_ask(struct mailboxes_asking *asking)
{
	static const struct weir_postgres_events events = {
	        .row = usage_on_row, .end = usage_on_end};
	const struct weir_postgres_value name = weir_postgres_text(asking->user);
	const struct mailboxes_statement statement = {
	        .text = "SELECT octets, messages FROM weir_mailbox WHERE name = $1",
	        .values = &name,
	        .count = 1,
	        .key = weir_span(asking->user, asking->size),
	};
	return mailboxes_call(asking->at, &statement, &events, asking, &asking->call);
}

static int usage_start_asking(struct mailboxes *mailboxes, struct weir_loop *loop,
        struct weir_span user, struct mailboxes_asking **ret)
{
	struct mailboxes_asking *asking = calloc(1, sizeof *asking + user.size + 1);
	if (!asking)
		return -ENOMEM;
	memcpy(asking->user, user.data, user.size);
	asking->size = user.size;
	int error = mailboxes_loop_get(mailboxes, loop, &asking->at);
	if (error < 0) {
		free(asking);
		return error;
	}
	error = usage_ask(asking);
	if (error < 0)
		usage_free_asking(asking);
	else
		*ret = asking;
	return error;
}

int mailboxes_check(struct weir_mail_sink *sink, struct weir_loop *loop,
        const struct weir_mail_recipient *recipient, uint64_t size, struct weir_mail_check *check,
        weir_mail_checked_fn *done, void *context)
{
	struct mailboxes *mailboxes =
	        mailboxes_of(WEIR_CONTAINER(sink, struct weir_mail_store, sink));
	struct mailboxes_asking *asking = NULL;
	uint64_t need = size;
	if (!weir_mail_user_good(recipient->user))
		return -ENOENT;
	if (!mailboxes_have_quota(mailboxes) ||
	        usage_is_known_good(mailboxes, recipient->user, weir_loop_now_ms(loop), &need))
		return 0;
	int error = usage_start_asking(mailboxes, loop, recipient->user, &asking);
	if (error < 0)
		return error;
	asking->check = check;
	asking->done = done;
	asking->context = context;
	asking->need = need;
	check->job = asking;
	return WEIR_MAIL_PENDING;
}

void mailboxes_check_cancel(struct weir_mail_check *check)
{
	struct mailboxes_asking *asking = check->job;
	check->job = NULL;
	if (!asking)
		return;
	weir_postgres_call_cancel(asking->call);
	usage_free_asking(asking);
}
