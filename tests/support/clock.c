/* Replaces the C library's clock_gettime, so that the code under test needs no hook. */
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

static _Atomic int64_t ahead_ms;

/* While the clock is held: what the monotonic and the wall clock showed at that moment. */
static atomic_bool held;
static struct timespec held_monotonic, held_wall;

static bool clock_held(clockid_t id, struct timespec *ret)
{
	if (!atomic_load(&held))
		return false;
	if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE || id == CLOCK_BOOTTIME)
		*ret = held_monotonic;
	else if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		*ret = held_wall;
	else
		return false;
	return true;
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
	int64_t ahead = atomic_load(&ahead_ms);
	long result = clock_held(id, ret) ? 0 : syscall(SYS_clock_gettime, id, ret);
	ret->tv_sec += ahead / 1000;
	ret->tv_nsec += ahead % 1000 * 1000000;
	if (ret->tv_nsec >= 1000000000) {
		ret->tv_nsec -= 1000000000;
		ret->tv_sec++;
	}
	return (int)result;
}

void clock_advance(int64_t ms)
{
	atomic_fetch_add(&ahead_ms, ms);
}

void clock_hold(void)
{
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &held_monotonic);
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &held_wall);
	atomic_store(&held, true);
}

void clock_hold_at(int64_t wall_s)
{
	clock_hold();
	held_wall = (struct timespec){wall_s - atomic_load(&ahead_ms) / 1000, 0};
}

void clock_go_on(void)
{
	atomic_store(&held, false);
}

void clock_set_monotonic(int64_t ms)
{
	struct timespec now;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	atomic_store(&ahead_ms, ms - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000));
}
