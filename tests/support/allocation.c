/*
 * The linker sends malloc, calloc and realloc here (--wrap), so that tests need no hook in the code
 * they test. Only the thread that asked for failures sees them.
 */
#include <stddef.h>

#include "allocation.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static _Thread_local struct {
	bool armed;
	bool forever;
	bool failed;
	unsigned good;
} state;

void fail_allocation_after(unsigned good, bool forever)
{
	state.armed = true;
	state.forever = forever;
	state.failed = false;
	state.good = good;
}

bool stop_failing_allocations(void)
{
	state.armed = false;
	return state.failed;
}

static bool refused(void)
{
	if (!state.armed)
		return false;
	if (state.good) {
		state.good--;
		return false;
	}
	state.armed = state.forever;
	state.failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return refused() ? NULL : __real_realloc(old, size);
}
