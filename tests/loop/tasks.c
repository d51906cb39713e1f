/* Tasks, descriptors, signals and work of one loop, on its own thread. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/loop.h>

#include "allocation.h"
#include "loop_state.h"

static struct weir_loop *loop;

static int set_up(void **state)
{
	(void)state;
	return weir_loop_create(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

/* -- IDs for logs ------------------------------------------------------------------------------ */

static void test_ids_for_logs(void **state)
{
	(void)state;
	uint32_t one = loop_next_number(loop), other = loop_next_number(loop);
	assert_true(one && other && one != other);
	assert_true(loop_log_id(loop, one) == loop_log_id(loop, one));
	assert_true(loop_log_id(loop, one) >> 32 == loop_log_id(loop, other) >> 32);
	assert_int_equal((uint32_t)loop_log_id(loop, one), one);
	/* Another number than 0 follows the last one. */
	loop->ids = UINT32_MAX;
	assert_int_equal(loop_next_number(loop), 1);
}

/* -- tasks ------------------------------------------------------------------------------------- */

struct noted {
	struct weir_task task;
	char letter;
	struct noted *defers;
	struct noted *posts;
	struct noted *cancels;
	bool turns;
};

static char text[64];
static size_t text_size;

static void note(struct weir_task *task)
{
	struct noted *noted = WEIR_CONTAINER(task, struct noted, task);
	text[text_size++] = noted->letter;
	text[text_size] = 0;
	if (noted->defers)
		weir_loop_defer(loop, &noted->defers->task);
	if (noted->posts)
		weir_loop_post(loop, &noted->posts->task);
	if (noted->cancels)
		weir_loop_cancel(loop, &noted->cancels->task);
	if (noted->turns)
		weir_loop_turn(loop, 0);
	text[text_size++] = '.';
	text[text_size] = 0;
}

static void name_all(struct noted *all, size_t count)
{
	text_size = 0;
	text[0] = 0;
	for (size_t i = 0; i < count; i++)
		all[i] = (struct noted){.letter = (char)('a' + i), .task.run = note};
}

static void tasks_keep_their_order(void **state)
{
	(void)state;
	struct noted all[6];
	name_all(all, 6);
	weir_loop_defer(loop, &all[3].task);
	weir_loop_defer(loop, &all[4].task);
	weir_loop_defer(loop, &all[3].task); /* stays where it is */
	for (int i = 0; i < 3; i++)
		weir_loop_post(loop, &all[i].task);
	all[3].defers = &all[5];
	weir_loop_turn(loop, 0);
	assert_string_equal(text, "a.b.c.d.e.");
	weir_loop_turn(loop, -1); /* does not wait: there is one */
	assert_string_equal(text, "a.b.c.d.e.f.");
}

static void a_task_may_cancel_any(void **state)
{
	(void)state;
	struct noted all[5];
	name_all(all, 5);
	for (int i = 0; i < 5; i++)
		weir_loop_defer(loop, &all[i].task);
	all[0].cancels = &all[1]; /* the next */
	all[2].cancels = &all[4]; /* the last */
	all[3].cancels = &all[3]; /* itself, which runs */
	weir_loop_turn(loop, 0);
	assert_string_equal(text, "a.c.d.");
	weir_loop_defer(loop, &all[1].task);
	weir_loop_turn(loop, 0);
	assert_string_equal(text, "a.c.d.b.");
}

/* Tasks behind one that turns the loop run within that turn, and only once. */
static void a_task_may_turn_the_loop(void **state)
{
	(void)state;
	struct noted all[6];
	name_all(all, 6);
	weir_loop_defer(loop, &all[0].task);
	weir_loop_defer(loop, &all[1].task);
	all[0].turns = true;
	all[1].defers = &all[2];
	weir_loop_turn(loop, 0);
	weir_loop_turn(loop, 0);
	assert_string_equal(text, "ab..c.");

	name_all(all, 6);
	weir_loop_post(loop, &all[0].task);
	weir_loop_post(loop, &all[1].task);
	all[0].turns = true;
	all[1].posts = &all[2];
	weir_loop_turn(loop, 0);
	weir_loop_turn(loop, 0);
	assert_string_equal(text, "ab..c.");
}

