/*
 * Input: bytes become frames, frames messages. Payloads are unmasked where they lie, in the loop's
 * receive buffer. A message that comes whole within one read is passed from there; nothing is
 * copied for a receiver of pieces either. Only the rest is saved, up to `message_max`.
 *
 * Invariant: the state is up to date before a callback is called, which may close or abort.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "helper.h"
#include "websocket_state.h"

/* -- what is saved ----------------------------------------------------------------------------- */

static void websocket_input_out_of_memory(struct weir_websocket *websocket)
{
	weir_websocket_abort(websocket);
}

static struct websocket_saved *websocket_input_saved(struct weir_websocket *websocket)
{
	if (!websocket->saved)
		websocket->saved = calloc(1, sizeof *websocket->saved);
	if (!websocket->saved)
		websocket_input_out_of_memory(websocket);
	return websocket->saved;
}

static void websocket_input_free_saved(struct weir_websocket *websocket)
{
	if (!websocket->saved)
		return;
	weir_buffer_finish(&websocket->saved->message);
	free(websocket->saved);
	websocket->saved = NULL;
}

static bool websocket_input_save(struct weir_websocket *websocket, struct weir_span bytes)
{
	struct websocket_saved *saved = websocket_input_saved(websocket);
	if (!saved)
		return false;
	if (weir_buffer_append(
	            &saved->message, bytes.data, bytes.size, websocket->options->message_max) == 0)
		return true;
	websocket_input_out_of_memory(websocket);
	return false;
}

/* -- messages ---------------------------------------------------------------------------------- */

static bool websocket_input_wanted(const struct weir_websocket *websocket)
{
	return websocket->phase == WEBSOCKET_OPEN && !websocket->aborting;
}

static void websocket_input_begin_message(struct weir_websocket *websocket)
{
	const struct weir_websocket_options *options = websocket->options;
	if (!options->message && options->begin && websocket_input_wanted(websocket))
		options->begin(websocket->context, (enum weir_websocket_kind)websocket->kind);
}

static bool websocket_input_check_text(struct weir_websocket *websocket, struct weir_span bytes)
{
	if (websocket->kind != WEIR_WEBSOCKET_TEXT || websocket_utf8_feed(&websocket->utf8, bytes))
		return true;
	websocket_fail(websocket, WEIR_WEBSOCKET_INVALID_DATA);
	return false;
}

bool websocket_input_pass(struct weir_websocket *websocket, struct weir_span bytes)
{
	const struct weir_websocket_options *options = websocket->options;
	if (!websocket_input_check_text(websocket, bytes))
		return false;
	if (options->message)
		return websocket_input_save(websocket, bytes);
	if (options->piece && bytes.size)
		options->piece(websocket->context, bytes);
	return websocket_input_wanted(websocket);
}

/* All of the message has been passed or, `whole`, is this. */
static void websocket_input_end_message(struct weir_websocket *websocket, struct weir_span whole)
{
	const struct weir_websocket_options *options = websocket->options;
	enum weir_websocket_kind kind = (enum weir_websocket_kind)websocket->kind;
	if (websocket->utf8.left) {
		websocket_fail(websocket, WEIR_WEBSOCKET_INVALID_DATA);
		return;
	}
	websocket->kind = 0;
	weir_metric_add(&websocket->cells->messages[WEBSOCKET_RECEIVED], 1);
	if (options->message)
		options->message(websocket->context, kind, whole);
	else if (options->end)
		options->end(websocket->context);
}

static struct weir_span websocket_input_saved_message(const struct weir_websocket *websocket)
{
	return websocket->saved && websocket->saved->message.size
	               ? weir_buffer_span(&websocket->saved->message)
	               : WEIR_SPAN("");
}

/* The compressed message is complete. */
static void websocket_input_inflate(struct weir_websocket *websocket, struct weir_span bytes)
{
	websocket_input_begin_message(websocket);
	if (!websocket_input_wanted(websocket))
		return;
	switch (websocket_inflate(websocket, bytes)) {
	case 0:
		websocket_input_end_message(websocket, websocket_input_saved_message(websocket));
		break;
	case WEIR_E_SYNTAX:
		websocket_fail(websocket, WEIR_WEBSOCKET_INVALID_DATA);
		break;
	case WEIR_E_LIMIT:
		websocket_fail(websocket, WEIR_WEBSOCKET_TOO_LARGE);
		break;
	case WEIR_E_CLOSED:
		break;
	default:
		websocket_input_out_of_memory(websocket);
	}
}

