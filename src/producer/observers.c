/*
 * The transformers that pass all bytes on, and call back.
 *
 * The tee calls `see` with the bytes that pass. Bytes of a file, once read for that, are put as
 * memory, so that they are not read twice. All bytes that are put were seen, also those before a
 * failure. The hook calls back at the end. Its child is closed before, since on_end may free memory
 * that the child has borrowed.
 */
#include <stdlib.h>

#include <weir/transformers.h>

#include "producer_internal.h"

/* -- the tee ----------------------------------------------------------------------------------- */

struct tee {
	struct weir_producer base;
	struct weir_producer *child;
	weir_tee_fn *see;
	void *context;
};

static enum weir_more tee_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct tee *tee = (struct tee *)producer;
	struct weir_piece pieces[PRODUCER_INNER_PIECES];
	struct weir_span bytes[PRODUCER_INNER_PIECES];
	struct weir_output inner;
	size_t room = min_of(weir_output_room(out), PRODUCER_INNER_SIZE);
	unsigned free_pieces = min_of(output_free_pieces(out), PRODUCER_INNER_PIECES);
	weir_output_init_inner(&inner, out, pieces, free_pieces, room);
	enum weir_more more = weir_producer_more(tee->child, &inner);
	unsigned count = output_look(&inner, bytes);
	for (unsigned i = 0; i < count; i++) {
		struct weir_piece piece = {.data = bytes[i].data,
		        .size = bytes[i].size,
		        .fd = -1,
		        .kind = producer_kind_of_bytes(&pieces[i])};
		weir_output_forward(out, &piece, 0, piece.size);
		tee->see(tee->context, bytes[i]);
	}
	return count < inner.count ? WEIR_FAILED : more;
}

static void tee_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	producer_close_passing(producer, ((struct tee *)producer)->child, why);
	free(producer);
}

static int64_t tee_producer_size(const struct weir_producer *producer)
{
	return weir_producer_size(((const struct tee *)producer)->child);
}

static const struct weir_producer_type tee_type = {
        .name = "tee",
        .more = tee_producer_more,
        .close = tee_producer_close,
        .size = tee_producer_size,
};

struct weir_producer *weir_produce_tee(struct weir_producer *child, weir_tee_fn *see, void *context)
{
	struct tee *tee = child ? malloc(sizeof *tee) : NULL;
	if (!tee) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&tee->base, &tee_type);
	tee->child = child;
	tee->see = see;
	tee->context = context;
	weir_producer_adopt(&tee->base, child);
	return &tee->base;
}

/* -- the hook ---------------------------------------------------------------------------------- */

struct hook {
	struct weir_producer base;
	struct weir_producer *child;
	weir_hook_fn *on_end;
	void *context;
};

static enum weir_more hook_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	return weir_producer_more(((struct hook *)producer)->child, out);
}

static void hook_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct hook *hook = (struct hook *)producer;
	producer_close_passing(producer, hook->child, why);
	hook->on_end(hook->context, why, producer->taken);
	free(hook);
}

static int64_t hook_producer_size(const struct weir_producer *producer)
{
	return weir_producer_size(((const struct hook *)producer)->child);
}

static const struct weir_producer_type hook_type = {
        .name = "hook",
        .more = hook_producer_more,
        .close = hook_producer_close,
        .size = hook_producer_size,
};

struct weir_producer *weir_produce_hook(
        struct weir_producer *child, weir_hook_fn *on_end, void *context)
{
	struct hook *hook = child ? malloc(sizeof *hook) : NULL;
	if (!hook) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		on_end(context, WEIR_CLOSE_FAILED, 0);
		return NULL;
	}
	weir_producer_init(&hook->base, &hook_type);
	hook->child = child;
	hook->on_end = on_end;
	hook->context = context;
	weir_producer_adopt(&hook->base, child);
	return &hook->base;
}
