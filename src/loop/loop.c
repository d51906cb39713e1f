/*
 * The turn, and the tasks that run in it: posted by any thread, or deferred by this one.
 *
 * Posted tasks form a lock-free stack, which the loop takes whole and reverses. Only a thread that
 * finds the stack empty writes to the eventfd, so that a burst of posts causes one wake.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "helper.h"
#include "loop_state.h"

static int64_t monotonic_ms(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/*
 * The seconds since 1970 are read when the next one is due. A clock that is set is noticed within a
 * second.
 */
static void loop_read_wall(struct weir_loop *loop)
{
	struct timespec time;
	clock_gettime(CLOCK_REALTIME, &time);
	loop->wall_s = time.tv_sec;
	loop->wall_next_ms = loop->now_ms + 1000 - time.tv_nsec / 1000000;
	weir_metric_set(&loop->cells.arena_bytes, arena_size(&loop->arena));
}

static void loop_read_clocks(struct weir_loop *loop)
{
	loop->now_ms = monotonic_ms();
	if (loop->now_ms >= loop->wall_next_ms)
		loop_read_wall(loop);
}

/* The coarse clock costs a fifth of the other one, and a turn that matters takes several ticks. */
static void loop_measure_turn(struct weir_loop *loop)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
	int64_t took_ms = (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000 - loop->now_ms;
	weir_metric_observe_ms(loop->cells.turn_ms, took_ms);
	if (took_ms > (int64_t)loop->cells.longest_turn_ms)
		weir_metric_set(&loop->cells.longest_turn_ms, (uint64_t)took_ms);
}

/* There is nothing to do: every turn runs the posted tasks. */
static void loop_on_wake(struct weir_watch *watch, unsigned events)
{
	uint64_t count;
	(void)events;
	ssize_t got = read(watch->fd, &count, sizeof count);
	(void)got;
}

/* A write to a peer that has gone returns an error, instead of a signal that ends the process. */
static void loop_ignore_sigpipe(void)
{
	struct sigaction old;
	if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

int weir_loop_create(struct weir_loop **ret)
{
	int error;
	struct weir_loop *loop = calloc(1, sizeof *loop);
	if (!loop)
		return -ENOMEM;
	loop->closing = -1;
	loop->turns = 1;
	/* Without chance the IDs are those of other loops, too. */
	if (getrandom(&loop->ids_chance, sizeof loop->ids_chance, GRND_NONBLOCK) < 0)
		loop->ids_chance = 0;
	loop->input_left = WEIR_INPUT_BUDGET;
	arena_init(&loop->arena, WEIR_ARENA_RETAINED);
	metrics_begin(loop);
	loop_read_clocks(loop);
	timer_wheel_init(&loop->wheel, loop->now_ms);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		error = -errno;
		goto error_epoll;
	}
	loop->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->wake < 0) {
		error = -errno;
		goto error_wake;
	}
	error = weir_watch_start(loop, &loop->wake_watch, loop->wake, WEIR_READABLE, loop_on_wake);
	if (error < 0)
		goto error_watch;
	loop_ignore_sigpipe();
	work_attach();
	*ret = loop;
	return 0;

error_watch:
	close(loop->wake);
error_wake:
	close(loop->epoll);
error_epoll:
	free(loop->slots);
	free(loop);
	return error;
}

/* Appends the posted tasks, in order, to those that were taken before. */
static void loop_claim_posted(struct weir_loop *loop)
{
	struct weir_task *task =
	        atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
	struct weir_task *first = NULL, **last = &loop->taken;
	while (task) {
		struct weir_task *next = task->next;
		task->next = first;
		first = task;
		task = next;
	}
	while (*last)
		last = &(*last)->next;
	*last = first;
}

/* A task may turn the loop, so the tasks behind it stay where that turn finds them. */
static void loop_run_posted(struct weir_loop *loop)
{
	if (atomic_load_explicit(&loop->posted, memory_order_relaxed))
		loop_claim_posted(loop);
	for (struct weir_task *task; (task = loop->taken);) {
		loop->taken = task->next;
		task->next = NULL;
		task->run(task);
	}
}

