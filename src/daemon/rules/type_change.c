/*
 * The type of changes of fields. They are written as a list of changes, as one, or as the fields to
 * set alone.
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "table.h"
#include "types.h"

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
