/*
 * The command line of a verb that has actions: `weir VERB [OPTION]... ACTION [WORD]...`. A table
 * has the actions, so that the messages about wrong ones follow from it.
 */
#ifndef DAEMON_VERB_ACTIONS_H
#define DAEMON_VERB_ACTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum {
	ACTION_OPTIONS_MAX = 8, /* of a verb, with --help */
	ACTION_WORDS_MAX = 3    /* of an action */
};

/* The struct of a verb's action begins with this one. A table ends with one without a name. */
struct verb_action {
	const char *name;
	const char *usage;    /* the words, each with a space before it; or "" */
	unsigned least, most; /* words; ACTION_WORDS_MAX at most */
};

/* An option; `value` or `given` is stored if the option is there. */
struct action_option {
	const char *name;
	char letter; /* 0: it has no short form */
	const char **value;
	bool *given;
};

/*
 * Reads the options of a verb, and --help; the words after them begin at optind. `options` end with
 * one without a name. Returns 0, or an exit status after a message.
 */
int verb_actions_options(
        int count, char **arguments, const struct action_option *options, bool *ret_help);

/*
 * Finds the action that the first word names, or the first of the table if there is no word, and
 * checks the count of the words behind it. `size` is that of a struct of the table. Returns 0, or
 * an exit status after a message.
 */
int verb_actions_find(const char *verb, const struct verb_action *actions, size_t size, int count,
        char **words, const struct verb_action **ret, const char *ret_words[ACTION_WORDS_MAX]);

#endif
