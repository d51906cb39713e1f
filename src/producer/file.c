/* The sources that read a descriptor: a regular file, and a stream such as a pipe or socket. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/sources.h>

/* -- a regular file ---------------------------------------------------------------------------- */

/*
 * The file: extents as large as the room. Before an extent is put, its last byte is looked for in
 * the page cache, and so is the first byte of all if the first extent is large. If one is missing,
 * the work pool reads the extent first, and the loop continues meanwhile. Pages between the two may
 * still have to be read when the extent is sent. Senders that share what they have seen look once.
 *
 * The work has a descriptor of its own and is freed when it is done, so that the producer may be
 * closed at any time.
 */
struct file_producer {
	struct weir_producer base;
	struct fetch *fetch; /* under way, or NULL */
	off_t offset;
	uint64_t size; /* still to be put */
	off_t fetched; /* the work pool has read up to here, so it is not checked again */
	struct weir_pages_seen *seen; /* shared, or NULL */
	int fd;
	bool owned;
	bool begun; /* an extent has been put */
};

/* An extent being read into the page cache. */
struct fetch {
	struct weir_work work;
	struct file_producer *file; /* NULL once the producer is closed */
	off_t offset;
	size_t size;
	int fd;
};

/* FETCH_MIN: with less, the peer would wait for the disk again and again. */
enum {
	READ_AHEAD = 128 * 1024,
	FETCH_CHUNK = 16 * 1024,
	FETCH_MIN = 256 * 1024
};

enum presence {
	CACHED,
	COLD,
	SHORT
};

static enum presence file_producer_compare_size(int fd, off_t offset)
{
	struct stat status;
	bool there = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
	return there && offset < status.st_size ? CACHED : SHORT;
}

/* An end of file is checked by fstat: Linux 5.9 and 5.10 report one where there is none. */
static enum presence file_producer_look_for_byte(int fd, off_t offset)
{
	char byte;
	struct iovec to = {&byte, 1};
	ssize_t got = preadv2(fd, &to, 1, offset, RWF_NOWAIT);
	if (got == 1)
		return CACHED;
	if (got < 0 && errno == EAGAIN)
		return COLD;
	if (got == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
		return file_producer_compare_size(fd, offset);
	return SHORT;
}

static enum presence file_producer_look_for_extent(const struct file_producer *file, size_t size)
{
	off_t last = file->offset + (off_t)size - 1;
	enum presence presence = file_producer_look_for_byte(file->fd, last);
	/*
	 * The kernel reads ahead that far: if the end of a short extent is cached, so is its
	 * beginning. The beginning of a later extent follows what has just been sent.
	 */
	if (presence == CACHED && size > READ_AHEAD && !file->begun)
		presence = file_producer_look_for_byte(file->fd, file->offset);
	return presence;
}

static bool file_producer_seen(
        const struct file_producer *file, const struct weir_loop *loop, off_t end)
{
	const struct weir_pages_seen *seen = file->seen;
	return seen && file->offset >= seen->from && end <= seen->to &&
	       weir_loop_now_ms(loop) - seen->since_ms < WEIR_PAGES_SEEN_MS;
}

/* One age holds for all of the part, that of its first page: a part that grows does not stay. */
static void file_producer_note_seen(
        struct file_producer *file, const struct weir_loop *loop, off_t end)
{
	struct weir_pages_seen *seen = file->seen;
	if (!seen)
		return;
	int64_t now = weir_loop_now_ms(loop);
	bool grows = file->offset >= seen->from && file->offset <= seen->to &&
	             now - seen->since_ms < WEIR_PAGES_SEEN_MS;
	if (!grows)
		*seen = (struct weir_pages_seen){file->offset, end, now};
	else if (end > seen->to)
		seen->to = end;
}

static void file_producer_fetch_run(struct weir_work *work)
{
	struct fetch *fetch = WEIR_CONTAINER(work, struct fetch, work);
	char chunk[FETCH_CHUNK];
	off_t end = fetch->offset + (off_t)fetch->size;
	readahead(fetch->fd, fetch->offset, fetch->size);
	for (off_t at = fetch->offset; at < end;) {
		size_t size = end - at < FETCH_CHUNK ? (size_t)(end - at) : FETCH_CHUNK;
		ssize_t got = pread(fetch->fd, chunk, size, at);
		if (got <= 0 && !(got < 0 && errno == EINTR))
			break; /* sending the extent meets the same error, and reports it */
		at += got > 0 ? got : 0;
	}
	close(fetch->fd);
}

static void file_producer_fetch_done(struct weir_work *work)
{
	struct fetch *fetch = WEIR_CONTAINER(work, struct fetch, work);
	struct file_producer *file = fetch->file;
	if (file) {
		file->fetch = NULL;
		file->fetched = fetch->offset + (off_t)fetch->size;
		weir_wake(&file->base);
	}
	free(fetch);
}

/* Returns false if the pool takes no work; the file is read as if it were cached then. */
static bool file_producer_start_fetch(
        struct file_producer *file, struct weir_loop *loop, size_t size)
{
	struct fetch *fetch = calloc(1, sizeof *fetch);
	if (!fetch)
		return false;
	fetch->file = file;
	fetch->offset = file->offset;
	fetch->size = size > FETCH_MIN ? size : FETCH_MIN;
	if (fetch->size > file->size)
		fetch->size = (size_t)file->size;
	fetch->fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
	if (fetch->fd < 0)
		goto error_fetch;
	if (weir_work_submit(
	            loop, &fetch->work, file_producer_fetch_run, file_producer_fetch_done) < 0)
		goto error_fd;
	file->fetch = fetch;
	return true;
error_fd:
	close(fetch->fd);
error_fetch:
	free(fetch);
	return false;
}

/* COLD: the work pool reads the extent, and wakes the producer. */
static enum presence file_producer_prepare(
        struct file_producer *file, struct weir_loop *loop, size_t size)
{
	off_t end = file->offset + (off_t)size;
	if (file_producer_seen(file, loop, end))
		return CACHED;
	if (end <= file->fetched)
		return file_producer_compare_size(file->fd, end - 1);
	enum presence presence = file_producer_look_for_extent(file, size);
	if (presence == COLD && !file_producer_start_fetch(file, loop, size))
		return CACHED;
	if (presence == CACHED)
		file_producer_note_seen(file, loop, end);
	return presence;
}

static enum weir_more file_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct file_producer *file = (struct file_producer *)producer;
	if (file->fetch)
		return WEIR_WAIT;
	if (!file->size)
		return WEIR_DONE;
	size_t room = weir_output_file_room(out);
	size_t size = file->size < room ? (size_t)file->size : room;
	enum presence presence = size ? file_producer_prepare(file, out->loop, size) : CACHED;
	if (presence != CACHED)
		return presence == COLD ? WEIR_WAIT : WEIR_FAILED;
	size_t put = weir_output_file(out, file->fd, file->offset, size);
	file->offset += (off_t)put;
	file->size -= put;
	file->begun = true;
	return file->size ? WEIR_MORE : WEIR_DONE;
}

