/*
 * Walking a YAML document along the tables. Invariant: how deep and how long this goes is bounded
 * by the tables, not by the document, so that aliases which point at each other do no harm. What
 * single values look like is in value*.c.
 */
#include <string.h>

#include "schema.h"
#include "suggest.h"

/* Keys of one mapping, which are compared each with each. */
enum {
	KEYS_MAX = 256
};

/* -- nodes ------------------------------------------------------------------------------------- */

yaml_node_t *schema_node(struct reader *reader, int index)
{
	return yaml_document_get_node(reader->document, index);
}

struct file_position schema_place(const yaml_node_t *node)
{
	return (struct file_position){node->start_mark.line + 1, node->start_mark.column + 1};
}

static bool schema_is_scalar(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE;
}

/* Of a scalar; libyaml puts a NUL behind it. */
static const char *schema_text_of(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static bool schema_is_empty(const yaml_node_t *node)
{
	if (!schema_is_scalar(node) || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	const char *text = schema_text_of(node);
	return !*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

yaml_node_t *schema_find(struct reader *reader, yaml_node_t *mapping, const char *name)
{
	if (!mapping || mapping->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
	        pair < mapping->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = schema_node(reader, pair->key);
		if (schema_is_scalar(key) && strcmp(schema_text_of(key), name) == 0)
			return schema_node(reader, pair->value);
	}
	return NULL;
}

yaml_node_t *schema_item(struct reader *reader, yaml_node_t *sequence, size_t index)
{
	if (!sequence || sequence->type != YAML_SEQUENCE_NODE)
		return NULL;
	yaml_node_item_t *item = sequence->data.sequence.items.start + index;
	return item < sequence->data.sequence.items.top ? schema_node(reader, *item) : NULL;
}

size_t schema_count(
        struct reader *reader, const char *name, yaml_node_t *node, size_t max, const char *like)
{
	size_t count = 0;
	if (node->type == YAML_SEQUENCE_NODE)
		count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	if (count && count <= max)
		return count;
	problems_add(reader->problems, schema_place(node), "'%s' wants a list of 1 to %zu %s", name,
	        max, like);
	return 0;
}

const char *schema_text(struct reader *reader, const char *name, yaml_node_t *node)
{
	struct file_position place = schema_place(node);
	if (schema_is_empty(node)) {
		problems_add(reader->problems, place, "'%s' has no value", name);
		return NULL;
	}
	if (!schema_is_scalar(node)) {
		problems_add(reader->problems, place, "'%s' wants one value, not a %s", name,
		        node->type == YAML_SEQUENCE_NODE ? "list" : "mapping");
		return NULL;
	}
	if (node->data.scalar.length > CONFIG_TEXT_MAX) {
		problems_add(reader->problems, place, "the value of '%s' is too long", name);
		return NULL;
	}
	for (size_t i = 0; i < node->data.scalar.length; i++) {
		unsigned char c = node->data.scalar.value[i];
		if (c >= ' ' && c != 0x7f)
			continue;
		problems_add(reader->problems, place,
		        "the value of '%s' has a line end or another control character in it",
		        name);
		return NULL;
	}
	return schema_text_of(node);
}

/* -- memory ------------------------------------------------------------------------------------ */

void *schema_alloc(struct reader *reader, size_t size)
{
	void *memory = config_alloc(reader->config, size);
	if (!memory)
		problems_add(reader->problems, (struct file_position){0}, "out of memory");
	return memory;
}

char *schema_copy(struct reader *reader, const char *text, size_t size)
{
	char *copy = schema_alloc(reader, size + 1);
	return copy ? memcpy(copy, text, size) : NULL;
}

/* -- lists and mappings ------------------------------------------------------------------------ */

static void schema_read_mapping(
        struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	schema_read(reader, node, key->of, target);
}

static void schema_read_list(
        struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	const struct schema *of = key->of;
	if (node->type != YAML_SEQUENCE_NODE) {
		problems_add(reader->problems, schema_place(node),
		        "'%s' wants a list: lines that begin with '- ', each %s", key->name,
		        of->what);
		return;
	}
	size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	if (count > key->max) {
		problems_add(reader->problems, schema_place(node),
		        "'%s' has %zu entries, and %llu are allowed", key->name, count,
		        (unsigned long long)key->max);
		return;
	}
	struct config_list list = {schema_alloc(reader, count * of->size + 1), count};
	if (!list.items)
		return;
	/* First, so that what is read by then is released if the rest fails. */
	memcpy(target, &list, sizeof list);
	for (size_t i = 0; i < count; i++)
		schema_read(reader, schema_item(reader, node, i), of,
		        (char *)list.items + i * of->size);
}

static const struct key *schema_find_key(const struct schema *schema, const char *name)
{
	for (const struct key *key = schema->keys; key->name; key++)
		if (strcmp(key->name, name) == 0)
			return key;
	return NULL;
}

static void schema_tell_unknown(struct reader *reader, const struct schema *schema,
        const char *name, struct file_position place)
{
	struct suggestion best = {0};
	for (const struct key *key = schema->keys; key->name; key++)
		suggest(&best, name, key->name);
	if (best.name)
		problems_add(reader->problems, place,
		        "there is no key '%.64s' in %s; did you mean '%s'?", name, schema->what,
		        best.name);
	else
		problems_add(reader->problems, place, "there is no key '%.64s' in %s", name,
		        schema->what);
}

static value_reader *const readers[] = {
        [KEY_TEXT] = value_text,
        [KEY_PREFIX] = value_prefix,
        [KEY_WORD] = value_word,
        [KEY_FILE] = value_file,
        [KEY_DIRECTORY] = value_directory,
        [KEY_PLACE] = value_place,
        [KEY_LOG] = value_log,
        [KEY_USER] = value_user,
        [KEY_FLAG] = value_flag,
        [KEY_NUMBER] = value_number,
        [KEY_WORKERS] = value_workers,
        [KEY_SIZE] = value_size,
        [KEY_DURATION] = value_duration,
        [KEY_MODE] = value_mode,
        [KEY_ADDRESS] = value_address,
        [KEY_LISTENER] = value_listener,
        [KEY_NAMES] = value_names,
        [KEY_FIELDS] = value_fields,
        [KEY_NETWORKS] = value_networks,
        [KEY_PORTS] = value_ports,
        [KEY_HOST] = value_host,
        [KEY_ZONE] = value_zone,
        [KEY_ZONES] = value_zones,
        [KEY_PEERS] = value_peers,
        [KEY_MAPPING] = schema_read_mapping,
        [KEY_LIST] = schema_read_list,
};

/* Whether the pair is the first with its key, which is a name. */
static bool schema_check_name(struct reader *reader, yaml_node_t *mapping, yaml_node_pair_t *pair)
{
	yaml_node_t *name = schema_node(reader, pair->key);
	if (!schema_is_scalar(name)) {
		problems_add(reader->problems, schema_place(name), "a key is a name, not a list");
		return false;
	}
	for (yaml_node_pair_t *other = mapping->data.mapping.pairs.start; other < pair; other++) {
		yaml_node_t *earlier = schema_node(reader, other->key);
		if (!schema_is_scalar(earlier) ||
		        strcmp(schema_text_of(earlier), schema_text_of(name)) != 0)
			continue;
		problems_add(reader->problems, schema_place(name),
		        "'%.64s' stands here a second time; the first is in line %zu",
		        schema_text_of(name), earlier->start_mark.line + 1);
		return false;
	}
	return true;
}

static void schema_read_pair(struct reader *reader, yaml_node_t *mapping, yaml_node_pair_t *pair,
        const struct schema *schema, void *target)
{
	yaml_node_t *name = schema_node(reader, pair->key);
	yaml_node_t *value = schema_node(reader, pair->value);
	if (!schema_check_name(reader, mapping, pair))
		return;
	const struct key *key = schema_find_key(schema, schema_text_of(name));
	if (!key)
		schema_tell_unknown(reader, schema, schema_text_of(name), schema_place(name));
	else if (schema_is_empty(value))
		problems_add(reader->problems, schema_place(name), "'%s' has no value", key->name);
	else
		readers[key->kind](reader, key, value, (char *)target + key->offset);
}

void schema_read(
        struct reader *reader, yaml_node_t *node, const struct schema *schema, void *target)
{
	if (schema->init)
		schema->init(target);
	if (node->type != YAML_MAPPING_NODE) {
		problems_add(reader->problems, schema_place(node),
		        "%s is made of 'key: value' lines, and '%s' is one of the keys",
		        schema->what, schema->keys[0].name);
		return;
	}
	if (node->data.mapping.pairs.top - node->data.mapping.pairs.start > KEYS_MAX) {
		problems_add(reader->problems, schema_place(node), "too many keys");
		return;
	}
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	        pair < node->data.mapping.pairs.top; pair++)
		schema_read_pair(reader, node, pair, schema, target);
	for (const struct key *key = schema->keys; key->name; key++)
		if (key->required && !schema_find(reader, node, key->name))
			problems_add(reader->problems, schema_place(node), "%s lacks '%s'",
			        schema->what, key->name);
	if (schema->check)
		schema->check(reader, node, target);
}
