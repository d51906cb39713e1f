/*
 * The tables that HTTP's parsers and replies share: character classes, names, status codes.
 *
 * Bytes that are not in the table of classes are of no class: controls, DEL. Its ranges do not
 * overlap, so that all classes of a byte are in one row.
 */
#include "syntax.h"

enum {
	T = WEIR_HTTP_TCHAR,
	P = WEIR_HTTP_PCHAR,
	H = WEIR_HTTP_HCHAR,
	X = WEIR_HTTP_XDIGIT,
	B = WEIR_HTTP_BCHAR,
	V = WEIR_HTTP_VCHAR,
	U = WEIR_HTTP_UCHAR,
};

const uint8_t http_classes[256] = {
        ['\t'] = V,
        [' '] = V,
        ['!'] = T | P | H | V,
        ['"'] = P | V,
        ['#'] = T | V,
        ['$'] = T | P | H | V,
        ['%'] = T | P | V,
        ['&'] = T | P | H | V,
        ['\''] = T | P | H | B | V,
        ['('] = P | H | B | V,
        [')'] = P | H | B | V,
        ['*'] = T | P | H | V,
        ['+'] = T | P | H | B | V,
        [','] = P | H | B | V,
        ['-'] = T | P | H | B | V | U,
        ['.'] = T | P | H | B | V | U,
        ['/'] = P | B | V,
        ['0' ... '9'] = T | P | H | X | B | V | U,
        [':'] = P | B | V,
        [';'] = P | H | V,
        ['<'] = P | V,
        ['='] = P | H | B | V,
        ['>'] = P | V,
        ['?'] = B | V,
        ['@'] = P | V,
        ['A' ... 'F'] = T | P | H | X | B | V | U,
        ['G' ... 'Z'] = T | P | H | B | V | U,
        ['[' ... ']'] = P | V,
        ['^'] = T | P | V,
        ['_'] = T | P | H | B | V | U,
        ['`'] = T | P | V,
        ['a' ... 'f'] = T | P | H | X | B | V | U,
        ['g' ... 'z'] = T | P | H | B | V | U,
        ['{'] = P | V,
        ['|'] = T | P | V,
        ['}'] = P | V,
        ['~'] = T | P | H | V | U,
        [0x80 ... 0xff] = V,
};

size_t http_quoted(struct weir_span text)
{
	size_t at = 1;
	if (text.size < 2 || text.data[0] != '"')
		return 0;
	for (; at < text.size && text.data[at] != '"'; at++) {
		if (text.data[at] == '\\' && ++at == text.size)
			return 0;
		if (!http_is(text.data[at], WEIR_HTTP_VCHAR))
			return 0;
	}
	return at < text.size ? at + 1 : 0;
}

/* -- names of fields and methods --------------------------------------------------------------- */

/*
 * The length of a name leaves a few candidates. Setting bit 5 of a byte makes letters lower case,
 * and no other tchar becomes a letter or '-' by that, so the comparison is exact. Names longer than
 * the longest known one cost a single branch.
 */
static inline __attribute__((always_inline)) bool http_known_same(
        const char *name, const char *lower, size_t size)
{
	const uint64_t case_bits = ~(uint64_t)0 / 255 * 0x20;
	size_t at = 0;
	if (size < 8) {
		for (; at < size; at++)
			if ((name[at] | 0x20) != lower[at])
				return false;
		return true;
	}
	for (; at + 8 <= size; at += 8)
		if ((http_load8(name + at) | case_bits) != http_load8(lower + at))
			return false;
	/* The last word overlaps the one before, so that it does not reach beyond the name. */
	at = size - 8;
	return (http_load8(name + at) | case_bits) == http_load8(lower + at);
}

#define IF(lower, result)                                                                          \
	if (http_known_same(name, lower, sizeof(lower) - 1))                                       \
	return result

