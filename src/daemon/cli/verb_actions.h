/*
 * The command line of a verb: `weir VERB [OPTION]... [ACTION] [WORD]...`. The table of verbs
 * (cli_verbs.c) has its options; a table here has its actions. The messages about wrong ones follow
 * from the tables.
 */
#ifndef DAEMON_VERB_ACTIONS_H
#define DAEMON_VERB_ACTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* -- options ----------------------------------------------------------------------------------- */

/* Where an option of the verb goes: one of the three members behind the name is set. */
struct action_option {
	const char *name; /* as in cli_verbs.c; `help` is none of these */
	const char **value;
	bool *given;
	int (*set)(void *context, const char *value); /* returns 0, or an exit status */
	void *context;
};

/*
 * Reads the options of the verb arguments[0], and --help; the words behind them begin at optind.
 * `options` end with one without a name, and are all that the verb has. Returns 0, or an exit
 * status after a message.
 */
int verb_actions_options(
        int count, char **arguments, const struct action_option *options, bool *ret_help);

/* Refuses words behind the options. Returns 0, or an exit status after a message. */
int verb_actions_no_words(int count, char **arguments);

/* -- actions ----------------------------------------------------------------------------------- */

enum {
	ACTION_WORDS_MAX = 3,       /* that are stored */
	ACTION_WORDS_ANY = INT_MAX, /* an action with more reads them itself */
};

/* The struct of a verb's action begins with this one. A table ends with one without a name. */
struct verb_action {
	const char *name;
	const char *usage;    /* the words, each with a space before it; or "" */
	unsigned least, most; /* words: ACTION_WORDS_MAX at most, or ACTION_WORDS_ANY */
};

struct verb_actions {
	const char *verb;
	const struct verb_action *first;
	size_t size;   /* of a struct of the table */
	bool required; /* there must be a word; otherwise the first action is the default */
};

/*
 * Finds the action that the first word names, and checks the count of the words behind it. Returns
 * 0, or an exit status after a message.
 */
int verb_actions_find(const struct verb_actions *actions, int count, char **words,
        const struct verb_action **ret, const char *ret_words[ACTION_WORDS_MAX]);

/*
 * Reads the options of the verb and finds the action behind them; with --help there is none.
 * Returns 0, or an exit status after a message.
 */
int verb_actions_read(const struct verb_actions *actions, const struct action_option *options,
        int count, char **arguments, bool *ret_help, const struct verb_action **ret,
        const char *ret_words[ACTION_WORDS_MAX]);

#endif
