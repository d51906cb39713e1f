/*
 * The directives of zone files: $ORIGIN, $TTL (RFC 2308 4), $INCLUDE (RFC 1035 5.1), $GENERATE. A
 * directive in an included file has no effect outside of that file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "zone_file.h"
#include "zone_generate.h"

/* Takes the next word, which is empty if there is none. */
static char *zone_directive_next_word(char **text)
{
	char *word = *text + strspn(*text, " \t");
	*text = word + strcspn(word, " \t");
	if (**text)
		*(*text)++ = 0;
	return word;
}

static void zone_directive_set_origin(struct zone_file *file, const char *text)
{
	struct weir_dns_name origin;
	if (fields_name(weir_span_of(text), &file->origin, &origin))
		file->origin = origin;
	else
		dns_file_complain(file, "$ORIGIN must be followed by a name");
}

static void zone_directive_set_ttl(struct zone_file *file, const char *text)
{
	if (!fields_period(weir_span_of(text), &file->reading->ttl))
		dns_file_complain(file, "$TTL must be followed by a number of seconds");
}

/* A path is relative to the including file's directory. Returns NULL without memory. */
static char *zone_directive_beside(const char *path, const char *name)
{
	const char *slash = *name == '/' ? NULL : strrchr(path, '/');
	char *whole;
	int size = asprintf(&whole, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path, name);
	return size < 0 ? NULL : whole;
}

static void zone_directive_include(struct zone_file *file, const char *name, const char *origin)
{
	if (!*name || file->depth + 1 == WEIR_DNS_INCLUDES_MAX) {
		dns_file_complain(file, *name ? "too many files that include each other"
		                              : "$INCLUDE must be followed by the name of a file");
		return;
	}
	file->reading->includes = true;
	char *path = zone_directive_beside(file->path, name);
	struct zone_file inner = {.reading = file->reading, .path = path, .depth = file->depth + 1};
	struct weir_dns_name previous = file->reading->previous;
	inner.origin = file->origin;
	if (!path)
		file->reading->error = -ENOMEM;
	else if (*origin && !fields_name(weir_span_of(origin), &file->origin, &inner.origin))
		dns_file_complain(file, "the origin of $INCLUDE is not a name");
	else {
		int error = dns_file_read(&inner);
		if (error < 0)
			dns_file_complain(file, weir_error_text(error));
	}
	/* After an included file the previous owner is that before it (RFC 1035 5.1). */
	file->reading->previous = previous;
	free(path);
}

/* The first mistake ends it: further ones would be the same. */
static void zone_directive_generate(struct zone_file *file)
{
	struct reading *reading = file->reading;
	struct dns_generator generator;
	unsigned mistakes = reading->mistakes;
	char *text = strdup(file->text + strcspn(file->text, " \t"));
	if (!text) {
		reading->error = -ENOMEM;
		return;
	}
	const char *wrong = dns_generator_init(&generator, text);
	while (!wrong && generator.left && dns_file_may_go_on(reading) &&
	        reading->mistakes == mistakes) {
		wrong = dns_generator_next(&generator, file->text, WEIR_DNS_LINE_MAX);
		if (!wrong)
			dns_file_record(file);
	}
	if (wrong)
		dns_file_complain(file, wrong);
	free(text);
}

void dns_file_follow(struct zone_file *file)
{
	if (strncasecmp(file->text, "$GENERATE", 9) == 0 && strchr(" \t", file->text[9])) {
		zone_directive_generate(file);
		return;
	}
	char *rest = file->text, *name = zone_directive_next_word(&rest);
	char *first = zone_directive_next_word(&rest), *second = zone_directive_next_word(&rest);
	bool with_origin = strcasecmp(name, "$INCLUDE") == 0;
	if (*zone_directive_next_word(&rest) || (*second && !with_origin))
		dns_file_complain(file, "too many words after a directive");
	else if (strcasecmp(name, "$ORIGIN") == 0)
		zone_directive_set_origin(file, first);
	else if (strcasecmp(name, "$TTL") == 0)
		zone_directive_set_ttl(file, first);
	else if (with_origin)
		zone_directive_include(file, first, second);
	else
		dns_file_complain(file, "unknown directive");
}
