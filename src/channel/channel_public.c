/* The properties of a channel: a protocol reads and sets them at any time. */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "channel_state.h"
#include "loop_internal.h"

void weir_channel_close(struct weir_channel *channel)
{
	if (channel->phase < CHANNEL_CLOSING)
		channel_enter(channel, CHANNEL_CLOSING);
	channel_schedule(channel);
}

void weir_channel_abort(struct weir_channel *channel, int error)
{
	channel_kill(channel, error, true);
}

void weir_channel_reset_on_failure(struct weir_channel *channel, bool reset)
{
	channel->reset_on_failure = reset;
}

void weir_channel_notify_drain(struct weir_channel *channel, bool always)
{
	channel->notify_drain = always;
}

void weir_channel_read_after_failure(struct weir_channel *channel, bool reads)
{
	channel->read_after_failure = reads;
}

void weir_channel_abort_at_end(struct weir_channel *channel, bool aborts)
{
	channel->abort_at_end = aborts;
	channel_schedule(channel);
}

void *weir_channel_session(const struct weir_channel *channel)
{
	return channel->session;
}

void weir_channel_set_session(struct weir_channel *channel, void *session)
{
	channel->session = session;
}

void *weir_channel_context(const struct weir_channel *channel)
{
	return channel->group->context;
}

struct weir_loop *weir_channel_loop(const struct weir_channel *channel)
{
	return channel->group->loop;
}

const struct weir_address *weir_channel_peer(const struct weir_channel *channel)
{
	return &channel->peer;
}

uint64_t weir_channel_id(const struct weir_channel *channel)
{
	return loop_log_id(channel->group->loop, channel->number);
}

int weir_channel_local(const struct weir_channel *channel, struct weir_address *ret)
{
	struct weir_address address;
	socklen_t size = sizeof address;
	if (getsockname(channel->watch.fd, &address.any, &size) < 0)
		return -errno;
	*ret = address;
	return 0;
}

unsigned weir_channel_replies(const struct weir_channel *channel)
{
	return channel->reply_count;
}

bool weir_channel_draining(const struct weir_channel *channel)
{
	return channel->group->draining || channel->group->retiring;
}

enum weir_activity weir_channel_activity(const struct weir_channel *channel)
{
	if (channel->reply_count)
		return WEIR_ACTIVITY_REPLYING;
	return channel_idle(channel) ? WEIR_ACTIVITY_IDLE : WEIR_ACTIVITY_RECEIVING;
}

uint64_t weir_channel_sent(const struct weir_channel *channel)
{
	return channel->sent;
}

unsigned weir_channel_unsent(const struct weir_channel *channel)
{
	int bytes = 0;
	return ioctl(channel->watch.fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (unsigned)bytes : 0;
}

bool weir_channel_lags(const struct weir_channel *channel)
{
	int bytes = 0;
	return ioctl(channel->watch.fd, SIOCOUTQNSD, &bytes) == 0 && bytes > 0;
}

uint32_t weir_channel_quiet_ms(const struct weir_channel *channel)
{
	return channel_clock(channel) - channel->progress_at_ms;
}
