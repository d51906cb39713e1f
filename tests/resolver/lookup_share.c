/*
 * One cache for the lookups of several loops: first two or three loops in one thread, step by step;
 * then as many threads, in whatever order they run.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/loop.h>

#include "allocation.h"
#include "cache.h"
#include "clock.h"
#include "dns_asker.h"
#include "dns_reply.h"

enum {
	LOOPS = 3
};

struct side {
	struct weir_loop *loop;
	struct weir_dns_lookups *lookups;
	struct asker asker;
};

static struct weir_dns_cache *cache;
static struct side sides[LOOPS];

struct client {
	struct weir_dns_lookup *lookup;
	unsigned answers;
	struct weir_dns_lookup_info found;
	char lines[256];
};

static void answered(void *context, int error, struct weir_span reply)
{
	struct client *client = context;
	assert_int_equal(error, 0);
	client->answers++;
	client->found = *weir_dns_lookup_info(client->lookup);
	snprintf(client->lines, sizeof client->lines, "%s", lines_of(reply));
}

static void look(unsigned side, struct client *client, const char *question)
{
	struct weir_dns_question asked = question_of(question);
	memset(client, 0, sizeof *client);
	assert_int_equal(
	        weir_dns_lookup(sides[side].lookups, &asked, 0, answered, client, &client->lookup),
	        0);
}

static const char *cached(unsigned side, const char *question)
{
	static uint8_t reply[WEIR_DNS_MESSAGE_MAX];
	struct weir_dns_question asked = question_of(question);
	struct weir_dns_lookup_info found;
	size_t size =
	        weir_dns_lookup_cached(sides[side].lookups, &asked, 0, reply, sizeof reply, &found);
	return size ? lines_of(weir_span(reply, size)) : NULL;
}

static void turn(void)
{
	for (unsigned i = 0; i < 2 * LOOPS; i++)
		weir_loop_turn(sides[i % LOOPS].loop, 0);
}

static void pass(int64_t ms)
{
	clock_advance(ms);
	turn();
}

static unsigned asked(void)
{
	unsigned count = 0;
	for (unsigned i = 0; i < LOOPS; i++)
		count += sides[i].asker.count;
	return count;
}

static void end_side(unsigned side)
{
	weir_dns_lookups_destroy(sides[side].lookups);
	sides[side].lookups = NULL;
}

static int create_cache(size_t bytes)
{
	struct weir_dns_cache_options options;
	weir_dns_cache_options_init(&options);
	options.bytes = bytes;
	return weir_dns_cache_create(&options, &cache);
}

static int set_up(void **state)
{
	(void)state;
	memset(sides, 0, sizeof sides);
	clock_hold();
	if (create_cache(1 << 20) < 0)
		return -1;
	for (unsigned i = 0; i < LOOPS; i++) {
		struct weir_dns_lookups_options with;
		weir_dns_lookups_options_init(&with);
		with.cache = cache;
		with.asker = &test_asker;
		with.asker_context = &sides[i].asker;
		with.asks_max = 4;
		if (weir_loop_create(&sides[i].loop) < 0 ||
		        weir_dns_lookups_create(sides[i].loop, &with, &sides[i].lookups) < 0)
			return -1;
	}
	weir_dns_cache_release(cache);
	return 0;
}

static int tear_down(void **state)
{
	unsigned open = 0;
	(void)state;
	for (unsigned i = 0; i < LOOPS; i++)
		end_side(i);
	for (unsigned i = 0; i < LOOPS; i++) {
		weir_loop_destroy(sides[i].loop);
		open += sides[i].asker.open;
	}
	clock_go_on();
	return open ? -1 : 0;
}

#define ANSWER "an a.x. 100 A 192.0.2.1"
#define ANSWER_A REPLY("a.x. A", "", ANSWER)

/* -- step by step ------------------------------------------------------------------------------ */

