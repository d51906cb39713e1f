/*
 * What the program says: errors and events to stderr, a line each, begun with "weir: ". For the
 * main thread and the workers alike; a line is written in one call, so that lines do not mix.
 */
#ifndef DAEMON_SAY_H
#define DAEMON_SAY_H

/* The line's end is added. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
