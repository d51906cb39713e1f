/*
 * Fields that many types share, read from text: a letter for each (see zone_fields.c).
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <weir/dns.h>

#include "dns_codec.h"
#include "helper.h"
#include "zone_fields.h"

/* -- numbers with names, times, types, addresses ---------------------------------------------- */

struct mnemonic {
	char name[20];
	uint16_t number;
};

static bool zone_fields_text_read_mnemonic(struct fields *fields, const struct mnemonic *names,
        size_t count, uint64_t most, unsigned bytes)
{
	struct weir_span before = fields->line;
	if (!fields_read_word(fields))
		return false;
	for (size_t i = 0; i < count; i++)
		if (fields_is_word(fields->word.text, names[i].name))
			return fields_put_number(fields, names[i].number, bytes);
	fields->line = before;
	return fields_read_number(fields, most, bytes);
}

static bool zone_fields_text_read_algorithm(struct fields *fields)
{
	static const struct mnemonic names[] = {{"RSAMD5", 1}, {"DH", 2}, {"DSA", 3},
	        {"RSASHA1", 5}, {"DSA-NSEC3-SHA1", 6}, {"RSASHA1-NSEC3-SHA1", 7},
	        {"NSEC3RSASHA1", 7}, {"RSASHA256", 8}, {"RSASHA512", 10}, {"ECC-GOST", 12},
	        {"ECDSAP256SHA256", 13}, {"ECDSAP384SHA384", 14}, {"ED25519", 15}, {"ED448", 16},
	        {"INDIRECT", 252}, {"PRIVATEDNS", 253}, {"PRIVATEOID", 254}};
	return zone_fields_text_read_mnemonic(
	        fields, names, sizeof names / sizeof *names, UINT8_MAX, 1);
}

static bool zone_fields_text_read_certificate_type(struct fields *fields)
{
	static const struct mnemonic names[] = {{"PKIX", 1}, {"SPKI", 2}, {"PGP", 3}, {"IPKIX", 4},
	        {"ISPKI", 5}, {"IPGP", 6}, {"ACPKIX", 7}, {"IACPKIX", 8}, {"URI", 253},
	        {"OID", 254}};
	return zone_fields_text_read_mnemonic(
	        fields, names, sizeof names / sizeof *names, UINT16_MAX, 2);
}

static bool zone_fields_text_read_period(struct fields *fields)
{
	uint32_t seconds;
	if (!fields_read_word(fields))
		return false;
	return fields_period(fields->word.text, &seconds)
	               ? fields_put_number(fields, seconds, 4)
	               : fields_refuse(fields, "is not a time from 0 to 2147483647 seconds");
}

/* YYYYMMDDHHmmSS, or seconds since 1970 (RFC 4034 3.2). */
static bool zone_fields_text_read_date(struct fields *fields)
{
	static const char wrong[] = "is not a time as 20261231235959, or seconds since 1970";
	static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint64_t number;
	if (!fields_read_word(fields))
		return false;
	if (weir_span_number(fields->word.text, 10, &number) < 0)
		return fields_refuse(fields, wrong);
	if (fields->word.text.size != 14)
		return number <= UINT32_MAX ? fields_put_number(fields, number, 4)
		                            : fields_refuse(fields, wrong);
	struct tm time = {.tm_year = (int)(number / 10000000000) - 1900,
	        .tm_mon = (int)(number / 100000000 % 100) - 1,
	        .tm_mday = (int)(number / 1000000 % 100),
	        .tm_hour = (int)(number / 10000 % 100),
	        .tm_min = (int)(number / 100 % 100),
	        .tm_sec = (int)(number % 100)};
	if (time.tm_year < 70 || time.tm_mon < 0 || time.tm_mon > 11 || time.tm_mday < 1 ||
	        time.tm_mday > days[time.tm_mon] || time.tm_hour > 23 || time.tm_min > 59 ||
	        time.tm_sec > 59)
		return fields_refuse(fields, wrong);
	/* Serial number arithmetic gives later times a meaning, too. */
	return fields_put_number(fields, (uint32_t)timegm(&time), 4);
}

static bool zone_fields_text_read_type(struct fields *fields)
{
	struct fields_type type;
	if (!fields_read_word(fields))
		return false;
	return fields_type_find(fields->word.text, &type)
	               ? fields_put_number(fields, type.number, 2)
	               : fields_refuse(fields, "is not a known type");
}

static bool zone_fields_text_read_address(struct fields *fields, int family)
{
	uint8_t address[16];
	if (!fields_read_word(fields))
		return false;
	if (fields_address_of(fields->word.text, family, address))
		return fields_put(fields, address, family == AF_INET ? 4 : 16);
	return fields_refuse(
	        fields, family == AF_INET ? "is not an IPv4 address" : "is not an IPv6 address");
}

