/*
 * Errors and events to stderr, a line each, which begins with "weir: ". For the main thread and the
 * workers alike; a line is written in one call, so that lines do not mix.
 */
#ifndef DAEMON_SAY_H
#define DAEMON_SAY_H

/*
 * From now on each line begins with the time, as 2026-11-28T20:10:00+0100, unless stderr is the
 * journal of systemd, which notes the time itself. Before threads start.
 */
void say_with_time(void);

/* The line's end is added. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
