/* Makes the completions for shells from the verbs and the rows of their options. */
#include <string.h>

#include "cli.h"
#include "types.h"

/* The proposals for the argument of an option or a verb. */
enum proposal {
	PROPOSE_NOTHING,
	PROPOSE_WORDS,
	PROPOSE_FILES,
	PROPOSE_DIRECTORIES,
	PROPOSE_USERS,
};

static enum proposal completion_of_type(const struct type *type)
{
	if (type == &type_directory || type == &type_new_directory)
		return PROPOSE_DIRECTORIES;
	if (type == &type_file || type == &type_log || type == &type_socket)
		return PROPOSE_FILES;
	return type == &type_user ? PROPOSE_USERS : PROPOSE_NOTHING;
}

static enum proposal completion_of(const struct key *key)
{
	if (key->option_argument)
		return PROPOSE_NOTHING;
	enum proposal proposal = completion_of_type(key->type);
	if (proposal == PROPOSE_NOTHING && (key->option_values || key->words))
		return PROPOSE_WORDS;
	return proposal;
}

static enum proposal completion_of_operand(const struct verb *verb)
{
	return verb->operand ? completion_of_type(verb->operand) : PROPOSE_NOTHING;
}

/* Prints the words of a key, separated by spaces. */
static void completion_words(FILE *to, const struct key *key)
{
	if (key->option_values)
		fputs(key->option_values, to);
	for (size_t i = 0; !key->option_values && key->words && key->words[i]; i++)
		fprintf(to, "%s%s", i ? " " : "", key->words[i]);
}

/* Prints a sentence without its full stop and quotes of code, escaped for a shell. */
static void completion_doc(FILE *to, const char *doc, const char *escaped)
{
	size_t size = strlen(doc);
	for (size_t i = 0; i < size; i++) {
		if (doc[i] == '`' || (doc[i] == '.' && i + 1 == size))
			continue;
		if (strchr(escaped, doc[i]))
			putc('\\', to);
		if (doc[i] == '\'')
			fputs("'\\''", to);
		else
			putc(doc[i], to);
	}
}

static const char completion_head[] =
        "# Completion of weir for %s. Made by `weir config %s`: do not edit.\n";

/* -- bash -------------------------------------------------------------------------------------- */

static void bash_options(FILE *to, const struct verb *verb)
{
	struct verb_option options[VERB_OPTIONS_MAX];
	size_t count = verb_options(verb, options);
	for (size_t i = 0; i < count; i++) {
		fprintf(to, "%s--%s", i ? " " : "", options[i].key->option);
		if (options[i].key->option_alias)
			fprintf(to, " --%s", options[i].key->option_alias);
	}
}

static const char *const bash_flags[] = {[PROPOSE_NOTHING] = "",
        [PROPOSE_WORDS] = "",
        [PROPOSE_FILES] = " -f",
        [PROPOSE_DIRECTORIES] = " -d",
        [PROPOSE_USERS] = " -u"};

static void bash_argument(FILE *to, const struct verb *verb, const struct key *key)
{
	fprintf(to, "\t%s:--%s", verb->name, key->option);
	if (key->option_alias)
		fprintf(to, " | %s:--%s", verb->name, key->option_alias);
	if (key->option_letter)
		fprintf(to, " | %s:-%c", verb->name, key->option_letter);
	fputs(")\n\t\tmapfile -t COMPREPLY < <(compgen -W '", to);
	completion_words(to, key);
	fprintf(to, "'%s -- \"$word\")\n\t\treturn\n\t\t;;\n", bash_flags[completion_of(key)]);
}

static void bash_operand(FILE *to, const struct verb *verb)
{
	const char *flag = bash_flags[completion_of_operand(verb)];
	if (verb->words && verb->operand) /* files and directories behind the action alone */
		fprintf(to,
		        "\t%s:*) mapfile -t COMPREPLY < <(compgen -W '%s' "
		        "$([ \"$previous\" = %s ] || echo%s) -- \"$word\") ;;\n",
		        verb->name, verb->words, verb->name, flag);
	else
		fprintf(to, "\t%s:*) mapfile -t COMPREPLY < <(compgen -W '%s'%s -- \"$word\") ;;\n",
		        verb->name, verb->words ? verb->words : "", flag);
}

