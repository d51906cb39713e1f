/*
 * Prints the daemon's own errors and events, a line each: to stderr, where a line begins with
 * "weir: ", or to a log (say_log.h). Any thread may print; a line is written by one call, so that
 * lines do not mix.
 */
#ifndef DAEMON_SAY_H
#define DAEMON_SAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/log.h>
#include <weir/loop.h>
#include <weir/span.h>

/*
 * Has each line begin with the time, as 2026-11-28T20:10:00+0100. If stderr is the journal of
 * systemd, which adds the time itself, lines begin with their level instead, as <4> (sd-daemon(3)).
 * Call it before threads start.
 */
void say_with_time(void);

/* Sets the form of lines, WEIR_LOG_TEXT at first. Other threads may print meanwhile. */
void say_in_format(enum weir_log_format format);

/*
 * Whether lines are text on stderr alone, which is waited for, so that other text may be printed
 * between them.
 */
bool say_is_plain(void);

/*
 * From here on no thread waits for the reader of stderr, if that is a pipe, a terminal or a socket.
 * A line that would have to wait is lost, and counted. A regular file is written at once, so that a
 * line is on it before the next thing happens; the log of say_log.h waits for no disk.
 */
void say_never_wait(void);

/* The number of lines that stderr did not take. */
uint64_t say_lost_lines(void);

/* Prints an error, whatever weir_log_level is. The end of the line is added. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints a line of this level, unless weir_log_level leaves it out. */
void say_at(enum weir_log_level level, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Prints an error to stderr, also if lines go to a log: for the fault of that log. */
void say_on_stderr(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* -- a log for the lines ----------------------------------------------------------------------- */

/* Where lines go: a set of bits. */
enum say_where {
	SAY_NOWHERE = 0,
	SAY_STDERR = 1,
	SAY_LOG = 2,
};

/* How a line of text is composed. */
struct say_form {
	enum weir_log_format format;
	bool time;
	bool name; /* begins with "weir: " */
};

/* A log; any thread calls its functions. */
struct say_sink {
	enum say_where (*where)(void);
	struct say_form (*form)(void);
	/*
	 * Adds a line, which has no control characters; its end is added. Returns false if there is
	 * no log by now.
	 */
	bool (*add)(enum weir_log_level level, struct weir_span line);
};

/* From here on the sink, which lives as long as the program, decides where lines go. */
void say_into(const struct say_sink *sink);

/* -- roots ------------------------------------------------------------------------------------- */

/*
 * For a tree's root_walked. Each worker has a tree or two of a root: the first to notice prints it
 * for all, which `*lost` remembers.
 */
void say_root(const char *root, atomic_bool *lost, int error);

/* -- complaints -------------------------------------------------------------------------------- */

/*
 * A rate limit for messages that clients can provoke, so that no client can fill the disk: the
 * first ones of a period are reported, the others are counted, and their number is reported at its
 * end.
 */
enum {
	COMPLAINTS_PERIOD_S = 10,
	COMPLAINTS_MAX = 20, /* reported in a period */
};

struct complaints {
	struct weir_loop *loop;
	struct weir_timer timer; /* runs during a period that had one */
	const char *what;        /* "TLS handshakes that failed" */
	unsigned reported;
	unsigned suppressed;
};

void complaints_init(struct complaints *complaints, struct weir_loop *loop, const char *what);

/* Whether one more may be reported now; if not, it is counted. */
bool complaints_allow(struct complaints *complaints);

/* Reports the number of those that were counted. */
void complaints_end(struct complaints *complaints);

#endif
