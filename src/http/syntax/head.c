/*
 * Parses a head in one pass, by tables. Invariant: the head ends in CRLF CRLF, and CR is
 * in no class of characters, so each run of characters ends within the head without a check of the
 * bound. A CRLF is skipped only at the end of a line that is not empty, so another CRLF always
 * follows. Only positions are stored; framing.c evaluates the fields.
 *
 * Authorities are checked byte by byte: an accepted one may be compared, logged and looked up
 * without further checks. Names are neither decoded nor resolved.
 */
#include <arpa/inet.h>

#include <weir/error.h>

#include "head.h"
#include "syntax.h"

struct head_cursor {
	const char *at;
	const char *end;
	uint64_t repeated; /* bit 1 << known: the field came before */
};

/* "HTTP/1.x" CRLF; RFC 9112 2.3: the name is case-sensitive, both numbers are single digits. */
static int http_head_parse_version(struct head_cursor *cursor, struct weir_http_request *request)
{
	const char *at = cursor->at;
	if (cursor->end - at < 12 || memcmp(at, "HTTP/", 5) != 0 || at[6] != '.')
		return 400;
	unsigned major = (uint8_t)at[5] - (unsigned)'0';
	unsigned minor = (uint8_t)at[7] - (unsigned)'0';
	if (major > 9 || minor > 9 || at[8] != '\r' || at[9] != '\n')
		return 400;
	if (major != 1)
		return 505;
	request->minor = (uint8_t)minor;
	cursor->at = at + 10;
	return 0;
}

/* http://host[:port][path][?query]: the authority goes before that of Host (RFC 9112 3.2.2). */
static int http_head_split_absolute(struct weir_http_request *request)
{
	struct weir_span target = request->target, host;
	size_t scheme, size = 0;
	int port;
	if (target.size > 7 &&
	        weir_span_equal_nocase(weir_span(target.data, 7), WEIR_SPAN("http://")))
		scheme = 7;
	else if (target.size > 8 &&
	         weir_span_equal_nocase(weir_span(target.data, 8), WEIR_SPAN("https://")))
		scheme = 8;
	else
		return 400;
	struct weir_span rest = weir_span_skip(target, scheme);
	while (size < rest.size && rest.data[size] != '/' && rest.data[size] != '?')
		size++;
	request->host = weir_span(rest.data, size);
	if (http_authority_parse(request->host, &host, &port) < 0)
		return 400;
	rest = weir_span_skip(rest, size);
	request->has_query = weir_span_cut(&rest, '?', &request->path);
	if (request->has_query)
		request->query = rest;
	if (request->path.size == 0) /* the last '/' of "http://" is the root */
		request->path = weir_span(target.data + scheme - 1, 1);
	return 0;
}

/* Every form of target but the origin-form, which parse_target knows itself (RFC 9112 3.2). */
static int http_head_split_target(struct weir_http_request *request)
{
	struct weir_span host;
	int port;
	request->has_query = false;
	request->query = weir_span(NULL, 0);
	request->path = weir_span(request->target.data, 0);
	if (request->method == WEIR_HTTP_CONNECT) {
		request->host = request->target;
		if (http_authority_parse(request->target, &host, &port) < 0 || port <= 0)
			return 400;
		return 0;
	}
	if (weir_span_equal(request->target, WEIR_SPAN("*"))) {
		request->path = request->target;
		return request->method == WEIR_HTTP_OPTIONS ? 0 : 400;
	}
	return http_head_split_absolute(request);
}

static int http_head_parse_target(struct head_cursor *cursor, struct weir_http_request *request)
{
	const char *start = cursor->at, *at = start;
#ifdef __SSE2__
	for (unsigned outside = 0; !outside && cursor->end - at >= 16;) {
		outside = http_not_pchar(_mm_loadu_si128((const __m128i *)(const void *)at));
		at += outside ? __builtin_ctz(outside) : 16;
	}
#endif
	while (http_is(*at, WEIR_HTTP_PCHAR))
		at++;
	request->path = weir_span(start, (size_t)(at - start));
	if (*at == '?') {
		const char *query = ++at;
		while (http_is(*at, WEIR_HTTP_PCHAR) || *at == '?')
			at++;
		request->has_query = true;
		request->query = weir_span(query, (size_t)(at - query));
	}
	request->target = weir_span(start, (size_t)(at - start));
	if (request->target.size > WEIR_HTTP_TARGET_MAX)
		return request->method == WEIR_HTTP_OTHER ? 501 : 414;
	if (request->target.size == 0 || *at != ' ')
		return 400;
	cursor->at = at + 1;
	return 0;
}

