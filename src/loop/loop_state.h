/* The loop's own state, for the files of this folder only. */
#ifndef WEIR_LOOP_STATE_H
#define WEIR_LOOP_STATE_H

#include <stdatomic.h>

#include "loop_internal.h"

/* 512 slots of WEIR_TIMER_TICK_MS: one revolution is 32 seconds; longer timers go round. */
enum {
	WHEEL_SLOTS = 512
};

struct wheel {
	struct weir_list slots[WHEEL_SLOTS];
	uint64_t filled[WHEEL_SLOTS / 64]; /* a bit for each slot that may hold a timer */
	int64_t tick;                      /* the last one that was run */
};

/* By descriptor: its watch or, while it waits to be closed, the next that does (see poller.c). */
union watch_slot {
	struct weir_watch *watch;
	intptr_t next_closing;
};

/* A ring: the last one's next is the first, so that a task in a queue never has NULL for next. */
struct task_queue {
	struct weir_task *last;
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
	struct weir_task *taken;            /* of these, what is being run: first come first */
	struct task_queue deferred;
	struct task_queue hungry; /* they wait for input_left */
	size_t input_left;
	bool input_starved;
	atomic_bool stopping;
	unsigned works; /* submitted, not yet done */

	int64_t now_ms;
	int64_t wall_s;
	uint64_t turns;
	struct wheel wheel;

	struct arena arena;
	char *receive_buffer;
	struct {
		const struct loop_object_type *type;
		void *object;
	} objects[LOOP_OBJECTS_MAX];
	unsigned object_count;
	struct weir_counters counters;
};

/* loop.c: reads the clocks; called by the poller as soon as it has waited */
void loop_woke(struct weir_loop *loop);

/* poller.c */
int loop_poller_wait(struct weir_loop *loop, int wait_ms);
void loop_poller_close_pending(struct weir_loop *loop);

/* timer.c */
void timer_wheel_init(struct wheel *wheel, int64_t now_ms);
void timer_wheel_run(struct weir_loop *loop);
/* Milliseconds to the next tick that has timers, `wait_ms` at most; -1 for both is for ever. */
int timer_wheel_wait(const struct weir_loop *loop, int wait_ms);

/* work.c */
void work_attach(void);
void work_detach(void);

#endif
