/*
 * Data with a grammar of its own: LOC (RFC 1876), APL (RFC 3123), IPSECKEY (RFC 4025), HIP (RFC 8005),
 * and the parameters of SVCB and HTTPS (RFC 9460).
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "name.h"
#include "zone_fields.h"

static bool zone_fields_special_put16(struct fields *fields, unsigned number)
{
	uint8_t data[2];
	dns_put16(data, number);
	return fields_put(fields, data, sizeof data);
}

static bool zone_fields_special_put32(struct fields *fields, uint32_t number)
{
	uint8_t data[4];
	dns_put32(data, number);
	return fields_put(fields, data, sizeof data);
}

/* An address without the words around it. False: it is none. */
static bool zone_fields_special_address_of(struct weir_span text, int family, uint8_t address[16])
{
	char copy[INET6_ADDRSTRLEN];
	if (text.size >= sizeof copy)
		return false;
	memcpy(copy, text.data, text.size);
	copy[text.size] = 0;
	return inet_pton(family, copy, address) == 1;
}

/* -- LOC --------------------------------------------------------------------------------------- */

/* Digits, and up to `places` behind a point, as a whole number. False: no such, or beyond `most`. */
static bool zone_fields_special_decimal(
        struct weir_span text, unsigned places, uint64_t most, uint64_t *ret)
{
	uint64_t value = 0;
	unsigned digits = 0, behind = 0;
	bool point = false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '.' && !point) {
			point = true;
			continue;
		}
		if ((uint8_t)(text.data[i] - '0') > 9 || (point && behind == places) ||
		        value > most)
			return false;
		value = value * 10 + (uint64_t)(text.data[i] - '0');
		digits++;
		behind += point;
	}
	for (; behind < places; behind++)
		value *= 10;
	if (!digits || value > most)
		return false;
	*ret = value;
	return true;
}

/* Degrees, perhaps minutes, perhaps seconds, and one of two letters: thousandths of a second. */
static bool zone_fields_special_loc_angle(
        struct fields *fields, unsigned degrees_max, const char *letters, uint32_t *ret)
{
	const uint64_t minute = 60 * 1000, degree = 60 * minute;
	uint64_t parts[3] = {0};
	unsigned count = 0;
	for (;; count++) {
		if (!fields_take(fields))
			return false;
		struct weir_span text = fields->word.text;
		const char *letter =
		        text.size == 1 && text.data[0] ? strchr(letters, text.data[0]) : NULL;
		if (count && letter) {
			uint64_t value = parts[0] * degree + parts[1] * minute + parts[2];
			if (value > degrees_max * degree)
				return fields_refuse(fields, "ends an angle that is too large");
			*ret = (letter - letters) % 2 ? (1u << 31) - (uint32_t)value
			                              : (1u << 31) + (uint32_t)value;
			return true;
		}
		if (count == 3 || !zone_fields_special_decimal(text, count == 2 ? 3 : 0,
		                          count == 0   ? degrees_max
		                          : count == 1 ? 59
		                                       : 59999,
		                          &parts[count]))
			return fields_refuse(fields, "is no part of an angle, or too large for it");
	}
}

/* Meters, perhaps with an m: centimeters. */
static bool zone_fields_special_loc_meters(struct weir_span text, uint64_t most, uint64_t *ret)
{
	if (text.size && (text.data[text.size - 1] | 0x20) == 'm')
		text.size--;
	return zone_fields_special_decimal(text, 2, most, ret);
}

static uint8_t zone_fields_special_loc_size(uint64_t centimeters)
{
	unsigned exponent = 0;
	for (; centimeters >= 10; centimeters /= 10)
		exponent++;
	return (uint8_t)(centimeters << 4 | exponent);
}

