/*
 * The composite: children in order. When a child is done, the next one puts bytes in the same
 * output, so that a header and its body leave together. The bytes of the child before are still in
 * the output then. So it is closed only when the composite is asked again, since they have been
 * taken by then.
 *
 *   closed ≤ current ≤ count:  [0, closed) are closed, [closed, current) are done but open
 */
#include <stdlib.h>

#include <weir/transformers.h>

#include "helper.h"

struct composite {
	struct weir_producer base;
	unsigned closed;
	unsigned current; /* the child to ask */
	unsigned count;
	struct weir_producer *children[];
};

static enum weir_more composite_producer_more(
        struct weir_producer *producer, struct weir_output *out)
{
	struct composite *composite = (struct composite *)producer;
	while (composite->closed < composite->current)
		weir_producer_close(composite->children[composite->closed++], WEIR_CLOSE_DONE);
	while (composite->current < composite->count) {
		if (!weir_output_room(out))
			return WEIR_MORE;
		enum weir_more more =
		        weir_producer_more(composite->children[composite->current], out);
		if (more != WEIR_DONE)
			return more;
		composite->current++;
	}
	return WEIR_DONE;
}

/* Bytes that were not taken are the last that were put, so they belong to the last children. */
static void composite_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct composite *composite = (struct composite *)producer;
	uint64_t unsent = producer->put - producer->taken;
	for (unsigned i = composite->count; i-- > composite->closed;) {
		struct weir_producer *child = composite->children[i];
		uint64_t open = child->put - child->taken;
		uint64_t missed = min_of(unsent, open);
		unsent -= missed;
		weir_producer_consumed(child, missed);
		bool complete = i < composite->current && !missed;
		weir_producer_close(child, complete ? WEIR_CLOSE_DONE : why);
	}
	free(composite);
}

static int64_t composite_producer_size(const struct weir_producer *producer)
{
	const struct composite *composite = (const struct composite *)producer;
	int64_t size = 0;
	for (unsigned i = composite->current; i < composite->count; i++) {
		int64_t part = weir_producer_size(composite->children[i]);
		if (part < 0 || __builtin_add_overflow(size, part, &size))
			return -1;
	}
	return size;
}

static const struct weir_producer_type composite_type = {
        .name = "composite",
        .more = composite_producer_more,
        .close = composite_producer_close,
        .size = composite_producer_size,
};

struct weir_producer *weir_produce_composite(struct weir_producer *const *children, unsigned count)
{
	bool whole = true;
	for (unsigned i = 0; i < count; i++)
		whole = whole && children[i];
	struct composite *composite =
	        whole ? malloc(sizeof *composite + count * sizeof(struct weir_producer *)) : NULL;
	if (!composite) {
		for (unsigned i = 0; i < count; i++)
			weir_producer_close(children[i], WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&composite->base, &composite_type);
	composite->closed = 0;
	composite->current = 0;
	composite->count = count;
	for (unsigned i = 0; i < count; i++) {
		composite->children[i] = children[i];
		weir_producer_adopt(&composite->base, children[i]);
	}
	return &composite->base;
}
