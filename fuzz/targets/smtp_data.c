/*
 * Messages cut in two ways, with the same result; no bare CR or LF is missed. The first byte
 * chooses the way.
 */
#include <stdlib.h>

#include <weir/buffer.h>
#include <weir/cutter.h>

#include "smtp_syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct received {
	struct weir_cutter cutter;
	struct smtp_data data;
	struct weir_buffer bytes;
	bool ended;
};

static void put(struct received *received, struct weir_span bytes)
{
	static const char *const owed[] = {"", "\r", "\r\n"};
	const char *before = owed[received->data.line_end];
	received->data.line_end = SMTP_LINE_END_NONE;
	if (weir_buffer_append(&received->bytes, before, strlen(before), SIZE_MAX) < 0 ||
	        weir_buffer_append(&received->bytes, bytes.data, bytes.size, SIZE_MAX) < 0)
		abort();
}

static void on_piece(struct weir_cutter *cutter, struct weir_span bytes)
{
	put((struct received *)cutter, bytes);
}

static void on_request(struct weir_cutter *cutter, struct weir_span request)
{
	struct received *received = (struct received *)cutter;
	put(received, request);
	if (received->data.cut == WEIR_SMTP_CUT_BARE)
		put(received, WEIR_SPAN("\r\n"));
	received->ended = smtp_data_ended(&received->data);
}

static void on_overflow(struct weir_cutter *cutter, int error)
{
	(void)cutter, (void)error;
	abort();
}

static bool held(const struct weir_cutter *cutter)
{
	return ((const struct received *)cutter)->ended;
}

static void receive(struct received *received, struct weir_span text, uint8_t how, size_t step)
{
	static const struct weir_cutter_type type = {on_request, on_piece, on_overflow, held};
	*received = (struct received){0};
	smtp_data_init(&received->data, how & 1, how & 2, how & 4);
	received->data.left = text.size;
	weir_cutter_init(&received->cutter, weir_until_line_end(), 100);
	weir_cutter_stream(&received->cutter, smtp_data_terminator(&received->data));
	while (text.size && !received->ended) {
		size_t size = step < text.size ? step : text.size;
		if (weir_cutter_feed(&received->cutter, &type, weir_span(text.data, size)) < 0)
			abort();
		text = weir_span_skip(text, size);
	}
	weir_cutter_finish(&received->cutter);
}

static bool has_bare(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '\n' && (i == 0 || text.data[i - 1] != '\r'))
			return true;
		if (text.data[i] == '\r' && i + 1 < text.size && text.data[i + 1] != '\n')
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct received whole, bytes;
	if (size < 2)
		return 0;
	struct weir_span text = weir_span(data + 1, size - 1);
	receive(&whole, text, data[0], text.size);
	receive(&bytes, text, data[0], 1);
	if (whole.ended != bytes.ended || whole.data.bare != bytes.data.bare ||
	        !weir_span_equal(weir_buffer_span(&whole.bytes), weir_buffer_span(&bytes.bytes)))
		abort();
	bool binary = (data[0] & 3) == 3;
	if (!binary && (whole.data.normalise || !whole.data.bare) &&
	        has_bare(weir_buffer_span(&whole.bytes)))
		abort();
	weir_buffer_finish(&whole.bytes);
	weir_buffer_finish(&bytes.bytes);
	return 0;
}