static enum weir_http_known http_known_find_short(const char *name, size_t size)
{
	switch (size) {
	case 2:
		IF("te", WEIR_HTTP_TE);
		break;
	case 4:
		IF("host", WEIR_HTTP_HOST);
		IF("date", WEIR_HTTP_DATE);
		break;
	case 5:
		IF("range", WEIR_HTTP_RANGE);
		break;
	case 6:
		IF("accept", WEIR_HTTP_ACCEPT);
		IF("cookie", WEIR_HTTP_COOKIE);
		IF("origin", WEIR_HTTP_ORIGIN);
		IF("expect", WEIR_HTTP_EXPECT);
		break;
	case 7:
		IF("referer", WEIR_HTTP_REFERER);
		IF("upgrade", WEIR_HTTP_UPGRADE);
		IF("trailer", WEIR_HTTP_TRAILER);
		break;
	case 8:
		IF("if-range", WEIR_HTTP_IF_RANGE);
		IF("if-match", WEIR_HTTP_IF_MATCH);
		break;
	case 9:
		IF("forwarded", WEIR_HTTP_FORWARDED);
		break;
	case 10:
		IF("connection", WEIR_HTTP_CONNECTION);
		IF("user-agent", WEIR_HTTP_USER_AGENT);
		break;
	}
	return WEIR_HTTP_UNKNOWN;
}

static enum weir_http_known http_known_find_long(const char *name, size_t size)
{
	switch (size) {
	case 12:
		IF("content-type", WEIR_HTTP_CONTENT_TYPE);
		break;
	case 13:
		IF("cache-control", WEIR_HTTP_CACHE_CONTROL);
		IF("if-none-match", WEIR_HTTP_IF_NONE_MATCH);
		IF("authorization", WEIR_HTTP_AUTHORIZATION);
		break;
	case 14:
		IF("content-length", WEIR_HTTP_CONTENT_LENGTH);
		break;
	case 15:
		IF("accept-encoding", WEIR_HTTP_ACCEPT_ENCODING);
		IF("accept-language", WEIR_HTTP_ACCEPT_LANGUAGE);
		IF("x-forwarded-for", WEIR_HTTP_X_FORWARDED_FOR);
		break;
	case 16:
		IF("content-encoding", WEIR_HTTP_CONTENT_ENCODING);
		break;
	case 17:
		IF("if-modified-since", WEIR_HTTP_IF_MODIFIED_SINCE);
		IF("transfer-encoding", WEIR_HTTP_TRANSFER_ENCODING);
		IF("x-forwarded-proto", WEIR_HTTP_X_FORWARDED_PROTO);
		IF("sec-websocket-key", WEIR_HTTP_SEC_WEBSOCKET_KEY);
		break;
	case 19:
		IF("if-unmodified-since", WEIR_HTTP_IF_UNMODIFIED_SINCE);
		break;
	case 21:
		IF("sec-websocket-version", WEIR_HTTP_SEC_WEBSOCKET_VERSION);
		break;
	case 22:
		IF("sec-websocket-protocol", WEIR_HTTP_SEC_WEBSOCKET_PROTOCOL);
		break;
	}
	return WEIR_HTTP_UNKNOWN;
}

enum weir_http_known http_known_find(const char *name, size_t size)
{
	return size <= 10 ? http_known_find_short(name, size) : http_known_find_long(name, size);
}

enum weir_http_method http_method_find(const char *name, size_t size)
{
	static const struct {
		char name[8];
		enum weir_http_method method;
	} rare[] = {
	        {"PUT", WEIR_HTTP_PUT},
	        {"DELETE", WEIR_HTTP_DELETE},
	        {"OPTIONS", WEIR_HTTP_OPTIONS},
	        {"PATCH", WEIR_HTTP_PATCH},
	        {"CONNECT", WEIR_HTTP_CONNECT},
	        {"TRACE", WEIR_HTTP_TRACE},
	};
	if (size == 3 && memcmp(name, "GET", 3) == 0)
		return WEIR_HTTP_GET;
	if (size == 4 && memcmp(name, "HEAD", 4) == 0)
		return WEIR_HTTP_HEAD;
	if (size == 4 && memcmp(name, "POST", 4) == 0)
		return WEIR_HTTP_POST;
	for (size_t i = 0; i < sizeof rare / sizeof *rare; i++)
		if (weir_span_equal(weir_span(name, size), weir_span_of(rare[i].name)))
			return rare[i].method;
	return WEIR_HTTP_OTHER;
}