static struct weir_task *loop_task_queue_take(struct task_queue *queue)
{
	struct weir_task *last = queue->last;
	struct weir_task *task = last->next;
	if (task == last)
		queue->last = NULL;
	else
		last->next = task->next;
	task->next = NULL;
	return task;
}

static void loop_run_nothing(struct weir_task *task)
{
	(void)task;
}

/*
 * Runs the tasks that are queued now. Tasks that these defer wait for the next turn, which one of
 * them may run.
 */
static void loop_run_deferred(struct weir_loop *loop)
{
	struct weir_task end = {.run = loop_run_nothing};
	if (!loop->deferred.last)
		return;
	weir_loop_defer(loop, &end);
	while (end.next) {
		struct weir_task *task = loop_task_queue_take(&loop->deferred);
		task->run(task);
	}
}

/* Each task gets a slice, in order, until the turn's budget is spent. */
static void loop_run_hungry(struct weir_loop *loop)
{
	size_t left = WEIR_INPUT_BUDGET;
	while (loop->hungry.last && left) {
		struct weir_task *task = loop_task_queue_take(&loop->hungry);
		size_t slice = min_of(left, (size_t)WEIR_INPUT_SLICE);
		loop->input_left = slice;
		task->run(task);
		size_t used = slice - loop->input_left;
		/* A task that read nothing has taken time, too. */
		used = max_of(used, (size_t)WEIR_INPUT_SLICE / 16);
		left -= min_of(used, left);
	}
	loop->input_left = loop->hungry.last ? 0 : WEIR_INPUT_BUDGET;
}

int weir_loop_turn(struct weir_loop *loop, int wait_ms)
{
	if (loop->deferred.last || loop->hungry.last || loop->taken)
		wait_ms = 0;
	if (loop->turns++ > 1)
		loop_measure_turn(loop);
	int error = loop_poller_wait(loop, timer_wheel_wait(loop, wait_ms));
	loop_run_posted(loop);
	timer_wheel_run(loop);
	loop_run_deferred(loop);
	loop_run_hungry(loop);
	loop_poller_close_pending(loop);
	return error;
}

int weir_loop_fd(const struct weir_loop *loop)
{
	return loop->epoll;
}

int weir_loop_wait_ms(const struct weir_loop *loop)
{
	if (loop->deferred.last || loop->hungry.last || loop->taken || loop->closing >= 0)
		return 0;
	int wait_ms = timer_wheel_wait(loop, -1);
	int64_t passed_ms = monotonic_ms() - loop->now_ms;
	return wait_ms < 0 ? wait_ms : passed_ms >= wait_ms ? 0 : wait_ms - (int)passed_ms;
}

void loop_woke(struct weir_loop *loop)
{
	loop_read_clocks(loop);
}

int weir_loop_run(struct weir_loop *loop)
{
	while (!atomic_load_explicit(&loop->stopping, memory_order_relaxed)) {
		int error = weir_loop_turn(loop, -1);
		if (error < 0)
			return error;
	}
	atomic_store_explicit(&loop->stopping, false, memory_order_relaxed);
	return 0;
}

static void loop_write_wake(struct weir_loop *loop)
{
	eventfd_write(loop->wake, 1); /* a full counter wakes the loop, too */
}

void weir_loop_stop(struct weir_loop *loop)
{
	int saved = errno; /* this may run in a signal handler */
	atomic_store_explicit(&loop->stopping, true, memory_order_relaxed);
	loop_write_wake(loop);
	errno = saved;
}

void weir_loop_post(struct weir_loop *loop, struct weir_task *task)
{
	struct weir_task *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
	do {
		task->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
	        &loop->posted, &head, task, memory_order_release, memory_order_relaxed));
	if (!head)
		loop_write_wake(loop);
}

static void loop_task_queue_append(struct task_queue *queue, struct weir_task *task)
{
	struct weir_task *last = queue->last;
	if (task->next)
		return;
	task->next = last ? last->next : task;
	if (last)
		last->next = task;
	queue->last = task;
}

