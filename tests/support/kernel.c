/* The linker sends these system calls here (--wrap), as it does allocations. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "kernel.h"

int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __real_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);

struct faults {
	unsigned good;
	unsigned count;
	int error;
};

static _Thread_local struct faults epoll_faults, accept_faults;

void fail_epoll_ctl(unsigned good, unsigned count, int error)
{
	epoll_faults = (struct faults){good, count, error};
}

void fail_accept(unsigned count, int error)
{
	accept_faults = (struct faults){0, count, error};
}

static int fault(struct faults *faults)
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
	int error = fault(&epoll_faults);
	if (!error)
		return __real_epoll_ctl(epoll, operation, fd, event);
	errno = error;
	return -1;
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	int error = fault(&accept_faults);
	if (!error)
		return __real_accept4(fd, address, size, flags);
	errno = error;
	return -1;
}
