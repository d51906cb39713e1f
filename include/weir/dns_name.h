/*
 * Domain names: in wire form (RFC 1035 3.1), as text (5.1), and in canonical order (RFC 4034 6.1).
 *
 *   \003www\007example\003org\000  <──▶  "www.example.org."
 *
 * Comparisons ignore the case of letters, which is preserved (RFC 4343).
 */
#ifndef WEIR_DNS_NAME_H
#define WEIR_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/span.h>

WEIR_C_BEGIN

enum {
	WEIR_DNS_NAME_MAX = 255,   /* bytes of the wire form */
	WEIR_DNS_LABEL_MAX = 63,   /* bytes of a label */
	WEIR_DNS_LABELS_MAX = 127, /* of a name; the root's is not counted */
	WEIR_DNS_TEXT_MAX = 1009,  /* characters of the text, a NUL counted: each byte as \DDD */
};

/* Invariant: `wire` has complete labels, the last of which is the root's, in `size` bytes. */
struct weir_dns_name {
	uint8_t size;
	uint8_t labels; /* the root's not counted: 0 for the root */
	uint8_t wire[WEIR_DNS_NAME_MAX];
};

/*
 * Reads the name at *at in a message, and moves *at behind it. Compression pointers are followed
 * (RFC 1035 4.1.4). Every pointer must lead to an earlier position, so that there is no loop, and a
 * name may have WEIR_DNS_POINTERS_MAX of them. Returns 0, or WEIR_E_SYNTAX: nothing has changed.
 */
WEIR_API int weir_dns_name_read(struct weir_span message, size_t *at, struct weir_dns_name *ret);

/* Reads a name without compression that consists of exactly these bytes. */
WEIR_API int weir_dns_name_set(struct weir_span wire, struct weir_dns_name *ret);

/*
 * Reads text with the escapes \DDD and \X. The name is always absolute: the last dot may be
 * missing. "." is the root. Returns 0, or WEIR_E_SYNTAX, also if a label or the name is too long.
 */
WEIR_API int weir_dns_name_parse(struct weir_span text, struct weir_dns_name *ret);

/* Writes the absolute name, ended by NUL. Returns the length. */
WEIR_API size_t weir_dns_name_format(
        const struct weir_dns_name *name, char text[WEIR_DNS_TEXT_MAX]);

WEIR_API bool weir_dns_name_equal(const struct weir_dns_name *a, const struct weir_dns_name *b);

/* Compares in canonical order. Returns a number less than, equal to or greater than 0. */
WEIR_API int weir_dns_name_compare(const struct weir_dns_name *a, const struct weir_dns_name *b);

/* Whether `name` is `zone` or a name below it. */
WEIR_API bool weir_dns_name_beneath(
        const struct weir_dns_name *name, const struct weir_dns_name *zone);

/* Replaces A-Z by a-z. */
WEIR_API void weir_dns_name_lower(struct weir_dns_name *name);

WEIR_C_END

#endif
