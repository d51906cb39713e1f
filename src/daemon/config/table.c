/*
 * Reads a document along the tables. Invariant: depth and length are bounded by the tables, not by
 * the document, so that aliases which contain each other do no harm.
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "helper.h"
#include "problems.h"
#include "table.h"

/* Keys of one mapping, which are compared each with each. */
enum {
	KEYS_MAX = 256
};

/* -- problems ---------------------------------------------------------------------------------- */

void reader_name(struct reader *reader, const char *name)
{
	snprintf(reader->name, sizeof reader->name, "'%.64s'", name);
}

static void reader_add(
        struct reader *reader, struct location at, const char *format, va_list arguments)
{
	char *text;
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	problems_add(reader->problems, at, "%s", text ? text : "out of memory");
	free(text);
}

void reader_problem(struct reader *reader, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	reader_add(reader, reader->at, format, arguments);
	va_end(arguments);
}

void reader_problem_at(struct reader *reader, const struct node *node, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	reader_add(reader, node ? node_location(node) : (struct location){0}, format, arguments);
	va_end(arguments);
}

bool reader_refuse(struct reader *reader, const struct key *key, const char *text)
{
	const struct type *type = key->type->item ? key->type->item : key->type;
	reader_problem(reader, "%s must be %s, not '%.64s'", reader->name, type->what, text);
	return false;
}

/* -- memory ------------------------------------------------------------------------------------ */

void *reader_alloc(struct reader *reader, size_t size)
{
	void *memory = memory_alloc(reader->memory, size);
	if (!memory)
		reader_problem(reader, "out of memory");
	return memory;
}

char *reader_copy(struct reader *reader, const char *text, size_t size)
{
	char *copy = memory_copy(reader->memory, text, size);
	if (!copy)
		reader_problem(reader, "out of memory");
	return copy;
}

char *reader_path(struct reader *reader, const char *text)
{
	size_t prefix = strlen(reader->directory), size = strlen(text);
	if (text[0] == '/')
		return reader_copy(reader, text, size);
	char *path = reader_alloc(reader, prefix + size + 2);
	if (path)
		snprintf(path, prefix + size + 2, "%s/%s", reader->directory, text);
	return path;
}

/* -- values ------------------------------------------------------------------------------------ */

const char *reader_text(struct reader *reader, const char *name, const struct node *node)
{
	reader->at = node_location(node);
	reader_name(reader, name);
	if (node->type != NODE_SCALAR) {
		reader_problem(reader, "%s must be one value, not a %s", reader->name,
		        node->type == NODE_LIST ? "list" : "mapping");
		return NULL;
	}
	if (node->broken)
		return NULL;
	if (node_is_empty(node)) {
		reader_problem(reader, "%s has no value", reader->name);
		return NULL;
	}
	if (node->count > CONFIG_TEXT_MAX) {
		reader_problem(reader, "the value of %s is too long: %d bytes are allowed",
		        reader->name, CONFIG_TEXT_MAX);
		return NULL;
	}
	if (text_has_control(weir_span(node->text, node->count))) {
		reader_problem(reader,
		        "the value of %s contains a line end or another control character",
		        reader->name);
		return NULL;
	}
	return node->text;
}

uint64_t type_load(const struct type *type, const void *value)
{
	if (type->size == sizeof(bool))
		return *(const bool *)value;
	if (type->size == sizeof(unsigned))
		return *(const unsigned *)value;
	return *(const uint64_t *)value;
}

void type_store(const struct type *type, uint64_t number, void *target)
{
	if (type->size == sizeof(bool))
		*(bool *)target = number;
	else if (type->size == sizeof(unsigned))
		*(unsigned *)target = (unsigned)number;
	else
		*(uint64_t *)target = number;
}

/* Splits "a, b" at the commas. */
static bool key_parse_list(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	const struct type *item = key->type->item;
	size_t count = 1;
	for (const char *comma = text; (comma = strchr(comma, ',')); comma++)
		count++;
	struct list list = {reader_alloc(reader, (count + 1) * item->size), 0};
	bool good = list.items;
	for (const char *next; good && text; text = next) {
		next = strchr(text, ',');
		char *part = reader_copy(reader, text, next ? (size_t)(next - text) : strlen(text));
		good = part && item->parse(reader, key, part,
		                       (char *)list.items + list.count++ * item->size);
		if (next)
			next += 1 + strspn(next + 1, " ");
	}
	memcpy(target, &list, sizeof list);
	return good;
}

