/*
 * Paths that the strict grammar refuses and mail programs send all the same (see smtp_syntax.h). An
 * address that only needs extended rules is read in place. Any other is rewritten first: without
 * comments and blanks, and with its local part quoted as the strict grammar has it.
 *
 * Invariant: what comes out is in the strict grammar, but for the rules that mailbox.c extends.
 */
#include <weir/error.h>

#include "smtp_syntax.h"

/* -- comments, and backslashes outside of quotes ----------------------------------------------- */

static bool lenient_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void lenient_skip_blanks(struct weir_span *text)
{
	while (text->size && lenient_is_blank(text->data[0]))
		*text = weir_span_skip(*text, 1);
}

/* Returns the size of the comment at the front, which may be nested; 0: it has no end. */
static size_t lenient_comment_size(struct weir_span text)
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

static bool lenient_rewriting_put(struct rewriting *rewriting, const char *data, size_t size)
{
	if (size > SMTP_REWRITTEN_MAX - rewriting->size)
		return false;
	memcpy(rewriting->text + rewriting->size, data, size);
	rewriting->size += size;
	return true;
}

/*
 * A blank between two words is refused, in the local part and the domain. Next to `@`, `.`, `,` and
 * `:` it has no meaning. Postfix does the same.
 */
static bool lenient_rewriting_put_token(struct rewriting *rewriting, struct weir_span token)
{
	static const char specials[] = "@.,:";
	bool gap = rewriting->gap && rewriting->size &&
	           !strchr(specials, rewriting->text[rewriting->size - 1]) &&
	           !strchr(specials, token.data[0]);
	rewriting->gap = false;
	if (gap)
		return false;
	return lenient_rewriting_put(rewriting, token.data, token.size);
}

/* Returns the size of the token at the front; 0: it has no end. */
static size_t lenient_token_size(struct weir_span text)
{
	const char *end;
	switch (text.data[0]) {
	case '"':
		return smtp_quoted_string(text);
	case '(':
		return lenient_comment_size(text);
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
static bool lenient_address_copy(struct weir_span *text, bool brackets, struct rewriting *rewriting)
{
	struct weir_span left = *text;
	while (left.size && left.data[0] != '>') {
		if (!brackets && lenient_is_blank(left.data[0]))
			break;
		size_t size = lenient_token_size(left);
		if (!size)
			return false;
		if (lenient_is_blank(left.data[0]) || left.data[0] == '(')
			rewriting->gap = true;
		else if (!left.data[0] ||
		         !lenient_rewriting_put_token(rewriting, weir_span(left.data, size)))
			return false;
		left = weir_span_skip(left, size);
	}
	*text = left;
	return true;
}

/* Finds the local part: between a source route and the `@`. */
static struct weir_span lenient_address_local(struct weir_span address)
{
	size_t start = 0, at = 0;
	bool route = address.size && address.data[0] == '@';
	while (at < address.size && (route || address.data[at] != '@')) {
		if (route && address.data[at] == ':') {
			route = false;
			start = at + 1;
		}
		size_t size = lenient_token_size(weir_span_skip(address, at));
		at += size ? size : 1;
	}
	return weir_span(address.data + start, at - start);
}

/* Removes quotes and backslashes; returns the size of `decoded`. */
static size_t lenient_local_decode(struct weir_span local, char *decoded, bool *ret_mixed)
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
		decoded[size++] = c;
	}
	*ret_mixed |= strings > 1 || (strings && local.data[0] != '"');
	return size;
}

/* Writes the local part as one quoted string, or without quotes if it needs none. */
static bool lenient_local_put(struct rewriting *rewriting, struct weir_span decoded)
{
	bool good = true;
	if (decoded.size && smtp_dot_string(decoded, true) == decoded.size)
		return lenient_rewriting_put(rewriting, decoded.data, decoded.size);
	good = lenient_rewriting_put(rewriting, "\"", 1);
	for (size_t at = 0; at < decoded.size && good; at++) {
		char c = decoded.data[at];
		if (c == '"' || c == '\\')
			good = lenient_rewriting_put(rewriting, "\\", 1);
		good = good && lenient_rewriting_put(rewriting, &c, 1);
	}
	return good && lenient_rewriting_put(rewriting, "\"", 1);
}

