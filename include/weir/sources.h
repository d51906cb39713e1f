/*
 * Sources: producers that have no child. Each constructor returns NULL without memory, and has then
 * freed or closed all that it was given to own.
 */
#ifndef WEIR_SOURCES_H
#define WEIR_SOURCES_H

#include <weir/api.h>
#include <weir/producer.h>
#include <weir/span.h>

WEIR_C_BEGIN

/* -- memory -- */

/*
 * Memory that does not change until the producer is closed: static data, or data that outlives the
 * channel.
 */
WEIR_API struct weir_producer *weir_produce_borrowed(const void *data, size_t size);

/* Memory from malloc, which the close frees. */
WEIR_API struct weir_producer *weir_produce_owned(void *data, size_t size);

/* A copy, which the producer owns. */
WEIR_API struct weir_producer *weir_produce_copied(const void *data, size_t size);

/* Formatted text, which the producer owns. */
WEIR_API struct weir_producer *weir_produce_format(const char *format, ...)
        __attribute__((format(printf, 1, 2)));

/*
 * Strings up to a NULL, each followed by `ending`, as "\r\n". The array and strings are borrowed.
 */
WEIR_API struct weir_producer *weir_produce_lines(const char *const *lines, const char *ending);

/* Releases borrowed memory: it is not read any more. Called exactly once. */
typedef void weir_release_fn(void *context);

/*
 * A list of buffers, one after the other. The array is copied; the bytes are borrowed until the
 * close calls `release(context)`. NULL: there is nothing to release.
 */
WEIR_API struct weir_producer *weir_produce_buffers(
        const struct weir_span *buffers, size_t count, weir_release_fn *release, void *context);

/* -- descriptors -- */

/*
 * `size` bytes of a file from `offset` on. The close closes `fd` if it is `owned`. Pages that are
 * not cached are read by the work pool first, so that a cold disk does not block the loop. A file
 * that is shorter than that fails.
 */
WEIR_API struct weir_producer *weir_produce_file(int fd, bool owned, off_t offset, uint64_t size);

/*
 * The part of a file that was seen in the page cache less than WEIR_PAGES_SEEN_MS ago. Zeroed at
 * first; only the producers that share it write to it.
 */
struct weir_pages_seen {
	off_t from;
	off_t to;
	int64_t since_ms; /* by the loop's clock */
};

/*
 * A file that several producers of one loop send, and that none of them closes. Both `fd` and
 * `seen` are borrowed until the close. Pages that one of the producers has just seen in the page
 * cache are not looked for again, which saves the others a system call for each extent.
 */
WEIR_API struct weir_producer *weir_produce_shared_file(
        int fd, off_t offset, uint64_t size, struct weir_pages_seen *seen);

/*
 * All that is read from a pipe, a socket or a character device up to its end. The descriptor must
 * be non-blocking; the close closes it. An error of read is WEIR_FAILED.
 */
WEIR_API struct weir_producer *weir_produce_stream(struct weir_loop *loop, int fd);

/* -- callbacks -- */

/* Puts bytes and answers as the `more` of a producer does (weir/producer.h). */
typedef enum weir_more weir_generator_fn(void *context, struct weir_output *out);

/* The last call, exactly once: as the `close` of a producer. */
typedef void weir_close_fn(void *context, enum weir_close_reason why);

/*
 * A producer made of two functions; `close` may be NULL. To put bytes later, answer WEIR_WAIT, and
 * call weir_wake for the producer when they are there.
 */
WEIR_API struct weir_producer *weir_produce_generator(
        weir_generator_fn *more, weir_close_fn *close, void *context);

/*
 * Returns WEIR_MORE with the next item, which may have any size and must not change until the next
 * call or the close; or WEIR_WAIT, WEIR_DONE or WEIR_FAILED without one.
 */
typedef enum weir_more weir_iterator_fn(void *context, struct weir_span *ret_item);

/* A sequence of items; `close` may be NULL. */
WEIR_API struct weir_producer *weir_produce_iterator(
        weir_iterator_fn *next, weir_close_fn *close, void *context);

WEIR_C_END

#endif
