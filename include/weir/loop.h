/*
 * The loop: one thread waits for descriptors, timers, signals and other threads, and calls back.
 *
 *   turn:  wait ─▶ descriptors ─▶ posted tasks ─▶ timers ─▶ deferred tasks ─▶ closes ─▶ wait …
 *
 * Everything here belongs to the loop's own thread, except weir_loop_post() and weir_loop_stop(),
 * which any thread may call (and, for weir_loop_stop, a signal handler). Loops share nothing.
 *
 * Life cycle: weir_loop_create, add what should be watched, weir_loop_run, weir_loop_destroy (which
 * expects that no watch and no work is left).
 */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/list.h>

struct weir_loop;

/* 0, -ENOMEM or another errno of epoll_create1 and eventfd. */
WEIR_API int weir_loop_create(struct weir_loop **ret);

/* Runs what was posted, frees all memory of the loop. NULL is allowed. */
WEIR_API void weir_loop_destroy(struct weir_loop *loop);

/* Turns until weir_loop_stop. 0, or the errno that made waiting impossible. */
WEIR_API int weir_loop_run(struct weir_loop *loop);

/*
 * One turn that waits `wait_ms` at most (-1 is for ever). For tests and for loops inside loops of
 * others.
 */
WEIR_API int weir_loop_turn(struct weir_loop *loop, int wait_ms);

/* Makes weir_loop_run return at the end of the turn. Any thread. */
WEIR_API void weir_loop_stop(struct weir_loop *loop);

/*
 * The monotonic clock in milliseconds, and the seconds since 1970, both as read at the turn's
 * start.
 */
WEIR_API int64_t weir_loop_now_ms(const struct weir_loop *loop);
WEIR_API int64_t weir_loop_wall_s(const struct weir_loop *loop);

/* Counts the turns: two calls in one turn get the same number, which never is 0. */
WEIR_API uint64_t weir_loop_turns(const struct weir_loop *loop);

/* -- descriptors ----------------------------------------------------------------------------- */

enum weir_event {
	WEIR_READABLE = 1, /* something to read, or the end of the input */
	WEIR_WRITABLE = 2,
	WEIR_BROKEN = 4, /* error or hang-up on both sides; told whether asked for or not */
};

/* Embedded in what wants to hear of a descriptor. */
struct weir_watch {
	void (*on_event)(struct weir_watch *watch, unsigned events);
	int fd;
	/* Which use of this descriptor number: events of an earlier use are dropped. */
	uint32_t generation;
};

/*
 * Watches `fd` (non-blocking) for `events` (READABLE | WRITABLE; 0 is allowed: only BROKEN then).
 * Level triggered. 0 or a negative errno.
 */
WEIR_API int weir_watch_start(struct weir_loop *loop, struct weir_watch *watch, int fd,
        unsigned events, void (*on_event)(struct weir_watch *watch, unsigned events));

/* Changes the events. 0 or a negative errno. */
WEIR_API int weir_watch_change(struct weir_loop *loop, struct weir_watch *watch, unsigned events);

/*
 * Ends the watch and closes its descriptor at the end of the turn, so that no other file gets the
 * number while events of this one may be at hand. The watch may be freed at once.
 */
WEIR_API void weir_watch_close(struct weir_loop *loop, struct weir_watch *watch);

/* Ends the watch; the descriptor is the caller's again. */
WEIR_API int weir_watch_cancel(struct weir_loop *loop, struct weir_watch *watch);

/* -- tasks ----------------------------------------------------------------------------------- */

/*
 * A call to be made later; embedded, all zero at first. The task must live until it ran or was
 * cancelled, and is either posted or deferred, not both.
 */
struct weir_task {
	struct weir_task *next; /* the loop's own; NULL when it is in no queue */
	void (*run)(struct weir_task *task);
};

/*
 * Runs the task on the loop's thread, soon. Any thread. Tasks of one thread keep their order. A
 * task that is posted must not be posted again before it ran.
 */
WEIR_API void weir_loop_post(struct weir_loop *loop, struct weir_task *task);

/*
 * Runs the task later in this turn, or early in the next when called from a deferred task; only
 * from the loop's thread. A task that is queued already stays where it is.
 */
WEIR_API void weir_loop_defer(struct weir_loop *loop, struct weir_task *task);

