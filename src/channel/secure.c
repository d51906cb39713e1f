/*
 * TLS on a channel: from its first byte, or by an upgrade in place.
 *
 *   start_tls() ─▶ upgrading: the queue leaves in clear, input is dropped
 *                  ─▶ securing: the handshake ─▶ open() or secured()
 *
 * Invariant: input in clear is never taken for encrypted input. Bytes that were received before the
 * handshake are thrown away. Later bytes are parsed as TLS records, or the handshake fails.
 *
 * A handshake costs a thousand times the time of a request. So only some steps of handshakes are
 * made in a turn; the poller reports the others again in the next. When a server has too many
 * incomplete handshakes, the oldest one fails.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <weir/error.h>

#include "channel_state.h"
#include "loop_internal.h"
#include "transport_internal.h"

/* -- beginning --------------------------------------------------------------------------------- */

/* State from the choice of TLS to the end of the handshake. The transport points to it. */
struct handshake {
	struct weir_list link; /* in group->handshakes, once it is begun */
	struct weir_channel *channel;
	size_t dropped; /* bytes of input that came in clear */
};

static struct handshake *handshake_of(const struct weir_channel *channel)
{
	return tls_owner(channel->transport);
}

/* A step that was waited for is made. */
static void channel_secure_wake(void *owner)
{
	channel_schedule(((struct handshake *)owner)->channel);
}

static int channel_secure_use_tls(
        struct weir_channel *channel, struct weir_tls *tls, const char *name)
{
	struct handshake *handshake = calloc(1, sizeof *handshake);
	struct weir_transport *transport = NULL;
	if (handshake)
		transport = tls_transport(tls, channel->group->loop, name);
	if (!transport) {
		free(handshake);
		return -ENOMEM;
	}
	handshake->channel = channel;
	weir_list_init(&handshake->link);
	tls_set_owner(transport, handshake, channel_secure_wake);
	channel->transport = transport;
	return 0;
}

int channel_secure_begin(struct weir_channel *channel)
{
	if (!channel->group->tls)
		return 0;
	int error = channel_secure_use_tls(channel, channel->group->tls, NULL);
	if (error == 0)
		channel_enter(channel, CHANNEL_SECURING);
	return error;
}

bool channel_secure_silent(const struct weir_channel *channel)
{
	int waiting = 0; /* bytes in the kernel */
	return channel->phase == CHANNEL_SECURING && !tls_heard(channel->transport) &&
	       (ioctl(channel->watch.fd, FIONREAD, &waiting) < 0 || waiting == 0);
}

/* Defers the first step of a client, which no event triggers. */
static void channel_secure_defer_step(struct weir_channel *channel)
{
	channel->task.run = channel_task;
	weir_loop_defer(channel->group->loop, &channel->task);
}

bool channel_secure_waits(const struct weir_channel *channel)
{
	return channel->phase == CHANNEL_SECURING && tls_busy(channel->transport);
}

void channel_secure_upgrade(struct weir_channel *channel)
{
	channel_enter(channel, CHANNEL_SECURING);
	if (tls_speaks_first(channel->transport))
		channel_secure_defer_step(channel);
}

/* -- the handshake ----------------------------------------------------------------------------- */

/* Returns true if a step may be made in this turn. */
static bool channel_secure_claim_step(struct channel_group *group)
{
	uint64_t turn = weir_loop_turns(group->loop);
	if (group->steps_turn != turn)
		group->steps = 0;
	group->steps_turn = turn;
	return group->steps++ < WEIR_TLS_HANDSHAKES_PER_TURN;
}

/* Counts the handshake among the incomplete ones; the oldest fails if there are too many. */
static void channel_secure_count_begun(struct weir_channel *channel)
{
	struct channel_group *group = channel->group;
	struct weir_list *link = &handshake_of(channel)->link;
	if (!weir_list_empty(link))
		return;
	if (group->handshake_count >= WEIR_TLS_HANDSHAKES_MAX) {
		struct handshake *oldest =
		        WEIR_CONTAINER(group->handshakes.next, struct handshake, link);
		weir_metric_add(&group->counters->limits_hit, 1);
		weir_metric_add(&group->cells->limits_hit, 1);
		channel_secure_fail(oldest->channel, WEIR_E_LIMIT);
	}
	weir_list_append(&group->handshakes, link);
	group->handshake_count++;
}

