/*
 * The values are read from left to right, with comments and quoted strings as in RFC 2045 5.1. A
 * malformed parameter other than the boundary is skipped, since many senders leave out quotes.
 */
#include "seven_bit.h"

/* -- tokens ------------------------------------------------------------------------------------ */

/* The size of the comment at the front, which nests; all that is left if it has no end. */
static size_t mime_comment_size(struct weir_span text)
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
	return text.size;
}

static bool mime_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void mime_skip_blanks(struct weir_span *text)
{
	while (text->size) {
		if (mime_is_blank(text->data[0]))
			*text = weir_span_skip(*text, 1);
		else if (text->data[0] == '(')
			*text = weir_span_skip(*text, mime_comment_size(*text));
		else
			return;
	}
}

/* Takes the token at the front of *text; it is empty if there is none. */
static struct weir_span mime_token(struct weir_span *text)
{
	size_t size = 0;
	while (size < text->size && text->data[size] > ' ' && text->data[size] < 0x7f &&
	        !strchr("()<>@,;:\\\"/[]?=", text->data[size]))
		size++;
	struct weir_span token = weir_span(text->data, size);
	*text = weir_span_skip(*text, size);
	return token;
}

/*
 * The size of the quoted string at the front, with its quotes; all that is left if it has no end.
 */
static size_t mime_quoted_size(struct weir_span text)
{
	for (size_t at = 1; at < text.size; at++) {
		if (text.data[at] == '\\')
			at++;
		else if (text.data[at] == '"')
			return at + 1;
	}
	return text.size;
}

/* Takes the text up to the next `;` outside of quotes, and removes both from *text. */
static struct weir_span mime_parameter_rest(struct weir_span *text)
{
	size_t at = 0;
	while (at < text->size && text->data[at] != ';')
		at += text->data[at] == '"' ? mime_quoted_size(weir_span_skip(*text, at)) : 1;
	struct weir_span rest = weir_span(text->data, at);
	*text = weir_span_skip(*text, at < text->size ? at + 1 : at);
	return rest;
}

/* -- Content-Type ------------------------------------------------------------------------------ */

/* Masked bytes of a preamble become `*`, so that no boundary may contain one. */
static bool mime_boundary_add(struct mime_type *type, char c)
{
	if (type->boundary_size == MIME_BOUNDARY_MAX || c < ' ' || c > '~' || c == '*')
		return false;
	type->boundary[type->boundary_size++] = c;
	return true;
}

/* Takes a boundary from its value, quoted or not. False: the value is malformed. */
static bool mime_boundary_read(struct mime_type *type, struct weir_span value)
{
	bool good = true;
	mime_skip_blanks(&value);
	if (value.size && value.data[0] == '"') {
		size_t size = mime_quoted_size(value);
		struct weir_span rest = weir_span_skip(value, size);
		mime_skip_blanks(&rest);
		good = size >= 2 && value.data[size - 1] == '"' && !rest.size;
		for (size_t at = 1; at + 1 < size && good; at++) {
			at += value.data[at] == '\\';
			good = at + 1 < size && mime_boundary_add(type, value.data[at]);
		}
	} else {
		while (value.size && mime_is_blank(value.data[value.size - 1]))
			value.size--;
		for (size_t at = 0; at < value.size && good; at++)
			good = value.data[at] != ' ' && value.data[at] != '(' &&
			       value.data[at] != '"' && mime_boundary_add(type, value.data[at]);
	}
	while (type->boundary_size && type->boundary[type->boundary_size - 1] == ' ')
		type->boundary_size--;
	return good && type->boundary_size;
}

static void mime_parameters_read(struct mime_type *type, struct weir_span text)
{
	bool found = false;
	type->malformed = true;
	mime_skip_blanks(&text);
	if (text.size && text.data[0] == ';')
		text = weir_span_skip(text, 1);
	while (text.size) {
		struct weir_span value = mime_parameter_rest(&text);
		mime_skip_blanks(&value);
		struct weir_span name = mime_token(&value);
		mime_skip_blanks(&value);
		bool has_value = value.size && value.data[0] == '=';
		bool divided = name.size > 8 && weir_span_equal_nocase(weir_span(name.data, 9),
		                                        WEIR_SPAN("boundary*")); /* RFC 2231 */
		if (!divided && !weir_span_equal_nocase(name, WEIR_SPAN("boundary")))
			continue;
		if (found || divided || !has_value ||
		        !mime_boundary_read(type, weir_span_skip(value, 1)))
			return;
		found = true;
	}
	type->malformed = !found;
}

static enum mime_structure mime_message_structure(struct weir_span subtype)
{
	static const char *const encodable[] = {"global", "global-headers",
	        "global-delivery-status", "global-disposition-notification"}; /* RFC 6532, 6533 */
	if (weir_span_equal_nocase(subtype, WEIR_SPAN("rfc822")))
		return MIME_MESSAGE;
	for (size_t i = 0; i < sizeof encodable / sizeof *encodable; i++)
		if (weir_span_equal_nocase(subtype, weir_span_of(encodable[i])))
			return MIME_DATA;
	return MIME_UNENCODABLE;
}

void mime_type_parse(struct weir_span value, struct mime_type *ret)
{
	*ret = (struct mime_type){.structure = MIME_TEXT};
	mime_skip_blanks(&value);
	struct weir_span type = mime_token(&value);
	mime_skip_blanks(&value);
	if (!value.size || value.data[0] != '/')
		return;
	value = weir_span_skip(value, 1);
	mime_skip_blanks(&value);
	struct weir_span subtype = mime_token(&value);
	if (!type.size || !subtype.size || weir_span_equal_nocase(type, WEIR_SPAN("text")))
		return;
	ret->structure = MIME_DATA;
	if (weir_span_equal_nocase(type, WEIR_SPAN("message"))) {
		ret->structure = mime_message_structure(subtype);
	} else if (weir_span_equal_nocase(type, WEIR_SPAN("multipart"))) {
		ret->structure = MIME_MULTIPART;
		if (weir_span_equal_nocase(subtype, WEIR_SPAN("signed")))
			ret->structure = MIME_SIGNED;
		else if (weir_span_equal_nocase(subtype, WEIR_SPAN("digest")))
			ret->structure = MIME_DIGEST;
		mime_parameters_read(ret, value);
	}
}

/* -- Content-Transfer-Encoding ----------------------------------------------------------------- */

enum mime_encoding mime_encoding_parse(struct weir_span value)
{
	static const struct {
		const char *name;
		enum mime_encoding encoding;
	} names[] = {{"", MIME_7BIT}, {"7bit", MIME_7BIT}, {"8bit", MIME_8BIT},
	        {"binary", MIME_8BIT}, {"quoted-printable", MIME_QUOTED_PRINTABLE},
	        {"base64", MIME_BASE64}};
	mime_skip_blanks(&value);
	struct weir_span token = mime_token(&value);
	mime_skip_blanks(&value);
	for (size_t i = 0; i < sizeof names / sizeof *names && !value.size; i++)
		if (weir_span_equal_nocase(token, weir_span_of(names[i].name)))
			return names[i].encoding;
	return MIME_UNKNOWN_ENCODING;
}
