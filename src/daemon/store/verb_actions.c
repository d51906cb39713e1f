/* The options and actions of a verb. See verb_actions.h. */
#include "verb_actions.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "options.h"

enum {
	ACTION_HELP = 'h',
	ACTION_OPTION = 256 /* letters of options without a short form: this and their index */
};

static int verb_actions_letter(const struct action_option *options, unsigned i)
{
	return options[i].letter ? options[i].letter : ACTION_OPTION + (int)i;
}

static unsigned verb_actions_prepare(const struct action_option *options,
        struct option known[ACTION_OPTIONS_MAX + 1], char letters[2 * ACTION_OPTIONS_MAX + 2])
{
	unsigned count = 0;
	*letters++ = ':'; /* getopt_long distinguishes a missing value from an unknown option */
	for (; options[count].name; count++) {
		const struct action_option *option = &options[count];
		assert(count + 1 < ACTION_OPTIONS_MAX);
		known[count] = (struct option){option->name,
		        option->value ? required_argument : no_argument, NULL,
		        verb_actions_letter(options, count)};
		if (option->letter)
			*letters++ = option->letter;
		if (option->letter && option->value)
			*letters++ = ':';
	}
	known[count] = (struct option){"help", no_argument, NULL, ACTION_HELP};
	known[count + 1] = (struct option){0};
	*letters++ = ACTION_HELP;
	*letters = 0;
	return count;
}

int verb_actions_options(
        int count, char **arguments, const struct action_option *options, bool *ret_help)
{
	struct option known[ACTION_OPTIONS_MAX + 1];
	char letters[2 * ACTION_OPTIONS_MAX + 2];
	unsigned options_count = verb_actions_prepare(options, known, letters);
	int letter;
	optind = 1;
	opterr = 0;
	while ((letter = getopt_long(count, arguments, letters, known, NULL)) != -1) {
		if (letter == '?' || letter == ':')
			return refuse_option(arguments[0], letter, arguments);
		*ret_help |= letter == ACTION_HELP;
		for (unsigned i = 0; i < options_count; i++) {
			if (letter != verb_actions_letter(options, i))
				continue;
			if (options[i].value)
				*options[i].value = optarg;
			else
				*options[i].given = true;
		}
	}
	return 0;
}

static const struct verb_action *verb_actions_at(
        const struct verb_action *actions, size_t size, unsigned i)
{
	return (const struct verb_action *)(const void *)((const char *)actions + i * size);
}

/* Reports all that there are: "list, import or remove". */
static int verb_actions_refuse(
        const char *verb, const struct verb_action *actions, size_t size, const char *name)
{
	char text[256] = "";
	size_t at = 0;
	for (unsigned i = 0; verb_actions_at(actions, size, i)->name && at < sizeof text; i++) {
		bool last = !verb_actions_at(actions, size, i + 1)->name;
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%s",
		        i == 0 ? ""
		        : last ? " or "
		               : ", ",
		        verb_actions_at(actions, size, i)->name);
	}
	return usage_error(verb, "there is no action '%s': %s", name, text);
}

int verb_actions_find(const char *verb, const struct verb_action *actions, size_t size, int count,
        char **words, const struct verb_action **ret, const char *ret_words[ACTION_WORDS_MAX])
{
	const struct verb_action *action = actions;
	const char *name = count ? words[0] : actions->name;
	unsigned more = count ? (unsigned)count - 1 : 0;
	for (unsigned i = 1; action->name && strcmp(action->name, name) != 0; i++)
		action = verb_actions_at(actions, size, i);
	if (!action->name)
		return verb_actions_refuse(verb, actions, size, name);
	if (more < action->least || more > action->most)
		return usage_error(verb, "it is `weir %s %s%s`", verb, action->name, action->usage);
	for (unsigned i = 0; i < more; i++)
		ret_words[i] = words[1 + i];
	*ret = action;
	return 0;
}
