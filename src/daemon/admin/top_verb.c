/*
 * weir top: sends the console's command `top` again and again. The daemon sorts, so that the cost
 * of a page hardly depends on the number of connections.
 *
 * Invariant: the terminal's settings are restored at the end, also after a signal. Lines of the
 * reply have no control characters (admin_command.h).
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/span.h>

#include "cli.h"
#include "options.h"
#include "verb_actions.h"

enum {
	TOP_EVERY_MS = 2000,
	TOP_LINES_ONCE = 50, /* of a page without a terminal */
	TOP_HEAD = 3,        /* lines that are not connections */
};

static const struct {
	char key;
	const char *order;
} top_keys[] = {{'q', "quiet"}, {'s', "sent"}, {'r', "replies"}};

static struct termios top_terminal; /* as it was */
static volatile sig_atomic_t top_ended;

static void top_on_signal(int signal)
{
	(void)signal;
	top_ended = 1;
}

/* -- a page ------------------------------------------------------------------------------------ */

static void top_size(unsigned *ret_lines, unsigned *ret_columns)
{
	struct winsize size;
	*ret_lines = 24;
	*ret_columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > TOP_HEAD) {
		*ret_lines = size.ws_row;
		*ret_columns = size.ws_col;
	}
}

static bool top_ask(const char *path, const char *order, unsigned lines, struct weir_buffer *ret)
{
	char command[64];
	snprintf(command, sizeof command, "top %s %u", order, lines);
	return console_ask(path, command, ret);
}

/* Draws over the last page, so that the terminal does not flicker. */
static bool top_draw(const char *path, const char *order)
{
	struct weir_buffer text = {0};
	unsigned lines, columns;
	top_size(&lines, &columns);
	bool good = top_ask(path, order, lines - TOP_HEAD, &text);
	struct weir_span rest = weir_span(text.data, text.size), line;
	fputs("\033[H", stdout);
	for (unsigned i = 0; good && i + 1 < lines && rest.size; i++) {
		weir_span_cut(&rest, '\n', &line);
		printf("%.*s\033[K\n", (int)(line.size < columns ? line.size : columns), line.data);
	}
	printf("\033[Jq quiet  s sent  r replies  space: now  x: end");
	fflush(stdout);
	weir_buffer_finish(&text);
	return good;
}

/* -- the terminal ------------------------------------------------------------------------------ */

static bool top_begin(void)
{
	struct sigaction action = {.sa_handler = top_on_signal};
	if (tcgetattr(STDIN_FILENO, &top_terminal) < 0)
		return false;
	struct termios raw = top_terminal;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs("\033[?1049h\033[?25l\033[2J", stdout);
	return true;
}

static void top_end(void)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &top_terminal);
}

/* Waits for a key or for the next page. Changes the order. */
static void top_wait(const char **order)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char key;
	if (poll(&input, 1, TOP_EVERY_MS) <= 0)
		return;
	if (read(STDIN_FILENO, &key, 1) != 1 || key == 'x')
		top_ended = 1;
	for (size_t i = 0; i < sizeof top_keys / sizeof *top_keys; i++)
		if (key == top_keys[i].key)
			*order = top_keys[i].order;
}

static int top_watch(const char *path, const char *order)
{
	bool good = true;
	if (!top_begin())
		return EXIT_FAILED;
	while (good && !top_ended) {
		good = top_draw(path, order);
		if (good)
			top_wait(&order);
	}
	top_end();
	return good ? EXIT_DONE : EXIT_FAILED;
}

static int top_once(const char *path, const char *order)
{
	struct weir_buffer text = {0};
	bool good = top_ask(path, order, TOP_LINES_ONCE, &text);
	if (good && text.size)
		good = fwrite(text.data, text.size, 1, stdout) == 1 && fflush(stdout) == 0;
	weir_buffer_finish(&text);
	return good ? EXIT_DONE : EXIT_FAILED;
}

/* -- the command line -------------------------------------------------------------------------- */

static const char *top_order(const char *word)
{
	for (size_t i = 0; i < sizeof top_keys / sizeof *top_keys; i++)
		if (strcmp(word, top_keys[i].order) == 0)
			return top_keys[i].order;
	return NULL;
}

static int top_set_order(void *context, const char *value)
{
	const char *order = top_order(value);
	if (!order)
		return usage_error("top", "--sort must be quiet, sent or replies, not '%s'", value);
	*(const char **)context = order;
	return 0;
}

int top_verb(int count, char **arguments)
{
	const char *config = NULL, *socket = NULL, *order = "quiet";
	bool once = !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO), help = false;
	const struct action_option options[] = {{"config", .value = &config},
	        {"admin", .value = &socket}, {"once", .given = &once},
	        {"sort", .set = top_set_order, .context = &order}, {0}};
	char path[PATH_MAX];
	int result = verb_actions_options(count, arguments, options, &help);
	if (result == 0 && help)
		return help_print_verb("top");
	if (result == 0)
		result = verb_actions_no_words(count, arguments);
	if (result == 0)
		result = console_find("top", config, socket, path);
	if (result)
		return result;
	return once ? top_once(path, order) : top_watch(path, order);
}
