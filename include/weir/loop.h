/*
 * The loop: one thread that waits for descriptors, timers, signals and other threads, and calls
 * back.
 *
 *   turn:  wait ─▶ descriptors ─▶ posted tasks ─▶ timers ─▶ deferred tasks ─▶ closes ─▶ wait …
 *
 * Everything here belongs to the loop's own thread, with two exceptions. Any thread may call
 * weir_loop_post() and weir_loop_stop(); a signal handler may call weir_loop_stop(). Loops share
 * nothing.
 *
 * Life cycle: weir_loop_create, watches and servers, weir_loop_run, weir_loop_destroy. No watch may
 * be left when the loop is destroyed.
 */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/list.h>

WEIR_C_BEGIN

struct weir_loop;

/* Returns 0, -ENOMEM, or another errno of epoll_create1 or eventfd. */
WEIR_API int weir_loop_create(struct weir_loop **ret);

/* Runs the posted tasks and waits for submitted work, then frees the loop. NULL is allowed. */
WEIR_API void weir_loop_destroy(struct weir_loop *loop);

/* Runs turns until weir_loop_stop. Returns 0, or the negative errno of a wait that failed. */
WEIR_API int weir_loop_run(struct weir_loop *loop);

/* Runs one turn, which waits `wait_ms` at most (-1 is for ever). Returns as weir_loop_run. */
WEIR_API int weir_loop_turn(struct weir_loop *loop, int wait_ms);

/*
 * A loop of another library (libuv, GLib) can host this one. It waits until weir_loop_fd() is
 * readable or weir_loop_wait_ms() have passed, and then calls weir_loop_turn(loop, 0).
 * weir_loop_run is not used.
 *
 * The host asks for the time before each wait; -1 is for ever. Timers are counted from the start of
 * the last turn. So a callback of the host first calls weir_loop_turn(loop, 0), and then the
 * functions of this library. See examples/libuv.c.
 */
WEIR_API int weir_loop_fd(const struct weir_loop *loop);
WEIR_API int weir_loop_wait_ms(const struct weir_loop *loop);

/* Makes weir_loop_run return at the end of the turn. Any thread. */
WEIR_API void weir_loop_stop(struct weir_loop *loop);

/*
 * The monotonic clock in milliseconds, and the seconds since 1970, both read when the turn began.
 */
WEIR_API int64_t weir_loop_now_ms(const struct weir_loop *loop);
WEIR_API int64_t weir_loop_wall_s(const struct weir_loop *loop);

/* The number of this turn, which is never 0. */
WEIR_API uint64_t weir_loop_turns(const struct weir_loop *loop);

/* -- descriptors ------------------------------------------------------------------------------- */

enum weir_event {
	WEIR_READABLE = 1, /* input, or its end */
	WEIR_WRITABLE = 2,
	WEIR_BROKEN = 4, /* an error, or a hang-up on both sides; always reported */
	WEIR_HANGUP = 8, /* the peer will send nothing further, though input may be left */
};

struct weir_watch;

/* Handles the events (enum weir_event) of a descriptor. It may end the watch and free it. */
typedef void weir_watch_fn(struct weir_watch *watch, unsigned events);

/* Embedded in the object that handles the descriptor. */
struct weir_watch {
	weir_watch_fn *on_event;
	int fd;
	/* Counts the uses of descriptor numbers, so that events of an earlier use are dropped. */
	uint32_t generation;
};

/*
 * Watches `fd`, which is non-blocking, for `events` (READABLE | WRITABLE). With 0 only BROKEN is
 * reported. Level triggered. Returns 0 or a negative errno.
 */
WEIR_API int weir_watch_start(struct weir_loop *loop, struct weir_watch *watch, int fd,
        unsigned events, weir_watch_fn *on_event);

/* Changes the events. Returns 0 or a negative errno; the events stay as they were then. */
WEIR_API int weir_watch_change(struct weir_loop *loop, struct weir_watch *watch, unsigned events);

/*
 * Ends the watch, and closes its descriptor at the end of the turn: events of this turn may still
 * carry its number. The watch may be freed at once.
 */
WEIR_API void weir_watch_close(struct weir_loop *loop, struct weir_watch *watch);

/* Ends the watch and returns its descriptor, which is the caller's again. */
WEIR_API int weir_watch_cancel(struct weir_loop *loop, struct weir_watch *watch);

/* -- tasks ------------------------------------------------------------------------------------- */

struct weir_task;

/* Runs once, on the loop's thread. It may free the task, or queue it again. */
typedef void weir_task_fn(struct weir_task *task);

/*
 * A call to be made later; embedded, all zero at first. The task must live until it has run or was
 * cancelled. It is either posted or deferred, not both at a time.
 */
struct weir_task {
	struct weir_task *next; /* the loop's own; NULL when it is in no queue */
	weir_task_fn *run;
};

/*
 * Runs the task on the loop's thread, in this turn or the next one. Any thread. Tasks of one thread
 * run in the order of their posts. A task must not be posted again before it has run.
 */
WEIR_API void weir_loop_post(struct weir_loop *loop, struct weir_task *task);

/*
 * Runs the task later in this turn or, if a deferred task calls this, in the next one. Only from
 * the loop's thread. A task that is queued already stays where it is.
 */
WEIR_API void weir_loop_defer(struct weir_loop *loop, struct weir_task *task);

/* Cancels a deferred task, if it is queued. */
WEIR_API void weir_loop_cancel(struct weir_loop *loop, struct weir_task *task);

/* -- timers ------------------------------------------------------------------------------------ */

struct weir_timer;

/* The time has passed. The timer is not running: it may be started again, or freed. */
typedef void weir_timer_fn(struct weir_timer *timer);

