/* The transformers that replace bytes: one string by another one, and line ends by CRLF. */
#include <stdlib.h>

#include <weir/transformers.h>

#include "producer_internal.h"

/* -- a string ---------------------------------------------------------------------------------- */

/*
 * The escape: Knuth, Morris and Pratt over pieces. The only state is how many bytes of `from` the
 * input ends in; the bytes themselves are in `from`. All other bytes are put at once, and long
 * stretches between matches are lent.
 *
 *   held      the input so far ends in from[0, held), which has not been put yet
 *   phantom   the first of these, which come from `before` and are never put
 */
enum {
	STRING_MAX = 64,
	LEAST_ROOM = 256
};

struct escape {
	struct weir_producer base;
	struct weir_producer *child;
	struct producer_pending pending;
	uint8_t held;
	uint8_t phantom;
	uint8_t from_size;
	uint8_t to_size;
	uint8_t shorter[STRING_MAX]; /* [n]: the next shorter prefix that from[0, n) ends in */
	char from[STRING_MAX];
	char to[STRING_MAX];
};

/* A piece that is being read. Bytes [0, put) are done; `carried` held bytes precede it. */
struct scan {
	struct escape *escape;
	struct producer_writer *writer;
	struct weir_span bytes;
	enum weir_piece_kind kind;
	size_t put;
	unsigned carried;
	bool failed;
};

static void escape_producer_write_bytes(
        struct scan *scan, const char *data, size_t size, enum weir_piece_kind kind)
{
	if (!scan->failed && !producer_writer_put(scan->writer, data, size, kind))
		scan->failed = true;
}

/* Puts the held bytes of earlier pieces up to from[0, size), without the phantoms. */
static void escape_producer_write_carried(struct scan *scan, unsigned size)
{
	struct escape *escape = scan->escape;
	unsigned from = min_of(escape->phantom, size);
	escape_producer_write_bytes(scan, escape->from + from, size - from, WEIR_PIECE_BORROWED);
	escape->phantom -= (uint8_t)from;
	scan->carried -= size;
}

/* The piece up to `end` is not part of a match. */
static void escape_producer_write_until(struct scan *scan, size_t end)
{
	escape_producer_write_bytes(
	        scan, scan->bytes.data + scan->put, end - scan->put, scan->kind);
	scan->put = end;
}

/* A match ends before `at`. */
static void escape_producer_replace(struct scan *scan, size_t at)
{
	struct escape *escape = scan->escape;
	escape_producer_write_until(scan, at - (escape->from_size - scan->carried));
	unsigned from = escape->phantom < escape->to_size ? escape->phantom : escape->to_size;
	escape_producer_write_bytes(
	        scan, escape->to + from, escape->to_size - from, WEIR_PIECE_BORROWED);
	scan->put = at;
	scan->carried = 0;
	escape->phantom = 0;
	escape->held = 0;
}

/* Takes the byte at `at`. */
static void escape_producer_step(struct scan *scan, size_t at)
{
	struct escape *escape = scan->escape;
	char byte = scan->bytes.data[at];
	while (escape->held && escape->from[escape->held] != byte) {
		unsigned dropped = escape->held - escape->shorter[escape->held];
		escape->held = escape->shorter[escape->held];
		if (scan->carried)
			escape_producer_write_carried(
			        scan, dropped < scan->carried ? dropped : scan->carried);
	}
	if (escape->from[escape->held] == byte)
		escape->held++;
	if (escape->held == escape->from_size)
		escape_producer_replace(scan, at + 1);
}