bool http_method_is_safe(enum weir_http_method method)
{
	return method == WEIR_HTTP_GET || method == WEIR_HTTP_HEAD || method == WEIR_HTTP_OPTIONS ||
	       method == WEIR_HTTP_TRACE;
}

bool http_method_is_idempotent(enum weir_http_method method)
{
	return http_method_is_safe(method) || method == WEIR_HTTP_PUT || method == WEIR_HTTP_DELETE;
}

/* -- status codes ------------------------------------------------------------------------------ */

/* The IANA registry's reason phrases, by number, since every reply needs one. */
#define REASON(code, text) [code - 100] = {"" text, sizeof(text) - 1}

static const struct weir_span reasons[] = {
        REASON(100, "Continue"),
        REASON(101, "Switching Protocols"),
        REASON(102, "Processing"),
        REASON(103, "Early Hints"),
        REASON(200, "OK"),
        REASON(201, "Created"),
        REASON(202, "Accepted"),
        REASON(203, "Non-Authoritative Information"),
        REASON(204, "No Content"),
        REASON(205, "Reset Content"),
        REASON(206, "Partial Content"),
        REASON(207, "Multi-Status"),
        REASON(208, "Already Reported"),
        REASON(226, "IM Used"),
        REASON(300, "Multiple Choices"),
        REASON(301, "Moved Permanently"),
        REASON(302, "Found"),
        REASON(303, "See Other"),
        REASON(304, "Not Modified"),
        REASON(305, "Use Proxy"),
        REASON(307, "Temporary Redirect"),
        REASON(308, "Permanent Redirect"),
        REASON(400, "Bad Request"),
        REASON(401, "Unauthorized"),
        REASON(402, "Payment Required"),
        REASON(403, "Forbidden"),
        REASON(404, "Not Found"),
        REASON(405, "Method Not Allowed"),
        REASON(406, "Not Acceptable"),
        REASON(407, "Proxy Authentication Required"),
        REASON(408, "Request Timeout"),
        REASON(409, "Conflict"),
        REASON(410, "Gone"),
        REASON(411, "Length Required"),
        REASON(412, "Precondition Failed"),
        REASON(413, "Content Too Large"),
        REASON(414, "URI Too Long"),
        REASON(415, "Unsupported Media Type"),
        REASON(416, "Range Not Satisfiable"),
        REASON(417, "Expectation Failed"),
        REASON(421, "Misdirected Request"),
        REASON(422, "Unprocessable Content"),
        REASON(423, "Locked"),
        REASON(424, "Failed Dependency"),
        REASON(425, "Too Early"),
        REASON(426, "Upgrade Required"),
        REASON(428, "Precondition Required"),
        REASON(429, "Too Many Requests"),
        REASON(431, "Request Header Fields Too Large"),
        REASON(451, "Unavailable For Legal Reasons"),
        REASON(500, "Internal Server Error"),
        REASON(501, "Not Implemented"),
        REASON(502, "Bad Gateway"),
        REASON(503, "Service Unavailable"),
        REASON(504, "Gateway Timeout"),
        REASON(505, "HTTP Version Not Supported"),
        REASON(506, "Variant Also Negotiates"),
        REASON(507, "Insufficient Storage"),
        REASON(508, "Loop Detected"),
        REASON(511, "Network Authentication Required"),
};

struct weir_span http_status_reason(int status)
{
	if (status < 100 || (size_t)status - 100 >= sizeof reasons / sizeof *reasons)
		return WEIR_SPAN("");
	struct weir_span reason = reasons[status - 100];
	return reason.data ? reason : WEIR_SPAN("");
}

/* -- lists ------------------------------------------------------------------------------------- */

bool http_list_has(struct weir_span list, struct weir_span token)
{
	struct weir_span element;
	for (bool more = true; more;) {
		more = weir_span_cut(&list, ',', &element);
		if (weir_span_equal_nocase(weir_span_trim(element), token))
			return true;
	}
	return false;
}
