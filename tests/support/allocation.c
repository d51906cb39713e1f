/*
 * The linker sends malloc, calloc and realloc here (--wrap), so that tests need no hook in the code
 * they test. Only the thread that asked for failures sees them.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>

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

/* -- system calls ------------------------------------------------------------------------------ */

/* The linker sends these system calls here (--wrap), as it does allocations. */
int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __real_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);

struct kernel_faults {
	unsigned good;
	unsigned count;
	int error;
};

static _Thread_local struct kernel_faults epoll_faults, accept_faults;

void fail_epoll_ctl(unsigned good, unsigned count, int error)
{
	epoll_faults = (struct kernel_faults){good, count, error};
}

void fail_accept(unsigned count, int error)
{
	accept_faults = (struct kernel_faults){0, count, error};
}

static int kernel_fault(struct kernel_faults *faults)
{
	if (faults->good) {
		faults->good--;
		return 0;
	}
	if (!faults->count)
		return 0;
	faults->count--;
	return faults->error;
}

int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	int error = kernel_fault(&epoll_faults);
	if (!error)
		return __real_epoll_ctl(epoll, operation, fd, event);
	errno = error;
	return -1;
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	int error = kernel_fault(&accept_faults);
	if (!error)
		return __real_accept4(fd, address, size, flags);
	errno = error;
	return -1;
}