/* Embedded, all zero at first. A timer is never early, and late by WEIR_TIMER_TICK_MS at most. */
struct weir_timer {
	struct weir_list link;
	weir_timer_fn *on_time;
	int64_t at; /* the tick; of a precise one, the millisecond */
};

#define WEIR_TIMER_TICK_MS 64

/* Starts or restarts the timer: on_time is called once, `after_ms` from now or later. */
WEIR_API void weir_timer_start(
        struct weir_loop *loop, struct weir_timer *timer, int64_t after_ms, weir_timer_fn *on_time);

/*
 * As weir_timer_start, but it is late by a few milliseconds at most. For few timers, since each
 * turn looks at all of them.
 */
WEIR_API void weir_timer_start_precise(
        struct weir_loop *loop, struct weir_timer *timer, int64_t after_ms, weir_timer_fn *on_time);

/* Does nothing if the timer is not running. */
WEIR_API void weir_timer_stop(struct weir_timer *timer);

static inline bool weir_timer_running(const struct weir_timer *timer)
{
	return timer->link.next && !weir_list_empty(&timer->link);
}

/* -- signals ----------------------------------------------------------------------------------- */

struct weir_signals;

/* Handles a signal, on the loop's thread. Signals that came together may be reported once. */
typedef void weir_signal_fn(struct weir_signals *signals, int signal);

/* Embedded in the object that handles signals. */
struct weir_signals {
	struct weir_watch watch;
	struct weir_loop *loop;
	weir_signal_fn *on_signal;
};

/*
 * Handles the signals of `list`, which ends with 0, on this loop. They are blocked in the calling
 * thread and in the threads that it starts later. Returns 0 or a negative errno.
 */
WEIR_API int weir_signals_start(struct weir_loop *loop, struct weir_signals *signals,
        const int *list, weir_signal_fn *on_signal);

WEIR_API void weir_signals_stop(struct weir_signals *signals);

/* -- blocking work ----------------------------------------------------------------------------- */

/*
 * Work that may block (open on a cold disk, fsync, readdir, crypt) runs on a thread of a pool,
 * which all loops share. Its end is reported on the loop that submitted it.
 *
 * Each kind of work has a lane: a queue and WEIR_WORK_THREADS threads, which are started when they
 * are first needed. Work waits only for work of its own lane.
 */
enum weir_lane {
	WEIR_LANE_GENERAL,  /* reading files and directories; the work of the library's users */
	WEIR_LANE_WRITE,    /* uploads and changes of files, with their fsync */
	WEIR_LANE_MAIL,     /* writing messages and the mail queue, with their fsync */
	WEIR_LANE_MAILBOX,  /* opening and reading mailboxes */
	WEIR_LANE_PASSWORD, /* crypt(3), SCRAM */
	WEIR_LANE_NAMES,    /* zone transfers, the resolver's files */
	WEIR_LANE_LOG,
	WEIR_LANE_SIGN,     /* TLS handshakes whose private keys are elsewhere */
	WEIR_LANE_DATABASE, /* requests to cancel a statement */
	WEIR_LANES,
};

struct weir_work;

/*
 * The work itself, and its end. `run` is called on a thread of the pool, and may block. `done` is
 * called on the loop's thread afterwards, exactly once, and may free the work.
 */
typedef void weir_work_fn(struct weir_work *work);

/* Embedded in the object that the work is for; it must live until `done`. */
struct weir_work {
	struct weir_task task; /* used by the pool and the loop */
	struct weir_loop *loop;
	weir_work_fn *run;
	weir_work_fn *done;
};

/*
 * Returns 0; WEIR_E_LIMIT if WEIR_WORK_QUEUE_MAX are waiting in the lane; or -ENOMEM or -EAGAIN if
 * no thread can be started. `done` is called only after 0.
 */
WEIR_API int weir_work_submit_to(struct weir_loop *loop, enum weir_lane lane,
        struct weir_work *work, weir_work_fn *run, weir_work_fn *done);

/* Submits to WEIR_LANE_GENERAL. */
WEIR_API int weir_work_submit(
        struct weir_loop *loop, struct weir_work *work, weir_work_fn *run, weir_work_fn *done);

struct weir_lane_info {
	unsigned queued;  /* tasks that wait for a thread */
	unsigned threads; /* that have been started */
	unsigned idle;    /* of these, without a task */
	uint64_t submitted;
	uint64_t refused; /* because too many were waiting */
};

/* Any thread. */
WEIR_API void weir_work_info(enum weir_lane lane, struct weir_lane_info *ret);

/* -- counters ---------------------------------------------------------------------------------- */

#define WEIR_COUNTERS(COUNT)                                                                       \
	COUNT(channels_opened)                                                                     \
	COUNT(channels_closed)                                                                     \
	COUNT(channels_refused)                                                                    \
	COUNT(bytes_in)                                                                            \
	COUNT(bytes_out)                                                                           \
	COUNT(receives)                                                                            \
	COUNT(sends)                                                                               \
	COUNT(producer_waits)                                                                      \
	COUNT(reads_paused)                                                                        \
	COUNT(limits_hit)                                                                          \
	COUNT(timeouts)                                                                            \
	COUNT(handshakes)                                                                          \
	COUNT(handshake_failures)                                                                  \
	COUNT(accept_failures)                                                                     \
	COUNT(work_submitted)

/*
 * Each loop has one set, which only its thread writes (weir_metric_add). Another thread may read
 * values by weir_metric_read (weir/metrics.h).
 */
struct weir_counters {
#define WEIR_COUNTER_FIELD(name) uint64_t name;
	WEIR_COUNTERS(WEIR_COUNTER_FIELD)
#undef WEIR_COUNTER_FIELD
};

WEIR_API struct weir_counters *weir_loop_counters(struct weir_loop *loop);

WEIR_C_END

#endif
