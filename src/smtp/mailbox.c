/*
 * The grammar of paths, read from left to right without backing up. What the RFC calls obsolete is
 * refused, but for source routes, which RFC 5321 has servers accept and ignore. Of the address
 * literals, IPv4 and IPv6 are known; a tag that nobody has registered is refused.
 *
 * The lenient grammar is the same with a few rules widened, each at the place of the strict one.
 */
#include <arpa/inet.h>

#include <weir/error.h>

#include "mailbox.h"

enum {
	LABEL_MAX = 63
};

static bool smtp_mailbox_is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* atext (RFC 5322 3.2.3), and what is not ASCII. */
static bool smtp_mailbox_is_atext(unsigned char c)
{
	return smtp_mailbox_is_alnum(c) || c >= 0x80 || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* -- UTF-8 ------------------------------------------------------------------------------------- */

/* The bytes of the sequence at the front, or 0. */
static size_t smtp_mailbox_utf8_sequence(const unsigned char *at, size_t size)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = at[0] < 0x80   ? 1
	                : at[0] < 0xc2 ? 0
	                : at[0] < 0xe0 ? 2
	                : at[0] < 0xf0 ? 3
	                               : 4;
	if (length < 2)
		return length;
	if (at[0] > 0xf4 || length > size)
		return 0;
	uint32_t code = at[0] & (0x7fU >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	bool surrogate = code >= 0xd800 && code < 0xe000;
	return code < least[length] || code > 0x10ffff || surrogate ? 0 : length;
}

bool smtp_is_utf8(struct weir_span text)
{
	while (text.size) {
		size_t length =
		        smtp_mailbox_utf8_sequence((const unsigned char *)text.data, text.size);
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

/* The length of the dot-string at the front; 0: there is none. Lenient: dots are like atext. */
static size_t smtp_mailbox_dot_string(struct weir_span text, bool lenient)
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

/* Of the quoted-string at the front, with its quotes; 0: it is none. */
static size_t smtp_mailbox_quoted_string(struct weir_span text)
{
	for (size_t at = 1; at < text.size; at++) {
		unsigned char c = (unsigned char)text.data[at];
		if (c == '"')
			return at + 1;
		if (c == '\\' && ++at == text.size)
			return 0;
		c = (unsigned char)text.data[at];
		if (c < ' ' || c == 0x7f)
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

/* The length of the domain name at the front; 0: there is none. */
static size_t smtp_mailbox_domain_name(struct weir_span text, bool lenient)
{
	size_t at = 0;
	for (;;) {
		size_t from = at;
		while (at < text.size && smtp_mailbox_is_ldh((unsigned char)text.data[at], lenient))
			at++;
		if (lenient && at == from && at > 0)
			return at - 1; /* the dot at the end, which the caller skips */
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

/* Of the address in [] at the front; 0: it is none. */
static size_t smtp_mailbox_address_literal(struct weir_span text)
{
	const char *end = memchr(text.data, ']', text.size);
	size_t size = end ? (size_t)(end - text.data) + 1 : 0;
	return size > 2 && smtp_mailbox_is_literal_address(weir_span(text.data + 1, size - 2))
	               ? size
	               : 0;
}

/* A name or a literal. */
static size_t smtp_mailbox_domain(struct weir_span text, bool lenient)
{
	if (!text.size)
		return 0;
	size_t size = text.data[0] == '[' ? smtp_mailbox_address_literal(text)
	                                  : smtp_mailbox_domain_name(text, lenient);
	return size <= WEIR_SMTP_DOMAIN_MAX ? size : 0;
}

/* -- the whole --------------------------------------------------------------------------------- */

/* Skips `@a,@b:` at the front. False: it begins like one, and is none. */
static bool smtp_mailbox_skip_route(struct weir_span *text, bool lenient)
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

/* The mailbox at the front, or WEIR_E_SYNTAX. *text is moved behind it. */
static int smtp_mailbox_mailbox(struct weir_span *text, bool lenient, struct smtp_mailbox *ret)
{
	struct smtp_mailbox found = {.address = *text};
	struct weir_span left = *text;
	size_t size = 0;
	if (left.size)
		size = left.data[0] == '"' ? smtp_mailbox_quoted_string(left)
		                           : smtp_mailbox_dot_string(left, lenient);
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
	        (found.utf8 && !smtp_is_utf8(found.address)))
		return WEIR_E_SYNTAX;
	*ret = found;
	*text = left;
	return 0;
}

int smtp_mailbox_parse(struct weir_span text, struct smtp_mailbox *ret)
{
	struct smtp_mailbox found;
	if (smtp_mailbox_mailbox(&text, false, &found) < 0 || text.size || !found.domain.size)
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
	if (!empty && (!smtp_mailbox_skip_route(&left, false) ||
	                      smtp_mailbox_mailbox(&left, false, &found) < 0))
		return WEIR_E_SYNTAX;
	if (!left.size || left.data[0] != '>')
		return WEIR_E_SYNTAX;
	*ret = found;
	*text = weir_span_skip(left, 1);
	return 0;
}

/* -- lenient ----------------------------------------------------------------------------------- */

static void smtp_mailbox_skip_blanks(struct weir_span *text)
{
	while (text->size && (text->data[0] == ' ' || text->data[0] == '\t'))
		*text = weir_span_skip(*text, 1);
}

/* `Alice <a@b>` begins with a name: its words are no address, and a < follows. */
static bool smtp_mailbox_is_phrase(struct weir_span text, size_t *ret_size)
{
	for (size_t at = 0; at < text.size && text.data[at] != '<'; at++) {
		if (text.data[at] == '"') {
			size_t quoted = smtp_mailbox_quoted_string(weir_span_skip(text, at));
			if (!quoted)
				return false;
			at += quoted - 1;
		} else if (strchr("@>=", text.data[at]) && text.data[at]) {
			return false;
		}
		*ret_size = at + 1;
	}
	return *ret_size < text.size;
}

static bool smtp_mailbox_skip_comment(struct weir_span *text)
{
	struct weir_span left = *text;
	smtp_mailbox_skip_blanks(&left);
	if (!left.size || left.data[0] != '(')
		return true;
	const char *end = memchr(left.data, ')', left.size);
	if (!end)
		return false;
	*text = weir_span_skip(left, (size_t)(end - left.data) + 1);
	return true;
}

static int smtp_mailbox_path_in_brackets(struct weir_span *text, struct smtp_mailbox *ret)
{
	struct weir_span left = weir_span_skip(*text, 1);
	smtp_mailbox_skip_blanks(&left);
	bool empty = left.size && left.data[0] == '>';
	if (!empty && (!smtp_mailbox_skip_route(&left, true) ||
	                      smtp_mailbox_mailbox(&left, true, ret) < 0))
		return WEIR_E_SYNTAX;
	smtp_mailbox_skip_blanks(&left);
	if (!left.size || left.data[0] != '>')
		return WEIR_E_SYNTAX;
	*text = weir_span_skip(left, 1);
	return 0;
}

int smtp_path_parse_lenient(struct weir_span *text, struct smtp_mailbox *ret)
{
	struct smtp_mailbox found = {0};
	struct weir_span left = *text;
	size_t phrase = 0;
	smtp_mailbox_skip_blanks(&left);
	if (left.size && left.data[0] != '<' && smtp_mailbox_is_phrase(left, &phrase))
		left = weir_span_skip(left, phrase);
	bool brackets = left.size && left.data[0] == '<';
	int error = brackets ? smtp_mailbox_path_in_brackets(&left, &found)
	                     : smtp_mailbox_mailbox(&left, true, &found);
	if (error < 0 || !smtp_mailbox_skip_comment(&left))
		return WEIR_E_SYNTAX;
	if (!brackets && left.size && left.data[0] != ' ' && left.data[0] != '\t')
		return WEIR_E_SYNTAX;
	*ret = found;
	*text = left;
	return 0;
}
