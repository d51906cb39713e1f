/*
 * The life of a channel. Events, tasks and timers all lead to channel_process(): receive, cut and
 * call the protocol, flush, and perhaps end. Callbacks never nest: their requests are recorded in
 * the channel and carried out here, after they have returned.
 *
 * Invariant: while a channel is `busy`, only channel_process() frees it.
 */
#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/error.h>

#include "channel_state.h"
#include "loop_internal.h"
#include "probe.h"

uint32_t channel_clock(const struct weir_channel *channel)
{
	return (uint32_t)weir_loop_now_ms(channel->group->loop);
}

bool channel_idle(const struct weir_channel *channel)
{
	return channel->phase == CHANNEL_OPEN && !channel->last && !channel->paused &&
	       !weir_cutter_partial(&channel->cutter) && !channel->cutter.streamed &&
	       !channel->expects_body;
}

void channel_enter(struct weir_channel *channel, enum channel_phase phase)
{
	enum channel_phase before = channel->phase;
	if (before == phase)
		return;
	assert(phase > before || before < CHANNEL_CLOSING);
	channel->phase = phase & ((1 << PHASE_BITS) - 1);
	if ((before == CHANNEL_UPGRADING || before == CHANNEL_SECURING) &&
	        phase != CHANNEL_SECURING)
		channel_secure_end(channel);
	if (phase == CHANNEL_SECURING || phase == CHANNEL_LINGERING)
		channel->progress_at_ms = channel_clock(channel);
	if (phase == CHANNEL_SECURING)
		channel->request_at_ms = channel->progress_at_ms;
	if (phase == CHANNEL_LINGERING)
		weir_cutter_finish(&channel->cutter);
}

/* Watches the events that the state needs. Makes a system call only if they have changed. */
static void channel_watch_events(struct weir_channel *channel)
{
	unsigned events = channel->blocked || channel->transport->pending ? WEIR_WRITABLE : 0;
	bool reads = channel->phase == CHANNEL_LINGERING || channel->phase == CHANNEL_SECURING ||
	             channel->phase == CHANNEL_PROXIED || channel_input_wanted(channel);
	if (reads && !channel_secure_waits(channel))
		events |= WEIR_READABLE;
	else if (channel->abort_at_end && channel->input_end == INPUT_OPEN)
		events |= WEIR_HANGUP;
	if (events == channel->events)
		return;
	int error = weir_watch_change(channel->group->loop, &channel->watch, events);
	if (error < 0)
		channel_kill(channel, error, true);
	channel->events = (uint8_t)events;
}

/*
 * Closing a socket with unread input resets the connection, and the peer would lose our last bytes.
 */
