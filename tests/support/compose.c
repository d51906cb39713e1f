/*
 * Compositions are built from the leaves outwards; each layer transforms the expected bytes as
 * well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <fcntl.h>

#include <weir/sources.h>
#include <weir/transformers.h>

#include "compose.h"
#include "decode.h"

enum {
	LEAF_MAX = 2000,
	LARGE_LEAF = 90 * 1000,
	CHILDREN_MAX = 4,
	HELD_MAX = 256
};

static struct composed build(struct weir_loop *loop, struct dice *dice, unsigned depth,
        struct weir_buffer *held, unsigned *held_count);

static struct weir_span make_bytes(
        struct dice *dice, struct weir_buffer *held, unsigned *held_count)
{
	size_t size = dice_throw(dice, dice_throw(dice, 40) == 1 ? LARGE_LEAF : LEAF_MAX);
	struct weir_buffer *bytes = &held[(*held_count)++];
	if (weir_buffer_reserve(bytes, size + 1, SIZE_MAX) < 0)
		abort();
	fill_text(bytes->data, size, dice_throw(dice, 200));
	bytes->size = size;
	return weir_buffer_span(bytes);
}

static struct weir_producer *make_stream(struct weir_loop *loop, struct weir_span bytes)
{
	int ends[2];
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
		abort();
	if (write(ends[1], bytes.data, bytes.size) != (ssize_t)bytes.size)
		abort();
	close(ends[1]);
	return weir_produce_stream(loop, ends[0]);
}

static struct weir_producer *make_leaf(
        struct weir_loop *loop, struct dice *dice, struct weir_span bytes)
{
	size_t half = bytes.size / 2;
	struct weir_span parts[] = {weir_span(bytes.data, half), weir_span("", 0),
	        weir_span(bytes.data + half, bytes.size - half)};
	struct probe probe = {.loop = loop, .bytes = bytes, .seed = bytes.size};
	switch (dice_throw(dice, 6)) {
	case 0:
		return weir_produce_borrowed(bytes.data, bytes.size);
	case 1:
		return weir_produce_copied(bytes.data, bytes.size);
	case 2:
		return weir_produce_buffers(parts, 3, NULL, NULL);
	case 3:
		return weir_produce_file(file_of(bytes), true, 0, bytes.size);
	case 4:
		if (bytes.size <= 4096)
			return make_stream(loop, bytes);
	}
	probe.kind = (enum probe_kind)dice_throw(dice, 4);
	probe.step = dice_throw(dice, 3) ? dice_throw(dice, 500) : 0;
	probe.waits = dice_throw(dice, 3) == 0;
	return probe_create(&probe);
}

static void wrap_escape(struct composed *composed, struct dice *dice)
{
	static const char *const strings[] = {
	        ".", "\r\n.", "aab", "a", "\r\n..", "", "\n", "aa", "the river", "\r\n\r\n"};
	struct weir_span from = weir_span_of(strings[dice_throw(dice, 5)]);
	struct weir_span to = weir_span_of(strings[dice_throw(dice, 10)]);
	struct weir_span before = weir_span_of(strings[dice_throw(dice, 10)]);
	struct weir_buffer model = {0};
	replace_all(weir_buffer_span(&composed->expected), from, to, before, &model);
	weir_buffer_finish(&composed->expected);
	composed->expected = model;
	composed->producer = weir_produce_escape(composed->producer, from, to, before);
}

static void wrap_crlf(struct composed *composed)
{
	struct weir_buffer model = {0};
	to_crlf(weir_buffer_span(&composed->expected), &model);
	weir_buffer_finish(&composed->expected);
	composed->expected = model;
	composed->producer = weir_produce_crlf(composed->producer);
}

static void wrap_limit(struct composed *composed, struct dice *dice)
{
	size_t size = composed->expected.size;
	size_t skip = dice_throw(dice, (unsigned)size + 10);
	size_t most = dice_throw(dice, (unsigned)size + 10);
	composed->producer = weir_produce_limit(composed->producer, skip, most);
	weir_buffer_consume(&composed->expected, skip < size ? skip : size);
	if (composed->expected.size > most)
		composed->expected.size = most;
}

static void see_nothing(void *context, struct weir_span bytes)
{
	(void)context;
	(void)bytes;
}

static void end_of_nothing(void *context, enum weir_close_reason why, uint64_t bytes)
{
	(void)context;
	(void)why;
	(void)bytes;
}

static void wrap_passing(struct composed *composed, struct dice *dice)
{
	struct weir_producer *child = composed->producer;
	switch (dice_throw(dice, 4)) {
	case 0:
		composed->producer = weir_produce_glob(child, 1 + dice_throw(dice, 5000));
		break;
	case 1:
		composed->producer = weir_produce_tee(child, see_nothing, NULL);
		break;
	case 2:
		composed->producer = weir_produce_hook(child, end_of_nothing, NULL);
		break;
	default:
		composed->producer = weir_produce_throttle(child, 1 << 30, 1 << 30);
	}
}

static void wrap_encoder(struct composed *composed, struct dice *dice)
{
	static struct weir_producer *(*const encoders[])(struct weir_producer *) = {
	        [DECODE_GZIP] = weir_produce_gzip,
	        [DECODE_DEFLATE] = weir_produce_deflate,
	        [DECODE_ZSTD] = weir_produce_zstd};
	enum decoder decoder = (enum decoder)dice_throw(dice, 4);
	if (decoder == DECODE_CHUNKED)
		composed->producer = weir_produce_chunked(composed->producer, NULL, NULL);
	else
		composed->producer = encoders[decoder](composed->producer);
	composed->decoders[composed->decoders_count++] = decoder;
}

/* Children of a composite are plain, so that their bytes can be distinguished. */
static struct composed build_composite(struct weir_loop *loop, struct dice *dice, unsigned depth,
        struct weir_buffer *held, unsigned *held_count)
{
	struct weir_producer *children[CHILDREN_MAX];
	struct composed all = {0};
	unsigned count = dice_throw(dice, CHILDREN_MAX + 1);
	unsigned made = 0;
	for (unsigned i = 0; i < count; i++) {
		struct composed child = build(loop, dice, depth, held, held_count);
		if (child.decoders_count) {
			weir_producer_close(child.producer, WEIR_CLOSE_ABORTED);
		} else {
			children[made++] = child.producer;
			if (weir_buffer_append(&all.expected, child.expected.data,
			            child.expected.size, SIZE_MAX) < 0)
				abort();
		}
		weir_buffer_finish(&child.expected);
	}
	all.producer = weir_produce_composite(children, made);
	return all;
}

