/*
 * A message as DATA sends it (RFC 5321 4.1.1.4): lines end in CRLF, dots at their start are
 * doubled, and a line with a dot follows the last one.
 *
 *   file or seven_bit ──▶ crlf ──▶ escape ──▶ end of data
 *
 * Invariant: the final dot is at the start of a line, whatever the message ends in. Behind an
 * incomplete line, or a bare CR, the server would not see it: both sides would wait for the other.
 */
#include <stdlib.h>

#include <weir/sources.h>
#include <weir/transformers.h>

#include "smtp_client_state.h"
#include "inner.h"

struct body {
	struct weir_producer base;
	struct weir_producer *child;
	char last[2];            /* the last bytes that have passed */
	struct weir_span ending; /* what still has to be put; static */
	bool ended;              /* the child is done */
};

static void body_pass(struct body *body, struct weir_output *out, const struct weir_piece *piece)
{
	const char *end = piece->data + piece->size;
	if (piece->size > 1)
		body->last[0] = end[-2];
	else
		body->last[0] = body->last[1];
	body->last[1] = end[-1];
	weir_output_forward(out, piece, 0, piece->size);
}

static enum weir_more body_more(struct weir_producer *producer, struct weir_output *out)
{
	struct body *body = (struct body *)producer;
	struct weir_piece pieces[WEIR_INNER_PIECES];
	struct weir_output inner;
	if (!body->ended) {
		unsigned places = (unsigned)producer_smaller(output_places(out), WEIR_INNER_PIECES);
		weir_output_init_inner(&inner, out, pieces, places, weir_output_room(out));
		enum weir_more more = weir_producer_more(body->child, &inner);
		for (unsigned i = 0; i < inner.count; i++)
			body_pass(body, out, &pieces[i]);
		if (more != WEIR_DONE)
			return more;
		bool line_start = body->last[0] == '\r' && body->last[1] == '\n';
		body->ending = line_start ? WEIR_SPAN(".\r\n") : WEIR_SPAN("\r\n.\r\n");
		body->ended = true;
	}
	size_t put = weir_output_borrow(out, body->ending.data, body->ending.size);
	body->ending = weir_span_skip(body->ending, put);
	return body->ending.size ? WEIR_MORE : WEIR_DONE;
}

static void body_close(struct weir_producer *producer, enum weir_close_reason why)
{
	weir_producer_close(((struct body *)producer)->child, why);
	free(producer);
}

static const struct weir_producer_type body_type = {
        .name = "smtp-body",
        .more = body_more,
        .close = body_close,
};

/* Wraps `child`, whose pieces must be in memory. */
static struct weir_producer *body_create(struct weir_producer *child)
{
	struct body *body = child ? calloc(1, sizeof *body) : NULL;
	if (!body) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&body->base, &body_type);
	body->child = child;
	body->last[0] = '\r';
	body->last[1] = '\n';
	weir_producer_adopt(&body->base, child);
	return &body->base;
}

struct weir_producer *client_body(const struct weir_smtp_client *client)
{
	const struct weir_smtp_mail *mail = client->mail;
	struct weir_producer *bytes =
	        client->plan.count ? seven_bit_producer(&client->plan, mail->fd, mail->size)
	                           : weir_produce_file(mail->fd, false, 0, mail->size);
	return body_create(weir_produce_escape(weir_produce_crlf(bytes), WEIR_SPAN("\r\n."),
	        WEIR_SPAN("\r\n.."), WEIR_SPAN("\r\n")));
}