static void what_one_loop_has_learnt_all_know(void **state)
{
	struct client client;
	(void)state;
	look(0, &client, "a.x. A");
	asker_answer(&sides[0].asker, 0, ANSWER_A);
	assert_string_equal(client.lines, ANSWER "\n");
	pass(40 * 1000);
	for (unsigned i = 0; i < LOOPS; i++)
		assert_string_equal(cached(i, "A.x. A"), "an A.x. 60 A 192.0.2.1\n");
	look(1, &client, "a.x. A");
	turn();
	assert_string_equal(client.lines, "an a.x. 60 A 192.0.2.1\n");
	assert_int_equal(asked(), 1);
}

static void loops_that_wait_for_one_question_ask_once(void **state)
{
	struct client clients[5];
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		look(i % LOOPS, &clients[i], i == 4 ? "A.X. A" : "a.x. A");
	assert_int_equal(asked(), 1);
	assert_int_equal(weir_dns_lookups_counters(sides[1].lookups)->joined, 2);
	assert_int_equal(weir_dns_lookups_counters(sides[1].lookups)->asks, 0);
	weir_dns_lookup_cancel(clients[2].lookup);
	asker_answer(&sides[0].asker, 0, ANSWER_A);
	turn();
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(clients[i].answers, i != 2);
	assert_string_equal(clients[1].lines, ANSWER "\n");
	assert_string_equal(clients[4].lines, "an A.X. 100 A 192.0.2.1\n");
	assert_int_equal(asked(), 1);
}

/* An answer that may not be remembered reaches those that waited for it, and nobody later. */
static void an_answer_without_a_ttl_goes_to_all_that_wait(void **state)
{
	struct client clients[LOOPS];
	(void)state;
	for (unsigned i = 0; i < LOOPS; i++)
		look(i, &clients[i], "a.x. A");
	asker_answer(&sides[0].asker, 0, REPLY("a.x. A", "", "an a.x. 0 A 192.0.2.1"));
	turn();
	for (unsigned i = 0; i < LOOPS; i++)
		assert_string_equal(clients[i].lines, "an a.x. 0 A 192.0.2.1\n");
	assert_null(cached(1, "a.x. A"));
}

static void a_failure_is_shared_and_so_is_what_is_stale(void **state)
{
	struct client clients[LOOPS];
	(void)state;
	look(2, &clients[0], "a.x. A");
	asker_answer(&sides[2].asker, 0, ANSWER_A);
	pass(101 * 1000);
	for (unsigned i = 0; i < LOOPS; i++)
		look(i, &clients[i], "a.x. A");
	asker_answer(&sides[0].asker, -ETIMEDOUT, WEIR_SPAN(""));
	turn();
	for (unsigned i = 0; i < LOOPS; i++) {
		assert_string_equal(clients[i].lines, "an a.x. 30 A 192.0.2.1\n");
		assert_int_equal(clients[i].found.extended_error, WEIR_DNS_EDE_STALE);
		/* For a while no loop asks. */
		assert_string_equal(cached(i, "a.x. A"), "an a.x. 30 A 192.0.2.1\n");
	}
	assert_int_equal(asked(), 2);
	for (unsigned i = 0; i < LOOPS; i++)
		look(i, &clients[i], "b.x. A");
	asker_answer(&sides[0].asker, -ETIMEDOUT, WEIR_SPAN(""));
	turn();
	for (unsigned i = 0; i < LOOPS; i++) {
		assert_int_equal(clients[i].found.rcode, WEIR_DNS_SERVFAIL);
		assert_string_equal(cached(i, "b.x. A"), "");
	}
}

static void a_stale_answer_is_given_in_each_loop_when_it_takes_long(void **state)
{
	struct client clients[LOOPS];
	(void)state;
	look(0, &clients[0], "a.x. A");
	asker_answer(&sides[0].asker, 0, ANSWER_A);
	pass(101 * 1000);
	for (unsigned i = 0; i < LOOPS; i++)
		look(i, &clients[i], "a.x. A");
	pass(WEIR_DNS_STALE_WAIT_MS + 200);
	for (unsigned i = 0; i < LOOPS; i++)
		assert_string_equal(clients[i].lines, "an a.x. 30 A 192.0.2.1\n");
	asker_answer(&sides[0].asker, 0, REPLY("a.x. A", "", "an a.x. 50 A 192.0.2.9"));
	turn();
	for (unsigned i = 0; i < LOOPS; i++) {
		assert_int_equal(clients[i].answers, 1);
		assert_string_equal(cached(i, "a.x. A"), "an a.x. 50 A 192.0.2.9\n");
	}
	assert_int_equal(asked(), 2);
}