static struct composed build(struct weir_loop *loop, struct dice *dice, unsigned depth,
        struct weir_buffer *held, unsigned *held_count)
{
	struct composed composed = {0};
	unsigned kind =
	        depth == 0 || *held_count > HELD_MAX - CHILDREN_MAX - 1 ? 0 : dice_throw(dice, 7);
	if (kind == 1)
		return build_composite(loop, dice, depth - 1, held, held_count);
	if (kind == 0) {
		struct weir_span bytes = make_bytes(dice, held, held_count);
		composed.producer = make_leaf(loop, dice, bytes);
		if (weir_buffer_append(&composed.expected, bytes.data, bytes.size, SIZE_MAX) < 0)
			abort();
		return composed;
	}
	composed = build(loop, dice, depth - 1, held, held_count);
	if (composed.decoders_count && kind < 5)
		kind = 5;
	if (kind == 2)
		wrap_escape(&composed, dice);
	else if (kind == 3)
		wrap_crlf(&composed);
	else if (kind == 4)
		wrap_limit(&composed, dice);
	else if (kind == 5)
		wrap_passing(&composed, dice);
	else
		wrap_encoder(&composed, dice);
	return composed;
}

static bool decode(const struct composed *composed, struct weir_buffer *bytes)
{
	for (unsigned i = composed->decoders_count; i-- > 0;) {
		struct weir_buffer decoded = {0};
		enum decoder decoder = composed->decoders[i];
		bool whole = false;
		bool good = decoder == DECODE_CHUNKED
		                    ? decode_chunked(weir_buffer_span(bytes), &decoded, &whole)
		            : decoder == DECODE_ZSTD
		                    ? decode_zstd(weir_buffer_span(bytes), &decoded, &whole)
		                    : decode_gzip(weir_buffer_span(bytes),
		                              decoder == DECODE_DEFLATE, &decoded, &whole);
		weir_buffer_finish(bytes);
		*bytes = decoded;
		if (!good || !whole)
			return false;
	}
	return true;
}

const char *compose_and_drain(struct weir_loop *loop, struct dice *dice, unsigned depth)
{
	static struct weir_buffer held[HELD_MAX];
	unsigned held_count = 0;
	struct composed composed = build(loop, dice, depth, held, &held_count);
	struct drain drained = {.loop = loop, .dice = *dice};
	if (dice_throw(dice, 8) == 1)
		drained.stop_at = 1 + dice_throw(dice, (unsigned)composed.expected.size + 1);
	const char *wrong = drain(&drained, composed.producer);
	if (!wrong && drained.end == WEIR_FAILED)
		wrong = "a composition that failed";
	if (!wrong && drained.end == WEIR_DONE && !decode(&composed, &drained.bytes))
		wrong = "an encoding that cannot be decoded";
	if (!wrong && drained.end == WEIR_DONE &&
	        !weir_span_equal(
	                weir_buffer_span(&drained.bytes), weir_buffer_span(&composed.expected)))
		wrong = "wrong bytes";
	if (!wrong && probes_open)
		wrong = "a child that was not closed";
	drain_free(&drained);
	weir_buffer_finish(&composed.expected);
	for (unsigned i = 0; i < held_count; i++)
		weir_buffer_finish(&held[i]);
	return wrong;
}
