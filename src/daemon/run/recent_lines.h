/*
 * The last lines that the daemon has printed, for the status page. Any thread may add and read.
 * Nothing is allocated.
 */
#ifndef DAEMON_RECENT_LINES_H
#define DAEMON_RECENT_LINES_H

#include <stddef.h>
#include <stdint.h>

enum {
	RECENT_LINES_MAX = 32,      /* lines that are retained */
	RECENT_LINE_SIZE_MAX = 240, /* bytes of each; the rest is left out */
};

struct recent_line {
	int64_t at_s;                        /* since 1970 */
	char text[RECENT_LINE_SIZE_MAX + 1]; /* may have any bytes but NUL */
};

/* Adds a line, without its line end; the oldest one makes room. */
void recent_lines_add(const char *text, size_t size);

/* Copies the lines, the newest first. Returns their number. */
size_t recent_lines_copy(struct recent_line ret[RECENT_LINES_MAX]);

#endif
