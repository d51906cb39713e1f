/*
 * Pending bytes: the way out of a transformer that has made more than there is room for. They are
 * lent from the heap and freed when they were taken, so that a stream with enough room keeps none.
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
	enum weir_more after; /* the answer that belongs to the last of the bytes */
};

/* Puts what is pending. True when there was something: *ret_more is the answer to give then. */
bool producer_pending_drain(
        struct producer_pending *pending, struct weir_output *out, enum weir_more *ret_more);

/*
 * Puts scratch memory of the loop; what does not fit becomes pending. The answer to give: `after`,
 * later.
 */
enum weir_more producer_pending_put(struct producer_pending *pending, struct weir_output *out,
        struct weir_span scratch, enum weir_more after);

/*
 * The `more` of a transformer whose `compose` needs `room` bytes and `places` pieces (up to 32) at
 * least: with less at hand its result goes by way of the pending bytes.
 */
enum weir_more producer_pending_more(struct producer_pending *pending,
        struct weir_producer *producer, struct weir_output *out, size_t room, unsigned places,
        enum weir_more (*compose)(struct weir_producer *producer, struct weir_output *out));

void producer_pending_free(struct producer_pending *pending);

#endif
