/*
 * The sources that lend memory.
 *
 * One stretch: borrowed memory is freed by its owner and owned memory by the close; a copy is in
 * the same allocation as its producer. A list of buffers, whose spans are copied behind the
 * producer. And lines: strings that are lent, each followed by an ending. Small buffers and lines
 * are copied into scratch, so that a page of text needs a few pieces, not two for each line.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/sources.h>

#include "producer_internal.h"

/* -- one stretch ------------------------------------------------------------------------------- */

struct memory_producer {
	struct weir_producer base;
	const char *data;
	size_t size; /* still to be put */
	void *owned;
	char copy[];
};

static enum weir_more memory_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct memory_producer *memory = (struct memory_producer *)producer;
	size_t put = weir_output_borrow(out, memory->data, memory->size);
	if (put) {
		memory->data += put;
		memory->size -= put;
	}
	return memory->size ? WEIR_MORE : WEIR_DONE;
}

static void memory_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	(void)why;
	free(((struct memory_producer *)producer)->owned);
	free(producer);
}

static int64_t memory_producer_size(const struct weir_producer *producer)
{
	return (int64_t)((const struct memory_producer *)producer)->size;
}

static const struct weir_producer_type memory_type = {
        .name = "memory",
        .more = memory_producer_more,
        .close = memory_producer_close,
        .size = memory_producer_size,
};

static struct memory_producer *memory_producer_create(const void *data, size_t size, size_t extra)
{
	if (extra > SIZE_MAX - sizeof(struct memory_producer))
		return NULL;
	struct memory_producer *memory = malloc(sizeof *memory + extra);
	if (!memory)
		return NULL;
	weir_producer_init(&memory->base, &memory_type);
	memory->data = data;
	memory->size = size;
	memory->owned = NULL;
	return memory;
}

struct weir_producer *weir_produce_borrowed(const void *data, size_t size)
{
	struct memory_producer *memory = memory_producer_create(data, size, 0);
	return memory ? &memory->base : NULL;
}

struct weir_producer *weir_produce_owned(void *data, size_t size)
{
	struct memory_producer *memory = memory_producer_create(data, size, 0);
	if (!memory) {
		free(data);
		return NULL;
	}
	memory->owned = data;
	return &memory->base;
}

struct weir_producer *weir_produce_copied(const void *data, size_t size)
{
	struct memory_producer *memory = memory_producer_create(NULL, size, size);
	if (!memory)
		return NULL;
	if (size)
		memcpy(memory->copy, data, size);
	memory->data = memory->copy;
	return &memory->base;
}

struct weir_producer *weir_produce_format(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int size = vsnprintf(NULL, 0, format, args);
	va_end(args);
	struct memory_producer *memory =
	        size < 0 ? NULL : memory_producer_create(NULL, (size_t)size, (size_t)size + 1);
	if (!memory)
		return NULL;
	va_start(args, format);
	vsnprintf(memory->copy, (size_t)size + 1, format, args);
	va_end(args);
	memory->data = memory->copy;
	return &memory->base;
}

/* -- a list of buffers ------------------------------------------------------------------------- */

struct buffers {
	struct weir_producer base;
	weir_release_fn *release;
	void *context;
	size_t current;
	size_t count;
	struct weir_span spans[]; /* from `current` on, the parts that are still to be put */
};

static enum weir_more buffers_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct buffers *buffers = (struct buffers *)producer;
	for (; buffers->current < buffers->count; buffers->current++) {
		struct weir_span *span = &buffers->spans[buffers->current];
		*span = weir_span_skip(*span, output_put(out, span->data, span->size));
		if (span->size)
			return WEIR_MORE;
	}
	return WEIR_DONE;
}

static void buffers_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct buffers *buffers = (struct buffers *)producer;
	(void)why;
	if (buffers->release)
		buffers->release(buffers->context);
	free(buffers);
}

static int64_t buffers_producer_size(const struct weir_producer *producer)
{
	const struct buffers *buffers = (const struct buffers *)producer;
	size_t size = 0;
	for (size_t i = buffers->current; i < buffers->count; i++)
		size += buffers->spans[i].size;
	return (int64_t)size;
}

static const struct weir_producer_type buffers_type = {
        .name = "buffers",
        .more = buffers_producer_more,
        .close = buffers_producer_close,
        .size = buffers_producer_size,
};

struct weir_producer *weir_produce_buffers(
        const struct weir_span *buffers, size_t count, weir_release_fn *release, void *context)
{
	struct buffers *producer = NULL;
	size_t size;
	if (!__builtin_mul_overflow(count, sizeof(struct weir_span), &size) &&
	        !__builtin_add_overflow(size, sizeof *producer, &size))
		producer = malloc(size);
	if (!producer) {
		if (release)
			release(context);
		return NULL;
	}
	weir_producer_init(&producer->base, &buffers_type);
	producer->release = release;
	producer->context = context;
	producer->current = 0;
	producer->count = count;
	if (count)
		memcpy(producer->spans, buffers, count * sizeof(struct weir_span));
	return &producer->base;
}

/* -- lines ------------------------------------------------------------------------------------- */

struct lines {
	struct weir_producer base;
	const char *const *line; /* the current one */
	size_t at;               /* bytes of it and of its ending that were put */
	struct weir_span ending;
};

/* Puts the rest of the line and its ending. Returns false if not all of it fits. */
static bool lines_producer_put_line(struct lines *lines, struct weir_output *out)
{
	struct weir_span parts[2] = {weir_span_of(*lines->line), lines->ending};
	size_t before = 0;
	for (int i = 0; i < 2; i++) {
		size_t from = lines->at - before;
		if (from < parts[i].size) {
			struct weir_span rest = weir_span_skip(parts[i], from);
			size_t put = output_put(out, rest.data, rest.size);
			lines->at += put;
			if (put < rest.size)
				return false;
		}
		before += parts[i].size;
	}
	return true;
}

static enum weir_more lines_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct lines *lines = (struct lines *)producer;
	for (; *lines->line; lines->line++, lines->at = 0)
		if (!lines_producer_put_line(lines, out))
			return WEIR_MORE;
	return WEIR_DONE;
}

static void lines_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	(void)why;
	free(producer);
}

static int64_t lines_producer_size(const struct weir_producer *producer)
{
	const struct lines *lines = (const struct lines *)producer;
	size_t size = 0;
	for (const char *const *line = lines->line; *line; line++)
		size += strlen(*line) + lines->ending.size;
	return (int64_t)(size - lines->at);
}

static const struct weir_producer_type lines_type = {
        .name = "lines",
        .more = lines_producer_more,
        .close = lines_producer_close,
        .size = lines_producer_size,
};

struct weir_producer *weir_produce_lines(const char *const *lines, const char *ending)
{
	struct lines *producer = malloc(sizeof *producer);
	if (!producer)
		return NULL;
	weir_producer_init(&producer->base, &lines_type);
	producer->line = lines;
	producer->at = 0;
	producer->ending = weir_span_of(ending);
	return &producer->base;
}