/* Takes a deferred task back, if it is queued. */
WEIR_API void weir_loop_cancel(struct weir_loop *loop, struct weir_task *task);

/* -- timers ---------------------------------------------------------------------------------- */

/*
 * Embedded, all zero at first. A wheel of WEIR_TIMER_TICK_MS: never
 * early, one tick late at most.
 */
struct weir_timer {
	struct weir_list link;
	void (*on_time)(struct weir_timer *timer);
	int64_t at_tick;
};

#define WEIR_TIMER_TICK_MS 64

/* Starts or restarts: on_time is called once, at least `after_ms` from now. */
WEIR_API void weir_timer_start(struct weir_loop *loop, struct weir_timer *timer, int64_t after_ms,
        void (*on_time)(struct weir_timer *timer));

/* Harmless when it is not running. */
WEIR_API void weir_timer_stop(struct weir_timer *timer);

static inline bool weir_timer_running(const struct weir_timer *timer)
{
	return timer->link.next && !weir_list_empty(&timer->link);
}

/* -- signals --------------------------------------------------------------------------------- */

/* Embedded in what wants to hear of signals. */
struct weir_signals {
	struct weir_watch watch;
	struct weir_loop *loop;
	void (*on_signal)(struct weir_signals *signals, int signal);
};

/*
 * Hears of the signals listed (ended by 0) on this loop. They are blocked in the calling thread;
 * threads started later inherit that. 0 or a negative errno.
 */
WEIR_API int weir_signals_start(struct weir_loop *loop, struct weir_signals *signals,
        const int *list, void (*on_signal)(struct weir_signals *signals, int signal));

WEIR_API void weir_signals_stop(struct weir_signals *signals);

/* -- blocking work --------------------------------------------------------------------------- */

/*
 * What may block (open on a cold disk, fsync, readdir, crypt) runs on a thread of the pool that all
 * loops share, and comes back to the loop it was submitted from.
 *
 * Each kind of work has a lane: a queue and WEIR_WORK_THREADS threads of its own, started when they are
 * first needed. Work waits for work of its own lane only.
 */
enum weir_lane {
	WEIR_LANE_GENERAL, /* files and directories that are read; the work of the library's users */
	WEIR_LANE_WRITE,   /* uploads and changes of files, with their fsync */
	WEIR_LANE_MAIL,    /* messages and the mail queue that are written, with their fsync */
	WEIR_LANE_MAILBOX,  /* mailboxes that are opened and read */
	WEIR_LANE_PASSWORD, /* crypt(3), SCRAM */
	WEIR_LANE_NAMES,    /* zones that are transferred, the resolver's files */
	WEIR_LANE_LOG,
	WEIR_LANES,
};

struct weir_work {
	struct weir_task task; /* the pool's and the loop's own */
	struct weir_loop *loop;
	void (*run)(struct weir_work *work);  /* on a thread of the pool; may block */
	void (*done)(struct weir_work *work); /* on the loop; called always, exactly once */
};

/*
 * Returns 0, WEIR_E_LIMIT if WEIR_WORK_QUEUE_MAX are waiting in the lane already, or -ENOMEM or
 * -EAGAIN if there is no thread. `done` is called only after 0.
 */
WEIR_API int weir_work_submit_to(struct weir_loop *loop, enum weir_lane lane,
        struct weir_work *work, void (*run)(struct weir_work *work),
        void (*done)(struct weir_work *work));

/* Submits to WEIR_LANE_GENERAL. */
WEIR_API int weir_work_submit(struct weir_loop *loop, struct weir_work *work,
        void (*run)(struct weir_work *work), void (*done)(struct weir_work *work));

/* -- counters -------------------------------------------------------------------------------- */

#define WEIR_COUNTERS(COUNT)                                                                       \
	COUNT(channels_opened)                                                                     \
	COUNT(channels_closed)                                                                     \
	COUNT(channels_refused)                                                                    \
	COUNT(requests)                                                                            \
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
 * One set a loop, written by its thread only; a reader of another thread may see a value some turns
 * old.
 */
struct weir_counters {
#define WEIR_COUNTER_FIELD(name) uint64_t name;
	WEIR_COUNTERS(WEIR_COUNTER_FIELD)
#undef WEIR_COUNTER_FIELD
};

WEIR_API struct weir_counters *weir_loop_counters(struct weir_loop *loop);

#endif
