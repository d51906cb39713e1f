/*
 * Output: the queue of frames as a producer. Frames of messages are lent from memory that all
 * receivers share; those of a producer are made as it is asked, a fragment for each answer.
 *
 *   first ─▶ [done][done][begun][control][message][producer][Close] ◀─ last
 *
 * An item whose bytes were all put stays in front until the queue is asked again: only then has the
 * peer taken them. A control frame goes in front of items that have not begun, but never into a
 * frame.
 *
 * Invariant: when the producer is asked and has put bytes, its answer is WEIR_MORE, so that it is
 * asked again and frees what was taken.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "helper.h"
#include "producer_internal.h"
#include "websocket_state.h"

/* -- the ring ---------------------------------------------------------------------------------- */

static struct websocket_item *websocket_output_first(const struct weir_websocket *websocket)
{
	return websocket->last ? websocket->last->next : NULL;
}

/* Inserts behind `after`; NULL: in front of all. */
static void websocket_output_insert(
        struct weir_websocket *websocket, struct websocket_item *after, struct websocket_item *item)
{
	if (!websocket->last) {
		item->next = item;
		websocket->last = item;
	} else if (!after) {
		item->next = websocket->last->next;
		websocket->last->next = item;
	} else {
		item->next = after->next;
		after->next = item;
		if (after == websocket->last)
			websocket->last = item;
	}
	websocket->queued += item->size;
}

static void websocket_output_free_item(struct websocket_item *item, enum weir_close_reason why)
{
	weir_producer_close(item->producer, why);
	weir_websocket_message_release(item->message);
	free(item);
}

/* Takes out the item behind `before`; NULL: the first. */
static void websocket_output_remove(
        struct weir_websocket *websocket, struct websocket_item *before, enum weir_close_reason why)
{
	struct websocket_item *ahead = before ? before : websocket->last;
	struct websocket_item *item = ahead->next;
	websocket->queued -= item->size;
	if (item == ahead)
		websocket->last = NULL;
	else if (item == websocket->last)
		websocket->last = ahead;
	ahead->next = item->next;
	websocket_output_free_item(item, why);
}

/* A producer may have failed, or have been cut off. */
static enum weir_close_reason websocket_output_reason(const struct websocket_item *item)
{
	enum weir_more state = item->producer ? item->producer->state : WEIR_DONE;
	return state == WEIR_DONE     ? WEIR_CLOSE_DONE
	       : state == WEIR_FAILED ? WEIR_CLOSE_FAILED
	                              : WEIR_CLOSE_ABORTED;
}

/* The bytes of all that is done were taken. */
static void websocket_output_release_taken(struct weir_websocket *websocket)
{
	struct websocket_item *first;
	while ((first = websocket_output_first(websocket)) && first->done)
		websocket_output_remove(websocket, NULL, websocket_output_reason(first));
	if (websocket->last || !websocket->refused)
		return;
	websocket->refused = false;
	if (websocket->options->drained && websocket->phase == WEBSOCKET_OPEN)
		websocket->options->drained(websocket->context);
}

/* -- queueing ---------------------------------------------------------------------------------- */

int websocket_output_push(struct weir_websocket *websocket, struct weir_websocket_message *message)
{
	struct websocket_item *item = calloc(1, sizeof *item);
	if (!item)
		return -ENOMEM;
	item->message = websocket_deflate_choose(websocket, message);
	if (!item->message) {
		free(item);
		return -ENOMEM;
	}
	item->size = (uint32_t)websocket_message_cost(item->message);
	websocket_output_insert(websocket, websocket->last, item);
	weir_wake(&websocket->producer);
	return 0;
}

/* Whether a control frame must go behind the item: it is being put, or is one that came before. */
static bool websocket_output_goes_first(const struct websocket_item *item)
{
	return item->done || item->control || (item->at && !item->producer);
}

/*
 * Finds the item that a control frame goes behind. Of pongs that wait, the oldest goes if they are
 * too many: the last one answers all (RFC 6455 5.5.3).
 */
