/*
 * Descriptors, by epoll, and signals, by signalfd. Another poller replaces this file alone.
 *
 * An event carries the descriptor and the generation of its watch. A table by descriptor number has
 * the current watch; if its generation differs, the event belongs to an earlier use of the number
 * and is dropped. Descriptors are closed at the end of the turn only; until then their table
 * entries chain them, so that closing needs no memory.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <weir/limits.h>

#include "loop_state.h"

static uint32_t poller_to_epoll(unsigned events)
{
	return (events & WEIR_READABLE ? EPOLLIN : 0u) | (events & WEIR_WRITABLE ? EPOLLOUT : 0u) |
	       (events & WEIR_HANGUP ? EPOLLRDHUP : 0u);
}

static unsigned poller_from_epoll(uint32_t events)
{
	return (events & EPOLLIN ? WEIR_READABLE : 0u) | (events & EPOLLOUT ? WEIR_WRITABLE : 0u) |
	       (events & (EPOLLERR | EPOLLHUP) ? WEIR_BROKEN : 0u) |
	       (events & EPOLLRDHUP ? WEIR_HANGUP : 0u);
}

static int poller_grow_slots(struct weir_loop *loop, unsigned count)
{
	unsigned size = loop->slot_count ? loop->slot_count : 64;
	while (size < count)
		size *= 2;
	union watch_slot *slots = realloc(loop->slots, size * sizeof *slots);
	if (!slots)
		return -ENOMEM;
	memset(slots + loop->slot_count, 0, (size - loop->slot_count) * sizeof *slots);
	loop->slots = slots;
	loop->slot_count = size;
	return 0;
}

static int poller_control(
        struct weir_loop *loop, int operation, struct weir_watch *watch, unsigned events)
{
	struct epoll_event event = {
	        .events = poller_to_epoll(events),
	        .data.u64 = (uint64_t)watch->generation << 32 | (uint32_t)watch->fd,
	};
	return epoll_ctl(loop->epoll, operation, watch->fd, &event) < 0 ? -errno : 0;
}

int weir_watch_start(struct weir_loop *loop, struct weir_watch *watch, int fd, unsigned events,
        weir_watch_fn *on_event)
{
	if ((unsigned)fd >= loop->slot_count) {
		int error = poller_grow_slots(loop, (unsigned)fd + 1);
		if (error < 0)
			return error;
	}
	watch->on_event = on_event;
	watch->fd = fd;
	watch->generation = ++loop->generation;
	int error = poller_control(loop, EPOLL_CTL_ADD, watch, events);
	if (error < 0)
		return error;
	loop->slots[fd].watch = watch;
	return 0;
}

int weir_watch_change(struct weir_loop *loop, struct weir_watch *watch, unsigned events)
{
	return poller_control(loop, EPOLL_CTL_MOD, watch, events);
}

int weir_watch_cancel(struct weir_loop *loop, struct weir_watch *watch)
{
	int fd = watch->fd;
	poller_control(loop, EPOLL_CTL_DEL, watch, 0);
	loop->slots[fd].watch = NULL;
	watch->fd = -1;
	return fd;
}

struct weir_watch *loop_watch_find(struct weir_loop *loop, int fd, uint32_t generation)
{
	union watch_slot slot =
	        (unsigned)fd < loop->slot_count ? loop->slots[fd] : (union watch_slot){0};
	bool current = slot.watch && !(slot.next_closing & 1);
	return current && slot.watch->generation == generation ? slot.watch : NULL;
}

/*
 * The chain holds descriptor + 1 in each entry's upper bits and a 1 in the lowest, which no pointer
 * has.
 */
void weir_watch_close(struct weir_loop *loop, struct weir_watch *watch)
{
	int fd = watch->fd;
	loop->slots[fd].next_closing = (intptr_t)(loop->closing + 1) * 2 + 1;
	loop->closing = fd;
	watch->fd = -1;
}

void loop_poller_close_pending(struct weir_loop *loop)
{
	while (loop->closing >= 0) {
		int fd = loop->closing;
		loop->closing = (int)((loop->slots[fd].next_closing - 1) / 2) - 1;
		loop->slots[fd].watch = NULL;
		close(fd);
	}
}

static void poller_deliver(struct weir_loop *loop, const struct epoll_event *event)
{
	uint32_t fd = (uint32_t)event->data.u64;
	uint32_t generation = (uint32_t)(event->data.u64 >> 32);
	struct weir_watch *watch = loop_watch_find(loop, (int)fd, generation);
	if (watch)
		watch->on_event(watch, poller_from_epoll(event->events));
}

int loop_poller_wait(struct weir_loop *loop, int wait_ms)
{
	struct epoll_event events[WEIR_EVENTS_PER_WAIT];
	int count = epoll_wait(loop->epoll, events, WEIR_EVENTS_PER_WAIT, wait_ms);
	int error = count < 0 && errno != EINTR ? -errno : 0;
	loop_woke(loop);
	for (int i = 0; i < count; i++)
		poller_deliver(loop, &events[i]);
	return error;
}

/* -- signals ----------------------------------------------------------------------------------- */

static void poller_on_signal(struct weir_watch *watch, unsigned events)
{
	struct weir_signals *signals = WEIR_CONTAINER(watch, struct weir_signals, watch);
	struct signalfd_siginfo info;
	(void)events;
	if (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info)
		signals->on_signal(signals, (int)info.ssi_signo);
}

int weir_signals_start(struct weir_loop *loop, struct weir_signals *signals, const int *list,
        weir_signal_fn *on_signal)
{
	sigset_t set;
	sigemptyset(&set);
	for (; *list; list++)
		sigaddset(&set, *list);
	int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (error)
		return -error;
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	signals->loop = loop;
	signals->on_signal = on_signal;
	error = weir_watch_start(loop, &signals->watch, fd, WEIR_READABLE, poller_on_signal);
	if (error < 0)
		close(fd);
	return error;
}

void weir_signals_stop(struct weir_signals *signals)
{
	weir_watch_close(signals->loop, &signals->watch);
}
