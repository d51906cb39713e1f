/*
 * From a field block to the text of a head. All that RFC 9113 8.2 and 8.3 call malformed is refused
 * here; no byte that could end a line or a token of the text passes.
 *
 * Invariant: what is stored is within h2_head.list_size, and so fits the buffers: each field counts
 * 32 bytes more than its text, and takes 4 more in it.
 */
#include <string.h>

#include "h2_head.h"
#include "syntax.h"

/* -- RFC 9218 ---------------------------------------------------------------------------------- */

void h2_priority_parse(struct h2_priority *priority, struct weir_span value)
{
	struct weir_span member;
	for (bool more = true; more;) {
		more = weir_span_cut(&value, ',', &member);
		member = weir_span_trim(member);
		if (member.size == 3 && memcmp(member.data, "u=", 2) == 0 &&
		        member.data[2] >= '0' && member.data[2] <= '7') {
			priority->urgency = (uint8_t)(member.data[2] - '0') & H2_URGENCY_LAST;
			priority->given = true;
		} else if (weir_span_equal(member, WEIR_SPAN("i")) ||
		           weir_span_equal(member, WEIR_SPAN("i=?1"))) {
			priority->incremental = priority->given = true;
		} else if (weir_span_equal(member, WEIR_SPAN("i=?0"))) {
			priority->incremental = false;
			priority->given = true;
		}
	}
}

/* -- fields ------------------------------------------------------------------------------------ */

static void h2_head_begin(struct h2_head *head)
{
	const struct weir_span none = {NULL, 0};
	head->priority = (struct h2_priority){.urgency = H2_URGENCY_INITIAL};
	head->list_size = 0;
	head->fields = 0;
	head->malformed = head->has_scheme = head->has_host = false;
	head->method = head->path = head->authority = head->host = head->protocol = none;
	head->pseudo_size = head->lines_size = head->cookie_size = 0;
}

static bool h2_head_is_too_large(const struct h2_head *head)
{
	return head->list_size > WEIR_HTTP_HEAD_MAX || head->fields > WEIR_HTTP_FIELDS_MAX;
}

/* Copies a value that the text needs before or apart from the other fields. */
static struct weir_span h2_head_store(struct h2_head *head, struct weir_span value)
{
	char *to = head->pseudo + head->pseudo_size;
	if (value.size)
		memcpy(to, value.data, value.size);
	head->pseudo_size += value.size;
	return weir_span(to, value.size);
}

/* A request-target in origin form, or "*". */
static bool h2_head_path_is_valid(struct weir_span path)
{
	if (weir_span_equal(path, WEIR_SPAN("*")))
		return true;
	if (path.size == 0 || path.data[0] != '/')
		return false;
	for (size_t i = 0; i < path.size; i++)
		if (!http_is(path.data[i], WEIR_HTTP_PCHAR) && path.data[i] != '?')
			return false;
	return true;
}

static bool h2_head_authority_is_valid(struct weir_span authority)
{
	for (size_t i = 0; i < authority.size; i++)
		if (authority.data[i] <= ' ' || authority.data[i] == 0x7f)
			return false;
	return authority.size > 0;
}

/* RFC 9113 8.3: each at most once, and all before the other fields. */
static bool h2_head_add_pseudo(struct h2_head *head, struct weir_span name, struct weir_span value)
{
	if (head->lines_size || head->cookie_size || head->has_host)
		return false;
	if (weir_span_equal(name, WEIR_SPAN(":method"))) {
		if (head->method.data || value.size == 0 ||
		        http_run(value, WEIR_HTTP_TCHAR) < value.size)
			return false;
		head->method = h2_head_store(head, value);
	} else if (weir_span_equal(name, WEIR_SPAN(":path"))) {
		if (head->path.data || !h2_head_path_is_valid(value))
			return false;
		head->path = h2_head_store(head, value);
	} else if (weir_span_equal(name, WEIR_SPAN(":authority"))) {
		if (head->authority.data || !h2_head_authority_is_valid(value))
			return false;
		head->authority = h2_head_store(head, value);
	} else if (weir_span_equal(name, WEIR_SPAN(":protocol"))) {
		if (head->protocol.data || value.size == 0 ||
		        http_run(value, WEIR_HTTP_TCHAR) < value.size)
			return false;
		head->protocol = h2_head_store(head, value);
	} else if (weir_span_equal(name, WEIR_SPAN(":scheme"))) {
		if (head->has_scheme || value.size == 0)
			return false;
		head->has_scheme = true;
	} else {
		return false;
	}
	return true;
}

