/*
 * Writing a buffer of lines, on a thread of the pool.
 *
 * Invariant: a line is written whole, or not at all. If a full disk takes a part of one, the part
 * is cut off again; where that is not possible (another writer), the next line begins anew.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_state.h"

enum {
	WRITE_WAIT_MS = 1000, /* at the end, for the reader of a pipe or terminal */
};

/* Cuts off the last `size` bytes, if they are still the end of the file. */
static bool log_write_cut_off(int fd, size_t size)
{
	struct stat status;
	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	       lseek(fd, 0, SEEK_CUR) == status.st_size &&
	       ftruncate(fd, status.st_size - (off_t)size) == 0;
}

/* The bytes that a pipe with room takes without waiting: whole lines, if possible. */
static size_t log_write_pipe_size(const char *data, size_t size)
{
	if (size <= PIPE_BUF)
		return size;
	const char *end = memrchr(data, '\n', PIPE_BUF);
	return end ? (size_t)(end + 1 - data) : PIPE_BUF;
}

/* Returns a positive number of bytes, or a negative errno: -EAGAIN if a pipe is full. */
static ssize_t log_write_once(const struct weir_log *log, const char *data, size_t size)
{
	for (;;) {
		struct pollfd ready = {.fd = log->fd, .events = POLLOUT};
		int found = log->is_file ? 1 : poll(&ready, 1, log->ending ? WRITE_WAIT_MS : 0);
		if (found == 0)
			return -EAGAIN;
		if (!log->is_file)
			size = log_write_pipe_size(data, size);
		ssize_t put = found < 0 ? -1 : write(log->fd, data, size);
		if (put > 0)
			return put;
		if (put == 0)
			return -EIO;
		if (errno != EINTR)
			return -errno;
	}
}

/* The rest of the buffer, from `done` on, is lost. */
static void log_write_failed(struct weir_log *log, size_t done)
{
	const char *data = log->writing.data;
	const char *last = done ? memrchr(data, '\n', done) : NULL;
	size_t whole = last ? (size_t)(last + 1 - data) : 0;
	if (whole < done)
		log->torn = !log_write_cut_off(log->fd, done - whole);
	for (size_t i = whole; i < log->writing.size; i++)
		log->written.lost += data[i] == '\n';
}

static bool log_write_is_file(int fd)
{
	struct stat status;
	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* Writes the buffer `writing`. */
static void log_write_all(struct weir_log *log)
{
	size_t done = 0;
	log->written = (struct log_written){0};
	log->is_file = log_write_is_file(log->fd);
	if (log->torn && log->writing.size) {
		ssize_t put = log_write_once(log, "\n", 1);
		log->written.error = put < 0 ? (int)put : 0;
		log->torn = put < 0;
	}
	while (done < log->writing.size && log->written.error == 0) {
		ssize_t put =
		        log_write_once(log, log->writing.data + done, log->writing.size - done);
		if (put < 0)
			log->written.error = (int)put;
		else
			done += (size_t)put;
	}
	log->written.bytes = done;
	if (log->written.error == -EAGAIN && !log->ending) {
		log->written.error = 0;
		weir_buffer_consume(&log->writing, done);
		return;
	}
	if (log->written.error < 0)
		log_write_failed(log, done);
	log->writing.size = 0;
}

/* Sends the lines of `writing`, each of which ends with its level. The first error is reported. */
static void log_write_send_all(struct weir_log *log)
{
	struct weir_span line = {log->writing.data, 0};
	log->written = (struct log_written){0};
	for (size_t i = 0; i < log->writing.size; i++) {
		unsigned char c = (unsigned char)log->writing.data[i];
		if (!log_is_level(c)) {
			line.size++;
			continue;
		}
		int error = log->send(
		        log->path, log->fd, (enum weir_log_level)c, line, log->written.error == 0);
		if (error == 0)
			log->written.bytes += line.size;
		else
			log->written.lost++;
		if (log->written.error == 0)
			log->written.error = error;
		line = (struct weir_span){log->writing.data + i + 1, 0};
	}
	log->writing.size = 0;
}

void log_put_all(struct weir_log *log)
{
	if (log->send)
		log_write_send_all(log);
	else
		log_write_all(log);
}