bool key_parse(struct reader *reader, const struct key *key, const char *text, void *target)
{
	return key->type->item ? key_parse_list(reader, key, text, target)
	                       : key->type->parse(reader, key, text, target);
}

/* -- lists ------------------------------------------------------------------------------------- */

static void key_read_scalar(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	const char *text = reader_text(reader, key->name, node);
	if (text)
		key->type->parse(reader, key, text, target);
}

/* A list without brackets is a mistake also if it has one item: so a list always looks like one. */
static void key_read_list(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	const struct type *item = key->type->item;
	if (node->type != NODE_LIST) {
		reader_problem_at(reader, node, "'%s' must be %s", key->name, key->type->what);
		return;
	}
	if (node->count < key->min || node->count > key->max) {
		reader_problem_at(reader, node, "'%s' must have %llu to %llu entries, not %zu",
		        key->name, (unsigned long long)key->min, (unsigned long long)key->max,
		        node->count);
		return;
	}
	struct list list = {reader_alloc(reader, (node->count + 1) * item->size), 0};
	for (size_t i = 0; list.items && i < node->count; i++) {
		const char *text = reader_text(reader, key->name, node->items[i]);
		snprintf(reader->name, sizeof reader->name, "an entry of '%s'", key->name);
		list.count += text && item->parse(reader, key, text,
		                              (char *)list.items + list.count * item->size);
	}
	memcpy(target, &list, sizeof list);
}

static void key_read_section(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	section_read(reader, node, key->of, target);
}

static void key_read_sections(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	const struct section *of = key->of;
	if (key->zero && node->type == NODE_SCALAR && strcmp(node->text, key->zero) == 0) {
		struct list word = {reader_alloc(reader, 1), 0};
		memcpy(target, &word, sizeof word);
		return;
	}
	if (node->type != NODE_LIST) {
		reader_problem_at(reader, node,
		        "'%s' must be %s%sa list: lines that begin with '- ', each %s", key->name,
		        key->zero ? key->zero : "", key->zero ? ", or " : "", of->what);
		return;
	}
	if (node->count > key->max) {
		reader_problem_at(reader, node, "'%s' has %zu entries, and %llu are allowed",
		        key->name, node->count, (unsigned long long)key->max);
		return;
	}
	struct list list = {reader_alloc(reader, node->count * of->size + 1), node->count};
	if (!list.items)
		return;
	/* Stored first, so that it is released with the configuration if a later item fails. */
	memcpy(target, &list, sizeof list);
	for (size_t i = 0; i < node->count; i++) {
		void *item = (char *)list.items + i * of->size;
		if (section_init(reader, of, item))
			section_read(reader, node->items[i], of, item);
	}
}

const struct type type_section = {
        .what = "a mapping", .argument = "MAPPING", .read = key_read_section};
const struct type type_sections = {
        .what = "a list of mappings", .argument = "LIST", .read = key_read_sections};

/* -- sections ---------------------------------------------------------------------------------- */

static bool key_init(struct reader *reader, const struct key *key, void *target)
{
	if (key->type == &type_section)
		return section_init(reader, key->of, target);
	if (key->type->number)
		type_store(key->type, key->preset, target);
	else if (key->preset_text && key->type != &type_sections)
		return key_parse(reader, key, key->preset_text, target);
	return true;
}

bool section_has_alternative(const struct section *section, const struct key *key)
{
	return section->one_key && key->type == section->keys->type;
}

bool section_init(struct reader *reader, const struct section *section, void *target)
{
	struct reader defaults = *reader;
	bool good = true;
	defaults.syntax_only = true;
	for (const struct key *key = section->keys; key->name; key++) {
		reader_name(&defaults, key->name);
		good = key_init(&defaults, key, (char *)target + key->offset) && good;
	}
	return good;
}

static const struct key *section_find(const struct section *section, const char *name)
{
	for (const struct key *key = section->keys; key->name; key++)
		if (strcmp(key->name, name) == 0)
			return key;
	return NULL;
}

