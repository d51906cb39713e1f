/*
 * The data of records in zone files, as text and in wire form, by one table: a row for each type names
 * its fields, and a field says which values it has. A value outside of a field's range is refused, and
 * never stored as another one.
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

/* The type of this name, also as TYPE and a number: then with only `number` set. False: unknown. */
bool fields_type_find(struct weir_span name, struct fields_type *ret);

/* The name of a type that has a row, or "TYPE". */
const char *fields_type_name(uint16_t number);

/* Seconds, with units or without: 3600, 1h, 1w2d. False: not such, or more than 2^31 - 1. */
bool fields_period(struct weir_span text, uint32_t *ret);

/* A name, absolute or below the origin; "@" is the origin. */
bool fields_name(
        struct weir_span text, const struct weir_dns_name *origin, struct weir_dns_name *ret);

/* A word of a line; one in quotes may be empty and may hold blanks. */
struct fields_word {
	struct weir_span text; /* between the quotes, with its escapes */
	bool quoted;
};

/* Takes the next word. False: there is none. */
bool fields_word_next(struct weir_span *line, struct fields_word *ret);

enum {
	FIELDS_WHY_MAX = 200
};

/* Data while it is read. */
struct fields {
	struct weir_span line;   /* what is left of the text */
	struct fields_word word; /* the last that was taken */
	const struct weir_dns_name *origin;
	uint8_t *data; /* UINT16_MAX bytes */
	size_t size;
	const char *
	        wrong; /* what is wrong with `word`, static; NULL: with the data as a whole, see `whole` */
	const char *whole;
};

/*
 * Reads the words of `line` as data of a type with fields. False: a value is wrong, and `why` says
 * which, and what it should be.
 */
bool fields_read(const struct fields_type *type, struct weir_span line,
        const struct weir_dns_name *origin, uint8_t *data, size_t *ret_size,
        char why[FIELDS_WHY_MAX]);

/* Whether wire data, which was given by its bytes, has the form that its type wants. */
bool fields_check(uint16_t type, struct weir_span data);

/* -- for fields with a grammar of their own (zone_fields_special.c) ------------------------------ */

/* False: the data is too long. */
bool fields_put(struct fields *fields, const void *data, size_t size);
/* Takes the next word as a domain name, and puts it. False if there is none, or it was refused. */
bool fields_read_name(struct fields *fields);

/* The next word. False: the data ends too early. */
bool fields_take(struct fields *fields);

/* What is wrong with the last word. Always false. */
bool fields_refuse(struct fields *fields, const char *wrong);

/* A number from 0 to `most`, as `bytes` bytes. */
bool fields_number(struct fields *fields, uint64_t most, unsigned bytes);

/* One byte, perhaps escaped, of what is left. -1: no such escape. */
int fields_unescape(struct weir_span *text);

/* The rest of the line as base64. */
bool fields_base64(struct fields *fields, struct weir_span text, bool rest);

bool fields_read_loc(struct fields *fields);
bool fields_read_apl(struct fields *fields);
bool fields_read_ipseckey(struct fields *fields);
bool fields_read_hip(struct fields *fields);
bool fields_read_svcb(struct fields *fields);

/* The parameters behind the name of SVCB and HTTPS: in order, each once, none missing (RFC 9460 2). */
const char *fields_check_svcb(const uint8_t *data, size_t size);

#endif
