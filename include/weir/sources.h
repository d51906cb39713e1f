/*
 * Sources: the producers that stand at the inner end. Each constructor returns NULL without memory
 * (and has then freed or closed what it was given to own).
 */
#ifndef WEIR_SOURCES_H
#define WEIR_SOURCES_H

#include <weir/producer.h>
#include <weir/span.h>

/* -- memory -- */

/*
 * Memory that stays valid until the producer is closed: static data, or what outlives the channel.
 */
WEIR_API struct weir_producer *weir_produce_borrowed(const void *data, size_t size);

/* Memory from malloc, freed with free() at the close. */
WEIR_API struct weir_producer *weir_produce_owned(void *data, size_t size);

/* A copy of its own. */
WEIR_API struct weir_producer *weir_produce_copied(const void *data, size_t size);

/* Formatted text, as a copy of its own. */
WEIR_API struct weir_producer *weir_produce_format(const char *format, ...)
        __attribute__((format(printf, 1, 2)));

/* Strings up to a NULL, each followed by `ending` ("\r\n"). The array and strings are borrowed. */
WEIR_API struct weir_producer *weir_produce_lines(const char *const *lines, const char *ending);

/*
 * A list of buffers, one after the other. The array is copied, the bytes are borrowed until
 * `release(context)` is called, at the close (NULL: they need no release).
 */
WEIR_API struct weir_producer *weir_produce_buffers(const struct weir_span *buffers, size_t count,
        void (*release)(void *context), void *context);

/* -- descriptors -- */

/*
 * `size` bytes of a file from `offset` on; closes `fd` in the end if `owned`. What is not in the
 * page cache is read by the work pool first, so that a cold disk does not stop the loop. A file
 * that turns out shorter fails.
 */
WEIR_API struct weir_producer *weir_produce_file(int fd, bool owned, off_t offset, uint64_t size);

/*
 * What a descriptor yields up to its end: a pipe, a socket, a character device. It must be
 * non-blocking; it is closed in the end. An error of read is WEIR_FAILED.
 */
WEIR_API struct weir_producer *weir_produce_stream(struct weir_loop *loop, int fd);

/* -- callbacks -- */

/*
 * `more(context, out)` puts what it has and answers as a producer does. `close(context, why)` may
 * be NULL. To answer later, return WEIR_WAIT and weir_wake() the producer.
 */
WEIR_API struct weir_producer *weir_produce_generator(
        enum weir_more (*more)(void *context, struct weir_output *out),
        void (*close)(void *context, enum weir_close_reason why), void *context);

/*
 * `next(context, &item)` gives one item a call, of any size, valid until its next call or the
 * close: WEIR_MORE with an item (which may be empty), WEIR_WAIT, WEIR_DONE or WEIR_FAILED without.
 */
WEIR_API struct weir_producer *weir_produce_iterator(
        enum weir_more (*next)(void *context, struct weir_span *ret_item),
        void (*close)(void *context, enum weir_close_reason why), void *context);

#endif