static void section_refuse_key(
        struct reader *reader, const struct section *section, const struct node *name)
{
	struct suggestion best = {0};
	for (const struct key *key = section->keys; key->name; key++)
		suggest(&best, name->text, key->name);
	if (best.name)
		reader_problem_at(reader, name, "there is no key '%.64s' in %s; did you mean '%s'?",
		        name->text, section->what, best.name);
	else
		reader_problem_at(
		        reader, name, "there is no key '%.64s' in %s", name->text, section->what);
}

/* Whether the pair is the first with its key, and the key a name. */
static bool section_check_name(
        struct reader *reader, const struct node *mapping, const struct node_pair *pair)
{
	const struct node *name = pair->key;
	if (name->type != NODE_SCALAR) {
		reader_problem_at(reader, name, "a key is a name, not a list or a mapping");
		return false;
	}
	for (const struct node_pair *other = mapping->pairs; other < pair; other++) {
		const struct node *earlier = other->key;
		if (earlier->type != NODE_SCALAR || strcmp(earlier->text, name->text) != 0)
			continue;
		bool same = earlier->source == name->source;
		reader_problem_at(reader, name,
		        "'%.64s' is given a second time; the first is in line %zu%s%s", name->text,
		        earlier->line, same ? "" : " of ", same ? "" : earlier->source->path);
		return false;
	}
	return true;
}

static void section_read_pair(struct reader *reader, const struct node *mapping,
        const struct node_pair *pair, const struct section *section, void *target)
{
	if (!section_check_name(reader, mapping, pair))
		return;
	const struct key *key = section_find(section, pair->key->text);
	struct node *value = pair->value;
	if (!key) {
		section_refuse_key(reader, section, pair->key);
	} else if (node_is_empty(value) && !value->broken) {
		reader_problem_at(reader, pair->key, "'%s' has no value", key->name);
	} else {
		const struct type *type = key->type;
		reader->directory = value->source->directory;
		(type->read          ? type->read
		        : type->item ? key_read_list
		                     : key_read_scalar)(
		        reader, key, value, (char *)target + key->offset);
	}
}

static void section_check_rows(
        struct reader *reader, const struct node *node, const struct section *section)
{
	for (const struct key *key = section->keys; key->name; key++) {
		const struct node *value = node_find(node, key->name);
		if (key->required && !value)
			reader_problem_at(reader, node, "%s lacks '%s'", section->what, key->name);
		if (value && key->needs && !node_find(node, key->needs))
			reader_problem_at(reader, value, "'%s' is not used: it needs '%s'",
			        key->name, key->needs);
	}
}

void section_read(
        struct reader *reader, struct node *node, const struct section *section, void *target)
{
	if (section->begin)
		section->begin(target);
	if (section->one_line && node->type == NODE_SCALAR && !node->broken) {
		const struct key *key = section->keys;
		reader->directory = node->source->directory;
		key_read_scalar(reader, key, node, (char *)target + key->offset);
		section->check(reader, node, target);
		return;
	}
	if (node->type != NODE_MAPPING) {
		reader_problem_at(reader, node,
		        "%s must have lines of 'key: value', such as '%s: %s'", section->what,
		        section->keys[0].name, section->keys[0].type->argument);
		return;
	}
	if (node->count > KEYS_MAX) {
		reader_problem_at(reader, node, "%s has %zu keys, and %d are allowed",
		        section->what, node->count, KEYS_MAX);
		return;
	}
	for (size_t i = 0; i < node->count; i++)
		section_read_pair(reader, node, &node->pairs[i], section, target);
	section_check_rows(reader, node, section);
	reader->directory = node->source->directory;
	if (section->check)
		section->check(reader, node, target);
}

/* -- YAML -------------------------------------------------------------------------------------- */

/* Whether a text means itself without quotes, in lists of one line, too. */
static bool yaml_is_plain(const char *text)
{
	static const char letters[] =
	        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t size = strlen(text);
	if (size == 0 || !strchr("/._", *text)) {
		if (size == 0 || !strchr(letters, *text))
			return false;
	}
	for (size_t i = 0; i < size; i++)
		if (!strchr(letters, text[i]) && !strchr("/._-+@%=:", text[i]))
			return false;
	return text[size - 1] != ':' && strcmp(text, "null") != 0;
}

void yaml_print_text(FILE *to, const char *text)
{
	if (yaml_is_plain(text)) {
		fputs(text, to);
		return;
	}
	putc('"', to);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', to);
		if (text[0] == '$' && text[1] == '{')
			putc('$', to);
		putc(*text, to);
	}
	putc('"', to);
}
