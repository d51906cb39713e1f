/*
 * Diverted input: the protocol takes streamed input from the socket itself. It does so on another
 * thread, so bytes are gathered first: the kernel reports when there are enough (SO_RCVLOWAT), and
 * a timer when the gathering time has passed. If nothing came in that time, only the first byte is
 * watched for, so that a silent peer costs nothing.
 *
 *   first byte ─▶ gathering ─▶ divert_ready(): paused ─▶ taken ─▶ gathering …
 *       └────── nothing came ──────┘
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "channel_state.h"

int weir_channel_divert(struct weir_channel *channel, int *ret)
{
	const struct weir_cutter *cutter = &channel->cutter;
	if (channel->transport != weir_tcp() || channel->phase != CHANNEL_OPEN ||
	        channel->diversion != DIVERT_NONE || !cutter->streamed || cutter->saved)
		return -EOPNOTSUPP;
	int fd = fcntl(channel->watch.fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	channel->diversion = DIVERT_FIRST_BYTE;
	channel->request_at_ms = channel_clock(channel);
	*ret = fd;
	return 0;
}

static void await(struct weir_channel *channel, int bytes)
{
	bool set =
	        setsockopt(channel->watch.fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0;
	channel->diversion = set && bytes > 1 ? DIVERT_GATHERING : DIVERT_FIRST_BYTE;
}

static int waiting(const struct weir_channel *channel)
{
	int bytes = 0;
	return ioctl(channel->watch.fd, FIONREAD, &bytes) == 0 ? bytes : 0;
}

static void tell(struct weir_channel *channel)
{
	weir_channel_pause(channel);
	channel->group->protocol->divert_ready(channel);
}

void channel_divert_readable(struct weir_channel *channel)
{
	int bytes = channel->diversion == DIVERT_GATHERING ? 0 : waiting(channel);
	if (bytes > 0 && bytes < WEIR_DIVERT_GATHER)
		await(channel, WEIR_DIVERT_GATHER);
	/*
	 * At the end of the input there are no bytes; and if there are, epoll reports the end
	 * again.
	 */
	if (bytes > 0 && channel->diversion == DIVERT_GATHERING)
		channel->progress_at_ms = channel_clock(channel);
	else
		tell(channel);
}

void channel_divert_gathered(struct weir_channel *channel)
{
	if (waiting(channel)) {
		tell(channel);
	} else {
		await(channel, 1);
		channel_arm(channel);
	}
}

void weir_channel_diverted(struct weir_channel *channel, uint64_t size, int end)
{
	weir_channel_resume(channel);
	weir_metric_add(&channel->group->counters->receives, 1);
	if (size)
		channel_input_note(channel, size);
	channel->cutter.before += size;
	channel->cutter.changed = true; /* the terminator scans again: this may be its end */
	if (end > 0 && channel->input_end == INPUT_OPEN)
		channel->input_end = INPUT_ENDED;
	if (end < 0)
		channel_kill(channel, end, false);
	channel_schedule(channel);
}
