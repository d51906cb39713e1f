/*
 * Time limits, counted from the last progress: a large slow transfer may continue, a dead one may
 * not. Each channel has one coarse timer. A request does not touch the timer: when it fires, it
 * looks at the clock, and restarts if the limit has not passed.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "channel_state.h"
#include "helper.h"

/* The limit that applies now. */
static enum timing channel_timeout_timing_of(const struct weir_channel *channel)
{
	if (channel->phase == CHANNEL_CONNECTING)
		return TIMING_CONNECT;
	if (channel->phase == CHANNEL_LINGERING)
		return TIMING_LINGER;
	if (channel->phase == CHANNEL_SECURING)
		return TIMING_HANDSHAKE;
	if (channel->phase == CHANNEL_PROXIED)
		return TIMING_PROXY;
	if (channel->blocked)
		return TIMING_OUTPUT;
	bool expected = channel->expects_body && channel_input_wanted(channel);
	if (channel->diversion == DIVERT_GATHERING && !channel->paused)
		return TIMING_GATHER;
	if (channel->paused || (channel->last && !expected))
		return TIMING_NONE;
	if (channel->cutter.streamed || expected)
		return TIMING_BODY;
	return weir_cutter_partial(&channel->cutter) ? TIMING_REQUEST : TIMING_IDLE;
}

/* The milliseconds that are left; 0 or less if the limit has passed. */
static int64_t channel_timeout_left_ms(const struct weir_channel *channel, enum timing timing)
{
	const struct weir_bounds *bounds = &channel->group->bounds;
	uint32_t now = channel_clock(channel);
	int64_t since_progress = now - channel->progress_at_ms;
	int64_t since_request = (int32_t)(now - channel->request_at_ms);
	int64_t progress_left = (int64_t)bounds->progress_ms - since_progress;
	int64_t request_left = (int64_t)bounds->request_ms - since_request;
	switch (timing) {
	case TIMING_NONE:
	case TIMING_OUTPUT:
		return progress_left;
	case TIMING_IDLE:
		return (int64_t)bounds->idle_ms - since_progress;
	case TIMING_REQUEST:
		return request_left;
	case TIMING_BODY:
		/* A peer that sends single bytes to stay connected must keep up a lowest rate. */
		return min_of(request_left, progress_left);
	case TIMING_LINGER:
		return WEIR_LINGER_MS - since_progress;
	case TIMING_CONNECT:
		return WEIR_CONNECT_MS - since_progress;
	case TIMING_GATHER:
		return WEIR_DIVERT_GATHER_MS - since_progress;
	case TIMING_HANDSHAKE:
		return WEIR_TLS_HANDSHAKE_MS - since_request;
	case TIMING_PROXY:
		return WEIR_PROXY_HEADER_MS - since_request;
	}
	return 0;
}

static void channel_timeout_expire(struct weir_channel *channel, enum timing timing)
{
	static const enum weir_timeout reported[] = {
	        [TIMING_IDLE] = WEIR_TIMEOUT_IDLE,
	        [TIMING_REQUEST] = WEIR_TIMEOUT_REQUEST,
	        [TIMING_BODY] = WEIR_TIMEOUT_REQUEST,
	        [TIMING_OUTPUT] = WEIR_TIMEOUT_PROGRESS,
	};
	const struct weir_protocol *protocol = channel->group->protocol;
	bool closing = channel->phase >= CHANNEL_CLOSING;
	weir_metric_add(&channel->group->counters->timeouts, 1);
	weir_metric_add(&channel->group->cells->timeouts[timing], 1);
	if (timing == TIMING_HANDSHAKE) {
		channel_secure_fail(channel, -ETIMEDOUT);
		return;
	}
	if (timing == TIMING_PROXY) {
		channel_proxy_fail(channel, -ETIMEDOUT);
		return;
	}
	if (timing == TIMING_LINGER || timing == TIMING_CONNECT) {
		channel_kill(channel, timing == TIMING_LINGER ? channel->error : -ETIMEDOUT, false);
		return;
	}
	if (protocol->timeout && channel->opened) {
		channel->progress_at_ms = channel_clock(channel);
		protocol->timeout(channel, reported[timing]); /* NOLINT: one of these four */
	}
	/* A channel that was closing before has had its time. */
	if (closing || channel->phase < CHANNEL_CLOSING)
		channel_kill(channel, -ETIMEDOUT, true);
	channel_schedule(channel);
}