/* Its bytes are inflated once all of them have come, so that one inflater serves all. */
static void websocket_input_compressed(
        struct weir_websocket *websocket, struct weir_span bytes, bool last)
{
	bool whole = last && bytes.size == websocket->message_size;
	if (!whole && !websocket_input_save(websocket, bytes))
		return;
	if (!last)
		return;
	struct weir_buffer saved = {0};
	if (websocket->saved) {
		saved = websocket->saved->message;
		websocket->saved->message = (struct weir_buffer){0};
	}
	websocket_input_inflate(websocket, whole ? bytes : weir_buffer_span(&saved));
	weir_buffer_finish(&saved);
}

static void websocket_input_plain(
        struct weir_websocket *websocket, struct weir_span bytes, bool last)
{
	bool whole = last && websocket->options->message && bytes.size == websocket->message_size;
	if (whole) {
		if (websocket_input_check_text(websocket, bytes))
			websocket_input_end_message(websocket, bytes);
	} else if (websocket_input_pass(websocket, bytes) && last) {
		websocket_input_end_message(websocket, websocket_input_saved_message(websocket));
	}
}

/* -- frames ------------------------------------------------------------------------------------ */

/* A gateway sends 1014 to its client, and no client has a gateway behind it. */
static bool websocket_input_code_is_valid(unsigned code)
{
	return websocket_code_valid(code) && code != WEBSOCKET_BAD_GATEWAY;
}

/* The payload of a Close frame (RFC 6455 5.5.1): nothing, or a code and text. */
static void websocket_input_close(struct weir_websocket *websocket, struct weir_span payload)
{
	const uint8_t *bytes = (const uint8_t *)payload.data;
	unsigned code = WEIR_WEBSOCKET_NO_CODE;
	struct weir_span reason = WEIR_SPAN("");
	if (payload.size >= 2) {
		code = (unsigned)bytes[0] << 8 | bytes[1];
		reason = weir_span_skip(payload, 2);
	}
	if (payload.size == 1 || (payload.size && !websocket_input_code_is_valid(code)))
		websocket_fail(websocket, WEIR_WEBSOCKET_PROTOCOL_ERROR);
	else if (!websocket_utf8_valid(reason))
		websocket_fail(websocket, WEIR_WEBSOCKET_INVALID_DATA);
	else
		websocket_on_close_frame(websocket, code, reason);
}

static void websocket_input_control(struct weir_websocket *websocket, struct weir_span payload)
{
	if (websocket->opcode == WEBSOCKET_CLOSE)
		websocket_input_close(websocket, payload);
	else if (websocket->opcode == WEBSOCKET_PING && websocket_input_wanted(websocket) &&
	         websocket_output_push_control(websocket, WEBSOCKET_PONG, payload) < 0)
		websocket_input_out_of_memory(websocket);
}

static void websocket_input_control_part(
        struct weir_websocket *websocket, struct weir_span bytes, bool last)
{
	struct websocket_saved *saved = websocket->saved;
	if (last && (!saved || saved->control_size == 0)) {
		websocket_input_control(websocket, bytes);
		return;
	}
	saved = websocket_input_saved(websocket);
	if (!saved)
		return;
	if (bytes.size)
		memcpy(saved->control + saved->control_size, bytes.data, bytes.size);
	saved->control_size = (uint8_t)(saved->control_size + bytes.size);
	if (!last)
		return;
	struct weir_span payload = weir_span(saved->control, saved->control_size);
	saved->control_size = 0;
	websocket_input_control(websocket, payload);
}

