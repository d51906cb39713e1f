/*
 * Finds the end of a request head in a stream, and refuses early any input that cannot become a
 * head. Each byte is examined once, however the stream is cut into pieces.
 */
#ifndef WEIR_HTTP_HEAD_SCAN_H
#define WEIR_HTTP_HEAD_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/span.h>

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

#endif