static void channel_timeout_on_time(struct weir_timer *timer)
{
	struct weir_channel *channel = WEIR_CONTAINER(timer, struct weir_channel, timer);
	enum timing timing = channel_timeout_timing_of(channel);
	int64_t left = channel_timeout_left_ms(channel, timing);
	if (channel_dead(channel))
		return;
	if (left <= 0 && timing == TIMING_GATHER) {
		if (channel_timeout_left_ms(channel, TIMING_BODY) > 0) {
			channel_divert_gathered(channel);
			return;
		}
		timing = TIMING_BODY;
	}
	if (left <= 0 && timing != TIMING_NONE)
		channel_timeout_expire(channel, timing);
	else
		weir_timer_start(channel->group->loop, timer,
		        left > 0 ? left : channel->group->bounds.progress_ms,
		        channel_timeout_on_time);
}

static bool channel_timeout_has_unread(const struct weir_channel *channel)
{
	int waiting = 0;
	return ioctl(channel->watch.fd, FIONREAD, &waiting) < 0 || waiting > 0;
}

unsigned channel_eviction_rank(const struct weir_channel *channel)
{
	uint32_t since_progress = channel_clock(channel) - channel->progress_at_ms;
	enum timing timing = channel_timeout_timing_of(channel);
	bool idle = timing == TIMING_IDLE || channel_secure_silent(channel) ||
	            channel_proxy_silent(channel);
	bool begun =
	        timing == TIMING_REQUEST || timing == TIMING_HANDSHAKE || timing == TIMING_PROXY;
	if (channel->busy || channel->phase >= CHANNEL_CLOSING)
		return 0;
	/*
	 * The request of a channel that was just accepted may still be on its way. A client that
	 * speaks first sends it right behind its last packet of the TCP handshake.
	 */
	uint32_t grace_ms = channel->sent ? WEIR_EVICT_IDLE_MS : WEIR_EVICT_SILENT_MS;
	if (idle && since_progress >= grace_ms && !channel_timeout_has_unread(channel))
		return 2;
	return begun && since_progress >= WEIR_EVICT_STALLED_MS &&
	       !channel_timeout_has_unread(channel);
}

const char *weir_channel_waits_for(const struct weir_channel *channel)
{
	static const char *const texts[] = {
	        [TIMING_NONE] = "the server",
	        [TIMING_IDLE] = "a request",
	        [TIMING_REQUEST] = "rest of request",
	        [TIMING_BODY] = "body",
	        [TIMING_OUTPUT] = "reader",
	        [TIMING_LINGER] = "end of input",
	        [TIMING_CONNECT] = "connection",
	        [TIMING_HANDSHAKE] = "handshake",
	        [TIMING_GATHER] = "body",
	        [TIMING_PROXY] = "PROXY header",
	};
	return texts[channel_timeout_timing_of(channel)];
}

void channel_evict(struct weir_channel *channel)
{
	struct channel_group *group = channel->group;
	unsigned before = group->count;
	channel_timeout_expire(channel, channel_timeout_timing_of(channel));
	weir_loop_cancel(group->loop, &channel->task);
	channel_task(&channel->task);
	if (group->count < before)
		return;
	/* The kernel has its last bytes, or will not take them. */
	channel_kill(channel, -ETIMEDOUT, false);
	channel_destroy(channel);
}

/* Keeps group->channels in order, to the second, so that most requests change nothing. */
static void channel_timeout_list_last(struct weir_channel *channel)
{
	uint16_t second = (uint16_t)(channel_clock(channel) >> 10);
	if (channel->listed == second)
		return;
	channel->listed = second;
	weir_list_remove(&channel->link);
	weir_list_append(&channel->group->channels, &channel->link);
}

void channel_arm(struct weir_channel *channel)
{
	channel_timeout_list_last(channel);
	enum timing timing = channel_timeout_timing_of(channel);
	if (weir_timer_running(&channel->timer) && timing == channel->timing)
		return;
	/* The peer was waiting for us until now, so its progress timer starts here. */
	if (channel->timing == TIMING_NONE)
		channel->progress_at_ms = channel_clock(channel);
	channel->timing = timing & ((1 << TIMING_BITS) - 1);
	weir_timer_start(channel->group->loop, &channel->timer,
	        channel_timeout_left_ms(channel, timing), channel_timeout_on_time);
}