/*
 * Rewrites the address at the front into `to`: without comments, and with its local part quoted as
 * the strict grammar has it. Moves *text behind the address. Returns 0 or WEIR_E_SYNTAX.
 */
static int lenient_address_rewrite(
        struct weir_span *text, bool brackets, char to[SMTP_REWRITTEN_MAX], struct weir_span *ret)
{
	char copy[SMTP_REWRITTEN_MAX], decoded[SMTP_REWRITTEN_MAX];
	struct rewriting copied = {.text = copy}, rewritten = {.text = to};
	bool mixed;
	if (!lenient_address_copy(text, brackets, &copied))
		return WEIR_E_SYNTAX;
	struct weir_span address = weir_span(copy, copied.size);
	struct weir_span local = lenient_address_local(address);
	size_t before = (size_t)(local.data - copy), after = before + local.size;
	size_t size = lenient_local_decode(local, decoded, &mixed);
	bool good = lenient_rewriting_put(&rewritten, copy, before);
	if (mixed)
		good = good && lenient_local_put(&rewritten, weir_span(decoded, size));
	else
		good = good && lenient_rewriting_put(&rewritten, local.data, local.size);
	if (!good || !lenient_rewriting_put(&rewritten, copy + after, copied.size - after))
		return WEIR_E_SYNTAX;
	*ret = weir_span(to, rewritten.size);
	return 0;
}

/* -- paths ------------------------------------------------------------------------------------- */

/* Whether the text begins with a name, as in `Alice <a@b>`: words without `@`, and then a <. */
static bool lenient_is_phrase(struct weir_span text, size_t *ret_size)
{
	for (size_t at = 0; at < text.size && text.data[at] != '<';) {
		char c = text.data[at];
		size_t size = 1;
		if (c == '"' || c == '(')
			size = lenient_token_size(weir_span_skip(text, at));
		if (!size || c == '@' || c == '>' || c == '=')
			return false;
		at += size;
		*ret_size = at;
	}
	return *ret_size < text.size;
}

static bool lenient_skip_comment(struct weir_span *text)
{
	struct weir_span left = *text;
	lenient_skip_blanks(&left);
	if (!left.size || left.data[0] != '(')
		return true;
	size_t size = lenient_comment_size(left);
	if (size)
		*text = weir_span_skip(left, size);
	return size;
}

/* Parses all of `text` as an address; an empty text is the empty path. */
static int lenient_address_whole(struct weir_span text, struct smtp_mailbox *ret)
{
	if (!text.size)
		return 0;
	return smtp_route_skip(&text, true) && smtp_mailbox_read(&text, true, ret) == 0 &&
	                       !text.size
	               ? 0
	               : WEIR_E_SYNTAX;
}

/* Parses an address that needs no rewriting, as most do, and moves *text behind it. */
static int lenient_address_plain(struct weir_span *text, bool brackets, struct smtp_mailbox *ret)
{
	struct weir_span left = *text;
	struct smtp_mailbox found = {0};
	bool empty = brackets && left.size && left.data[0] == '>';
	if (!empty && ((brackets && !smtp_route_skip(&left, true)) ||
	                      smtp_mailbox_read(&left, true, &found) < 0))
		return WEIR_E_SYNTAX;
	if (brackets ? !left.size || left.data[0] != '>'
	             : left.size && !lenient_is_blank(left.data[0]))
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
	lenient_skip_blanks(&left);
	if (left.size && left.data[0] != '<' && lenient_is_phrase(left, &phrase))
		left = weir_span_skip(left, phrase);
	bool brackets = left.size && left.data[0] == '<';
	left = weir_span_skip(left, brackets);
	if (lenient_address_plain(&left, brackets, &found) < 0) {
		if (lenient_address_rewrite(&left, brackets, rewritten, &address) < 0 ||
		        (!brackets && !address.size) || lenient_address_whole(address, &found) < 0)
			return WEIR_E_SYNTAX;
	}
	if (brackets) {
		if (!left.size)
			return WEIR_E_SYNTAX;
		left = weir_span_skip(left, 1);
	}
	if (!lenient_skip_comment(&left))
		return WEIR_E_SYNTAX;
	if (!brackets && left.size && !lenient_is_blank(left.data[0]))
		return WEIR_E_SYNTAX;
	*ret = found;
	*text = left;
	return 0;
}
