/*
 * The last lines that the daemon has printed, for the status page. Any thread may add and read.
 * Nothing is allocated. A server process has the lines of its master among them: those of a crash,
 * a restart or an upgrade.
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

/*
 * In the master, before there are threads: puts the lines into a memory file, which no other
 * process can change. Returns 0 or a negative errno.
 */
int recent_lines_share(int *ret_fd);

/* In a server process: reads the lines of the master, too. Closes the descriptor. */
void recent_lines_follow(int fd);

/* After an upgrade: adds the lines of the master before. Closes the descriptor. */
void recent_lines_inherit(int fd);

#endif
