/* The types of values of rules: patterns, methods, statuses, media types, pages for errors. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <weir/limits.h>

#include "config.h"
#include "table.h"
#include "types.h"

/* -- lists of text ----------------------------------------------------------------------------- */

static bool item_parse(struct reader *reader, const struct key *key, const char *text, void *target)
{
	(void)key;
	return type_store_text(reader, text, strlen(text), target);
}

static void item_print(FILE *to, const struct key *key, const void *value)
{
	(void)key;
	yaml_print_text(to, *(const char *const *)value);
}

static const struct type type_item = {
        .what = "a text", .size = sizeof(char *), .parse = item_parse, .print = item_print};

const struct type type_texts = {
        .what = "a list such as [a, b]",
        .argument = "[TEXT, ...]",
        .size = sizeof(struct list),
        .item = &type_item,
        .print = type_print_list,
};

/* Reads one value, or a list of at most key->max, by `parse` of the type's item. */
static void one_or_more_read(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	const struct type *item = key->type->item;
	struct node *one[] = {node};
	struct node **nodes = node->type == NODE_LIST ? node->items : one;
	size_t count = node->type == NODE_LIST ? node->count : 1;
	if (count == 0 || count > key->max) {
		reader_problem_at(reader, node, "'%s' must have 1 to %llu entries, not %zu",
		        key->name, (unsigned long long)key->max, count);
		return;
	}
	struct list list = {reader_alloc(reader, (count + 1) * item->size), 0};
	for (size_t i = 0; list.items && i < count; i++) {
		const char *text = reader_text(reader, key->name, nodes[i]);
		list.count += text && item->parse(reader, key, text,
		                              (char *)list.items + list.count * item->size);
	}
	memcpy(target, &list, sizeof list);
}

/* -- patterns ---------------------------------------------------------------------------------- */

static bool pattern_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	const char *fault = weir_http_pattern_fault(text);
	(void)key;
	if (!fault)
		return type_store_text(reader, text, strlen(text), target);
	reader_problem(reader, "%s is no pattern of paths, '%.64s': %s", reader->name, text, fault);
	return false;
}

static const struct type type_pattern = {
        .what = "a pattern of paths such as /private/** or *.css",
        .size = sizeof(char *),
        .parse = pattern_parse,
        .print = item_print,
};

const struct type type_patterns = {
        .what = "a pattern of paths such as /private/** or *.css, or a list of them",
        .argument = "PATTERN|[PATTERN, ...]",
        .size = sizeof(struct list),
        .item = &type_pattern,
        .read = one_or_more_read,
        .print = type_print_list,
};

/* -- methods ----------------------------------------------------------------------------------- */

static const char *const method_words[] = {
        [WEIR_HTTP_GET] = "GET",
        [WEIR_HTTP_HEAD] = "HEAD",
        [WEIR_HTTP_POST] = "POST",
        [WEIR_HTTP_PUT] = "PUT",
        [WEIR_HTTP_DELETE] = "DELETE",
        [WEIR_HTTP_OPTIONS] = "OPTIONS",
        [WEIR_HTTP_PATCH] = "PATCH",
};

enum {
	METHOD_WORDS = sizeof method_words / sizeof *method_words
};

static bool method_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	for (unsigned i = 0; i < METHOD_WORDS; i++)
		if (method_words[i] && strcmp(method_words[i], text) == 0) {
			*(unsigned *)target |= 1u << i;
			return true;
		}
	return reader_refuse(reader, key, text);
}

static void methods_read(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	if (node->type != NODE_LIST || node->count == 0) {
		reader_problem_at(
		        reader, node, "'%s' must be a list such as [GET, POST]", key->name);
		return;
	}
	for (size_t i = 0; i < node->count; i++) {
		const char *text = reader_text(reader, key->name, node->items[i]);
		if (text)
			method_parse(reader, key, text, target);
	}
}

static void methods_print(FILE *to, const struct key *key, const void *value)
{
	const char *before = "[";
	(void)key;
	for (unsigned i = 0; i < METHOD_WORDS; i++)
		if (*(const unsigned *)value & 1u << i) {
			fprintf(to, "%s%s", before, method_words[i]);
			before = ", ";
		}
	if (*before == ',')
		putc(']', to);
}

const struct type type_methods = {
        .what = "GET, HEAD, POST, PUT, DELETE, OPTIONS or PATCH",
        .argument = "[METHOD, ...]",
        .size = sizeof(unsigned),
        .read = methods_read,
        .print = methods_print,
};

/* -- statuses ---------------------------------------------------------------------------------- */

/* Reads "404", "5xx" or "500-504". */
static bool statuses_read(const char *text, struct weir_http_statuses *ret)
{
	struct weir_span rest = weir_span_of(text), first;
	uint64_t low, high;
	if (strlen(text) == 3 && strcmp(text + 1, "xx") == 0 && *text >= '2' && *text <= '5') {
		ret->first = (uint16_t)((*text - '0') * 100);
		ret->last = (uint16_t)(ret->first + 99);
		return true;
	}
	bool range = weir_span_cut(&rest, '-', &first);
	if (weir_span_number(first, 10, &low) < 0)
		return false;
	high = low;
	if (range && weir_span_number(rest, 10, &high) < 0)
		return false;
	if (low < 200 || high > 599 || high < low)
		return false;
	*ret = (struct weir_http_statuses){(uint16_t)low, (uint16_t)high};
	return true;
}