/* Puts the bytes of the word, at most `most`. */
static bool zone_fields_text_put_text(struct fields *fields, size_t most)
{
	struct weir_span text = fields->word.text;
	size_t start = fields->size;
	while (text.size) {
		int byte = fields_unescape(&text);
		uint8_t data = (uint8_t)byte;
		if (byte < 0)
			return fields_refuse(fields, "has a backslash that escapes nothing");
		if (!fields_put(fields, &data, 1))
			return false;
		if (fields->size - start > most)
			return fields_refuse(fields, "is longer than 255 bytes");
	}
	return true;
}

static bool zone_fields_text_put_string(struct fields *fields)
{
	size_t at = fields->size;
	if (!fields_put_number(fields, 0, 1) || !zone_fields_text_put_text(fields, UINT8_MAX))
		return false;
	fields->data[at] = (uint8_t)(fields->size - at - 1);
	return true;
}

static bool zone_fields_text_read_string(struct fields *fields)
{
	return fields_read_word(fields) && zone_fields_text_put_string(fields);
}

static bool zone_fields_text_read_strings(struct fields *fields, unsigned most)
{
	if (!zone_fields_text_read_string(fields))
		return false;
	while (--most && fields_word_next(&fields->line, &fields->word))
		if (!zone_fields_text_put_string(fields))
			return false;
	return true;
}

bool fields_is_tag(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((uint8_t)(data[i] - '0') > 9 && (uint8_t)((data[i] | 0x20) - 'a') > 25)
			return false;
	return size;
}

static bool zone_fields_text_read_tag(struct fields *fields)
{
	size_t at = fields->size;
	if (!zone_fields_text_read_string(fields))
		return false;
	return fields_is_tag(fields->data + at + 1, fields->data[at])
	               ? true
	               : fields_refuse(fields, "is not a tag of letters and digits");
}

/* -- bytes as text ----------------------------------------------------------------------------- */

