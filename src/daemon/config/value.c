/*
 * Single values of the configuration: text, flags, numbers, sizes, durations, addresses. Each
 * reader takes what schema_text gives, and says what it would have liked instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kinds.h"
#include "schema.h"

/* Sets a const char * of a target. */
static void value_set_text(struct reader *reader, const char *text, size_t size, void *target)
{
	char *copy = schema_copy(reader, text, size);
	memcpy(target, &copy, sizeof copy);
}

void value_text(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	const char *text = schema_text(reader, key->name, node);
	if (text)
		value_set_text(reader, text, strlen(text), target);
}

static bool value_is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

void value_flag(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	static const char *const yes[] = {"true", "yes", "on", NULL};
	static const char *const no[] = {"false", "no", "off", NULL};
	const char *text = schema_text(reader, key->name, node);
	if (!text)
		return;
	if (value_is_one_of(text, yes))
		*(bool *)target = true;
	else if (value_is_one_of(text, no))
		*(bool *)target = false;
	else
		problems_add(reader->problems, schema_place(node),
		        "'%s' is true or false, not '%.64s'", key->name, text);
}

/* "any, optional or required" */
static void value_list_words(const char *const *words, char *text, size_t size)
{
	size_t used = 0;
	for (size_t i = 0; words[i] && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s",
		        i == 0         ? ""
		        : words[i + 1] ? ", "
		                       : " or ",
		        words[i]);
}

void value_word(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	const char *text = schema_text(reader, key->name, node);
	char words[256];
	for (unsigned i = 0; text && key->words[i]; i++) {
		if (strcmp(text, key->words[i]) != 0)
			continue;
		memcpy(target, &i, sizeof i);
		return;
	}
	value_list_words(key->words, words, sizeof words);
	if (text)
		problems_add(reader->problems, schema_place(node), "'%s' is %s, not '%.64s'",
		        key->name, words, text);
}

/* -- numbers ----------------------------------------------------------------------------------- */

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static const struct unit sizes[] = {
        {"", 1}, {"K", 1u << 10}, {"M", 1u << 20}, {"G", 1u << 30}, {"T", 1ull << 40}, {NULL, 0}};

static const struct unit durations[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {NULL, 0}};

/* "30s": a whole number, and one of the units. */
static bool value_parse_amount(const char *text, const struct unit *units, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t number;
	if (weir_span_number(weir_span(text, digits), 10, &number) < 0)
		return false;
	for (; units->name; units++)
		if (strcmp(units->name, text + digits) == 0)
			return !__builtin_mul_overflow(number, units->factor, ret);
	return false;
}

/* `like` says how it is written; the bounds are the key's. */
static void value_read_amount(struct reader *reader, const struct key *key, yaml_node_t *node,
        void *target, const struct unit *units, const char *like)
{
	const char *text = schema_text(reader, key->name, node);
	uint64_t amount;
	if (!text)
		return;
	if (!value_parse_amount(text, units, &amount))
		problems_add(reader->problems, schema_place(node), "'%s' wants %s, not '%.64s'",
		        key->name, like, text);
	else if (amount < key->min || amount > key->max)
		problems_add(reader->problems, schema_place(node),
		        "'%s' is too %s: %llu to %llu%s are allowed", key->name,
		        amount < key->min ? "small" : "large", (unsigned long long)key->min,
		        (unsigned long long)key->max, units == durations ? " milliseconds" : "");
	else
		memcpy(target, &amount, sizeof amount);
}

void value_number(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	value_read_amount(reader, key, node, target, no_units, "a whole number");
}

void value_workers(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	const char *text = schema_text(reader, key->name, node);
	if (text && strcmp(text, "auto") != 0)
		value_read_amount(reader, key, node, target, no_units, "a whole number or auto");
}

void value_size(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	value_read_amount(reader, key, node, target, sizes, "a size as 64K, 10M or 2G");
}

void value_duration(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	value_read_amount(reader, key, node, target, durations, "a time as 500ms, 30s, 2m or 1h");
}

/* Without the owner's right to read and write, uploads could be neither served nor replaced. */
void value_mode(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	const char *text = schema_text(reader, key->name, node);
	size_t size = text ? strlen(text) : 0;
	if (!text)
		return;
	unsigned long mode = strtoul(text, NULL, 8);
	if (size < 3 || size > 4 || strspn(text, "01234567") != size || mode > 0777 ||
	        (mode & 0600) != 0600)
		problems_add(reader->problems, schema_place(node),
		        "'%s' must be permission bits in octal from 0600 to 0777, such as 0640, not "
		        "'%.64s'",
		        key->name, text);
	else
		*(unsigned *)target = (unsigned)mode;
}

/* -- places on the net and in a site ----------------------------------------------------------- */

void value_address(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	const char *text = schema_text(reader, key->name, node);
	if (text && weir_address_parse(weir_span_of(text), target) < 0)
		problems_add(reader->problems, schema_place(node),
		        "'%s' wants ADDRESS:PORT, as 127.0.0.1:8080, \"[::1]:8080\" or :8080, not "
		        "'%.64s'",
		        key->name, text);
}

void value_listener(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	struct config_listener *listener = target;
	if (listener->kind) {
		problems_add(reader->problems, schema_place(node),
		        "a listener has one address, and this one has one for '%s' already",
		        listener->kind->name);
		return;
	}
	listener->kind = kind_find(key->name);
	value_address(reader, key, node, &listener->address);
}

/* Whether `path`, which has no slash at its ends, is one that a request can have. */
static bool value_is_clean(struct weir_span path)
{
	struct weir_span segment;
	bool more = path.size != 0;
	while (more) {
		more = weir_span_cut(&path, '/', &segment);
		if (segment.size == 0 || weir_span_equal(segment, WEIR_SPAN(".")) ||
		        weir_span_equal(segment, WEIR_SPAN("..")))
			return false;
	}
	return true;
}

void value_prefix(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	const char *text = schema_text(reader, key->name, node);
	if (!text)
		return;
	struct weir_span path = weir_span_of(text);
	while (path.size && path.data[0] == '/')
		path = weir_span_skip(path, 1);
	while (path.size && path.data[path.size - 1] == '/')
		path.size--;
	if (value_is_clean(path))
		value_set_text(reader, path.data, path.size, target);
	else
		problems_add(reader->problems, schema_place(node),
		        "'%s' is a path in the site, as private or a/b, without '.', '..' or '//' in it",
		        key->name);
}
