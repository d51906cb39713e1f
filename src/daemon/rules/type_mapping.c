/*
 * The types of values of rules that are mappings: media types by the extension of a file, pages for
 * errors by their statuses. And statuses by themselves.
 */
#include <string.h>

#include "config.h"
#include "table.h"
#include "types.h"

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
