/*
 * Base64 (RFC 4648 4), strictly: whole groups of four, padded, and of several encodings of the same
 * bytes the canonical one only, so that one secret has one spelling.
 */
#ifndef WEIR_BASE64_H
#define WEIR_BASE64_H

#include <stddef.h>

#include <weir/api.h>
#include <weir/span.h>

/* Characters that `size` bytes become, and bytes that `size` characters become at most. */
#define WEIR_BASE64_ENCODED(size) (((size) + 2) / 3 * 4)
#define WEIR_BASE64_DECODED(size) ((size) / 4 * 3)

/* Writes WEIR_BASE64_ENCODED(bytes.size) characters, no NUL; returns how many. */
WEIR_API size_t weir_base64_encode(struct weir_span bytes, char *text);

/* 0; WEIR_E_SYNTAX; WEIR_E_LIMIT: more than `capacity` bytes. An empty text is no bytes. */
WEIR_API int weir_base64_decode(
        struct weir_span text, char *bytes, size_t capacity, size_t *ret_size);

#endif
