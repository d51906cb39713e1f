/* Replaces the C library's clock_gettime, so that the code under test needs no hook. */
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

static _Atomic int64_t ahead_ms;

int clock_gettime(clockid_t id, struct timespec *ret)
{
	int64_t ahead = atomic_load(&ahead_ms);
	long result = syscall(SYS_clock_gettime, id, ret);
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

void clock_set_monotonic(int64_t ms)
{
	struct timespec now;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	atomic_store(&ahead_ms, ms - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000));
}