static void one_loop_asks_again_before_it_expires(void **state)
{
	struct client client;
	(void)state;
	look(0, &client, "a.x. A");
	asker_answer(&sides[0].asker, 0, ANSWER_A);
	pass(92 * 1000);
	for (unsigned i = 0; i < 4 * LOOPS; i++)
		assert_non_null(cached(i % LOOPS, "a.x. A"));
	assert_int_equal(asked(), 2);
	for (unsigned i = 0; i < LOOPS; i++)
		asker_answer(&sides[i].asker, 0, ANSWER_A);
	turn();
	for (unsigned i = 0; i < LOOPS; i++)
		assert_string_equal(cached(i, "a.x. A"), ANSWER "\n");
}

/* -- ends -------------------------------------------------------------------------------------- */

static void a_loop_that_ends_hands_its_question_over(void **state)
{
	struct client clients[LOOPS];
	(void)state;
	for (unsigned i = 0; i < LOOPS; i++)
		look(i, &clients[i], "a.x. A");
	end_side(0);
	assert_int_equal(sides[0].asker.cancelled, 1);
	turn();
	assert_int_equal(sides[1].asker.open, 1);
	assert_int_equal(sides[2].asker.open, 0);
	asker_answer(&sides[1].asker, 0, ANSWER_A);
	turn();
	assert_int_equal(clients[0].answers, 0);
	for (unsigned i = 1; i < LOOPS; i++)
		assert_string_equal(clients[i].lines, ANSWER "\n");
}

/* The heir ends, too, before it could ask; the next one does. */
static void a_question_is_handed_over_twice(void **state)
{
	struct client clients[LOOPS], late;
	(void)state;
	for (unsigned i = 0; i < LOOPS; i++)
		look(i, &clients[i], "a.x. A");
	end_side(0);
	end_side(1);
	look(2, &late, "a.x. A");
	turn();
	assert_int_equal(asked(), 2);
	asker_answer(&sides[2].asker, 0, ANSWER_A);
	turn();
	assert_int_equal(clients[1].answers, 0);
	assert_string_equal(clients[2].lines, ANSWER "\n");
	assert_string_equal(late.lines, ANSWER "\n");
}

static void a_loop_that_waits_for_another_ends(void **state)
{
	struct client clients[LOOPS];
	(void)state;
	for (unsigned i = 0; i < LOOPS; i++)
		look(i, &clients[i], "a.x. A");
	end_side(1);
	asker_answer(&sides[0].asker, 0, ANSWER_A);
	/* The answer for this one is on its way. */
	end_side(2);
	turn();
	assert_int_equal(clients[0].answers, 1);
	assert_int_equal(clients[1].answers + clients[2].answers, 0);
}

static void all_loops_end(void **state)
{
	struct client clients[LOOPS];
	(void)state;
	for (unsigned i = 0; i < LOOPS; i++)
		look(i, &clients[i], "a.x. A");
	for (unsigned i = 0; i < LOOPS; i++)
		end_side(i);
	turn();
	for (unsigned i = 0; i < LOOPS; i++)
		assert_int_equal(clients[i].answers, 0);
}

/* The next one tries; where none can ask, all fail, and nothing of that is remembered. */
static void a_loop_that_cannot_ask_hands_over_or_fails(void **state)
{
	struct client clients[LOOPS];
	(void)state;
	for (unsigned i = 0; i < LOOPS; i++)
		look(i, &clients[i], "a.x. A");
	sides[1].asker.error = WEIR_E_LIMIT;
	end_side(0);
	turn();
	assert_int_equal(clients[1].found.rcode, WEIR_DNS_SERVFAIL);
	assert_int_equal(clients[1].answers, 1);
	assert_int_equal(sides[2].asker.open, 1);
	sides[2].asker.error = -ENETDOWN;
	look(1, &clients[1], "a.x. A");
	asker_answer(&sides[2].asker, 0, ANSWER_A);
	turn();
	assert_string_equal(clients[1].lines, ANSWER "\n");
	assert_string_equal(clients[2].lines, ANSWER "\n");
	sides[1].asker.error = 0;
	for (unsigned i = 1; i < LOOPS; i++)
		look(i, &clients[i], "b.x. A");
	end_side(1);
	turn();
	assert_int_equal(clients[2].answers, 1);
	assert_int_equal(clients[2].found.rcode, WEIR_DNS_SERVFAIL);
	assert_null(cached(2, "b.x. A"));
}

