/*
 * Each value is compared with its default as text, so that types need no comparison of their own.
 * Defaults are those that section_init stores.
 */
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "types.h"

/* The largest value that a row stores is a domain name; sections are not printed as one value. */
enum {
	VALUE_SIZE_MAX = 512
};

/* Returns a stored value as text, to be freed; NULL without memory. */
static char *print_value(const struct key *key, const void *value)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	if (!to)
		return NULL;
	/* The number 0 means that the key is not set, unless 0 is a value of the key. */
	bool missing = key->type->number && key->otherwise && !type_load(key->type, value);
	if (key->type->print && !missing)
		key->type->print(to, key, value);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

char *table_default_text(const struct key *key)
{
	union {
		max_align_t aligned;
		char bytes[VALUE_SIZE_MAX];
	} value = {0};
	struct key alone[] = {*key, {0}};
	struct section section = {.keys = alone};
	struct memory memory = {0};
	struct problems problems = {.file = ""};
	struct reader reader = {.memory = &memory, .problems = &problems, .directory = "/"};
	char *text = NULL;
	alone[0].offset = 0;
	if (key->of || key->type->size > sizeof value)
		return strdup(key->preset_text ? key->preset_text : "");
	if (section_init(&reader, &section, &value))
		text = print_value(key, &value);
	problems_free(&problems);
	memory_free(&memory);
	return text;
}

/* -- sentences --------------------------------------------------------------------------------- */

/* Prints "From 1 to 64." The bounds of words, permission bits and huge sizes are left out. */
static void text_range(FILE *to, const struct key *key)
{
	const struct type *type = key->type;
	if (type != &type_number && type != &type_duration && type != &type_size)
		return;
	if (key->words || (type == &type_size && key->max >= 1ull << 40))
		return;
	fputs(" From ", to);
	struct key bound = *key;
	bound.zero = NULL;
	type_print_number(to, &bound, key->min);
	fputs(" to ", to);
	type_print_number(to, &bound, key->max);
	if (key->zero)
		fprintf(to, ", or %s", key->zero);
	putc('.', to);
}

static void text_preset(FILE *to, const struct key *key)
{
	char *text = table_default_text(key);
	if (key->required)
		fputs(" Required.", to);
	else if (key->otherwise)
		fprintf(to, " Default: %s.", key->otherwise);
	else if (text && *text)
		fprintf(to, " Default: `%s`.", text);
	free(text);
}

char *table_key_text(const struct key *key, const char *doc, bool all)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	if (!to)
		return NULL;
	fputs(doc, to);
	if (all && key->more)
		fprintf(to, " %s", key->more);
	if (all && key->needs)
		fprintf(to, " It needs `%s`.", key->needs);
	text_range(to, key);
	text_preset(to, key);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

/* -- a configuration --------------------------------------------------------------------------- */

struct printer {
	FILE *to;
	bool failed;
};

static void print_section(struct printer *printer, const struct section *section,
        const void *target, unsigned indent);

/* Whether the key has its default. */
static bool print_is_default(struct printer *printer, const struct key *key, const void *value)
{
	char *text = print_value(key, value), *preset = table_default_text(key);
	bool is_default = text && preset && strcmp(text, preset) == 0;
	printer->failed |= !text || !preset;
	free(text);
	free(preset);
	return is_default;
}

/* Whether the key has no effect because the key that it needs is not set. */
static bool print_is_useless(struct printer *printer, const struct section *section,
        const struct key *key, const void *target)
{
	for (const struct key *other = section->keys; key->needs && other->name; other++)
		if (strcmp(other->name, key->needs) == 0)
			return print_is_default(
			        printer, other, (const char *)target + other->offset);
	return false;
}

static void print_missing(struct printer *printer, const struct key *key, unsigned indent)
{
	fprintf(printer->to, "%*s# %s: ", (int)indent, "", key->name);
	if (key->otherwise)
		fprintf(printer->to, "not set; default: %s\n", key->otherwise);
	else
		fprintf(printer->to, "not set\n");
}

/*
 * Returns the keys of an item that have a value, "http: 127.0.0.1:8080", to be freed; NULL without
 * memory. Each but the first is on a line of its own, with this indent.
 */
