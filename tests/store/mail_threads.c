/*
 * One store and several loops, each on a thread: deliveries, maildrops and removals for the same
 * mailboxes.
 */
#include <pthread.h>

#include "mail.h"
#include "make_options.h"

enum {
	THREADS = 3,
	MESSAGES = 60
};

struct worker {
	pthread_t thread;
	struct weir_loop *loop;
	int number;
	int delivered; /* to "shared" */
	int removed;
	int busy;
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
	const struct weir_mail_sink_type *type = store->sink.type;
	struct weir_mail_delivery *delivery;
	struct waiting waiting = {.done = 0};
	if (type->begin(&store->sink, worker->loop, &envelope, NULL, NULL, &delivery) < 0 ||
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
	weir_maildrop_open(store, worker->loop, WEIR_SPAN("shared"), &answer->call, on_opened);
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
	weir_loop_destroy(worker->loop);
	return NULL;
}

static void check(void)
{
	struct worker workers[THREADS] = {0};
	int delivered = 0, removed = 0;
	for (int i = 0; i < THREADS; i++) {
		workers[i].number = i;
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
	weir_mail_store_destroy(store);
}

static void on_disk(void **state)
{
	(void)state;
	struct weir_mail_store_options options =
	        OPTIONS(weir_mail_store_options, o.mailbox_max = 1 << 20);
	assert_int_equal(weir_maildir_create(scratch, &options, &store), 0);
	check();
}

static void in_memory(void **state)
{
	(void)state;
	assert_int_equal(weir_mail_memory_create(NULL, &store), 0);
	check();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(on_disk),
	        SCRATCH_TEST(in_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
