/* The types of values of rules: lists of texts, patterns, methods, names of an index. */
#include <limits.h>
#include <string.h>

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
