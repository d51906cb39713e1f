/* Prints help. A line has at most 80 columns, and the sentences of options begin in column 26. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "options.h"
#include "table.h"

enum {
	HELP_WIDTH = 80,
	HELP_COLUMN = 26,
};

void help_wrap(FILE *to, const char *text, const char *prefix, size_t column, size_t width)
{
	size_t indent = strlen(prefix);
	bool begun = false;
	while (*text) {
		size_t size = strcspn(text, " "), marks = 0;
		for (size_t i = 0; i < size; i++)
			marks += text[i] == '`';
		if (begun && column + 1 + size - marks > width) {
			fprintf(to, "\n%s", prefix);
			column = indent;
			begun = false;
		}
		if (begun)
			putc(' ', to);
		for (size_t i = 0; i < size; i++)
			if (text[i] != '`')
				putc(text[i], to);
		column += size - marks + begun;
		begun = true;
		text += size;
		text += strspn(text, " ");
	}
	putc('\n', to);
}

/* Prints "-c, --config FILE", and returns the column behind it. */
static size_t help_print_name(FILE *to, const struct key *key)
{
	const char *argument = verb_option_argument(key);
	int size = fprintf(to, "  ");
	if (key->option_letter)
		size += fprintf(to, "-%c, ", key->option_letter);
	size += fprintf(to, "--%s", key->option);
	if (key->option_alias)
		size += fprintf(to, ", --%s", key->option_alias);
	if (argument)
		size += fprintf(to, " %s", argument);
	else if (key->option_argument)
		size += fprintf(to, "[=%s]", key->option_argument);
	return (size_t)size;
}

/* An option that means its key has the bounds and the default of the key; to be freed. */
static char *help_text(const struct verb_option *option)
{
	const struct key *key = option->key;
	bool is_key =
	        option->section && !option->section->one_key && !key->option_doc && !key->required;
	return is_key ? table_key_text(key, key->doc, false) : strdup(verb_option_doc(key));
}

static void help_print_option(FILE *to, const struct verb_option *option)
{
	const struct key *key = option->key;
	char *text = help_text(option);
	static const char indent[] = "                          ";
	size_t column = help_print_name(to, key);
	if (column + 1 < HELP_COLUMN)
		fprintf(to, "%*s", (int)(HELP_COLUMN - column), "");
	else
		fprintf(to, "\n%s", indent);
	help_wrap(to, text ? text : key->doc, indent, HELP_COLUMN, HELP_WIDTH);
	free(text);
}

/* Indents each line of the examples. */
static void help_print_examples(FILE *to, const char *examples)
{
	for (const char *end; (end = strchr(examples, '\n')); examples = end + 1)
		fprintf(to, "  %.*s\n", (int)(end - examples), examples);
}

static int help_end(void)
{
	return fflush(stdout) < 0 || ferror(stdout) ? EXIT_FAILED : EXIT_DONE;
}

int help_print_verb(const char *name)
{
	const struct verb *verb = verb_find(name);
	struct verb_option options[VERB_OPTIONS_MAX];
	size_t count = verb_options(verb, options);
	printf("usage: weir %s %s\n\n", verb->name, verb->synopsis);
	help_wrap(stdout, verb->text, "", 0, HELP_WIDTH);
	putchar('\n');
	for (size_t i = 0; i < count; i++)
		help_print_option(stdout, &options[i]);
	putchar('\n');
	help_print_examples(stdout, verb->examples);
	return help_end();
}

int help_print(void)
{
	puts("usage: weir VERB [OPTION...]\n\nAn asynchronous internet server.\n");
	for (const struct verb *verb = cli_verbs; verb->name; verb++)
		printf("  %-16s %s\n", verb->name, verb->summary);
	puts("\n  -h, --help       print this text; `weir VERB --help` is about a verb\n"
	     "  -V, --version    print the version\n"
	     "\n"
	     "`weir serve` alone serves ./public on http://127.0.0.1:8080/.\n"
	     "The manual: man weir, man weir.yaml");
	return help_end();
}