/* RFC 9113 8.2.2. The name has no capitals. */
static bool h2_head_is_of_connection(struct weir_span name)
{
	static const struct weir_span names[] = {{"connection", 10}, {"upgrade", 7},
	        {"keep-alive", 10}, {"proxy-connection", 16}, {"transfer-encoding", 17}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (weir_span_equal(name, names[i]))
			return true;
	return false;
}

/* RFC 9113 8.2.1: a token without capitals, and a value without white space at its ends. */
static bool h2_head_field_is_valid(struct weir_span name, struct weir_span value)
{
	if (name.size == 0 || http_run(name, WEIR_HTTP_TCHAR) < name.size ||
	        http_run(value, WEIR_HTTP_VCHAR) < value.size)
		return false;
	for (size_t i = 0; i < name.size; i++)
		if (name.data[i] >= 'A' && name.data[i] <= 'Z')
			return false;
	return weir_span_trim(value).size == value.size;
}

static void h2_head_append(char *buffer, size_t *size, struct weir_span text)
{
	if (text.size)
		memcpy(buffer + *size, text.data, text.size);
	*size += text.size;
}

static void h2_head_add_line(struct h2_head *head, struct weir_span name, struct weir_span value)
{
	h2_head_append(head->lines, &head->lines_size, name);
	h2_head_append(head->lines, &head->lines_size, WEIR_SPAN(": "));
	h2_head_append(head->lines, &head->lines_size, value);
	h2_head_append(head->lines, &head->lines_size, WEIR_SPAN("\r\n"));
}

static bool h2_head_add_field(struct h2_head *head, struct weir_span name, struct weir_span value)
{
	if (!h2_head_field_is_valid(name, value) || h2_head_is_of_connection(name))
		return false;
	if (weir_span_equal(name, WEIR_SPAN("te")) &&
	        !weir_span_equal_nocase(value, WEIR_SPAN("trailers")))
		return false;
	if (weir_span_equal(name, WEIR_SPAN("host"))) {
		if (head->has_host)
			return false;
		head->has_host = true;
		head->host = h2_head_store(head, value);
		return true;
	}
	if (weir_span_equal(name, WEIR_SPAN("cookie"))) {
		/* RFC 9113 8.2.3: a cookie that was split into fields is one field again. */
		if (head->cookie_size)
			h2_head_append(head->cookie, &head->cookie_size, WEIR_SPAN("; "));
		else
			h2_head_append(head->cookie, &head->cookie_size, WEIR_SPAN("cookie: "));
		h2_head_append(head->cookie, &head->cookie_size, value);
		return true;
	}
	if (weir_span_equal(name, WEIR_SPAN("priority")))
		h2_priority_parse(&head->priority, value);
	h2_head_add_line(head, name, value);
	return true;
}

static bool h2_head_add_trailer(struct h2_head *head, struct weir_span name, struct weir_span value)
{
	if (!h2_head_field_is_valid(name, value) || h2_head_is_of_connection(name))
		return false;
	h2_head_add_line(head, name, value);
	return true;
}

static void h2_head_add(
        struct h2_head *head, struct weir_span name, struct weir_span value, bool trailers)
{
	head->fields++;
	head->list_size += name.size + value.size + 32;
	if (head->malformed || h2_head_is_too_large(head))
		return;
	bool good;
	if (trailers)
		good = h2_head_add_trailer(head, name, value);
	else if (name.size && name.data[0] == ':')
		good = h2_head_add_pseudo(head, name, value);
	else
		good = h2_head_add_field(head, name, value);
	head->malformed = !good;
}

/* -- the block --------------------------------------------------------------------------------- */

/* Returns 0, or a negative code of libnghttp2. */
static int h2_head_inflate(
        struct h2_head *head, nghttp2_hd_inflater *inflater, struct weir_span block, bool trailers)
{
	for (;;) {
		nghttp2_nv field;
		int flags = 0;
		ssize_t used = nghttp2_hd_inflate_hd2(
		        inflater, &field, &flags, (const uint8_t *)block.data, block.size, 1);
		if (used < 0)
			return (int)used;
		block = weir_span_skip(block, (size_t)used);
		if (flags & NGHTTP2_HD_INFLATE_EMIT)
			h2_head_add(head, weir_span(field.name, field.namelen),
			        weir_span(field.value, field.valuelen), trailers);
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			break;
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && block.size == 0)
			return NGHTTP2_ERR_HEADER_COMP;
	}
	nghttp2_hd_inflate_end_headers(inflater);
	return 0;
}

