/*
 * The queue in a database when things go wrong: a connection that is cut at any byte, memory that
 * fails, and front ends that compete. A plain model has the last word.
 */
#include "front.h"

#include <pthread.h>
#include <stdatomic.h>

#include "allocation.h"
#include "helper.h"
#include "sanitized.h"
#include "severed.h"

static void empty_tables(void)
{
	migrated_run("TRUNCATE weir_queue, weir_queue_message, weir_queue_recipient,"
	             " weir_body_chunk, weir_body_sweep");
}

static const char *rows(void)
{
	return migrated_run("SELECT (SELECT count(*) FROM weir_queue), (SELECT count(*) FROM"
	                    " weir_queue_message), (SELECT count(*) FROM weir_queue_recipient)");
}

static void open_front(struct front *front, const char *url)
{
	struct weir_database_queue_options options;
	weir_database_queue_options_init(&options);
	front_open(front, migrated_open(url), &options);
}

/* -- a connection that is cut ------------------------------------------------------------------ */

enum cut_step {
	CUT_PUT,
	CUT_PUT_LARGE,
	CUT_HELD,
	CUT_CLAIM,
	CUT_REQUEUE,
	CUT_REMOVE,
	CUT_COMMAND,
	CUT_STEPS
};

static int cut_hold(struct front *front)
{
	struct weir_mail_sink *sink = weir_mail_queue_sink(front->queue);
	struct front_put put;
	assert_int_equal(front_begin(front, &put, "held", 1), 0);
	sink->type->hold(put.delivery);
	front_commit(front, &put);
	FRONT_TURN(front, put.done);
	if (put.error == 0)
		sink->type->release(put.delivery);
	return put.error;
}

/* Waits until the database has `count` messages that can be claimed. */
static void cut_await_free(struct front *front, const char *count)
{
	const char *free_now = "";
	for (int i = 0; i < 5000 && strcmp(free_now, count) != 0; i++) {
		for (int turn = 0; turn < 5; turn++)
			weir_loop_turn(front->loop, 1);
		if (!migrated_awaits_server(front->database, front->loop))
			clock_advance(500);
		free_now = migrated_run(
		        "SELECT count(*) FROM weir_queue WHERE lease IS NULL AND due <= now()");
	}
	assert_string_equal(free_now, count);
}

/* A message that was acknowledged is there once, and is whole; another one, once at most. */
static void cut_once(enum cut_step step, long bytes, bool answers, bool *ret_cut)
{
	struct front front;
	struct weir_queued *queued = NULL;
	int error = 0;
	empty_tables();
	open_front(&front, severed.url);
	if (step >= CUT_CLAIM)
		assert_int_equal(front_put(&front, "al", 2, 70000), 0);
	if (step >= CUT_REQUEUE)
		queued = front_must_claim(&front);
	if (step < CUT_CLAIM) /* there is a connection */
		assert_null(front_claim(&front, &error));
	severed_break_after(answers ? SEVERED_DOWN : SEVERED_UP, bytes);
	error = 0;
	switch (step) {
	case CUT_PUT:
		error = front_put(&front, "al", 3, 100);
		break;
	case CUT_PUT_LARGE:
		error = front_put(&front, "al", 2, 200000);
		break;
	case CUT_HELD:
		error = cut_hold(&front);
		break;
	case CUT_CLAIM:
		queued = front_claim(&front, &error);
		break;
	case CUT_REQUEUE:
		error = front_requeue(&front, queued, WEIR_QUEUED_WAITING, 0);
		break;
	case CUT_REMOVE:
		error = front_requeue(&front, queued, WEIR_QUEUED_DONE, 0);
		break;
	default:
		error = front_ask(&front, WEIR_QUEUE_RETRY_ALL, NULL);
		break;
	}
	*ret_cut = severed_calm(front.database, front.loop);
	if (step == CUT_CLAIM && queued)
		assert_int_equal(front_requeue(&front, queued, WEIR_QUEUED_WAITING, 0), 0);
	if (step == CUT_COMMAND)
		assert_int_equal(front_requeue(&front, queued, WEIR_QUEUED_WAITING, 0), 0);
	bool there = step == CUT_REMOVE ? false : step > CUT_HELD || error == 0;
	if (step == CUT_REMOVE)
		assert_string_equal(rows(), "0|0|0");
	else if (there)
		cut_await_free(&front, "1");
	if (there) {
		queued = front_must_claim(&front);
		assert_int_equal(front_requeue(&front, queued, WEIR_QUEUED_DONE, 0), 0);
	}
	if (there)
		assert_string_equal(rows(), "0|0|0");
	front_close(&front);
}

