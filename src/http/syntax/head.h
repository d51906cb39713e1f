/* The parser of request heads (RFC 9112 2 to 6). It is strict where leniency has been exploited. */
#ifndef WEIR_HTTP_HEAD_H
#define WEIR_HTTP_HEAD_H

#include <weir/http_request.h>
#include <weir/limits.h>

/*
 * Parses a complete head, up to and including the CRLF CRLF that ends it, with nothing behind it.
 * *request need not be initialised; its spans point into `head`.
 *
 * Returns 0, or the status for the reply: 400 (malformed or ambiguous framing), 414 (target too
 * long), 417 (unknown expectation), 431 (too many fields), 501 (unknown transfer coding) or 505
 * (not HTTP/1.x). After an error the connection must be closed. Of *request, method, method_name,
 * target and minor are valid then; where the parser did not reach them, they are WEIR_HTTP_OTHER,
 * {NULL, 0}, {NULL, 0} and 1. An unknown method is not an error.
 */
int http_head_parse(struct weir_span head, struct weir_http_request *request);

/* Returns which part of a refused head is malformed, for the log. */
const char *http_head_fault(struct weir_span head);

#endif
