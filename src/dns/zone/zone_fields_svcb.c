/*
 * The parameters of SVCB and HTTPS (RFC 9460), from text and in wire form.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dns_codec.h"
#include "zone_fields.h"

enum svcb_key {
	MANDATORY = 0,
	ALPN = 1,
	NO_DEFAULT_ALPN = 2,
	PORT = 3,
	IPV4HINT = 4,
	ECH = 5,
	IPV6HINT = 6,
	DOHPATH = 7,
	OHTTP = 8,
	KEY_INVALID = 65535
};

static const char *const svcb_names[] = {
        [MANDATORY] = "mandatory",
        [ALPN] = "alpn",
        [NO_DEFAULT_ALPN] = "no-default-alpn",
        [PORT] = "port",
        [IPV4HINT] = "ipv4hint",
        [ECH] = "ech",
        [IPV6HINT] = "ipv6hint",
        [DOHPATH] = "dohpath",
        [OHTTP] = "ohttp",
};

/*
 * The number of a name, or of `key` and a number without leading zeros. Returns -1 if it is
 * unknown.
 */
static int zone_fields_svcb_key_of(struct weir_span text)
{
	uint64_t number;
	for (unsigned i = 0; i < sizeof svcb_names / sizeof *svcb_names; i++)
		if (text.size == strlen(svcb_names[i]) &&
		        memcmp(text.data, svcb_names[i], text.size) == 0)
			return (int)i;
	if (text.size < 4 || memcmp(text.data, "key", 3) != 0 ||
	        (text.data[3] == '0' && text.size > 4) ||
	        weir_span_number(weir_span_skip(text, 3), 10, &number) < 0 || number >= KEY_INVALID)
		return -1;
	return (int)number;
}

/* A parameter being collected: the positions of its key, size and value. */
struct svcb_parameter {
	uint16_t key, size;
	uint16_t at;
};

enum {
	PARAMETERS_MAX = 64 /* of one record in a file */
};

/* Takes the next item of a list. */
static bool zone_fields_svcb_item(struct weir_span *list, struct weir_span *ret)
{
	if (!list->size)
		return false;
	weir_span_cut(list, ',', ret);
	return true;
}

static int zone_fields_svcb_compare_numbers(const void *left, const void *right)
{
	return *(const uint16_t *)left - *(const uint16_t *)right;
}

static bool zone_fields_svcb_mandatory(struct fields *fields, struct weir_span list)
{
	uint16_t keys[PARAMETERS_MAX];
	unsigned count = 0;
	struct weir_span item;
	while (zone_fields_svcb_item(&list, &item)) {
		int key = zone_fields_svcb_key_of(item);
		if (key < 0 || count == PARAMETERS_MAX)
			return fields_refuse(fields, "names an unknown key");
		keys[count++] = (uint16_t)key;
	}
	if (!count)
		return fields_refuse(fields, "names no keys");
	qsort(keys, count, sizeof *keys, zone_fields_svcb_compare_numbers);
	for (unsigned i = 0; i < count; i++)
		if (!fields_put16(fields, keys[i]))
			return false;
	return true;
}

/* A list whose commas may be escaped, within a string whose bytes may be, too (RFC 9460 A.1). */
static bool zone_fields_svcb_alpn(struct fields *fields, struct weir_span text)
{
	size_t at = fields->size;
	bool open = true;
	if (!fields_put(fields, "", 1))
		return false;
	while (text.size) {
		int byte = fields_unescape(&text);
		if (byte == ',') {
			at = fields->size;
			if (open)
				return fields_refuse(fields, "has an empty protocol");
			if (!fields_put(fields, "", 1))
				return false;
			open = true;
			continue;
		}
		if (byte == '\\')
			byte = text.size ? fields_unescape(&text) : -1;
		uint8_t data = (uint8_t)byte;
		if (byte < 0 || fields->data[at] == UINT8_MAX)
			return fields_refuse(fields, "is not a list of protocols");
		if (!fields_put(fields, &data, 1))
			return false;
		fields->data[at]++;
		open = false;
	}
	return true;
}

