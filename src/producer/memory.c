/*
 * The memory sources: bytes that are there already, lent to the output as they are. Only who frees
 * them differs. A copy lives in the same allocation as its producer.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/sources.h>

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
