/*
 * Finds the end of a request head in a stream, as the bytes come, and knows early what can never
 * become a head. Each byte is looked at once, however the stream is cut into pieces.
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
	WEIR_HTTP_SCAN_MALFORMED, /* answer 400 and close; sticky */
};

/* All zero is the start of a head. */
struct http_head_scan {
	uint8_t state;          /* private */
	uint8_t empty_lines;    /* private: those before the request line */
	bool request_line_done; /* a head too long now is 431, and 414 before */
};

/*
 * Takes the bytes that follow those of the call before. *ret_used is how many of them belong to the
 * head: all (MORE), up to and including its last LF (COMPLETE; the state is all zero again, for the
 * head after it), or those before the offending byte (MALFORMED).
 *
 * Malformed are: a first byte which is no tchar (a TLS ClientHello, say), more than
 * WEIR_HTTP_EMPTY_LINES_MAX empty lines before the request line, LF without CR, CR without LF, NUL.
 * The rest is left to http_head_parse.
 */
enum http_scan http_head_scan(
        struct http_head_scan *scan, struct weir_span fresh, size_t *ret_used);

#endif
