/*
 * The fields of a head that control the connection and the end of the body. This part of the parser
 * prevents request smuggling (RFC 9112 6, 11.2).
 */
#ifndef WEIR_HTTP_FRAMING_H
#define WEIR_HTTP_FRAMING_H

#include <weir/http_request.h>
#include <weir/limits.h>

/*
 * Evaluates Content-Length, Transfer-Encoding, Connection and Expect of a request whose fields have
 * been parsed; `repeated` has bit 1 << known set for each repeated field. Sets has_length, length,
 * chunked, keep_alive and expect_continue. Returns 0 or the status for the reply: 400, 417 or 501.
 */
int http_framing_find(struct weir_http_request *request, uint64_t repeated);

/* -- the lines of a chunked body --------------------------------------------------------------- */

/*
 * The lines of a chunked body (RFC 9112 7.1), each as a terminator cuts it: without its CRLF.
 *
 *   5;name="value"      chunk: size 5, and extensions, which are ignored
 *   0                   the last chunk; trailer fields follow
 *   Digest: abc         trailer
 *                       an empty line ends the body
 */

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
