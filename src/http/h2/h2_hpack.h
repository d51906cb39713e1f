/*
 * A decoder of HPACK (RFC 7541): the fields of a block, one after the other.
 *
 *   block ──▶ h2_hpack_begin ──▶ h2_hpack_next … ──▶ H2_HPACK_END
 *                                  │      ▲
 *                                  ▼      │ the dynamic table
 *                   name and value, at a place of the caller
 *
 * All of a block has to be decoded, so that the table stays that of the client's encoder. Entries
 * retain what is known of their name and value, so that it is found out once: most fields of a
 * client are the same in all its requests.
 *
 * The table takes memory as the client fills it: none at first, and less than 6 KiB at last.
 */
#ifndef WEIR_HTTP_H2_HPACK_H
#define WEIR_HTTP_H2_HPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/http_request.h>
#include <weir/span.h>

enum {
	H2_HPACK_TABLE_MAX = 4096, /* SETTINGS_HEADER_TABLE_SIZE, which is not sent */
	H2_HPACK_FIELD_EXTRA = 32, /* what a field counts beside its text (RFC 7541 4.1) */
	H2_HPACK_SLACK = 16,       /* bytes behind a text that may be read, or overwritten */
};

/* -- h2_huffman.c ------------------------------------------------------------------------------ */

struct h2_huffman_code {
	uint32_t code;
	uint32_t bits;
};

struct h2_huffman_pair {
	char symbols[2];
	uint8_t count; /* of the symbols */
	uint8_t bits;  /* of their codes */
};

enum {
	H2_HUFFMAN_PAIR_BITS = 12
};

/* The tables of the code; one a loop. */
struct h2_huffman {
	struct h2_huffman_code codes[256]; /* by their symbols */
	struct h2_huffman_pair pairs[1 << H2_HUFFMAN_PAIR_BITS];
};

void h2_huffman_init(struct h2_huffman *huffman);

/*
 * Decodes the string from `at` to `end`, to `to`, where there is room for eight fifths of its size
 * and a byte more. Returns the end of the text, or NULL if the string is malformed.
 */
char *h2_huffman_decode(
        const struct h2_huffman *huffman, const uint8_t *at, const uint8_t *end, char *to);

/* Returns the size of a text when it is encoded, and encodes it. */
size_t h2_huffman_size(const struct h2_huffman *huffman, struct weir_span text);
char *h2_huffman_encode(const struct h2_huffman *huffman, struct weir_span text, char *to);

/* -- h2_hpack.c -------------------------------------------------------------------------------- */

/* The meaning of a name in a request. */
enum h2_name {
	H2_NAME_UNKNOWN, /* it is not known yet */
	H2_NAME_BAD,     /* malformed, of the connection, or a pseudo-header field of no request */
	H2_NAME_METHOD,
	H2_NAME_SCHEME,
	H2_NAME_AUTHORITY,
	H2_NAME_PATH,
	H2_NAME_PROTOCOL,
	H2_NAME_PSEUDO_LAST = H2_NAME_PROTOCOL,
	H2_NAME_PRIORITY,
	H2_NAME_FIELD = 16, /* plus enum weir_http_known */
};

/* The part of a field's meaning that is known. */
struct h2_hpack_note {
	uint8_t name;     /* enum h2_name */
	bool value_known; /* the value is valid for that name */
};

struct h2_hpack_entry {
	uint16_t at; /* the place of its text, see `moved` */
	uint16_t name_size;
	uint16_t value_size; /* the value lies behind the name */
	struct h2_hpack_note note;
};

/* The dynamic table. */
struct h2_hpack {
	char *text;                     /* of the entries, the oldest first; or NULL */
	struct h2_hpack_entry *entries; /* a ring, or NULL */
	uint16_t text_capacity;         /* without the slack */
	uint16_t text_begin, text_end;  /* of the entries in the table */
	uint16_t moved;            /* text + at - moved, modulo 2^16, is the text of an entry */
	uint16_t entries_capacity; /* a power of two, or 0 */
	uint16_t next;             /* where the next entry belongs in the ring */
	uint16_t count;
	uint16_t size; /* as RFC 7541 4.1 counts it */
	uint16_t size_max;
};

/* Name and value are followed by H2_HPACK_SLACK bytes that may be read. */
struct h2_field {
	struct weir_span name, value;
	struct h2_hpack_note note;
	struct h2_hpack_note *entry; /* where more may be noted until the next call; or NULL */
};

