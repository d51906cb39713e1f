/* weir console: its command line, and the session at a terminal or from a file. */
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin_command.h"
#include "cli.h"
#include "console_lines.h"
#include "options.h"
#include "say.h"
#include "verb_actions.h"

struct console {
	const char *config_path;
	const char *socket_path; /* NULL: the configuration has it */
	char path[PATH_MAX];     /* of the socket, once it is known */
	bool help;
};

/* -- the command line -------------------------------------------------------------------------- */

static int console_parse(int count, char **arguments, struct console *ret)
{
	const struct action_option options[] = {
	        {"config", .value = &ret->config_path}, {"admin", .value = &ret->socket_path}, {0}};
	return verb_actions_options(count, arguments, options, &ret->help);
}

/* -- the session ------------------------------------------------------------------------------- */

/* The words of the command line, as one line. */
static int console_run_words(const struct console *console, int count, char **words)
{
	char line[ADMIN_LINE_MAX + 1];
	size_t size = 0;
	for (int i = 0; i < count; i++) {
		size_t word = strlen(words[i]);
		if (strpbrk(words[i], "\r\n"))
			return usage_error("console", "a command is one line%s", "");
		if (size + word + 1 >= sizeof line)
			return usage_error(
			        "console", "a command has at most %d bytes", ADMIN_LINE_MAX);
		memcpy(line + size, words[i], word);
		size += word;
		line[size++] = ' ';
	}
	line[size - 1] = 0;
	return console_command(console->path, line) ? EXIT_DONE : EXIT_FAILED;
}

/* Runs a line of the session. Returns whether it is the last one. */
static bool console_run_line(const struct console *console, const char *line, bool *good)
{
	if (strcmp(line, "quit") == 0 || strcmp(line, "exit") == 0)
		return true;
	if (line[strspn(line, " \t")])
		*good &= console_command(console->path, line);
	return false;
}

/* Of a person at a terminal. */
static int console_converse(const struct console *console)
{
	struct console_lines *lines = console_lines_create(console->path);
	const char *line;
	bool good = true;
	if (!lines) {
		say("cannot use the terminal");
		return EXIT_FAILED;
	}
	do
		line = console_lines_read(lines);
	while (line && !console_run_line(console, line, &good));
	console_lines_destroy(lines);
	return good ? EXIT_DONE : EXIT_FAILED;
}

/* Of a file or a program. */
static int console_run_lines(const struct console *console)
{
	bool good = true;
	char *line = NULL;
	size_t size = 0;
	while (getline(&line, &size, stdin) > 0) {
		line[strcspn(line, "\r\n")] = 0;
		if (console_run_line(console, line, &good))
			break;
	}
	free(line);
	return good ? EXIT_DONE : EXIT_FAILED;
}

/* Parses the options, and finds the socket. Stores an exit code, and returns whether to go on. */
static bool console_begin(int count, char **arguments, struct console *console, int *ret_code)
{
	*ret_code = console_parse(count, arguments, console);
	if (*ret_code == 0 && !console->help && !verb_find(arguments[0])->command)
		*ret_code = verb_actions_no_words(count, arguments);
	if (*ret_code)
		return false;
	if (console->help)
		*ret_code = help_print_verb(arguments[0]);
	else
		*ret_code = console_find(
		        arguments[0], console->config_path, console->socket_path, console->path);
	return !console->help && *ret_code == 0;
}

int console(int count, char **arguments)
{
	struct console console = {0};
	int code;
	if (!console_begin(count, arguments, &console, &code))
		return code;
	if (optind < count)
		return console_run_words(&console, count - optind, arguments + optind);
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? console_converse(&console)
	                                                     : console_run_lines(&console);
}

int console_upgrade(int count, char **arguments)
{
	struct console console = {0};
	int code;
	if (!console_begin(count, arguments, &console, &code))
		return code;
	return console_command(console.path, "upgrade") ? EXIT_DONE : EXIT_FAILED;
}
