/* weir status is the command `status` of the console, with an option for its format. */
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli.h"
#include "options.h"

int status_verb(int count, char **arguments)
{
	static const struct option known[] = {
	        {"config", required_argument, NULL, 'c'},
	        {"admin", required_argument, NULL, 'A'},
	        {"json", no_argument, NULL, 'j'},
	        {"help", no_argument, NULL, 'h'},
	        {0},
	};
	const char *config = NULL, *socket = NULL;
	bool json = false;
	char path[PATH_MAX];
	int letter;
	optind = 1;
	opterr = 0;
	while ((letter = getopt_long(count, arguments, ":c:h", known, NULL)) != -1) {
		if (letter == '?' || letter == ':')
			return refuse_option(arguments[0], letter, arguments);
		if (letter == 'h')
			return help_print_verb("status");
		if (letter == 'c')
			config = optarg;
		else if (letter == 'A')
			socket = optarg;
		else
			json = true;
	}
	if (optind < count)
		return usage_error("status", "'%s' is too much", arguments[optind]);
	int result = console_find("status", config, socket, path);
	if (result)
		return result;
	return console_command(path, json ? "status json" : "status") ? EXIT_DONE : EXIT_FAILED;
}
