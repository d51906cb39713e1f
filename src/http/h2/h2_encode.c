/*
 * Fields of replies as HPACK writes them (RFC 7541 6): an index if the field is in the table,
 * else a literal, whose name is an index of the static table if possible. Only text that is
 * encoded once for many replies has Huffman coding, and text that is inserted.
 */
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "h2_encode.h"
#include "syntax.h"

/* -- integers and texts ------------------------------------------------------------------------ */

char *h2_encode_put_integer(char *to, unsigned high, unsigned bits, size_t value)
{
	unsigned most = (1u << bits) - 1;
	if (value < most) {
		*to++ = (char)(high | value);
		return to;
	}
	*to++ = (char)(high | most);
	for (value -= most; value >= 128; value >>= 7)
		*to++ = (char)((value & 127) | 128);
	*to++ = (char)value;
	return to;
}

/* Codes that are not NULL are used where the text becomes shorter by that. */
static char *h2_encode_put_text(char *to, struct weir_span text, const struct h2_huffman *huffman)
{
	size_t coded = huffman ? h2_huffman_size(huffman, text) : text.size;
	if (coded < text.size)
		return h2_huffman_encode(huffman, text, h2_encode_put_integer(to, 0x80, 7, coded));
	to = h2_encode_put_integer(to, 0, 7, text.size);
	if (text.size)
		memcpy(to, text.data, text.size);
	return to + text.size;
}

static char *h2_encode_put_bytes(char *to, const char *bytes, size_t size)
{
	memcpy(to, bytes, size);
	return to + size;
}

/* -- single fields ----------------------------------------------------------------------------- */

/* The first byte of a literal (RFC 7541 6.2). */
enum h2_literal {
	H2_LITERAL = 0,
	H2_LITERAL_NEVER_INDEXED = 0x10,
	H2_LITERAL_INSERTED = 0x40,
};

/* Begins a literal. `index` is that of its name in the static table, or 0: the name follows. */
static char *h2_encode_begin_literal(char *to, enum h2_literal kind, unsigned index)
{
	return h2_encode_put_integer(to, kind, kind == H2_LITERAL_INSERTED ? 6 : 4, index);
}

/* The static table's entries 8 to 14 (RFC 7541 A). */
char *h2_encode_put_status(char *to, unsigned status)
{
	static const uint16_t entries[] = {200, 204, 206, 304, 400, 404, 500};
	for (unsigned i = 0; i < sizeof entries / sizeof *entries; i++)
		if (entries[i] == status) {
			*to++ = (char)(0x80 | (8 + i));
			return to;
		}
	char digits[3] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10),
	        (char)('0' + status % 10)};
	to = h2_encode_begin_literal(to, H2_LITERAL, 8);
	return h2_encode_put_text(to, weir_span(digits, sizeof digits), NULL);
}

char *h2_encode_put_length(char *to, uint64_t length)
{
	unsigned digits = 1;
	for (uint64_t rest = length; rest >= 10; rest /= 10)
		digits++;
	memcpy(to, (const char[]){15, 28 - 15, (char)digits}, 3);
	to += 3 + digits;
	for (char *at = to; digits--; length /= 10)
		*--at = (char)('0' + length % 10);
	return to;
}

/* Names of replies that are in the static table, or of fields with secrets; by their sizes. */
static const struct h2_encode_name {
	struct weir_span name;
	uint8_t index;
	bool secret;
} h2_encode_names[] = {
        {{"age", 3}, 21},
        {{"etag", 4}, 34},
        {{"vary", 4}, 59},
        {{"link", 4}, 45},
        {{"date", 4}, 33},
        {{"allow", 5}, 22},
        {{"server", 6}, 54},
        {{"expires", 7}, 36},
        {{"location", 8}, 46},
        {{"set-cookie", 10}, 55, true},
        {{"retry-after", 11}, 53},
        {{"set-cookie2", 11}, 0, true},
        {{"content-type", 12}, 31},
        {{"x-auth-token", 12}, 0, true},
        {{"x-csrf-token", 12}, 0, true},
        {{"x-xsrf-token", 12}, 0, true},
        {{"last-modified", 13}, 44},
        {{"cache-control", 13}, 24},
        {{"accept-ranges", 13}, 18},
        {{"content-range", 13}, 30},
        {{"authorization", 13}, 23, true},
        {{"content-length", 14}, 28},
        {{"content-encoding", 16}, 26},
        {{"www-authenticate", 16}, 61, true},
        {{"proxy-authenticate", 18}, 48, true},
        {{"content-disposition", 19}, 25},
        {{"authentication-info", 19}, 0, true},
        {{"strict-transport-security", 25}, 56},
        {{"proxy-authentication-info", 25}, 0, true},
        {{"access-control-allow-origin", 27}, 20},
};

