/*
 * The names and values of single fields of a request; h2_head.c makes a request of them.
 *
 * Texts of the decoder have slack behind them, so that sixteen bytes are examined at a time.
 */
#include <string.h>

#include "h2_head.h"
#include "helper.h"
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

/* -- names and values -------------------------------------------------------------------------- */

/* RFC 9113 8.3.1, RFC 8441 4. */
static enum h2_name h2_field_find_pseudo(struct weir_span name)
{
	if (weir_span_equal(name, WEIR_SPAN(":method")))
		return H2_NAME_METHOD;
	if (weir_span_equal(name, WEIR_SPAN(":path")))
		return H2_NAME_PATH;
	if (weir_span_equal(name, WEIR_SPAN(":authority")))
		return H2_NAME_AUTHORITY;
	if (weir_span_equal(name, WEIR_SPAN(":scheme")))
		return H2_NAME_SCHEME;
	return weir_span_equal(name, WEIR_SPAN(":protocol")) ? H2_NAME_PROTOCOL : H2_NAME_BAD;
}

enum h2_name h2_field_find_name(struct weir_span name)
{
	if (name.size && name.data[0] == ':')
		return h2_field_find_pseudo(name);
	if (name.size == 0 || http_run(name, WEIR_HTTP_TCHAR) < name.size)
		return H2_NAME_BAD;
	for (size_t i = 0; i < name.size; i++)
		if (name.data[i] >= 'A' && name.data[i] <= 'Z')
			return H2_NAME_BAD;
	enum weir_http_known known = http_known_find(name.data, name.size);
	if (known == WEIR_HTTP_CONNECTION || known == WEIR_HTTP_UPGRADE ||
	        known == WEIR_HTTP_TRANSFER_ENCODING ||
	        weir_span_equal(name, WEIR_SPAN("keep-alive")) ||
	        weir_span_equal(name, WEIR_SPAN("proxy-connection")))
		return H2_NAME_BAD;
	if (weir_span_equal(name, WEIR_SPAN("priority")))
		return H2_NAME_PRIORITY;
	return H2_NAME_FIELD + known;
}

static bool h2_field_is_space(char c)
{
	return c == ' ' || c == '\t';
}

bool h2_field_value_is_valid(struct weir_span value)
{
	if (value.size == 0)
		return true;
	if (h2_field_is_space(value.data[0]) || h2_field_is_space(value.data[value.size - 1]))
		return false;
#ifdef __SSE2__
	for (size_t at = 0; at < value.size; at += 16) {
		unsigned outside = http_not_vchar(
		        _mm_loadu_si128((const __m128i *)(const void *)(value.data + at)));
		if (outside && (unsigned)__builtin_ctz(outside) < value.size - at)
			return false;
	}
	return true;
#else
	return http_run(value, WEIR_HTTP_VCHAR) == value.size;
#endif
}

size_t h2_field_run_pchar(struct weir_span text)
{
#ifdef __SSE2__
	for (size_t at = 0; at < text.size; at += 16) {
		unsigned outside = http_not_pchar(
		        _mm_loadu_si128((const __m128i *)(const void *)(text.data + at)));
		if (outside)
			return min_of(text.size, at + (unsigned)__builtin_ctz(outside));
	}
	return text.size;
#else
	return http_run(text, WEIR_HTTP_PCHAR);
#endif
}

bool h2_field_is_token(struct weir_span value)
{
	return value.size && http_run(value, WEIR_HTTP_TCHAR) == value.size;
}

bool h2_field_authority_is_valid(struct weir_span authority)
{
	for (size_t i = 0; i < authority.size; i++)
		if (authority.data[i] <= ' ' || authority.data[i] == 0x7f)
			return false;
	return authority.size > 0;
}