static int http_head_parse_request_line(
        struct head_cursor *cursor, struct weir_http_request *request)
{
	const char *start = cursor->at, *at = start;
	/* There are four bytes at least, since the head ends in CRLF CRLF. */
	if (memcmp(start, "GET ", 4) == 0) {
		at += 3;
		request->method = WEIR_HTTP_GET;
	} else {
		while (http_is(*at, WEIR_HTTP_TCHAR))
			at++;
		if (at == start || *at != ' ')
			return 400;
		request->method = http_method_find(start, (size_t)(at - start));
	}
	request->method_name = weir_span(start, (size_t)(at - start));
	cursor->at = at + 1;
	int status = http_head_parse_target(cursor, request);
	if (!status)
		status = http_head_parse_version(cursor, request);
	if (!status && (*request->target.data != '/' || request->method == WEIR_HTTP_CONNECT))
		status = http_head_split_target(request);
	return status;
}

/* The first byte that is not allowed in a value: CR, in a well-formed head. */
static const char *http_head_value_end(const char *at, const char *end)
{
	const uint64_t ones = ~(uint64_t)0 / 255;
	while (end - at >= 8) {
		uint64_t word = le64toh(http_load8(at));
		/* The lowest bit is exact in both, and so it is in both together. */
		uint64_t ends = http_any_below(word, 0x20) | http_any_below(word ^ ones * 0x7f, 1);
		if (!ends) {
			at += 8;
			continue;
		}
		at += (unsigned)__builtin_ctzll(ends) / 8;
		if (*at != '\t')
			return at;
		at++;
	}
	while (http_is(*at, WEIR_HTTP_VCHAR))
		at++;
	return at;
}

static int http_head_parse_field(struct head_cursor *cursor, struct weir_http_request *request)
{
	const char *name = cursor->at, *at = name;
	while (http_is(*at, WEIR_HTTP_TCHAR))
		at++;
	size_t size = (size_t)(at - name);
	if (size == 0 || *at != ':')
		return 400;
	if (request->field_count == WEIR_HTTP_FIELDS_MAX)
		return 431;
	do
		at++;
	while (*at == ' ' || *at == '\t');
	const char *value = at;
	at = http_head_value_end(at, cursor->end);
	if (at[0] != '\r' || at[1] != '\n')
		return 400;
	cursor->at = at + 2;
	while (at > value && (at[-1] == ' ' || at[-1] == '\t'))
		at--;
	unsigned index = request->field_count++;
	enum weir_http_known known = http_known_find(name, size);
	request->fields[index].name = weir_span(name, size);
	request->fields[index].value = weir_span(value, (size_t)(at - value));
	request->known[index] = (uint8_t)known;
	if (request->first[known] == 0)
		request->first[known] = (uint8_t)(index + 1);
	else
		cursor->repeated |= (uint64_t)1 << known;
	return 0;
}

/* RFC 9112 3.2: exactly one Host, well-formed or empty, even where the target names the host. */
static int http_head_find_host(struct weir_http_request *request, uint64_t repeated)
{
	struct weir_span value = weir_http_request_known(request, WEIR_HTTP_HOST), host;
	int port;
	if (!value.data)
		return request->minor > 0 ? 400 : 0;
	if (repeated & (uint64_t)1 << WEIR_HTTP_HOST)
		return 400;
	if (value.size && http_authority_parse(value, &host, &port) < 0)
		return 400;
	if (!request->host.data)
		request->host = value;
	return 0;
}

/* Member by member: gcc clears a struct of this size with `rep stos`, a fifth of a small parse. */
void http_head_clear(struct weir_http_request *request)
{
	const struct weir_span none = {NULL, 0};
	request->method = WEIR_HTTP_OTHER;
	request->minor = 1;
	request->has_query = false;
	request->has_length = false;
	request->chunked = false;
	request->keep_alive = false;
	request->expect_continue = false;
	request->length = 0;
	request->method_name = none;
	request->target = none;
	request->path = none;
	request->query = none;
	request->host = none;
	request->field_count = 0;
	memset(request->first, 0, sizeof request->first);
}

