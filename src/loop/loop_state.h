/* The loop's own state, for the files of this folder only. */
#ifndef WEIR_LOOP_STATE_H
#define WEIR_LOOP_STATE_H

#include <stdatomic.h>

#include <weir/metrics.h>

#include "loop_internal.h"

/* 512 slots of WEIR_TIMER_TICK_MS. One revolution takes 32 seconds; longer timers take several. */
enum {
	WHEEL_SLOTS = 512
};

struct wheel {
	struct weir_list slots[WHEEL_SLOTS];
	uint64_t filled[WHEEL_SLOTS / 64]; /* a bit for each slot that may hold a timer */
	int64_t tick;                      /* the last tick that was run */
	struct weir_list precise;          /* timers in no slot */
};

/* For a descriptor: its watch or, while it waits to be closed, the next one that waits. */
union watch_slot {
	struct weir_watch *watch;
	intptr_t next_closing;
};

/* A ring, so that a task in a queue never has NULL for next. */
struct task_queue {
	struct weir_task *last;
};

/* The cells of the loop's own metrics. */
struct loop_cells {
	struct weir_counters counters;
	uint64_t turn_ms[WEIR_METRIC_HISTOGRAM_CELLS];
	uint64_t longest_turn_ms;
	uint64_t arena_bytes;
};

enum {
	METRICS_HASH_SIZE = 256
};

struct metrics_entry;

/* All sets of the loop (metrics.c). */
struct loop_metrics {
	_Atomic(const struct weir_metric_set *) first; /* the newest; for any thread */
	struct metrics_entry *hashed[METRICS_HASH_SIZE];
	struct weir_metric_set own;
	unsigned count;
};

struct weir_loop {
	int epoll;
	int wake; /* eventfd: something was posted */
	struct weir_watch wake_watch;

	union watch_slot *slots;
	unsigned slot_count;
	uint32_t generation;
	int closing; /* the first descriptor to close at the end of the turn, or -1 */

	_Atomic(struct weir_task *) posted; /* latest first */
	struct weir_task *taken;            /* posted tasks that are being run, in order */
	struct task_queue deferred;
	struct task_queue hungry; /* tasks that wait for input_left */
	size_t input_left;
	bool input_starved;
	atomic_bool stopping;
	unsigned works; /* submitted and not done yet */

	int64_t now_ms;
	int64_t wall_s;
	int64_t wall_next_ms; /* when it is to be read again */
	uint64_t turns;
	uint32_t ids_chance; /* of loop_log_id */
	uint32_t ids;        /* the last number */
	struct wheel wheel;

	struct arena arena;
	char *receive_buffer;
	struct {
		const struct loop_object_type *type;
		void *object;
	} objects[LOOP_OBJECTS_MAX];
	unsigned object_count;
	struct loop_cells cells;
	struct loop_metrics metrics;
};

/* metrics.c */
void metrics_begin(struct weir_loop *loop);
void metrics_end(struct weir_loop *loop);

/* loop.c: reads the clocks. The poller calls it when it has waited. */
void loop_woke(struct weir_loop *loop);

/* poller.c */
int loop_poller_wait(struct weir_loop *loop, int wait_ms);
void loop_poller_close_pending(struct weir_loop *loop);

/* timer.c */
void timer_wheel_init(struct wheel *wheel, int64_t now_ms);
void timer_wheel_run(struct weir_loop *loop);
/* The milliseconds to the next tick with timers, at most `wait_ms`; -1 is for ever, for both. */
int timer_wheel_wait(const struct weir_loop *loop, int wait_ms);

/* work.c */
void work_attach(void);
void work_detach(void);

#endif
