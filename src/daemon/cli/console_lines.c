/* Lines by libedit, or by getline. The completion itself is in console_complete.c. */
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/buffer.h>

#include "admin_command.h"
#include "cli.h"
#include "console_complete.h"
#include "console_lines.h"

#ifdef WEIR_LIBEDIT

#include <histedit.h>

enum {
	CONSOLE_HISTORY_MAX = 100, /* lines; they are not stored in a file */
};

struct console_lines {
	EditLine *edit;
	History *history;
	const char *path;
	struct weir_buffer help; /* the daemon's, once it was asked */
	char line[ADMIN_LINE_MAX + 2];
};

static char *lines_prompt(EditLine *edit)
{
	static char prompt[] = "weir> ";
	(void)edit;
	return prompt;
}

/* These two are the client's own. */
static void lines_ask_for_help(struct console_lines *lines)
{
	static const char own[] = "quit\nexit\n";
	if (lines->help.size == 0 && console_ask(lines->path, "help", &lines->help))
		weir_buffer_append(&lines->help, own, sizeof own - 1, 2 * ADMIN_REPLY_MAX);
}

static void lines_print(struct weir_span proposals)
{
	struct weir_span line;
	putchar('\n');
	while (proposals.size) {
		weir_span_cut(&proposals, '\n', &line);
		printf("%.*s%s", (int)line.size, line.data, proposals.size ? "  " : "\n");
	}
	fflush(stdout);
}

/* Inserts what all proposals have in common, or shows them if that is nothing more. */
static unsigned char lines_propose(
        EditLine *edit, struct weir_span proposals, struct weir_span part)
{
	char text[ADMIN_LINE_MAX];
	struct weir_span common = console_common(proposals);
	bool only = common.size + 1 == proposals.size;
	if (!proposals.size || common.size >= sizeof text - 1)
		return CC_ERROR;
	if (!only && common.size == part.size) {
		lines_print(proposals);
		return CC_REDISPLAY;
	}
	snprintf(text, sizeof text, "%.*s%s", (int)(common.size - part.size),
	        common.data + part.size, only ? " " : "");
	return el_insertstr(edit, text) < 0 ? CC_ERROR : CC_REFRESH;
}

static unsigned char lines_complete(EditLine *edit, int key)
{
	struct console_lines *lines = NULL;
	struct weir_buffer proposals = {0};
	const LineInfo *info = el_line(edit);
	struct weir_span typed = weir_span(info->buffer, (size_t)(info->cursor - info->buffer));
	(void)key;
	el_get(edit, EL_CLIENTDATA, &lines);
	lines_ask_for_help(lines);
	/* Proposals that are missing for lack of memory are typed by hand. */
	console_complete(weir_buffer_span(&lines->help), typed, &proposals);
	unsigned char result =
	        lines_propose(edit, weir_buffer_span(&proposals), console_last_word(typed));
	weir_buffer_finish(&proposals);
	return result;
}

static void lines_set_up(struct console_lines *lines)
{
	HistEvent event;
	el_set(lines->edit, EL_CLIENTDATA, lines);
	el_set(lines->edit, EL_PROMPT, lines_prompt);
	el_set(lines->edit, EL_EDITOR, "emacs");
	el_set(lines->edit, EL_SIGNAL, 1);
	el_set(lines->edit, EL_HIST, history, lines->history);
	el_set(lines->edit, EL_ADDFN, "weir-complete", "Complete the command", lines_complete);
	el_set(lines->edit, EL_BIND, "^I", "weir-complete", NULL);
	history(lines->history, &event, H_SETSIZE, CONSOLE_HISTORY_MAX);
	history(lines->history, &event, H_SETUNIQUE, 1);
	el_source(lines->edit, NULL);
}

struct console_lines *console_lines_create(const char *path)
{
	struct console_lines *lines = calloc(1, sizeof *lines);
	if (!lines)
		return NULL;
	setlocale(LC_CTYPE, "");
	lines->path = path;
	lines->history = history_init();
	lines->edit = el_init("weir", stdin, stdout, stderr);
	if (!lines->history || !lines->edit) {
		console_lines_destroy(lines);
		return NULL;
	}
	lines_set_up(lines);
	return lines;
}

const char *console_lines_read(struct console_lines *lines)
{
	HistEvent event;
	int size = 0;
	const char *line = el_gets(lines->edit, &size);
	if (!line || size <= 0)
		return NULL;
	/* A line that is too long is one character too long, and is refused as such. */
	snprintf(lines->line, sizeof lines->line, "%.*s", (int)strcspn(line, "\r\n"), line);
	if (lines->line[strspn(lines->line, " \t")])
		history(lines->history, &event, H_ENTER, lines->line);
	return lines->line;
}

void console_lines_destroy(struct console_lines *lines)
{
	if (!lines)
		return;
	if (lines->edit)
		el_end(lines->edit);
	if (lines->history)
		history_end(lines->history);
	weir_buffer_finish(&lines->help);
	free(lines);
}

#else

struct console_lines {
	char *line;
	size_t size;
};

struct console_lines *console_lines_create(const char *path)
{
	(void)path;
	return calloc(1, sizeof(struct console_lines));
}

const char *console_lines_read(struct console_lines *lines)
{
	fputs("weir> ", stdout);
	fflush(stdout);
	if (getline(&lines->line, &lines->size, stdin) <= 0)
		return NULL;
	lines->line[strcspn(lines->line, "\r\n")] = 0;
	return lines->line;
}

void console_lines_destroy(struct console_lines *lines)
{
	if (!lines)
		return;
	free(lines->line);
	free(lines);
}

#endif
