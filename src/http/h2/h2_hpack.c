/*
 * The decoder of HPACK, and its dynamic table.
 *
 *   text:     │ evicted │ name value │ name value │ … │ free │     entries: a ring of places in it
 *                       ▲ begin                       ▲ end
 *
 * Text is appended, and evicted from the front. Where it does not fit any more, the rest moves to
 * the front: each entry counts 32 bytes that are not in the text, so there is room for many entries
 * from one move to the next.
 *
 * The meaning of fields is found in h2_head.c.
 */
#include <stdlib.h>

#include "h2_hpack.h"
#include "helper.h"

/* -- the static table (RFC 7541 A) ------------------------------------------------------------- */

/* clang-format off */
#define ENTRY(name, value, what, valid) \
	{name value, sizeof(name) - 1, sizeof(value) - 1, {what, valid}}
#define PSEUDO(name, value, what) ENTRY(name, value, H2_NAME_##what, sizeof(value) > 1)
#define FIELD(name, value, known) ENTRY(name, value, H2_NAME_FIELD + WEIR_HTTP_##known, true)
const struct h2_hpack_static h2_hpack_statics[H2_HPACK_STATICS] = {
	PSEUDO(":authority", "", AUTHORITY),
	PSEUDO(":method", "GET", METHOD),
	PSEUDO(":method", "POST", METHOD),
	PSEUDO(":path", "/", PATH),
	PSEUDO(":path", "/index.html", PATH),
	PSEUDO(":scheme", "http", SCHEME),
	PSEUDO(":scheme", "https", SCHEME),
	PSEUDO(":status", "200", BAD),
	PSEUDO(":status", "204", BAD),
	PSEUDO(":status", "206", BAD),
	PSEUDO(":status", "304", BAD),
	PSEUDO(":status", "400", BAD),
	PSEUDO(":status", "404", BAD),
	PSEUDO(":status", "500", BAD),
	FIELD("accept-charset", "", UNKNOWN),
	FIELD("accept-encoding", "gzip, deflate", ACCEPT_ENCODING),
	FIELD("accept-language", "", ACCEPT_LANGUAGE),
	FIELD("accept-ranges", "", UNKNOWN),
	FIELD("accept", "", ACCEPT),
	FIELD("access-control-allow-origin", "", UNKNOWN),
	FIELD("age", "", UNKNOWN),
	FIELD("allow", "", UNKNOWN),
	FIELD("authorization", "", AUTHORIZATION),
	FIELD("cache-control", "", CACHE_CONTROL),
	FIELD("content-disposition", "", UNKNOWN),
	FIELD("content-encoding", "", CONTENT_ENCODING),
	FIELD("content-language", "", UNKNOWN),
	FIELD("content-length", "", CONTENT_LENGTH),
	FIELD("content-location", "", UNKNOWN),
	FIELD("content-range", "", UNKNOWN),
	FIELD("content-type", "", CONTENT_TYPE),
	FIELD("cookie", "", COOKIE),
	FIELD("date", "", DATE),
	FIELD("etag", "", UNKNOWN),
	FIELD("expect", "", EXPECT),
	FIELD("expires", "", UNKNOWN),
	FIELD("from", "", UNKNOWN),
	FIELD("host", "", HOST),
	FIELD("if-match", "", IF_MATCH),
	FIELD("if-modified-since", "", IF_MODIFIED_SINCE),
	FIELD("if-none-match", "", IF_NONE_MATCH),
	FIELD("if-range", "", IF_RANGE),
	FIELD("if-unmodified-since", "", IF_UNMODIFIED_SINCE),
	FIELD("last-modified", "", UNKNOWN),
	FIELD("link", "", UNKNOWN),
	FIELD("location", "", UNKNOWN),
	FIELD("max-forwards", "", UNKNOWN),
	FIELD("proxy-authenticate", "", UNKNOWN),
	FIELD("proxy-authorization", "", UNKNOWN),
	FIELD("range", "", RANGE),
	FIELD("referer", "", REFERER),
	FIELD("refresh", "", UNKNOWN),
	FIELD("retry-after", "", UNKNOWN),
	FIELD("server", "", UNKNOWN),
	FIELD("set-cookie", "", UNKNOWN),
	FIELD("strict-transport-security", "", UNKNOWN),
	PSEUDO("transfer-encoding", "", BAD),
	FIELD("user-agent", "", USER_AGENT),
	FIELD("vary", "", UNKNOWN),
	FIELD("via", "", UNKNOWN),
	FIELD("www-authenticate", "", UNKNOWN),
};
/* clang-format on */

