/*
 * RETR (RFC 1939 5) and TOP (7): a message with its dots doubled, and a line with a dot behind it.
 *
 * Invariant: a message is fetched when its reply is asked for the first time, so that of many
 * requests in the queue only those that are being sent have a file open. If no line is known to
 * begin with a dot, the message is sent unchanged, as a file by sendfile.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/transformers.h>

#include "pop3_state.h"
#include "helper.h"

/*
 * -- the beginning of a message: a transformer for TOP -------------------------------------------
 */

enum {
	PIECES = 16
};

struct top {
	struct weir_producer base;
	struct weir_producer *child;
	uint64_t lines; /* of the body, still to be passed */
	bool *cut;
	bool in_body;
	bool filled; /* the present line has more than a CR */
	bool begun;  /* the present line has a byte */
};

/* Whether all that was asked for has been passed. */
static bool pop3_top_is_enough(const struct top *top)
{
	return top->in_body && top->lines == 0;
}

/* Notes bytes of the present line, without its LF. */
static void pop3_top_note(struct top *top, const char *bytes, size_t size)
{
	if (size == 0)
		return;
	top->filled |= top->begun || size > 1 || *bytes != '\r';
	top->begun = true;
}

static void pop3_top_count_line(struct top *top)
{
	if (top->in_body)
		top->lines--;
	else
		top->in_body = !top->filled;
	top->filled = top->begun = false;
}

/* Returns how many of the bytes are passed. */
static size_t pop3_top_consume(struct top *top, struct weir_span bytes)
{
	const char *at = bytes.data, *end = bytes.data + bytes.size;
	while (at < end && !pop3_top_is_enough(top)) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		pop3_top_note(top, at, (size_t)((line_end ? line_end : end) - at));
		if (!line_end)
			return bytes.size;
		pop3_top_count_line(top);
		at = line_end + 1;
	}
	return (size_t)(at - bytes.data);
}

static enum weir_more pop3_top_more(struct weir_producer *producer, struct weir_output *out)
{
	struct top *top = (struct top *)producer;
	struct weir_piece pieces[PIECES];
	struct weir_output inner;
	unsigned free_pieces = out->capacity - out->count;
	weir_output_init_inner(
	        &inner, out, pieces, min_of(free_pieces, (unsigned)PIECES), weir_output_room(out));
	enum weir_more answer = weir_producer_more(top->child, &inner);
	for (unsigned i = 0; i < inner.count && !pop3_top_is_enough(top); i++) {
		struct weir_span bytes;
		if (weir_output_bytes(&inner, &pieces[i], &bytes) < 0)
			return WEIR_FAILED;
		weir_output_forward(out, &pieces[i], 0, pop3_top_consume(top, bytes));
	}
	if (!pop3_top_is_enough(top))
		return answer;
	*top->cut = true;
	return WEIR_DONE;
}

static void pop3_top_close(struct weir_producer *producer, enum weir_close_reason why)
{
	weir_producer_close(((struct top *)producer)->child, why);
	free(producer);
}

struct weir_producer *pop3_top_lines(struct weir_producer *child, uint64_t lines, bool *cut)
{
	static const struct weir_producer_type type = {
	        .name = "pop3-top", .more = pop3_top_more, .close = pop3_top_close};
	struct top *top = child ? calloc(1, sizeof *top) : NULL;
	if (!top) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&top->base, &type);
	top->child = child;
	top->lines = lines;
	top->cut = cut;
	weir_producer_adopt(&top->base, child);
	return &top->base;
}

enum retrieval_state {
	RETRIEVAL_NEW,
	RETRIEVAL_FETCHING,
	RETRIEVAL_HEAD,
	RETRIEVAL_BODY,
	RETRIEVAL_TAIL,
};

struct retrieval {
	struct weir_producer base;
	struct pop3_session *session;
	struct weir_producer *child; /* the body; NULL: the reply is an error */
	struct weir_mail_call call;
	size_t index;
	uint64_t lines; /* of TOP */
	enum retrieval_state state;
	bool top;
	bool ended; /* the body ends in CRLF, or was cut behind one */
	uint8_t at; /* bytes of the text that have been put */
	uint8_t size;
	char head[64];
	const char *text; /* the first line or the last, while it is being put */
};

static void pop3_retrieve_set_text(struct retrieval *retrieval, const char *text)
{
	retrieval->text = text;
	retrieval->size = (uint8_t)strlen(text);
	retrieval->at = 0;
}

/* Returns true when all of it has been put. */
static bool pop3_retrieve_put_text(struct retrieval *retrieval, struct weir_output *out)
{
	retrieval->at += (uint8_t)weir_output_borrow(
	        out, retrieval->text + retrieval->at, retrieval->size - retrieval->at);
	return retrieval->at == retrieval->size;
}

/* -- fetching ---------------------------------------------------------------------------------- */

static struct weir_producer *pop3_retrieve_body_of(
        struct retrieval *retrieval, struct weir_mail_body *body)
{
	struct weir_producer *child = body->producer;
	retrieval->ended = body->ended;
	if (retrieval->top)
		child = pop3_top_lines(child, retrieval->lines, &retrieval->ended);
	if (!body->dotless)
		child = weir_produce_escape(
		        child, WEIR_SPAN("\r\n."), WEIR_SPAN("\r\n.."), WEIR_SPAN("\r\n"));
	return child;
}

