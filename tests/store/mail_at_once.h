/*
 * One store and several loops, each on a thread: deliveries, maildrops and removals for the same
 * mailboxes.
 */
#ifndef WEIR_TEST_MAIL_AT_ONCE_H
#define WEIR_TEST_MAIL_AT_ONCE_H

#include <pthread.h>

#include "mail.h"

enum {
	THREADS = 3,
	MESSAGES = 60
};

struct worker {
	pthread_t thread;
	struct weir_loop *loop;
	struct weir_mail_store *store;
	int number;
	int delivered; /* to "shared" */
	int removed;
	int busy;
	void (*leave)(struct weir_loop *loop); /* NULL, or: before the loop is destroyed */
};

struct waiting {
	struct answer answer;
	int errors[2];
	int done;
};

static void on_done(void *context, const int *errors)
{
	struct waiting *waiting = context;
	memcpy(waiting->errors, errors, sizeof waiting->errors);
	waiting->done++;
}

static void wait_for(struct worker *worker, const int *done)
{
	for (int i = 0; i < 5000 && !*done; i++)
		weir_loop_turn(worker->loop, 10);
	if (!*done)
		abort();
}

static void deliver(struct worker *worker, struct weir_span own)
{
	struct weir_mail_recipient recipients[2] = {{.user = own}, {.user = WEIR_SPAN("shared")}};
	struct weir_mail_envelope envelope = {.recipients = recipients, .count = 2};
	struct weir_mail_sink *sink = &worker->store->sink;
	const struct weir_mail_sink_type *type = sink->type;
	struct weir_mail_delivery *delivery;
	struct waiting waiting = {.done = 0};
	if (type->begin(sink, worker->loop, &envelope, NULL, NULL, &delivery) < 0 ||
	        type->write(delivery, WEIR_SPAN("Subject: x\r\n\r\ny\r\n")) < 0)
		abort();
	type->commit(delivery, on_done, &waiting);
	wait_for(worker, &waiting.done);
	if (waiting.errors[0] < 0 || waiting.errors[1] < 0) {
		fprintf(stderr, "%d %d\n", waiting.errors[0], waiting.errors[1]);
		abort();
	}
	worker->delivered++;
}

/* Removes the first message of the shared mailbox, if it is not locked. */
static void take(struct worker *worker)
{
	struct waiting waiting = {.done = 0};
	struct answer *answer = &waiting.answer;
	uint8_t marks[THREADS * MESSAGES / 8 + 1] = {1};
	weir_maildrop_open(
	        worker->store, worker->loop, WEIR_SPAN("shared"), &answer->call, on_opened);
	wait_for(worker, &answer->done);
	if (answer->error) {
		worker->busy += answer->error == -EBUSY;
		return;
	}
	struct weir_maildrop *drop = answer->drop;
	if (drop->count) {
		answer->done = 0;
		weir_maildrop_remove(drop, marks, &answer->call, on_removed);
		wait_for(worker, &answer->done);
		worker->removed += (int)answer->removed;
	}
	weir_maildrop_close(drop);
}

static void *work(void *context)
{
	struct worker *worker = context;
	char own[16];
	snprintf(own, sizeof own, "user%d", worker->number);
	if (weir_loop_create(&worker->loop) < 0)
		abort();
	for (int i = 0; i < MESSAGES; i++) {
		deliver(worker, weir_span_of(own));
		if (i % 3 == 0)
			take(worker);
	}
	if (worker->leave)
		worker->leave(worker->loop);
	weir_loop_destroy(worker->loop);
	return NULL;
}

/* `other` is NULL, or a store of another front end with the same mailboxes. */
static void check_at_once(struct weir_mail_store *other, void (*leave)(struct weir_loop *loop))
{
	struct worker workers[THREADS] = {0};
	int delivered = 0, removed = 0;
	for (int i = 0; i < THREADS; i++) {
		workers[i].number = i;
		workers[i].leave = leave;
		workers[i].store = i == 1 && other ? other : store;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		delivered += workers[i].delivered;
		removed += workers[i].removed;
	}
	assert_int_equal(delivered, THREADS * MESSAGES);
	assert_true(removed > 0);
	assert_int_equal(count_of("shared"), delivered - removed);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(count_of(i == 0 ? "user0" : i == 1 ? "user1" : "user2"), MESSAGES);
}

#endif