static int zone_fields_text_hex_digit(char c)
{
	if ((uint8_t)(c - '0') < 10)
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Puts hexadecimal digits: of the last word, or of all words up to the end of the line. */
static bool zone_fields_text_put_hex(struct fields *fields, bool rest)
{
	unsigned digits = 0, value = 0;
	do {
		struct weir_span text = fields->word.text;
		for (size_t i = 0; i < text.size; i++) {
			int digit = zone_fields_text_hex_digit(text.data[i]);
			if (digit < 0)
				return fields_refuse(fields, "is not hexadecimal");
			value = value << 4 | (unsigned)digit;
			if (++digits % 2 == 0 && !fields_put_number(fields, value & 0xff, 1))
				return false;
		}
	} while (rest && fields_word_next(&fields->line, &fields->word));
	return digits % 2 || !digits ? fields_refuse(fields, "ends in half a byte") : true;
}

static int zone_fields_text_base64_digit(char c)
{
	static const char digits[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c ? strchr(digits, c) : NULL;
	return found ? (int)(found - digits) : -1;
}

bool fields_base64(struct fields *fields, struct weir_span text, bool rest)
{
	uint32_t value = 0;
	unsigned digits = 0, padding = 0;
	do {
		for (size_t i = 0; i < text.size; i++, digits++) {
			int digit = zone_fields_text_base64_digit(text.data[i]);
			bool pads = text.data[i] == '=' && digits % 4 >= 2;
			if ((digit < 0 && !pads) || (digit >= 0 && padding))
				return fields_refuse(fields, "is not base64");
			padding += pads;
			value = value << 6 | (pads ? 0 : (unsigned)digit);
			if (digits % 4 != 3)
				continue;
			uint8_t bytes[3] = {
			        (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
			if (!fields_put(fields, bytes, 3 - padding))
				return false;
		}
		rest = rest && fields_word_next(&fields->line, &fields->word);
		text = fields->word.text;
	} while (rest);
	return digits % 4 || !digits ? fields_refuse(fields, "ends in a part of a byte") : true;
}

static bool zone_fields_text_read_base64(struct fields *fields, bool may_miss)
{
	if (may_miss && !fields_word_next(&fields->line, &fields->word))
		return true;
	return (may_miss || fields_read_word(fields)) &&
	       fields_base64(fields, fields->word.text, true);
}

static bool zone_fields_text_read_salt(struct fields *fields)
{
	size_t at = fields->size;
	if (!fields_read_word(fields) || !fields_put_number(fields, 0, 1))
		return false;
	if (fields_is_word(fields->word.text, "-"))
		return true;
	if (fields->word.text.size > 2u * UINT8_MAX)
		return fields_refuse(fields, "is a salt of more than 255 bytes");
	if (!zone_fields_text_put_hex(fields, false))
		return false;
	fields->data[at] = (uint8_t)(fields->size - at - 1);
	return true;
}

/* Base32 without padding (RFC 5155 3.3). */
static bool zone_fields_text_read_base32(struct fields *fields)
{
	size_t at = fields->size;
	uint64_t value = 0;
	unsigned bits = 0;
	if (!fields_read_word(fields) || !fields_put_number(fields, 0, 1))
		return false;
	struct weir_span text = fields->word.text;
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		unsigned digit = (uint8_t)(c - '0') < 10 ? (unsigned)(c - '0')
		                                         : (unsigned)((c | 0x20) - 'a') + 10;
		if (digit > 31 || (c < '0'))
			return fields_refuse(fields, "is not base32 with the alphabet 0-9 and A-V");
		value = value << 5 | digit;
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			if (!fields_put_number(fields, value >> bits & 0xff, 1))
				return false;
		}
	}
	size_t size = fields->size - at - 1;
	if (!size || size > UINT8_MAX || bits >= 5 || (value & ((1u << bits) - 1)))
		return fields_refuse(fields, "is not a hash in base32");
	fields->data[at] = (uint8_t)size;
	return true;
}

static bool zone_fields_text_read_groups(
        struct fields *fields, unsigned groups, unsigned digits, char separator)
{
	static const char wrong[] = "is not an address in groups of hexadecimal digits";
	uint64_t value = 0;
	if (!fields_read_word(fields))
		return false;
	struct weir_span text = fields->word.text;
	for (unsigned i = 0; i < groups; i++) {
		unsigned count = 0, group = 0;
		for (; count < digits && text.size && zone_fields_text_hex_digit(text.data[0]) >= 0;
		        count++) {
			group = group << 4 | (unsigned)zone_fields_text_hex_digit(text.data[0]);
			text = weir_span_skip(text, 1);
		}
		bool ends = i + 1 == groups;
		if (!count || (digits == 2 && count != 2) ||
		        (ends ? text.size != 0 : !text.size || text.data[0] != separator))
			return fields_refuse(fields, wrong);
		text = weir_span_skip(text, !ends);
		value = value << 4 * digits | group;
	}
	return fields_put_number(fields, value, groups * digits / 2);
}

static bool zone_fields_text_read_map(struct fields *fields)
{
	uint8_t map[256][32] = {0};
	uint8_t used[256] = {0}; /* bytes of each window */
	while (fields_word_next(&fields->line, &fields->word)) {
		struct fields_type type;
		if (!fields_type_find(fields->word.text, &type))
			return fields_refuse(fields, "is not a known type");
		unsigned window = type.number >> 8, byte = (type.number & 0xff) >> 3;
		map[window][byte] |= (uint8_t)(0x80 >> (type.number & 7));
		used[window] = (uint8_t)max_of((unsigned)used[window], byte + 1);
	}
	for (unsigned i = 0; i < 256; i++) {
		uint8_t head[2] = {(uint8_t)i, used[i]};
		if (used[i] &&
		        (!fields_put(fields, head, 2) || !fields_put(fields, map[i], used[i])))
			return false;
	}
	return true;
}

/* -- by their letters -------------------------------------------------------------------------- */

bool fields_read_field(struct fields *fields, char field)
{
	switch (field) {
	case 'b':
		return fields_read_number(fields, UINT8_MAX, 1);
	case 'w':
		return fields_read_number(fields, UINT16_MAX, 2);
	case 'l':
		return fields_read_number(fields, UINT32_MAX, 4);
	case 'p':
		return zone_fields_text_read_period(fields);
	case 'd':
		return zone_fields_text_read_date(fields);
	case 'a':
		return zone_fields_text_read_algorithm(fields);
	case 'c':
		return zone_fields_text_read_certificate_type(fields);
	case 'y':
		return zone_fields_text_read_type(fields);
	case '4':
		return zone_fields_text_read_address(fields, AF_INET);
	case '6':
		return zone_fields_text_read_address(fields, AF_INET6);
	case 'n':
		return fields_read_name(fields);
	case 'N':
		return zone_fields_text_read_groups(fields, 4, 4, ':');
	case 'e':
		return zone_fields_text_read_groups(fields, 6, 2, '-');
	case 'E':
		return zone_fields_text_read_groups(fields, 8, 2, '-');
	case 's':
		return zone_fields_text_read_string(fields);
	case 'S':
		return zone_fields_text_read_strings(fields, 0);
	case '2':
		return zone_fields_text_read_strings(fields, 2);
	case 'g':
		return zone_fields_text_read_tag(fields);
	case 'o':
		return fields_read_word(fields) && zone_fields_text_put_text(fields, UINT16_MAX);
	case 'B':
		return zone_fields_text_read_base64(fields, false);
	case 'K':
		return zone_fields_text_read_base64(fields, true);
	case 'X':
		return fields_read_word(fields) && zone_fields_text_put_hex(fields, true);
	case 'x':
		return zone_fields_text_read_salt(fields);
	case 'h':
		return zone_fields_text_read_base32(fields);
	case 'm':
		return zone_fields_text_read_map(fields);
	case 'L':
		return fields_read_loc(fields);
	case 'A':
		return fields_read_apl(fields);
	case 'I':
		return fields_read_ipseckey(fields);
	case 'H':
		return fields_read_hip(fields);
	default:
		return fields_read_svcb(fields);
	}
}
