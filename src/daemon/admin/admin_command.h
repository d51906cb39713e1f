/*
 * Commands of the admin socket, as data. Each part of the daemon registers a table of its own:
 *
 *   static const struct admin_command commands[] = {
 *           {"guard list", "", "lists …", 0, 0, guard_list},
 *           {0},
 *   };
 *
 * A command line is words, separated by spaces. The longest name that its first words spell is the
 * command; the words behind are its arguments.
 *
 *   client:  guard clear 192.0.2.7 LF
 *   server:  SP text LF           any number of lines of text, each with a space before it
 *            ok LF                 the end of the reply, or: error SP text LF
 *
 * Life of a request: `run` is called once, on the main loop; then, at once or later on the same
 * loop, exactly one of admin_ok and admin_error ends the request and frees it. The client may have
 * gone by then.
 */
#ifndef DAEMON_ADMIN_COMMAND_H
#define DAEMON_ADMIN_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/buffer.h>
#include <weir/span.h>

struct weir_channel;
struct weir_reply;

enum {
	ADMIN_LINE_MAX = 1024,     /* bytes of a command line, and of a line of a reply */
	ADMIN_WORDS_MAX = 16,      /* of a command line */
	ADMIN_REPLY_MAX = 1 << 20, /* bytes of a reply; the rest is left out, which is an error */
};

/* A command line, cut into words. */
struct admin_line {
	char text[ADMIN_LINE_MAX + 1]; /* each word ends with NUL */
	const char *words[ADMIN_WORDS_MAX];
	unsigned count;
};

struct admin_request {
	struct admin_line line;
	const char *const *arguments; /* in the line, behind the command's name */
	unsigned count;               /* of the arguments */
	struct weir_reply *reply;
	struct weir_buffer text; /* of the reply so far */
	int error;               /* of the first line that could not be added */
};

struct admin_command {
	const char *name;      /* NULL ends a table */
	const char *arguments; /* for help; "" if there are none */
	const char *help;      /* one sentence, without a full stop */
	unsigned least;        /* fewest arguments */
	unsigned most;         /* most arguments */
	void (*run)(void *context, struct admin_request *request);
};

/* A table that is registered. The caller's; it outlives the admin socket. */
struct admin_table {
	struct admin_table *next;
	const struct admin_command *commands;
	void *context; /* for `run` */
};

/*
 * Cuts a line, which is without its line end. Returns 0, WEIR_E_LIMIT if the line is too long or
 * has too many words, or WEIR_E_SYNTAX if it has a control character.
 */
int admin_parse(struct weir_span text, struct admin_line *ret);

/* Returns the command that the words begin with, or NULL. `ret_words` are the words of its name. */
const struct admin_command *admin_find(const struct admin_table *tables,
        const struct admin_line *line, const struct admin_table **ret_table, unsigned *ret_words);

/* Runs the command that a client has sent. Every line gets one reply. */
void admin_run(
        const struct admin_table *tables, struct weir_channel *channel, struct weir_span text);

/* Adds a line to the reply. Control characters are shown as '?'; a long line is cut off. */
void admin_print(struct admin_request *request, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* End the request: it succeeded, or it failed for this reason. */
void admin_ok(struct admin_request *request);
void admin_error(struct admin_request *request, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

#endif
