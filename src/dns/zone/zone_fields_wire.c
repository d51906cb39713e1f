/*
 * Data in wire form: reading generic data (RFC 3597), which is \#, the number of bytes, and the
 * bytes in hexadecimal; and the check of data that was read so, or was transferred.
 */
#include <string.h>

#include <weir/dns.h>

#include "dns_codec.h"
#include "zone_fields.h"

/* -- generic data ------------------------------------------------------------------------------ */

static bool zone_fields_wire_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int zone_fields_wire_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads pairs of digits, with blanks anywhere. */
static bool zone_fields_wire_read_bytes(struct weir_span text, size_t size, uint8_t *data)
{
	size_t digits = 0;
	for (size_t i = 0; i < text.size; i++) {
		int value = zone_fields_wire_digit(text.data[i]);
		if (zone_fields_wire_is_blank(text.data[i]))
			continue;
		if (value < 0 || digits == 2 * size)
			return false;
		data[digits / 2] = (uint8_t)(digits % 2 ? data[digits / 2] << 4 | value : value);
		digits++;
	}
	return digits == 2 * size;
}

bool fields_read_generic(struct weir_span text, uint8_t *data, bool *ret_is, size_t *ret_size)
{
	uint64_t size;
	while (text.size && zone_fields_wire_is_blank(text.data[0]))
		text = weir_span_skip(text, 1);
	*ret_is = text.size >= 2 && text.data[0] == '\\' && text.data[1] == '#' &&
	          (text.size == 2 || zone_fields_wire_is_blank(text.data[2]));
	if (!*ret_is)
		return true;
	text = weir_span_skip(text, 2);
	while (text.size && zone_fields_wire_is_blank(text.data[0]))
		text = weir_span_skip(text, 1);
	size_t digits = 0;
	while (digits < text.size && !zone_fields_wire_is_blank(text.data[digits]))
		digits++;
	if (weir_span_number(weir_span(text.data, digits), 10, &size) < 0 || size > UINT16_MAX ||
	        !zone_fields_wire_read_bytes(weir_span_skip(text, digits), (size_t)size, data))
		return false;
	*ret_size = (size_t)size;
	return true;
}

/* -- the check --------------------------------------------------------------------------------- */

/*
 * Each window occurs once and in order, is not empty, and does not end in zeros (RFC 4034 4.1.2).
 */
static bool zone_fields_wire_is_map(const uint8_t *data, size_t size)
{
	int window = -1;
	while (size) {
		if (size < 2 || data[0] <= window || !data[1] || data[1] > 32 ||
		        data[1] > size - 2 || !data[1 + data[1]])
			return false;
		window = data[0];
		size -= 2u + data[1];
		data += 2u + data[1];
	}
	return true;
}

/* Returns the size of an uncompressed name, or 0 if it is malformed. */
static size_t zone_fields_wire_name_size(const uint8_t *data, size_t size)
{
	for (size_t at = 0; at < size && at < WEIR_DNS_NAME_MAX; at += data[at] + 1u) {
		if (data[at] > WEIR_DNS_LABEL_MAX)
			return 0;
		if (!data[at])
			return at + 1;
	}
	return 0;
}

static size_t zone_fields_wire_strings_size(const uint8_t *data, size_t size, unsigned most)
{
	size_t at = 0;
	for (; at < size && most--; at += data[at] + 1u)
		if (data[at] >= size - at)
			return 0;
	return at;
}

static bool zone_fields_wire_is_apl(const uint8_t *data, size_t size)
{
	while (size) {
		unsigned family = size >= 4 ? dns_get16(data) : 0, part;
		unsigned bytes = family == 1 ? 4 : family == 2 ? 16 : 0;
		if (!bytes || data[2] > 8 * bytes || (part = data[3] & 0x7f) > bytes ||
		        part > size - 4 || (part && !data[3 + part]))
			return false;
		size -= 4 + part;
		data += 4 + part;
	}
	return true;
}

/* The mantissas and exponents of sizes are decimal digits (RFC 1876 2). */
static bool zone_fields_wire_is_loc(const uint8_t *data, size_t size)
{
	const uint32_t middle = 1u << 31, degree = 3600000;
	if (size != 16 || data[0])
		return false;
	for (unsigned i = 1; i < 4; i++)
		if (data[i] >> 4 > 9 || (data[i] & 15) > 9)
			return false;
	uint32_t latitude = dns_get32(data + 4), longitude = dns_get32(data + 8);
	return latitude >= middle - 90 * degree && latitude <= middle + 90 * degree &&
	       longitude >= middle - 180 * degree && longitude <= middle + 180 * degree;
}

/* Returns the size of a field that begins here, or SIZE_MAX if it is malformed. */
static size_t zone_fields_wire_field_size(char field, const uint8_t *data, size_t size)
{
	size_t found;
	switch (field) {
	case 'b':
	case 'a':
		return 1;
	case 'w':
	case 'c':
	case 'y':
		return 2;
	case 'l':
	case 'p':
	case 'd':
	case '4':
		return 4;
	case '6':
		return 16;
	case 'N':
	case 'E':
		return 8;
	case 'e':
		return 6;
	case 'n':
		found = zone_fields_wire_name_size(data, size);
		return found ? found : SIZE_MAX;
	case 's':
	case 'g':
	case 'h':
		found = zone_fields_wire_strings_size(data, size, 1);
		return !found || (field == 'g' && !fields_is_tag(data + 1, data[0])) ? SIZE_MAX
		                                                                     : found;
	case 'x':
		found = zone_fields_wire_strings_size(data, size, 1);
		return found ? found : SIZE_MAX;
	case 'S':
	case '2':
		found = zone_fields_wire_strings_size(data, size, field == '2' ? 2 : UINT16_MAX);
		return found == size && size ? size : SIZE_MAX;
	case 'B':
	case 'X':
		return size ? size : SIZE_MAX;
	case 'm':
		return zone_fields_wire_is_map(data, size) ? size : SIZE_MAX;
	case 'L':
		return zone_fields_wire_is_loc(data, size) ? size : SIZE_MAX;
	case 'A':
		return zone_fields_wire_is_apl(data, size) ? size : SIZE_MAX;
	case 'V':
		return fields_check_svcb(data, size) ? SIZE_MAX : size;
	default: /* o, K, and what has many forms: I, H */
		return size;
	}
}

bool fields_check(uint16_t type, struct weir_span data)
{
	const struct fields_type *known = fields_type_of(type);
	const uint8_t *at = (const uint8_t *)data.data;
	size_t left = data.size;
	for (const char *field = known && known->fields ? known->fields : ""; *field; field++) {
		size_t size = zone_fields_wire_field_size(*field, at, left);
		if (size > left)
			return false;
		at += size;
		left -= size;
	}
	if (!known || !known->fields)
		return true;
	return left == 0 && !fields_judge(type, (const uint8_t *)data.data, data.size);
}
