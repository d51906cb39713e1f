/* The parser of request heads (RFC 9112 2 to 6): strict wherever leniency has been exploited. */
#ifndef WEIR_HTTP_HEAD_H
#define WEIR_HTTP_HEAD_H

#include <weir/http_request.h>
#include <weir/limits.h>

/*
 * Takes a complete head apart: all up to and including the CRLF CRLF that ends it, and nothing
 * behind it. *request need not be initialised; its spans point into `head`.
 *
 * 0, or the status to answer with: 400 (malformed, or framed ambiguously), 414 (target too long),
 * 417 (unknown expectation), 431 (too many fields), 501 (unknown transfer coding) or 505 (not
 * HTTP/1.x). After a failure the connection cannot be used further. Of *request, method,
 * method_name, target and minor are valid then: what was not reached is WEIR_HTTP_OTHER, {NULL, 0}
 * and 1. An unknown method is not an error.
 */
int http_head_parse(struct weir_span head, struct weir_http_request *request);

/* Which part of a head that was refused is to blame, for a log. */
const char *http_head_fault(struct weir_span head);

#endif
