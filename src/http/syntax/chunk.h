/*
 * The lines of a chunked body (RFC 9112 7.1), each as a terminator cuts it: without its CRLF.
 *
 *   5;name="value"      chunk: size 5, and extensions that nobody reads
 *   0                   the last chunk; trailer fields follow
 *   Digest: abc         trailer
 *                       an empty line ends the body
 */
#ifndef WEIR_HTTP_CHUNK_H
#define WEIR_HTTP_CHUNK_H

#include <weir/http_request.h>
#include <weir/limits.h>

/*
 * The size of a chunk: 1 to 16 hexadecimal digits, at most 2^63-1. Extensions must be well-formed,
 * and are ignored. 0; WEIR_E_SYNTAX; WEIR_E_LIMIT (line or number too large). Either error is for a
 * 400 and the end of the connection, since nobody knows where the next request starts.
 */
int http_chunk_parse(struct weir_span line, uint64_t *ret_size);

/*
 * One trailer field, not the empty line. 0 or WEIR_E_SYNTAX, as strict as for the head. The caller
 * keeps trailers apart from the fields of the head (RFC 9110 6.5.1): they change no meaning of it.
 */
int http_trailer_parse(struct weir_span line, struct weir_http_field *ret_field);

#endif