/* -- the dynamic table ------------------------------------------------------------------------- */

enum {
	H2_HPACK_ENTRIES_FIRST = 8,
	H2_HPACK_TEXT_FIRST = 120,
};

void h2_hpack_init(struct h2_hpack *hpack)
{
	*hpack = (struct h2_hpack){.size_max = H2_HPACK_TABLE_MAX};
}

void h2_hpack_finish(struct h2_hpack *hpack)
{
	free(hpack->text);
	free(hpack->entries);
	h2_hpack_init(hpack);
}

static void h2_hpack_evict(struct h2_hpack *hpack, unsigned size_max)
{
	while (hpack->size > size_max) {
		const struct h2_hpack_entry *oldest = h2_hpack_entry(hpack, hpack->count);
		unsigned text = oldest->name_size + oldest->value_size;
		hpack->text_begin = (uint16_t)(hpack->text_begin + text);
		hpack->size = (uint16_t)(hpack->size - text - H2_HPACK_FIELD_EXTRA);
		hpack->count--;
	}
}

static bool h2_hpack_grow_entries(struct h2_hpack *hpack)
{
	unsigned capacity = max_of(2u * hpack->entries_capacity, (unsigned)H2_HPACK_ENTRIES_FIRST);
	struct h2_hpack_entry *entries = malloc(capacity * sizeof *entries);
	if (!entries)
		return false;
	for (unsigned i = 0; i < hpack->count; i++)
		entries[i] = *h2_hpack_entry(hpack, hpack->count - i);
	free(hpack->entries);
	hpack->entries = entries;
	hpack->entries_capacity = (uint16_t)capacity;
	hpack->next = hpack->count;
	return true;
}

/* Makes room for `size` more bytes at the end of the text. */
static bool h2_hpack_grow_text(struct h2_hpack *hpack, unsigned size)
{
	unsigned used = (unsigned)(hpack->text_end - hpack->text_begin);
	unsigned capacity = hpack->text_capacity;
	char *text = hpack->text;
	/* An eighth stays free, so that not every entry moves the text. */
	if (!text || (used + size > capacity - capacity / 8 && capacity < H2_HPACK_TABLE_MAX)) {
		capacity = max_of(2 * capacity, (unsigned)H2_HPACK_TEXT_FIRST);
		capacity = min_of(max_of(capacity, used + size), (unsigned)H2_HPACK_TABLE_MAX);
		text = malloc(capacity + H2_HPACK_SLACK);
		if (!text)
			return false;
	}
	if (hpack->text)
		memmove(text, hpack->text + hpack->text_begin, used);
	if (text != hpack->text)
		free(hpack->text);
	hpack->text = text;
	hpack->text_capacity = (uint16_t)capacity;
	hpack->moved = (uint16_t)(hpack->moved + hpack->text_begin);
	hpack->text_end = (uint16_t)used;
	hpack->text_begin = 0;
	return true;
}

/*
 * Inserts a field (RFC 7541 4.4), whose value lies behind its name. One that is larger than the
 * table empties it, and has no entry.
 */
static __attribute__((noinline)) enum h2_hpack_result h2_hpack_insert(
        struct h2_hpack *hpack, struct h2_field *field)
{
	size_t text = field->name.size + field->value.size;
	size_t size = text + H2_HPACK_FIELD_EXTRA;
	h2_hpack_evict(hpack, size < hpack->size_max ? hpack->size_max - (unsigned)size : 0);
	if (size > hpack->size_max)
		return H2_HPACK_FIELD;
	if (hpack->count == hpack->entries_capacity && !h2_hpack_grow_entries(hpack))
		return H2_HPACK_NO_MEMORY;
	if ((!hpack->text || hpack->text_end + text > hpack->text_capacity) &&
	        !h2_hpack_grow_text(hpack, (unsigned)text))
		return H2_HPACK_NO_MEMORY;
	struct h2_hpack_entry *entry = h2_hpack_entry(hpack, 0);
	*entry = (struct h2_hpack_entry){
	        .at = (uint16_t)(hpack->text_end + hpack->moved),
	        .name_size = (uint16_t)field->name.size,
	        .value_size = (uint16_t)field->value.size,
	        .note = field->note,
	};
	if (text)
		memcpy(hpack->text + hpack->text_end, field->name.data, text);
	hpack->text_end = (uint16_t)(hpack->text_end + text);
	hpack->size = (uint16_t)(hpack->size + size);
	hpack->next++;
	hpack->count++;
	field->entry = &entry->note;
	return H2_HPACK_FIELD;
}

