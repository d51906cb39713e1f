/* The growable buffer. It keeps size ≤ capacity ≤ the limit of the last call, and never shrinks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/error.h>

#include "helper.h"

enum {
	SMALLEST = 64,
	READ_SIZE = 4096
};

int weir_buffer_reserve(struct weir_buffer *buffer, size_t extra, size_t limit)
{
	size_t need;
	if (__builtin_add_overflow(buffer->size, extra, &need) || need > limit)
		return WEIR_E_LIMIT;
	if (need <= buffer->capacity)
		return 0;
	size_t capacity = buffer->capacity > SIZE_MAX / 2 ? need : buffer->capacity * 2;
	if (capacity < SMALLEST)
		capacity = SMALLEST;
	if (capacity < need)
		capacity = need;
	if (capacity > limit)
		capacity = limit;
	char *data = realloc(buffer->data, capacity);
	if (!data)
		return -ENOMEM;
	memory_prefer_huge_pages(data, capacity);
	buffer->data = data;
	buffer->capacity = capacity;
	return 0;
}

int weir_buffer_append(struct weir_buffer *buffer, const void *data, size_t size, size_t limit)
{
	int error = weir_buffer_reserve(buffer, size, limit);
	if (error < 0)
		return error;
	if (size)
		memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
	return 0;
}

int weir_buffer_format(struct weir_buffer *buffer, size_t limit, const char *format, ...)
{
	size_t room = buffer->capacity - buffer->size;
	va_list args;
	va_start(args, format);
	int size = vsnprintf(room ? buffer->data + buffer->size : NULL, room, format, args);
	va_end(args);
	if (size < 0)
		return -EINVAL;
	/* vsnprintf writes a NUL behind the text: room for it, though it is not counted. */
	int error = weir_buffer_reserve(buffer, (size_t)size + 1, limit);
	if (error < 0)
		return error;
	if ((size_t)size >= room) {
		va_start(args, format);
		vsnprintf(buffer->data + buffer->size, (size_t)size + 1, format, args);
		va_end(args);
	}
	buffer->size += (size_t)size;
	return 0;
}

int weir_buffer_read(struct weir_buffer *buffer, int fd, size_t limit)
{
	for (;;) {
		int error = weir_buffer_reserve(buffer, READ_SIZE, limit + READ_SIZE);
		if (error < 0)
			return error;
		ssize_t got =
		        read(fd, buffer->data + buffer->size, buffer->capacity - buffer->size);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got == 0)
			return 0;
		buffer->size += got > 0 ? (size_t)got : 0;
		if (buffer->size > limit)
			return WEIR_E_LIMIT;
	}
}

void weir_buffer_consume(struct weir_buffer *buffer, size_t size)
{
	buffer->size -= size;
	if (buffer->size)
		memmove(buffer->data, buffer->data + size, buffer->size);
}

void weir_buffer_finish(struct weir_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct weir_buffer){0};
}
