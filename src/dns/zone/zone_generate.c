/* Replaces $ by numbers. The result is read as a line of the zone file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zone_generate.h"

enum {
	WIDTH_MAX = 255, /* a name is no longer */
	NUMBER_MAX = 300
};

/* Reads a number at *at, and moves *at behind it. */
static bool zone_generate_read_number(const char **at, uint32_t *ret)
{
	uint64_t value = 0;
	const char *from = *at;
	for (; **at >= '0' && **at <= '9' && value <= INT32_MAX; ++*at)
		value = value * 10 + (uint64_t)(**at - '0');
	*ret = (uint32_t)value;
	return *at > from && value <= INT32_MAX;
}

static bool zone_generate_read_range(const char **at, struct dns_generator *ret)
{
	uint32_t stop;
	ret->step = 1;
	if (!zone_generate_read_number(at, &ret->next) || *(*at)++ != '-' ||
	        !zone_generate_read_number(at, &stop))
		return false;
	if (**at == '/' && (++*at, !zone_generate_read_number(at, &ret->step)))
		return false;
	if (stop < ret->next || !ret->step || (**at != ' ' && **at != '\t'))
		return false;
	ret->left = (stop - ret->next) / ret->step + 1;
	return true;
}

const char *dns_generator_init(struct dns_generator *generator, const char *text)
{
	text += strspn(text, " \t");
	if (!zone_generate_read_range(&text, generator))
		return "$GENERATE needs a range: start-stop or start-stop/step";
	generator->line = text + strspn(text, " \t");
	if (!*generator->line)
		return "$GENERATE needs a record";
	return generator->left > WEIR_DNS_GENERATE_MAX ? "$GENERATE makes too many records" : NULL;
}

/* -- numbers ----------------------------------------------------------------------------------- */

/* Dots count as part of the width. */
static size_t zone_generate_format_nibbles(
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

static size_t zone_generate_format(uint32_t value, unsigned width, char base, char text[NUMBER_MAX])
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
		return zone_generate_format_nibbles(value, width, base == 'N', text);
	}
	return (size_t)size;
}

/*
 * Reads the modifiers between braces; *at is behind the opening one. Returns false if they are
 * malformed.
 */
static bool zone_generate_read_braces(
        const char **at, uint32_t number, char text[NUMBER_MAX], size_t *ret)
{
	bool negative = **at == '-';
	uint32_t offset, width = 0;
	char base = 'd';
	*at += negative;
	if (!zone_generate_read_number(at, &offset))
		return false;
	if (**at == ',' && (++*at, !zone_generate_read_number(at, &width) || width > WIDTH_MAX))
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
	*ret = zone_generate_format((uint32_t)value, width, base, text);
	return true;
}

/* Expands the $ at *at, and moves *at behind it and its modifiers. */
static bool zone_generate_expand(
        const char **at, uint32_t number, char text[NUMBER_MAX], size_t *ret)
{
	++*at;
	if (**at == '$') {
		++*at;
		memcpy(text, "\\$", *ret = 2);
		return true;
	}
	if (**at == '{') {
		++*at;
		return zone_generate_read_braces(at, number, text, ret);
	}
	*ret = zone_generate_format(number, 0, 'd', text);
	return true;
}

const char *dns_generator_next(struct dns_generator *generator, char *line, size_t room)
{
	const char *at = generator->line;
	size_t size = 0;
	while (*at) {
		char text[NUMBER_MAX];
		size_t more = 1;
		if (*at == '$') {
			if (!zone_generate_expand(&at, generator->next, text, &more))
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