static bool escape_producer_piece(struct escape *escape, struct producer_writer *writer,
        struct weir_span bytes, enum weir_piece_kind kind)
{
	struct scan scan = {escape, writer, bytes, kind, 0, escape->held, false};
	size_t at = 0;
	while (at < bytes.size && !scan.failed) {
		if (escape->held) {
			escape_producer_step(&scan, at++);
			continue;
		}
		const char *found = bytes_find(
		        weir_span_skip(bytes, at), weir_span(escape->from, escape->from_size));
		if (found) {
			at = (size_t)(found - bytes.data) + escape->from_size;
			escape_producer_replace(&scan, at);
			continue;
		}
		/* Only the beginning of a match can be left, at the end. */
		if (bytes.size - at >= escape->from_size)
			at = bytes.size - escape->from_size + 1;
		while (at < bytes.size)
			escape_producer_step(&scan, at++);
	}
	if (!scan.failed)
		escape_producer_write_until(&scan, bytes.size - (escape->held - scan.carried));
	return !scan.failed;
}

/* The child has ended, so the held bytes are no match. */
static bool escape_producer_flush_held(struct escape *escape, struct producer_writer *writer)
{
	bool good = producer_writer_put(writer, escape->from + escape->phantom,
	        escape->held - escape->phantom, WEIR_PIECE_BORROWED);
	escape->held = 0;
	escape->phantom = 0;
	return good;
}

/* Returns how many bytes the child may put, so that the room is enough even if all are matches. */
static size_t escape_producer_input_room(const struct escape *escape, size_t room)
{
	if (escape->to_size > escape->from_size)
		room = room / escape->to_size * escape->from_size;
	return room - escape->held;
}

static enum weir_more escape_producer_compose(
        struct weir_producer *producer, struct weir_output *out)
{
	struct escape *escape = (struct escape *)producer;
	struct weir_piece pieces[PRODUCER_INNER_PIECES];
	struct weir_span bytes[PRODUCER_INNER_PIECES];
	struct weir_output inner;
	struct producer_writer writer;
	size_t room = min_of(weir_output_room(out), PRODUCER_INNER_SIZE);
	weir_output_init_inner(&inner, out, pieces, PRODUCER_INNER_PIECES,
	        escape_producer_input_room(escape, room));
	enum weir_more more = weir_producer_more(escape->child, &inner);
	unsigned count = output_look(&inner, bytes);
	if (count < inner.count)
		more = WEIR_FAILED;
	producer_writer_init(&writer, out, room);
	bool good = true;
	for (unsigned i = 0; i < count && good; i++)
		good = escape_producer_piece(
		        escape, &writer, bytes[i], producer_kind_of_bytes(&pieces[i]));
	if (good && (more == WEIR_DONE || more == WEIR_FAILED))
		good = escape_producer_flush_held(escape, &writer);
	producer_writer_finish(&writer);
	return good ? more : WEIR_FAILED;
}

static enum weir_more escape_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	return producer_pending_more(&((struct escape *)producer)->pending, producer, out,
	        LEAST_ROOM, 1, escape_producer_compose);
}

static void escape_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct escape *escape = (struct escape *)producer;
	weir_producer_close(escape->child, why);
	producer_pending_free(&escape->pending);
	free(escape);
}

static const struct weir_producer_type escape_type = {
        .name = "escape",
        .more = escape_producer_more,
        .close = escape_producer_close,
};

static void escape_producer_fill_shorter(struct escape *escape)
{
	unsigned length = 0;
	for (unsigned n = 2; n < escape->from_size; n++) {
		while (length && escape->from[length] != escape->from[n - 1])
			length = escape->shorter[length];
		if (escape->from[length] == escape->from[n - 1])
			length++;
		escape->shorter[n] = (uint8_t)length;
	}
}

/* Reads `before` as input that has been put. */
static void escape_producer_assume_before(struct escape *escape, struct weir_span before)
{
	for (size_t at = 0; at < before.size; at++) {
		while (escape->held && escape->from[escape->held] != before.data[at])
			escape->held = escape->shorter[escape->held];
		if (escape->from[escape->held] == before.data[at])
			escape->held++;
		if (escape->held == escape->from_size)
			escape->held = 0;
	}
	escape->phantom = escape->held;
}