void completion_bash(FILE *to)
{
	fprintf(to, completion_head, "bash", "bash");
	fputs("\n_weir() {\n"
	      "\tlocal word=$2 previous=$3 verb=${COMP_WORDS[1]-}\n"
	      "\tCOMPREPLY=()\n"
	      "\tif [ \"$COMP_CWORD\" = 1 ]; then\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -W '",
	        to);
	for (const struct verb *verb = cli_verbs; verb->name; verb++)
		fprintf(to, "%s ", verb->name);
	fputs("--help --version' -- \"$word\")\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tcase $verb:$previous in\n",
	        to);
	for (const struct verb *verb = cli_verbs; verb->name; verb++) {
		struct verb_option options[VERB_OPTIONS_MAX];
		size_t count = verb_options(verb, options);
		for (size_t i = 0; i < count; i++)
			if (verb_option_argument(options[i].key))
				bash_argument(to, verb, options[i].key);
	}
	fputs("\tesac\n\tcase $verb:$word in\n", to);
	for (const struct verb *verb = cli_verbs; verb->name; verb++) {
		fprintf(to, "\t%s:-*) mapfile -t COMPREPLY < <(compgen -W '", verb->name);
		bash_options(to, verb);
		fputs("' -- \"$word\") ;;\n", to);
		bash_operand(to, verb);
	}
	fputs("\tesac\n}\n\ncomplete -o filenames -F _weir weir\n", to);
}

/* -- zsh --------------------------------------------------------------------------------------- */

static const char *const zsh_actions[] = {[PROPOSE_NOTHING] = "",
        [PROPOSE_FILES] = "_files",
        [PROPOSE_DIRECTORIES] = "_directories",
        [PROPOSE_USERS] = "_users"};

/* Proposals of words have their colons escaped. */
static void zsh_action(FILE *to, const struct key *key)
{
	enum proposal proposal = completion_of(key);
	if (proposal != PROPOSE_WORDS) {
		fputs(zsh_actions[proposal], to);
		return;
	}
	putc('(', to);
	for (const char *c = key->option_values; c && *c; c++)
		fprintf(to, "%s%c", *c == ':' ? "\\" : "", *c);
	if (!key->option_values)
		completion_words(to, key);
	putc(')', to);
}

static void zsh_option(FILE *to, const struct key *key)
{
	const char *argument = verb_option_argument(key);
	fputs("\t\t", to);
	if (key->option_letter)
		fprintf(to, "'(-%c --%s)'{-%c,--%s}'[", key->option_letter, key->option,
		        key->option_letter, key->option);
	else if (key->option_alias)
		fprintf(to, "'*'{--%s,--%s}'[", key->option, key->option_alias);
	else
		fprintf(to, "'*--%s[", key->option);
	completion_doc(to, verb_option_doc(key), "[]\\:");
	putc(']', to);
	if (argument) {
		putc(':', to);
		completion_doc(to, argument, ":");
		putc(':', to);
		zsh_action(to, key);
	}
	fputs("' \\\n", to);
}

static void zsh_verb(FILE *to, const struct verb *verb)
{
	struct verb_option options[VERB_OPTIONS_MAX];
	size_t count = verb_options(verb, options);
	fprintf(to, "%s)\n\t_arguments \\\n", verb->name);
	for (size_t i = 0; i < count; i++)
		zsh_option(to, options[i].key);
	const char *action = zsh_actions[completion_of_operand(verb)];
	if (verb->words)
		fprintf(to, "\t\t'2:what:(%s)'", verb->words);
	if (verb->words && verb->operand)
		fprintf(to, " \\\n\t\t'*:%s:%s'", verb->operand->argument, action);
	else if (verb->operand)
		fprintf(to, "\t\t'2:%s:%s'", verb->operand->argument, action);
	else if (!verb->words)
		fputs("\t\t'2:: :'", to);
	putc('\n', to);
	fputs("\t;;\n", to);
}

