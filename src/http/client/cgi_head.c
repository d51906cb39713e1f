/*
 * The head of a CGI response is rewritten as that of a reply of HTTP/1.1, so that one parser checks
 * both. A redirect to a path of this server is a redirect of the client (RFC 3875 6.2.2 would have
 * the server handle it itself).
 */
#include <string.h>

#include <weir/error.h>

#include "cgi_head.h"
#include "syntax.h"

enum cgi_head_state {
	CGI_HEAD_LINE_START,
	CGI_HEAD_LINE,
	CGI_HEAD_EMPTY_CR, /* the line has a CR alone so far */
	CGI_HEAD_CR,
};

enum weir_scan http_cgi_head_scan(
        uint32_t *state, struct weir_span data, size_t seen, struct weir_cut *ret)
{
	for (size_t i = seen; i < data.size; i++) {
		char c = data.data[i];
		bool empty = *state == CGI_HEAD_LINE_START || *state == CGI_HEAD_EMPTY_CR;
		bool after_cr = *state == CGI_HEAD_EMPTY_CR || *state == CGI_HEAD_CR;
		if (c == 0 || (after_cr && c != '\n'))
			return WEIR_SCAN_BAD;
		if (c == '\n' && empty) {
			ret->end = i + 1;
			return WEIR_SCAN_FOUND;
		}
		if (c == '\n')
			*state = CGI_HEAD_LINE_START;
		else if (c == '\r')
			*state = empty ? CGI_HEAD_EMPTY_CR : CGI_HEAD_CR;
		else
			*state = CGI_HEAD_LINE;
	}
	return WEIR_SCAN_MORE;
}

/* -- parsing ----------------------------------------------------------------------------------- */

/* Cuts the next line off, without its end. Returns false at the empty line. */
static bool cgi_head_next(struct weir_span *rest, struct weir_span *ret_line)
{
	weir_span_cut(rest, '\n', ret_line);
	if (ret_line->size && ret_line->data[ret_line->size - 1] == '\r')
		ret_line->size--;
	return ret_line->size != 0;
}

/* Returns whether the line is a field of this name, which ends in a colon. */
static bool cgi_head_is(struct weir_span line, struct weir_span name)
{
	return line.size >= name.size &&
	       weir_span_equal_nocase(weir_span(line.data, name.size), name);
}

struct cgi_head_facts {
	struct weir_span status; /* the value of Status; data is NULL if there is none */
	bool location;
};

static int cgi_head_find(struct weir_span head, struct cgi_head_facts *ret)
{
	const struct weir_span status = WEIR_SPAN("Status:");
	struct weir_span line;
	unsigned fields = 0;
	for (; cgi_head_next(&head, &line); fields++) {
		ret->location |= cgi_head_is(line, WEIR_SPAN("Location:"));
		if (!cgi_head_is(line, status))
			continue;
		if (ret->status.data)
			return WEIR_E_HTTP_STATUS;
		ret->status = weir_span_trim(weir_span_skip(line, status.size));
		/* A code of three digits, and perhaps a reason. */
		if (ret->status.size < 3 || (ret->status.size > 3 && ret->status.data[3] != ' '))
			return WEIR_E_HTTP_STATUS;
	}
	return fields ? 0 : WEIR_E_HTTP_FIELD;
}

static int cgi_head_put(struct weir_buffer *text, struct weir_span bytes)
{
	return weir_buffer_append(text, bytes.data, bytes.size, SIZE_MAX);
}

static int cgi_head_put_line(struct weir_buffer *text, struct weir_span line)
{
	int error = line.size ? cgi_head_put(text, line) : 0;
	return error ? error : cgi_head_put(text, WEIR_SPAN("\r\n"));
}

static int cgi_head_rewrite(struct weir_span head, struct weir_buffer *text)
{
	struct cgi_head_facts facts = {0};
	struct weir_span line;
	int error = cgi_head_find(head, &facts);
	if (!error)
		error = cgi_head_put(text, WEIR_SPAN("HTTP/1.1 "));
	if (!error)
		error = cgi_head_put_line(text, facts.status.data ? facts.status
		                                : facts.location  ? WEIR_SPAN("302 Found")
		                                                  : WEIR_SPAN("200 OK"));
	while (!error && cgi_head_next(&head, &line))
		if (!cgi_head_is(line, WEIR_SPAN("Status:")))
			error = cgi_head_put_line(text, line);
	return error ? error : cgi_head_put_line(text, WEIR_SPAN(""));
}

int http_cgi_head_parse(
        struct weir_span head, struct weir_buffer *text, struct http_reply_head *ret)
{
	int error = cgi_head_rewrite(head, text);
	if (!error)
		error = http_reply_head_parse(weir_buffer_span(text), ret);
	if (error)
		return error;
	/* The application replies once, and its records frame the body. */
	if (ret->status < 200)
		return WEIR_E_HTTP_STATUS;
	return ret->message.chunked ? WEIR_E_HTTP_CODING : 0;
}