static enum h2_decoded h2_head_inflate_all(
        struct h2_head *head, nghttp2_hd_inflater *inflater, struct weir_span block, bool trailers)
{
	h2_head_begin(head);
	int error = h2_head_inflate(head, inflater, block, trailers);
	if (error)
		return error == NGHTTP2_ERR_NOMEM ? H2_DECODED_NO_MEMORY : H2_DECODED_BROKEN;
	if (head->malformed)
		return H2_DECODED_MALFORMED;
	return h2_head_is_too_large(head) ? H2_DECODED_TOO_LARGE : H2_DECODED;
}

/* RFC 9113 8.3.1 and 8.5: what a request must have. */
static bool h2_head_is_complete(const struct h2_head *head)
{
	if (!head->method.data)
		return false;
	bool connect = weir_span_equal(head->method, WEIR_SPAN("CONNECT"));
	if (connect && !head->protocol.data)
		return head->authority.data && !head->path.data && !head->has_scheme;
	/* RFC 8441 4: extended CONNECT has all of them. */
	if (head->protocol.data && (!connect || !head->authority.data))
		return false;
	if (!head->path.data || !head->has_scheme)
		return false;
	if (head->path.data[0] == '*' && !weir_span_equal(head->method, WEIR_SPAN("OPTIONS")))
		return false;
	return !head->authority.data || !head->host.data ||
	       weir_span_equal_nocase(head->authority, head->host);
}

static struct weir_span h2_head_compose(struct h2_head *head)
{
	size_t size = 0;
	struct weir_span host = head->authority.data ? head->authority : head->host;
	h2_head_append(head->text, &size, head->protocol.data ? WEIR_SPAN("GET") : head->method);
	h2_head_append(head->text, &size, WEIR_SPAN(" "));
	h2_head_append(head->text, &size, head->path.data ? head->path : head->authority);
	h2_head_append(head->text, &size, WEIR_SPAN(" HTTP/1.1\r\n"));
	if (host.data) {
		h2_head_append(head->text, &size, WEIR_SPAN("host: "));
		h2_head_append(head->text, &size, host);
		h2_head_append(head->text, &size, WEIR_SPAN("\r\n"));
	}
	if (head->protocol.data) {
		h2_head_append(head->text, &size, WEIR_SPAN("connection: Upgrade\r\nupgrade: "));
		h2_head_append(head->text, &size, head->protocol);
		h2_head_append(head->text, &size, WEIR_SPAN("\r\n"));
	}
	h2_head_append(head->text, &size, weir_span(head->lines, head->lines_size));
	if (head->cookie_size) {
		h2_head_append(head->text, &size, weir_span(head->cookie, head->cookie_size));
		h2_head_append(head->text, &size, WEIR_SPAN("\r\n"));
	}
	h2_head_append(head->text, &size, WEIR_SPAN("\r\n"));
	return weir_span(head->text, size);
}

enum h2_decoded h2_head_decode(struct h2_head *head, nghttp2_hd_inflater *inflater,
        struct weir_span block, struct weir_span *ret_text)
{
	enum h2_decoded decoded = h2_head_inflate_all(head, inflater, block, false);
	if (decoded != H2_DECODED)
		return decoded;
	if (!h2_head_is_complete(head))
		return H2_DECODED_MALFORMED;
	*ret_text = h2_head_compose(head);
	return H2_DECODED;
}

enum h2_decoded h2_head_decode_trailers(struct h2_head *head, nghttp2_hd_inflater *inflater,
        struct weir_span block, struct weir_span *ret_lines)
{
	enum h2_decoded decoded = h2_head_inflate_all(head, inflater, block, true);
	if (decoded == H2_DECODED && head->fields > WEIR_HTTP_TRAILERS_IN_MAX)
		return H2_DECODED_TOO_LARGE;
	*ret_lines = weir_span(head->lines, head->lines_size);
	return decoded;
}
