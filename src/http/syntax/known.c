/*
 * From names to enums. The length leaves a few candidates. Setting bit 5 of a byte makes letters
 * lower case, and no other tchar becomes a letter or '-' by that, so the comparison is exact. Names
 * longer than the longest known one cost a single branch.
 */
#include "known.h"
#include "syntax.h"

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