/* The part of a block that is still to be decoded. */
struct h2_hpack_reader {
	const struct h2_huffman *huffman;
	const uint8_t *at;
	const uint8_t *end;
};

enum h2_hpack_result {
	H2_HPACK_FIELD,
	H2_HPACK_END,    /* of the block */
	H2_HPACK_BROKEN, /* the block is malformed */
	H2_HPACK_NO_MEMORY,
};

void h2_hpack_init(struct h2_hpack *hpack);
void h2_hpack_finish(struct h2_hpack *hpack);

/*
 * Begins a block: handles the table size updates at its front. Returns false if they are malformed.
 * The caller has set reader->huffman.
 */
bool h2_hpack_begin(struct h2_hpack *hpack, struct weir_span block, struct h2_hpack_reader *reader);

/* A code has five bits at least, and a name may be copied from the table. */
#define H2_HPACK_ROOM(block_size) ((block_size)*8 / 5 + H2_HPACK_TABLE_MAX + H2_HPACK_SLACK)

/* Copies a text with slack behind it to one with slack behind it. Returns the end of the copy. */
static inline char *h2_hpack_copy(char *to, struct weir_span text)
{
	char *end = to + text.size;
	const char *from = text.data;
	for (; to < end; to += H2_HPACK_SLACK, from += H2_HPACK_SLACK)
		memcpy(to, from, H2_HPACK_SLACK);
	return end;
}

/* -- the next field ---------------------------------------------------------------------------- */

/* The static table (RFC 7541 A). */
struct h2_hpack_static {
	char text[28 + H2_HPACK_SLACK]; /* the name, then the value */
	uint8_t name_size;
	uint8_t value_size;
	struct h2_hpack_note note;
};

enum {
	H2_HPACK_STATICS = 61
};

extern const struct h2_hpack_static h2_hpack_statics[H2_HPACK_STATICS];

/* 1 is the newest entry. `nth` is at most hpack->count. */
static inline struct h2_hpack_entry *h2_hpack_entry(const struct h2_hpack *hpack, unsigned nth)
{
	return &hpack->entries[(hpack->next - nth) & (hpack->entries_capacity - 1u)];
}

static inline char *h2_hpack_text(const struct h2_hpack *hpack, const struct h2_hpack_entry *entry)
{
	return hpack->text + (uint16_t)(entry->at - hpack->moved);
}

static inline void h2_hpack_set_field(struct h2_field *ret, const char *text, size_t name_size,
        size_t value_size, struct h2_hpack_note note, struct h2_hpack_note *entry)
{
	ret->name = weir_span(text, name_size);
	ret->value = weir_span(text + name_size, value_size);
	ret->note = note;
	ret->entry = entry;
}

/* Finds the entry of a table. Returns false if there is none. */
static inline bool h2_hpack_look_up(
        const struct h2_hpack *hpack, uint32_t index, struct h2_field *ret)
{
	if (index - 1 < H2_HPACK_STATICS) {
		const struct h2_hpack_static *entry = &h2_hpack_statics[index - 1];
		h2_hpack_set_field(
		        ret, entry->text, entry->name_size, entry->value_size, entry->note, NULL);
		return true;
	}
	if (index - H2_HPACK_STATICS - 1 >= hpack->count)
		return false;
	struct h2_hpack_entry *entry = h2_hpack_entry(hpack, index - H2_HPACK_STATICS);
	h2_hpack_set_field(ret, h2_hpack_text(hpack, entry), entry->name_size, entry->value_size,
	        entry->note, &entry->note);
	return true;
}

/* Decodes a field that is no entry of a table, or one with a large index. */
enum h2_hpack_result h2_hpack_next_other(
        struct h2_hpack *hpack, struct h2_hpack_reader *reader, char *to, struct h2_field *ret);

/*
 * Decodes the next field. Literals are written to `to`, where there must be room for H2_HPACK_ROOM
 * bytes; the rest points into a table, until the next call.
 */
static inline enum h2_hpack_result h2_hpack_next(
        struct h2_hpack *hpack, struct h2_hpack_reader *reader, char *to, struct h2_field *ret)
{
	if (reader->at == reader->end)
		return H2_HPACK_END;
	unsigned first = *reader->at;
	/* Most fields of most clients are in a table, with an index of seven bits. */
	if (first <= 0x80 || first == 0xff)
		return h2_hpack_next_other(hpack, reader, to, ret);
	reader->at++;
	return h2_hpack_look_up(hpack, first & 0x7f, ret) ? H2_HPACK_FIELD : H2_HPACK_BROKEN;
}

#endif
