/*
 * Base64 (RFC 4648 4), and base64url (5), which has no padding here. The decoders are strict: they
 * take only the canonical encoding of given bytes, so that a secret has one spelling.
 */
#ifndef WEIR_BASE64_H
#define WEIR_BASE64_H

#include <stddef.h>

#include <weir/api.h>
#include <weir/span.h>

WEIR_C_BEGIN

/* The characters that `size` bytes become; the bytes that `size` characters become at most. */
#define WEIR_BASE64_ENCODED(size) (((size) + 2) / 3 * 4)
#define WEIR_BASE64_DECODED(size) ((size) / 4 * 3)

/* Writes WEIR_BASE64_ENCODED(bytes.size) characters without a NUL, and returns their number. */
WEIR_API size_t weir_base64_encode(struct weir_span bytes, char *text);

/*
 * Returns 0, WEIR_E_SYNTAX, or WEIR_E_LIMIT if there are more than `capacity` bytes. The text may
 * be empty.
 */
WEIR_API int weir_base64_decode(
        struct weir_span text, char *bytes, size_t capacity, size_t *ret_size);

/* For base64url: a text is a character or two shorter where base64 has padding. */
WEIR_API size_t weir_base64url_encode(struct weir_span bytes, char *text);
WEIR_API int weir_base64url_decode(
        struct weir_span text, char *bytes, size_t capacity, size_t *ret_size);

WEIR_C_END

#endif
