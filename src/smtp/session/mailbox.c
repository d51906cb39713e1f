/*
 * The grammar of MAIL's and RCPT's arguments (RFC 5321 4.1.2): paths, then parameters. It is read
 * from left to right without backtracking. Obsolete syntax is refused, except source routes, which
 * servers have to accept and ignore. Address literals are IPv4 and IPv6; unknown tags are refused.
 *
 * With `lenient` a few rules are extended, each where the strict rule is; mailbox_lenient.c has
 * what goes beyond that.
 */
#include <arpa/inet.h>

#include <weir/error.h>

#include "helper.h"
#include "smtp_syntax.h"

enum {
	LABEL_MAX = 63
};

static bool smtp_mailbox_is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* atext (RFC 5322 3.2.3), and bytes beyond ASCII. */
static bool smtp_mailbox_is_atext(unsigned char c)
{
	return smtp_mailbox_is_alnum(c) || c >= 0x80 || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* -- UTF-8 ------------------------------------------------------------------------------------- */

static bool smtp_mailbox_is_utf8(struct weir_span text)
{
	while (text.size) {
		size_t length = text_utf8_size(text);
		if (!length)
			return false;
		text = weir_span_skip(text, length);
	}
	return true;
}

static bool smtp_mailbox_has_high_bytes(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] & 0x80)
			return true;
	return false;
}

/* -- local parts ------------------------------------------------------------------------------- */

size_t smtp_dot_string(struct weir_span text, bool lenient)
{
	size_t at = 0;
	while (lenient && at < text.size &&
	        (text.data[at] == '.' || smtp_mailbox_is_atext((unsigned char)text.data[at])))
		at++;
	if (lenient)
		return at;
	for (;;) {
		size_t from = at;
		while (at < text.size && smtp_mailbox_is_atext((unsigned char)text.data[at]))
			at++;
		if (at == from)
			return 0;
		if (at == text.size || text.data[at] != '.')
			return at;
		at++;
	}
}

size_t smtp_quoted_string(struct weir_span text)
{
	for (size_t at = 1; at < text.size; at++) {
		unsigned char c = (unsigned char)text.data[at];
		if (c == '"')
			return at + 1;
		if (c == '\\' && ++at == text.size)
			return 0;
		if (text_is_control(text.data[at]))
			return 0;
	}
	return 0;
}

struct weir_span smtp_local_decode(struct weir_span local, char text[WEIR_SMTP_LOCAL_MAX])
{
	size_t size = 0;
	if (!local.size || local.data[0] != '"')
		return local;
	for (size_t at = 1; at + 1 < local.size && size < WEIR_SMTP_LOCAL_MAX; at++) {
		if (local.data[at] == '\\')
			at++;
		text[size++] = local.data[at];
	}
	return weir_span(text, size);
}

/* -- domains ----------------------------------------------------------------------------------- */

static bool smtp_mailbox_is_ldh(unsigned char c, bool lenient)
{
	return smtp_mailbox_is_alnum(c) || c == '-' || c >= 0x80 || (lenient && c == '_');
}

/* Returns the size of the domain name at the front; 0: there is none. */
static size_t smtp_mailbox_domain_name(struct weir_span text, bool lenient)
{
	size_t at = 0;
	for (;;) {
		size_t from = at;
		while (at < text.size && smtp_mailbox_is_ldh((unsigned char)text.data[at], lenient))
			at++;
		if (lenient && at == from && at > 0)
			return at - 1; /* without the final dot, which the caller skips */
		if (at == from || at - from > LABEL_MAX || text.data[from] == '-' ||
		        text.data[at - 1] == '-')
			return 0;
		if (at == text.size || text.data[at] != '.')
			return at;
		at++;
	}
}

static bool smtp_mailbox_is_literal_address(struct weir_span inner)
{
	struct weir_span tag = WEIR_SPAN("IPv6:");
	unsigned char address[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];
	int family = AF_INET;
	if (inner.size > tag.size && weir_span_equal_nocase(weir_span(inner.data, tag.size), tag)) {
		family = AF_INET6;
		inner = weir_span_skip(inner, tag.size);
	}
	if (!inner.size || inner.size >= sizeof text || memchr(inner.data, 0, inner.size))
		return false;
	memcpy(text, inner.data, inner.size);
	text[inner.size] = 0;
	return inet_pton(family, text, address) == 1;
}

/* Returns the size of the address in [] at the front; 0: there is none. */
static size_t smtp_mailbox_address_literal(struct weir_span text)
{
	const char *end = memchr(text.data, ']', text.size);
	size_t size = end ? (size_t)(end - text.data) + 1 : 0;
	return size > 2 && smtp_mailbox_is_literal_address(weir_span(text.data + 1, size - 2))
	               ? size
	               : 0;
}

/* Returns the size of the name or literal at the front; 0: there is none. */
static size_t smtp_mailbox_domain(struct weir_span text, bool lenient)
{
	if (!text.size)
		return 0;
	size_t size = text.data[0] == '[' ? smtp_mailbox_address_literal(text)
	                                  : smtp_mailbox_domain_name(text, lenient);
	return size <= WEIR_SMTP_DOMAIN_MAX ? size : 0;
}

/* -- the whole --------------------------------------------------------------------------------- */