/* Returns NULL for a name that is not among them. */
static const struct h2_encode_name *h2_encode_find_name(struct weir_span name)
{
	/* The first of each size; where there is none, one of another size. */
	static const uint8_t first[] = {[4] = 1,
	        [5] = 5,
	        [6] = 6,
	        [7] = 7,
	        [8] = 8,
	        [10] = 9,
	        [11] = 10,
	        [12] = 12,
	        [13] = 16,
	        [14] = 21,
	        [16] = 22,
	        [18] = 24,
	        [19] = 25,
	        [25] = 27,
	        [27] = 29};
	if (name.size >= sizeof first)
		return NULL;
	const struct h2_encode_name *at = &h2_encode_names[first[name.size]];
	const struct h2_encode_name *end =
	        h2_encode_names + sizeof h2_encode_names / sizeof *h2_encode_names;
	for (; at < end && at->name.size == name.size; at++)
		if (memcmp(at->name.data, name.data, name.size) == 0)
			return at;
	return NULL;
}

/* A line as a field. The name is in lower case. */
struct h2_encode_field {
	struct weir_span name, value;
	const struct h2_encode_name *known; /* or NULL */
	char lower[64];                     /* room for the name, unless it is longer */
};

static char *h2_encode_put_field(char *to, const struct h2_encode_field *field,
        enum h2_literal kind, const struct h2_huffman *huffman)
{
	unsigned index = field->known ? field->known->index : 0;
	if (field->known && field->known->secret)
		kind = H2_LITERAL_NEVER_INDEXED;
	to = h2_encode_begin_literal(to, kind, index);
	if (!index) {
		/* A long name lies a little behind its place already. */
		to = h2_encode_put_integer(to, 0, 7, field->name.size);
		memmove(to, field->name.data, field->name.size);
		to += field->name.size;
	}
	return h2_encode_put_text(to, field->value, huffman);
}

/* -- lines ------------------------------------------------------------------------------------- */

static bool h2_encode_is_of_connection(struct weir_span name)
{
	switch (name.size) {
	case 7:
		return weir_span_equal_nocase(name, WEIR_SPAN("upgrade"));
	case 10:
		return weir_span_equal_nocase(name, WEIR_SPAN("connection")) ||
		       weir_span_equal_nocase(name, WEIR_SPAN("keep-alive"));
	case 17:
		return weir_span_equal_nocase(name, WEIR_SPAN("transfer-encoding"));
	}
	return false;
}

static bool h2_encode_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/*
 * Reads a line without its LF. Returns false if it is no field, or one of the connection. A long
 * name is written behind `to`, where the literal is going to be.
 */
static bool h2_encode_read_line(struct weir_span line, char *to, struct h2_encode_field *ret)
{
	const char *colon = line.size ? memchr(line.data, ':', line.size) : NULL;
	if (!colon || colon == line.data)
		return false;
	struct weir_span name = weir_span(line.data, (size_t)(colon - line.data));
	if (h2_encode_is_of_connection(name))
		return false;
	const char *value = colon + 1, *end = line.data + line.size;
	while (value < end && h2_encode_is_space(*value))
		value++;
	while (value < end && h2_encode_is_space(end[-1]))
		end--;
	char *text = name.size <= sizeof ret->lower ? ret->lower : to + H2_FIELD_EXTRA;
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];
		text[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	ret->name = weir_span(text, name.size);
	ret->value = weir_span(value, (size_t)(end - value));
	ret->known = h2_encode_find_name(ret->name);
	return true;
}

/* Cuts off a line without its LF. Returns false at the end. */
static bool h2_encode_cut_line(struct weir_span *lines, struct weir_span *ret_line)
{
	if (lines->size == 0)
		return false;
	weir_span_cut(lines, '\n', ret_line);
	return true;
}

/* Gives an id to a line that has none. Returns 0 if the field belongs in no table. */
static uint64_t h2_encode_intern(struct h2_intern *intern, struct weir_span line, uint32_t hash,
        const struct h2_encode_field *field)
{
	if (field->known && field->known->secret)
		return 0;
	return h2_intern_add(
	        intern, line, hash, field->name.size + field->value.size + H2_HPACK_FIELD_EXTRA);
}