static void destroy_runs_what_was_posted(void **state)
{
	(void)state;
	struct noted all[3];
	name_all(all, 3);
	weir_loop_post(loop, &all[0].task);
	weir_loop_defer(loop, &all[1].task);
	all[0].posts = &all[2];
	weir_loop_destroy(loop);
	assert_non_null(strchr(text, 'a'));
	assert_non_null(strchr(text, 'b'));
	assert_non_null(strchr(text, 'c'));
	assert_int_equal(weir_loop_create(&loop), 0);
}

/* -- descriptors ------------------------------------------------------------------------------- */

struct end {
	struct weir_watch watch;
	unsigned events;
	unsigned count;
	struct end *closes;
};

static int opened = -1;

static void on_event(struct weir_watch *watch, unsigned events)
{
	struct end *end = WEIR_CONTAINER(watch, struct end, watch);
	end->events = events;
	end->count++;
	if (!end->closes || end->closes->watch.fd < 0)
		return;
	int old = end->closes->watch.fd;
	weir_watch_close(loop, &end->closes->watch);
	memset(end->closes, 0xdd, sizeof *end->closes); /* it may be freed at once */
	end->closes = NULL;
	opened = dup(STDERR_FILENO);
	assert_int_not_equal(opened, old);
}

static void pair(struct end *end, int *ret_peer, unsigned events)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	*end = (struct end){0};
	assert_int_equal(weir_watch_start(loop, &end->watch, fds[0], events, on_event), 0);
	*ret_peer = fds[1];
}

/* Both are ready; whichever comes first closes the other. */
static void a_closed_watch_hears_nothing(void **state)
{
	(void)state;
	struct end ends[2];
	int peers[2];
	for (int i = 0; i < 2; i++)
		pair(&ends[i], &peers[i], WEIR_READABLE);
	int numbers[2] = {ends[0].watch.fd, ends[1].watch.fd};
	ends[0].closes = &ends[1];
	ends[1].closes = &ends[0];
	for (int i = 0; i < 2; i++)
		assert_int_equal(write(peers[i], "x", 1), 1);
	weir_loop_turn(loop, 0);
	assert_true(opened >= 0);
	close(opened);
	int left = ends[0].watch.fd == numbers[0] ? 0 : 1;
	assert_int_equal(ends[left].count, 1);
	assert_int_equal(fcntl(numbers[!left], F_GETFD), -1);
	assert_int_equal(loop_watch_find(loop, numbers[!left], 1), NULL);
	weir_watch_close(loop, &ends[left].watch);
	close(peers[0]);
	close(peers[1]);
}

static void a_released_descriptor_may_be_watched_anew(void **state)
{
	(void)state;
	struct end end, again = {0};
	int peer;
	pair(&end, &peer, WEIR_READABLE);
	uint32_t old = end.watch.generation;
	assert_int_equal(write(peer, "x", 1), 1);
	int fd = weir_watch_cancel(loop, &end.watch);
	assert_int_equal(weir_watch_start(loop, &again.watch, fd, 0, on_event), 0);
	assert_null(loop_watch_find(loop, fd, old));
	weir_loop_turn(loop, 0);
	assert_int_equal(end.count + again.count, 0);
	assert_int_equal(weir_watch_change(loop, &again.watch, WEIR_READABLE | WEIR_WRITABLE), 0);
	weir_loop_turn(loop, 0);
	assert_int_equal(again.count, 1);
	assert_int_equal(again.events, WEIR_READABLE | WEIR_WRITABLE);
	weir_watch_change(loop, &again.watch, 0);
	weir_loop_turn(loop, 0);
	assert_int_equal(again.count, 1);
	close(peer); /* reported although no event is watched */
	weir_loop_turn(loop, 0);
	assert_int_equal(again.count, 2);
	assert_true(again.events & WEIR_BROKEN);
	weir_watch_close(loop, &again.watch);
}

static void a_bad_descriptor_is_an_error(void **state)
{
	(void)state;
	struct end end = {0};
	int peer, fd = dup(STDERR_FILENO);
	close(fd);
	assert_int_equal(weir_watch_start(loop, &end.watch, fd, 0, on_event), -EBADF);
	pair(&end, &peer, 0);
	struct end twice = {0};
	assert_int_equal(weir_watch_start(loop, &twice.watch, end.watch.fd, 0, on_event), -EEXIST);
	weir_watch_close(loop, &end.watch);
	close(peer);
}

/* -- signals ----------------------------------------------------------------------------------- */

