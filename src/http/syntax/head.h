/*
 * Heads of requests and replies (RFC 9112 2 to 6): the end of a head in a stream, its parser, and
 * the framing of the body. They are strict where leniency has been exploited, and the same code
 * reads the fields and bodies of both.
 */
#ifndef WEIR_HTTP_HEAD_H
#define WEIR_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/http_request.h>
#include <weir/limits.h>
#include <weir/span.h>
#include <weir/terminator.h>

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

/* Makes *request one without anything, to be filled in by another parser. */
void http_head_clear(struct weir_http_request *request);

/* Returns which part of a refused head is malformed, for the log. */
const char *http_head_fault(struct weir_span head);

/* The head of a reply. Spans point into the bytes that were parsed. */
struct http_reply_head {
	unsigned status; /* 100 to 599 */
	struct weir_span reason;
	/* The fields and the framing; what only a request has is not set. */
	struct weir_http_request message;
};

/*
 * Parses the complete head of a reply, as http_head_parse does that of a request. Returns 0, or the
 * code WEIR_E_HTTP_ of the fault; the contents of *reply are undefined then.
 */
int http_reply_head_parse(struct weir_span head, struct http_reply_head *reply);

/* -- the end of a head ------------------------------------------------------------------------- */

/*
 * Finds the end of a request head in a stream, and refuses early any input that cannot become a
 * head. Each byte is examined once, however the stream is cut into pieces.
 */

enum http_scan {
	WEIR_HTTP_SCAN_MORE,      /* all bytes belong to the head; it has not ended */
	WEIR_HTTP_SCAN_COMPLETE,  /* the head ends at *ret_used */
	WEIR_HTTP_SCAN_MALFORMED, /* to be replied to with 400 and closed; sticky */
};

/* All zero is the start of a head. */
struct http_head_scan {
	uint8_t state;          /* private */
	uint8_t empty_lines;    /* private: those before the request line */
	bool request_line_done; /* a head too long now is 431, and 414 before */
};

/*
 * Scans the bytes behind those of the call before. *ret_used is how many of them belong to the
 * head: all for MORE; up to and including its last LF for COMPLETE, with the state all zero again;
 * those before the wrong byte for MALFORMED.
 *
 * A head is malformed if its first byte is no tchar, as in a TLS ClientHello. So is one with LF
 * without CR, CR without LF or NUL, and one behind more than WEIR_HTTP_EMPTY_LINES_MAX empty lines.
 * All else is checked by http_head_parse.
 */
enum http_scan http_head_scan(
        struct http_head_scan *scan, struct weir_span fresh, size_t *ret_used);

/* -- framing ----------------------------------------------------------------------------------- */

/*
 * Some fields of a head control the connection and the end of the body. This part of the parser
 * prevents request smuggling (RFC 9112 6, 11.2).
 *
 * Evaluates Content-Length, Transfer-Encoding, Connection and Expect of a request whose fields have
 * been parsed; `repeated` has bit 1 << known set for each repeated field. Sets has_length, length,
 * chunked, keep_alive and expect_continue. Returns 0 or the status for the reply: 400, 417 or 501.
 */
int http_framing_find(struct weir_http_request *request, uint64_t repeated);

/* Does this without Expect, which a reply does not have. Returns 0, 400 or 501. */
int http_framing_find_body(struct weir_http_request *request, uint64_t repeated);

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
 * Finds the end of a line. A CR without an LF behind it, or an LF without a CR, is refused at once:
 * a proxy may see the line's end elsewhere, which allows request smuggling.
 */
enum weir_scan http_line_scan(struct weir_span data, size_t seen, struct weir_cut *ret);

/* The CRLF behind the data of a chunk. */
enum weir_scan http_chunk_end_scan(struct weir_span data, struct weir_cut *ret);

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

/* -- authorities ------------------------------------------------------------------------------- */

/*
 * Parses an authority, host[:port], as in Host and in the request-target (RFC 3986 3.2.2, RFC 9110
 * 7.2). The host is a registered name, an IPv4 address or an IPv6 address in
 * brackets, and is never empty. User information is refused (RFC 9110 4.2.4), and so are IPvFuture
 * and zones. *ret_host includes the brackets. *ret_port is -1 if there is no port or an empty one,
 * else at most 65535. Returns 0 or WEIR_E_SYNTAX.
 */
int http_authority_parse(struct weir_span authority, struct weir_span *ret_host, int *ret_port);

#endif
