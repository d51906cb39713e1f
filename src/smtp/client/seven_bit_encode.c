/*
 * The encodings, and the size of an encoded message.
 *
 * No line of quoted-printable begins with `-`, so that it cannot be taken for a boundary, or ends
 * in a blank, which some servers remove. The last line of base64 has no line end: the boundary or
 * the end of the message adds it.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/base64.h>
#include <weir/sources.h>
#include <weir/transformers.h>

#include "producer_internal.h"
#include "seven_bit.h"
#include "helper.h"

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
		struct weir_span part = weir_span(bytes.data, min_of(bytes.size, most));
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

/* -- the producer ------------------------------------------------------------------------------ */

/*
 * The producer of a message by its plan. At most one child is open, and one is done whose bytes may
 * still be in the output.
 *
 *   file extent | text | encoder of a file extent | file extent | …
 */

enum {
	LEAST_ROOM = 1024
};

/* -- an encoder -------------------------------------------------------------------------------- */

struct encoding {
	struct weir_producer base;
	struct weir_producer *child;
	struct producer_pending pending;
	struct seven_bit_encoder encoder;
};

static enum weir_more encoding_compose(struct weir_producer *producer, struct weir_output *out)
{
	struct encoding *encoding = (struct encoding *)producer;
	struct weir_piece pieces[PRODUCER_INNER_PIECES];
	struct weir_span bytes[PRODUCER_INNER_PIECES];
	struct weir_output inner;
	size_t size = 0, room = min_of(weir_output_room(out), PRODUCER_INNER_SIZE);
	weir_output_init_inner(
	        &inner, out, pieces, PRODUCER_INNER_PIECES, (room - SEVEN_BIT_ENCODED_MAX(0)) / 4);
	enum weir_more more = weir_producer_more(encoding->child, &inner);
	unsigned count = output_look(&inner, bytes);
	if (count < inner.count)
		return WEIR_FAILED;
	char *text = weir_output_reserve(out, room, &room);
	if (!text || room < SEVEN_BIT_ENCODED_MAX(inner.size))
		return WEIR_FAILED;
	for (unsigned i = 0; i < count; i++)
		size += seven_bit_encode(&encoding->encoder, bytes[i], false, text + size);
	if (more == WEIR_DONE)
		size += seven_bit_encode(&encoding->encoder, weir_span(NULL, 0), true, text + size);
	weir_output_commit(out, size);
	return more;
}

static enum weir_more encoding_more(struct weir_producer *producer, struct weir_output *out)
{
	return producer_pending_more(&((struct encoding *)producer)->pending, producer, out,
	        LEAST_ROOM, 1, encoding_compose);
}

static void encoding_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct encoding *encoding = (struct encoding *)producer;
	weir_producer_close(encoding->child, why);
	producer_pending_free(&encoding->pending);
	free(encoding);
}

static const struct weir_producer_type encoding_type = {
        .name = "seven-bit-encoding",
        .more = encoding_more,
        .close = encoding_close,
};

static struct weir_producer *encoding_create(
        struct weir_producer *child, enum seven_bit_action action)
{
	struct encoding *encoding = child ? calloc(1, sizeof *encoding) : NULL;
	if (!encoding) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&encoding->base, &encoding_type);
	encoding->child = child;
	encoding->encoder.action = action;
	weir_producer_adopt(&encoding->base, child);
	return &encoding->base;
}

/* -- the message ------------------------------------------------------------------------------- */

struct seven_bit_message {
	struct weir_producer base;
	const struct seven_bit_plan *plan;
	struct weir_producer *child; /* NULL: the next has to be opened */
	struct weir_producer *done;  /* closed when its bytes have gone; NULL: there is none */
	uint64_t at, size;           /* offset in the file behind the bytes of `child`; its size */
	size_t edit;                 /* the next */
	int fd;
};

/* Opens the child for the next bytes. False without memory. */
static bool message_open(struct seven_bit_message *message)
{
	const struct seven_bit_plan *plan = message->plan;
	const struct seven_bit_edit *edit =
	        message->edit < plan->count ? &plan->edits[message->edit] : NULL;
	uint64_t start = message->at, end = edit ? edit->start : message->size;
	if (start < end) {
		message->child = weir_produce_file(message->fd, false, (off_t)start, end - start);
	} else {
		message->edit++;
		end = edit->end; /* NOLINT: before the end there is an edit here */
		message->child =
		        edit->action == SEVEN_BIT_REPLACE
		                ? weir_produce_borrowed(edit->text, strlen(edit->text))
		                : encoding_create(weir_produce_crlf(weir_produce_file(message->fd,
		                                          false, (off_t)start, end - start)),
		                          edit->action);
	}
	if (!message->child)
		return false;
	message->at = end;
	weir_producer_adopt(&message->base, message->child);
	return true;
}

static bool message_ended(const struct seven_bit_message *message)
{
	return !message->child && message->at == message->size &&
	       message->edit == message->plan->count;
}

static enum weir_more message_more(struct weir_producer *producer, struct weir_output *out)
{
	struct seven_bit_message *message = (struct seven_bit_message *)producer;
	size_t before = out->size;
	weir_producer_close(message->done, WEIR_CLOSE_DONE);
	message->done = NULL;
	while (!message_ended(message)) {
		if (!message->child && !message_open(message))
			return WEIR_FAILED;
		enum weir_more more = weir_producer_more(message->child, out);
		if (more != WEIR_DONE)
			return more;
		message->done = message->child;
		message->child = NULL;
		if (out->size > before)
			return message_ended(message) ? WEIR_DONE : WEIR_MORE;
		weir_producer_close(message->done, WEIR_CLOSE_DONE);
		message->done = NULL;
	}
	return WEIR_DONE;
}

static void message_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct seven_bit_message *message = (struct seven_bit_message *)producer;
	weir_producer_close(message->child, why);
	weir_producer_close(message->done, why);
	free(message);
}

static const struct weir_producer_type message_type = {
        .name = "seven-bit-message",
        .more = message_more,
        .close = message_close,
};

struct weir_producer *seven_bit_producer(const struct seven_bit_plan *plan, int fd, uint64_t size)
{
	struct seven_bit_message *message = calloc(1, sizeof *message);
	if (!message)
		return NULL;
	weir_producer_init(&message->base, &message_type);
	message->plan = plan;
	message->size = size;
	message->fd = fd;
	return &message->base;
}
