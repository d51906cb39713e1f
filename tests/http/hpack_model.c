/* Feeds both decoders, and compares what they found. */
#include "hpack_model.h"

#include <stdlib.h>
#include <string.h>

static struct h2_huffman hpack_huffman;

void hpack_pair_begin(struct hpack_pair *pair)
{
	memset(pair, 0, sizeof *pair);
	h2_hpack_init(&pair->ours);
	if (!hpack_huffman.codes[0].bits)
		h2_huffman_init(&hpack_huffman);
	if (nghttp2_hd_inflate_new(&pair->model) != 0)
		abort();
}

void hpack_pair_end(struct hpack_pair *pair)
{
	h2_hpack_finish(&pair->ours);
	nghttp2_hd_inflate_del(pair->model);
	weir_buffer_finish(&pair->fields);
	weir_buffer_finish(&pair->model_fields);
}

static void hpack_note(struct weir_buffer *fields, struct weir_span name, struct weir_span value)
{
	size_t sizes[2] = {name.size, value.size};
	if (weir_buffer_append(fields, sizes, sizeof sizes, SIZE_MAX) < 0 ||
	        weir_buffer_append(fields, name.data, name.size, SIZE_MAX) < 0 ||
	        weir_buffer_append(fields, value.data, value.size, SIZE_MAX) < 0)
		abort();
}

/* Returns whether the block is malformed. The fields are then those before the fault. */
static bool hpack_decode_ours(struct hpack_pair *pair, struct weir_span block)
{
	char *to = malloc(H2_HPACK_ROOM(block.size));
	struct h2_hpack_reader reader = {.huffman = &hpack_huffman};
	struct h2_field field;
	enum h2_hpack_result result = H2_HPACK_BROKEN;
	if (!to)
		abort();
	if (h2_hpack_begin(&pair->ours, block, &reader))
		while ((result = h2_hpack_next(&pair->ours, &reader, to, &field)) == H2_HPACK_FIELD)
			hpack_note(&pair->fields, field.name, field.value);
	free(to);
	return result != H2_HPACK_END;
}

static bool hpack_decode_model(struct hpack_pair *pair, struct weir_span block)
{
	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t used = nghttp2_hd_inflate_hd2(
		        pair->model, &nv, &flags, (const uint8_t *)block.data, block.size, 1);
		if (used < 0)
			return true;
		block = weir_span_skip(block, (size_t)used);
		if (flags & NGHTTP2_HD_INFLATE_EMIT)
			hpack_note(&pair->model_fields, weir_span(nv.name, nv.namelen),
			        weir_span(nv.value, nv.valuelen));
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			break;
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && block.size == 0)
			return true;
	}
	nghttp2_hd_inflate_end_headers(pair->model);
	return false;
}

/* The table has no more than it may have, and neither has its memory. */
static bool hpack_is_bounded(const struct h2_hpack *hpack)
{
	return hpack->size <= hpack->size_max && hpack->size_max <= H2_HPACK_TABLE_MAX &&
	       hpack->count * (unsigned)H2_HPACK_FIELD_EXTRA <= hpack->size &&
	       hpack->text_begin <= hpack->text_end && hpack->text_end <= hpack->text_capacity &&
	       hpack->text_capacity <= H2_HPACK_TABLE_MAX && hpack->entries_capacity <= 128;
}

const char *hpack_pair_decode(struct hpack_pair *pair, struct weir_span block)
{
	/* A copy with nothing behind it: the sanitizer finds each byte read too much. */
	char *copy = malloc(block.size + !block.size);
	if (!copy)
		abort();
	if (block.size)
		memcpy(copy, block.data, block.size);
	pair->fields.size = pair->model_fields.size = 0;
	pair->broken = hpack_decode_ours(pair, weir_span(copy, block.size));
	free(copy);
	if (hpack_decode_model(pair, block) != pair->broken)
		return pair->broken ? "a fault that is none" : "no fault, where there is one";
	if (!weir_span_equal(
	            weir_buffer_span(&pair->fields), weir_buffer_span(&pair->model_fields)))
		return "other fields";
	return hpack_is_bounded(&pair->ours) ? NULL : "a table that is too large";
}