bool fields_read_loc(struct fields *fields)
{
	const uint64_t below_cm = 10000000, most_cm = UINT32_MAX - below_cm;
	uint8_t sizes[4] = {0, 0x12, 0x16, 0x13};
	uint32_t latitude, longitude;
	uint64_t altitude;
	if (!zone_fields_special_loc_angle(fields, 90, "NSns", &latitude) ||
	        !zone_fields_special_loc_angle(fields, 180, "EWew", &longitude) ||
	        !fields_take(fields))
		return false;
	struct weir_span text = fields->word.text;
	bool below = text.size && text.data[0] == '-';
	if (!zone_fields_special_loc_meters(
	            weir_span_skip(text, below), below ? below_cm : most_cm, &altitude))
		return fields_refuse(fields, "is not an altitude from -100000.00m to 42849672.95m");
	for (unsigned i = 1; i < 4 && fields_word_next(&fields->line, &fields->word); i++) {
		uint64_t size;
		if (!zone_fields_special_loc_meters(fields->word.text, 9000000000, &size))
			return fields_refuse(fields, "is not a size from 0 to 90000000.00m");
		sizes[i] = zone_fields_special_loc_size(size);
	}
	altitude = below ? below_cm - altitude : below_cm + altitude;
	return fields_put(fields, sizes, sizeof sizes) &&
	       zone_fields_special_put32(fields, latitude) &&
	       zone_fields_special_put32(fields, longitude) &&
	       zone_fields_special_put32(fields, (uint32_t)altitude);
}

/* -- APL --------------------------------------------------------------------------------------- */

static bool zone_fields_special_apl_item(struct fields *fields)
{
	static const char wrong[] = "is not an item such as 1:192.0.2.0/24 or !2:2001:db8::/32";
	uint8_t address[16];
	uint64_t prefix;
	struct weir_span text = fields->word.text, part;
	bool negated = text.size && text.data[0] == '!';
	text = weir_span_skip(text, negated);
	if (text.size < 2 || text.data[1] != ':' || (text.data[0] != '1' && text.data[0] != '2'))
		return fields_refuse(fields, wrong);
	bool is_4 = text.data[0] == '1';
	text = weir_span_skip(text, 2);
	if (!weir_span_cut(&text, '/', &part) ||
	        !zone_fields_special_address_of(part, is_4 ? AF_INET : AF_INET6, address) ||
	        weir_span_number(text, 10, &prefix) < 0 || prefix > (is_4 ? 32 : 128))
		return fields_refuse(fields, wrong);
	uint8_t size = is_4 ? 4 : 16;
	while (size && !address[size - 1])
		size--;
	uint8_t head[2] = {(uint8_t)prefix, (uint8_t)(negated << 7 | size)};
	return zone_fields_special_put16(fields, is_4 ? 1 : 2) &&
	       fields_put(fields, head, sizeof head) && fields_put(fields, address, size);
}

bool fields_read_apl(struct fields *fields)
{
	while (fields_word_next(&fields->line, &fields->word))
		if (!zone_fields_special_apl_item(fields))
			return false;
	return true;
}

/* -- keys -------------------------------------------------------------------------------------- */

bool fields_read_ipseckey(struct fields *fields)
{
	uint8_t address[16];
	if (!fields_number(fields, UINT8_MAX, 1) || !fields_number(fields, UINT8_MAX, 1))
		return false;
	uint8_t kind = fields->data[1];
	if (kind > 3)
		return fields_refuse(fields, "is not a kind of gateway from 0 to 3");
	if (!fields_number(fields, UINT8_MAX, 1))
		return false;
	uint8_t algorithm = fields->data[2];
	if (kind == 3) {
		if (!fields_read_name(fields))
			return false;
	} else {
		int family = kind == 2 ? AF_INET6 : AF_INET;
		if (!fields_take(fields))
			return false;
		bool none = fields->word.text.size == 1 && fields->word.text.data[0] == '.';
		if (kind == 0 ? !none
		              : !zone_fields_special_address_of(fields->word.text, family, address))
			return fields_refuse(fields, "is not a gateway of this kind");
		if (!fields_put(fields, address, kind == 0 ? 0 : kind == 1 ? 4 : 16))
			return false;
	}
	if (!algorithm)
		return true;
	return fields_take(fields) && fields_base64(fields, fields->word.text, true);
}