static char *h2_encode_put_line(
        char *to, struct h2_table *table, struct h2_intern *intern, struct weir_span line)
{
	struct h2_encode_field field;
	uint32_t hash = h2_intern_hash(line);
	uint64_t id = h2_intern_find(intern, line, hash);
	unsigned index = id ? h2_table_find(table, id) : 0;
	if (index) {
		*to++ = (char)(0x80 | index);
		return to;
	}
	if (!h2_encode_read_line(line, to, &field))
		return to;
	if (!id)
		id = h2_encode_intern(intern, line, hash, &field);
	if (id && h2_table_insert_repeated(table, id))
		return h2_encode_put_field(to, &field, H2_LITERAL_INSERTED, intern->huffman);
	return h2_encode_put_field(to, &field, H2_LITERAL, NULL);
}

char *h2_encode_put_lines(
        char *to, struct h2_table *table, struct h2_intern *intern, struct weir_span lines)
{
	struct weir_span line;
	while (h2_encode_cut_line(&lines, &line))
		to = h2_encode_put_line(to, table, intern, line);
	return to;
}

/* -- fields that are encoded once -------------------------------------------------------------- */

struct http_encoded_lines *h2_encode_lines(struct h2_intern *intern, struct weir_span lines)
{
	struct weir_span line;
	struct h2_encode_field field;
	size_t count_max = 1;
	for (size_t i = 0; i < lines.size; i++)
		count_max += lines.data[i] == '\n';
	struct http_encoded_lines *encoded =
	        malloc(sizeof *encoded + count_max * sizeof *encoded->fields +
	                h2_encode_lines_max(lines.size));
	if (!encoded)
		return NULL;
	char *to = (char *)(encoded->fields + count_max);
	encoded->id = h2_intern_new_id(intern, 0);
	encoded->literals = to;
	encoded->count = 0;
	while (h2_encode_cut_line(&lines, &line)) {
		if (!h2_encode_read_line(line, to, &field))
			continue;
		uint32_t hash = h2_intern_hash(line);
		uint64_t id = h2_intern_find(intern, line, hash);
		const char *begin = to;
		if (!id)
			id = h2_encode_intern(intern, line, hash, &field);
		to = h2_encode_put_field(to, &field, H2_LITERAL, intern->huffman);
		encoded->fields[encoded->count++] =
		        (struct h2_encoded_field){id, (size_t)(to - begin)};
	}
	return encoded;
}

/* Writes a field that is no entry. */
static __attribute__((noinline)) char *h2_encode_put_literal(
        char *to, struct h2_table *table, const struct h2_encoded_field *field, const char *literal)
{
	if (!field->id || !h2_table_insert_repeated(table, field->id))
		return h2_encode_put_bytes(to, literal, field->size);
	/* The indexes of all names have two bytes here: the first is 15, the second the rest. */
	bool known = *literal;
	unsigned name = known ? 15u + (uint8_t)literal[1] : 0;
	to = h2_encode_begin_literal(to, H2_LITERAL_INSERTED, name);
	return h2_encode_put_bytes(to, literal + 1 + known, field->size - 1 - known);
}

static inline char *h2_encode_put_once(
        char *to, struct h2_table *table, const struct h2_encoded_field *field, const char *literal)
{
	unsigned index = h2_table_find(table, field->id);
	if (!index)
		return h2_encode_put_literal(to, table, field, literal);
	*to = (char)(0x80 | index);
	return to + 1;
}

char *h2_encode_put_other_lines(
        char *to, struct h2_table *table, const struct http_encoded_lines *lines)
{
	const char *begin = to, *literal = lines->literals;
	for (size_t i = 0; i < lines->count; i++) {
		to = h2_encode_put_once(to, table, &lines->fields[i], literal);
		literal += lines->fields[i].size;
	}
	/* An index has one byte, a literal more. */
	if (lines->count == (size_t)(to - begin) && lines->count <= H2_TABLE_REPEATED) {
		table->lines_id = lines->id;
		table->lines_size = (uint8_t)lines->count;
		memcpy(table->lines_indexes, begin, lines->count);
	}
	return to;
}

void h2_encode_date(
        struct h2_encoded_date *encoded, struct h2_intern *intern, int64_t date_s, const char *date)
{
	char *to = h2_encode_begin_literal(encoded->literal, H2_LITERAL, 33);
	to = h2_encode_put_text(to, weir_span(date, WEIR_HTTP_DATE_SIZE), intern->huffman);
	encoded->date_s = date_s;
	encoded->field.size = (size_t)(to - encoded->literal);
	encoded->field.id = h2_intern_new_id(
	        intern, sizeof "date" - 1 + WEIR_HTTP_DATE_SIZE + H2_HPACK_FIELD_EXTRA);
}

char *h2_encode_put_other_date(char *to, struct h2_table *table, const struct h2_encoded_date *date)
{
	char *end = h2_encode_put_once(to, table, &date->field, date->literal);
	if (end == to + 1) {
		table->date_id = date->field.id;
		table->date_index = *to;
	}
	return end;
}
