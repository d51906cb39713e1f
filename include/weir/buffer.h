/*
 * A buffer: bytes that it owns, and that grow up to a bound which the caller passes.
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

WEIR_C_BEGIN

struct weir_buffer {
	char *data;
	size_t size;
	size_t capacity;
};

/*
 * Makes room for `extra` more bytes. The capacity doubles, but never exceeds `limit`. Returns 0,
 * -ENOMEM or WEIR_E_LIMIT; on failure the buffer is untouched.
 */
WEIR_API int weir_buffer_reserve(struct weir_buffer *buffer, size_t extra, size_t limit);

/* Appends `size` bytes. Returns as weir_buffer_reserve. */
WEIR_API int weir_buffer_append(
        struct weir_buffer *buffer, const void *data, size_t size, size_t limit);

/* Appends formatted text without a NUL. Returns as weir_buffer_reserve. */
WEIR_API int weir_buffer_format(struct weir_buffer *buffer, size_t limit, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/*
 * Appends the rest of a file; blocks. Returns 0; WEIR_E_LIMIT if the buffer would hold more than
 * `limit` bytes; -ENOMEM, or an errno of read. On failure the bytes read so far stay in the buffer.
 */
WEIR_API int weir_buffer_read(struct weir_buffer *buffer, int fd, size_t limit);

/* Removes the first `size` bytes; the rest moves to the front. */
WEIR_API void weir_buffer_consume(struct weir_buffer *buffer, size_t size);

/* Frees the memory; the buffer is empty then. */
WEIR_API void weir_buffer_finish(struct weir_buffer *buffer);

static inline struct weir_span weir_buffer_span(const struct weir_buffer *buffer)
{
	return weir_span(buffer->data, buffer->size);
}

WEIR_C_END

#endif