static void file_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct file_producer *file = (struct file_producer *)producer;
	(void)why;
	if (file->fetch)
		file->fetch->file = NULL;
	if (file->owned)
		close(file->fd);
	free(file);
}

static int64_t file_producer_size(const struct weir_producer *producer)
{
	return (int64_t)((const struct file_producer *)producer)->size;
}

static const struct weir_producer_type file_type = {
        .name = "file",
        .more = file_producer_more,
        .close = file_producer_close,
        .size = file_producer_size,
};

static struct weir_producer *file_producer_create(
        int fd, off_t offset, uint64_t size, struct weir_pages_seen *seen)
{
	struct file_producer *file = calloc(1, sizeof *file);
	if (!file)
		return NULL;
	weir_producer_init(&file->base, &file_type);
	file->fd = fd;
	file->offset = offset;
	file->size = size;
	file->seen = seen;
	return &file->base;
}

struct weir_producer *weir_produce_file(int fd, bool owned, off_t offset, uint64_t size)
{
	struct weir_producer *producer = file_producer_create(fd, offset, size, NULL);
	if (producer)
		((struct file_producer *)producer)->owned = owned;
	else if (owned)
		close(fd);
	return producer;
}

struct weir_producer *weir_produce_shared_file(
        int fd, off_t offset, uint64_t size, struct weir_pages_seen *seen)
{
	return file_producer_create(fd, offset, size, seen);
}

/* -- a stream ---------------------------------------------------------------------------------- */

/*
 * The stream: reads a descriptor directly into the output's scratch. The descriptor is watched only
 * while the producer waits for it, since epoll reports a hang-up again and again, which would keep
 * the loop busy while a slow peer reads. Regular files are for weir_produce_file.
 */
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