void weir_loop_defer(struct weir_loop *loop, struct weir_task *task)
{
	loop_task_queue_append(&loop->deferred, task);
}

void loop_input_defer(struct weir_loop *loop, struct weir_task *task)
{
	loop_task_queue_append(&loop->hungry, task);
}

bool loop_input_spent(struct weir_loop *loop)
{
	bool spent = loop && loop->input_left == 0;
	if (spent)
		loop->input_starved = true;
	return spent;
}

void loop_input_charge(struct weir_loop *loop, size_t size)
{
	if (loop)
		loop->input_left -= size < loop->input_left ? size : loop->input_left;
}

bool loop_input_starved(struct weir_loop *loop)
{
	bool starved = loop->input_starved;
	loop->input_starved = false;
	return starved;
}

void weir_loop_cancel(struct weir_loop *loop, struct weir_task *task)
{
	if (!task->next)
		return;
	struct weir_task *before = task;
	while (before->next != task)
		before = before->next;
	before->next = task->next;
	struct task_queue *queue = loop->hungry.last == task ? &loop->hungry : &loop->deferred;
	if (queue->last == task)
		queue->last = before == task ? NULL : before;
	task->next = NULL;
}

static void loop_destroy_objects(struct weir_loop *loop)
{
	while (loop->object_count) {
		unsigned last = --loop->object_count;
		loop->objects[last].type->destroy(loop->objects[last].object);
	}
}

void weir_loop_destroy(struct weir_loop *loop)
{
	if (!loop)
		return;
	while (loop->works || loop->deferred.last || loop->hungry.last ||
	        atomic_load_explicit(&loop->posted, memory_order_relaxed))
		weir_loop_turn(loop, -1);
	/* The last tasks and work may still have used these. */
	loop_destroy_objects(loop);
	/* Before the descriptor is closed: a thread of the pool may still be writing to it. */
	work_detach();
	weir_watch_close(loop, &loop->wake_watch);
	loop_poller_close_pending(loop);
	close(loop->epoll);
	arena_free(&loop->arena);
	free(loop->receive_buffer);
	free(loop->slots);
	metrics_end(loop);
	free(loop);
}

int64_t weir_loop_now_ms(const struct weir_loop *loop)
{
	return loop->now_ms;
}

const int64_t *loop_clock(const struct weir_loop *loop)
{
	return &loop->now_ms;
}

int64_t weir_loop_wall_s(const struct weir_loop *loop)
{
	return loop->wall_s;
}

uint32_t loop_next_number(struct weir_loop *loop)
{
	loop->ids++;
	loop->ids += loop->ids == 0;
	return loop->ids;
}

uint64_t loop_log_id(const struct weir_loop *loop, uint32_t number)
{
	return (uint64_t)loop->ids_chance << 32 | number;
}

uint64_t weir_loop_turns(const struct weir_loop *loop)
{
	return loop->turns;
}

struct weir_counters *weir_loop_counters(struct weir_loop *loop)
{
	return &loop->cells.counters;
}

struct arena *loop_arena(struct weir_loop *loop)
{
	return &loop->arena;
}

char *loop_receive_buffer(struct weir_loop *loop)
{
	if (!loop->receive_buffer)
		loop->receive_buffer = malloc(WEIR_RECEIVE_STREAMED_SIZE);
	return loop->receive_buffer;
}

void *loop_object(const struct weir_loop *loop, const struct loop_object_type *type)
{
	for (unsigned i = 0; i < loop->object_count; i++)
		if (loop->objects[i].type == type)
			return loop->objects[i].object;
	return NULL;
}

void loop_set_object(struct weir_loop *loop, const struct loop_object_type *type, void *object)
{
	assert(loop->object_count < LOOP_OBJECTS_MAX && !loop_object(loop, type));
	loop->objects[loop->object_count].type = type;
	loop->objects[loop->object_count].object = object;
	loop->object_count++;
}