static void a_connection_is_cut_anywhere(void **state)
{
	(void)state;
	front_skips_pauses = true;
	for (int answers = 0; answers < 2; answers++)
		for (int step = 0; step < CUT_STEPS; step++) {
			bool cut = true;
			/* All of what is short, and some of what is long. */
			for (long bytes = 0; cut; bytes += 29 + bytes)
				cut_once((enum cut_step)step, bytes, answers, &cut);
		}
	front_skips_pauses = false;
}

/* -- memory ------------------------------------------------------------------------------------ */

static void memory_may_fail_anywhere(void **state)
{
	struct front front;
	bool failed = true;
	(void)state;
	empty_tables();
	open_front(&front, NULL);
	size_t acknowledged = 0;
	for (unsigned good = 0; failed; good++) {
		fail_allocation_after(good, false);
		int error = front_put(&front, "al", 3, 100000);
		failed = stop_failing_allocations();
		assert_true(failed || error == 0);
		acknowledged += error == 0;
	}
	struct front_list list;
	front_look(&front, &list);
	assert_int_equal(list.count, acknowledged);
	failed = true;
	for (unsigned good = 0; failed; good++) {
		int error;
		migrated_run("UPDATE weir_queue SET due = now()");
		fail_allocation_after(good, false);
		struct weir_queued *queued = front_claim(&front, &error);
		if (queued)
			error = front_requeue(&front, queued, WEIR_QUEUED_WAITING, 0);
		failed = stop_failing_allocations();
		assert_true(failed || error == 0);
		/* A message that could not be loaded, or stored, is free again. */
		for (int i = 0; i < 30; i++)
			weir_loop_turn(front.loop, 1);
		FRONT_TURN(&front, !migrated_awaits_server(front.database, front.loop));
		clock_advance(6000);
	}
	char wanted[16];
	snprintf(wanted, sizeof wanted, "%zu", acknowledged);
	migrated_run("UPDATE weir_queue SET due = now()");
	cut_await_free(&front, wanted);
	failed = true;
	for (unsigned good = 0; failed; good++) {
		fail_allocation_after(good, false);
		int error = front_ask(&front, WEIR_QUEUE_RETRY_ALL, NULL);
		failed = stop_failing_allocations();
		assert_true(failed || error == 0);
	}
	front_close(&front);
}

/* -- many front ends --------------------------------------------------------------------------- */

enum {
	COMPETE_FRONTS = 4,
	COMPETE_MESSAGES = 300
};

struct competitor {
	pthread_t thread;
	unsigned claimed;
};

static atomic_uint compete_left, compete_doubled;
static atomic_uint compete_claimed[COMPETE_MESSAGES];

static void *compete(void *context)
{
	struct competitor *own = context;
	struct front front;
	open_front(&front, NULL);
	while (atomic_load(&compete_left)) {
		int error;
		struct weir_queued *queued = front_claim(&front, &error);
		if (!queued) {
			weir_loop_turn(front.loop, 1);
			continue;
		}
		char sender[16];
		text_copy_span(sender, sizeof sender, queued->envelope.sender);
		/* Twice for each message: it is requeued once, with its number of tries. */
		unsigned tries = queued->tries++;
		if (atomic_fetch_add(&compete_claimed[atoi(sender)], 1) != tries)
			atomic_fetch_add(&compete_doubled, 1);
		own->claimed++;
		atomic_fetch_sub(&compete_left, 1);
		if (front_requeue(
		            &front, queued, tries ? WEIR_QUEUED_DONE : WEIR_QUEUED_WAITING, 0) < 0)
			atomic_fetch_add(&compete_doubled, 1);
	}
	front_close(&front);
	return NULL;
}

static void no_message_is_claimed_twice(void **state)
{
	struct competitor competitors[COMPETE_FRONTS] = {0};
	struct front front;
	(void)state;
	empty_tables();
	open_front(&front, NULL);
	for (int i = 0; i < COMPETE_MESSAGES; i++) {
		char sender[16];
		snprintf(sender, sizeof sender, "%d", i);
		assert_int_equal(front_put(&front, sender, 1, 50), 0);
	}
	front_close(&front);
	atomic_store(&compete_left, 2 * COMPETE_MESSAGES);
	for (int i = 0; i < COMPETE_FRONTS; i++)
		assert_int_equal(
		        pthread_create(&competitors[i].thread, NULL, compete, &competitors[i]), 0);
	for (int i = 0; i < COMPETE_FRONTS; i++) {
		pthread_join(competitors[i].thread, NULL);
		assert_true(competitors[i].claimed);
	}
	assert_int_equal(compete_doubled, 0);
	assert_string_equal(rows(), "0|0|0");
}

/* -- a model ----------------------------------------------------------------------------------- */

enum {
	MODEL_MESSAGES = 32,
	MODEL_STEPS = THREAD_SANITIZED ? 300 : 1500
};

