/*
 * Flush: asks the producers of the replies, in order, for one output, sends it, and repeats that as
 * long as the transport takes all of it.
 *
 *   replies  [ DONE ][ DONE ][ MORE ][ open ]
 *              └──── one output ────┘   one sendmsg
 *
 * A producer is asked again only when all its bytes were taken (back-pressure), so nothing is
 * queued here. The bytes that the kernel does not take are saved as a remainder: borrowed memory
 * and files by reference, scratch as a copy. Sixteen pipelined replies leave in one call.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "channel_state.h"
#include "loop_internal.h"
#include "probe.h"
#include "producer_internal.h"
#include "transport_internal.h"

/* -- sending ----------------------------------------------------------------------------------- */

/*
 * Sends the memory pieces from `first` on, up to a file or pipe. The bytes taken or an errno;
 * *ret_next is the piece after.
 */
static ssize_t channel_flush_send_memory(struct weir_channel *channel,
        const struct weir_piece *pieces, unsigned first, unsigned count, unsigned *ret_next)
{
	struct iovec vector[WEIR_OUTPUT_PIECES];
	unsigned n = 0;
	while (first + n < count && pieces[first + n].data) {
		const struct weir_piece *piece = &pieces[first + n];
		vector[n++] = (struct iovec){(void *)piece->data, piece->size};
	}
	*ret_next = first + n;
	return channel->transport->type->send(
	        channel->transport, channel->watch.fd, vector, n, *ret_next < count);
}

static size_t channel_flush_memory_size(
        const struct weir_piece *pieces, unsigned first, unsigned next)
{
	size_t size = 0;
	for (; first < next; first++)
		size += pieces[first].size;
	return size;
}

/* Sends a piece of a file or pipe; `more`: others follow. The bytes taken or an errno. */
static ssize_t channel_flush_send_extent(
        struct weir_channel *channel, const struct weir_piece *piece, bool more)
{
	struct weir_transport *transport = channel->transport;
	if (piece->kind == WEIR_PIECE_PIPE)
		return transport->type->send_pipe(
		        transport, channel->watch.fd, piece->fd, piece->size, more);
	return transport->type->send_file(
	        transport, channel->watch.fd, piece->fd, piece->offset, piece->size);
}

/*
 * The bytes taken of all the pieces; fewer than they hold means that the transport is full. Or an
 * errno.
 */
static ssize_t channel_flush_send_pieces(
        struct weir_channel *channel, const struct weir_piece *pieces, unsigned count)
{
	size_t total = 0;
	for (unsigned i = 0, next; i < count; i = next) {
		size_t size;
		ssize_t put;
		if (!pieces[i].data) {
			next = i + 1;
			size = pieces[i].size;
			put = channel_flush_send_extent(channel, &pieces[i], next < count);
		} else {
			put = channel_flush_send_memory(channel, pieces, i, count, &next);
			size = channel_flush_memory_size(pieces, i, next);
		}
		weir_metric_add(&channel->group->counters->sends, 1);
		if (put == -EAGAIN || put == -EINTR)
			put = 0;
		if (put < 0)
			return total ? (ssize_t)total : put; /* the next call returns the error */
		total += (size_t)put;
		if ((size_t)put < size)
			break;
	}
	return (ssize_t)total;
}

/*
 * A reader that takes its replies may have more of them in the kernel, for fewer and larger sends.
 */
static void channel_flush_choose_unsent(struct weir_channel *channel, const struct weir_output *out)
{
	static const int bytes[] = {WEIR_UNSENT_LOW, WEIR_UNSENT_HIGH, WEIR_UNSENT_FILE};
	const struct weir_piece *last = &out->pieces[out->count - 1];
	enum unsent unsent = UNSENT_LOW;
	if (channel->sent >= WEIR_UNSENT_PROVEN)
		unsent = last->kind == WEIR_PIECE_FILE && last->size > WEIR_UNSENT_HIGH
		                 ? UNSENT_FILE
		                 : UNSENT_HIGH;
	if (unsent == channel->unsent)
		return;
	channel->unsent = unsent & ((1 << UNSENT_BITS) - 1);
	setsockopt(channel->watch.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes[unsent],
	        sizeof bytes[unsent]);
}

