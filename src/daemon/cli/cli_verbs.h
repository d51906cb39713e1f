/*
 * The verbs of the program and their options, as rows like those of the configuration. `--help`,
 * the manual and the completions are made from them; the options that are keys of the configuration
 * are in the tables of the keys.
 */
#ifndef DAEMON_CLI_VERBS_H
#define DAEMON_CLI_VERBS_H

#include "table.h"

struct verb {
	const char *name; /* NULL ends the table */
	const char *synopsis;
	const char *summary; /* a few words, for the list of verbs */
	const char *text;    /* sentences, for its help */
	const struct key *options;
	bool keys; /* keys of the configuration are options, too */
	const struct type *operand;
	const char *words;    /* instead of an operand, separated by spaces */
	const char *examples; /* command lines */
};

extern const struct verb cli_verbs[];

const struct verb *verb_find(const char *name);

/* -- options ----------------------------------------------------------------------------------- */

/* More options than a verb has. */
enum {
	VERB_OPTIONS_MAX = 96
};

struct verb_option {
	const struct key *key;
	const struct section *section; /* NULL: no key of the configuration */
	uint32_t offset;               /* of the value in struct config */
	bool listed;                   /* in a list of sections: the offset is none */
};

/* The options of a verb, in the order of the tables. Returns their number. */
size_t verb_options(const struct verb *verb, struct verb_option options[VERB_OPTIONS_MAX]);

/* The argument of an option in documents, or NULL if it takes none. */
const char *verb_option_argument(const struct key *key);

/* The sentence that documents the option. */
const char *verb_option_doc(const struct key *key);

#endif
