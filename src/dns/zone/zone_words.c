/*
 * The words of a line of a zone file, with their quotes and escapes; what all fields are read and
 * put by; and the values that directives have, too: periods and names.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "zone_fields.h"

bool fields_is_word(struct weir_span text, const char *word)
{
	return strlen(word) == text.size && strncasecmp(text.data, word, text.size) == 0;
}

bool fields_word_next(struct weir_span *line, struct fields_word *ret)
{
	const char *at = line->data, *end = at + line->size;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	bool quoted = at < end && *at == '"';
	const char *start = at += quoted;
	*line = weir_span(at, (size_t)(end - at));
	if (at == end && !quoted)
		return false;
	for (; at < end && (quoted ? *at != '"' : *at != ' ' && *at != '\t'); at++)
		if (*at == '\\' && at + 1 < end)
			at++;
	ret->text = weir_span(start, (size_t)(at - start));
	ret->quoted = quoted;
	at += quoted && at < end;
	*line = weir_span(at, (size_t)(end - at));
	return true;
}

int fields_unescape(struct weir_span *text)
{
	uint8_t first = (uint8_t)text->data[0];
	unsigned value = 0, digits = 0;
	*text = weir_span_skip(*text, 1);
	if (first != '\\')
		return first;
	for (; digits < 3 && digits < text->size && (uint8_t)(text->data[digits] - '0') < 10;)
		value = value * 10 + (unsigned)(text->data[digits++] - '0');
	if (digits == 3 && value <= UINT8_MAX) {
		*text = weir_span_skip(*text, 3);
		return (int)value;
	}
	if (digits || !text->size)
		return -1;
	first = (uint8_t)text->data[0];
	*text = weir_span_skip(*text, 1);
	return first;
}

bool fields_period(struct weir_span text, uint32_t *ret)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	uint64_t sum = 0;
	size_t i = 0;
	while (i < text.size) {
		uint64_t number = 0, factor = 1;
		size_t start = i;
		for (; i < text.size && (uint8_t)(text.data[i] - '0') < 10 && number <= INT32_MAX;
		        i++)
			number = number * 10 + (uint64_t)(text.data[i] - '0');
		if (i == start)
			return false;
		if (i < text.size) {
			factor = 0;
			for (size_t k = 0; k < sizeof units / sizeof *units; k++)
				if ((text.data[i] | 0x20) == units[k].unit)
					factor = units[k].seconds;
			i++;
		}
		sum += number * factor;
		if (!factor || sum > INT32_MAX)
			return false;
	}
	*ret = (uint32_t)sum;
	return text.size;
}

bool fields_name(
        struct weir_span text, const struct weir_dns_name *origin, struct weir_dns_name *ret)
{
	if (text.size == 1 && text.data[0] == '@') {
		*ret = *origin;
		return true;
	}
	if (weir_dns_name_parse(text, ret) < 0)
		return false;
	size_t escapes = 0;
	while (escapes + 1 < text.size && text.data[text.size - 2 - escapes] == '\\')
		escapes++;
	if (text.data[text.size - 1] == '.' && escapes % 2 == 0)
		return true;
	if (ret->size - 1u + origin->size > WEIR_DNS_NAME_MAX)
		return false;
	memcpy(ret->wire + ret->size - 1, origin->wire, origin->size);
	ret->size = (uint8_t)(ret->size - 1 + origin->size);
	ret->labels = (uint8_t)(ret->labels + origin->labels);
	return true;
}

/* -- fields ------------------------------------------------------------------------------------ */

bool fields_put(struct fields *fields, const void *data, size_t size)
{
	if (size > UINT16_MAX - fields->size) {
		fields->whole = "the data is too long";
		return false;
	}
	if (size)
		memcpy(fields->data + fields->size, data, size);
	fields->size += size;
	return true;
}

bool fields_read_word(struct fields *fields)
{
	if (fields_word_next(&fields->line, &fields->word))
		return true;
	fields->whole = "the data ends too early";
	return false;
}

bool fields_refuse(struct fields *fields, const char *wrong)
{
	fields->wrong = wrong;
	return false;
}

bool fields_put_number(struct fields *fields, uint64_t number, unsigned bytes)
{
	uint8_t data[8];
	for (unsigned i = bytes; i-- > 0; number >>= 8)
		data[i] = (uint8_t)number;
	return fields_put(fields, data, bytes);
}

bool fields_read_number(struct fields *fields, uint64_t most, unsigned bytes)
{
	uint64_t number;
	if (!fields_read_word(fields))
		return false;
	if (weir_span_number(fields->word.text, 10, &number) == 0 && number <= most)
		return fields_put_number(fields, number, bytes);
	return fields_refuse(fields, most == UINT8_MAX    ? "is not a number from 0 to 255"
	                             : most == UINT16_MAX ? "is not a number from 0 to 65535"
	                                                  : "is not a number from 0 to 4294967295");
}

bool fields_read_name(struct fields *fields)
{
	struct weir_dns_name name;
	if (!fields_read_word(fields))
		return false;
	if (!fields_name(fields->word.text, fields->origin, &name))
		return fields_refuse(fields, "is not a domain name");
	return fields_put(fields, name.wire, name.size);
}

bool fields_put16(struct fields *fields, unsigned number)
{
	return fields_put_number(fields, number, 2);
}

bool fields_put32(struct fields *fields, uint32_t number)
{
	return fields_put_number(fields, number, 4);
}

bool fields_address_of(struct weir_span text, int family, uint8_t address[16])
{
	char copy[INET6_ADDRSTRLEN];
	if (text.size >= sizeof copy)
		return false;
	memcpy(copy, text.data, text.size);
	copy[text.size] = 0;
	return inet_pton(family, copy, address) == 1;
}
