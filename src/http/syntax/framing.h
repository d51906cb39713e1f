/*
 * The fields of a head that control the connection and the end of the body. This part of the parser
 * prevents request smuggling (RFC 9112 6, 11.2).
 */
#ifndef WEIR_HTTP_FRAMING_H
#define WEIR_HTTP_FRAMING_H

#include <weir/http_request.h>

/*
 * Evaluates Content-Length, Transfer-Encoding, Connection and Expect of a request whose fields have
 * been parsed; `repeated` has bit 1 << known set for each repeated field. Sets has_length, length,
 * chunked, keep_alive and expect_continue. Returns 0 or the status for the reply: 400, 417 or 501.
 */
int http_framing_find(struct weir_http_request *request, uint64_t repeated);

#endif