/* Where the protocol wants that, input from before the peer closed is read first. */
void channel_flush_fail(struct weir_channel *channel, int error)
{
	bool closed = error == -EPIPE || error == -ECONNRESET;
	if (!closed || !channel->read_after_failure || channel->phase != CHANNEL_OPEN ||
	        channel->input_end != INPUT_OPEN) {
		channel_kill(channel, error, channel->reset_on_failure);
		return;
	}
	if (transport_is_tls(channel->transport))
		tls_drop_pending(channel->transport);
	free(channel->remainder);
	channel->remainder = NULL;
	channel->blocked = false;
	channel_replies_abandon(channel, WEIR_CLOSE_ABORTED);
}

static void channel_flush_note_sent(struct weir_channel *channel, size_t size)
{
	if (size == 0)
		return;
	channel->sent += size;
	channel->progress_at_ms = channel_clock(channel);
	weir_metric_add(&channel->group->counters->bytes_out, size);
	weir_metric_add(&channel->group->cells->bytes_out, size);
	PROBE2(flush, channel->watch.fd, size);
}

/* -- the remainder ----------------------------------------------------------------------------- */

/* Takes `size` bytes off the front of the pieces; returns the first that is left. */
static unsigned channel_flush_drop_sent(
        struct weir_piece *pieces, unsigned first, unsigned count, size_t size)
{
	for (; first < count && size >= pieces[first].size; first++)
		size -= pieces[first].size;
	if (first < count && size) {
		if (pieces[first].data)
			pieces[first].data += size;
		else
			pieces[first].offset += (off_t)size;
		pieces[first].size -= size;
	}
	return first;
}

static bool channel_flush_save_remainder(
        struct weir_channel *channel, const struct weir_piece *pieces, unsigned count)
{
	size_t scratch = 0;
	for (unsigned i = 0; i < count; i++)
		scratch += pieces[i].kind == WEIR_PIECE_SCRATCH ? pieces[i].size : 0;
	struct remainder *remainder = malloc(sizeof *remainder + count * sizeof *pieces + scratch);
	if (!remainder)
		return false;
	char *copy = (char *)&remainder->pieces[count];
	remainder->first = 0;
	remainder->count = count;
	memcpy(remainder->pieces, pieces, count * sizeof *pieces);
	for (unsigned i = 0; i < count; i++) {
		if (pieces[i].kind != WEIR_PIECE_SCRATCH)
			continue;
		memcpy(copy, pieces[i].data, pieces[i].size);
		remainder->pieces[i].data = copy;
		copy += pieces[i].size;
	}
	channel->remainder = remainder;
	return true;
}

/* True when nothing is left over. */
static bool channel_flush_send_remainder(struct weir_channel *channel)
{
	struct remainder *remainder = channel->remainder;
	if (!remainder)
		return true;
	ssize_t put = channel_flush_send_pieces(
	        channel, remainder->pieces + remainder->first, remainder->count - remainder->first);
	if (put < 0) {
		channel_flush_fail(channel, (int)put);
		return false;
	}
	channel_flush_note_sent(channel, (size_t)put);
	remainder->first = channel_flush_drop_sent(
	        remainder->pieces, remainder->first, remainder->count, (size_t)put);
	channel->blocked = remainder->first < remainder->count;
	if (channel->blocked)
		return false;
	free(remainder);
	channel->remainder = NULL;
	return true;
}

/* -- asking ------------------------------------------------------------------------------------ */

static enum reply_state channel_flush_asked(
        struct weir_channel *channel, struct weir_reply *reply, enum weir_more answer)
{
	switch (answer) {
	case WEIR_MORE:
		break;
	case WEIR_WAIT:
		PROBE2(wait, channel->watch.fd, reply->producer);
		weir_metric_add(&channel->group->counters->producer_waits, 1);
		return reply->woken ? REPLY_READY : REPLY_WAITING;
	case WEIR_DONE:
		return REPLY_DONE;
	case WEIR_FAILED:
		return REPLY_FAILED;
	}
	return REPLY_READY;
}

