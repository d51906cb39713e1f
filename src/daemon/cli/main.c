/* The program finds the verb and runs it. Exit codes are in options.h. */
#include <stdio.h>
#include <string.h>

#include <weir/version.h>

#include "acme_process.h"
#include "cli.h"
#include "key_process.h"
#include "master.h"
#include "options.h"
#include "problems.h"
#include "serve.h"

static int print_version(void)
{
	puts("weir " WEIR_VERSION);
	return fflush(stdout) < 0 || ferror(stdout) ? EXIT_FAILED : EXIT_DONE;
}

static int cli_run_serve(int count, char **arguments)
{
	struct options options;
	int error = options_parse_serve(count, arguments, &options);
	if (error)
		return error;
	if (options.help)
		return help_print_verb("serve");
	return master_is_resuming() || config_wants_master(&options) ? master(&options, arguments)
	                                                             : serve(&options);
}

static int cli_run_check(int count, char **arguments)
{
	struct options options;
	int error = options_parse_check(count, arguments, &options);
	if (error)
		return error;
	return options.help ? help_print_verb("check") : check(&options);
}

static const struct {
	const char *name;
	int (*run)(int count, char **arguments);
} runners[] = {
        {"serve", cli_run_serve},
        {"check", cli_run_check},
        {"config", config_verb},
        {"passwd", passwd},
        {"queue", queue},
        {"console", console},
        {"status", status_verb},
        {"top", top_verb},
        {"upgrade", console_upgrade},
        {"fetch", fetch},
        {"store", store_verb},
        {"zone", zone_verb},
        {"certificate", certificate_verb},
        {"mailbox", mailbox_verb},
        {"@server", serve_process}, /* see master.h */
        {"@acme", acme_process},
        {"@keys", key_process},
        {"@probe", master_probe},
};

static int cli_refuse_word(const char *word)
{
	struct suggestion best = {0};
	for (const struct verb *verb = cli_verbs; verb->name; verb++)
		suggest(&best, word, verb->name);
	suggest(&best, word, "--help");
	suggest(&best, word, "--version");
	if (!*word)
		fputs("weir: a verb is missing, as in `weir serve DIR`\n", stderr);
	else if (best.name)
		fprintf(stderr, "weir: there is no %s '%s'; did you mean '%s'?\n",
		        *word == '-' ? "option" : "verb", word, best.name);
	else
		fprintf(stderr, "weir: there is no %s '%s'\n", *word == '-' ? "option" : "verb",
		        word);
	fputs("Try `weir --help`.\n", stderr);
	return EXIT_USAGE;
}

int main(int count, char **arguments)
{
	const char *word = count > 1 ? arguments[1] : "";
	for (size_t i = 0; i < sizeof runners / sizeof *runners; i++)
		if (strcmp(word, runners[i].name) == 0)
			return runners[i].run(count - 1, arguments + 1);
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return help_print();
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
		return print_version();
	return cli_refuse_word(word);
}