bool smtp_route_skip(struct weir_span *text, bool lenient)
{
	while (text->size && text->data[0] == '@') {
		*text = weir_span_skip(*text, 1);
		size_t size = smtp_mailbox_domain(*text, lenient);
		if (!size || size == text->size)
			return false;
		*text = weir_span_skip(*text, size);
		bool last = text->data[0] == ':';
		if (!last && text->data[0] != ',')
			return false;
		*text = weir_span_skip(*text, 1);
		if (last)
			return true;
		if (!text->size || text->data[0] != '@')
			return false;
	}
	return true;
}

int smtp_mailbox_read(struct weir_span *text, bool lenient, struct smtp_mailbox *ret)
{
	struct smtp_mailbox found = {.address = *text};
	struct weir_span left = *text;
	size_t size = 0;
	if (left.size)
		size = left.data[0] == '"' ? smtp_quoted_string(left)
		                           : smtp_dot_string(left, lenient);
	if (!size || size > (lenient ? WEIR_SMTP_LOCAL_MAX : SMTP_LOCAL_STRICT_MAX))
		return WEIR_E_SYNTAX;
	found.local = weir_span(left.data, size);
	left = weir_span_skip(left, size);
	if (left.size && left.data[0] == '@') {
		left = weir_span_skip(left, 1);
		size = smtp_mailbox_domain(left, lenient);
		if (!size)
			return WEIR_E_SYNTAX;
		found.domain = weir_span(left.data, size);
		left = weir_span_skip(left, size);
	} else if (!lenient && !weir_span_equal_nocase(found.local, WEIR_SPAN("postmaster"))) {
		return WEIR_E_SYNTAX;
	}
	found.address.size -= left.size;
	if (lenient && found.domain.size && left.size && left.data[0] == '.')
		left = weir_span_skip(left, 1);
	found.utf8 = smtp_mailbox_has_high_bytes(found.address);
	if (found.address.size > (lenient ? SMTP_ADDRESS_MAX : WEIR_SMTP_PATH_MAX - 2) ||
	        (found.utf8 && !smtp_mailbox_is_utf8(found.address)))
		return WEIR_E_SYNTAX;
	*ret = found;
	*text = left;
	return 0;
}

int smtp_mailbox_parse(struct weir_span text, struct smtp_mailbox *ret)
{
	struct smtp_mailbox found;
	if (smtp_mailbox_read(&text, false, &found) < 0 || text.size || !found.domain.size)
		return WEIR_E_SYNTAX;
	*ret = found;
	return 0;
}

int smtp_path_parse(struct weir_span *text, struct smtp_mailbox *ret)
{
	struct smtp_mailbox found = {0};
	struct weir_span left = *text;
	if (!left.size || left.data[0] != '<')
		return WEIR_E_SYNTAX;
	left = weir_span_skip(left, 1);
	bool empty = left.size && left.data[0] == '>';
	if (!empty &&
	        (!smtp_route_skip(&left, false) || smtp_mailbox_read(&left, false, &found) < 0))
		return WEIR_E_SYNTAX;
	if (!left.size || left.data[0] != '>')
		return WEIR_E_SYNTAX;
	*ret = found;
	*text = weir_span_skip(left, 1);
	return 0;
}

/* -- parameters (RFC 5321 4.1.2, RFC 3461 4: xtext) -------------------------------------------- */

/* esmtp-value: printable except "=", and bytes beyond ASCII (RFC 6531 3.3). */
static bool smtp_parameter_is_value(unsigned char c)
{
	return c > ' ' && c != '=' && c != 0x7f;
}

int smtp_parameter_next(struct weir_span *text, struct smtp_parameter *ret)
{
	struct smtp_parameter found = {0};
	struct weir_span left = *text;
	size_t size = 0;
	if (weir_span_trim(left).size == 0)
		return 0;
	if (left.data[0] != ' ')
		return WEIR_E_SYNTAX;
	while (left.data[0] == ' ')
		left = weir_span_skip(left, 1);
	while (size < left.size && (smtp_mailbox_is_alnum((unsigned char)left.data[size]) ||
	                                   (size && left.data[size] == '-')))
		size++;
	found.keyword = weir_span(left.data, size);
	left = weir_span_skip(left, size);
	if (!size)
		return WEIR_E_SYNTAX;
	if (left.size && left.data[0] == '=') {
		left = weir_span_skip(left, 1);
		for (size = 0; size < left.size &&
		               smtp_parameter_is_value((unsigned char)left.data[size]);)
			size++;
		found.has_value = true;
		found.value = weir_span(left.data, size);
		left = weir_span_skip(left, size);
		if (!size)
			return WEIR_E_SYNTAX;
	}
	if (left.size && left.data[0] != ' ')
		return WEIR_E_SYNTAX;
	*ret = found;
	*text = left;
	return 1;
}

/* Returns the value of a digit, which must be upper case (RFC 3461 4); -1 if it is not one. */
static int smtp_parameter_hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

long smtp_xtext_decode(struct weir_span value, bool utf8, char *text)
{
	long size = 0;
	for (size_t at = 0; at < value.size; at++) {
		unsigned char c = (unsigned char)value.data[at];
		if (c == '+') {
			if (value.size - at < 3)
				return WEIR_E_SYNTAX;
			int high = smtp_parameter_hex(value.data[at + 1]),
			    low = smtp_parameter_hex(value.data[at + 2]);
			if (high < 0 || low < 0)
				return WEIR_E_SYNTAX;
			c = (unsigned char)(high * 16 + low);
			at += 2;
		} else if (c <= ' ' || c == '=' || c == 0x7f || (c >= 0x80 && !utf8)) {
			return WEIR_E_SYNTAX;
		}
		text[size++] = (char)c;
	}
	return size;
}