/* -- a block ----------------------------------------------------------------------------------- */

/*
 * An integer behind its prefix, which has the value `value` (RFC 7541 5.1). Returns UINT32_MAX if
 * it is malformed or too large.
 */
static uint32_t h2_hpack_read_rest(struct h2_hpack_reader *reader, uint32_t value)
{
	for (unsigned shift = 0; shift < 32 && reader->at < reader->end; shift += 7) {
		uint32_t byte = *reader->at++, part = byte & 127;
		if (part > UINT32_MAX >> shift || part << shift > UINT32_MAX - value)
			break;
		value += part << shift;
		if (byte < 128)
			return value;
	}
	return UINT32_MAX;
}

/* An integer with a prefix of `bits` bits. There is a byte at least. */
static inline uint32_t h2_hpack_read_integer(struct h2_hpack_reader *reader, unsigned bits)
{
	uint32_t most = (1u << bits) - 1, value = *reader->at++ & most;
	return value < most ? value : h2_hpack_read_rest(reader, value);
}

/* Writes a string literal (RFC 7541 5.2) to `to`. Returns its end, or NULL if it is malformed. */
static char *h2_hpack_read_string(struct h2_hpack_reader *reader, char *to)
{
	if (reader->at == reader->end)
		return NULL;
	bool huffman = *reader->at & 0x80;
	uint32_t size = h2_hpack_read_integer(reader, 7);
	if (size > (size_t)(reader->end - reader->at))
		return NULL;
	const uint8_t *text = reader->at;
	reader->at += size;
	if (huffman)
		return h2_huffman_decode(reader->huffman, text, reader->at, to);
	memcpy(to, text, size);
	return to + size;
}

/* A literal, with a prefix of `bits` bits (RFC 7541 6.2). One of 6 bits is inserted. */
static enum h2_hpack_result h2_hpack_read_literal(struct h2_hpack *hpack,
        struct h2_hpack_reader *reader, unsigned bits, char *to, struct h2_field *ret)
{
	char *value = to;
	uint32_t index = h2_hpack_read_integer(reader, bits);
	if (index == 0) {
		value = h2_hpack_read_string(reader, to);
		if (!value)
			return H2_HPACK_BROKEN;
		ret->name = weir_span(to, (size_t)(value - to));
		ret->note.name = H2_NAME_UNKNOWN;
	} else if (!h2_hpack_look_up(hpack, index, ret)) {
		return H2_HPACK_BROKEN;
	} else if (bits == 6) {
		/* The entry may be evicted for this one. */
		value = h2_hpack_copy(to, ret->name);
		ret->name.data = to;
	}
	char *end = h2_hpack_read_string(reader, value);
	if (!end)
		return H2_HPACK_BROKEN;
	ret->value = weir_span(value, (size_t)(end - value));
	ret->note.value_known = false;
	ret->entry = NULL;
	return bits == 6 ? h2_hpack_insert(hpack, ret) : H2_HPACK_FIELD;
}

bool h2_hpack_begin(struct h2_hpack *hpack, struct weir_span block, struct h2_hpack_reader *reader)
{
	reader->at = (const uint8_t *)block.data;
	reader->end = reader->at + block.size;
	while (reader->at < reader->end && (*reader->at & 0xe0) == 0x20) {
		uint32_t size = h2_hpack_read_integer(reader, 5);
		if (size > H2_HPACK_TABLE_MAX)
			return false;
		hpack->size_max = (uint16_t)size;
		h2_hpack_evict(hpack, size);
	}
	return true;
}

enum h2_hpack_result h2_hpack_next_other(
        struct h2_hpack *hpack, struct h2_hpack_reader *reader, char *to, struct h2_field *ret)
{
	unsigned first = *reader->at;
	if (first & 0x80)
		return h2_hpack_look_up(hpack, h2_hpack_read_integer(reader, 7), ret)
		               ? H2_HPACK_FIELD
		               : H2_HPACK_BROKEN;
	if (first & 0x40)
		return h2_hpack_read_literal(hpack, reader, 6, to, ret);
	if (first & 0x20) /* a table size update, behind a field */
		return H2_HPACK_BROKEN;
	return h2_hpack_read_literal(hpack, reader, 4, to, ret);
}