/* Without memory for a copy, what the cache has is given, or a failure. */
static void without_memory_for_a_copy_those_that_wait_are_answered(void **state)
{
	struct client clients[LOOPS];
	(void)state;
	for (unsigned i = 0; i < LOOPS; i++)
		look(i, &clients[i], "a.x. A");
	fail_allocation_after(1, true);
	asker_answer(&sides[0].asker, 0, ANSWER_A);
	assert_true(stop_failing_allocations());
	turn();
	for (unsigned i = 0; i < LOOPS; i++)
		assert_int_equal(clients[i].answers, 1);
	assert_string_equal(clients[2].lines, ANSWER "\n");
	for (unsigned i = 0; i < LOOPS; i++)
		look(i, &clients[i], "b.x. A");
	fail_allocation_after(0, true);
	asker_answer(&sides[0].asker, 0, REPLY("b.x. A", "", "an b.x. 9 A 192.0.2.1"));
	assert_true(stop_failing_allocations());
	turn();
	assert_string_equal(clients[0].lines, "an b.x. 9 A 192.0.2.1\n");
	assert_int_equal(clients[2].answers, 1);
	assert_int_equal(clients[2].found.rcode, WEIR_DNS_SERVFAIL);
}

/* -- threads ----------------------------------------------------------------------------------- */

enum {
	THREADS = 4,
	THREAD_NAMES = 40,
	ROUNDS = 400,
	ROUND_LOOKUPS = 24
};

/* An asker of one thread; what is asked is answered in a later turn. */
struct question {
	struct weir_list link;
	struct weir_timer timer;
	struct weir_task task;
	struct worker *worker;
	struct weir_dns_question question;
	weir_dns_answered_fn *answered;
	void *context;
};

struct waiter {
	struct worker *worker;
	struct weir_dns_lookup *lookup;
	unsigned name;
};

struct worker {
	pthread_t thread;
	struct weir_loop *loop;
	struct weir_dns_lookups *lookups;
	struct weir_list questions;
	struct waiter waiters[ROUND_LOOKUPS];
	unsigned waiting;
	unsigned number;
	uint64_t dice;
	bool random; /* short TTLs, failures, ends */
};

static atomic_uint name_asked[THREAD_NAMES];
static atomic_uint wrong;

static void expect(bool right)
{
	if (!right)
		atomic_fetch_add(&wrong, 1);
}

static uint32_t dice(struct worker *worker, uint32_t count)
{
	worker->dice ^= worker->dice << 13;
	worker->dice ^= worker->dice >> 7;
	worker->dice ^= worker->dice << 17;
	return (uint32_t)(worker->dice % count);
}

/* A name of one label, which is its number in two letters. */
static struct weir_dns_question numbered(unsigned name)
{
	struct weir_dns_question ret = {.type = WEIR_DNS_A, .rr_class = WEIR_DNS_IN};
	char text[] = {(char)('a' + name / 26), (char)('a' + name % 26), 0};
	weir_dns_name_parse(weir_span_of(text), &ret.name);
	return ret;
}

static unsigned number_of(const struct weir_dns_name *name)
{
	return (unsigned)(name->wire[1] - 'a') * 26 + (unsigned)(name->wire[2] - 'a');
}

