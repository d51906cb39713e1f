/*
 * Reads a document in two passes. The first looks at events only: it finds text that is no YAML or
 * is nested too deep, and a second document. The second pass builds the nodes. Invariant: the input
 * of the second pass is not deep, since the time of libyaml grows with the square of the depth.
 */
#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "document.h"

/* -- memory ------------------------------------------------------------------------------------ */

/* The memory is a chain of blocks, each from calloc, so that sanitizers know the bounds of each. */
struct memory_block {
	struct memory_block *next;
	max_align_t data[];
};

void *memory_alloc(struct memory *memory, size_t size)
{
	struct memory_block *block = calloc(1, sizeof *block + size);
	if (!block)
		return NULL;
	block->next = memory->blocks;
	memory->blocks = block;
	return block->data;
}

char *memory_copy(struct memory *memory, const char *text, size_t size)
{
	char *copy = memory_alloc(memory, size + 1);
	return copy ? memcpy(copy, text, size) : NULL;
}

void memory_free(struct memory *memory)
{
	for (struct memory_block *next; memory->blocks; memory->blocks = next) {
		next = memory->blocks->next;
		free(memory->blocks);
	}
}

/* Bytes of a value once its variables are replaced; table.c has a lower bound for most values. */
enum {
	EXPANDED_MAX = 64 * 1024,
	VARIABLE_NAME_MAX = 128,
};

static struct location document_location(const struct source *source, size_t line, size_t column)
{
	return (struct location){source->path, source->order, line, column};
}

/* -- libyaml ----------------------------------------------------------------------------------- */

/* The location of libyaml's error; its reader of characters knows an offset only. */
static struct location document_error_location(
        const struct source *source, const yaml_parser_t *parser, const unsigned char *data)
{
	size_t line = parser->problem_mark.line + 1, column = parser->problem_mark.column + 1;
	if (parser->error == YAML_READER_ERROR) {
		line = column = 1;
		for (size_t i = 0; i < parser->problem_offset; i++, column++)
			if (data[i] == '\n') {
				line++;
				column = 0;
			}
	}
	return document_location(source, line, column);
}

static void document_syntax_error(struct problems *problems, const struct source *source,
        const yaml_parser_t *parser, const unsigned char *data)
{
	const char *text = parser->problem ? parser->problem : "cannot be read";
	if (parser->error == YAML_MEMORY_ERROR)
		problems_add(problems, document_location(source, 0, 0), "out of memory");
	else if (parser->context)
		problems_add(problems, document_error_location(source, parser, data),
		        "not YAML: %s, %s (which began in line %zu)", text, parser->context,
		        parser->context_mark.line + 1);
	else
		problems_add(problems, document_error_location(source, parser, data),
		        "not YAML: %s", text);
}

/* The state of the first pass. */
struct survey {
	struct problems *problems;
	const struct source *source;
	unsigned depth;
	unsigned documents;
};

/* Returns false if a problem was found, which ends the pass. */
static bool document_survey_event(struct survey *document_survey, const yaml_event_t *event)
{
	struct location at = document_location(
	        document_survey->source, event->start_mark.line + 1, event->start_mark.column + 1);
	switch (event->type) {
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (document_survey->depth++ < DOCUMENT_DEPTH_MAX)
			return true;
		problems_add(
		        document_survey->problems, at, "lists and mappings are nested too deep");
		return false;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		document_survey->depth--;
		return true;
	case YAML_DOCUMENT_START_EVENT:
		if (document_survey->documents++ == 0)
			return true;
		problems_add(document_survey->problems, at,
		        "a second document ('---') begins here; a file has one");
		return false;
	default:
		return true;
	}
}

static bool document_survey(struct problems *problems, const struct source *source,
        const unsigned char *data, size_t size, bool *ret_empty)
{
	struct survey document_survey = {problems, source, 0, 0};
	yaml_parser_t parser;
	yaml_event_t event;
	bool good = yaml_parser_initialize(&parser), end = false;
	if (!good) {
		problems_add(problems, document_location(source, 0, 0), "out of memory");
		return false;
	}
	yaml_parser_set_input_string(&parser, data, size);
	while (good && !end) {
		if (!yaml_parser_parse(&parser, &event)) {
			document_syntax_error(problems, source, &parser, data);
			good = false;
			break;
		}
		end = event.type == YAML_STREAM_END_EVENT;
		good = document_survey_event(&document_survey, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	*ret_empty = good && document_survey.documents == 0;
	return good && document_survey.documents;
}

static bool document_parse(struct problems *problems, const struct source *source,
        const unsigned char *data, size_t size, yaml_document_t *ret)
{
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser)) {
		problems_add(problems, document_location(source, 0, 0), "out of memory");
		return false;
	}
	yaml_parser_set_input_string(&parser, data, size);
	bool good = yaml_parser_load(&parser, ret);
	if (!good)
		document_syntax_error(problems, source, &parser, data);
	yaml_parser_delete(&parser);
	return good;
}

