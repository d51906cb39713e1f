/*
 * A list of buffers that somebody else owns until release: what a cache hands out. The spans are
 * copied behind the producer; small buffers are copied into scratch, as for lines.
 */
#include <stdlib.h>

#include <weir/sources.h>

#include "output_internal.h"

struct buffers {
	struct weir_producer base;
	void (*release)(void *context);
	void *context;
	size_t current;
	size_t count;
	struct weir_span spans[]; /* from current on: what is still to be put */
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

struct weir_producer *weir_produce_buffers(const struct weir_span *buffers, size_t count,
        void (*release)(void *context), void *context)
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