static void websocket_input_payload(struct weir_websocket *websocket, struct weir_span bytes)
{
	bool last = websocket->frame_left == 0;
	if (last) {
		websocket->in_payload = false;
		websocket->header_size = 0;
	}
	if (websocket->opcode >= WEBSOCKET_CLOSE) {
		websocket_input_control_part(websocket, bytes, last);
	} else if (!websocket_input_wanted(websocket)) {
		if (last && websocket->frame_final)
			websocket->kind = 0;
	} else {
		last = last && websocket->frame_final;
		if (websocket->compressed)
			websocket_input_compressed(websocket, bytes, last);
		else
			websocket_input_plain(websocket, bytes, last);
	}
	if (websocket->kind == 0 && websocket->saved && websocket->saved->control_size == 0)
		websocket_input_free_saved(websocket);
}

/* The rules between frames. Returns false after a fault. */
static bool websocket_input_begin_data(
        struct weir_websocket *websocket, const struct websocket_header *header)
{
	const struct weir_websocket_options *options = websocket->options;
	bool first = websocket->opcode != WEBSOCKET_CONTINUATION;
	bool compressed = header->first & WEBSOCKET_RSV1;
	if (first == (websocket->kind != 0) || (compressed && (!first || !websocket->deflate))) {
		websocket_fail(websocket, WEIR_WEBSOCKET_PROTOCOL_ERROR);
		return false;
	}
	uint64_t before = first ? 0 : websocket->message_size;
	if (header->size > options->frame_max || before + header->size > options->message_max) {
		websocket_fail(websocket, WEIR_WEBSOCKET_TOO_LARGE);
		return false;
	}
	websocket->message_size = (uint32_t)(before + header->size);
	websocket->frame_final = header->first & WEBSOCKET_FIN;
	if (!first)
		return true;
	websocket->kind = websocket->opcode & 3u;
	websocket->compressed = compressed;
	websocket->utf8 = (struct websocket_utf8){0};
	if (!compressed)
		websocket_input_begin_message(websocket);
	return true;
}

static void websocket_input_begin_frame(struct weir_websocket *websocket)
{
	struct websocket_header header;
	bool valid = websocket_header_read(websocket->header, &header);
	bool control = valid && (header.first & 0x0f) >= WEBSOCKET_CLOSE;
	if (!valid || header.first & WEBSOCKET_RSV23 ||
	        (control && header.first & WEBSOCKET_RSV1)) {
		websocket_fail(websocket, WEIR_WEBSOCKET_PROTOCOL_ERROR);
		return;
	}
	websocket->opcode = header.first & 0x0f;
	if (!control && !websocket_input_begin_data(websocket, &header))
		return;
	websocket->frame_left = (uint32_t)header.size;
	websocket->in_payload = true;
	memcpy(websocket->header + WEBSOCKET_HEADER_MAX - 4, header.mask, 4);
	if (header.size == 0)
		websocket_input_payload(websocket, WEIR_SPAN(""));
}

/* Returns how many bytes belong to the header. */
static size_t websocket_input_header(struct weir_websocket *websocket, struct weir_span bytes)
{
	size_t used = 0, have = websocket->header_size, want;
	do {
		want = have < WEBSOCKET_HEADER_LEAST ? WEBSOCKET_HEADER_LEAST
		                                     : websocket_header_size(websocket->header);
		size_t part = min_of(want - have, bytes.size - used);
		memcpy(websocket->header + have, bytes.data + used, part);
		used += part;
		have += part;
	} while (have == want && have < websocket_header_size(websocket->header));
	websocket->header_size = (uint8_t)have;
	if (have == want)
		websocket_input_begin_frame(websocket);
	return used;
}

void websocket_input(struct weir_websocket *websocket, struct weir_span bytes)
{
	websocket->heard = true;
	weir_metric_add(&websocket->cells->bytes[WEBSOCKET_RECEIVED], bytes.size);
	while (bytes.size && websocket->phase < WEBSOCKET_ENDING && !websocket->aborting) {
		if (!websocket->in_payload) {
			bytes = weir_span_skip(bytes, websocket_input_header(websocket, bytes));
			continue;
		}
		size_t part = min_of(bytes.size, (size_t)websocket->frame_left);
		/* The loop's receive buffer, or a copy of the stream's: nobody reads it again. */
		websocket_unmask(
		        (char *)bytes.data, part, websocket->header + WEBSOCKET_HEADER_MAX - 4);
		websocket->frame_left -= (uint32_t)part;
		websocket_input_payload(websocket, weir_span(bytes.data, part));
		bytes = weir_span_skip(bytes, part);
	}
}