static struct websocket_item *websocket_output_find_slot(
        struct weir_websocket *websocket, enum websocket_opcode opcode)
{
	if (opcode == WEBSOCKET_CLOSE)
		return websocket->last;
	struct websocket_item *after = NULL, *item = websocket_output_first(websocket);
	struct websocket_item *before_oldest = NULL;
	bool found = false;
	unsigned waiting = 0;
	for (; item && websocket_output_goes_first(item); item = item->next) {
		if (item->control && !item->done && item->at == 0) {
			if (!found)
				before_oldest = after;
			found = true;
			waiting++;
		}
		after = item;
		if (item == websocket->last)
			break;
	}
	if (waiting < WEIR_WEBSOCKET_PONGS_MAX)
		return after;
	/* It is not the one behind which the new one goes: there are others. */
	websocket_output_remove(websocket, before_oldest, WEIR_CLOSE_ABORTED);
	return after;
}

int websocket_output_push_control(
        struct weir_websocket *websocket, enum websocket_opcode opcode, struct weir_span payload)
{
	size_t room = WEBSOCKET_HEADER_LEAST + payload.size;
	struct websocket_item *item = calloc(1, sizeof *item + room);
	if (!item)
		return -ENOMEM;
	websocket_header_put(item->bytes, WEBSOCKET_FIN | opcode, payload.size);
	if (payload.size)
		memcpy(item->bytes + WEBSOCKET_HEADER_LEAST, payload.data, payload.size);
	item->size = (uint32_t)room;
	item->control = true;
	websocket_output_insert(websocket, websocket_output_find_slot(websocket, opcode), item);
	weir_wake(&websocket->producer);
	return 0;
}

int weir_websocket_send_producer(struct weir_websocket *websocket, enum weir_websocket_kind kind,
        struct weir_producer *producer)
{
	int error =
	        producer ? websocket_may_queue(websocket, WEIR_WEBSOCKET_PRODUCER_COST) : -ENOMEM;
	struct websocket_item *item = error ? NULL : calloc(1, sizeof *item);
	if (!item) {
		weir_producer_close(producer, WEIR_CLOSE_ABORTED);
		return error ? error : -ENOMEM;
	}
	weir_producer_adopt(&websocket->producer, producer);
	item->producer = producer;
	item->kind = (uint8_t)kind;
	item->size = WEIR_WEBSOCKET_PRODUCER_COST;
	websocket_output_insert(websocket, websocket->last, item);
	weir_wake(&websocket->producer);
	return 0;
}

/*
 * Of a producer that has begun, bytes may be lent: it is closed when they were taken. The client
 * finds the message cut off by the Close frame, so that no other message may follow.
 */
void websocket_output_cut(struct weir_websocket *websocket)
{
	struct websocket_item *before = NULL;
	struct websocket_item *item = websocket_output_first(websocket);
	bool cut = false;
	for (bool more = item; more;) {
		struct websocket_item *next = item->next;
		more = item != websocket->last;
		cut |= item->producer && !item->done;
		if (cut && item->producer && item->begun)
			item->done = true;
		if (!cut || item->done || item->control)
			before = item;
		else
			websocket_output_remove(websocket, before, WEIR_CLOSE_ABORTED);
		item = next;
	}
}

void websocket_output_finish(struct weir_websocket *websocket, enum weir_close_reason why)
{
	while (websocket->last)
		websocket_output_remove(websocket, NULL, why);
}

/* -- putting ----------------------------------------------------------------------------------- */

/* Returns WEIR_DONE when all of the item has been put. */
static enum weir_more websocket_output_put_bytes(
        struct websocket_item *item, struct weir_output *out)
{
	struct weir_span bytes = item->message ? websocket_message_frame(item->message)
	                                       : weir_span(item->bytes, item->size);
	bytes = weir_span_skip(bytes, item->at);
	size_t put = output_put(out, bytes.data, bytes.size);
	item->at += (uint32_t)put;
	if (put == bytes.size)
		return WEIR_DONE;
	return put || weir_output_room(out) == 0 ? WEIR_MORE : WEIR_FAILED;
}

