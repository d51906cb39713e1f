/*
 * CRLF translation: a CR is put in front of each LF without one. The only state is whether the last
 * byte was a CR. Long lines are lent, short ones are gathered in scratch.
 */
#include <stdlib.h>

#include <weir/transformers.h>

#include "inner.h"
#include "pending.h"
#include "writer.h"

enum {
	LEAST_ROOM = 256
};

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
	struct weir_piece pieces[WEIR_INNER_PIECES];
	struct weir_span bytes[WEIR_INNER_PIECES];
	struct weir_output inner;
	struct producer_writer writer;
	size_t room = min_of(weir_output_room(out), WEIR_INNER_SIZE);
	weir_output_init_inner(&inner, out, pieces, WEIR_INNER_PIECES, room / 2);
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
