/*
 * The beginning of a message: its header, the empty line, so many lines of the body. Done at the end
 * of the last of them; what the message would still hold is never read.
 */
#include <stdlib.h>
#include <string.h>

#include "pop3_state.h"

enum {
	PIECES = 16
};

struct top {
	struct weir_producer base;
	struct weir_producer *child;
	uint64_t lines; /* of the body, still to come */
	bool *cut;
	bool in_body;
	bool filled; /* the line under way has more in it than one CR */
	bool begun;  /* … has something in it */
};

/* Whether what comes next is more than was asked for. */
static bool pop3_top_is_enough(const struct top *top)
{
	return top->in_body && top->lines == 0;
}

/* More of the line under way, without its LF. */
static void pop3_top_note(struct top *top, const char *bytes, size_t size)
{
	if (size == 0)
		return;
	top->filled |= top->begun || size > 1 || *bytes != '\r';
	top->begun = true;
}

static void pop3_top_count_line(struct top *top)
{
	if (top->in_body)
		top->lines--;
	else
		top->in_body = !top->filled;
	top->filled = top->begun = false;
}

/* How many of the bytes belong to it. */
static size_t pop3_top_take(struct top *top, struct weir_span bytes)
{
	const char *at = bytes.data, *end = bytes.data + bytes.size;
	while (at < end && !pop3_top_is_enough(top)) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		pop3_top_note(top, at, (size_t)((line_end ? line_end : end) - at));
		if (!line_end)
			return bytes.size;
		pop3_top_count_line(top);
		at = line_end + 1;
	}
	return (size_t)(at - bytes.data);
}

static enum weir_more pop3_top_more(struct weir_producer *producer, struct weir_output *out)
{
	struct top *top = (struct top *)producer;
	struct weir_piece pieces[PIECES];
	struct weir_output inner;
	unsigned places = out->capacity - out->count;
	weir_output_init_inner(
	        &inner, out, pieces, places < PIECES ? places : PIECES, weir_output_room(out));
	enum weir_more answer = weir_producer_more(top->child, &inner);
	for (unsigned i = 0; i < inner.count && !pop3_top_is_enough(top); i++) {
		struct weir_span bytes;
		if (weir_output_bytes(&inner, &pieces[i], &bytes) < 0)
			return WEIR_FAILED;
		weir_output_forward(out, &pieces[i], 0, pop3_top_take(top, bytes));
	}
	if (!pop3_top_is_enough(top))
		return answer;
	*top->cut = true;
	return WEIR_DONE;
}

static void pop3_top_close(struct weir_producer *producer, enum weir_close_reason why)
{
	weir_producer_close(((struct top *)producer)->child, why);
	free(producer);
}

struct weir_producer *pop3_top_lines(struct weir_producer *child, uint64_t lines, bool *cut)
{
	static const struct weir_producer_type type = {
	        .name = "pop3-top", .more = pop3_top_more, .close = pop3_top_close};
	struct top *top = child ? calloc(1, sizeof *top) : NULL;
	if (!top) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&top->base, &type);
	top->child = child;
	top->lines = lines;
	top->cut = cut;
	weir_producer_adopt(&top->base, child);
	return &top->base;
}
