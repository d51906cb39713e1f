/*
 * Completion in the console: the words that may follow what is typed, by the usage lines of the
 * daemon's `help`. So every command that a part of the daemon registers is completed.
 *
 *   log level [info|warning|error]            shows or changes the level
 *
 * A word in small letters is typed as it is, one of those between | is chosen, and a word in
 * capitals stands for any word.
 */
#ifndef DAEMON_CONSOLE_COMPLETE_H
#define DAEMON_CONSOLE_COMPLETE_H

#include <weir/buffer.h>
#include <weir/span.h>

/* Bytes of all proposals; further ones are left out. */
enum {
	CONSOLE_PROPOSALS_MAX = 4096
};

/*
 * Appends the words that may take the place of the last word of `typed`, and begin with it. After a
 * space it is empty. Each is a line; they have the order of `help`, and none is there twice.
 * Returns 0, or -ENOMEM or WEIR_E_LIMIT if some are missing.
 */
int console_complete(struct weir_span help, struct weir_span typed, struct weir_buffer *ret);

/* Returns the longest text that all proposals begin with; empty if there are none. */
struct weir_span console_common(struct weir_span proposals);

/* Returns the last word of what is typed. */
struct weir_span console_last_word(struct weir_span typed);

#endif