void completion_zsh(FILE *to)
{
	fputs("#compdef weir\n", to);
	fprintf(to, completion_head, "zsh", "zsh");
	fputs("\nlocal -a verbs\nverbs=(\n", to);
	for (const struct verb *verb = cli_verbs; verb->name; verb++)
		fprintf(to, "\t'%s:%s'\n", verb->name, verb->summary);
	fputs(")\n\n"
	      "if (( CURRENT == 2 )); then\n"
	      "\t_describe -t verbs 'verb' verbs\n"
	      "\t_arguments '--help[print help]' '--version[print the version]'\n"
	      "\treturn\n"
	      "fi\n\n"
	      "case $words[2] in\n",
	        to);
	for (const struct verb *verb = cli_verbs; verb->name; verb++)
		zsh_verb(to, verb);
	fputs("esac\n", to);
}

/* -- fish -------------------------------------------------------------------------------------- */

static void fish_proposal(FILE *to, enum proposal proposal, const struct key *key)
{
	if (proposal == PROPOSE_FILES)
		fputs(" -r -F", to);
	else
		fputs(" -x", to);
	if (proposal == PROPOSE_DIRECTORIES)
		fputs(" -a '(__fish_complete_directories)'", to);
	if (proposal == PROPOSE_USERS)
		fputs(" -a '(__fish_complete_users)'", to);
	if (key->option_values || key->words) {
		fputs(" -a '", to);
		completion_words(to, key);
		putc('\'', to);
	}
}

static void fish_option(FILE *to, const struct verb *verb, const struct key *key, const char *name)
{
	fprintf(to, "complete -c weir -n '__fish_seen_subcommand_from %s' -l %s", verb->name, name);
	if (key->option_letter)
		fprintf(to, " -s %c", key->option_letter);
	if (verb_option_argument(key))
		fish_proposal(to, completion_of(key), key);
	fputs(" -d '", to);
	completion_doc(to, verb_option_doc(key), "\\");
	fputs("'\n", to);
}

static void fish_operand(FILE *to, const struct verb *verb)
{
	fprintf(to, "complete -c weir -n '__fish_seen_subcommand_from %s'", verb->name);
	enum proposal proposal = completion_of_operand(verb);
	if (verb->words)
		fprintf(to, " -a '%s'", verb->words);
	if (proposal == PROPOSE_DIRECTORIES)
		fputs(" -a '(__fish_complete_directories)'", to);
	else if (proposal == PROPOSE_FILES)
		fputs(" -F", to);
	else if (proposal == PROPOSE_USERS)
		fputs(" -a '(__fish_complete_users)'", to);
	putc('\n', to);
}

void completion_fish(FILE *to)
{
	fprintf(to, completion_head, "fish", "fish");
	fputs("\nset -l verbs", to);
	for (const struct verb *verb = cli_verbs; verb->name; verb++)
		fprintf(to, " %s", verb->name);
	fputs("\n\ncomplete -c weir -f\n", to);
	for (const struct verb *verb = cli_verbs; verb->name; verb++)
		fprintf(to,
		        "complete -c weir -n \"not __fish_seen_subcommand_from $verbs\" -a %s -d "
		        "'%s'\n",
		        verb->name, verb->summary);
	fputs("complete -c weir -n \"not __fish_seen_subcommand_from $verbs\" -s V -l version -d "
	      "'Print the version'\n",
	        to);
	for (const struct verb *verb = cli_verbs; verb->name; verb++) {
		struct verb_option options[VERB_OPTIONS_MAX];
		size_t count = verb_options(verb, options);
		putc('\n', to);
		fish_operand(to, verb);
		for (size_t i = 0; i < count; i++) {
			const struct key *key = options[i].key;
			fish_option(to, verb, key, key->option);
			if (key->option_alias)
				fish_option(to, verb, key, key->option_alias);
		}
	}
}