void channel_secure_end(struct weir_channel *channel)
{
	struct handshake *handshake = handshake_of(channel);
	if (!weir_list_empty(&handshake->link))
		channel->group->handshake_count--;
	weir_list_remove(&handshake->link);
	tls_set_owner(channel->transport, NULL, NULL);
	free(handshake);
}

void channel_secure_drop(struct weir_channel *channel, size_t size)
{
	handshake_of(channel)->dropped += size;
}

static const char *channel_secure_reason(const struct weir_channel *channel, int error)
{
	switch (error) {
	case -ETIMEDOUT:
		return "the handshake took too long";
	case WEIR_E_LIMIT:
		return "too many handshakes at once";
	}
	return tls_why(channel->transport);
}

/* Continues in clear, so that a client without TLS gets a refusal and an orderly end. */
void channel_secure_fail(struct weir_channel *channel, int error)
{
	struct channel_group *group = channel->group;
	bool plain = tls_spoke_plain(channel->transport) && !channel->opened;
	weir_metric_add(&group->counters->handshake_failures, 1);
	weir_metric_add(&group->cells->handshakes[CHANNEL_HANDSHAKE_FAILED], 1);
	const struct weir_listener *listener = group->listener;
	if (listener && listener->tls_failed)
		listener->tls_failed(listener->context, &channel->peer, weir_channel_id(channel),
		        channel_secure_reason(channel, error));
	if (group->protocol->insecure)
		group->protocol->insecure(channel, channel_secure_reason(channel, error));
	if (channel->phase < CHANNEL_CLOSING)
		channel_enter(channel, CHANNEL_CLOSING);
	channel->transport->type->close(channel->transport);
	channel->transport = weir_tcp();
	channel->error = error;
	if (plain && group->tls_refusal)
		weir_channel_push_static(channel, group->tls_refusal);
	channel_schedule(channel);
}

static void channel_secure_count_complete(const struct weir_channel *channel)
{
	struct weir_tls_info info;
	bool resumed = weir_channel_tls(channel, &info) && info.resumed;
	weir_metric_add(&channel->group->counters->handshakes, 1);
	weir_metric_add(&channel->group->cells->handshakes[resumed ? CHANNEL_HANDSHAKE_RESUMED
	                                                           : CHANNEL_HANDSHAKE_FULL],
	        1);
}

bool channel_secure_step(struct weir_channel *channel)
{
	struct weir_transport *transport = channel->transport;
	if (!channel_secure_claim_step(channel->group)) {
		if ((!tls_begun(transport) && tls_speaks_first(transport)) ||
		        tls_step_due(transport))
			channel_secure_defer_step(channel);
		return false;
	}
	channel_secure_count_begun(channel);
	int error = transport->type->start(transport, channel->watch.fd);
	if (error == -EAGAIN)
		return false;
	if (error < 0) {
		channel_secure_fail(channel, error);
		return false;
	}
	size_t dropped = handshake_of(channel)->dropped;
	channel_enter(channel, CHANNEL_OPEN);
	channel_secure_count_complete(channel);
	channel->progress_at_ms = channel_clock(channel);
	if (channel->opened && channel->group->protocol->secured)
		channel->group->protocol->secured(channel, dropped);
	return true;
}

/* -- the public functions ---------------------------------------------------------------------- */

int weir_channel_start_tls(struct weir_channel *channel, struct weir_tls *tls, const char *name)
{
	if (channel->phase != CHANNEL_OPEN || transport_is_tls(channel->transport))
		return WEIR_E_CLOSED;
	int error = channel_secure_use_tls(channel, tls, name);
	if (error < 0)
		return error;
	channel_enter(channel, CHANNEL_UPGRADING);
	channel_schedule(channel);
	return 0;
}

void weir_channel_withhold_tickets(struct weir_channel *channel)
{
	if (transport_is_tls(channel->transport))
		tls_withhold_tickets(channel->transport);
}

void weir_channel_send_ticket(struct weir_channel *channel)
{
	if (weir_channel_secure(channel))
		tls_send_ticket(channel->transport);
}

bool weir_channel_secure(const struct weir_channel *channel)
{
	return transport_is_tls(channel->transport) && tls_complete(channel->transport);
}

bool weir_channel_tls(const struct weir_channel *channel, struct weir_tls_info *ret)
{
	if (!weir_channel_secure(channel))
		return false;
	weir_tls_info(channel->transport, ret);
	return true;
}

bool weir_channel_truncated(const struct weir_channel *channel)
{
	return weir_channel_secure(channel) && tls_truncated(channel->transport);
}