struct model {
	char id[WEIR_QUEUE_ID_SIZE]; /* "" until it is known */
	char sender[16];
	bool there;
	bool due;
	bool deleted;
	bool lingers; /* deleted while it was claimed: its row is there until a look removes it */
	unsigned tries;
	int owner;  /* the front end that has claimed it; -1: none */
	bool stale; /* its lease has ended */
	struct weir_queued *queued;
};

static struct model models[MODEL_MESSAGES];
static struct front fronts[2];
static uint64_t model_seed;

static unsigned model_random(unsigned below)
{
	model_seed = model_seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(model_seed >> 33) % below;
}

static struct model *model_of(const struct weir_queued *queued)
{
	for (int i = 0; i < MODEL_MESSAGES; i++)
		if (models[i].there &&
		        weir_span_equal(queued->envelope.sender, weir_span_of(models[i].sender)))
			return &models[i];
	return NULL;
}

static void model_put(int front)
{
	static unsigned number;
	struct model *model = &models[model_random(MODEL_MESSAGES)];
	if (model->there || model->queued)
		return;
	*model = (struct model){.there = true, .due = true, .owner = -1};
	snprintf(model->sender, sizeof model->sender, "%u", number++);
	assert_int_equal(front_put(&fronts[front], model->sender, 1 + model_random(3), 20), 0);
}

static bool model_claimable(const struct model *model)
{
	return model->there && model->due && model->owner < 0 && !model->deleted;
}

static void model_claim(int front)
{
	int error;
	struct weir_queued *queued = NULL;
	/* A message that is deleted, or a look that begins late, is not the end. */
	for (int i = 0; i < MODEL_MESSAGES && !queued; i++)
		queued = front_claim(&fronts[front], &error);
	if (!queued) {
		for (int i = 0; i < MODEL_MESSAGES; i++)
			assert_false(model_claimable(&models[i]));
		return;
	}
	struct model *model = model_of(queued);
	assert_non_null(model);
	assert_true(model_claimable(model) && !model->queued);
	assert_int_equal(queued->tries, model->tries);
	text_copy(model->id, sizeof model->id, queued->id);
	model->owner = front;
	model->queued = queued;
}

static void model_requeue(int front)
{
	struct model *model = &models[model_random(MODEL_MESSAGES)];
	if (!model->queued || model->owner != front)
		return;
	bool done = model_random(2), later = model_random(2);
	model->queued->tries++;
	int error = front_requeue(&fronts[front], model->queued,
	        done ? WEIR_QUEUED_DONE : WEIR_QUEUED_WAITING, later ? 1000 : 0);
	assert_int_equal(error, 0);
	model->queued = NULL;
	model->owner = -1;
	model->tries++;
	model->due = !later;
	model->there = !done && !model->deleted;
	model->lingers = !done && model->deleted;
	model->deleted = false;
}

static void model_command(int front)
{
	struct model *model = &models[model_random(MODEL_MESSAGES)];
	bool removes = model_random(4) == 0;
	/* A retry of a claimed message counts when it is requeued: see queue.c. */
	if (!model->id[0] || (model->queued && !removes))
		return;
	int error = front_ask(
	        &fronts[front], removes ? WEIR_QUEUE_DELETE : WEIR_QUEUE_RETRY, model->id);
	if (!model->there && model->lingers)
		assert_true(error == 0 || error == -ENOENT);
	else
		assert_int_equal(error, model->there ? 0 : -ENOENT);
	if (!model->there)
		return;
	model->due |= !removes;
	model->deleted |= removes && model->queued;
	model->there &= !removes || model->queued;
}

static void model_compare(int front)
{
	struct front_list list;
	size_t count = 0;
	front_look(&fronts[front], &list);
	for (int i = 0; i < MODEL_MESSAGES; i++)
		count += models[i].there && !models[i].deleted;
	assert_int_equal(list.count, count);
}

static void two_front_ends_and_a_model(void **state)
{
	static void (*const steps[])(int front) = {
	        model_put, model_claim, model_requeue, model_requeue, model_command, model_compare};
	(void)state;
	model_seed = 1;
	empty_tables();
	open_front(&fronts[0], NULL);
	open_front(&fronts[1], NULL);
	for (int i = 0; i < MODEL_STEPS; i++)
		steps[model_random(6)]((int)model_random(2));
	for (int i = 0; i < MODEL_MESSAGES; i++)
		if (models[i].queued)
			assert_int_equal(front_requeue(&fronts[models[i].owner], models[i].queued,
			                         WEIR_QUEUED_DONE, 0),
			        0);
	front_close(&fronts[0]);
	front_close(&fronts[1]);
}

/* -- the server -------------------------------------------------------------------------------- */

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(no_message_is_claimed_twice),
	        cmocka_unit_test(two_front_ends_and_a_model),
	        cmocka_unit_test(memory_may_fail_anywhere),
	        cmocka_unit_test(a_connection_is_cut_anywhere),
	};
	return cmocka_run_group_tests(tests, severed_setup, severed_teardown);
}