static int heard[8], heard_count;

static void on_signal(struct weir_signals *signals, int number)
{
	heard[heard_count++] = number;
	if (number == SIGUSR2)
		weir_signals_stop(signals);
}

static void signals_come_as_events(void **state)
{
	(void)state;
	struct weir_signals signals = {0};
	const int list[] = {SIGUSR1, SIGUSR2, 0};
	heard_count = 0;
	assert_int_equal(weir_signals_start(loop, &signals, list, on_signal), 0);
	raise(SIGUSR1);
	weir_loop_turn(loop, 1000);
	raise(SIGUSR1);
	raise(SIGUSR2);
	for (int i = 0; i < 4; i++)
		weir_loop_turn(loop, 0);
	assert_int_equal(heard_count, 3);
	assert_int_equal(heard[2], SIGUSR2);
	weir_loop_turn(loop, 0);
}

/* -- work -------------------------------------------------------------------------------------- */

struct job {
	struct weir_work work;
	atomic_bool ran;
	bool done;
	struct job *next;
};

static atomic_bool gate;
static unsigned done_count;

static void run_job(struct weir_work *work)
{
	while (!atomic_load(&gate))
		usleep(100);
	atomic_store(&WEIR_CONTAINER(work, struct job, work)->ran, true);
}

static void run_free(struct weir_work *work)
{
	atomic_store(&WEIR_CONTAINER(work, struct job, work)->ran, true);
}

static void done_job(struct weir_work *work)
{
	struct job *job = WEIR_CONTAINER(work, struct job, work);
	assert_true(atomic_load(&job->ran) && !job->done);
	job->done = true;
	done_count++;
	if (job->next)
		assert_int_equal(weir_work_submit(loop, &job->next->work, run_job, done_job), 0);
}

static void work_is_bounded_and_each_is_done_once(void **state)
{
	(void)state;
	enum {
		MANY = WEIR_WORK_QUEUE_MAX + WEIR_WORK_THREADS + 10
	};
	struct job *jobs = calloc(MANY, sizeof *jobs);
	unsigned accepted = 0;
	int error = 0;
	done_count = 0;
	atomic_store(&gate, false);
	for (; accepted < MANY; accepted++) {
		error = weir_work_submit(loop, &jobs[accepted].work, run_job, done_job);
		if (error < 0)
			break;
	}
	assert_int_equal(error, WEIR_E_LIMIT);
	assert_in_range(accepted, WEIR_WORK_QUEUE_MAX, WEIR_WORK_QUEUE_MAX + WEIR_WORK_THREADS);
	weir_loop_turn(loop, 0);
	assert_int_equal(done_count, 0);
	atomic_store(&gate, true);
	for (int i = 0; i < 100000 && done_count < accepted; i++)
		weir_loop_turn(loop, 100);
	assert_int_equal(done_count, accepted);
	free(jobs);
}

static void work_of_one_kind_does_not_wait_for_another(void **state)
{
	(void)state;
	struct job blocked[2 * WEIR_WORK_THREADS] = {0};
	struct job free_jobs[WEIR_LANES] = {0};
	done_count = 0;
	atomic_store(&gate, false);
	for (int i = 0; i < 2 * WEIR_WORK_THREADS; i++)
		assert_int_equal(weir_work_submit_to(loop, WEIR_LANE_WRITE, &blocked[i].work,
		                         run_job, done_job),
		        0);
	for (unsigned lane = 0; lane < WEIR_LANES; lane++)
		if (lane != WEIR_LANE_WRITE)
			assert_int_equal(weir_work_submit_to(loop, lane, &free_jobs[lane].work,
			                         run_free, done_job),
			        0);
	for (int i = 0; i < 10000 && done_count < WEIR_LANES - 1; i++)
		weir_loop_turn(loop, 10);
	assert_int_equal(done_count, WEIR_LANES - 1);
	atomic_store(&gate, true);
	while (done_count < WEIR_LANES - 1 + 2 * WEIR_WORK_THREADS)
		weir_loop_turn(loop, 10);
}

/* The objects of layers are there as long as anything may come back that uses them. */
static struct job in_flight[3];
static unsigned done_before_object;

static void destroy_object(void *object)
{
	(void)object;
	done_before_object = done_count;
}

static const struct loop_object_type object_type = {"test", destroy_object};

