/*
 * Prints errors and events to stderr, a line each, which begins with "weir: ". Any thread may
 * print; a line is written by one call, so that lines do not mix.
 */
#ifndef DAEMON_SAY_H
#define DAEMON_SAY_H

#include <stdatomic.h>
#include <stdbool.h>

/*
 * Has each line begin with the time, as 2026-11-28T20:10:00+0100, unless stderr is the journal of
 * systemd, which adds the time itself. Call it before threads start.
 */
void say_with_time(void);

/* Prints a line; its end is added. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * For a tree's root_walked. Each worker has a tree or two of a root: the first to notice prints it
 * for all, which `*lost` remembers.
 */
void say_root(const char *root, atomic_bool *lost, int error);

#endif
