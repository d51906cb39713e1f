/*
 * The directives of zone files: $ORIGIN, $TTL (RFC 2308 4), $INCLUDE (RFC 1035 5.1), $GENERATE. A
 * directive in an included file has no effect outside of that file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "zone_file.h"

/* -- $GENERATE --------------------------------------------------------------------------------- */

/*
 * As in BIND: many records that differ in a number.
 *
 *   $GENERATE 1-254/2 host-$ [ttl] [class] A 192.0.2.$
 *   $GENERATE 0-31 ${0,2,n}.8.b.d.0 PTR host-${100,4,d}
 *
 * $ is the number. ${offset,width,base} is the number plus the offset, padded with zeros to the
 * width. The base is d, o, x or X; n and N are nibbles, from the lowest on, with dots in between.
 * \$ and $$ are a literal $.
 */
struct generate {
	uint32_t next; /* number */
	uint32_t left; /* records */
	uint32_t step;
	const char *line; /* with its signs; borrowed */
};

enum {
	WIDTH_MAX = 255, /* a name is no longer */
	NUMBER_MAX = 300
};

/* Reads a number at *at, and moves *at behind it. */
static bool generate_read_number(const char **at, uint32_t *ret)
{
	uint64_t value = 0;
	const char *from = *at;
	for (; **at >= '0' && **at <= '9' && value <= INT32_MAX; ++*at)
		value = value * 10 + (uint64_t)(**at - '0');
	*ret = (uint32_t)value;
	return *at > from && value <= INT32_MAX;
}

static bool generate_read_range(const char **at, struct generate *ret)
{
	uint32_t stop;
	ret->step = 1;
	if (!generate_read_number(at, &ret->next) || *(*at)++ != '-' ||
	        !generate_read_number(at, &stop))
		return false;
	if (**at == '/' && (++*at, !generate_read_number(at, &ret->step)))
		return false;
	if (stop < ret->next || !ret->step || (**at != ' ' && **at != '\t'))
		return false;
	ret->left = (stop - ret->next) / ret->step + 1;
	return true;
}

/* Reads the arguments of the directive. Returns NULL, or what is wrong. */
static const char *generate_init(struct generate *generator, const char *text)
{
	text += strspn(text, " \t");
	if (!generate_read_range(&text, generator))
		return "$GENERATE needs a range: start-stop or start-stop/step";
	generator->line = text + strspn(text, " \t");
	if (!*generator->line)
		return "$GENERATE needs a record";
	return generator->left > WEIR_DNS_GENERATE_MAX ? "$GENERATE makes too many records" : NULL;
}

/* -- numbers ----------------------------------------------------------------------------------- */

/* Dots count as part of the width. */
static size_t generate_format_nibbles(
        uint32_t value, unsigned width, bool upper, char text[NUMBER_MAX])
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	size_t size = 0;
	do {
		text[size++] = digits[value & 15];
		value >>= 4;
		if (value || size < width)
			text[size++] = '.';
	} while (value || size < width);
	return size;
}

static size_t generate_format(uint32_t value, unsigned width, char base, char text[NUMBER_MAX])
{
	int size;
	switch (base) {
	case 'd':
		size = snprintf(text, NUMBER_MAX, "%0*u", (int)width, value);
		break;
	case 'o':
		size = snprintf(text, NUMBER_MAX, "%0*o", (int)width, value);
		break;
	case 'x':
		size = snprintf(text, NUMBER_MAX, "%0*x", (int)width, value);
		break;
	case 'X':
		size = snprintf(text, NUMBER_MAX, "%0*X", (int)width, value);
		break;
	default:
		return generate_format_nibbles(value, width, base == 'N', text);
	}
	return (size_t)size;
}

/*
 * Reads the modifiers between braces; *at is behind the opening one. Returns false if they are
 * malformed.
 */
static bool generate_read_braces(
        const char **at, uint32_t number, char text[NUMBER_MAX], size_t *ret)
{
	bool negative = **at == '-';
	uint32_t offset, width = 0;
	char base = 'd';
	*at += negative;
	if (!generate_read_number(at, &offset))
		return false;
	if (**at == ',' && (++*at, !generate_read_number(at, &width) || width > WIDTH_MAX))
		return false;
	if (**at == ',') {
		base = (*at)[1];
		if (!base || !strchr("doxXnN", base))
			return false;
		*at += 2;
	}
	int64_t value = negative ? (int64_t)number - offset : (int64_t)number + offset;
	if (*(*at)++ != '}' || value < 0 || value > UINT32_MAX)
		return false;
	*ret = generate_format((uint32_t)value, width, base, text);
	return true;
}

