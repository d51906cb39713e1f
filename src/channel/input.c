/*
 * Input: received into the loop's buffer, cut by the terminator, handed to the protocol in place.
 *
 * Only what is left when nothing more can be cut is copied into a buffer of the channel's own; what
 * comes next is appended there. So a request always lies in one stretch, a terminator never sees a
 * byte as fresh twice, and a channel between requests owns nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "channel_state.h"

/* Whether the protocol may be called with input now. */
static bool may_cut(const struct weir_channel *channel)
{
	return !channel->dead && !channel->closing && !channel->paused && !channel->refused &&
	       channel->reply_count < channel->host->bounds.replies_max;
}

bool weir_input_wanted(const struct weir_channel *channel)
{
	return may_cut(channel) && !channel->eof && !channel->connecting;
}

bool weir_input_pending(const struct weir_channel *channel, const struct region *region)
{
	return may_cut(channel) && (region->seen < region->size || channel->changed);
}

size_t weir_input_receive(struct weir_channel *channel, char *buffer)
{
	struct weir_counters *counters = weir_loop_counters(channel->host->loop);
	ssize_t got = channel->transport->type->receive(
	        channel->transport, channel->watch.fd, buffer, WEIR_RECEIVE_SIZE);
	counters->receives++;
	if (got > 0) {
		counters->bytes_in += (uint64_t)got;
		channel->progress_at_ms = weir_channel_clock(channel);
		return (size_t)got;
	}
	if (got == 0)
		channel->eof = true;
	else if (got != -EAGAIN && got != -EINTR)
		weir_channel_kill(channel, (int)got, false);
	return 0;
}

static struct kept *grow_kept(struct kept *kept, size_t size)
{
	size_t capacity = kept ? kept->capacity : 0;
	if (kept && size <= capacity)
		return kept;
	capacity = capacity * 2 > size ? capacity * 2 : size;
	struct kept *grown = realloc(kept, sizeof *grown + capacity);
	if (!grown)
		return NULL;
	if (!kept)
		grown->size = grown->seen = 0;
	grown->capacity = capacity;
	return grown;
}

static bool keep(struct weir_channel *channel, const char *data, size_t size)
{
	size_t old = channel->kept ? channel->kept->size : 0;
	struct kept *kept = grow_kept(channel->kept, old + size);
	if (!kept)
		return false;
	memcpy(kept->bytes + old, data, size);
	kept->size = old + size;
	channel->kept = kept;
	return true;
}

bool weir_input_begin(
        struct weir_channel *channel, const char *buffer, size_t received, struct region *ret)
{
	if (!channel->kept) {
		*ret = (struct region){buffer, received, 0};
		return true;
	}
	if (received && !keep(channel, buffer, received))
		return false;
	*ret = (struct region){channel->kept->bytes, channel->kept->size, channel->kept->seen};
	return true;
}

void weir_input_end(struct weir_channel *channel, const struct region *region)
{
	struct kept *kept = channel->kept;
	if (region->size == 0 || channel->closing || channel->dead) {
		/* That there was more to read decides how the channel closes. */
		channel->refused |= region->size && channel->closing;
		free(kept);
		channel->kept = NULL;
	} else if (kept) {
		memmove(kept->bytes, region->data, region->size);
		kept->size = region->size;
		kept->seen = region->seen;
	} else if (keep(channel, region->data, region->size)) {
		channel->kept->seen = region->seen;
		channel->request_at_ms = weir_channel_clock(channel);
	} else {
		weir_channel_kill(channel, -ENOMEM, true);
	}
}

static void advance(struct region *region, size_t size)
{
	region->data += size;
	region->size -= size;
	region->seen = 0;
}

static void overflow(struct weir_channel *channel, int error)
{
	weir_loop_counters(channel->host->loop)->limits_hit++;
	if (channel->host->protocol->overflow)
		channel->host->protocol->overflow(channel, error);
	else
		weir_channel_kill(channel, error, true);
}

static void give_piece(struct weir_channel *channel, const char *data, size_t size)
{
	if (size && channel->host->protocol->piece)
		channel->host->protocol->piece(channel, weir_span(data, size));
}

