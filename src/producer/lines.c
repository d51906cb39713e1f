/*
 * Lines: strings that are lent, each with an ending behind it. Short ones are copied, so that a
 * page of text is a few pieces and not two a line. Keeps the place as (line, bytes of line and
 * ending).
 */
#include <stdlib.h>

#include <weir/sources.h>

#include "output_internal.h"

struct lines {
	struct weir_producer base;
	const char *const *line; /* the one to go on with */
	size_t at;               /* bytes of it and of its ending that were put */
	struct weir_span ending;
};

/* Puts what is left of the line and its ending; false when there is no room for all of it. */
static bool lines_producer_put_line(struct lines *lines, struct weir_output *out)
{
	struct weir_span parts[2] = {weir_span_of(*lines->line), lines->ending};
	size_t before = 0;
	for (int i = 0; i < 2; i++) {
		size_t from = lines->at - before;
		if (from < parts[i].size) {
			struct weir_span rest = weir_span_skip(parts[i], from);
			size_t put = output_put(out, rest.data, rest.size);
			lines->at += put;
			if (put < rest.size)
				return false;
		}
		before += parts[i].size;
	}
	return true;
}

static enum weir_more lines_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct lines *lines = (struct lines *)producer;
	for (; *lines->line; lines->line++, lines->at = 0)
		if (!lines_producer_put_line(lines, out))
			return WEIR_MORE;
	return WEIR_DONE;
}

static void lines_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	(void)why;
	free(producer);
}

static int64_t lines_producer_size(const struct weir_producer *producer)
{
	const struct lines *lines = (const struct lines *)producer;
	size_t size = 0;
	for (const char *const *line = lines->line; *line; line++)
		size += strlen(*line) + lines->ending.size;
	return (int64_t)(size - lines->at);
}

static const struct weir_producer_type lines_type = {
        .name = "lines",
        .more = lines_producer_more,
        .close = lines_producer_close,
        .size = lines_producer_size,
};

struct weir_producer *weir_produce_lines(const char *const *lines, const char *ending)
{
	struct lines *producer = malloc(sizeof *producer);
	if (!producer)
		return NULL;
	weir_producer_init(&producer->base, &lines_type);
	producer->line = lines;
	producer->at = 0;
	producer->ending = weir_span_of(ending);
	return &producer->base;
}
