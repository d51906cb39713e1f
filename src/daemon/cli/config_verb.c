/* `weir config`. tools/generate puts its output into the documents. */
#include <stdio.h>
#include <string.h>

#include "config_verb.h"
#include "help.h"
#include "options.h"
#include "reference.h"

static const struct {
	const char *name;
	void (*print)(FILE *to);
} config_texts[] = {
        {"default", reference_default},
        {"bash", completion_bash},
        {"zsh", completion_zsh},
        {"fish", completion_fish},
        {"manual", reference_manual},
        {"options", reference_options},
        {"listing", reference_listing},
};

int config_verb(int count, char **arguments)
{
	const char *word = count > 1 ? arguments[1] : "";
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		return help_print_verb("config");
	if (!*word)
		return usage_error(
		        "config", "what to print is missing, as in `weir config default`");
	if (count > 2)
		return usage_error(
		        "config", "one text can be printed, and '%s' is another", arguments[2]);
	for (size_t i = 0; i < sizeof config_texts / sizeof *config_texts; i++) {
		if (strcmp(config_texts[i].name, word) != 0)
			continue;
		config_texts[i].print(stdout);
		return fflush(stdout) < 0 || ferror(stdout) ? EXIT_FAILED : EXIT_DONE;
	}
	return usage_error("config", "there is no text '%s'", word);
}
