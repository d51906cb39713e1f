/*
 * `weir config`: manual pages and annotated configurations, made from the tables of keys.
 * tools/generate puts its output into the documents.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/list.h>

#include "cli.h"
#include "options.h"
#include "table.h"
#include "types.h"
#include "verb_actions.h"

enum {
	REFERENCE_WIDTH = 100,
	PATH_SIZE_MAX = 128, /* of "dns.zones.transfer" */
};

/* -- scdoc ------------------------------------------------------------------------------------- */

/* Prints a word, escaped for scdoc; quotes of code make it bold. */
static size_t manual_word(FILE *to, const char *word, size_t size, bool first)
{
	size_t put = 0;
	for (size_t i = 0; i < size; i++) {
		bool edge = i == 0 || i + 1 == size || !isalnum((unsigned char)word[i - 1]) ||
		            !isalnum((unsigned char)word[i + 1]);
		bool escaped = word[i] == '*' || word[i] == '\\' || word[i] == '<' ||
		               (word[i] == '_' && edge) ||
		               (first && i == 0 && strchr("-+#|[].:;!", word[i]));
		if (escaped)
			putc('\\', to);
		putc(word[i] == '`' ? '*' : word[i], to);
		put += 1 + escaped;
	}
	return put;
}

/* Prints a paragraph in lines that begin with a prefix. */
static void manual_wrap(FILE *to, const char *text, const char *prefix)
{
	size_t column = 0;
	for (; *text; text += strspn(text, " ")) {
		size_t size = strcspn(text, " ");
		bool first = column == 0 || column + 1 + size > REFERENCE_WIDTH;
		if (first) {
			fprintf(to, "%s%s", column ? "\n" : "", prefix);
			column = 8 * strlen(prefix);
		} else {
			column += (size_t)fprintf(to, " ");
		}
		column += manual_word(to, text, size, first);
		text += size;
	}
	putc('\n', to);
}

/* Prints the heading of a section: in upper case for a key of the top, else its path. */
static void manual_heading(FILE *to, const char *path)
{
	bool top = !strchr(path, '.');
	for (const char *c = path; *c; c++)
		putc(top ? toupper((unsigned char)*c) : *c, to);
}

static void manual_key(FILE *to, const struct key *key, const char *path)
{
	char *text = table_key_text(key, key->doc, true);
	fprintf(to, "\n*%s:* _%s_\n", key->name, key->type->argument);
	if (text)
		manual_wrap(to, text, "\t");
	if (key->of) {
		fputs("\tSee *", to);
		manual_heading(to, path);
		fputs("* below.\n", to);
	}
	free(text);
}

/* Whether the key is one that is documented in its section. */
static bool reference_has(const struct section *section, const struct key *key)
{
	return key->name && !(section->shared && strcmp(key->name, section->shared) == 0);
}

/* Prints the keys of a section; nested sections follow under headings of their own. */
static void manual_section(FILE *to, const struct section *section, const char *path, bool nested)
{
	if (section->doc) {
		putc('\n', to);
		manual_wrap(to, section->doc, "");
	}
	for (const struct key *key = section->keys; reference_has(section, key); key++) {
		char below[PATH_SIZE_MAX];
		snprintf(below, sizeof below, "%s%s%s", path, *path ? "." : "", key->name);
		manual_key(to, key, below);
	}
	for (const struct key *key = section->keys; nested && reference_has(section, key); key++) {
		char below[PATH_SIZE_MAX];
		if (!key->of)
			continue;
		snprintf(below, sizeof below, "%s.%s", path, key->name);
		fprintf(to, "\n## %s\n", below);
		manual_section(to, key->of, below, true);
	}
}

void reference_manual(FILE *to)
{
	fputs("# KEYS\n", to);
	manual_section(to, &table_top, "", false);
	for (const struct key *key = table_top.keys; key->name; key++) {
		if (!key->of)
			continue;
		fputs("\n# ", to);
		manual_heading(to, key->name);
		putc('\n', to);
		manual_section(to, key->of, key->name, true);
	}
}

static void manual_option(FILE *to, const struct verb_option *option)
{
	const struct key *key = option->key;
	const char *argument = verb_option_argument(key);
	putc('\n', to);
	if (key->option_letter)
		fprintf(to, "*-%c*, ", key->option_letter);
	fprintf(to, "*--%s*", key->option);
	if (key->option_alias)
		fprintf(to, ", *--%s*", key->option_alias);
	if (argument)
		fprintf(to, " _%s_", argument);
	else if (key->option_argument)
		fprintf(to, "[=_%s_]", key->option_argument);
	putc('\n', to);
	/* The default of the key need not be that of an option with its own sentence. */
	struct key optional = *key;
	optional.required = false;
	char *text = key->option_doc || !option->section || option->section->one_key
	                     ? strdup(verb_option_doc(key))
	                     : table_key_text(&optional, key->doc, true);
	if (text)
		manual_wrap(to, text, "\t");
	if (key->more && option->section && option->section->one_key)
		manual_wrap(to, key->more, "\t");
	free(text);
}