bool fields_read_hip(struct fields *fields)
{
	uint8_t tag[255];
	size_t size = 0, at;
	if (!fields_take(fields))
		return false;
	/* The sizes come first, so that the algorithm is read into its place. */
	if (!fields_put(fields, "", 1))
		return false;
	uint64_t algorithm;
	if (weir_span_number(fields->word.text, 10, &algorithm) < 0 || algorithm > UINT8_MAX)
		return fields_refuse(fields, "is not a number from 0 to 255");
	uint8_t number = (uint8_t)algorithm;
	if (!fields_put(fields, &number, 1) || !zone_fields_special_put16(fields, 0) ||
	        !fields_take(fields))
		return false;
	struct weir_span text = fields->word.text;
	if (text.size % 2 || !text.size || text.size / 2 > sizeof tag)
		return fields_refuse(fields, "is not a tag in hexadecimal");
	for (; size < text.size / 2; size++) {
		char digits[3] = {text.data[2 * size], text.data[2 * size + 1]}, *end;
		tag[size] = (uint8_t)strtoul(digits, &end, 16);
		if (*end || digits[0] == '-' || digits[0] == '+' || digits[0] == ' ')
			return fields_refuse(fields, "is not a tag in hexadecimal");
	}
	if (!fields_put(fields, tag, size) || !fields_take(fields))
		return false;
	at = fields->size;
	if (!fields_base64(fields, fields->word.text, false))
		return false;
	fields->data[0] = (uint8_t)size;
	dns_put16(fields->data + 2, (unsigned)(fields->size - at));
	struct weir_span before = fields->line;
	while (fields_word_next(&fields->line, &fields->word)) {
		fields->line = before;
		if (!fields_read_name(fields))
			return false;
		before = fields->line;
	}
	return true;
}

/* -- SVCB -------------------------------------------------------------------------------------- */

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

/* One of the names, or key and a number without zeros before it. -1: unknown. */
static int zone_fields_special_svcb_key_of(struct weir_span text)
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

/* A parameter while it is collected: where its key, size and value stand. */
struct svcb_parameter {
	uint16_t key, size;
	uint16_t at;
};

enum {
	PARAMETERS_MAX = 64 /* of one record in a file */
};

/* The next item of a list. */
static bool zone_fields_special_svcb_item(struct weir_span *list, struct weir_span *ret)
{
	if (!list->size)
		return false;
	weir_span_cut(list, ',', ret);
	return true;
}

static int zone_fields_special_compare_numbers(const void *left, const void *right)
{
	return *(const uint16_t *)left - *(const uint16_t *)right;
}

static bool zone_fields_special_svcb_mandatory(struct fields *fields, struct weir_span list)
{
	uint16_t keys[PARAMETERS_MAX];
	unsigned count = 0;
	struct weir_span item;
	while (zone_fields_special_svcb_item(&list, &item)) {
		int key = zone_fields_special_svcb_key_of(item);
		if (key < 0 || count == PARAMETERS_MAX)
			return fields_refuse(fields, "names a key that is not known");
		keys[count++] = (uint16_t)key;
	}
	if (!count)
		return fields_refuse(fields, "names no keys");
	qsort(keys, count, sizeof *keys, zone_fields_special_compare_numbers);
	for (unsigned i = 0; i < count; i++)
		if (!zone_fields_special_put16(fields, keys[i]))
			return false;
	return true;
}

/* A list whose commas may be escaped, within a string whose bytes may be, too (RFC 9460 A.1). */
static bool zone_fields_special_svcb_alpn(struct fields *fields, struct weir_span text)
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

static bool zone_fields_special_svcb_hints(struct fields *fields, struct weir_span list, int family)
{
	uint8_t address[16];
	struct weir_span item;
	while (zone_fields_special_svcb_item(&list, &item)) {
		if (!zone_fields_special_address_of(item, family, address))
			return fields_refuse(fields, "is not a list of addresses");
		if (!fields_put(fields, address, family == AF_INET ? 4 : 16))
			return false;
	}
	return true;
}

static bool zone_fields_special_svcb_bytes(struct fields *fields, struct weir_span text)
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

