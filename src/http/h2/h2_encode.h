/*
 * The fields of replies in HPACK (RFC 7541). The dynamic table (2.3.2) is cheap to search, because
 * the encoder has no text of its entries, but an id for each.
 *
 *   a line of a handler ──h2_intern──▶ id ─┐
 *   lines of a file, the date ───────▶ id ─┴─h2_table─▶ in the table: its index, one byte
 *                                                       noted before: a literal, which is inserted
 *                                                       else:         a literal, and a note
 *
 * An id stands for one field, name and value, and has the field's size (4.1) in its low bits. No
 * other field of the process ever gets the id. So equal ids are equal fields; two ids of one field
 * cost bytes and nothing else.
 *
 * A field is inserted when it comes a second time in a connection. A field that comes once, such as
 * Location, evicts nothing.
 *
 * Fields with secrets (Set-Cookie, tokens) are never inserted: an attacker who chooses other fields
 * of a reply could guess the secret, and see by the reply's size whether the guess is right. They
 * are literals that intermediaries must not index either (7.1.3).
 *
 * The table changes while a block is written. Blocks must be sent whole, in the order in which they
 * were written.
 */
#ifndef WEIR_HTTP_H2_ENCODE_H
#define WEIR_HTTP_H2_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/span.h>

#include "fields.h"
#include "h2_hpack.h"

enum {
	H2_ID_SIZE_BITS = 12, /* those of the field's size */
};

static inline unsigned h2_id_size(uint64_t id)
{
	return id & ((1u << H2_ID_SIZE_BITS) - 1);
}

/* -- h2_intern.c: the ids of lines ------------------------------------------------------------- */

enum {
	H2_INTERN_SETS = 64,
	H2_INTERN_WAYS = 4,        /* lines of a set: the one that is used last is at the front */
	H2_INTERN_LINE_MAX = 1024, /* a longer line has no id; all together have 256 KiB at most */
};

struct h2_interned {
	uint64_t id; /* 0: unused */
	uint32_t hash;
	uint16_t size;
	uint16_t capacity;
	char *line; /* owned, or NULL */
};

/* One a loop, all zero at first but `huffman`. */
struct h2_intern {
	const struct h2_huffman *huffman; /* the loop's */
	uint64_t number, numbers_end;     /* of the next id, and behind those of this loop */
	struct h2_interned sets[H2_INTERN_SETS][H2_INTERN_WAYS];
};

void h2_intern_finish(struct h2_intern *intern);

/* Returns a new id for a field of this size (RFC 7541 4.1), which fits H2_ID_SIZE_BITS. */
uint64_t h2_intern_new_id(struct h2_intern *intern, size_t field_size);

uint32_t h2_intern_hash(struct weir_span line);

/* Returns the id of a line, which is compared byte by byte; 0 if it has none. */
uint64_t h2_intern_find(struct h2_intern *intern, struct weir_span line, uint32_t hash);

/*
 * Gives an id to a line that has none, in place of the line of its set that was not used for the
 * longest time. Returns 0 if the line is too long, or without memory.
 */
uint64_t h2_intern_add(
        struct h2_intern *intern, struct weir_span line, uint32_t hash, size_t field_size);

/* -- h2_table.c: the dynamic table of a connection --------------------------------------------- */

enum {
	H2_TABLE_ENTRIES = 32,    /* the newest ones, of which the encoder knows, at most */
	H2_TABLE_NOTES = 32,      /* more than a reply has fields, so that its own notes last */
	H2_TABLE_REPEATED = 16,   /* fields of lines_indexes */
	H2_TABLE_UPDATES_MAX = 6, /* bytes that h2_table_put_updates writes at most */
};

/*
 * The client's decoder may have entries that are older than these. They are evicted first, so that
 * entries of the ring are evicted only when those of the ring alone have no room.
 *
 * Each entry is in one of twice as many buckets as the ring has places. Behind the ring, each
 * bucket has the place of its newest entry, plus a multiple of the ring's size.
 */
struct h2_table {
	uint64_t *ids; /* of the entries: a ring, which grows; NULL: none was inserted yet */
	/* A date and encoded lines whose fields are all in the table, with their indexes; or 0. */
	uint64_t date_id;
	uint64_t lines_id;
	char date_index;
	char lines_indexes[H2_TABLE_REPEATED];
	uint8_t lines_size;
	bool resized;        /* table size updates are due */
	uint8_t capacity;    /* of the ring: a power of two, or 0 */
	uint8_t count;       /* of the entries */
	uint8_t next;        /* the place of the next entry in the ring */
	uint8_t note_next;   /* the place of the next note */
	uint16_t size;       /* of the entries */
	uint16_t size_max;   /* as the client's decoder has it */
	uint16_t size_least; /* the smallest size that the client has set since the last block */
	uint16_t size_next;  /* the last size that the client has set */
	/* Of the last literals: 16 bits of their ids. A field may be inserted too early by that. */
	uint16_t notes[H2_TABLE_NOTES];
};

void h2_table_init(struct h2_table *table);
void h2_table_finish(struct h2_table *table);