/* Puts the header of a fragment, and the pieces of its payload. Returns false without memory. */
static bool websocket_output_put_fragment(struct websocket_item *item, struct weir_output *out,
        const struct weir_output *inner, bool final)
{
	char header[WEBSOCKET_HEADER_SENT_MAX];
	size_t size = websocket_header_put(header,
	        (final ? WEBSOCKET_FIN : 0u) | (item->begun ? WEBSOCKET_CONTINUATION : item->kind),
	        inner->size);
	item->begun = true;
	if (weir_output_copy(out, header, size) != size)
		return false;
	for (unsigned i = 0; i < inner->count; i++)
		if (weir_output_forward(out, &inner->pieces[i], 0, inner->pieces[i].size) !=
		        inner->pieces[i].size)
			return false;
	return true;
}

enum {
	/* Kept free for a header. */
	WEBSOCKET_SPARE = WEBSOCKET_HEADER_SENT_MAX,
	WEBSOCKET_SPARE_PIECES = 2,
};

/* Asks the producer once. Its bytes are lent until the peer has taken them. */
static enum weir_more websocket_output_put_producer(
        struct weir_websocket *websocket, struct websocket_item *item, struct weir_output *out)
{
	struct weir_piece pieces[PRODUCER_INNER_PIECES];
	struct weir_output inner;
	size_t room = weir_output_room(out);
	unsigned free_pieces = output_free_pieces(out);
	if (room <= WEBSOCKET_SPARE || free_pieces <= WEBSOCKET_SPARE_PIECES)
		return WEIR_MORE;
	output_init(&inner, out->loop, pieces,
	        min_of(free_pieces - WEBSOCKET_SPARE_PIECES, PRODUCER_INNER_PIECES),
	        room - WEBSOCKET_SPARE);
	enum weir_more answer = weir_producer_more(item->producer, &inner);
	bool final = answer == WEIR_DONE;
	if ((inner.size || final) && !websocket_output_put_fragment(item, out, &inner, final))
		return WEIR_FAILED;
	if (answer != WEIR_FAILED)
		return answer;
	/* It counts as begun, so that it is cut off and not freed. */
	item->begun = true;
	websocket_fail(websocket, WEIR_WEBSOCKET_SERVER_ERROR);
	return WEIR_DONE;
}

static enum weir_more websocket_output_put(
        struct weir_websocket *websocket, struct websocket_item *item, struct weir_output *out)
{
	enum weir_more answer = item->producer ? websocket_output_put_producer(websocket, item, out)
	                                       : websocket_output_put_bytes(item, out);
	if (answer != WEIR_DONE)
		return answer;
	item->done = true;
	if (!item->control && websocket_output_reason(item) == WEIR_CLOSE_DONE)
		weir_metric_add(&websocket->cells->messages[WEBSOCKET_SENT], 1);
	return WEIR_DONE;
}

static struct websocket_item *websocket_output_next(const struct weir_websocket *websocket)
{
	struct websocket_item *item = websocket_output_first(websocket);
	while (item && item->done)
		item = item == websocket->last ? NULL : item->next;
	return item;
}

enum weir_more websocket_output_more(struct weir_producer *producer, struct weir_output *out)
{
	struct weir_websocket *websocket =
	        WEIR_CONTAINER(producer, struct weir_websocket, producer);
	size_t before = out->size;
	enum weir_more answer = WEIR_DONE;
	struct websocket_item *item;
	websocket_output_release_taken(websocket);
	while (answer == WEIR_DONE && (item = websocket_output_next(websocket)))
		answer = websocket_output_put(websocket, item, out);
	weir_metric_add(&websocket->cells->bytes[WEBSOCKET_SENT], out->size - before);
	if (answer == WEIR_FAILED)
		return WEIR_FAILED;
	if (out->size > before || answer == WEIR_MORE)
		return WEIR_MORE;
	if (!websocket->last && websocket->phase == WEBSOCKET_ENDING)
		return WEIR_DONE;
	/* An item that was done without a byte is released by the next call. */
	return websocket->last && !websocket_output_next(websocket) ? WEIR_MORE : WEIR_WAIT;
}