/* -- variables --------------------------------------------------------------------------------- */

struct expansion {
	struct problems *problems;
	const struct node *node;
	char text[EXPANDED_MAX];
	size_t used;
};

static bool document_expand_put(struct expansion *expansion, const char *text, size_t size)
{
	if (size >= sizeof expansion->text - expansion->used) {
		problems_add(expansion->problems, node_location(expansion->node),
		        "the value is too long once its variables are replaced");
		return false;
	}
	memcpy(expansion->text + expansion->used, text, size);
	expansion->used += size;
	return true;
}

/* `text` is what follows "${". Returns the bytes up to the brace and with it; 0 is a problem. */
static size_t document_expand_variable(struct expansion *expansion, const char *text)
{
	char name[VARIABLE_NAME_MAX];
	size_t size = 0;
	while (isalnum((unsigned char)text[size]) || text[size] == '_')
		size++;
	if (size == 0 || size >= sizeof name || text[size] != '}' ||
	        isdigit((unsigned char)*text)) {
		problems_add(expansion->problems, node_location(expansion->node),
		        "a variable must be written as ${NAME}; $${ is a plain ${");
		return 0;
	}
	memcpy(name, text, size);
	name[size] = 0;
	const char *value = getenv(name);
	if (!value)
		problems_add(expansion->problems, node_location(expansion->node),
		        "the environment has no variable '%s'", name);
	return value && document_expand_put(expansion, value, strlen(value)) ? size + 1 : 0;
}

static bool document_expand_all(struct expansion *expansion)
{
	const char *text = expansion->node->text;
	for (const char *dollar; (dollar = strchr(text, '$'));) {
		size_t before = (size_t)(dollar - text), skipped = 1;
		bool good = document_expand_put(expansion, text, before);
		if (strncmp(dollar, "$${", 3) == 0) {
			good = good && document_expand_put(expansion, "${", 2);
			skipped = 3;
		} else if (strncmp(dollar, "${", 2) == 0) {
			size_t size = good ? document_expand_variable(expansion, dollar + 2) : 0;
			good = size != 0;
			skipped = 2 + size;
		} else {
			good = good && document_expand_put(expansion, "$", 1);
		}
		if (!good)
			return false;
		text = dollar + skipped;
	}
	return document_expand_put(expansion, text, strlen(text));
}

/* Replaces the variables of a scalar. */
static bool document_expand(struct problems *problems, struct memory *memory, struct node *node)
{
	if (!strstr(node->text, "${") || strlen(node->text) != node->count)
		return true;
	struct expansion *expansion = malloc(sizeof *expansion);
	if (!expansion) {
		problems_add(problems, node_location(node), "out of memory");
		return false;
	}
	expansion->problems = problems;
	expansion->node = node;
	expansion->used = 0;
	bool good = document_expand_all(expansion);
	const char *text = good ? memory_copy(memory, expansion->text, expansion->used) : NULL;
	if (text) {
		node->text = text;
		node->count = expansion->used;
	} else if (good) {
		problems_add(problems, node_location(node), "out of memory");
		good = false;
	}
	free(expansion);
	return good;
}

/* -- nodes ------------------------------------------------------------------------------------- */

static bool document_copy_scalar(struct memory *memory, const yaml_node_t *from, struct node *node)
{
	node->type = NODE_SCALAR;
	node->plain = from->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->count = from->data.scalar.length;
	node->text = memory_copy(memory, (const char *)from->data.scalar.value, node->count);
	return node->text;
}

/* `all` are the nodes of the document; libyaml counts them from 1. */
static bool document_copy_list(
        struct memory *memory, const yaml_node_t *from, struct node *all, struct node *node)
{
	const yaml_node_item_t *items = from->data.sequence.items.start;
	node->type = NODE_LIST;
	node->count = (size_t)(from->data.sequence.items.top - items);
	node->items = memory_alloc(memory, node->count * sizeof *node->items);
	for (size_t i = 0; node->items && i < node->count; i++)
		node->items[i] = &all[items[i] - 1];
	return node->items;
}

static bool document_copy_mapping(
        struct memory *memory, const yaml_node_t *from, struct node *all, struct node *node)
{
	const yaml_node_pair_t *pairs = from->data.mapping.pairs.start;
	node->type = NODE_MAPPING;
	node->count = (size_t)(from->data.mapping.pairs.top - pairs);
	node->pairs = memory_alloc(memory, node->count * sizeof *node->pairs);
	for (size_t i = 0; node->pairs && i < node->count; i++)
		node->pairs[i] =
		        (struct node_pair){&all[pairs[i].key - 1], &all[pairs[i].value - 1]};
	return node->pairs;
}