static bool zone_fields_svcb_hints(struct fields *fields, struct weir_span list, int family)
{
	uint8_t address[16];
	struct weir_span item;
	while (zone_fields_svcb_item(&list, &item)) {
		if (!fields_address_of(item, family, address))
			return fields_refuse(fields, "is not a list of addresses");
		if (!fields_put(fields, address, family == AF_INET ? 4 : 16))
			return false;
	}
	return true;
}

static bool zone_fields_svcb_bytes(struct fields *fields, struct weir_span text)
{
	while (text.size) {
		int byte = fields_unescape(&text);
		uint8_t data = (uint8_t)byte;
		if (byte < 0)
			return fields_refuse(fields, "has a backslash that escapes nothing");
		if (!fields_put(fields, &data, 1))
			return false;
	}
	return true;
}

static bool zone_fields_svcb_value(struct fields *fields, int key, struct weir_span text)
{
	uint64_t port;
	bool is_list = key == MANDATORY || key == IPV4HINT || key == IPV6HINT;
	if (is_list && text.size && text.data[text.size - 1] == ',')
		return fields_refuse(fields, "ends with a comma");
	switch (key) {
	case MANDATORY:
		return zone_fields_svcb_mandatory(fields, text);
	case ALPN:
		return zone_fields_svcb_alpn(fields, text);
	case PORT:
		if (weir_span_number(text, 10, &port) < 0 || port > UINT16_MAX)
			return fields_refuse(fields, "is not a port from 0 to 65535");
		return fields_put16(fields, (unsigned)port);
	case IPV4HINT:
		return zone_fields_svcb_hints(fields, text, AF_INET);
	case IPV6HINT:
		return zone_fields_svcb_hints(fields, text, AF_INET6);
	case ECH:
		return fields_base64(fields, text, false);
	default:
		return zone_fields_svcb_bytes(fields, text);
	}
}

/* key, key=value or key="value". */
static bool zone_fields_svcb_parameter(struct fields *fields, struct svcb_parameter *ret)
{
	struct weir_span text = fields->word.text, name;
	bool has_value = weir_span_cut(&text, '=', &name);
	if (!has_value)
		name = fields->word.text;
	int key = zone_fields_svcb_key_of(name);
	if (key < 0)
		return fields_refuse(fields, "begins with an unknown key");
	struct weir_span value = has_value ? text : weir_span(NULL, 0);
	/* The value of quoted text is the text between the quotes. */
	if (value.size && value.data[0] == '"') {
		struct weir_span line = weir_span(
		        value.data, (size_t)(fields->line.data + fields->line.size - value.data));
		struct fields_word word;
		fields_word_next(&line, &word);
		value = word.text;
		fields->line = line;
	}
	ret->key = (uint16_t)key;
	ret->at = (uint16_t)fields->size;
	if (!zone_fields_svcb_value(fields, key, value))
		return false;
	ret->size = (uint16_t)(fields->size - ret->at);
	return true;
}

static int zone_fields_svcb_compare_parameters(const void *left, const void *right)
{
	const struct svcb_parameter *a = left, *b = right;
	return a->key - b->key;
}

/*
 * The values behind `start` are in the order of the text; they are put in the order of their keys.
 */
static bool zone_fields_svcb_put(
        struct fields *fields, struct svcb_parameter *parameters, unsigned count, size_t start)
{
	size_t size = fields->size - start;
	uint8_t *values = malloc(size ? size : 1);
	bool fits = values;
	if (!values) {
		fields->whole = "there is no memory to read it";
		return false;
	}
	memcpy(values, fields->data + start, size);
	fields->size = start;
	qsort(parameters, count, sizeof *parameters, zone_fields_svcb_compare_parameters);
	for (unsigned i = 0; i < count && fits; i++)
		fits = fields_put16(fields, parameters[i].key) &&
		       fields_put16(fields, parameters[i].size) &&
		       fields_put(fields, values + parameters[i].at - start, parameters[i].size);
	free(values);
	return fits;
}

