/*
 * Timers on one coarse wheel: starting and stopping take a few stores, for any number of timers.
 *
 * A timer is in the slot of its tick modulo the size of the wheel; if its tick is a revolution
 * ahead, it is passed over. The bit of a slot means that the slot may hold a timer. It is cleared
 * when the slot is found empty, so that stopping a timer does not touch the wheel.
 *
 * Precise timers are few. They are in a list of their own, in no order.
 */
#include <limits.h>

#include "helper.h"
#include "loop_state.h"

/* Far enough to be never, and no sum overflows. */
#define AFTER_MAX_MS (INT64_MAX / 4)

static int64_t timer_tick_of(int64_t ms)
{
	return ms / WEIR_TIMER_TICK_MS;
}

void timer_wheel_init(struct wheel *wheel, int64_t now_ms)
{
	for (int i = 0; i < WHEEL_SLOTS; i++)
		weir_list_init(&wheel->slots[i]);
	weir_list_init(&wheel->precise);
	wheel->tick = timer_tick_of(now_ms);
}

static void timer_prepare(struct weir_timer *timer, int64_t *after_ms, weir_timer_fn *on_time)
{
	weir_timer_stop(timer);
	timer->on_time = on_time;
	*after_ms = max_of(min_of(*after_ms, AFTER_MAX_MS), (int64_t)0);
}

void weir_timer_start(
        struct weir_loop *loop, struct weir_timer *timer, int64_t after_ms, weir_timer_fn *on_time)
{
	struct wheel *wheel = &loop->wheel;
	timer_prepare(timer, &after_ms, on_time);
	timer->at = timer_tick_of(loop->now_ms + after_ms) + 1;
	unsigned slot = (uint64_t)timer->at % WHEEL_SLOTS;
	weir_list_append(&wheel->slots[slot], &timer->link);
	wheel->filled[slot / 64] |= UINT64_C(1) << slot % 64;
}

void weir_timer_start_precise(
        struct weir_loop *loop, struct weir_timer *timer, int64_t after_ms, weir_timer_fn *on_time)
{
	timer_prepare(timer, &after_ms, on_time);
	timer->at = loop->now_ms + after_ms;
	weir_list_append(&loop->wheel.precise, &timer->link);
}

void weir_timer_stop(struct weir_timer *timer)
{
	if (timer->link.next)
		weir_list_remove(&timer->link);
	else
		weir_list_init(&timer->link);
}

/* Moves what is due, by ticks or milliseconds, to a list of its own. */
static void timer_take_due(struct weir_list *timers, int64_t now, struct weir_list *ret_due)
{
	weir_list_init(ret_due);
	WEIR_LIST_EACH_SAFE (struct weir_timer, timer, next, timers, link) {
		if (timer->at > now)
			continue;
		weir_list_remove(&timer->link);
		weir_list_append(ret_due, &timer->link);
	}
}

/* A callback may start or stop any timer. */
static void timer_run_all(struct weir_list *due)
{
	while (!weir_list_empty(due)) {
		struct weir_timer *timer = WEIR_CONTAINER(due->next, struct weir_timer, link);
		weir_list_remove(&timer->link);
		timer->on_time(timer);
	}
}

static void timer_run_slot(struct wheel *wheel, unsigned slot, int64_t now_tick)
{
	struct weir_list due;
	timer_take_due(&wheel->slots[slot], now_tick, &due);
	if (weir_list_empty(&wheel->slots[slot]))
		wheel->filled[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	timer_run_all(&due);
}

static void timer_run_precise(struct weir_loop *loop)
{
	struct weir_list due;
	timer_take_due(&loop->wheel.precise, loop->now_ms, &due);
	timer_run_all(&due);
}

void timer_wheel_run(struct weir_loop *loop)
{
	struct wheel *wheel = &loop->wheel;
	int64_t now_tick = timer_tick_of(loop->now_ms);
	/* After a long sleep one revolution sees every slot. */
	if (now_tick - wheel->tick > WHEEL_SLOTS)
		wheel->tick = now_tick - WHEEL_SLOTS;
	while (wheel->tick < now_tick) {
		unsigned slot = (uint64_t)++wheel->tick % WHEEL_SLOTS;
		if (wheel->filled[slot / 64] >> slot % 64 & 1)
			timer_run_slot(wheel, slot, now_tick);
	}
	timer_run_precise(loop);
}

/* Slots from the next one to the first filled one, or -1: none is. */
static int timer_slots_ahead(const struct wheel *wheel)
{
	unsigned start = (uint64_t)(wheel->tick + 1) % WHEEL_SLOTS;
	for (unsigned i = 0; i <= WHEEL_SLOTS / 64; i++) {
		unsigned word = (start / 64 + i) % (WHEEL_SLOTS / 64);
		uint64_t bits = wheel->filled[word];
		if (i == 0)
			bits &= ~UINT64_C(0) << start % 64;
		else if (i == WHEEL_SLOTS / 64)
			bits &= ~(~UINT64_C(0) << start % 64);
		if (bits) {
			unsigned slot = word * 64 + (unsigned)__builtin_ctzll(bits);
			return (int)((slot - start) % WHEEL_SLOTS);
		}
	}
	return -1;
}

/* The shorter of the time to `due_ms` and `wait_ms`, which may be -1: for ever. */
static int timer_shorten(const struct weir_loop *loop, int64_t due_ms, int wait_ms)
{
	int64_t left_ms = max_of(due_ms - loop->now_ms, (int64_t)0);
	return wait_ms >= 0 && wait_ms < left_ms ? wait_ms : (int)min_of(left_ms, (int64_t)INT_MAX);
}

int timer_wheel_wait(const struct weir_loop *loop, int wait_ms)
{
	const struct wheel *wheel = &loop->wheel;
	int ahead = wait_ms == 0 ? -1 : timer_slots_ahead(wheel);
	if (ahead >= 0)
		wait_ms = timer_shorten(
		        loop, (wheel->tick + 1 + ahead) * WEIR_TIMER_TICK_MS, wait_ms);
	WEIR_LIST_EACH (struct weir_timer, timer, &wheel->precise, link)
		wait_ms = timer_shorten(loop, timer->at, wait_ms);
	return wait_ms;
}