/* Expands the $ at *at, and moves *at behind it and its modifiers. */
static bool generate_expand(const char **at, uint32_t number, char text[NUMBER_MAX], size_t *ret)
{
	++*at;
	if (**at == '$') {
		++*at;
		memcpy(text, "\\$", *ret = 2);
		return true;
	}
	if (**at == '{') {
		++*at;
		return generate_read_braces(at, number, text, ret);
	}
	*ret = generate_format(number, 0, 'd', text);
	return true;
}

/* Makes the next line, ended by NUL. Returns NULL, or what is wrong. */
static const char *generate_next(struct generate *generator, char *line, size_t room)
{
	const char *at = generator->line;
	size_t size = 0;
	while (*at) {
		char text[NUMBER_MAX];
		size_t more = 1;
		if (*at == '$') {
			if (!generate_expand(&at, generator->next, text, &more))
				return "$GENERATE has a $ that is not ${offset,width,base}";
		} else {
			text[0] = *at++;
			/* Quoted text is copied unchanged. */
			if (text[0] == '\\' && *at)
				text[more++] = *at++;
		}
		if (more >= room - size)
			return "$GENERATE makes the record is too long";
		memcpy(line + size, text, more);
		size += more;
	}
	line[size] = 0;
	generator->next += generator->step;
	generator->left--;
	return NULL;
}

/* -- the directives ---------------------------------------------------------------------------- */

/* Takes the next word, which is empty if there is none. */
static char *directive_next_word(char **text)
{
	char *word = *text + strspn(*text, " \t");
	*text = word + strcspn(word, " \t");
	if (**text)
		*(*text)++ = 0;
	return word;
}

static void directive_set_origin(struct zone_file *file, const char *text)
{
	struct weir_dns_name origin;
	if (fields_name(weir_span_of(text), &file->origin, &origin))
		file->origin = origin;
	else
		dns_file_complain(file, "$ORIGIN must be followed by a name");
}

static void directive_set_ttl(struct zone_file *file, const char *text)
{
	if (!fields_period(weir_span_of(text), &file->reading->ttl))
		dns_file_complain(file, "$TTL must be followed by a number of seconds");
}

/* A path is relative to the including file's directory. Returns NULL without memory. */
static char *directive_beside(const char *path, const char *name)
{
	const char *slash = *name == '/' ? NULL : strrchr(path, '/');
	char *whole;
	int size = asprintf(&whole, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path, name);
	return size < 0 ? NULL : whole;
}

static void directive_include(struct zone_file *file, const char *name, const char *origin)
{
	if (file->reading->text) {
		dns_file_complain(file, "$INCLUDE is for files only");
		return;
	}
	if (!*name || file->depth + 1 == WEIR_DNS_INCLUDES_MAX) {
		dns_file_complain(file, *name ? "too many files that include each other"
		                              : "$INCLUDE must be followed by the name of a file");
		return;
	}
	file->reading->includes = true;
	char *path = directive_beside(file->path, name);
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
static void directive_generate(struct zone_file *file)
{
	struct reading *reading = file->reading;
	struct generate generator;
	unsigned mistakes = reading->mistakes;
	char *text = strdup(file->text + strcspn(file->text, " \t"));
	if (!text) {
		reading->error = -ENOMEM;
		return;
	}
	const char *wrong = generate_init(&generator, text);
	while (!wrong && generator.left && dns_file_may_go_on(reading) &&
	        reading->mistakes == mistakes) {
		wrong = generate_next(&generator, file->text, WEIR_DNS_LINE_MAX);
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
		directive_generate(file);
		return;
	}
	char *rest = file->text, *name = directive_next_word(&rest);
	char *first = directive_next_word(&rest), *second = directive_next_word(&rest);
	bool with_origin = strcasecmp(name, "$INCLUDE") == 0;
	if (*directive_next_word(&rest) || (*second && !with_origin))
		dns_file_complain(file, "too many words after a directive");
	else if (strcasecmp(name, "$ORIGIN") == 0)
		directive_set_origin(file, first);
	else if (strcasecmp(name, "$TTL") == 0)
		directive_set_ttl(file, first);
	else if (with_origin)
		directive_include(file, first, second);
	else
		dns_file_complain(file, "unknown directive");
}