/* The address is the name's number. */
static size_t put_reply(
        struct worker *worker, const struct weir_dns_question *question, uint8_t *to)
{
	struct weir_dns_writer writer;
	uint8_t wire[8];
	unsigned name = number_of(&question->name);
	char address[4] = {10, 0, 0, (char)name};
	size_t size = question->name.size;
	memcpy(wire, question->name.wire, size);
	memcpy(wire + size, "\0\1\0\1", 4);
	weir_dns_writer_init(&writer, to, 512);
	weir_dns_put_question(&writer, weir_span(wire, size + 4));
	weir_dns_put_record(&writer, WEIR_DNS_ANSWER, question->name.wire, WEIR_DNS_A, WEIR_DNS_IN,
	        worker->random ? dice(worker, 3) : 1000, weir_span(address, 4));
	return weir_dns_writer_finish(&writer, 0, WEIR_DNS_QR | WEIR_DNS_RD | WEIR_DNS_RA);
}

static void answer_question(struct question *question)
{
	struct worker *worker = question->worker;
	uint8_t reply[512];
	size_t size = put_reply(worker, &question->question, reply);
	weir_list_remove(&question->link);
	if (worker->random && dice(worker, 8) == 0)
		question->answered(question->context, -ETIMEDOUT, WEIR_SPAN(""));
	else
		question->answered(question->context, 0, weir_span(reply, size));
	free(question);
}

static void on_time(struct weir_timer *timer)
{
	answer_question(WEIR_CONTAINER(timer, struct question, timer));
}

static void on_task(struct weir_task *task)
{
	answer_question(WEIR_CONTAINER(task, struct question, task));
}

static int thread_ask(void *context, const struct weir_dns_question *asked_for, unsigned flags,
        weir_dns_answered_fn *callback, void *callback_context, void **ret)
{
	struct worker *worker = context;
	struct question *question = calloc(1, sizeof *question);
	(void)flags;
	question->worker = worker;
	question->question = *asked_for;
	question->answered = callback;
	question->context = callback_context;
	question->task.run = on_task;
	atomic_fetch_add(&name_asked[number_of(&asked_for->name)], 1);
	weir_list_append(&worker->questions, &question->link);
	if (dice(worker, 2))
		weir_timer_start(worker->loop, &question->timer, 1, on_time);
	else
		weir_loop_defer(worker->loop, &question->task);
	*ret = question;
	return 0;
}

static void thread_cancel(void *ask)
{
	struct question *question = ask;
	weir_timer_stop(&question->timer);
	weir_loop_cancel(question->worker->loop, &question->task);
	weir_list_remove(&question->link);
	free(question);
}

static const struct weir_dns_asker thread_asker = {thread_ask, thread_cancel};

/* An answer for this name, or a failure where there may be one. */
static void check_reply(const struct waiter *waiter, struct weir_span reply)
{
	struct weir_dns_header header;
	struct weir_dns_question question;
	struct weir_dns_record record;
	size_t at = WEIR_DNS_HEADER_SIZE;
	expect(weir_dns_header_read(reply, &header) &&
	        weir_dns_question_read(reply, &at, &question) == 0 &&
	        number_of(&question.name) == waiter->name);
	if ((header.flags & WEIR_DNS_RCODE_MASK) == WEIR_DNS_SERVFAIL) {
		expect(waiter->worker->random);
		return;
	}
	expect(header.counts[WEIR_DNS_ANSWER] == 1 &&
	        weir_dns_record_read(reply, &at, &record) == 0 && record.data.size == 4 &&
	        (uint8_t)record.data.data[3] == waiter->name && at == reply.size);
}

static void thread_answered(void *context, int error, struct weir_span reply)
{
	struct waiter *waiter = context;
	expect(error == 0);
	check_reply(waiter, reply);
	waiter->lookup = NULL;
	waiter->worker->waiting--;
}

static void create_lookups(struct worker *worker)
{
	struct weir_dns_lookups_options options;
	weir_dns_lookups_options_init(&options);
	options.cache = cache;
	options.asker = &thread_asker;
	options.asker_context = worker;
	expect(weir_dns_lookups_create(worker->loop, &options, &worker->lookups) == 0);
}