/* The request ends within the region. */
static void cut_found(
        struct weir_channel *channel, struct region *region, const struct weir_cut *cut)
{
	const char *data = region->data;
	size_t size = cut->end - cut->strip;
	bool skipped = channel->skipping;
	advance(region, cut->end);
	channel->before = 0;
	channel->terminator.state = 0;
	channel->skipping = false;
	channel->request_at_ms = weir_channel_clock(channel);
	weir_loop_counters(channel->host->loop)->requests++;
	if (skipped)
		return;
	if (channel->streamed) {
		give_piece(channel, data, size);
		if (channel->changed || channel->dead || channel->closing)
			return;
		size = 0;
	} else if (size > channel->request_max) {
		overflow(channel, WEIR_E_LIMIT);
		return;
	}
	channel->host->protocol->request(channel, weir_span(data, size));
}

/* It does not end here: hands over what is surely part of it, or waits for more. */
static void cut_more(struct weir_channel *channel, struct region *region, size_t hold)
{
	const char *data = region->data;
	size_t size = region->size - hold;
	bool too_long = size > channel->request_max && !channel->streamed && !channel->skipping;
	if (!too_long && !channel->streamed && !channel->skipping) {
		region->seen = region->size;
		return;
	}
	advance(region, size);
	region->seen = hold;
	channel->before += size;
	if (too_long) {
		channel->skipping = true;
		overflow(channel, WEIR_E_LIMIT);
	} else if (!channel->skipping) {
		give_piece(channel, data, size);
	}
}

void weir_input_cut(struct weir_channel *channel, struct region *region)
{
	while (weir_input_pending(channel, region)) {
		struct weir_terminator *terminator = &channel->terminator;
		struct weir_cut cut = {0};
		if (channel->changed)
			region->seen = 0;
		channel->changed = false;
		switch (terminator->type->scan(terminator, weir_span(region->data, region->size),
		        region->seen, channel->before, &cut)) {
		case WEIR_SCAN_FOUND:
			cut_found(channel, region, &cut);
			break;
		case WEIR_SCAN_MORE:
			cut_more(channel, region, cut.hold);
			break;
		case WEIR_SCAN_BAD:
			channel->refused = true;
			overflow(channel, WEIR_E_SYNTAX);
			break;
		}
	}
}

void weir_input_tell_eof(struct weir_channel *channel)
{
	/* Requests that wait for a place in the queue come first. */
	if (channel->kept && channel->kept->seen < channel->kept->size && !channel->refused &&
	        !channel->closing)
		return;
	channel->eof_told = true;
	if (channel->host->protocol->eof)
		channel->host->protocol->eof(channel);
	else
		channel->closing = true;
}

/* -- what users call --------------------------------------------------------------------------- */

static void set_terminator(
        struct weir_channel *channel, struct weir_terminator terminator, bool streamed)
{
	channel->terminator = terminator;
	channel->streamed = streamed;
	channel->changed = true;
	channel->skipping = false;
	channel->before = 0;
	weir_channel_schedule(channel);
}

void weir_channel_await(struct weir_channel *channel, struct weir_terminator terminator)
{
	set_terminator(channel, terminator, false);
}

void weir_channel_stream(struct weir_channel *channel, struct weir_terminator terminator)
{
	set_terminator(channel, terminator, true);
}

void weir_channel_set_request_max(struct weir_channel *channel, uint32_t size)
{
	channel->request_max = size;
}

void weir_channel_pause(struct weir_channel *channel)
{
	if (!channel->paused)
		weir_loop_counters(channel->host->loop)->reads_paused++;
	channel->paused = true;
	weir_channel_schedule(channel);
}

/* The time of the pause was ours: it does not count against the peer. */
void weir_channel_resume(struct weir_channel *channel)
{
	uint32_t now = weir_channel_clock(channel);
	if (!channel->paused)
		return;
	channel->request_at_ms += now - channel->progress_at_ms;
	channel->progress_at_ms = now;
	channel->paused = false;
	weir_channel_schedule(channel);
}