static void destroy_waits_for_the_work(void **state)
{
	(void)state;
	memset(in_flight, 0, sizeof in_flight);
	done_count = done_before_object = 0;
	atomic_store(&gate, true);
	in_flight[1].next = &in_flight[2];
	loop_set_object(loop, &object_type, &in_flight);
	for (int i = 0; i < 2; i++)
		assert_int_equal(weir_work_submit(loop, &in_flight[i].work, run_job, done_job), 0);
	weir_loop_destroy(loop);
	assert_int_equal(done_count, 3);
	assert_int_equal(done_before_object, 3);
	assert_int_equal(weir_loop_create(&loop), 0);
}

/* -- a loop of another library ----------------------------------------------------------------- */

/* One iteration of a foreign loop; it waits 5 s at most, so that a fault does not hang the test. */
static void host_once(void)
{
	struct pollfd poll_fd = {.fd = weir_loop_fd(loop), .events = POLLIN};
	int wait_ms = weir_loop_wait_ms(loop);
	assert_true(poll(&poll_fd, 1, wait_ms < 0 ? 5000 : wait_ms) >= 0);
	assert_int_equal(weir_loop_turn(loop, 0), 0);
}

static unsigned hosted_timers;

static void on_hosted_time(struct weir_timer *timer)
{
	(void)timer;
	hosted_timers++;
}

static void another_loop_can_host_this_one(void **state)
{
	struct noted posted = {.letter = 'p'}, deferred = {.letter = 'd'};
	struct weir_timer timer = {0};
	struct end end = {0};
	int fds[2];
	(void)state;
	text_size = hosted_timers = 0;
	posted.task.run = deferred.task.run = note;
	assert_int_equal(weir_loop_wait_ms(loop), -1);
	weir_loop_post(loop, &posted.task);
	host_once();
	assert_string_equal(text, "p.");
	weir_loop_defer(loop, &deferred.task);
	assert_int_equal(weir_loop_wait_ms(loop), 0);
	host_once();
	assert_string_equal(text, "p.d.");
	weir_timer_start(loop, &timer, 100, on_hosted_time);
	assert_in_range(weir_loop_wait_ms(loop), 1, 100 + 2 * WEIR_TIMER_TICK_MS);
	for (int i = 0; i < 100 && !hosted_timers; i++)
		host_once();
	assert_int_equal(hosted_timers, 1);
	assert_int_equal(weir_loop_wait_ms(loop), -1);
	/* A descriptor that is closed outside of a turn waits for the next one. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(weir_watch_start(loop, &end.watch, fds[0], 0, on_event), 0);
	weir_watch_close(loop, &end.watch);
	assert_int_equal(weir_loop_wait_ms(loop), 0);
	host_once();
	assert_int_equal(weir_loop_wait_ms(loop), -1);
	close(fds[1]);
}

/* -- no memory --------------------------------------------------------------------------------- */

static void without_memory_there_is_an_error(void **state)
{
	(void)state;
	for (unsigned good = 0;; good++) {
		struct weir_loop *other = NULL;
		fail_allocation_after(good, false);
		int error = weir_loop_create(&other);
		bool failed = stop_failing_allocations();
		assert_int_equal(error, failed ? -ENOMEM : 0);
		if (!failed) {
			weir_loop_destroy(other);
			break;
		}
	}
	/* A descriptor beyond the table. */
	struct end end = {0};
	int fd = fcntl(STDERR_FILENO, F_DUPFD, 500), fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	dup2(fds[0], fd);
	fail_allocation_after(0, false);
	assert_int_equal(weir_watch_start(loop, &end.watch, fd, 0, on_event), -ENOMEM);
	stop_failing_allocations();
	assert_int_equal(weir_watch_start(loop, &end.watch, fd, 0, on_event), 0);
	weir_watch_close(loop, &end.watch);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_ids_for_logs, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(tasks_keep_their_order, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_task_may_cancel_any, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_task_may_turn_the_loop, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(destroy_runs_what_was_posted, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_closed_watch_hears_nothing, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                a_released_descriptor_may_be_watched_anew, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(a_bad_descriptor_is_an_error, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(signals_come_as_events, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                work_is_bounded_and_each_is_done_once, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                work_of_one_kind_does_not_wait_for_another, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(destroy_waits_for_the_work, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(another_loop_can_host_this_one, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                without_memory_there_is_an_error, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
