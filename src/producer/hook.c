/*
 * The hook: passes everything, and calls back at the end. The child is closed first, for on_end may
 * free what the child borrowed from.
 */
#include <stdlib.h>

#include <weir/transformers.h>

#include "inner.h"

struct hook {
	struct weir_producer base;
	struct weir_producer *child;
	void (*on_end)(void *context, enum weir_close_reason why, uint64_t bytes);
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

struct weir_producer *weir_produce_hook(struct weir_producer *child,
        void (*on_end)(void *context, enum weir_close_reason why, uint64_t bytes), void *context)
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
