/*
 * The head of a CGI response (RFC 3875 6): fields, of which Status is the status of the reply.
 * Lines end in CRLF or LF.
 */
#ifndef HTTP_CGI_HEAD_H
#define HTTP_CGI_HEAD_H

#include <weir/buffer.h>
#include <weir/span.h>
#include <weir/terminator.h>

#include "head.h"

/*
 * Finds the end of the empty line. `state` is 0 at the start of a head. A NUL, and a CR without an
 * LF behind it, are refused.
 */
enum weir_scan http_cgi_head_scan(
        uint32_t *state, struct weir_span data, size_t seen, struct weir_cut *ret);

/*
 * Parses a complete head. It becomes the text of a head of HTTP/1.1 in `text`, which the spans of
 * *ret point into, and is parsed as one. Without a Status it is 302 with a Location, else 200.
 * Returns 0, -ENOMEM or an error of http_reply_head_parse.
 */
int http_cgi_head_parse(
        struct weir_span head, struct weir_buffer *text, struct http_reply_head *ret);

#endif
