/*
 * The file of a message becomes a body. Its chunks leave as the database takes them.
 *
 * Invariant: the file is read on only while the writer takes more.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "database_transfer.h"

static int import_body_write(struct import_body *body, struct weir_span bytes)
{
	int result = 0;
	while (result >= 0 && bytes.size) {
		const char *end = body->converts ? memchr(bytes.data, '\n', bytes.size) : NULL;
		size_t size = end ? (size_t)(end - bytes.data) : bytes.size;
		bool bare = end && (size ? end[-1] : body->last) != '\r';
		if (size)
			result = body_writer_write(&body->writer, weir_span(bytes.data, size));
		if (bare && result >= 0)
			result = body_writer_write(&body->writer, WEIR_SPAN("\r"));
		if (end && result >= 0)
			result = body_writer_write(&body->writer, WEIR_SPAN("\n"));
		size += end != NULL;
		body->last = bytes.data[size - 1];
		bytes = weir_span_skip(bytes, size);
	}
	return result;
}

static void import_body_close(struct import_body *body)
{
	if (body->fd >= 0)
		close(body->fd);
	body->fd = -1;
}

static void import_body_on_finished(struct body_writer *writer, int error)
{
	struct import_body *body = WEIR_CONTAINER(writer, struct import_body, writer);
	bool later = body->fd < 0;
	import_body_close(body);
	if (error < 0) {
		transfer_fail(body->transfer, error, body->what, weir_error_text(error));
		return;
	}
	body->finished = true;
	if (later)
		body->resumed(body->context);
}

/* Returns whether it has ended. */
static bool import_body_pump(struct import_body *body)
{
	for (;;) {
		ssize_t got = read(body->fd, body->buffer, IMPORT_READ);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			body->error = -errno;
			import_body_close(body);
			return true;
		}
		if (got == 0)
			break;
		int result = import_body_write(body, weir_span(body->buffer, (size_t)got));
		if (result < 0)
			transfer_fail(body->transfer, result, body->what, weir_error_text(result));
		if (result != 0)
			return false;
	}
	body_writer_finish(&body->writer, import_body_on_finished);
	bool ended = body->finished;
	import_body_close(body);
	return ended;
}

static void import_body_on_ready(void *context, int error)
{
	struct import_body *body = context;
	if (body->transfer->over)
		return;
	if (error < 0)
		transfer_fail(body->transfer, error, body->what, weir_error_text(error));
	else if (import_body_pump(body))
		body->resumed(body->context);
}

bool import_body_start(struct import_body *body, struct database_transfer *transfer, int fd)
{
	body->transfer = transfer;
	body->fd = fd;
	int error = body_writer_init(
	        &body->writer, transfer->at, INT64_MAX, import_body_on_ready, body);
	if (error < 0) {
		import_body_close(body);
		transfer_fail(transfer, error, NULL, weir_error_text(error));
		return false;
	}
	body->writing = true;
	return import_body_pump(body);
}

void import_body_free(struct import_body *body, bool stored)
{
	import_body_close(body);
	if (body->writing)
		body_writer_free(&body->writer, !stored);
	body->writing = body->finished = false;
}
