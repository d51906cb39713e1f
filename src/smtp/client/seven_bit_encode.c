/*
 * The encodings, and the size of an encoded message.
 *
 * No line of quoted-printable begins with `-`, so that it cannot be taken for a boundary, or ends
 * in a blank, which some servers remove. The last line of base64 has no line end: the boundary or
 * the end of the message adds it.
 */
#include <errno.h>
#include <unistd.h>

#include <weir/base64.h>

#include "seven_bit.h"

enum {
	QUOTED_LINE = 75, /* characters of a line, without the = that continues it */
	BASE64_LINE = 76,
	READ_BYTES = 8 * 1024
};

/* -- quoted-printable -------------------------------------------------------------------------- */

static size_t encode_soft_break(struct seven_bit_encoder *encoder, unsigned width, char *text)
{
	if (encoder->column + width <= QUOTED_LINE)
		return 0;
	memcpy(text, "=\r\n", 3);
	encoder->column = 0;
	return 3;
}

static size_t encode_quoted(struct seven_bit_encoder *encoder, char c, char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t size = encode_soft_break(encoder, 3, text);
	text[size++] = '=';
	text[size++] = digits[(unsigned char)c >> 4];
	text[size++] = digits[(unsigned char)c & 15];
	encoder->column += 3;
	return size;
}

static size_t encode_literal(struct seven_bit_encoder *encoder, char c, char *text)
{
	size_t size = encode_soft_break(encoder, 1, text);
	if (c == '-' && encoder->column == 0)
		return size + encode_quoted(encoder, c, text + size);
	text[size] = c;
	encoder->column++;
	return size + 1;
}

static size_t encode_line_end(struct seven_bit_encoder *encoder, char *text)
{
	memcpy(text, "\r\n", 2);
	encoder->column = 0;
	return 2;
}

/* A blank and a CR wait for the byte that follows them. */
static size_t quote_byte(struct seven_bit_encoder *encoder, char c, char *text)
{
	size_t size = 0;
	char held = encoder->held_size ? encoder->held[0] : 0;
	encoder->held_size = 0;
	if (held == '\r' && c == '\n')
		return encode_line_end(encoder, text);
	if (held == '\r' || (held && (c == '\r' || c == '\n')))
		size = encode_quoted(encoder, held, text);
	else if (held)
		size = encode_literal(encoder, held, text);
	if (c == '\r' || c == ' ' || c == '\t') {
		encoder->held[0] = c;
		encoder->held_size = 1;
		return size;
	}
	if (c > ' ' && c < 0x7f && c != '=')
		return size + encode_literal(encoder, c, text + size);
	return size + encode_quoted(encoder, c, text + size);
}

static size_t quote(
        struct seven_bit_encoder *encoder, struct weir_span bytes, bool last, char *text)
{
	size_t size = 0;
	for (size_t i = 0; i < bytes.size; i++)
		size += quote_byte(encoder, bytes.data[i], text + size);
	if (last && encoder->held_size) {
		size += encode_quoted(encoder, encoder->held[0], text + size);
		encoder->held_size = 0;
	}
	return size;
}

/* The text is quoted-printable already; its lines may be longer than QUOTED_LINE. */
static size_t repair(struct seven_bit_encoder *encoder, struct weir_span bytes, char *text)
{
	size_t size = 0;
	for (size_t i = 0; i < bytes.size; i++) {
		char c = bytes.data[i];
		if (c & 0x80) {
			size += encode_quoted(encoder, c, text + size);
			continue;
		}
		text[size++] = c;
		if (c == '\n')
			encoder->column = 0;
		else if (encoder->column < QUOTED_LINE)
			encoder->column++;
	}
	return size;
}

/* -- base64 ------------------------------------------------------------------------------------ */

/* Encodes groups of three bytes; the last group of a part may be shorter. */
static size_t base64_groups(struct seven_bit_encoder *encoder, struct weir_span bytes, char *text)
{
	size_t size = 0;
	while (bytes.size) {
		if (encoder->column == BASE64_LINE)
			size += encode_line_end(encoder, text + size);
		size_t most = (BASE64_LINE - encoder->column) / 4 * 3;
		struct weir_span part =
		        weir_span(bytes.data, bytes.size < most ? bytes.size : most);
		size_t written = weir_base64_encode(part, text + size);
		encoder->column += (uint8_t)written;
		size += written;
		bytes = weir_span_skip(bytes, part.size);
	}
	return size;
}

static size_t base64(
        struct seven_bit_encoder *encoder, struct weir_span bytes, bool last, char *text)
{
	size_t size = 0;
	while (encoder->held_size && encoder->held_size < 3 && bytes.size) {
		encoder->held[encoder->held_size++] = bytes.data[0];
		bytes = weir_span_skip(bytes, 1);
	}
	if (encoder->held_size == 3 || (last && encoder->held_size)) {
		size = base64_groups(encoder, weir_span(encoder->held, encoder->held_size), text);
		encoder->held_size = 0;
	}
	if (encoder->held_size)
		return size;
	size_t rest = last ? 0 : bytes.size % 3;
	size += base64_groups(encoder, weir_span(bytes.data, bytes.size - rest), text + size);
	for (; encoder->held_size < rest; encoder->held_size++)
		encoder->held[encoder->held_size] =
		        bytes.data[bytes.size - rest + encoder->held_size];
	return size;
}

/*
 * -- all encodings
 * ---------------------------------------------------------------------------------------
 */

static size_t mask(struct weir_span bytes, char *text)
{
	for (size_t i = 0; i < bytes.size; i++)
		text[i] = bytes.data[i] & 0x80 ? '*' : bytes.data[i];
	return bytes.size;
}

size_t seven_bit_encode(
        struct seven_bit_encoder *encoder, struct weir_span bytes, bool last, char *text)
{
	switch (encoder->action) {
	case SEVEN_BIT_QUOTE:
		return quote(encoder, bytes, last, text);
	case SEVEN_BIT_BASE64:
		return base64(encoder, bytes, last, text);
	case SEVEN_BIT_REPAIR:
		return repair(encoder, bytes, text);
	case SEVEN_BIT_MASK:
	case SEVEN_BIT_REPLACE:
		break;
	}
	return mask(bytes, text);
}

/* Computes the size of an edit's bytes when they are encoded. */
static int encoded_size(const struct seven_bit_edit *edit, int fd, uint64_t *ret_size)
{
	struct seven_bit_encoder encoder = {.action = edit->action};
	char bytes[READ_BYTES], text[SEVEN_BIT_ENCODED_MAX(READ_BYTES)];
	uint64_t size = 0;
	for (uint64_t at = edit->start; at < edit->end;) {
		uint64_t left = edit->end - at;
		ssize_t got =
		        pread(fd, bytes, left < sizeof bytes ? left : sizeof bytes, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		at += (uint64_t)got;
		size += seven_bit_encode(
		        &encoder, weir_span(bytes, (size_t)got), at == edit->end, text);
	}
	*ret_size = size;
	return 0;
}

int seven_bit_size(const struct seven_bit_plan *plan, int fd, uint64_t size, uint64_t *ret_size)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct seven_bit_edit *edit = &plan->edits[i];
		uint64_t written = 0;
		int error = 0;
		if (edit->action == SEVEN_BIT_REPLACE)
			written = strlen(edit->text);
		else
			error = encoded_size(edit, fd, &written);
		if (error < 0)
			return error;
		size = size - (edit->end - edit->start) + written;
	}
	*ret_size = size;
	return 0;
}
