/*
 * The log of the daemon's own lines: the key `log`. A thread adds a line to a buffer, the main loop
 * takes it from there to a log as all others are (weir/log.h), so that no loop waits for a disk or
 * a socket.
 *
 *   say ─▶ stderr                                                at first, and without a log
 *   say ─▶ stderr, and the log                                   until say_log_started
 *   say ─▶ `waiting` ─▶ the main loop ─▶ weir/log.h ─▶ the log   then
 */
#ifndef DAEMON_SAY_LOG_H
#define DAEMON_SAY_LOG_H

#include <stdbool.h>

#include <weir/log.h>

struct weir_loop;
struct config;

/* The value of `log` for stderr. */
#define SAY_LOG_STDERR_PATH "/dev/stderr"

/*
 * Has lines go to the log of the configuration, which is opened by log_create; if that log is open
 * already, its form may change. Returns 0, or a negative errno, which was reported: the log before
 * stays. On the main thread, whose loop it is; it may turn the loop.
 */
int say_log_use(struct weir_loop *loop, const struct config *config);

/* The daemon serves: from here on only the log has the lines. */
void say_log_started(void);

/* Opens the log anew, after it was renamed. Reports a failure. */
void say_log_reopen(void);

/* Writes what waits, and closes the log; lines go to stderr again. Turns the loop. */
void say_log_close(void);

/* In a child after fork(2): the loop is the parent's, so that lines go to stderr. */
void say_log_forget(void);

#endif
