/*
 * The stream: reads a descriptor directly into the output's scratch. The descriptor is watched only
 * while the producer waits for it, since epoll reports a hang-up again and again, which would keep
 * the loop busy while a slow peer reads. Regular files are for weir_produce_file.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/loop.h>
#include <weir/sources.h>

struct stream {
	struct weir_producer base;
	struct weir_loop *loop;
	struct weir_watch watch;
	int fd;
	bool watching;
};

enum {
	READ_MAX = 64 * 1024
};

static void stream_producer_on_event(struct weir_watch *watch, unsigned events)
{
	struct stream *stream = WEIR_CONTAINER(watch, struct stream, watch);
	(void)events;
	weir_watch_cancel(stream->loop, watch);
	stream->watching = false;
	weir_wake(&stream->base);
}

static enum weir_more stream_producer_wait_for_input(struct stream *stream)
{
	if (stream->watching)
		return WEIR_WAIT;
	int error = weir_watch_start(
	        stream->loop, &stream->watch, stream->fd, WEIR_READABLE, stream_producer_on_event);
	if (error < 0)
		return WEIR_FAILED;
	stream->watching = true;
	return WEIR_WAIT;
}

static enum weir_more stream_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct stream *stream = (struct stream *)producer;
	size_t room;
	char *to = weir_output_reserve(out, READ_MAX, &room);
	if (!to)
		return WEIR_FAILED;
	ssize_t got;
	do
		got = read(stream->fd, to, room);
	while (got < 0 && errno == EINTR);
	int error = errno;
	weir_output_commit(out, got > 0 ? (size_t)got : 0);
	if (got > 0)
		return WEIR_MORE;
	if (got == 0)
		return WEIR_DONE;
	return error == EAGAIN ? stream_producer_wait_for_input(stream) : WEIR_FAILED;
}

static void stream_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct stream *stream = (struct stream *)producer;
	(void)why;
	if (stream->watching)
		weir_watch_close(stream->loop, &stream->watch);
	else
		close(stream->fd);
	free(stream);
}

static const struct weir_producer_type stream_type = {
        .name = "stream",
        .more = stream_producer_more,
        .close = stream_producer_close,
};

struct weir_producer *weir_produce_stream(struct weir_loop *loop, int fd)
{
	struct stream *stream = calloc(1, sizeof *stream);
	if (!stream) {
		close(fd);
		return NULL;
	}
	weir_producer_init(&stream->base, &stream_type);
	stream->loop = loop;
	stream->fd = fd;
	return &stream->base;
}