int http_head_parse(struct weir_span head, struct weir_http_request *request)
{
	struct head_cursor cursor = {.at = head.data, .end = head.data + head.size};
	int status;
	http_head_clear(request);
	if (head.size < 4 || memcmp(cursor.end - 4, "\r\n\r\n", 4) != 0)
		return 400;
	for (int i = 0; i < WEIR_HTTP_EMPTY_LINES_MAX && memcmp(cursor.at, "\r\n", 2) == 0; i++) {
		cursor.at += 2;
		if (cursor.end - cursor.at < 4)
			return 400;
	}
	status = http_head_parse_request_line(&cursor, request);
	while (!status && *cursor.at != '\r')
		status = http_head_parse_field(&cursor, request);
	if (!status && cursor.end - cursor.at != 2)
		status = 400;
	if (!status)
		status = http_head_find_host(request, cursor.repeated);
	return status ? status : http_framing_find(request, cursor.repeated);
}

/* -- replies ----------------------------------------------------------------------------------- */

/* status-line = HTTP-version SP status-code SP [ reason-phrase ]; the last SP may be missing. */
static int http_head_parse_status_line(struct head_cursor *cursor, struct http_reply_head *reply)
{
	const char *at = cursor->at;
	if (cursor->end - at < 16 || memcmp(at, "HTTP/1.", 7) != 0 || at[8] != ' ')
		return WEIR_E_HTTP_STATUS;
	unsigned minor = (uint8_t)at[7] - (unsigned)'0', status = 0;
	for (int i = 9; i < 12; i++) {
		unsigned digit = (uint8_t)at[i] - (unsigned)'0';
		if (digit > 9)
			return WEIR_E_HTTP_STATUS;
		status = status * 10 + digit;
	}
	if (minor > 9 || status < 100 || status > 599)
		return WEIR_E_HTTP_STATUS;
	at += 12;
	if (*at == ' ')
		at++;
	else if (*at != '\r')
		return WEIR_E_HTTP_STATUS;
	const char *reason = at;
	while (http_is(*at, WEIR_HTTP_VCHAR))
		at++;
	if (at[0] != '\r' || at[1] != '\n')
		return WEIR_E_HTTP_STATUS;
	reply->status = status;
	reply->reason = weir_span(reason, (size_t)(at - reason));
	reply->message.minor = (uint8_t)minor;
	cursor->at = at + 2;
	return 0;
}

static int http_head_parse_reply_field(
        struct head_cursor *cursor, struct weir_http_request *message)
{
	bool folded = *cursor->at == ' ' || *cursor->at == '\t';
	int status = http_head_parse_field(cursor, message);
	if (status == 431)
		return WEIR_E_HTTP_HEAD_SIZE;
	if (status)
		return folded ? WEIR_E_HTTP_FOLD : WEIR_E_HTTP_FIELD;
	return 0;
}

/*
 * RFC 9112 6.1 and RFC 9110 8.6 forbid a server to announce a body of 1xx and 204, which have none.
 * A length of 0 is common, and cannot be misunderstood.
 */
static int http_head_find_reply_body(
        struct weir_http_request *message, unsigned reply_status, uint64_t repeated)
{
	bool has_length = message->first[WEIR_HTTP_CONTENT_LENGTH];
	bool has_coding = message->first[WEIR_HTTP_TRANSFER_ENCODING];
	bool bodiless = reply_status < 200 || reply_status == 204;
	if (has_length && has_coding)
		return WEIR_E_HTTP_LENGTH_AND_CODING;
	if (repeated & (uint64_t)1 << WEIR_HTTP_CONTENT_LENGTH)
		return WEIR_E_HTTP_LENGTHS;
	if (http_framing_find_body(message, repeated) || (has_coding && bodiless))
		return has_coding ? WEIR_E_HTTP_CODING : WEIR_E_HTTP_LENGTH;
	return bodiless && message->has_length && message->length ? WEIR_E_HTTP_LENGTH : 0;
}