static bool zone_fields_special_svcb_value(struct fields *fields, int key, struct weir_span text)
{
	uint64_t port;
	bool is_list = key == MANDATORY || key == IPV4HINT || key == IPV6HINT;
	if (is_list && text.size && text.data[text.size - 1] == ',')
		return fields_refuse(fields, "ends with a comma");
	switch (key) {
	case MANDATORY:
		return zone_fields_special_svcb_mandatory(fields, text);
	case ALPN:
		return zone_fields_special_svcb_alpn(fields, text);
	case PORT:
		if (weir_span_number(text, 10, &port) < 0 || port > UINT16_MAX)
			return fields_refuse(fields, "is not a port from 0 to 65535");
		return zone_fields_special_put16(fields, (unsigned)port);
	case IPV4HINT:
		return zone_fields_special_svcb_hints(fields, text, AF_INET);
	case IPV6HINT:
		return zone_fields_special_svcb_hints(fields, text, AF_INET6);
	case ECH:
		return fields_base64(fields, text, false);
	default:
		return zone_fields_special_svcb_bytes(fields, text);
	}
}

/* key, key=value or key="value". */
static bool zone_fields_special_svcb_parameter(struct fields *fields, struct svcb_parameter *ret)
{
	struct weir_span text = fields->word.text, name;
	bool has_value = weir_span_cut(&text, '=', &name);
	if (!has_value)
		name = fields->word.text;
	int key = zone_fields_special_svcb_key_of(name);
	if (key < 0)
		return fields_refuse(fields, "begins with a key that is not known");
	struct weir_span value = has_value ? text : weir_span(NULL, 0);
	/* A value in quotes is all that stands between them. */
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
	if (!zone_fields_special_svcb_value(fields, key, value))
		return false;
	ret->size = (uint16_t)(fields->size - ret->at);
	return true;
}

static int zone_fields_special_compare_parameters(const void *left, const void *right)
{
	const struct svcb_parameter *a = left, *b = right;
	return a->key - b->key;
}

/* The values stand in the order of the text behind `start`; they are put in that of their keys. */
static bool zone_fields_special_svcb_put(
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
	qsort(parameters, count, sizeof *parameters, zone_fields_special_compare_parameters);
	for (unsigned i = 0; i < count && fits; i++)
		fits = zone_fields_special_put16(fields, parameters[i].key) &&
		       zone_fields_special_put16(fields, parameters[i].size) &&
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
		if (!zone_fields_special_svcb_parameter(fields, &parameters[count++]))
			return false;
	}
	if (!zone_fields_special_svcb_put(fields, parameters, count, start))
		return false;
	fields->whole = fields_check_svcb(fields->data + start, fields->size - start);
	return !fields->whole;
}

static bool zone_fields_special_is_protocols(const uint8_t *data, size_t size)
{
	for (; size; size -= data[0] + 1u, data += data[0] + 1u)
		if (!data[0] || data[0] >= size)
			return false;
	return true;
}

static bool zone_fields_special_svcb_has(const uint8_t *data, size_t size, unsigned key)
{
	for (; size; size -= 4u + dns_get16(data + 2), data += 4u + dns_get16(data + 2))
		if (dns_get16(data) == key)
			return true;
	return false;
}

static const char *zone_fields_special_svcb_check_value(
        unsigned key, const uint8_t *value, unsigned size)
{
	switch (key) {
	case MANDATORY:
		for (unsigned i = 0; i < size && size % 2 == 0; i += 2)
			if (!dns_get16(value + i) ||
			        (i && dns_get16(value + i) <= dns_get16(value + i - 2)))
				return "'mandatory' names itself, or a key twice";
		return size && size % 2 == 0 ? NULL : "'mandatory' must name keys";
	case ALPN:
		return size && zone_fields_special_is_protocols(value, size)
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
			return key == before ? "a key stands twice" : "the keys are not in order";
		const char *wrong =
		        zone_fields_special_svcb_check_value((unsigned)key, at + 4, value);
		if (wrong)
			return wrong;
		mandatory = key == MANDATORY ? at : mandatory;
		before = key;
		at += 4 + value;
		left -= 4 + value;
	}
	for (unsigned i = 0; mandatory && i < dns_get16(mandatory + 2); i += 2)
		if (!zone_fields_special_svcb_has(data, size, dns_get16(mandatory + 4 + i)))
			return "a key that 'mandatory' names is missing";
	if (zone_fields_special_svcb_has(data, size, NO_DEFAULT_ALPN) &&
	        !zone_fields_special_svcb_has(data, size, ALPN))
		return "'no-default-alpn' needs 'alpn'";
	return NULL;
}
