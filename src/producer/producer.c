/*
 * The contract around a producer, held here so that a producer's own code stays naive: an end is
 * sticky, bytes are counted, nobody is asked without room, the close comes last.
 *
 * What a transformer reads counts against the loop's budget of input: the output alone says nothing of
 * the work where a GB becomes a MB. A child that is asked when the budget is spent answers WEIR_WAIT.
 *
 * What cannot be told from here, that a producer is closed once only, is the owner's duty.
 */
#include <weir/limits.h>
#include <weir/producer.h>

#include "loop_internal.h"

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
	if (producer->waiter)
		producer->waiter->wake(producer->waiter);
}

static bool producer_ended(const struct weir_producer *producer)
{
	return producer->state == WEIR_DONE || producer->state == WEIR_FAILED;
}

/*
 * A producer that has put nothing again and again waits for the next turn: passed on as WEIR_MORE,
 * every wrapper around it would ask as often again, a power of the depth.
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
