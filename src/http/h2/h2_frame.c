/*
 * The rules on single frames: sizes, stream identifiers and padding. The rules that depend on
 * the state of a stream or of the connection are in h2_control.c and h2_request.c.
 */
#include "h2_frame.h"

enum weir_scan h2_frame_scan(struct weir_span data, struct weir_cut *ret)
{
	if (data.size < 3)
		return WEIR_SCAN_MORE;
	const uint8_t *bytes = (const uint8_t *)data.data;
	size_t size = (size_t)bytes[0] << 16 | (size_t)bytes[1] << 8 | bytes[2];
	if (size > H2_FRAME_PAYLOAD_MAX)
		return WEIR_SCAN_BAD;
	ret->end = H2_FRAME_HEADER_SIZE + size;
	return data.size < ret->end ? WEIR_SCAN_MORE : WEIR_SCAN_FOUND;
}

enum h2_frame_owner {
	H2_FRAME_OF_EITHER,
	H2_FRAME_OF_STREAM,
	H2_FRAME_OF_CONNECTION,
};

/* A size of exactly `least` if `fixed`. A wrong size of PRIORITY is an error of its stream only. */
static const struct h2_frame_rule {
	uint8_t least;
	bool fixed;
	uint8_t owner;
} h2_frame_rules[] = {
        [H2_DATA] = {0, false, H2_FRAME_OF_STREAM},
        [H2_HEADERS] = {0, false, H2_FRAME_OF_STREAM},
        [H2_PRIORITY] = {0, false, H2_FRAME_OF_STREAM},
        [H2_RST_STREAM] = {4, true, H2_FRAME_OF_STREAM},
        [H2_SETTINGS] = {0, false, H2_FRAME_OF_CONNECTION},
        [H2_PUSH_PROMISE] = {4, false, H2_FRAME_OF_STREAM},
        [H2_PING] = {8, true, H2_FRAME_OF_CONNECTION},
        [H2_GOAWAY] = {8, false, H2_FRAME_OF_CONNECTION},
        [H2_WINDOW_UPDATE] = {4, true, H2_FRAME_OF_EITHER},
        [H2_CONTINUATION] = {0, false, H2_FRAME_OF_STREAM},
        [H2_PRIORITY_UPDATE] = {4, false, H2_FRAME_OF_CONNECTION},
};

enum h2_error h2_frame_check(const struct h2_frame *frame)
{
	if (frame->type > H2_CONTINUATION && frame->type != H2_PRIORITY_UPDATE)
		return H2_NO_ERROR;
	const struct h2_frame_rule *rule = &h2_frame_rules[frame->type];
	if ((rule->owner == H2_FRAME_OF_STREAM && frame->stream_id == 0) ||
	        (rule->owner == H2_FRAME_OF_CONNECTION && frame->stream_id != 0))
		return H2_PROTOCOL_ERROR;
	if (frame->size < rule->least || (rule->fixed && frame->size != rule->least))
		return H2_FRAME_SIZE_ERROR;
	if (frame->type == H2_SETTINGS &&
	        (frame->flags & H2_FLAG_ACK ? frame->size != 0 : frame->size % 6 != 0))
		return H2_FRAME_SIZE_ERROR;
	return H2_NO_ERROR;
}

enum h2_error h2_frame_strip(struct h2_frame *frame, uint32_t *ret_depends_on)
{
	struct weir_span payload = frame->payload;
	size_t padding = 0;
	if (frame->flags & H2_FLAG_PADDED) {
		if (payload.size < 1)
			return H2_FRAME_SIZE_ERROR;
		padding = (uint8_t)payload.data[0];
		payload = weir_span_skip(payload, 1);
	}
	*ret_depends_on = 0;
	if (frame->type == H2_HEADERS && frame->flags & H2_FLAG_PRIORITY) {
		if (payload.size < 5)
			return H2_FRAME_SIZE_ERROR;
		*ret_depends_on = h2_frame_get32(payload.data) & H2_WINDOW_MAX;
		payload = weir_span_skip(payload, 5);
	}
	if (padding > payload.size)
		return H2_PROTOCOL_ERROR;
	payload.size -= padding;
	frame->payload = payload;
	return H2_NO_ERROR;
}