int http_reply_head_parse(struct weir_span head, struct http_reply_head *reply)
{
	struct head_cursor cursor = {.at = head.data, .end = head.data + head.size};
	http_head_clear(&reply->message);
	if (head.size < 4 || memcmp(cursor.end - 4, "\r\n\r\n", 4) != 0)
		return WEIR_E_HTTP_LINE_END;
	int error = http_head_parse_status_line(&cursor, reply);
	while (!error && *cursor.at != '\r')
		error = http_head_parse_reply_field(&cursor, &reply->message);
	if (!error && cursor.end - cursor.at != 2)
		error = WEIR_E_HTTP_FIELD;
	if (error)
		return error;
	return http_head_find_reply_body(&reply->message, reply->status, cursor.repeated);
}

/* -- faults ------------------------------------------------------------------------------------ */

/* Parses the head again, so that only a refused head pays for the reason. */
const char *http_head_fault(struct weir_span head)
{
	struct weir_http_request request;
	struct head_cursor cursor = {.at = head.data, .end = head.data + head.size};
	http_head_clear(&request);
	while (cursor.end - cursor.at >= 4 && memcmp(cursor.at, "\r\n", 2) == 0)
		cursor.at += 2;
	if (cursor.end - cursor.at < 4 || http_head_parse_request_line(&cursor, &request))
		return "bad request line";
	while (*cursor.at != '\r')
		if (http_head_parse_field(&cursor, &request))
			return request.field_count == WEIR_HTTP_FIELDS_MAX ? "too many fields"
			                                                   : "bad field";
	if (cursor.end - cursor.at != 2)
		return "bad field";
	if (http_head_find_host(&request, cursor.repeated))
		return "bad, missing or repeated Host";
	return "contradictory length or coding";
}

/* -- authorities ------------------------------------------------------------------------------- */

/* Returns the size of "[address]" at the front, or 0. */
static size_t http_authority_bracketed(struct weir_span text)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	const char *end = memchr(text.data, ']', text.size);
	size_t size = end ? (size_t)(end - text.data) - 1 : 0;
	if (size == 0 || size >= sizeof address || memchr(text.data, 0, size + 1))
		return 0;
	memcpy(address, text.data + 1, size);
	address[size] = 0;
	return inet_pton(AF_INET6, address, &ignored) == 1 ? size + 2 : 0;
}

/* Returns the size of the registered name at the front, or 0. An IPv4 address is one, too. */
static size_t http_authority_registered(struct weir_span text)
{
	size_t size = 0;
	for (;;) {
		size += http_run(weir_span_skip(text, size), WEIR_HTTP_HCHAR);
		if (size == text.size || text.data[size] != '%')
			return size;
		if (text.size - size < 3 || !http_is(text.data[size + 1], WEIR_HTTP_XDIGIT) ||
		        !http_is(text.data[size + 2], WEIR_HTTP_XDIGIT))
			return 0;
		size += 3;
	}
}

static int http_authority_parse_port(struct weir_span text, int *ret)
{
	unsigned port = 0;
	if (text.size > 5)
		return WEIR_E_SYNTAX;
	for (size_t i = 0; i < text.size; i++) {
		unsigned digit = (uint8_t)text.data[i] - (unsigned)'0';
		if (digit > 9)
			return WEIR_E_SYNTAX;
		port = port * 10 + digit;
	}
	if (port > UINT16_MAX)
		return WEIR_E_SYNTAX;
	*ret = text.size ? (int)port : -1;
	return 0;
}

int http_authority_parse(struct weir_span authority, struct weir_span *ret_host, int *ret_port)
{
	int port = -1;
	if (authority.size == 0)
		return WEIR_E_SYNTAX;
	size_t size = authority.data[0] == '[' ? http_authority_bracketed(authority)
	                                       : http_authority_registered(authority);
	if (size == 0)
		return WEIR_E_SYNTAX;
	if (size < authority.size) {
		if (authority.data[size] != ':')
			return WEIR_E_SYNTAX;
		if (http_authority_parse_port(weir_span_skip(authority, size + 1), &port) < 0)
			return WEIR_E_SYNTAX;
	}
	*ret_host = weir_span(authority.data, size);
	*ret_port = port;
	return 0;
}
