/*
 * The sources that are made of callbacks.
 *
 * A generator puts its bytes itself. An iterator returns items one by one, each valid only until
 * the next call. So items of up to COPIED_MAX are copied, and the next one follows in the same
 * output. A larger one is lent, and ends the answer. `item` is the rest of the current item.
 */
#include <stdlib.h>

#include <weir/sources.h>

/* -- a producer of two callbacks --------------------------------------------------------------- */

struct generator {
	struct weir_producer base;
	weir_generator_fn *more;
	weir_close_fn *close;
	void *context;
};

static enum weir_more generator_producer_more(
        struct weir_producer *producer, struct weir_output *out)
{
	struct generator *generator = (struct generator *)producer;
	return generator->more(generator->context, out);
}

static void generator_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct generator *generator = (struct generator *)producer;
	if (generator->close)
		generator->close(generator->context, why);
	free(generator);
}

static const struct weir_producer_type generator_type = {
        .name = "generator",
        .more = generator_producer_more,
        .close = generator_producer_close,
};

struct weir_producer *weir_produce_generator(
        weir_generator_fn *more, weir_close_fn *close, void *context)
{
	struct generator *generator = malloc(sizeof *generator);
	if (!generator) {
		if (close)
			close(context, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&generator->base, &generator_type);
	generator->more = more;
	generator->close = close;
	generator->context = context;
	return &generator->base;
}

/* -- items ------------------------------------------------------------------------------------- */

struct iterator {
	struct weir_producer base;
	weir_iterator_fn *next;
	weir_close_fn *close;
	void *context;
	struct weir_span item;
};

enum {
	COPIED_MAX = 4096
};

/* Returns whether all of the item was put as a copy, so that the next may be requested. */
static bool iterator_producer_put_item(struct iterator *iterator, struct weir_output *out)
{
	struct weir_span *item = &iterator->item;
	size_t copied =
	        item->size <= COPIED_MAX ? weir_output_copy(out, item->data, item->size) : 0;
	size_t put = copied ? copied : weir_output_borrow(out, item->data, item->size);
	*item = weir_span_skip(*item, put);
	return copied && !item->size;
}

static enum weir_more iterator_producer_more(
        struct weir_producer *producer, struct weir_output *out)
{
	struct iterator *iterator = (struct iterator *)producer;
	if (iterator->item.size && !iterator_producer_put_item(iterator, out))
		return WEIR_MORE;
	while (weir_output_room(out)) {
		struct weir_span item = {NULL, 0};
		enum weir_more more = iterator->next(iterator->context, &item);
		if (more != WEIR_MORE)
			return more;
		iterator->item = item;
		if (!item.size || !iterator_producer_put_item(iterator, out))
			return WEIR_MORE;
	}
	return WEIR_MORE;
}

static void iterator_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct iterator *iterator = (struct iterator *)producer;
	if (iterator->close)
		iterator->close(iterator->context, why);
	free(iterator);
}

static const struct weir_producer_type iterator_type = {
        .name = "iterator",
        .more = iterator_producer_more,
        .close = iterator_producer_close,
};

struct weir_producer *weir_produce_iterator(
        weir_iterator_fn *next, weir_close_fn *close, void *context)
{
	struct iterator *iterator = malloc(sizeof *iterator);
	if (!iterator) {
		if (close)
			close(context, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&iterator->base, &iterator_type);
	iterator->next = next;
	iterator->close = close;
	iterator->context = context;
	iterator->item = weir_span(NULL, 0);
	return &iterator->base;
}
