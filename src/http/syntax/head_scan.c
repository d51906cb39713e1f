/*
 * A machine of seven states over CR, LF and NUL; all other bytes are skipped eight at a time. It
 * stores no bytes and no positions, only its state.
 */
#include "head.h"
#include "syntax.h"

enum state {
	START,    /* before the request line */
	START_CR, /* behind the CR of an empty line there */
	LINE,     /* within a line that is not empty */
	LINE_CR,
	NEXT,    /* at the start of a line behind the request line */
	NEXT_CR, /* only an LF may follow, and it ends the head */
	REFUSED,
};

static bool http_head_scan_is_plain(char byte)
{
	return byte != '\r' && byte != '\n' && byte != 0;
}

/* The first byte that is CR, LF or NUL, or `end`. */
static const char *http_head_scan_skip_plain(const char *at, const char *end)
{
	while (end - at >= 8) {
		unsigned small = http_first_below(http_load8(at), '\r' + 1);
		at += small;
		if (small == 8)
			continue;
		if (!http_head_scan_is_plain(*at))
			return at;
		at++; /* a tab, perhaps */
	}
	while (at < end && http_head_scan_is_plain(*at))
		at++;
	return at;
}

/*
 * Skips lines faster than http_head_scan_step, from within a line, as long as each line ends in
 * CRLF and the next one begins with a usual character. The scan is in a line afterwards.
 */
static const char *http_head_scan_skip_lines(
        struct http_head_scan *scan, const char *at, const char *end)
{
	for (;;) {
		at = http_head_scan_skip_plain(at, end);
		if (end - at < 3 || at[0] != '\r' || at[1] != '\n' || (uint8_t)at[2] <= '\r')
			return at;
		scan->request_line_done = true;
		at += 3;
	}
}

/* Returns the state after a byte. The caller checks for REFUSED, and for NEXT_CR with LF. */
static enum state http_head_scan_step(struct http_head_scan *scan, char byte)
{
	switch ((enum state)scan->state) {
	case START:
		if (byte == '\r')
			return scan->empty_lines < WEIR_HTTP_EMPTY_LINES_MAX ? START_CR : REFUSED;
		return http_is(byte, WEIR_HTTP_TCHAR) ? LINE : REFUSED;
	case START_CR:
		scan->empty_lines++;
		return byte == '\n' ? START : REFUSED;
	case NEXT:
		if (byte == '\r')
			return NEXT_CR;
		return byte == '\n' || byte == 0 ? REFUSED : LINE;
	case LINE:
		return byte == '\r' ? LINE_CR : REFUSED;
	case LINE_CR:
		scan->request_line_done |= byte == '\n';
		return byte == '\n' ? NEXT : REFUSED;
	default:
		return REFUSED;
	}
}

enum http_scan http_head_scan(struct http_head_scan *scan, struct weir_span fresh, size_t *ret_used)
{
	const char *at = fresh.data, *end = fresh.size ? at + fresh.size : at;
	for (; scan->state != REFUSED; at++) {
		if (scan->state == LINE) {
			at = http_head_scan_skip_lines(scan, at, end);
			if (end - at >= 4 && memcmp(at, "\r\n\r\n", 4) == 0) {
				scan->state = NEXT_CR;
				at += 3;
			}
		}
		if (at == end) {
			*ret_used = fresh.size;
			return WEIR_HTTP_SCAN_MORE;
		}
		if (scan->state == NEXT_CR && *at == '\n') {
			*scan = (struct http_head_scan){0};
			*ret_used = (size_t)(at - fresh.data) + 1;
			return WEIR_HTTP_SCAN_COMPLETE;
		}
		scan->state = (uint8_t)http_head_scan_step(scan, *at);
		if (scan->state == REFUSED)
			break;
	}
	*ret_used = (size_t)(at - fresh.data);
	return WEIR_HTTP_SCAN_MALFORMED;
}