static void one_lookup(struct worker *worker, struct waiter *waiter)
{
	uint8_t reply[512];
	struct weir_dns_lookup_info found;
	*waiter = (struct waiter){.worker = worker, .name = dice(worker, THREAD_NAMES)};
	struct weir_dns_question question = numbered(waiter->name);
	size_t size =
	        weir_dns_lookup_cached(worker->lookups, &question, 0, reply, sizeof reply, &found);
	if (size) {
		check_reply(waiter, weir_span(reply, size));
		return;
	}
	worker->waiting++;
	expect(weir_dns_lookup(worker->lookups, &question, 0, thread_answered, waiter,
	               &waiter->lookup) == 0);
}

/* Some give up; in between the whole worker does. */
static void give_up(struct worker *worker)
{
	for (unsigned i = 0; i < ROUND_LOOKUPS; i++) {
		struct waiter *waiter = &worker->waiters[i];
		if (!waiter->lookup || dice(worker, 4))
			continue;
		weir_dns_lookup_cancel(waiter->lookup);
		waiter->lookup = NULL;
		worker->waiting--;
	}
	if (dice(worker, 4))
		return;
	weir_dns_lookups_destroy(worker->lookups);
	expect(weir_list_empty(&worker->questions));
	worker->waiting = 0;
	create_lookups(worker);
}

static void *run_worker(void *context)
{
	struct worker *worker = context;
	for (unsigned round = 0; round < (worker->random ? ROUNDS : 8); round++) {
		for (unsigned i = 0; i < ROUND_LOOKUPS; i++)
			one_lookup(worker, &worker->waiters[i]);
		if (worker->random && dice(worker, 2)) {
			weir_loop_turn(worker->loop, 0);
			give_up(worker);
		}
		while (worker->waiting)
			weir_loop_turn(worker->loop, 10);
	}
	weir_dns_lookups_destroy(worker->lookups);
	weir_loop_turn(worker->loop, 0);
	return NULL;
}

