/*
 * The producer of a message by its plan. At most one child is open, and one is done whose bytes may
 * still be in the output.
 *
 *   file extent | text | encoder of a file extent | file extent | …
 */
#include <stdlib.h>

#include <weir/sources.h>
#include <weir/transformers.h>

#include "producer_internal.h"
#include "seven_bit.h"

enum {
	LEAST_ROOM = 1024
};

/* -- an encoder -------------------------------------------------------------------------------- */

struct encoding {
	struct weir_producer base;
	struct weir_producer *child;
	struct producer_pending pending;
	struct seven_bit_encoder encoder;
};

static enum weir_more encoding_compose(struct weir_producer *producer, struct weir_output *out)
{
	struct encoding *encoding = (struct encoding *)producer;
	struct weir_piece pieces[PRODUCER_INNER_PIECES];
	struct weir_span bytes[PRODUCER_INNER_PIECES];
	struct weir_output inner;
	size_t size = 0, room = min_of(weir_output_room(out), PRODUCER_INNER_SIZE);
	weir_output_init_inner(
	        &inner, out, pieces, PRODUCER_INNER_PIECES, (room - SEVEN_BIT_ENCODED_MAX(0)) / 4);
	enum weir_more more = weir_producer_more(encoding->child, &inner);
	unsigned count = output_look(&inner, bytes);
	if (count < inner.count)
		return WEIR_FAILED;
	char *text = weir_output_reserve(out, room, &room);
	if (!text || room < SEVEN_BIT_ENCODED_MAX(inner.size))
		return WEIR_FAILED;
	for (unsigned i = 0; i < count; i++)
		size += seven_bit_encode(&encoding->encoder, bytes[i], false, text + size);
	if (more == WEIR_DONE)
		size += seven_bit_encode(&encoding->encoder, weir_span(NULL, 0), true, text + size);
	weir_output_commit(out, size);
	return more;
}

static enum weir_more encoding_more(struct weir_producer *producer, struct weir_output *out)
{
	return producer_pending_more(&((struct encoding *)producer)->pending, producer, out,
	        LEAST_ROOM, 1, encoding_compose);
}

static void encoding_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct encoding *encoding = (struct encoding *)producer;
	weir_producer_close(encoding->child, why);
	producer_pending_free(&encoding->pending);
	free(encoding);
}

static const struct weir_producer_type encoding_type = {
        .name = "seven-bit-encoding",
        .more = encoding_more,
        .close = encoding_close,
};

static struct weir_producer *encoding_create(
        struct weir_producer *child, enum seven_bit_action action)
{
	struct encoding *encoding = child ? calloc(1, sizeof *encoding) : NULL;
	if (!encoding) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&encoding->base, &encoding_type);
	encoding->child = child;
	encoding->encoder.action = action;
	weir_producer_adopt(&encoding->base, child);
	return &encoding->base;
}

/* -- the message ------------------------------------------------------------------------------- */

struct seven_bit_message {
	struct weir_producer base;
	const struct seven_bit_plan *plan;
	struct weir_producer *child; /* NULL: the next has to be opened */
	struct weir_producer *done;  /* closed when its bytes have gone; NULL: there is none */
	uint64_t at, size;           /* offset in the file behind the bytes of `child`; its size */
	size_t edit;                 /* the next */
	int fd;
};

/* Opens the child for the next bytes. False without memory. */
static bool message_open(struct seven_bit_message *message)
{
	const struct seven_bit_plan *plan = message->plan;
	const struct seven_bit_edit *edit =
	        message->edit < plan->count ? &plan->edits[message->edit] : NULL;
	uint64_t start = message->at, end = edit ? edit->start : message->size;
	if (start < end) {
		message->child = weir_produce_file(message->fd, false, (off_t)start, end - start);
	} else {
		message->edit++;
		end = edit->end;
		message->child =
		        edit->action == SEVEN_BIT_REPLACE
		                ? weir_produce_borrowed(edit->text, strlen(edit->text))
		                : encoding_create(weir_produce_crlf(weir_produce_file(message->fd,
		                                          false, (off_t)start, end - start)),
		                          edit->action);
	}
	if (!message->child)
		return false;
	message->at = end;
	weir_producer_adopt(&message->base, message->child);
	return true;
}

static bool message_ended(const struct seven_bit_message *message)
{
	return !message->child && message->at == message->size &&
	       message->edit == message->plan->count;
}

static enum weir_more message_more(struct weir_producer *producer, struct weir_output *out)
{
	struct seven_bit_message *message = (struct seven_bit_message *)producer;
	size_t before = out->size;
	weir_producer_close(message->done, WEIR_CLOSE_DONE);
	message->done = NULL;
	while (!message_ended(message)) {
		if (!message->child && !message_open(message))
			return WEIR_FAILED;
		enum weir_more more = weir_producer_more(message->child, out);
		if (more != WEIR_DONE)
			return more;
		message->done = message->child;
		message->child = NULL;
		if (out->size > before)
			return message_ended(message) ? WEIR_DONE : WEIR_MORE;
		weir_producer_close(message->done, WEIR_CLOSE_DONE);
		message->done = NULL;
	}
	return WEIR_DONE;
}

static void message_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct seven_bit_message *message = (struct seven_bit_message *)producer;
	weir_producer_close(message->child, why);
	weir_producer_close(message->done, why);
	free(message);
}

static const struct weir_producer_type message_type = {
        .name = "seven-bit-message",
        .more = message_more,
        .close = message_close,
};

struct weir_producer *seven_bit_producer(const struct seven_bit_plan *plan, int fd, uint64_t size)
{
	struct seven_bit_message *message = calloc(1, sizeof *message);
	if (!message)
		return NULL;
	weir_producer_init(&message->base, &message_type);
	message->plan = plan;
	message->size = size;
	message->fd = fd;
	return &message->base;
}
