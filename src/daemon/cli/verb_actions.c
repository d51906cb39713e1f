/* The options and actions of a verb. See verb_actions.h. */
#include "verb_actions.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "options.h"
#include "problems.h"

/* -- options ----------------------------------------------------------------------------------- */

struct actions_reading {
	const struct action_option *options;
	bool *ret_help;
};

static int verb_actions_set(void *context, const struct verb_option *option, const char *value)
{
	const struct actions_reading *reading = context;
	const struct action_option *to = reading->options;
	if (strcmp(option->key->option, "help") == 0) {
		*reading->ret_help = true;
		return 0;
	}
	while (to->name && strcmp(to->name, option->key->option) != 0)
		to++;
	assert(to->name); /* an option that the verb's table alone has */
	if (to->set)
		return to->set(to->context, value);
	if (to->value)
		*to->value = value;
	else
		*to->given = true;
	return 0;
}

int verb_actions_options(
        int count, char **arguments, const struct action_option *options, bool *ret_help)
{
	struct actions_reading reading = {options, ret_help};
	return options_read(arguments[0], count, arguments, verb_actions_set, &reading);
}

int verb_actions_no_words(int count, char **arguments)
{
	return optind < count ? usage_error(arguments[0], "%s takes no words, and '%s' is one",
	                                arguments[0], arguments[optind])
	                      : 0;
}

/* -- actions ----------------------------------------------------------------------------------- */

static const struct verb_action *verb_actions_at(const struct verb_actions *actions, unsigned i)
{
	const char *first = (const char *)actions->first;
	return (const struct verb_action *)(const void *)(first + i * actions->size);
}

/* Writes all that there are: "list, import or remove". */
static void verb_actions_list(const struct verb_actions *actions, char *text, size_t size)
{
	size_t at = 0;
	*text = 0;
	for (unsigned i = 0; verb_actions_at(actions, i)->name && at < size; i++) {
		bool last = !verb_actions_at(actions, i + 1)->name;
		at += (size_t)snprintf(text + at, size - at, "%s%s",
		        i == 0 ? ""
		        : last ? " or "
		               : ", ",
		        verb_actions_at(actions, i)->name);
	}
}

static int verb_actions_refuse(const struct verb_actions *actions, const char *name)
{
	char list[256];
	struct suggestion best = {0};
	verb_actions_list(actions, list, sizeof list);
	if (!name)
		return usage_error(actions->verb, "an action is missing: %s", list);
	for (unsigned i = 0; verb_actions_at(actions, i)->name; i++)
		suggest(&best, name, verb_actions_at(actions, i)->name);
	if (best.name)
		return usage_error(actions->verb, "there is no action '%s'; did you mean '%s'?",
		        name, best.name);
	return usage_error(actions->verb, "there is no action '%s': %s", name, list);
}

int verb_actions_find(const struct verb_actions *actions, int count, char **words,
        const struct verb_action **ret, const char *ret_words[ACTION_WORDS_MAX])
{
	const struct verb_action *action = actions->first;
	const char *name = count ? words[0] : actions->required ? NULL : action->name;
	unsigned more = count ? (unsigned)count - 1 : 0;
	for (unsigned i = 1; name && action->name && strcmp(action->name, name) != 0; i++)
		action = verb_actions_at(actions, i);
	if (!name || !action->name)
		return verb_actions_refuse(actions, name);
	if (more < action->least || more > action->most)
		return usage_error(actions->verb, "it is `weir %s %s%s`", actions->verb,
		        action->name, action->usage);
	for (unsigned i = 0; i < more && i < ACTION_WORDS_MAX; i++)
		ret_words[i] = words[1 + i];
	*ret = action;
	return 0;
}

int verb_actions_read(const struct verb_actions *actions, const struct action_option *options,
        int count, char **arguments, bool *ret_help, const struct verb_action **ret,
        const char *ret_words[ACTION_WORDS_MAX])
{
	int status = verb_actions_options(count, arguments, options, ret_help);
	if (status || *ret_help)
		return status;
	return verb_actions_find(actions, count - optind, arguments + optind, ret, ret_words);
}
