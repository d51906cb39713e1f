/* The generator: a producer without a type of its own, made of a callback and its context. */
#include <stdlib.h>

#include <weir/sources.h>

struct generator {
	struct weir_producer base;
	enum weir_more (*more)(void *context, struct weir_output *out);
	void (*close)(void *context, enum weir_close_reason why);
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
        enum weir_more (*more)(void *context, struct weir_output *out),
        void (*close)(void *context, enum weir_close_reason why), void *context)
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
