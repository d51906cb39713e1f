/*
 * The lines of a chunked body (RFC 9112 7.1), each as a terminator cuts it: without its CRLF.
 *
 *   5;name="value"      chunk: size 5, and extensions, which are ignored
 *   0                   the last chunk; trailer fields follow
 *   Digest: abc         trailer
 *                       an empty line ends the body
 */
#ifndef WEIR_HTTP_CHUNK_H
#define WEIR_HTTP_CHUNK_H

#include <weir/http_request.h>
#include <weir/limits.h>

/*
 * Parses the size of a chunk: 1 to 16 hexadecimal digits, at most 2^63-1. Extensions must be
 * well-formed, and are ignored. Returns 0, WEIR_E_SYNTAX, or WEIR_E_LIMIT if the line or the number
 * is too large. Both errors must end the connection, since the start of the next request is
 * unknown.
 */
int http_chunk_parse(struct weir_span line, uint64_t *ret_size);

/*
 * Parses a trailer field, but not the empty line, as strictly as a field of the head. Returns 0 or
 * WEIR_E_SYNTAX. The caller must not merge trailers with the fields of the head (RFC 9110 6.5.1).
 */
int http_trailer_parse(struct weir_span line, struct weir_http_field *ret_field);

#endif
