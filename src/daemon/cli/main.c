/* The program: finds the verb and runs it. Exit codes are in options.h. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "help.h"
#include "options.h"
#include "passwd.h"
#include "queue.h"
#include "serve.h"

static int cli_print(const char *text)
{
	return fputs(text, stdout) < 0 || fflush(stdout) < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int cli_run_serve(int count, char **arguments)
{
	struct options options;
	int error = options_parse_serve(count, arguments, &options);
	if (error)
		return error;
	return options.help ? cli_print(help_serve) : serve(&options);
}

static int cli_run_check(int count, char **arguments)
{
	struct options options;
	int error = options_parse_check(count, arguments, &options);
	if (error)
		return error;
	return options.help ? cli_print(help_check) : check(&options);
}

struct main_verb {
	const char *name;
	int (*run)(int count, char **arguments);
};

static const struct main_verb verbs[] = {
        {"serve", cli_run_serve},
        {"check", cli_run_check},
        {"passwd", passwd},
        {"queue", queue},
};

int main(int count, char **arguments)
{
	const char *word = count > 1 ? arguments[1] : "";
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(word, verbs[i].name) == 0)
			return verbs[i].run(count - 1, arguments + 1);
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return cli_print(help_program);
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
		return cli_print("weir " WEIR_VERSION "\n");
	if (*word)
		fprintf(stderr, "weir: there is no %s '%s'\n", *word == '-' ? "option" : "verb",
		        word);
	else
		fputs("weir: say what to do, as in `weir serve DIR`\n", stderr);
	fputs("Try `weir --help`.\n", stderr);
	return EXIT_USAGE;
}