struct weir_producer *weir_produce_escape(struct weir_producer *child, struct weir_span from,
        struct weir_span to, struct weir_span before)
{
	bool valid = child && from.size >= 1 && from.size <= STRING_MAX && to.size <= STRING_MAX;
	struct escape *escape = valid ? calloc(1, sizeof *escape) : NULL;
	if (!escape) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&escape->base, &escape_type);
	escape->child = child;
	escape->from_size = (uint8_t)from.size;
	escape->to_size = (uint8_t)to.size;
	memcpy(escape->from, from.data, from.size);
	if (to.size)
		memcpy(escape->to, to.data, to.size);
	escape_producer_fill_shorter(escape);
	escape_producer_assume_before(escape, before);
	weir_producer_adopt(&escape->base, child);
	return &escape->base;
}

/* -- CRLF -------------------------------------------------------------------------------------- */

/*
 * CRLF translation: a CR is put in front of each LF without one. The only state is whether the last
 * byte was a CR. Long lines are lent, short ones are gathered in scratch.
 */
struct crlf {
	struct weir_producer base;
	struct weir_producer *child;
	struct producer_pending pending;
	bool after_cr;
};

static bool crlf_producer_translate(struct crlf *crlf, struct producer_writer *writer,
        struct weir_span bytes, enum weir_piece_kind kind)
{
	const char *start = bytes.data;
	const char *end = bytes.data + bytes.size;
	for (const char *at = start; (at = memchr(at, '\n', (size_t)(end - at))); at++) {
		bool cr = at == bytes.data ? crlf->after_cr : at[-1] == '\r';
		if (cr)
			continue;
		if (!producer_writer_put(writer, start, (size_t)(at - start), kind) ||
		        !producer_writer_put(writer, "\r", 1, WEIR_PIECE_BORROWED))
			return false;
		start = at;
	}
	crlf->after_cr = end[-1] == '\r';
	return producer_writer_put(writer, start, (size_t)(end - start), kind);
}

static enum weir_more crlf_producer_compose(struct weir_producer *producer, struct weir_output *out)
{
	struct crlf *crlf = (struct crlf *)producer;
	struct weir_piece pieces[PRODUCER_INNER_PIECES];
	struct weir_span bytes[PRODUCER_INNER_PIECES];
	struct weir_output inner;
	struct producer_writer writer;
	size_t room = min_of(weir_output_room(out), PRODUCER_INNER_SIZE);
	weir_output_init_inner(&inner, out, pieces, PRODUCER_INNER_PIECES, room / 2);
	enum weir_more more = weir_producer_more(crlf->child, &inner);
	unsigned count = output_look(&inner, bytes);
	if (count < inner.count)
		more = WEIR_FAILED;
	producer_writer_init(&writer, out, room);
	for (unsigned i = 0; i < count; i++)
		if (!crlf_producer_translate(
		            crlf, &writer, bytes[i], producer_kind_of_bytes(&pieces[i]))) {
			more = WEIR_FAILED;
			break;
		}
	producer_writer_finish(&writer);
	return more;
}

static enum weir_more crlf_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	return producer_pending_more(&((struct crlf *)producer)->pending, producer, out, LEAST_ROOM,
	        1, crlf_producer_compose);
}

static void crlf_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct crlf *crlf = (struct crlf *)producer;
	weir_producer_close(crlf->child, why);
	producer_pending_free(&crlf->pending);
	free(crlf);
}

static const struct weir_producer_type crlf_type = {
        .name = "crlf",
        .more = crlf_producer_more,
        .close = crlf_producer_close,
};

struct weir_producer *weir_produce_crlf(struct weir_producer *child)
{
	struct crlf *crlf = child ? calloc(1, sizeof *crlf) : NULL;
	if (!crlf) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&crlf->base, &crlf_type);
	crlf->child = child;
	weir_producer_adopt(&crlf->base, child);
	return &crlf->base;
}
