/*
 * The data of records in zone files, as text and in wire form, by one table. A row for each type
 * has its fields, and a field defines its values. A value outside of a field's range is refused,
 * and never stored as another one.
 *
 *   SRV   "wwwn"   three numbers of 16 bits and a name:  10 20 443 www  ──▶  wire form
 */
#ifndef WEIR_DNS_ZONE_FIELDS_H
#define WEIR_DNS_ZONE_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/dns_name.h>
#include <weir/span.h>

struct fields_type {
	char name[12];
	uint16_t number;
	const char *fields; /* NULL: the data is not read here */
};

/*
 * Finds the type of this name. For TYPE and a number only `number` is set. Returns false if
 * unknown.
 */
bool fields_type_find(struct weir_span name, struct fields_type *ret);

/* The name of a type that has a row, or "TYPE". */
const char *fields_type_name(uint16_t number);

/*
 * Reads seconds, with or without units: 3600, 1h, 1w2d. Returns false for other text or above 2^31
 * - 1.
 */
bool fields_period(struct weir_span text, uint32_t *ret);

/* A name, absolute or below the origin; "@" is the origin. */
bool fields_name(
        struct weir_span text, const struct weir_dns_name *origin, struct weir_dns_name *ret);

/* A word of a line; one in quotes may be empty and may hold blanks. */
struct fields_word {
	struct weir_span text; /* between the quotes, with its escapes */
	bool quoted;
};

/* Reads the next word off the line. Returns false if there is none. */
bool fields_word_next(struct weir_span *line, struct fields_word *ret);

enum {
	FIELDS_WHY_MAX = 200
};

/* Data while it is read. */
struct fields {
	struct weir_span line;   /* what is left of the text */
	struct fields_word word; /* the last that was read */
	const struct weir_dns_name *origin;
	uint8_t *data; /* UINT16_MAX bytes */
	size_t size;
	const char *wrong; /* what is wrong with `word`, or NULL */
	const char *whole; /* what is wrong with the data as a whole, or NULL */
};

/*
 * Reads the words of `line` as data of a type with fields. Returns false if a value is wrong: `why`
 * names it, and what it should be.
 */
bool fields_read(const struct fields_type *type, struct weir_span line,
        const struct weir_dns_name *origin, uint8_t *data, size_t *ret_size,
        char why[FIELDS_WHY_MAX]);

/* Whether wire data, which was given by its bytes, has the form that its type wants. */
bool fields_check(uint16_t type, struct weir_span data);

/* -- zone_fields.c ----------------------------------------------------------------------------- */

/* The row of a type, or NULL. */
const struct fields_type *fields_type_of(uint16_t number);

/* Checks values of a type against each other. Returns NULL, or what is wrong. */
const char *fields_judge(uint16_t type, const uint8_t *data, size_t size);

/* -- zone_fields_wire.c ------------------------------------------------------------------------ */

/*
 * Reads the text behind a record's type. *ret_is: whether it is generic data (RFC 3597). Then
 * `data`, which has room for UINT16_MAX bytes, has *ret_size bytes. Returns false if the size in
 * the text is wrong.
 */
bool fields_read_generic(struct weir_span text, uint8_t *data, bool *ret_is, size_t *ret_size);

/* -- zone_words.c ------------------------------------------------------------------------------ */

/* Whether the text is this word; case does not matter. */
bool fields_is_word(struct weir_span text, const char *word);

/* Reads one byte, perhaps escaped, off the text. Returns -1 for a malformed escape. */
int fields_unescape(struct weir_span *text);

/* Reads an address that is the whole text. Returns false if it is not one. */
bool fields_address_of(struct weir_span text, int family, uint8_t address[16]);

/* Reads the next word. Returns false if the data ends too early. */
bool fields_read_word(struct fields *fields);

/* Sets `why` for the last word. Always returns false. */
bool fields_refuse(struct fields *fields, const char *wrong);

/* These return false if the data is too long. */
bool fields_put(struct fields *fields, const void *data, size_t size);
bool fields_put_number(struct fields *fields, uint64_t number, unsigned bytes);
bool fields_put16(struct fields *fields, unsigned number);
bool fields_put32(struct fields *fields, uint32_t number);

/* Reads the next word as a number from 0 to `most`, and puts it as `bytes` bytes. */
bool fields_read_number(struct fields *fields, uint64_t most, unsigned bytes);

/* Reads the next word as a domain name, and puts it. */
bool fields_read_name(struct fields *fields);

/* -- zone_fields_text.c ------------------------------------------------------------------------ */

/* Reads the field of a letter. */
bool fields_read_field(struct fields *fields, char field);

/* Whether the bytes are a tag of CAA. */
bool fields_is_tag(const uint8_t *data, size_t size);

/* The rest of the line as base64. */
bool fields_base64(struct fields *fields, struct weir_span text, bool rest);

/* -- zone_fields_special.c, zone_fields_svcb.c ------------------------------------------------- */

bool fields_read_loc(struct fields *fields);
bool fields_read_apl(struct fields *fields);
bool fields_read_ipseckey(struct fields *fields);
bool fields_read_hip(struct fields *fields);
bool fields_read_svcb(struct fields *fields);

/*
 * The parameters behind the name of SVCB and HTTPS: in order, each once, none missing (RFC 9460 2).
 */
const char *fields_check_svcb(const uint8_t *data, size_t size);

#endif