static char *print_one_key(const struct section *section, const void *item, unsigned indent)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	bool failed = !to, first = true;
	for (const struct key *key = section->keys; !failed && key->name; key++) {
		char *value = print_value(key, (const char *)item + key->offset);
		failed = !value;
		if (value && *value) {
			if (!first)
				fprintf(to, "\n%*s", (int)indent, "");
			fprintf(to, "%s: %s", key->name, value);
			first = false;
		}
		free(value);
	}
	if (to && fclose(to) != 0)
		failed = true;
	if (!failed)
		return text;
	free(text);
	return NULL;
}

/* Prints a line for each item with one key; the default alone is printed as it is documented. */
static void print_one_keys(
        struct printer *printer, const struct key *key, const struct list *list, unsigned indent)
{
	for (size_t i = 0; i < list->count; i++) {
		char *text = print_one_key(
		        key->of, (const char *)list->items + i * key->of->size, indent + 4);
		char whole[128] = "";
		printer->failed |= !text;
		if (text)
			snprintf(whole, sizeof whole, "[{%s}]", text);
		if (list->count == 1 && key->preset_text && strcmp(whole, key->preset_text) == 0)
			fprintf(printer->to, "%*s%s: %s  # default\n", (int)indent, "", key->name,
			        whole);
		else if (i == 0)
			fprintf(printer->to, "%*s%s:\n%*s- %s\n", (int)indent, "", key->name,
			        (int)indent + 2, "", text ? text : "");
		else
			fprintf(printer->to, "%*s- %s\n", (int)indent + 2, "", text ? text : "");
		free(text);
	}
}

static void print_list(
        struct printer *printer, const struct key *key, const struct list *list, unsigned indent)
{
	if (list->count == 0 && key->preset_text) {
		fprintf(printer->to, "%*s%s: %s  # default\n", (int)indent, "", key->name,
		        key->preset_text);
		return;
	}
	if (list->count == 0) {
		print_missing(printer, key, indent);
		return;
	}
	if (key->of->one_key) {
		print_one_keys(printer, key, list, indent);
		return;
	}
	fprintf(printer->to, "%*s%s:\n", (int)indent, "", key->name);
	for (size_t i = 0; i < list->count; i++) {
		fprintf(printer->to, "%*s-\n", (int)indent + 2, "");
		print_section(printer, key->of, (const char *)list->items + i * key->of->size,
		        indent + 4);
	}
}

static void print_plain(struct printer *printer, const struct section *section,
        const struct key *key, const void *value, unsigned indent)
{
	char *text = print_value(key, value);
	bool is_default = print_is_default(printer, key, value);
	if (!text || printer->failed)
		printer->failed = true;
	else if (*text && !(is_default && key->otherwise))
		fprintf(printer->to, "%*s%s: %s%s\n", (int)indent, "", key->name, text,
		        is_default && !key->required ? "  # default" : "");
	else if (!section->one_key)
		print_missing(printer, key, indent);
	free(text);
}

static void print_key(struct printer *printer, const struct section *section, const struct key *key,
        const void *target, unsigned indent)
{
	const void *value = (const char *)target + key->offset;
	const struct list *list = key->type == &type_sections ? value : NULL;
	if (print_is_useless(printer, section, key, target)) {
		fprintf(printer->to, "%*s# %s: not used without '%s'\n", (int)indent, "", key->name,
		        key->needs);
	} else if (list && key->zero && list->items && list->count == 0) {
		fprintf(printer->to, "%*s%s: %s\n", (int)indent, "", key->name, key->zero);
	} else if (list) {
		print_list(printer, key, value, indent);
	} else if (key->type != &type_section) {
		if (key->type->print)
			print_plain(printer, section, key, value, indent);
	} else if (key->of->is_present && !key->of->is_present(value)) {
		print_missing(printer, key, indent);
	} else {
		fprintf(printer->to, "%*s%s:\n", (int)indent, "", key->name);
		print_section(printer, key->of, value, indent + 2);
	}
}

static void print_section(
        struct printer *printer, const struct section *section, const void *target, unsigned indent)
{
	for (const struct key *key = section->keys; key->name; key++)
		print_key(printer, section, key, target, indent);
}

bool table_print(FILE *to, const struct section *section, const void *target)
{
	struct printer printer = {.to = to};
	print_section(&printer, section, target, 0);
	return !printer.failed;
}
