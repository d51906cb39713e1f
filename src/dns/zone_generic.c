/*
 * ldns reads such data as what the type is to it, knows not all types, and has a bound below the
 * largest record. So it only gets to see the owner, the class and the TTL.
 */
#include <string.h>
#include <strings.h>

#include <weir/span.h>

#include "zone_generic.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pairs of digits, with blanks wherever they like. */
static bool read_bytes(const char *text, size_t size, uint8_t *data)
{
	size_t digits = 0;
	for (; *text; text++) {
		int value = digit(*text);
		if (is_blank(*text))
			continue;
		if (value < 0 || digits == 2 * size)
			return false;
		data[digits / 2] = (uint8_t)(digits % 2 ? data[digits / 2] << 4 | value : value);
		digits++;
	}
	return digits == 2 * size;
}

/* The word TYPE and a number that ends before `end`; NULL: there is none. */
static char *find_type(char *text, char *end, uint16_t *ret)
{
	uint64_t number;
	while (end > text && is_blank(end[-1]))
		end--;
	char *word = end;
	while (word > text && !is_blank(word[-1]))
		word--;
	if (word == text || end - word < 5 || strncasecmp(word, "TYPE", 4) != 0 ||
	        weir_span_number(weir_span(word + 4, (size_t)(end - word) - 4), 10, &number) < 0 ||
	        number > UINT16_MAX)
		return NULL;
	*ret = (uint16_t)number;
	return word;
}

/* The mark of such data, outside of quotes; or NULL. */
static char *find_mark(char *text)
{
	for (; *text && *text != '"'; text++) {
		if (*text != '\\' || !text[1])
			continue;
		if (text[1] == '#')
			return text;
		text++;
	}
	return NULL;
}

bool weir_dns_generic_take(char *text, size_t room, uint8_t *data, struct dns_generic *ret)
{
	static const char hidden[] = "TYPE65534 \\# 0";
	uint64_t size;
	char *mark = find_mark(text);
	*ret = (struct dns_generic){0};
	if (!mark || mark == text || !is_blank(mark[-1]))
		return true;
	char *word = find_type(text, mark, &ret->type);
	if (!word || (size_t)(word - text) + sizeof hidden > room)
		return true;
	const char *number = mark + 2 + strspn(mark + 2, " \t");
	size_t digits = strcspn(number, " \t");
	if (weir_span_number(weir_span(number, digits), 10, &size) < 0 || size > UINT16_MAX ||
	        !read_bytes(number + digits, (size_t)size, data))
		return false;
	memcpy(word, hidden, sizeof hidden);
	ret->is = true;
	ret->size = (size_t)size;
	return true;
}