static void statuses_print(FILE *to, const struct weir_http_statuses *statuses)
{
	if (statuses->first == statuses->last)
		fprintf(to, "%u", statuses->first);
	else
		fprintf(to, "%u-%u", statuses->first, statuses->last);
}

static bool status_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	return statuses_read(text, target) || reader_refuse(reader, key, text);
}

static void status_print(FILE *to, const struct key *key, const void *value)
{
	(void)key;
	statuses_print(to, value);
}

static const struct type type_status = {
        .what = "a status such as 404, 5xx or 500-504",
        .size = sizeof(struct weir_http_statuses),
        .parse = status_parse,
        .print = status_print,
};

const struct type type_statuses = {
        .what = "a list such as [404, 5xx]",
        .argument = "[STATUS, ...]",
        .size = sizeof(struct list),
        .item = &type_status,
        .print = type_print_list,
};

/* -- mappings ---------------------------------------------------------------------------------- */

typedef bool mapping_store_fn(
        struct reader *reader, const char *name, const char *value, void *target);

/* Reads pairs of scalars, each stored by `store` as an item of this size. */
static void mapping_read(struct reader *reader, const struct key *key, struct node *node,
        void *target, size_t size, mapping_store_fn *store)
{
	if (node->type != NODE_MAPPING || node->count > key->max) {
		reader_problem_at(reader, node, "'%s' must be %s, %llu at most", key->name,
		        key->type->what, (unsigned long long)key->max);
		return;
	}
	struct list list = {reader_alloc(reader, (node->count + 1) * size), 0};
	for (size_t i = 0; list.items && i < node->count; i++) {
		const char *name = reader_text(reader, key->name, node->pairs[i].key);
		const char *value = name ? reader_text(reader, name, node->pairs[i].value) : NULL;
		list.count +=
		        value && store(reader, name, value, (char *)list.items + list.count * size);
	}
	memcpy(target, &list, sizeof list);
}

/* A media type goes into a field as it is. */
static bool mapping_is_type(const char *text)
{
	const char *slash = strchr(text, '/');
	for (const char *at = text; *at; at++)
		if (*at < ' ' || *at > '~')
			return false;
	return slash && slash != text && slash[1];
}

static bool mapping_store_type(
        struct reader *reader, const char *name, const char *value, void *target)
{
	struct weir_http_type *type = target;
	size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                           "-_+");
	if (!size || name[size]) {
		reader_problem(
		        reader, "'%.64s' must be an extension without its dot, such as mjs", name);
		return false;
	}
	if (!mapping_is_type(value)) {
		reader_problem(reader,
		        "'%.64s' must be a media type such as text/plain, not '%.64s'", name,
		        value);
		return false;
	}
	return type_store_text(reader, name, size, &type->extension) &&
	       type_store_text(reader, value, strlen(value), &type->type);
}

static void types_read(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	mapping_read(reader, key, node, target, sizeof(struct weir_http_type), mapping_store_type);
}

static void types_print(FILE *to, const struct key *key, const void *value)
{
	const struct list *list = value;
	const struct weir_http_type *types = list->items;
	(void)key;
	for (size_t i = 0; i < list->count; i++) {
		fprintf(to, "%s%s: ", i ? ", " : "{", types[i].extension);
		yaml_print_text(to, types[i].type);
	}
	if (list->count)
		putc('}', to);
}

const struct type type_types = {
        .what = "lines of 'extension: type'",
        .argument = "{EXTENSION: TYPE, ...}",
        .size = sizeof(struct list),
        .read = types_read,
        .print = types_print,
};

static bool mapping_store_page(
        struct reader *reader, const char *name, const char *value, void *target)
{
	struct weir_http_error_page *page = target;
	if (!statuses_read(name, &page->statuses) || page->statuses.first < 400) {
		reader_problem(reader,
		        "'%.64s' must be a status such as 404, 5xx or 500-504, from "
		        "400 on",
		        name);
		return false;
	}
	if (*value != '/' || !value[1] || strstr(value, "/../") || strstr(value, "//")) {
		reader_problem(reader,
		        "the page for %.16s must be a path in the site such as "
		        "/404.html, not '%.64s'",
		        name, value);
		return false;
	}
	return type_store_text(reader, value, strlen(value), &page->path);
}

static void error_pages_read(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	mapping_read(
	        reader, key, node, target, sizeof(struct weir_http_error_page), mapping_store_page);
}

static void error_pages_print(FILE *to, const struct key *key, const void *value)
{
	const struct list *list = value;
	const struct weir_http_error_page *pages = list->items;
	(void)key;
	for (size_t i = 0; i < list->count; i++) {
		fputs(i ? ", " : "{", to);
		statuses_print(to, &pages[i].statuses);
		fputs(": ", to);
		yaml_print_text(to, pages[i].path);
	}
	if (list->count)
		putc('}', to);
}

