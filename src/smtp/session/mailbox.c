/*
 * The grammar of paths, read from left to right without backtracking. Obsolete syntax is refused,
 * except source routes, which servers have to accept and ignore (RFC 5321). Address literals are
 * IPv4 and IPv6; unknown tags are refused.
 *
 * The lenient grammar is the same with a few rules extended, each where the strict rule is.
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

/* atext (RFC 5322 3.2.3), and bytes beyond ASCII. */
static bool smtp_mailbox_is_atext(unsigned char c)
{
	return smtp_mailbox_is_alnum(c) || c >= 0x80 || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* -- UTF-8 ------------------------------------------------------------------------------------- */

/* Returns the size of the sequence at the front, or 0. */
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

/* Returns the size of the dot-string at the front; 0: there is none. Lenient: dots are atext. */
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

/* Returns the size of the quoted-string at the front, with its quotes; 0: there is none. */
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

/* Skips `@a,@b:` at the front. Returns false if it is malformed. */
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

/* Parses the mailbox at the front and moves *text behind it. Returns 0 or WEIR_E_SYNTAX. */
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

/*
 * -- lenient: comments, and backslashes outside of quotes ---------------------------------------
 */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void smtp_mailbox_skip_blanks(struct weir_span *text)
{
	while (text->size && is_blank(text->data[0]))
		*text = weir_span_skip(*text, 1);
}

/* Returns the size of the comment at the front, which may be nested; 0: it has no end. */
static size_t comment_size(struct weir_span text)
{
	unsigned depth = 0;
	for (size_t at = 0; at < text.size; at++) {
		if (text.data[at] == '\\')
			at++;
		else if (text.data[at] == '(')
			depth++;
		else if (text.data[at] == ')' && --depth == 0)
			return at + 1;
	}
	return 0;
}

/* An address that is rewritten, in the caller's memory. */
struct rewriting {
	char *text;
	size_t size;
	bool gap; /* blanks or a comment have been left out here */
};

static bool rewriting_put(struct rewriting *rewriting, const char *data, size_t size)
{
	if (size > SMTP_REWRITTEN_MAX - rewriting->size)
		return false;
	memcpy(rewriting->text + rewriting->size, data, size);
	rewriting->size += size;
	return true;
}

/*
 * A blank between two words is copied, so that the grammar refuses it. Next to `@` it has no
 * meaning.
 */
static bool rewriting_put_token(struct rewriting *rewriting, struct weir_span token)
{
	static const char specials[] = "@.,:";
	bool gap = rewriting->gap && rewriting->size &&
	           !strchr(specials, rewriting->text[rewriting->size - 1]) &&
	           !strchr(specials, token.data[0]);
	rewriting->gap = false;
	if (gap && !rewriting_put(rewriting, " ", 1))
		return false;
	return rewriting_put(rewriting, token.data, token.size);
}

/* Returns the size of the token at the front; 0: it has no end. */
static size_t token_size(struct weir_span text)
{
	const char *end;
	switch (text.data[0]) {
	case '"':
		return smtp_mailbox_quoted_string(text);
	case '(':
		return comment_size(text);
	case '[':
		end = memchr(text.data, ']', text.size);
		return end ? (size_t)(end - text.data) + 1 : 0;
	case '\\':
		return text.size > 1 ? 2 : 0;
	default:
		return 1;
	}
}

/* Copies the address at the front without comments and blanks, and moves *text behind it. */
static bool address_copy(struct weir_span *text, bool brackets, struct rewriting *rewriting)
{
	struct weir_span left = *text;
	while (left.size && left.data[0] != '>') {
		if (!brackets && is_blank(left.data[0]))
			break;
		size_t size = token_size(left);
		if (!size)
			return false;
		if (is_blank(left.data[0]) || left.data[0] == '(')
			rewriting->gap = true;
		else if (!left.data[0] ||
		         !rewriting_put_token(rewriting, weir_span(left.data, size)))
			return false;
		left = weir_span_skip(left, size);
	}
	*text = left;
	return true;
}

/* Finds the local part: between a source route and the `@`. */
static struct weir_span address_local(struct weir_span address)
{
	size_t start = 0, at = 0;
	bool route = address.size && address.data[0] == '@';
	while (at < address.size && (route || address.data[at] != '@')) {
		if (route && address.data[at] == ':') {
			route = false;
			start = at + 1;
		}
		size_t size = token_size(weir_span_skip(address, at));
		at += size ? size : 1;
	}
	return weir_span(address.data + start, at - start);
}

/* Removes quotes and backslashes; returns the size of `content`. */
static size_t local_content(struct weir_span local, char *content, bool *ret_mixed)
{
	size_t size = 0, strings = 0;
	bool quoted = false;
	*ret_mixed = false;
	for (size_t at = 0; at < local.size; at++) {
		char c = local.data[at];
		if (c == '"') {
			quoted = !quoted;
			strings += quoted;
			continue;
		}
		if (c == '\\' && at + 1 < local.size) {
			*ret_mixed |= !quoted;
			c = local.data[++at];
		} else {
			*ret_mixed |= strings && !quoted;
		}
		content[size++] = c;
	}
	*ret_mixed |= strings > 1 || (strings && local.data[0] != '"');
	return size;
}

/* Writes the local part as one quoted string, or without quotes if it needs none. */
static bool local_put(struct rewriting *rewriting, struct weir_span content)
{
	bool good = true;
	if (content.size && smtp_mailbox_dot_string(content, true) == content.size)
		return rewriting_put(rewriting, content.data, content.size);
	good = rewriting_put(rewriting, "\"", 1);
	for (size_t at = 0; at < content.size && good; at++) {
		char c = content.data[at];
		if (c == '"' || c == '\\')
			good = rewriting_put(rewriting, "\\", 1);
		good = good && rewriting_put(rewriting, &c, 1);
	}
	return good && rewriting_put(rewriting, "\"", 1);
}

/*
 * Rewrites the address at the front into `to`: without comments, and with its local part quoted as
 * the strict grammar has it. Moves *text behind the address. Returns 0 or WEIR_E_SYNTAX.
 */
static int address_rewrite(
        struct weir_span *text, bool brackets, char to[SMTP_REWRITTEN_MAX], struct weir_span *ret)
{
	char copy[SMTP_REWRITTEN_MAX], content[SMTP_REWRITTEN_MAX];
	struct rewriting copied = {.text = copy}, rewritten = {.text = to};
	bool mixed;
	if (!address_copy(text, brackets, &copied))
		return WEIR_E_SYNTAX;
	struct weir_span address = weir_span(copy, copied.size);
	struct weir_span local = address_local(address);
	size_t before = (size_t)(local.data - copy), after = before + local.size;
	size_t size = local_content(local, content, &mixed);
	bool good = rewriting_put(&rewritten, copy, before);
	if (mixed)
		good = good && local_put(&rewritten, weir_span(content, size));
	else
		good = good && rewriting_put(&rewritten, local.data, local.size);
	if (!good || !rewriting_put(&rewritten, copy + after, copied.size - after))
		return WEIR_E_SYNTAX;
	*ret = weir_span(to, rewritten.size);
	return 0;
}

/*
 * -- lenient: paths -----------------------------------------------------------------------------
 */

/* Whether the text begins with a name, as in `Alice <a@b>`: words without `@`, and then a <. */
static bool smtp_mailbox_is_phrase(struct weir_span text, size_t *ret_size)
{
	for (size_t at = 0; at < text.size && text.data[at] != '<';) {
		char c = text.data[at];
		size_t size = 1;
		if (c == '"' || c == '(')
			size = token_size(weir_span_skip(text, at));
		if (!size || c == '@' || c == '>' || c == '=')
			return false;
		at += size;
		*ret_size = at;
	}
	return *ret_size < text.size;
}

static bool smtp_mailbox_skip_comment(struct weir_span *text)
{
	struct weir_span left = *text;
	smtp_mailbox_skip_blanks(&left);
	if (!left.size || left.data[0] != '(')
		return true;
	size_t size = comment_size(left);
	if (size)
		*text = weir_span_skip(left, size);
	return size;
}

/* Parses all of `text` as an address; an empty text is the empty path. */
static int address_whole(struct weir_span text, struct smtp_mailbox *ret)
{
	if (!text.size)
		return 0;
	return smtp_mailbox_skip_route(&text, true) &&
	                       smtp_mailbox_mailbox(&text, true, ret) == 0 && !text.size
	               ? 0
	               : WEIR_E_SYNTAX;
}

/* Parses an address that needs no rewriting, as most do, and moves *text behind it. */
static int address_plain(struct weir_span *text, bool brackets, struct smtp_mailbox *ret)
{
	struct weir_span left = *text;
	struct smtp_mailbox found = {0};
	bool empty = brackets && left.size && left.data[0] == '>';
	if (!empty && ((brackets && !smtp_mailbox_skip_route(&left, true)) ||
	                      smtp_mailbox_mailbox(&left, true, &found) < 0))
		return WEIR_E_SYNTAX;
	if (brackets ? !left.size || left.data[0] != '>' : left.size && !is_blank(left.data[0]))
		return WEIR_E_SYNTAX;
	*ret = found;
	*text = left;
	return 0;
}

int smtp_path_parse_lenient(
        struct weir_span *text, char rewritten[SMTP_REWRITTEN_MAX], struct smtp_mailbox *ret)
{
	struct smtp_mailbox found = {0};
	struct weir_span left = *text, address;
	size_t phrase = 0;
	smtp_mailbox_skip_blanks(&left);
	if (left.size && left.data[0] != '<' && smtp_mailbox_is_phrase(left, &phrase))
		left = weir_span_skip(left, phrase);
	bool brackets = left.size && left.data[0] == '<';
	left = weir_span_skip(left, brackets);
	if (address_plain(&left, brackets, &found) < 0) {
		if (address_rewrite(&left, brackets, rewritten, &address) < 0 ||
		        (!brackets && !address.size) || address_whole(address, &found) < 0)
			return WEIR_E_SYNTAX;
	}
	if (brackets) {
		if (!left.size)
			return WEIR_E_SYNTAX;
		left = weir_span_skip(left, 1);
	}
	if (!smtp_mailbox_skip_comment(&left))
		return WEIR_E_SYNTAX;
	if (!brackets && left.size && !is_blank(left.data[0]))
		return WEIR_E_SYNTAX;
	*ret = found;
	*text = left;
	return 0;
}