bool fields_read_svcb(struct fields *fields)
{
	struct svcb_parameter parameters[PARAMETERS_MAX];
	unsigned count = 0;
	size_t start = fields->size;
	while (fields_word_next(&fields->line, &fields->word)) {
		if (count == PARAMETERS_MAX)
			return fields_refuse(fields, "is one parameter too many");
		if (!zone_fields_svcb_parameter(fields, &parameters[count++]))
			return false;
	}
	if (!zone_fields_svcb_put(fields, parameters, count, start))
		return false;
	fields->whole = fields_check_svcb(fields->data + start, fields->size - start);
	return !fields->whole;
}

static bool zone_fields_svcb_is_protocols(const uint8_t *data, size_t size)
{
	for (; size; size -= data[0] + 1u, data += data[0] + 1u)
		if (!data[0] || data[0] >= size)
			return false;
	return true;
}

static bool zone_fields_svcb_has(const uint8_t *data, size_t size, unsigned key)
{
	for (; size; size -= 4u + dns_get16(data + 2), data += 4u + dns_get16(data + 2))
		if (dns_get16(data) == key)
			return true;
	return false;
}

static const char *zone_fields_svcb_check_value(unsigned key, const uint8_t *value, unsigned size)
{
	switch (key) {
	case MANDATORY:
		for (unsigned i = 0; i < size && size % 2 == 0; i += 2)
			if (!dns_get16(value + i) ||
			        (i && dns_get16(value + i) <= dns_get16(value + i - 2)))
				return "'mandatory' names itself, or a key twice";
		return size && size % 2 == 0 ? NULL : "'mandatory' must name keys";
	case ALPN:
		return size && zone_fields_svcb_is_protocols(value, size)
		               ? NULL
		               : "'alpn' must name protocols";
	case NO_DEFAULT_ALPN:
	case OHTTP:
		return size ? "a parameter has a value that takes none" : NULL;
	case PORT:
		return size == 2 ? NULL : "'port' must be one number";
	case IPV4HINT:
		return size && size % 4 == 0 ? NULL : "'ipv4hint' must be addresses";
	case IPV6HINT:
		return size && size % 16 == 0 ? NULL : "'ipv6hint' must be addresses";
	case ECH:
		return size ? NULL : "'ech' must have a value";
	case KEY_INVALID:
		return "the key 65535 is reserved";
	default:
		return NULL;
	}
}

const char *fields_check_svcb(const uint8_t *data, size_t size)
{
	const uint8_t *at = data, *mandatory = NULL;
	size_t left = size;
	int before = -1;
	while (left) {
		unsigned value = left >= 4 ? dns_get16(at + 2) : 0;
		if (left < 4 || value > left - 4)
			return "the parameters do not fill the data";
		int key = dns_get16(at);
		if (key <= before)
			return key == before ? "a key occurs twice" : "the keys are not in order";
		const char *wrong = zone_fields_svcb_check_value((unsigned)key, at + 4, value);
		if (wrong)
			return wrong;
		mandatory = key == MANDATORY ? at : mandatory;
		before = key;
		at += 4 + value;
		left -= 4 + value;
	}
	for (unsigned i = 0; mandatory && i < dns_get16(mandatory + 2); i += 2)
		if (!zone_fields_svcb_has(data, size, dns_get16(mandatory + 4 + i)))
			return "a key that 'mandatory' names is missing";
	if (zone_fields_svcb_has(data, size, NO_DEFAULT_ALPN) &&
	        !zone_fields_svcb_has(data, size, ALPN))
		return "'no-default-alpn' needs 'alpn'";
	return NULL;
}
