/*
 * The lines of an interactive session: with libedit they can be edited, TAB completes commands, and
 * earlier lines come back. Without it they are read as the terminal gives them.
 */
#ifndef DAEMON_CONSOLE_LINES_H
#define DAEMON_CONSOLE_LINES_H

struct console_lines;

/* `path` is that of the admin socket, borrowed. Returns NULL without memory or a terminal. */
struct console_lines *console_lines_create(const char *path);

/* Prints a prompt, and returns a line without its end, valid until the next call; NULL: no more. */
const char *console_lines_read(struct console_lines *lines);

/* NULL is allowed. */
void console_lines_destroy(struct console_lines *lines);

#endif
