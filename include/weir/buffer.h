/*
 * A buffer: bytes of our own that grow up to a bound the caller names.
 *
 *   data ─▶ [ size bytes in use | free ] capacity
 *
 * All zero is a valid, empty buffer that owns nothing. Invariant: size ≤ capacity; data is NULL
 * exactly when capacity is 0.
 */
#ifndef WEIR_BUFFER_H
#define WEIR_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

#include <weir/api.h>
#include <weir/span.h>

struct weir_buffer {
	char *data;
	size_t size;
	size_t capacity;
};

/*
 * Makes room for `extra` more bytes, `limit` in all at most. Grows by doubling, never above limit.
 * 0, -ENOMEM or WEIR_E_LIMIT; the buffer is untouched on failure.
 */
WEIR_API int weir_buffer_reserve(struct weir_buffer *buffer, size_t extra, size_t limit);

/* Appends; errors as weir_buffer_reserve. */
WEIR_API int weir_buffer_append(
        struct weir_buffer *buffer, const void *data, size_t size, size_t limit);

/* Appends formatted text (no NUL is counted); errors as weir_buffer_reserve. */
WEIR_API int weir_buffer_format(struct weir_buffer *buffer, size_t limit, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/*
 * Appends what a file has from where it is read; blocks. WEIR_E_LIMIT: there would be more than
 * `limit` bytes; -ENOMEM, or an errno of read. What was read by then stays.
 */
WEIR_API int weir_buffer_read(struct weir_buffer *buffer, int fd, size_t limit);

/* Drops the first `size` bytes; the rest moves to the front. */
WEIR_API void weir_buffer_consume(struct weir_buffer *buffer, size_t size);

/* Gives the memory back; the buffer is all zero then. */
WEIR_API void weir_buffer_finish(struct weir_buffer *buffer);

static inline struct weir_span weir_buffer_span(const struct weir_buffer *buffer)
{
	return weir_span(buffer->data, buffer->size);
}

#endif
