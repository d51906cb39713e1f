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
 * Decodes into `buffer`, in which both spans lie; clear it (explicit_bzero) when the password was
 * checked, and after a failure too. Base64 has to be exact: padded, no white space, unused bits 0.
 * 0; WEIR_E_SYNTAX (another scheme, malformed, control characters); WEIR_E_LIMIT (does not fit).
 */
int http_basic_parse(struct weir_span authorization, char buffer[WEIR_HTTP_BASIC_MAX],
        struct http_basic *ret_basic);

#endif
