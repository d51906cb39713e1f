/*
 * What the fields of a head say about the connection and about where the body ends: the part of the
 * parser that decides about request smuggling (RFC 9112 6, 11.2).
 */
#ifndef WEIR_HTTP_FRAMING_H
#define WEIR_HTTP_FRAMING_H

#include <weir/http_request.h>

/*
 * Reads Content-Length, Transfer-Encoding, Connection and Expect of a request whose fields stand
 * already; `repeated` has bit 1 << known set for each kind that came more than once. Sets
 * has_length, length, chunked, keep_alive and expect_continue. 0 or the status to answer with: 400,
 * 417 or 501.
 */
int http_framing_find(struct weir_http_request *request, uint64_t repeated);

#endif
