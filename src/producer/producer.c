/*
 * The contract of producers, held here so that their own code may be naive: an end is sticky, bytes
 * are counted, no producer is asked without room, the close is the last call. That it is called
 * only once is the owner's duty.
 *
 * The bytes that a transformer reads count against the loop's budget of input, since a GB that is
 * compressed to a MB costs the work of a GB. When the budget is spent, the answer is WEIR_WAIT.
 */
#include <weir/limits.h>
#include <weir/producer.h>

#include "loop_internal.h"
#include "probe.h"

void weir_producer_init(struct weir_producer *producer, const struct weir_producer_type *type)
{
	*producer = (struct weir_producer){.type = type, .state = WEIR_MORE};
}

void weir_producer_adopt(struct weir_producer *parent, struct weir_producer *child)
{
	child->parent = parent;
}

void weir_wake(struct weir_producer *producer)
{
	while (producer->parent)
		producer = producer->parent;
	PROBE1(wake, producer);
	if (producer->waiter)
		producer->waiter->wake(producer->waiter);
}

static bool producer_ended(const struct weir_producer *producer)
{
	return producer->state == WEIR_DONE || producer->state == WEIR_FAILED;
}

/*
 * A producer that puts nothing again and again waits for the next turn. With WEIR_MORE, each
 * wrapper around it would ask as often again: exponential in the depth.
 */
enum weir_more weir_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	if (producer_ended(producer))
		return producer->state;
	if (!weir_output_room(out))
		return WEIR_MORE;
	if (out->inner && loop_input_spent(out->loop)) {
		producer->state = WEIR_WAIT;
		weir_wake(producer);
		return WEIR_WAIT;
	}
	producer->taken = producer->put;
	for (int asks = 0; asks < WEIR_EMPTY_ASKS_MAX; asks++) {
		size_t before = out->size;
		producer->state = producer->type->more(producer, out);
		producer->put += out->size - before;
		PROBE4(ask, producer, producer->type->name, out->size - before, producer->state);
		if (out->inner)
			loop_input_charge(out->loop, out->size - before);
		if (producer->state != WEIR_MORE || out->size != before)
			return producer->state;
	}
	producer->state = WEIR_WAIT;
	weir_wake(producer);
	return WEIR_WAIT;
}

void weir_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	if (!producer)
		return;
	PROBE3(producer_closed, producer, producer->type->name, why);
	if (why == WEIR_CLOSE_DONE)
		producer->taken = producer->put;
	if (producer->type->close)
		producer->type->close(producer, why);
}

void weir_producer_consumed(struct weir_producer *producer, uint64_t unsent)
{
	uint64_t taken = unsent < producer->put ? producer->put - unsent : 0;
	if (taken > producer->taken)
		producer->taken = taken;
}

int64_t weir_producer_size(const struct weir_producer *producer)
{
	return producer->type->size ? producer->type->size(producer) : -1;
}
