/*
 * Values of a site: names of hosts, and fields that are added to every reply. What is let through
 * here goes into replies as it is, so that it must not be able to end a line.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include <weir/limits.h>

#include "schema.h"

/* -- names of hosts ---------------------------------------------------------------------------- */

/* example.org, *.example.org, localhost, 192.0.2.1, [2001:db8::1]: without scheme and port. */
static bool value_http_is_host(const char *name)
{
	if (strncmp(name, "*.", 2) == 0)
		name += 2;
	bool bracketed = name[0] == '[';
	if (!*name || *name == '.')
		return false;
	for (; *name; name++) {
		if (isalnum((unsigned char)*name) || *name == '-' || *name == '.' || *name == '_')
			continue;
		if (!bracketed || !strchr("[]:", *name))
			return false;
	}
	return true;
}

void value_names(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	struct config_list list = {NULL, 0};
	if (node->type != YAML_SEQUENCE_NODE) {
		problems_add(reader->problems, schema_place(node),
		        "'%s' wants a list, as [example.org, \"*.example.org\"]", key->name);
		return;
	}
	size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	if (count > CONFIG_NAMES_MAX) {
		problems_add(reader->problems, schema_place(node), "'%s' has more than %d entries",
		        key->name, CONFIG_NAMES_MAX);
		return;
	}
	const char **names = schema_alloc(reader, (count + 1) * sizeof *names);
	for (size_t i = 0; names && i < count; i++) {
		yaml_node_t *item = schema_item(reader, node, i);
		const char *text = schema_text(reader, key->name, item);
		if (text && !value_http_is_host(text))
			problems_add(reader->problems, schema_place(item),
			        "'%.64s' is no name of a host: example.org, or \"*.example.org\" for "
			        "all below it, without http:// and port",
			        text);
		else if (text && (text = schema_copy(reader, text, strlen(text))))
			names[list.count++] = text;
	}
	list.items = names;
	memcpy(target, &list, sizeof list);
}

/* -- fields ------------------------------------------------------------------------------------ */

/* A token of RFC 9110. */
static bool value_http_is_token(const char *name)
{
	static const char signs[] = "!#$%&'*+-.^_`|~";
	const char *start = name;
	for (; *name; name++)
		if (!(isalnum((unsigned char)*name) || strchr(signs, *name)) ||
		        (unsigned char)*name > 0x7e)
			return false;
	return name != start;
}

/* HTTP's own, and the file handler's: twice they would contradict themselves. */
static bool value_http_is_reserved(const char *name)
{
	static const char *const names[] = {"Connection", "Content-Encoding", "Content-Length",
	        "Content-Range", "Content-Type", "Date", "ETag", "Last-Modified", "Location",
	        "Transfer-Encoding", NULL};
	for (size_t i = 0; names[i]; i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

/* The text of a pair, or false, which was made a problem. */
static bool value_http_read_field(struct reader *reader, yaml_node_pair_t *pair,
        const char **ret_name, const char **ret_value)
{
	yaml_node_t *node = schema_node(reader, pair->key);
	const char *name = schema_text(reader, "fields", node);
	if (!name)
		return false;
	if (!value_http_is_token(name)) {
		problems_add(reader->problems, schema_place(node), "'%.64s' is no name of a field",
		        name);
		return false;
	}
	if (value_http_is_reserved(name)) {
		problems_add(reader->problems, schema_place(node),
		        "the field '%.64s' is made by the server itself", name);
		return false;
	}
	*ret_name = name;
	*ret_value = schema_text(reader, name, schema_node(reader, pair->value));
	return *ret_value;
}

void value_fields(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	/* Half of what a reply may have: the rest is for what the handlers say. */
	char text[WEIR_HTTP_REPLY_FIELDS_MAX / 2];
	size_t used = 0;
	if (node->type != YAML_MAPPING_NODE ||
	        node->data.mapping.pairs.top - node->data.mapping.pairs.start > CONFIG_FIELDS_MAX) {
		problems_add(reader->problems, schema_place(node),
		        "'%s' wants lines of 'Name: value', %d at most", key->name,
		        CONFIG_FIELDS_MAX);
		return;
	}
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	        pair < node->data.mapping.pairs.top; pair++) {
		const char *name, *value;
		if (!value_http_read_field(reader, pair, &name, &value))
			continue;
		int size = snprintf(text + used, sizeof text - used, "%s: %s\r\n", name, value);
		used += (size_t)size;
		if (used < sizeof text)
			continue;
		problems_add(reader->problems, schema_place(node),
		        "the fields are longer than %zu bytes", sizeof text);
		return;
	}
	char *copy = used ? schema_copy(reader, text, used) : NULL;
	memcpy(target, &copy, sizeof copy);
}
