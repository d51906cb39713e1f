/*
 * Signals as events, by signalfd: no handler, no code that runs between two instructions of
 * another.
 */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "loop_state.h"

static void signal_on_event(struct weir_watch *watch, unsigned events)
{
	struct weir_signals *signals = WEIR_CONTAINER(watch, struct weir_signals, watch);
	struct signalfd_siginfo info;
	(void)events;
	if (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info)
		signals->on_signal(signals, (int)info.ssi_signo);
}

int weir_signals_start(struct weir_loop *loop, struct weir_signals *signals, const int *list,
        void (*on_signal)(struct weir_signals *signals, int signal))
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
	error = weir_watch_start(loop, &signals->watch, fd, WEIR_READABLE, signal_on_event);
	if (error < 0)
		close(fd);
	return error;
}

void weir_signals_stop(struct weir_signals *signals)
{
	weir_watch_close(signals->loop, &signals->watch);
}