static bool channel_must_linger(const struct weir_channel *channel)
{
	const struct weir_cutter *cutter = &channel->cutter;
	int waiting = 0; /* bytes in the kernel */
	if (channel->input_end != INPUT_OPEN)
		return false;
	if (channel->unread || channel->expects_body || cutter->saved || cutter->refused ||
	        cutter->streamed || cutter->skipping || channel->paused)
		return true;
	return ioctl(channel->watch.fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

static void channel_end_output(struct weir_channel *channel)
{
	channel_enter(channel, CHANNEL_ENDING);
	int error = channel->transport->type->finish(channel->transport, channel->watch.fd);
	channel->blocked = error == -EAGAIN;
	if (error == -EAGAIN)
		return;
	if (error < 0 || !channel_must_linger(channel)) {
		channel_kill(channel, channel->error, false);
		return;
	}
	channel_enter(channel, CHANNEL_LINGERING);
}

static void channel_drop_linger_input(struct weir_channel *channel)
{
	char *buffer = loop_receive_buffer(channel->group->loop);
	ssize_t got = buffer ? channel->transport->type->receive(channel->transport,
	                               channel->watch.fd, buffer, WEIR_RECEIVE_SIZE)
	                     : -ENOMEM;
	if (got == 0 || (got < 0 && got != -EAGAIN))
		channel_kill(channel, channel->error, false);
}

static void channel_set_reset(int fd)
{
	struct linger none = {.l_onoff = 1, .l_linger = 0};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

void channel_destroy(struct weir_channel *channel)
{
	struct channel_group *group = channel->group;
	channel->busy = true; /* whatever the last callbacks ask for is not to be scheduled */
	channel_enter(channel, CHANNEL_DEAD);
	weir_timer_stop(&channel->timer);
	weir_loop_cancel(group->loop, &channel->task);
	weir_list_remove(&channel->link);
	group->count--;
	weir_metric_add(&group->counters->channels_closed, 1);
	weir_metric_subtract(&group->cells->open, 1);
	PROBE3(closed, channel->watch.fd, channel->error, channel->sent);
	channel_replies_abandon(channel, WEIR_CLOSE_ABORTED);
	/* The protocol does not know accepted channels whose PROXY header or handshake failed. */
	if (group->protocol->close && (channel->opened || !group->listener))
		group->protocol->close(channel, channel->error);
	if (channel->counted)
		/* NOLINTNEXTLINE: only channels of a listener are counted */
		weir_peers_leave(group->listener->peers, &channel->peer);
	if (channel->reset)
		channel_set_reset(channel->watch.fd);
	channel->transport->type->close(channel->transport);
	/* Closing ends a watch only where no other descriptor is left. */
	if (channel->diversion != DIVERT_NONE)
		close(weir_watch_cancel(group->loop, &channel->watch));
	else
		weir_watch_close(group->loop, &channel->watch);
	free(channel->remainder);
	weir_cutter_finish(&channel->cutter);
	free(channel);
	if (group->channel_gone)
		group->channel_gone(group);
}

/* Reports once that the queue is empty. Returns true if the protocol has pushed again. */
static bool channel_report_drained(struct weir_channel *channel)
{
	if (channel->last || channel->drained_reported || !channel->opened ||
	        channel->phase >= CHANNEL_ENDING)
		return false;
	channel->drained_reported = true;
	if (!channel->group->protocol->drained)
		return false;
	channel->group->protocol->drained(channel);
	return channel->last;
}

/* Returns true if complete requests are left that could not be handled yet. */
static bool channel_run(struct weir_channel *channel, struct weir_span input)
{
	const struct weir_cutter_type *type = &channel_cutter_type;
	uint64_t until = channel->sent + WEIR_WRITE_BUDGET;
	struct weir_region region;
	if (weir_cutter_begin(&channel->cutter, input, &region) < 0) {
		channel_kill(channel, -ENOMEM, true);
		return false;
	}
	do {
		weir_cutter_cut(&channel->cutter, type, &region);
		if (!channel_flush(channel, until))
			break;
	} while (channel_report_drained(channel) ||
	         weir_cutter_pending(&channel->cutter, type, &region));
	channel_input_end(channel, &region);
	return region.seen < region.size && !channel->cutter.refused &&
	       channel->phase < CHANNEL_CLOSING;
}

/* Sends the pending bytes of the transport. */
static void channel_flush_transport(struct weir_channel *channel)
{
	struct weir_transport *transport = channel->transport;
	if (!transport->pending)
		return;
	int error = transport->type->flush(transport, channel->watch.fd);
	if (error < 0 && error != -EAGAIN)
		channel_flush_fail(channel, error);
}

/*
 * The server is draining: let the protocol say goodbye on an idle channel, then close it; on a busy
 * one, too, if the protocol has asked for it (weir_channel_notify_drain).
 */
static void channel_drain(struct weir_channel *channel)
{
	const struct weir_protocol *protocol = channel->group->protocol;
	if (channel_secure_silent(channel) || channel_proxy_silent(channel) ||
	        (channel_idle(channel) && !protocol->draining)) {
		channel_enter(channel, CHANNEL_CLOSING);
	} else if ((channel_idle(channel) || channel->notify_drain) && channel->opened) {
		protocol->draining(channel);
		channel_run(channel, weir_span(NULL, 0));
	}
}

/* Returns whether a peer whose input has ended need not have its reply. */
static bool channel_was_left(const struct weir_channel *channel)
{
	const struct weir_reply *first = channel->last ? channel_reply_first(channel) : NULL;
	return channel->abort_at_end && first && first->producer && first->producer->put == 0;
}

static void channel_process(struct weir_channel *channel, bool readable)
{
	char *buffer = NULL;
	size_t received = 0;
	bool pending = false;
	channel->busy = true;
	channel_flush_transport(channel);
	if (readable && channel->diversion != DIVERT_NONE && channel_input_wanted(channel)) {
		channel_divert_readable(channel);
	} else if (readable && channel_input_wanted(channel)) {
		buffer = loop_receive_buffer(channel->group->loop);
		if (buffer)
			received = channel_input_receive(channel, buffer);
		else
			channel_kill(channel, -ENOMEM, true);
	}
	if (!channel_dead(channel))
		pending = channel_run(channel, weir_span(buffer, received));
	if (channel->transport->failed)
		channel_kill(channel, channel->transport->failed, false);
	/* Requests that wait for a reply slot come before the end. */
	if (channel->input_end == INPUT_ENDED && channel_was_left(channel))
		channel_kill(channel, -ECONNRESET, false);
	if (channel->input_end == INPUT_ENDED && !pending && !channel_dead(channel)) {
		channel_input_report_eof(channel);
		channel_run(channel, weir_span(NULL, 0));
	}
	if (channel->group->draining && channel->phase < CHANNEL_CLOSING)
		channel_drain(channel);
	if (channel->phase == CHANNEL_UPGRADING && !channel->last)
		channel_secure_upgrade(channel);
	if ((channel->phase == CHANNEL_CLOSING || channel->phase == CHANNEL_ENDING) &&
	        !channel->last)
		channel_end_output(channel);
	if (!channel_dead(channel))
		channel_watch_events(channel);
	channel->busy = false;
	if (channel_dead(channel))
		channel_destroy(channel);
	else
		channel_arm(channel);
}

static void channel_open(struct weir_channel *channel)
{
	const struct weir_protocol *protocol = channel->group->protocol;
	channel->opened = true;
	int error = protocol->open ? protocol->open(channel) : 0;
	if (error < 0)
		channel_kill(channel, error, false);
}

/* The last bytes of the peer's handshake may have its first request behind them. */
static void channel_secure(struct weir_channel *channel)
{
	channel->busy = true;
	channel_flush_transport(channel);
	bool complete = !channel_dead(channel) && channel_secure_step(channel);
	if (complete && !channel->opened)
		channel_open(channel);
	channel_process(channel, complete);
}

void channel_admit(struct weir_channel *channel, bool readable)
{
	const struct weir_listener *listener = channel->group->listener;
	channel_count_peer(channel);
	channel->over_rate = weir_policy_count_connection(listener->policy, &channel->peer,
	                             weir_loop_now_ms(channel->group->loop)) > 0;
	channel->busy = true;
	channel->progress_at_ms = channel->request_at_ms = channel_clock(channel);
	if (channel->phase == CHANNEL_PROXIED) {
		bool admitted = weir_policy_admits_connection(
		        listener->policy, &channel->peer, weir_loop_now_ms(channel->group->loop));
		int error = admitted ? channel_secure_begin(channel) : -EACCES;
		if (error < 0)
			channel_kill(channel, error, true);
		else if (channel->phase == CHANNEL_PROXIED)
			channel_enter(channel, CHANNEL_OPEN);
	}
	if (channel->phase == CHANNEL_OPEN)
		channel_open(channel);
	channel_process(channel, readable);
}

/* Input of the proxy's client may have come with the header. */
static void channel_read_proxy_header(struct weir_channel *channel)
{
	channel->busy = true;
	if (channel_proxy_step(channel))
		channel_admit(channel, true);
	else
		channel_process(channel, false);
}

void channel_task(struct weir_task *task)
{
	struct weir_channel *channel = WEIR_CONTAINER(task, struct weir_channel, task);
	switch ((enum channel_phase)channel->phase) {
	case CHANNEL_DEAD:
		channel_destroy(channel);
		break;
	case CHANNEL_CONNECTING:
	case CHANNEL_LINGERING:
		break;
	case CHANNEL_SECURING:
		channel_secure(channel);
		break;
	default:
		channel_process(channel, false);
	}
}

void channel_schedule(struct weir_channel *channel)
{
	if (channel->busy)
		return;
	channel->task.run = channel_task;
	weir_loop_defer(channel->group->loop, &channel->task);
}

static int channel_socket_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof error;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	return -error;
}

static void channel_on_event(struct weir_watch *watch, unsigned events)
{
	struct weir_channel *channel = WEIR_CONTAINER(watch, struct weir_channel, watch);
	if (channel_dead(channel)) {
		channel_destroy(channel);
		return;
	}
	if (channel->phase == CHANNEL_CONNECTING) {
		int error = channel_socket_error(watch->fd);
		if (error < 0)
			channel_kill(channel, error, false);
		else
			channel_start(channel);
		return;
	}
	if (channel->phase == CHANNEL_LINGERING) {
		channel_drop_linger_input(channel);
		return;
	}
	if (events & WEIR_BROKEN && !(events & WEIR_READABLE)) {
		int error = channel_socket_error(watch->fd);
		channel_kill(channel, error < 0 ? error : -ECONNRESET, false);
		return;
	}
	/* A reply that has begun is sent; the peer may have closed its side alone. */
	if (events & WEIR_HANGUP && channel_was_left(channel))
		channel_kill(channel, -ECONNRESET, false);
	else if (events & WEIR_HANGUP && !(events & WEIR_READABLE))
		channel->abort_at_end = false;
	if (events & WEIR_WRITABLE)
		channel->blocked = false;
	if (channel->phase == CHANNEL_SECURING)
		channel_secure(channel);
	else if (channel->phase == CHANNEL_PROXIED)
		channel_read_proxy_header(channel);
	else
		channel_process(channel, events & WEIR_READABLE);
}

void channel_start(struct weir_channel *channel)
{
	channel_enter(channel, CHANNEL_OPEN);
	channel->busy = true;
	channel->progress_at_ms = channel_clock(channel);
	channel_open(channel);
	channel_process(channel, false);
}

void channel_kill(struct weir_channel *channel, int error, bool reset)
{
	if (channel_dead(channel))
		return;
	channel_enter(channel, CHANNEL_DEAD);
	channel->reset = reset;
	channel->error = error;
	channel_schedule(channel);
}

struct weir_channel *channel_create(struct channel_group *group, int fd,
        const struct weir_address *peer, bool connecting, int *ret_error)
{
	struct weir_channel *channel = calloc(1, sizeof *channel);
	if (!channel) {
		*ret_error = -ENOMEM;
		return NULL;
	}
	channel->group = group;
	channel->transport = weir_tcp();
	weir_cutter_init(
	        &channel->cutter, weir_until_line_end(), (uint32_t)group->bounds.request_max);
	channel->peer = *peer;
	channel->number = loop_next_number(group->loop);
	channel->phase = connecting ? CHANNEL_CONNECTING : CHANNEL_OPEN;
	channel->drained_reported = true;
	channel->events = connecting ? WEIR_WRITABLE : WEIR_READABLE;
	channel->request_at_ms = channel->progress_at_ms = channel_clock(channel);
	weir_list_init(&channel->timer.link);
	*ret_error = 0;
	if (channel_proxy_expected(channel))
		channel->phase = CHANNEL_PROXIED;
	else
		*ret_error = channel_secure_begin(channel);
	if (*ret_error == 0)
		*ret_error = weir_watch_start(
		        group->loop, &channel->watch, fd, channel->events, channel_on_event);
	if (*ret_error < 0) {
		channel_enter(channel, CHANNEL_DEAD);
		channel->transport->type->close(channel->transport);
		free(channel);
		return NULL;
	}
	weir_list_append(&group->channels, &channel->link);
	group->count++;
	weir_metric_add(&group->counters->channels_opened, 1);
	weir_metric_add(&group->cells->opened, 1);
	weir_metric_add(&group->cells->open, 1);
	channel_arm(channel);
	return channel;
}
