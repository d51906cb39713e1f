/* The Basic scheme of Authorization (RFC 7617): base64 of "user:password". */
#ifndef WEIR_HTTP_BASIC_H
#define WEIR_HTTP_BASIC_H

#include <weir/limits.h>
#include <weir/span.h>

struct http_basic {
	struct weir_span user;     /* has no ':' and may be empty */
	struct weir_span password; /* may contain ':' */
};

/*
 * Decodes into `buffer`, in which both spans lie. The caller clears it (explicit_bzero) after the
 * check of the password, and after an error too. Base64 must be canonical: padded, without white
 * space, unused bits 0. Returns 0; WEIR_E_SYNTAX for another scheme, a malformed value or control
 * characters; or WEIR_E_LIMIT if it does not fit.
 */
int http_basic_parse(struct weir_span authorization, char buffer[WEIR_HTTP_BASIC_MAX],
        struct http_basic *ret_basic);

#endif
