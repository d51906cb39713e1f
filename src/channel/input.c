/*
 * Input: received into the loop's buffer, cut there by the channel's cutter, passed to the protocol
 * in place. Nothing is received while the protocol cannot be called (back-pressure), so that one
 * read bounds the input that waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <weir/error.h>

#include "channel_splice.h"
#include "channel_state.h"
#include "helper.h"
#include "probe.h"

/* -- callbacks of the cutter ------------------------------------------------------------------- */

static struct weir_channel *channel_input_channel_of(const struct weir_cutter *cutter)
{
	return WEIR_CONTAINER(cutter, struct weir_channel, cutter);
}

static bool channel_input_on_held(const struct weir_cutter *cutter)
{
	const struct weir_channel *channel = channel_input_channel_of(cutter);
	return channel->phase != CHANNEL_OPEN || channel->paused ||
	       channel->reply_count >= channel->group->bounds.replies_max;
}

static void channel_input_on_request(struct weir_cutter *cutter, struct weir_span request)
{
	struct weir_channel *channel = channel_input_channel_of(cutter);
	if (!channel->expects_body)
		channel->request_at_ms = channel_clock(channel);
	weir_metric_add(&channel->group->cells->requests, 1);
	PROBE2(request, channel->watch.fd, request.size);
	/* The end of a stream is reported also if its last piece made the protocol pause. */
	if (channel->phase < CHANNEL_CLOSING)
		channel->group->protocol->request(channel, request);
}

static void channel_input_on_piece(struct weir_cutter *cutter, struct weir_span bytes)
{
	struct weir_channel *channel = channel_input_channel_of(cutter);
	if (channel->group->protocol->piece)
		channel->group->protocol->piece(channel, bytes);
}

static void channel_input_on_overflow(struct weir_cutter *cutter, int error)
{
	struct weir_channel *channel = channel_input_channel_of(cutter);
	weir_metric_add(&channel->group->counters->limits_hit, 1);
	weir_metric_add(&channel->group->cells->limits_hit, 1);
	if (channel->group->protocol->overflow)
		channel->group->protocol->overflow(channel, error);
	else
		channel_kill(channel, error, true);
}

const struct weir_cutter_type channel_cutter_type = {
        .request = channel_input_on_request,
        .piece = channel_input_on_piece,
        .overflow = channel_input_on_overflow,
        .held = channel_input_on_held,
};

/* See tls_receive: with less room nothing would be read. */
_Static_assert(WEIR_RECEIVE_SMALL_SIZE > WEIR_TLS_RECORD_LARGE + 1024, "a record must fit");

/* -- receiving --------------------------------------------------------------------------------- */

bool channel_input_wanted(const struct weir_channel *channel)
{
	return !channel_input_on_held(&channel->cutter) && !channel->cutter.refused &&
	       channel->input_end == INPUT_OPEN;
}

/*
 * Each streamed byte extends the time limit of the request, at the lowest rate allowed. The
 * extension is bounded by progress_ms.
 */
static void channel_input_pay(struct weir_channel *channel, size_t size)
{
	uint32_t now = channel_clock(channel);
	int64_t most = channel->group->bounds.progress_ms;
	int64_t ahead = (int32_t)(channel->request_at_ms - now);
	ahead += (int64_t)(size / (WEIR_BODY_RATE_MIN / 1000));
	if (most > INT32_MAX / 2)
		most = INT32_MAX / 2;
	channel->request_at_ms = now + (uint32_t)(ahead < most ? ahead : most);
}

void channel_input_note(struct weir_channel *channel, size_t size)
{
	weir_metric_add(&channel->group->counters->bytes_in, size);
	weir_metric_add(&channel->group->cells->bytes_in, size);
	channel->progress_at_ms = channel_clock(channel);
	if (channel->expects_body || channel->cutter.streamed)
		channel_input_pay(channel, size);
}