static void pop3_retrieve_fetched(
        struct weir_mail_call *call, int error, struct weir_mail_body *body)
{
	struct retrieval *retrieval = WEIR_CONTAINER(call, struct retrieval, call);
	if (error == 0) {
		retrieval->child = pop3_retrieve_body_of(retrieval, body);
		if (!retrieval->child)
			error = -ENOMEM;
	}
	if (error == 0) {
		weir_producer_adopt(&retrieval->base, retrieval->child);
		snprintf(retrieval->head, sizeof retrieval->head, "+OK %llu octets\r\n",
		        (unsigned long long)body->octets);
		pop3_retrieve_set_text(retrieval, retrieval->top ? "+OK\r\n" : retrieval->head);
	} else {
		pop3_retrieve_set_text(retrieval, error == -ENOENT
		                                          ? "-ERR The message no longer exists\r\n"
		                                          : "-ERR [SYS/TEMP] Try again later\r\n");
	}
	bool waiting = retrieval->state == RETRIEVAL_FETCHING;
	retrieval->state = RETRIEVAL_HEAD;
	if (waiting)
		weir_wake(&retrieval->base);
}

/* -- the producer ------------------------------------------------------------------------------ */

static void pop3_retrieve_fetch(struct retrieval *retrieval)
{
	weir_maildrop_fetch(retrieval->session->drop, retrieval->index, &retrieval->call,
	        pop3_retrieve_fetched);
	if (retrieval->state == RETRIEVAL_NEW)
		retrieval->state = RETRIEVAL_FETCHING;
}

static enum weir_more pop3_retrieve_more_body(struct retrieval *retrieval, struct weir_output *out)
{
	enum weir_more pop3_retrieve_more = weir_producer_more(retrieval->child, out);
	if (pop3_retrieve_more != WEIR_DONE)
		return pop3_retrieve_more;
	pop3_retrieve_set_text(retrieval, retrieval->ended ? ".\r\n" : "\r\n.\r\n");
	retrieval->state = RETRIEVAL_TAIL;
	return WEIR_MORE;
}

static enum weir_more pop3_retrieve_more(struct weir_producer *producer, struct weir_output *out)
{
	struct retrieval *retrieval = (struct retrieval *)producer;
	if (retrieval->state == RETRIEVAL_NEW)
		pop3_retrieve_fetch(retrieval);
	if (retrieval->state == RETRIEVAL_FETCHING)
		return WEIR_WAIT;
	if (retrieval->state == RETRIEVAL_HEAD) {
		if (!pop3_retrieve_put_text(retrieval, out))
			return WEIR_MORE;
		if (!retrieval->child)
			return WEIR_DONE;
		retrieval->state = RETRIEVAL_BODY;
	}
	if (retrieval->state == RETRIEVAL_BODY) {
		if (!weir_output_room(out))
			return WEIR_MORE;
		enum weir_more answer = pop3_retrieve_more_body(retrieval, out);
		if (retrieval->state != RETRIEVAL_TAIL)
			return answer;
	}
	return pop3_retrieve_put_text(retrieval, out) ? WEIR_DONE : WEIR_MORE;
}

static void pop3_retrieve_close_retrieval(
        struct weir_producer *producer, enum weir_close_reason why)
{
	struct retrieval *retrieval = (struct retrieval *)producer;
	struct pop3_session *session = retrieval->session;
	if (why == WEIR_CLOSE_DONE && retrieval->child) {
		session->retrieved++;
		session->sent += retrieval->base.taken;
	}
	weir_mail_call_cancel(session->store, &retrieval->call);
	weir_producer_close(retrieval->child, why);
	free(retrieval);
}

static void pop3_retrieve_push(struct pop3_session *session, size_t index, bool top, uint64_t lines)
{
	static const struct weir_producer_type type = {.name = "pop3-retrieval",
	        .more = pop3_retrieve_more,
	        .close = pop3_retrieve_close_retrieval};
	struct retrieval *retrieval = calloc(1, sizeof *retrieval);
	if (retrieval) {
		weir_producer_init(&retrieval->base, &type);
		retrieval->session = session;
		retrieval->index = index;
		retrieval->top = top;
		retrieval->lines = lines;
	}
	weir_channel_push(session->channel, retrieval ? &retrieval->base : NULL);
}

/* -- verbs ------------------------------------------------------------------------------------- */

void pop3_retr(struct pop3_session *session, const struct pop3_command *command)
{
	size_t index;
	if (pop3_message(session, command->arguments[0], &index))
		pop3_retrieve_push(session, index, false, 0);
}

void pop3_top(struct pop3_session *session, const struct pop3_command *command)
{
	uint64_t lines;
	size_t index;
	if (!pop3_message(session, command->arguments[0], &index))
		return;
	if (pop3_number(command->arguments[1], &lines) < 0)
		pop3_reply(session, "-ERR Invalid number of lines\r\n");
	else
		pop3_retrieve_push(session, index, true, lines);
}
