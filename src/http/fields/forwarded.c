/*
 * X-Forwarded-For, X-Forwarded-Proto and Forwarded (RFC 7239): the lists that forwarders append to.
 * They are read from the end, one element at a time. Invariant: bytes in front of an element do not
 * change how it is read, since a client may have sent them.
 */
#include <string.h>

#include <weir/error.h>

#include "fields.h"
#include "helper.h"
#include "syntax.h"

enum {
	FORWARDED_NODE_MAX = 64, /* bytes of an address with its port; a longer one is malformed */
	FORWARDED_PORT_DIGITS = 5,
};

/* -- lists ------------------------------------------------------------------------------------- */

/* The byte before `at` is the quote that begins or ends a string, and not one within it. */
static bool forwarded_is_escaped(struct weir_span list, size_t at)
{
	size_t backslashes = 0;
	while (backslashes < at && list.data[at - 1 - backslashes] == '\\')
		backslashes++;
	return backslashes % 2;
}

/* Returns where the last element begins: behind the last comma that is not within quotes. */
static size_t forwarded_find_last(struct weir_span list, bool quotes)
{
	bool quoted = false;
	size_t at = list.size;
	while (at > 0) {
		char c = list.data[at - 1];
		if (c == ',' && !quoted)
			break;
		if (c == '"' && quotes && !(quoted && forwarded_is_escaped(list, at - 1)))
			quoted = !quoted;
		at--;
	}
	return at;
}

bool http_forwarded_cut_last(struct weir_span *list, bool quotes, struct weir_span *ret)
{
	while (list->size) {
		size_t at = forwarded_find_last(*list, quotes);
		struct weir_span element = weir_span_trim(weir_span_skip(*list, at));
		list->size = at ? at - 1 : 0;
		if (element.size) {
			*ret = element;
			return true;
		}
	}
	return false;
}

/* -- addresses --------------------------------------------------------------------------------- */

static bool forwarded_is_obfuscated(struct weir_span port)
{
	if (port.size < 2 || port.data[0] != '_')
		return false;
	for (size_t i = 1; i < port.size; i++)
		if (!http_is(port.data[i], WEIR_HTTP_UCHAR) || port.data[i] == '~')
			return false;
	return true;
}

/* Reads ":80", or nothing: port 0. */
static bool forwarded_parse_port(struct weir_span text, bool obfuscated, uint16_t *ret)
{
	uint64_t port = 0;
	if (text.size) {
		if (text.data[0] != ':')
			return false;
		text = weir_span_skip(text, 1);
		if (obfuscated && forwarded_is_obfuscated(text))
			text = WEIR_SPAN("0");
		if (text.size > FORWARDED_PORT_DIGITS || weir_span_number(text, 10, &port) < 0 ||
		        port > UINT16_MAX)
			return false;
	}
	*ret = (uint16_t)port;
	return true;
}

/* [2001:db8::1], with a port or without. */
static int forwarded_parse_bracketed(
        struct weir_span text, bool obfuscated, struct weir_address *ret)
{
	struct weir_span host, rest = weir_span_skip(text, 1);
	uint16_t port;
	if (!weir_span_cut(&rest, ']', &host) || !forwarded_parse_port(rest, obfuscated, &port))
		return WEIR_E_SYNTAX;
	return address_parse_host(host, AF_INET6, port, ret);
}

/* 192.0.2.1, with a port or without. */
static int forwarded_parse_v4(struct weir_span text, bool obfuscated, struct weir_address *ret)
{
	const char *colon = memchr(text.data, ':', text.size);
	size_t size = colon ? (size_t)(colon - text.data) : text.size;
	uint16_t port;
	if (!forwarded_parse_port(weir_span_skip(text, size), obfuscated, &port))
		return WEIR_E_SYNTAX;
	return address_parse_host(weir_span(text.data, size), AF_INET, port, ret);
}

int http_forwarded_parse_for(struct weir_span text, struct weir_address *ret)
{
	if (!text.size)
		return WEIR_E_SYNTAX;
	if (text.data[0] == '[')
		return forwarded_parse_bracketed(text, false, ret);
	if (address_parse_host(text, AF_INET6, 0, ret) == 0)
		return 0;
	return forwarded_parse_v4(text, false, ret);
}