/* The client's SETTINGS_HEADER_TABLE_SIZE. H2_HPACK_TABLE_MAX bytes of it are used at most. */
void h2_table_set_size(struct h2_table *table, uint32_t size);

/* Writes the table size updates (RFC 7541 4.2, 6.3) if table->resized, at the front of a block. */
char *h2_table_put_updates(struct h2_table *table, char *to);

/* 1 is the newest entry. `nth` is at most table->count. */
static inline uint64_t h2_table_entry(const struct h2_table *table, unsigned nth)
{
	return table->ids[(table->next - nth) & (table->capacity - 1u)];
}

/* The newest entry of the bucket of an id. */
static inline uint8_t *h2_table_newest(const struct h2_table *table, uint64_t id)
{
	uint8_t *buckets = (uint8_t *)(table->ids + table->capacity);
	return &buckets[(id >> H2_ID_SIZE_BITS) & (2u * table->capacity - 1)];
}

/* Returns the index of a field, or 0. */
static inline unsigned h2_table_find(const struct h2_table *table, uint64_t id)
{
	if (table->count == 0)
		return 0;
	/* If the newest entry of the bucket was evicted, all of the bucket were. */
	unsigned nth = (uint8_t)(table->next - *h2_table_newest(table, id));
	for (; nth - 1 < table->count; nth++)
		if (h2_table_entry(table, nth) == id)
			return H2_HPACK_STATICS + nth;
	return 0;
}

/*
 * Called for a field that is not in the table, before it is written. Returns true if the field was
 * inserted: it must be written as a literal with incremental indexing (RFC 7541 6.2.1).
 */
bool h2_table_insert_repeated(struct h2_table *table, uint64_t id);

/* -- h2_encode.c: fields ----------------------------------------------------------------------- */

/* More than any of the functions below writes for one field line without its text. */
enum {
	H2_FIELD_EXTRA = 16
};

/* RFC 7541 5.1: an integer behind a prefix of `bits` bits, the rest of whose byte is `high`. */
char *h2_encode_put_integer(char *to, unsigned high, unsigned bits, size_t value);

char *h2_encode_put_status(char *to, unsigned status);
char *h2_encode_put_length(char *to, uint64_t length);

/* Returns how many bytes h2_encode_put_lines writes at most for lines of this size. */
static inline size_t h2_encode_lines_max(size_t size)
{
	/*
	 * A field has three bytes beside name and value, and more only if it is long. A line may be
	 * as short as "A:\n", with two of them.
	 */
	return size + size / 3 + 2 * (size_t)H2_FIELD_EXTRA;
}

/*
 * Writes whole field lines ("Name: value\r\n"), with names in lower case. Fields of the connection
 * (RFC 9113 8.2.2) are left out, and so are lines without a name, which make a reply malformed.
 */
char *h2_encode_put_lines(
        char *to, struct h2_table *table, struct h2_intern *intern, struct weir_span lines);

/* A field that is encoded once, as a literal that is not inserted. */
struct h2_encoded_field {
	uint64_t id; /* 0: never in a table */
	size_t size; /* of the literal */
};

/* Lines that are encoded once. The owner of the lines frees this by free(). */
struct http_encoded_lines {
	uint64_t id; /* of all of them */
	size_t count;
	const char *literals; /* one behind the other, in the same allocation */
	struct h2_encoded_field fields[];
};

/* Encodes lines that many replies have. NULL without memory. */
struct http_encoded_lines *h2_encode_lines(struct h2_intern *intern, struct weir_span lines);

char *h2_encode_put_other_lines(
        char *to, struct h2_table *table, const struct http_encoded_lines *lines);

/* Writes what h2_encode_put_lines would, with H2_TABLE_REPEATED bytes of room behind it. */
static inline char *h2_encode_put_encoded(
        char *to, struct h2_table *table, const struct http_encoded_lines *lines)
{
	if (table->lines_id != lines->id)
		return h2_encode_put_other_lines(to, table, lines);
	memcpy(to, table->lines_indexes, sizeof table->lines_indexes);
	return to + table->lines_size;
}

/* The date of a second. All zero at first: none. */
struct h2_encoded_date {
	int64_t date_s;
	struct h2_encoded_field field; /* its id is 0 before the first date */
	char literal[WEIR_HTTP_DATE_SIZE + H2_FIELD_EXTRA];
};

void h2_encode_date(struct h2_encoded_date *encoded, struct h2_intern *intern, int64_t date_s,
        const char *date);
/* Whether this is the date of that second. */
static inline bool h2_encode_has_date(const struct h2_encoded_date *encoded, int64_t date_s)
{
	return encoded->field.id && encoded->date_s == date_s;
}

char *h2_encode_put_other_date(
        char *to, struct h2_table *table, const struct h2_encoded_date *date);

static inline char *h2_encode_put_date(
        char *to, struct h2_table *table, const struct h2_encoded_date *date)
{
	if (table->date_id != date->field.id)
		return h2_encode_put_other_date(to, table, date);
	*to = table->date_index;
	return to + 1;
}

#endif
