/*
 * Fields with a grammar of their own: LOC (RFC 1876), APL (RFC 3123), IPSECKEY (RFC 4025), HIP (RFC
 * 8005). The parameters of SVCB are in zone_fields_svcb.c.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dns_codec.h"
#include "zone_fields.h"

/* -- LOC --------------------------------------------------------------------------------------- */

/*
 * Reads digits, with up to `decimals` behind a point, as a whole number. Returns false for other
 * text, or above `most`.
 */
static bool zone_fields_special_decimal(
        struct weir_span text, unsigned decimals, uint64_t most, uint64_t *ret)
{
	uint64_t value = 0;
	unsigned digits = 0, behind = 0;
	bool point = false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '.' && !point) {
			point = true;
			continue;
		}
		if ((uint8_t)(text.data[i] - '0') > 9 || (point && behind == decimals) ||
		        value > most)
			return false;
		value = value * 10 + (uint64_t)(text.data[i] - '0');
		digits++;
		behind += point;
	}
	for (; behind < decimals; behind++)
		value *= 10;
	if (!digits || value > most)
		return false;
	*ret = value;
	return true;
}

/*
 * Reads degrees, optional minutes and seconds, and one of two letters, as thousandths of a second.
 */
static bool zone_fields_special_loc_angle(
        struct fields *fields, unsigned degrees_max, const char *letters, uint32_t *ret)
{
	const uint64_t minute = 60 * 1000, degree = 60 * minute;
	uint64_t parts[3] = {0};
	unsigned count = 0;
	for (;; count++) {
		if (!fields_read_word(fields))
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

/* Reads meters, with an optional m, as centimeters. */
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
	uint32_t latitude = 0, longitude = 0;
	uint64_t altitude;
	if (!zone_fields_special_loc_angle(fields, 90, "NSns", &latitude) ||
	        !zone_fields_special_loc_angle(fields, 180, "EWew", &longitude) ||
	        !fields_read_word(fields))
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
	return fields_put(fields, sizes, sizeof sizes) && fields_put32(fields, latitude) &&
	       fields_put32(fields, longitude) && fields_put32(fields, (uint32_t)altitude);
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
	        !fields_address_of(part, is_4 ? AF_INET : AF_INET6, address) ||
	        weir_span_number(text, 10, &prefix) < 0 || prefix > (is_4 ? 32 : 128))
		return fields_refuse(fields, wrong);
	uint8_t size = is_4 ? 4 : 16;
	while (size && !address[size - 1])
		size--;
	uint8_t head[2] = {(uint8_t)prefix, (uint8_t)(negated << 7 | size)};
	return fields_put16(fields, is_4 ? 1 : 2) && fields_put(fields, head, sizeof head) &&
	       fields_put(fields, address, size);
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
	if (!fields_read_number(fields, UINT8_MAX, 1) || !fields_read_number(fields, UINT8_MAX, 1))
		return false;
	uint8_t type = fields->data[1];
	if (type > 3)
		return fields_refuse(fields, "is not a kind of gateway from 0 to 3");
	if (!fields_read_number(fields, UINT8_MAX, 1))
		return false;
	uint8_t algorithm = fields->data[2];
	if (type == 3) {
		if (!fields_read_name(fields))
			return false;
	} else {
		int family = type == 2 ? AF_INET6 : AF_INET;
		if (!fields_read_word(fields))
			return false;
		bool none = fields->word.text.size == 1 && fields->word.text.data[0] == '.';
		if (type == 0 ? !none : !fields_address_of(fields->word.text, family, address))
			return fields_refuse(fields, "is not a gateway of this kind");
		if (!fields_put(fields, address, type == 0 ? 0 : type == 1 ? 4 : 16))
			return false;
	}
	if (!algorithm)
		return true;
	return fields_read_word(fields) && fields_base64(fields, fields->word.text, true);
}

bool fields_read_hip(struct fields *fields)
{
	uint8_t tag[255];
	size_t size = 0, at;
	if (!fields_read_word(fields))
		return false;
	/* The sizes precede what they are of, and are filled in later. */
	if (!fields_put(fields, "", 1))
		return false;
	uint64_t algorithm;
	if (weir_span_number(fields->word.text, 10, &algorithm) < 0 || algorithm > UINT8_MAX)
		return fields_refuse(fields, "is not a number from 0 to 255");
	uint8_t number = (uint8_t)algorithm;
	if (!fields_put(fields, &number, 1) || !fields_put16(fields, 0) ||
	        !fields_read_word(fields))
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
	if (!fields_put(fields, tag, size) || !fields_read_word(fields))
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