/* Asks as many replies as can be asked for one output; each once. */
static void channel_flush_ask_replies(struct weir_channel *channel, struct weir_output *out)
{
	struct weir_reply *reply = channel_reply_first(channel);
	for (unsigned i = channel->reply_count; i > 0; i--, reply = reply->next) {
		if (reply->state == REPLY_DONE)
			continue;
		if (reply->state != REPLY_READY || weir_output_room(out) == 0)
			return;
		reply->woken = false;
		enum weir_more answer = weir_producer_more(reply->producer, out);
		reply->state = channel_flush_asked(channel, reply, answer);
		reply->end = channel->sent + out->size;
		if (reply->state != REPLY_DONE)
			return;
	}
}

static void channel_flush_send_output(struct weir_channel *channel, struct weir_output *out)
{
	channel_flush_choose_unsent(channel, out);
	ssize_t put = channel_flush_send_pieces(channel, out->pieces, out->count);
	if (put < 0) {
		channel_flush_fail(channel, (int)put);
		return;
	}
	channel_flush_note_sent(channel, (size_t)put);
	if ((size_t)put == out->size)
		return;
	unsigned first = channel_flush_drop_sent(out->pieces, 0, out->count, (size_t)put);
	channel->blocked = true;
	if (!channel_flush_save_remainder(channel, out->pieces + first, out->count - first))
		channel_kill(channel, -ENOMEM, true);
}

/* Ends the channel if the first reply has failed and its bytes have left. */
static bool channel_flush_end_if_failed(struct weir_channel *channel)
{
	struct weir_reply *first = channel_reply_first(channel);
	if (!first || first->state != REPLY_FAILED || channel->remainder)
		return false;
	channel_replies_abandon(channel, WEIR_CLOSE_ABORTED);
	if (channel->reset_on_failure)
		channel_kill(channel, -EIO, true);
	else
		channel_enter(channel, CHANNEL_ENDING);
	channel->error = -EIO;
	return true;
}

/* Asks for one output and sends it. Returns true if a further output may be had. */
static bool channel_flush_once(struct weir_channel *channel)
{
	struct weir_piece pieces[WEIR_OUTPUT_PIECES];
	struct weir_output out;
	bool lends_files = channel->transport->type->lends_files;
	output_init(&out, channel->group->loop, pieces, WEIR_OUTPUT_PIECES,
	        lends_files ? WEIR_OUTPUT_ROOM : WEIR_TLS_ROOM);
	out.file_room = lends_files ? WEIR_FILE_EXTENT : 0;
	out.takes_pipes = channel->transport->type->send_pipe;
	channel_flush_ask_replies(channel, &out);
	if (out.size)
		channel_flush_send_output(channel, &out);
	arena_reset(loop_arena(channel->group->loop));
	if (channel_dead(channel))
		return false;
	channel_replies_pop_sent(channel);
	return !channel->blocked && !channel_flush_end_if_failed(channel) && channel->last &&
	       channel_reply_first(channel)->state == REPLY_READY;
}

bool channel_flush(struct weir_channel *channel, uint64_t until)
{
	unsigned empty = 0;
	if (!channel->last || channel->blocked || channel_dead(channel) ||
	        !channel_flush_send_remainder(channel))
		return true;
	channel_replies_pop_sent(channel);
	if (channel_flush_end_if_failed(channel) || !channel->last)
		return true;
	struct weir_loop *loop = channel->group->loop;
	loop_input_starved(loop);
	for (uint64_t sent = channel->sent; channel_flush_once(channel); sent = channel->sent) {
		if (loop_input_starved(loop)) {
			channel->task.run = channel_task;
			loop_input_defer(loop, &channel->task);
			return false;
		}
		empty = channel->sent == sent ? empty + 1 : 0;
		if (channel->sent >= until || empty > WEIR_EMPTY_ASKS_MAX) {
			channel->task.run = channel_task;
			weir_loop_defer(channel->group->loop, &channel->task);
			return false;
		}
	}
	return true;
}
