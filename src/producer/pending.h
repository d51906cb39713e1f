/*
 * Pending bytes: those that a transformer has made and that do not fit the room. They are on the
 * heap, lent to the next outputs, and freed when they were taken. A stream with enough room has
 * none.
 */
#ifndef WEIR_PENDING_H
#define WEIR_PENDING_H

#include <weir/producer.h>
#include <weir/span.h>

/*
 * Embedded, all zero at first. Invariant: at ≤ size; data is NULL when nothing is pending or lent.
 */
struct producer_pending {
	char *data;
	uint32_t at; /* bytes put */
	uint32_t size;
	enum weir_more after; /* the answer after the last of the bytes */
};

/* Puts pending bytes. Returns whether there were any; *ret_more is the answer to give then. */
bool producer_pending_drain(
        struct producer_pending *pending, struct weir_output *out, enum weir_more *ret_more);

/*
 * Puts scratch memory of the loop; bytes that do not fit become pending. Returns the answer to
 * give, which is `after` once all bytes were put.
 */
enum weir_more producer_pending_put(struct producer_pending *pending, struct weir_output *out,
        struct weir_span scratch, enum weir_more after);

/*
 * The `more` of a transformer whose `compose` needs at least `room` bytes and `free_pieces` pieces,
 * up to 32. With less, its result becomes pending bytes.
 */
enum weir_more producer_pending_more(struct producer_pending *pending,
        struct weir_producer *producer, struct weir_output *out, size_t room, unsigned free_pieces,
        enum weir_more (*compose)(struct weir_producer *producer, struct weir_output *out));

void producer_pending_free(struct producer_pending *pending);

#endif