const struct type type_error_pages = {
        .what = "lines of 'status: /path'",
        .argument = "{STATUS: PATH, ...}",
        .size = sizeof(struct list),
        .read = error_pages_read,
        .print = error_pages_print,
};

/* -- names of an index ------------------------------------------------------------------------- */

/* Joins the names by slashes, which no name has. Returns false if one is wrong. */
static bool index_join(
        struct reader *reader, struct node **nodes, size_t count, char *text, size_t room)
{
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		const char *name = reader_text(reader, "index", nodes[i]);
		if (!name)
			return false;
		if (strchr(name, '/')) {
			reader_problem(
			        reader, "'index' must be the name of a file, without '/', or off");
			return false;
		}
		int put = snprintf(text + used, room - used, "%s%s", i ? "/" : "", name);
		if ((size_t)put >= room - used) {
			reader_problem(reader, "the names of 'index' are too long");
			return false;
		}
		used += (size_t)put;
	}
	return true;
}

static void index_names_read(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	char text[NAME_MAX + 1] = "";
	bool list = node->type == NODE_LIST;
	(void)key;
	if (list && node->count == 0)
		reader_problem_at(reader, node, "'index' is empty; off is for none");
	else if (index_join(reader, list ? node->items : &node, list ? node->count : 1, text,
	                 sizeof text))
		type_store_text(reader, text, strcmp(text, "off") == 0 ? 0 : strlen(text), target);
}

static bool index_names_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	(void)key;
	return type_store_text(reader, text, strlen(text), target);
}

static void index_names_print(FILE *to, const struct key *key, const void *value)
{
	struct weir_span rest = weir_span_of(*(const char *const *)value), name;
	bool several = memchr(rest.data, '/', rest.size);
	(void)key;
	if (rest.size == 0)
		fputs("off", to);
	for (bool first = true; rest.size; first = false) {
		char copy[NAME_MAX + 1];
		weir_span_cut(&rest, '/', &name);
		snprintf(copy, sizeof copy, "%.*s", (int)name.size, name.data);
		fputs(!several ? "" : first ? "[" : ", ", to);
		yaml_print_text(to, copy);
	}
	if (several)
		putc(']', to);
}

const struct type type_index_names = {
        .what = "a name, a list of names, or off",
        .argument = "NAME|[NAME, ...]|off",
        .size = sizeof(char *),
        .parse = index_names_parse,
        .read = index_names_read,
        .print = index_names_print,
};

/* -- changes of fields ------------------------------------------------------------------------- */

/* Whether the mapping is a change, and not the fields to set. */
static bool changes_is_one(const struct node *node)
{
	return node_find(node, "set") || node_find(node, "add") || node_find(node, "remove");
}

static void changes_read(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	if (node->type == NODE_LIST) {
		type_sections.read(reader, key, node, target);
		return;
	}
	struct config_change *change = reader_alloc(reader, key->of->size);
	if (!change || !section_init(reader, key->of, change))
		return;
	struct list list = {change, 1};
	const struct key set = {.name = key->name};
	memcpy(target, &list, sizeof list);
	if (changes_is_one(node))
		section_read(reader, node, key->of, change);
	else
		type_fields.read(reader, &set, node, &change->set);
}

static void changes_print_one(FILE *to, const struct section *of, const void *change)
{
	const char *before = "{";
	for (const struct key *key = of->keys; key->name; key++) {
		char *text = NULL;
		size_t size = 0;
		FILE *value = open_memstream(&text, &size);
		if (!value)
			return;
		if (!key->type->number || type_load(key->type, (const char *)change + key->offset))
			key->type->print(value, key, (const char *)change + key->offset);
		if (fclose(value) == 0 && size) {
			fprintf(to, "%s%s: %s", before, key->name, text);
			before = ", ";
		}
		free(text);
	}
	putc('}', to);
}

/* Whether it is written as the fields to set alone. */
static bool changes_are_simple(const struct list *list)
{
	const struct config_change *change = list->items;
	return list->count == 1 && change->set && !change->add && !change->remove.count &&
	       !change->statuses.count && !change->always && !change->types.count;
}

static void changes_print(FILE *to, const struct key *key, const void *value)
{
	const struct list *list = value;
	if (changes_are_simple(list)) {
		type_fields.print(to, key, &((const struct config_change *)list->items)->set);
		return;
	}
	for (size_t i = 0; i < list->count; i++) {
		fputs(i ? ", " : "[", to);
		changes_print_one(to, key->of, (const char *)list->items + i * key->of->size);
	}
	if (list->count)
		putc(']', to);
}

const struct type type_changes = {
        .what = "lines of 'Name: value', or a list of changes",
        .argument = "{NAME: VALUE, ...}|LIST",
        .size = sizeof(struct list),
        .read = changes_read,
        .print = changes_print,
};
