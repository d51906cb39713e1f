/*
 * The types of a site's values: paths, fields of replies, logs. Fields go into replies as they are,
 * so their values must not be able to end a line.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "config.h"
#include "table.h"
#include "types.h"

/* -- prefixes ---------------------------------------------------------------------------------- */

/* Whether a request can have this path, which has no slashes at its ends. */
static bool prefix_is_clean(struct weir_span path)
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

static bool prefix_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	struct weir_span path = weir_span_of(text);
	while (path.size && path.data[0] == '/')
		path = weir_span_skip(path, 1);
	while (path.size && path.data[path.size - 1] == '/')
		path.size--;
	if (!prefix_is_clean(path))
		return reader_refuse(reader, key, text);
	return type_store_text(reader, path.data, path.size, target);
}

static void prefix_print(FILE *to, const struct key *key, const void *value)
{
	const char *path = *(const char *const *)value;
	char text[CONFIG_TEXT_MAX + 2];
	(void)key;
	if (!path)
		return;
	snprintf(text, sizeof text, "/%s", path);
	yaml_print_text(to, text);
}

/* Stored as const char *: a path in a site, without the slashes at its ends. */
const struct type type_prefix = {
        .what = "a path in the site, such as private or a/b, without '.', '..' or '//' in it",
        .argument = "PATH",
        .size = sizeof(char *),
        .parse = prefix_parse,
        .print = prefix_print,
};

/* -- fields ------------------------------------------------------------------------------------ */

/* A token of RFC 9110. */
static bool field_is_token(const char *name)
{
	static const char signs[] = "!#$%&'*+-.^_`|~";
	const char *start = name;
	for (; *name; name++)
		if (!(isalnum((unsigned char)*name) || strchr(signs, *name)) ||
		        (unsigned char)*name > 0x7e)
			return false;
	return name != start;
}

/* The fields of HTTP itself and of the file handler: a second one would contradict the first. */
static bool field_is_reserved(const char *name)
{
	static const char *const names[] = {"Connection", "Content-Encoding", "Content-Length",
	        "Content-Range", "Content-Type", "Date", "ETag", "Last-Modified", "Location",
	        "Transfer-Encoding", NULL};
	for (size_t i = 0; names[i]; i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Returns the value of a pair; NULL was made a problem. */
static const char *field_read(struct reader *reader, const struct node_pair *pair)
{
	const char *name = reader_text(reader, "fields", pair->key);
	if (!name)
		return NULL;
	if (!field_is_token(name)) {
		reader_problem(reader, "'%.64s' is not a name of a header field", name);
		return NULL;
	}
	if (field_is_reserved(name)) {
		reader_problem(reader, "the server itself sends the header field '%.64s'", name);
		return NULL;
	}
	return reader_text(reader, name, pair->value);
}

static void fields_read(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	/* Half of what a reply may have: the rest is for the fields of the handlers. */
	char text[WEIR_HTTP_REPLY_FIELDS_MAX / 2];
	size_t used = 0;
	if (node->type != NODE_MAPPING || node->count > CONFIG_FIELDS_MAX) {
		reader_problem_at(reader, node, "'%s' must have lines of 'Name: value', %d at most",
		        key->name, CONFIG_FIELDS_MAX);
		return;
	}
	for (size_t i = 0; i < node->count; i++) {
		const char *value = field_read(reader, &node->pairs[i]);
		if (!value)
			continue;
		int size = snprintf(text + used, sizeof text - used, "%s: %s\r\n",
		        node->pairs[i].key->text, value);
		used += (size_t)size;
		if (used < sizeof text)
			continue;
		reader_problem_at(
		        reader, node, "the fields are longer than %zu bytes", sizeof text);
		return;
	}
	if (used)
		type_store_text(reader, text, used, target);
}

static void fields_print(FILE *to, const struct key *key, const void *value)
{
	struct weir_span rest, line, name;
	const char *text = *(const char *const *)value;
	(void)key;
	if (!text)
		return;
	rest = weir_span_of(text);
	for (bool more = true, first = true; more && rest.size; first = false) {
		char copy[CONFIG_TEXT_MAX + 1];
		more = weir_span_cut(&rest, '\r', &line);
		rest = weir_span_skip(rest, rest.size ? 1 : 0);
		weir_span_cut(&line, ':', &name);
		fprintf(to, "%s%.*s: ", first ? "{" : ", ", (int)name.size, name.data);
		line = weir_span_trim(line);
		snprintf(copy, sizeof copy, "%.*s", (int)line.size, line.data);
		yaml_print_text(to, copy);
	}
	putc('}', to);
}

/* Stored as const char *: whole lines of the header of a reply. */
const struct type type_fields = {
        .what = "lines of 'Name: value'",
        .argument = "{NAME: VALUE, ...}",
        .size = sizeof(char *),
        .read = fields_read,
        .print = fields_print,
};

/* -- logs -------------------------------------------------------------------------------------- */

static bool site_log_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	return strcmp(text, "off") == 0 ? type_store_text(reader, "", 0, target)
	                                : type_log.parse(reader, key, text, target);
}

static void site_log_print(FILE *to, const struct key *key, const void *value)
{
	const char *path = *(const char *const *)value;
	if (path && !*path)
		fputs("off", to);
	else if (path)
		type_log.print(to, key, value);
}

/* Stored as const char *: a path or the name of a socket, "" for off, NULL for the server's log. */
const struct type type_site_log = {
        .what = "a path, - for the standard output, syslog, journal, or off",
        .argument = "PATH|-|syslog|journal|off",
        .size = sizeof(char *),
        .parse = site_log_parse,
        .print = site_log_print,
};
