/*
 * Timers on one coarse wheel: starting and stopping take a few stores, for any number of timers.
 *
 * A timer is in the slot of its tick modulo the size of the wheel; if its tick is a revolution
 * ahead, it is passed over. The bit of a slot means that the slot may hold a timer. It is cleared
 * when the slot is found empty, so that stopping a timer does not touch the wheel.
 */
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
	wheel->tick = timer_tick_of(now_ms);
}

void weir_timer_start(
        struct weir_loop *loop, struct weir_timer *timer, int64_t after_ms, weir_timer_fn *on_time)
{
	struct wheel *wheel = &loop->wheel;
	weir_timer_stop(timer);
	timer->on_time = on_time;
	if (after_ms < 0)
		after_ms = 0;
	if (after_ms > AFTER_MAX_MS)
		after_ms = AFTER_MAX_MS;
	timer->at_tick = timer_tick_of(loop->now_ms + after_ms) + 1;
	unsigned slot = (uint64_t)timer->at_tick % WHEEL_SLOTS;
	weir_list_append(&wheel->slots[slot], &timer->link);
	wheel->filled[slot / 64] |= UINT64_C(1) << slot % 64;
}

void weir_timer_stop(struct weir_timer *timer)
{
	if (timer->link.next)
		weir_list_remove(&timer->link);
	else
		weir_list_init(&timer->link);
}

/*
 * Runs what is due in one slot. A callback may start or stop any timer, so the due ones wait in a
 * list of their own.
 */
static void timer_run_slot(struct wheel *wheel, unsigned slot, int64_t now_tick)
{
	struct weir_list due;
	weir_list_init(&due);
	WEIR_LIST_EACH_SAFE (struct weir_timer, timer, next, &wheel->slots[slot], link) {
		if (timer->at_tick > now_tick)
			continue;
		weir_list_remove(&timer->link);
		weir_list_append(&due, &timer->link);
	}
	if (weir_list_empty(&wheel->slots[slot]))
		wheel->filled[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	while (!weir_list_empty(&due)) {
		struct weir_timer *timer = WEIR_CONTAINER(due.next, struct weir_timer, link);
		weir_list_remove(&timer->link);
		timer->on_time(timer);
	}
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

int timer_wheel_wait(const struct weir_loop *loop, int wait_ms)
{
	int ahead = wait_ms == 0 ? -1 : timer_slots_ahead(&loop->wheel);
	if (ahead < 0)
		return wait_ms;
	int64_t due_ms = (loop->wheel.tick + 1 + ahead) * WEIR_TIMER_TICK_MS - loop->now_ms;
	if (due_ms < 0)
		due_ms = 0;
	return wait_ms >= 0 && wait_ms < due_ms ? wait_ms : (int)due_ms;
}
