/* weir status is the command `status` of the console, with an option for its format. */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli.h"
#include "options.h"
#include "verb_actions.h"

int status_verb(int count, char **arguments)
{
	const char *config = NULL, *socket = NULL;
	bool json = false, help = false;
	const struct action_option options[] = {{"config", .value = &config},
	        {"admin", .value = &socket}, {"json", .given = &json}, {0}};
	char path[PATH_MAX];
	int result = verb_actions_options(count, arguments, options, &help);
	if (result == 0 && help)
		return help_print_verb("status");
	if (result == 0)
		result = verb_actions_no_words(count, arguments);
	if (result == 0)
		result = console_find("status", config, socket, path);
	if (result)
		return result;
	return console_command(path, json ? "status json" : "status") ? EXIT_DONE : EXIT_FAILED;
}
