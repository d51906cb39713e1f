/*
 * Values with parameters (RFC 9110 5.6.6), of Content-Type and Content-Disposition.
 *
 *   multipart/form-data; boundary="a b"        head "multipart/form-data", one parameter
 *   form-data; name=f; filename="a\"b.txt"     head "form-data", two of them
 */
#ifndef WEIR_HTTP_PARAMETER_H
#define WEIR_HTTP_PARAMETER_H

#include <stdbool.h>

#include <weir/span.h>

struct http_parameter {
	struct weir_span name;  /* in any case */
	struct weir_span value; /* without the quotes, but with the backslashes, if quoted */
	bool quoted;
};

/*
 * Cuts the head, a token or type/subtype, off `*value`; the rest is for http_parameter_next.
 * Returns 0, or WEIR_E_SYNTAX with *value untouched.
 */
int http_parameter_head(struct weir_span *value, struct weir_span *ret_head);

/* Cuts the next parameter off *rest. Returns 1, 0 at the end, or WEIR_E_SYNTAX. */
int http_parameter_next(struct weir_span *rest, struct http_parameter *ret_parameter);

/*
 * Decodes quoted-pairs of the value into `buffer`. Returns 0, or WEIR_E_LIMIT if it does not fit.
 */
int http_parameter_decode(const struct http_parameter *parameter, char *buffer, size_t capacity,
        struct weir_span *ret_value);

#endif