static bool document_copy_node(struct memory *memory, const struct source *source,
        const yaml_node_t *from, struct node *all, struct node *node)
{
	node->source = source;
	node->line = from->start_mark.line + 1;
	node->column = from->start_mark.column + 1;
	if (from->type == YAML_SEQUENCE_NODE)
		return document_copy_list(memory, from, all, node);
	if (from->type == YAML_MAPPING_NODE)
		return document_copy_mapping(memory, from, all, node);
	return document_copy_scalar(memory, from, node);
}

/* Expands the scalars that are values; a key stays as it is. */
static void document_expand_values(
        struct problems *problems, struct memory *memory, struct node *all, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct node *node = &all[i];
		for (size_t j = 0; j < node->count && node->type != NODE_SCALAR; j++) {
			struct node *value =
			        node->type == NODE_LIST ? node->items[j] : node->pairs[j].value;
			/* An alias may name a value that was expanded already. */
			if (value->type != NODE_SCALAR || value->visited)
				continue;
			value->visited = true;
			value->broken = !document_expand(problems, memory, value);
		}
	}
}

bool document_load(struct problems *problems, struct memory *memory, const struct source *source,
        const unsigned char *data, size_t size, struct node **ret_root)
{
	yaml_document_t document;
	bool empty = false;
	*ret_root = NULL;
	if (!document_survey(problems, source, data, size, &empty))
		return empty;
	if (!document_parse(problems, source, data, size, &document))
		return false;
	size_t count = (size_t)(document.nodes.top - document.nodes.start);
	struct node *all = memory_alloc(memory, count * sizeof *all);
	bool copied = all;
	for (size_t i = 0; copied && i < count; i++)
		copied = document_copy_node(memory, source, &document.nodes.start[i], all, &all[i]);
	yaml_document_delete(&document);
	if (!copied)
		problems_add(problems, document_location(source, 0, 0), "out of memory");
	else
		document_expand_values(problems, memory, all, count);
	*ret_root = all;
	return copied;
}

struct location node_location(const struct node *node)
{
	return document_location(node->source, node->line, node->column);
}

bool node_is_empty(const struct node *node)
{
	if (node->type != NODE_SCALAR || !node->plain)
		return false;
	return !*node->text || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0;
}

static struct node_pair *node_find_pair(const struct node *mapping, const char *name)
{
	if (!mapping || mapping->type != NODE_MAPPING)
		return NULL;
	for (size_t i = 0; i < mapping->count; i++) {
		const struct node *key = mapping->pairs[i].key;
		if (key->type == NODE_SCALAR && strcmp(key->text, name) == 0)
			return &mapping->pairs[i];
	}
	return NULL;
}

struct node *node_find(const struct node *mapping, const char *name)
{
	struct node_pair *pair = node_find_pair(mapping, name);
	return pair ? pair->value : NULL;
}

struct node *node_item(const struct node *list, size_t index)
{
	return list && list->type == NODE_LIST && index < list->count ? list->items[index] : NULL;
}

/* -- merging ----------------------------------------------------------------------------------- */

static bool node_join_lists(struct memory *memory, struct node *into, const struct node *from)
{
	size_t count = into->count + from->count;
	struct node **items = memory_alloc(memory, count * sizeof *items);
	if (!items)
		return false;
	if (into->count)
		memcpy(items, into->items, into->count * sizeof *items);
	if (from->count)
		memcpy(items + into->count, from->items, from->count * sizeof *items);
	into->items = items;
	into->count = count;
	return true;
}

/* `into` has room for one more. */
static bool node_merge_pair(struct memory *memory, struct node *into, const struct node_pair *pair)
{
	struct node_pair *own =
	        pair->key->type == NODE_SCALAR ? node_find_pair(into, pair->key->text) : NULL;
	if (own && own->value->type == NODE_LIST && pair->value->type == NODE_LIST)
		return node_join_lists(memory, own->value, pair->value);
	/* Each mapping is merged once: mappings that contain each other come to an end. */
	if (own && own->value->type == NODE_MAPPING && pair->value->type == NODE_MAPPING &&
	        !pair->value->visited)
		return node_merge(memory, own->value, pair->value);
	into->pairs[into->count++] = *pair;
	return true;
}

bool node_merge(struct memory *memory, struct node *into, struct node *from)
{
	struct node_pair *pairs = memory_alloc(memory, (into->count + from->count) * sizeof *pairs);
	if (!pairs)
		return false;
	if (into->count)
		memcpy(pairs, into->pairs, into->count * sizeof *pairs);
	into->pairs = pairs;
	from->visited = true;
	for (size_t i = 0; i < from->count; i++)
		if (!node_merge_pair(memory, into, &from->pairs[i]))
			return false;
	return true;
}