static void run_threads(bool random)
{
	static struct worker workers[THREADS];
	memset(workers, 0, sizeof workers);
	memset(name_asked, 0, sizeof name_asked);
	atomic_store(&wrong, 0);
	assert_int_equal(create_cache(random ? 1 : 1 << 20), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		struct worker *worker = &workers[i];
		worker->dice = 88172645463325252u + i;
		worker->random = random;
		weir_list_init(&worker->questions);
		assert_int_equal(weir_loop_create(&worker->loop), 0);
		create_lookups(worker);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(
		        pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned i = 0; i < THREADS; i++)
		weir_loop_destroy(workers[i].loop);
	weir_dns_cache_release(cache);
	assert_int_equal(atomic_load(&wrong), 0);
}

/* However the threads run: what can be remembered is asked once. */
static void threads_ask_each_question_once(void **state)
{
	unsigned names = 0;
	(void)state;
	run_threads(false);
	for (unsigned i = 0; i < THREAD_NAMES; i++) {
		names += name_asked[i];
		assert_true(name_asked[i] <= 1);
	}
	assert_true(names > 0);
}

/* Answers that expire at once, failures, lookups and workers that give up: each answer is right. */
static void threads_in_any_order(void **state)
{
	(void)state;
	run_threads(true);
}

/* -- the table alone --------------------------------------------------------------------------- */

enum {
	TABLE_STEPS = 40000,
	TABLE_RECORDS = 30
};

/* So many records, each with its number, that a few hundred names do not fit. */
static void table_put(struct worker *worker, unsigned name)
{
	static const struct dns_ttl_bounds bounds = {.max_s = 86400, .negative_max_s = 3600};
	struct weir_dns_question question = numbered(name);
	uint8_t message[2048], accepted_message[WEIR_DNS_MESSAGE_MAX];
	struct weir_dns_writer writer;
	struct dns_accepted accepted;
	struct dns_cache_key key;
	uint8_t wire[8];
	size_t size = question.name.size;
	memcpy(wire, question.name.wire, size);
	memcpy(wire + size, "\0\1\0\1", 4);
	weir_dns_writer_init(&writer, message, sizeof message);
	weir_dns_put_question(&writer, weir_span(wire, size + 4));
	for (unsigned i = 0; i < 1 + dice(worker, TABLE_RECORDS); i++) {
		char address[4] = {(char)i, 0, (char)(name / 100), (char)(name % 100)};
		weir_dns_put_record(&writer, WEIR_DNS_ANSWER, question.name.wire, WEIR_DNS_A,
		        WEIR_DNS_IN, 100, weir_span(address, 4));
	}
	size = weir_dns_writer_finish(&writer, 0, WEIR_DNS_QR);
	expect(dns_accept(weir_span(message, size), &question, 0, &bounds, accepted_message,
	               &accepted) == 0);
	dns_cache_key(cache, &question, 0, &key);
	dns_cache_put(cache, &key, &accepted, 0);
}

static bool table_get(struct dns_cache_reader *reader, unsigned name)
{
	struct weir_dns_question question = numbered(name), read;
	struct dns_cache_key key;
	struct weir_dns_lookup_info found;
	struct weir_dns_header header;
	struct weir_dns_record record;
	uint8_t reply[2048];
	size_t size = 0, at = WEIR_DNS_HEADER_SIZE;
	dns_cache_key(cache, &question, 0, &key);
	dns_cache_read_begin(reader);
	const struct dns_cache_entry *entry = dns_cache_find(cache, &key, 1);
	if (entry)
		size = dns_entry_write(entry, &question, 1, reply, sizeof reply, &found);
	dns_cache_read_end(reader);
	if (!entry)
		return false;
	const struct weir_span message = weir_span(reply, size);
	expect(weir_dns_header_read(message, &header) &&
	        weir_dns_question_read(message, &at, &read) == 0);
	for (unsigned i = 0; i < header.counts[WEIR_DNS_ANSWER]; i++)
		expect(weir_dns_record_read(message, &at, &record) == 0 && record.ttl == 99 &&
		        record.data.data[0] == (char)i &&
		        record.data.data[2] == (char)(name / 100) &&
		        record.data.data[3] == (char)(name % 100));
	expect(at == size);
	return true;
}

static void *run_table(void *context)
{
	struct worker *worker = context;
	struct dns_cache_reader reader = {0};
	unsigned found = 0;
	dns_cache_add_reader(cache, &reader);
	for (unsigned i = 0; i < TABLE_STEPS; i++) {
		unsigned name = dice(worker, 1 + dice(worker, 600));
		if (dice(worker, 4) == 0)
			table_put(worker, name);
		else
			found += table_get(&reader, name);
	}
	dns_cache_remove_reader(cache, &reader);
	expect(found > TABLE_STEPS / 100);
	return NULL;
}

static void threads_read_what_others_replace_and_evict(void **state)
{
	static struct worker workers[THREADS];
	struct weir_dns_cache_counters counters;
	(void)state;
	atomic_store(&wrong, 0);
	assert_int_equal(create_cache(1), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].dice = 88172645463325252u + i;
		assert_int_equal(
		        pthread_create(&workers[i].thread, NULL, run_table, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	weir_dns_cache_counters(cache, &counters);
	assert_true(counters.evicted > 1000);
	assert_true(counters.bytes <= WEIR_DNS_CACHE_MIN);
	weir_dns_cache_release(cache);
	assert_int_equal(atomic_load(&wrong), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(what_one_loop_has_learnt_all_know),
	        TEST(loops_that_wait_for_one_question_ask_once),
	        TEST(an_answer_without_a_ttl_goes_to_all_that_wait),
	        TEST(a_failure_is_shared_and_so_is_what_is_stale),
	        TEST(a_stale_answer_is_given_in_each_loop_when_it_takes_long),
	        TEST(one_loop_asks_again_before_it_expires),
	        TEST(a_loop_that_ends_hands_its_question_over),
	        TEST(a_question_is_handed_over_twice),
	        TEST(a_loop_that_waits_for_another_ends),
	        TEST(all_loops_end),
	        TEST(a_loop_that_cannot_ask_hands_over_or_fails),
	        TEST(without_memory_for_a_copy_those_that_wait_are_answered),
	        cmocka_unit_test(threads_ask_each_question_once),
	        cmocka_unit_test(threads_in_any_order),
	        cmocka_unit_test(threads_read_what_others_replace_and_evict),
	};
	return cmocka_run_group_tests_name("resolver/lookup_share", tests, NULL, NULL);
}