/* RFC 7239 6: an IPv6 address is in brackets. */
static int forwarded_parse_node(struct weir_span text, struct weir_address *ret)
{
	if (!text.size)
		return WEIR_E_SYNTAX;
	return text.data[0] == '[' ? forwarded_parse_bracketed(text, true, ret)
	                           : forwarded_parse_v4(text, true, ret);
}

/* -- schemes ----------------------------------------------------------------------------------- */

enum http_scheme http_scheme_find(struct weir_span text)
{
	if (weir_span_equal_nocase(text, WEIR_SPAN("https")))
		return HTTP_SCHEME_HTTPS;
	return weir_span_equal_nocase(text, WEIR_SPAN("http")) ? HTTP_SCHEME_HTTP
	                                                       : HTTP_SCHEME_UNKNOWN;
}

/* -- elements of Forwarded --------------------------------------------------------------------- */

struct forwarded_pair {
	struct weir_span name;
	struct weir_span value; /* without quotes and backslashes, in `room` if it had them */
	char room[FORWARDED_NODE_MAX];
};

/* The values that are wanted are short; of others the front is enough. */
static struct weir_span forwarded_unquote(struct weir_span quoted, char room[FORWARDED_NODE_MAX])
{
	size_t size = 0;
	for (size_t i = 1; i + 1 < quoted.size && size < FORWARDED_NODE_MAX; i++) {
		if (quoted.data[i] == '\\')
			i++;
		room[size++] = quoted.data[i];
	}
	return weir_span(room, size);
}

/* Cuts a pair off the front. Returns 0 or WEIR_E_SYNTAX. */
static int forwarded_cut_pair(struct weir_span *rest, struct forwarded_pair *ret)
{
	size_t size = http_run(*rest, WEIR_HTTP_TCHAR);
	ret->name = weir_span(rest->data, size);
	if (!size || size == rest->size || rest->data[size] != '=')
		return WEIR_E_SYNTAX;
	*rest = weir_span_skip(*rest, size + 1);
	size = http_quoted(*rest);
	bool quoted = size > 0;
	if (!quoted)
		size = http_run(*rest, WEIR_HTTP_TCHAR);
	ret->value = weir_span(rest->data, size);
	if (quoted)
		ret->value = forwarded_unquote(ret->value, ret->room);
	*rest = http_skip_space(weir_span_skip(*rest, size));
	return size ? 0 : WEIR_E_SYNTAX;
}

/* An element while it is read. */
struct forwarded_element {
	struct http_forwarded found;
	bool has_for;
	bool has_proto;
};

/* Each parameter occurs once at most (RFC 7239 4). Those that are not wanted are only read. */
static int forwarded_note_pair(struct forwarded_element *element, const struct forwarded_pair *pair)
{
	bool is_for = weir_span_equal_nocase(pair->name, WEIR_SPAN("for"));
	bool is_proto = weir_span_equal_nocase(pair->name, WEIR_SPAN("proto"));
	if ((is_for && element->has_for) || (is_proto && element->has_proto))
		return WEIR_E_SYNTAX;
	element->has_for |= is_for;
	element->has_proto |= is_proto;
	if (is_proto)
		element->found.scheme = http_scheme_find(pair->value);
	return is_for ? forwarded_parse_node(pair->value, &element->found.client) : 0;
}

int http_forwarded_parse_element(struct weir_span text, struct http_forwarded *ret)
{
	struct forwarded_element element = {.found = {.scheme = HTTP_SCHEME_UNKNOWN}};
	struct forwarded_pair pair;
	while (text.size) {
		if (text.data[0] != ';' && (forwarded_cut_pair(&text, &pair) < 0 ||
		                                   forwarded_note_pair(&element, &pair) < 0))
			return WEIR_E_SYNTAX;
		if (text.size && text.data[0] != ';')
			return WEIR_E_SYNTAX;
		if (text.size)
			text = http_skip_space(weir_span_skip(text, 1));
	}
	if (!element.has_for)
		return WEIR_E_SYNTAX;
	*ret = element.found;
	return 0;
}
