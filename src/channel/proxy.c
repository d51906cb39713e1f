/*
 * The PROXY header of a channel, which comes before TLS and before open().
 *
 * Invariant: exactly the header is taken from the socket. It is looked at in the kernel (MSG_PEEK)
 * until it is complete, so that a waiting channel needs no buffer. SO_RCVLOWAT keeps the kernel
 * from reporting the same bytes again, and is the record of how many bytes were seen.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <weir/error.h>

#include "channel_state.h"
#include "loop_internal.h"
#include "proxy_header.h"

bool channel_proxy_expected(const struct weir_channel *channel)
{
	const struct weir_listener *listener = channel->group->listener;
	return listener && weir_policy_trusts(listener->policy, &channel->peer);
}

bool channel_proxy_silent(const struct weir_channel *channel)
{
	int waiting = 0; /* bytes in the kernel */
	return channel->phase == CHANNEL_PROXIED &&
	       (ioctl(channel->watch.fd, FIONREAD, &waiting) < 0 || waiting == 0);
}

void channel_proxy_fail(struct weir_channel *channel, int error)
{
	const struct weir_listener *listener = channel->group->listener;
	if (listener->proxy_failed)
		listener->proxy_failed(listener->context, &channel->peer, error);
	channel_kill(channel, error, false);
}

/* Waits for more than `seen` bytes. Returns false if that was waited for before: no more come. */
static bool channel_proxy_wait(struct weir_channel *channel, size_t seen)
{
	int fd = channel->watch.fd, awaited = 1, next = (int)seen + 1;
	socklen_t size = sizeof awaited;
	return getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &awaited, &size) == 0 && awaited != next &&
	       setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &next, sizeof next) == 0;
}

/* Takes the header's bytes, which are all in the kernel. */
static int channel_proxy_consume(struct weir_channel *channel, char *buffer, size_t size)
{
	int fd = channel->watch.fd, one = 1;
	ssize_t got = recv(fd, buffer, size, 0);
	if (got != (ssize_t)size)
		return got < 0 ? -errno : -EIO;
	weir_metric_add(&channel->group->counters->bytes_in, size);
	return setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one) < 0 ? -errno : 0;
}

bool channel_proxy_step(struct weir_channel *channel)
{
	struct proxy_header header;
	char *buffer = loop_receive_buffer(channel->group->loop);
	if (!buffer) {
		channel_kill(channel, -ENOMEM, true);
		return false;
	}
	ssize_t got = recv(channel->watch.fd, buffer, WEIR_PROXY_HEADER_MAX, MSG_PEEK);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	/* A proxy that connects and closes checks whether the server is alive. */
	if (got <= 0) {
		channel_kill(channel, got < 0 ? -errno : 0, false);
		return false;
	}
	ssize_t size = proxy_header_read(weir_span(buffer, (size_t)got), &header);
	if (size == 0 && channel_proxy_wait(channel, (size_t)got))
		return false;
	int error = size < 0 ? (int)size : size == 0 ? WEIR_E_SYNTAX : 0;
	if (error == 0)
		error = channel_proxy_consume(channel, buffer, (size_t)size);
	if (error < 0) {
		channel_proxy_fail(channel, error);
		return false;
	}
	if (header.known)
		channel->peer = header.source;
	return true;
}