void reference_options(FILE *to)
{
	fputs("# OPTIONS\n", to);
	for (const struct verb *verb = cli_verbs; verb->name; verb++) {
		struct verb_option options[VERB_OPTIONS_MAX];
		size_t count = verb_options(verb, options);
		fprintf(to, "\n## weir %s\n", verb->name);
		for (size_t i = 0; i < count; i++)
			manual_option(to, &options[i]);
	}
}

/* -- YAML -------------------------------------------------------------------------------------- */

struct yaml {
	FILE *to;
	bool initial; /* the default file: a key that is not `initial` is a comment */
};

static void yaml_section(
        struct yaml *yaml, const struct section *section, unsigned indent, bool item, bool comment);

static void yaml_doc(struct yaml *yaml, const struct key *key, unsigned indent)
{
	char prefix[64];
	char *text = table_key_text(key, key->doc, false);
	snprintf(prefix, sizeof prefix, "%*s# ", (int)indent, "");
	fputs(prefix, yaml->to);
	if (text)
		help_wrap(yaml->to, text, prefix, strlen(prefix), REFERENCE_WIDTH);
	free(text);
}

/* Prints the name, with "- " before the first key of an item, and "#" before a comment. */
static void yaml_name(
        struct yaml *yaml, const struct key *key, unsigned indent, bool first, bool comment)
{
	fprintf(yaml->to, "%*s%s%s%s:", (int)(first ? indent - 2 : indent), "", comment ? "#" : "",
	        first ? "- " : "", key->name);
}

static void yaml_key(struct yaml *yaml, const struct section *section, const struct key *key,
        unsigned indent, bool first, bool comment)
{
	char *preset = table_default_text(key);
	const char *value = preset && *preset ? preset : NULL;
	if (key->example && (!yaml->initial || !value))
		value = key->example;
	if (yaml->initial && key->initial)
		value = key->initial;
	comment |= yaml->initial ? !key->initial : !value && !key->of;
	yaml_doc(yaml, key, indent);
	yaml_name(yaml, key, indent, first, comment);
	if (key->of) {
		putc('\n', yaml->to);
		yaml_section(yaml, key->of, indent + (key->type == &type_sections ? 4 : 2),
		        key->type == &type_sections, comment);
	} else {
		fprintf(yaml->to, " %s\n", value ? value : key->type->argument);
	}
	if (indent == 0)
		putc('\n', yaml->to);
	free(preset);
	(void)section;
}

static void yaml_section(
        struct yaml *yaml, const struct section *section, unsigned indent, bool item, bool comment)
{
	const struct key *key = section->keys;
	for (; reference_has(section, key); key++)
		yaml_key(yaml, section, key, indent,
		        item && (key == section->keys || section_has_alternative(section, key)),
		        comment);
	if (key->name)
		fprintf(yaml->to, "%*s# The keys from %s on, as they are above.\n", (int)indent, "",
		        key->name);
}

void reference_listing(FILE *to)
{
	struct yaml yaml = {to, false};
	yaml_section(&yaml, &table_top, 0, false, false);
}

void reference_default(FILE *to)
{
	struct yaml yaml = {to, true};
	fputs("# The configuration of weir; see weir.yaml(5).\n"
	      "#\n"
	      "# A key that is a comment is shown with its default, or with an example if the default\n"
	      "# is no value. Try a change with `weir check FILE`, and send SIGHUP to a running server.\n"
	      "\n",
	        to);
	yaml_section(&yaml, &table_top, 0, false, false);
}

/* -- the verb ---------------------------------------------------------------------------------- */

static const struct config_text {
	struct verb_action base;
	void (*print)(FILE *to);
} config_texts[] = {
        {{"default", "", 0, 0}, reference_default},
        {{"bash", "", 0, 0}, completion_bash},
        {{"zsh", "", 0, 0}, completion_zsh},
        {{"fish", "", 0, 0}, completion_fish},
        {{"manual", "", 0, 0}, reference_manual},
        {{"options", "", 0, 0}, reference_options},
        {{"listing", "", 0, 0}, reference_listing},
        {{0}},
};

int config_verb(int count, char **arguments)
{
	static const struct verb_actions actions = {
	        "config", &config_texts[0].base, sizeof *config_texts, true};
	static const struct action_option options[] = {{0}};
	const struct verb_action *found;
	const char *words[ACTION_WORDS_MAX];
	bool help = false;
	int status = verb_actions_read(&actions, options, count, arguments, &help, &found, words);
	if (status == 0 && help)
		return help_print_verb("config");
	if (status)
		return status;
	WEIR_CONTAINER(found, const struct config_text, base)->print(stdout);
	return fflush(stdout) < 0 || ferror(stdout) ? EXIT_FAILED : EXIT_DONE;
}