static size_t channel_input_room(const struct weir_channel *channel)
{
	switch ((enum weir_reads)channel->reads) {
	case WEIR_READS_LARGE:
		break;
	case WEIR_READS_SMALL:
		return WEIR_RECEIVE_SMALL_SIZE;
	case WEIR_READS_LEAST:
		return channel->transport == weir_tcp() ? WEIR_RECEIVE_LEAST_SIZE
		                                        : WEIR_RECEIVE_SMALL_SIZE;
	}
	return channel->cutter.streamed ? WEIR_RECEIVE_STREAMED_SIZE : WEIR_RECEIVE_SIZE;
}

size_t channel_input_receive(struct weir_channel *channel, char *buffer)
{
	ssize_t got = channel->transport->type->receive(
	        channel->transport, channel->watch.fd, buffer, channel_input_room(channel));
	weir_metric_add(&channel->group->counters->receives, 1);
	if (got > 0) {
		channel_input_note(channel, (size_t)got);
		if (channel->transport->at_end)
			channel->input_end = INPUT_ENDED;
		return (size_t)got;
	}
	if (got == 0)
		channel->input_end = INPUT_ENDED;
	else if (got != -EAGAIN && got != -EINTR)
		channel_kill(channel, (int)got, false);
	return 0;
}

void channel_input_end(struct weir_channel *channel, const struct weir_region *region)
{
	struct weir_cutter *cutter = &channel->cutter;
	bool began = !cutter->saved && region->size;
	if (channel->phase >= CHANNEL_CLOSING) {
		/* That there was more to read decides how the channel closes. */
		channel->unread |= region->size > 0;
		weir_cutter_finish(cutter);
		return;
	}
	if (channel->phase == CHANNEL_UPGRADING) {
		/* Input in clear must not be taken for input that came encrypted. */
		channel_secure_drop(channel, region->size);
		weir_cutter_finish(cutter);
		return;
	}
	if (began && !channel->expects_body)
		channel->request_at_ms = channel_clock(channel);
	if (weir_cutter_save(cutter, region) < 0)
		channel_kill(channel, -ENOMEM, true);
}

void channel_input_report_eof(struct weir_channel *channel)
{
	channel->input_end = INPUT_END_REPORTED;
	if (channel->group->protocol->eof)
		channel->group->protocol->eof(channel);
	else
		weir_channel_close(channel);
}

/* -- the public functions ---------------------------------------------------------------------- */

void weir_channel_await(struct weir_channel *channel, struct weir_terminator terminator)
{
	weir_cutter_await(&channel->cutter, terminator);
	channel_schedule(channel);
}

void weir_channel_stream(struct weir_channel *channel, struct weir_terminator terminator)
{
	weir_cutter_stream(&channel->cutter, terminator);
	channel_schedule(channel);
}

void weir_channel_set_request_max(struct weir_channel *channel, uint32_t size)
{
	channel->cutter.request_max = size;
}

void weir_channel_set_reads(struct weir_channel *channel, enum weir_reads reads)
{
	channel->reads = reads & ((1 << READS_BITS) - 1);
}

void weir_channel_pause(struct weir_channel *channel)
{
	if (!channel->paused)
		weir_metric_add(&channel->group->counters->reads_paused, 1);
	channel->paused = true;
	channel_schedule(channel);
}

void weir_channel_expect_body(struct weir_channel *channel, bool expected)
{
	if (expected == channel->expects_body)
		return;
	channel->request_at_ms = channel->progress_at_ms = channel_clock(channel);
	channel->expects_body = expected;
	channel_schedule(channel);
}

/* The time of the pause does not count against the peer. */
void weir_channel_resume(struct weir_channel *channel)
{
	uint32_t now = channel_clock(channel);
	if (!channel->paused)
		return;
	channel->request_at_ms += now - channel->progress_at_ms;
	channel->progress_at_ms = now;
	channel->paused = false;
	channel_schedule(channel);
}

/* -- diverted input ---------------------------------------------------------------------------- */

/*
 * Diverted input: the protocol takes streamed input from the socket itself. It does so on another
 * thread, so bytes are gathered first: the kernel reports when there are enough (SO_RCVLOWAT), and
 * a timer when the gathering time has passed. If nothing came in that time, only the first byte is
 * watched for, so that a silent peer costs nothing.
 *
 *   first byte ─▶ gathering ─▶ divert_ready(): paused ─▶ taken ─▶ gathering …
 *       └────── nothing came ──────┘
 */
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

static void channel_divert_await(struct weir_channel *channel, int bytes)
{
	bool set =
	        setsockopt(channel->watch.fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0;
	channel->diversion = set && bytes > 1 ? DIVERT_GATHERING : DIVERT_FIRST_BYTE;
}

static int channel_divert_waiting(const struct weir_channel *channel)
{
	int bytes = 0;
	return ioctl(channel->watch.fd, FIONREAD, &bytes) == 0 ? bytes : 0;
}

static void channel_divert_report(struct weir_channel *channel)
{
	weir_channel_pause(channel);
	channel->group->protocol->divert_ready(channel);
}

void channel_divert_readable(struct weir_channel *channel)
{
	bool first = channel->diversion == DIVERT_FIRST_BYTE;
	int bytes = first ? channel_divert_waiting(channel) : 0;
	if (bytes > 0 && bytes < WEIR_DIVERT_GATHER)
		channel_divert_await(channel, WEIR_DIVERT_GATHER);
	/*
	 * At the end of the input there are no bytes; and if there are, epoll reports the end
	 * again.
	 */
	if (bytes > 0 && channel->diversion == DIVERT_GATHERING)
		channel->progress_at_ms = channel_clock(channel);
	else
		channel_divert_report(channel);
}

void channel_divert_gathered(struct weir_channel *channel)
{
	if (channel_divert_waiting(channel)) {
		channel_divert_report(channel);
	} else {
		channel_divert_await(channel, 1);
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

/* -- spliced input ----------------------------------------------------------------------------- */

/* The bytes that the stream may still have; 0 also if it has another kind of end. */
static uint64_t channel_splice_left(const struct weir_cutter *cutter)
{
	const struct weir_terminator *terminator = &cutter->terminator;
	if (!cutter->streamed)
		return 0;
	if (terminator->type == weir_everything().type)
		return UINT64_MAX;
	if (terminator->type != weir_length(0).type)
		return 0;
	return terminator->length - cutter->before;
}

static bool channel_splice_is_possible(const struct weir_channel *channel)
{
	return (channel->diversion == DIVERT_NONE || channel->diversion == DIVERT_SPLICED) &&
	       channel->transport == weir_tcp() && channel->phase == CHANNEL_OPEN &&
	       !channel->cutter.saved && channel->input_end == INPUT_OPEN;
}

/* An end or error is left to the channel, which meets it again when it receives. */
static ssize_t channel_splice_some(struct weir_channel *channel, int pipe, size_t size)
{
	ssize_t got = splice(
	        channel->watch.fd, NULL, pipe, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	int error = errno;
	weir_metric_add(&channel->group->counters->receives, 1);
	if (got < 0)
		return error == EINTR ? -EAGAIN : -error;
	return got ? got : -ENODATA;
}

ssize_t channel_splice(struct weir_channel *channel, int pipe, size_t size)
{
	struct weir_cutter *cutter = &channel->cutter;
	uint64_t left = channel_splice_left(cutter);
	ssize_t got = -EOPNOTSUPP;
	if (left && channel_splice_is_possible(channel))
		got = channel_splice_some(channel, pipe, (size_t)min_of(left, (uint64_t)size));
	if (got > 0) {
		channel_input_note(channel, (size_t)got);
		cutter->before += (uint64_t)got;
		cutter->changed = true; /* the terminator scans again: this may be its end */
	}
	if (got == -EAGAIN || (got > 0 && (uint64_t)got < left))
		channel->diversion = DIVERT_SPLICED;
	else
		channel_splice_end(channel);
	return got;
}

bool channel_splices(const struct weir_channel *channel)
{
	return channel->diversion == DIVERT_SPLICED;
}

void channel_splice_end(struct weir_channel *channel)
{
	if (channel->diversion == DIVERT_SPLICED)
		channel->diversion = DIVERT_NONE;
}
