/*
 * The table of types, and the fields that many types share. Leaves out fields with a grammar of their
 * own (zone_fields_special.c) and what records amount to together (zone_make.c).
 *
 *   b w l  numbers of 8, 16, 32 bits    p  a period        d  a date of RRSIG
 *   a      an algorithm of DNSSEC       c  a kind of CERT  y  a type
 *   4 6    addresses                    n  a name          N  64 bits as four hex groups
 *   s      a string                     S  one or more     2  one or two
 *   g      a tag of CAA                 o  a string, as all that is left
 *   B K    base64, K may be none        X  hex             x  hex or "-", behind its size
 *   h      base32, behind its size      m  a map of types  e E  EUI-48 and EUI-64
 *   L A I H V  LOC, APL, IPSECKEY, HIP, parameters of SVCB
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <weir/dns.h>

#include "name.h"
#include "zone_fields.h"

/* The most frequent ones stand first. */
static const struct fields_type types[] = {
        {"A", 1, "4"},
        {"AAAA", 28, "6"},
        {"NS", 2, "n"},
        {"CNAME", 5, "n"},
        {"MX", 15, "wn"},
        {"TXT", 16, "S"},
        {"PTR", 12, "n"},
        {"RRSIG", 46, "yabpddwnB"},
        {"NSEC3", 50, "bbwxhm"},
        {"NSEC", 47, "nm"},
        {"DS", 43, "wabX"},
        {"SRV", 33, "wwwn"},
        {"SOA", 6, "nnlpppp"},
        {"CAA", 257, "bgo"},
        {"TLSA", 52, "bbbX"},
        {"SSHFP", 44, "bbX"},
        {"HTTPS", 65, "wnV"},
        {"SVCB", 64, "wnV"},
        {"NAPTR", 35, "wwsssn"},
        {"DNSKEY", 48, "wbaB"},
        {"NSEC3PARAM", 51, "bbwx"},
        {"DNAME", 39, "n"},
        {"LOC", 29, "L"},
        {"HINFO", 13, "ss"},
        {"MD", 3, "n"},
        {"MF", 4, "n"},
        {"MB", 7, "n"},
        {"MG", 8, "n"},
        {"MR", 9, "n"},
        {"NULL", 10, NULL},
        {"WKS", 11, NULL},
        {"MINFO", 14, "nn"},
        {"RP", 17, "nn"},
        {"AFSDB", 18, "wn"},
        {"X25", 19, "s"},
        {"ISDN", 20, "2"},
        {"RT", 21, "wn"},
        {"NSAP", 22, NULL},
        {"NSAP-PTR", 23, "n"},
        {"SIG", 24, "yabpddwnB"},
        {"KEY", 25, "wbaK"},
        {"PX", 26, "wnn"},
        {"GPOS", 27, "sss"},
        {"NXT", 30, NULL},
        {"EID", 31, NULL},
        {"NIMLOC", 32, NULL},
        {"ATMA", 34, NULL},
        {"KX", 36, "wn"},
        {"CERT", 37, "cwaB"},
        {"A6", 38, NULL},
        {"SINK", 40, NULL},
        {"APL", 42, "A"},
        {"IPSECKEY", 45, "I"},
        {"DHCID", 49, "B"},
        {"SMIMEA", 53, "bbbX"},
        {"HIP", 55, "H"},
        {"NINFO", 56, "S"},
        {"RKEY", 57, "wbaB"},
        {"TALINK", 58, "nn"},
        {"CDS", 59, "wabX"},
        {"CDNSKEY", 60, "wbaB"},
        {"OPENPGPKEY", 61, "B"},
        {"CSYNC", 62, "lwm"},
        {"ZONEMD", 63, "lbbX"},
        {"SPF", 99, "S"},
        {"UINFO", 100, NULL},
        {"UID", 101, NULL},
        {"GID", 102, NULL},
        {"UNSPEC", 103, NULL},
        {"NID", 104, "wN"},
        {"L32", 105, "w4"},
        {"L64", 106, "wN"},
        {"LP", 107, "wn"},
        {"EUI48", 108, "e"},
        {"EUI64", 109, "E"},
        {"URI", 256, "wwo"},
        {"AVC", 258, "S"},
        {"TA", 32768, "wabX"},
        {"DLV", 32769, "wabX"},
};

static const struct fields_type *zone_fields_type_of(uint16_t number)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].number == number)
			return &types[i];
	return NULL;
}

const char *fields_type_name(uint16_t number)
{
	const struct fields_type *type = zone_fields_type_of(number);
	return type ? type->name : "TYPE";
}

static bool zone_fields_is_word(struct weir_span text, const char *word)
{
	return strlen(word) == text.size && strncasecmp(text.data, word, text.size) == 0;
}

bool fields_type_find(struct weir_span name, struct fields_type *ret)
{
	uint64_t number;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (zone_fields_is_word(name, types[i].name)) {
			*ret = types[i];
			return true;
		}
	if (name.size < 5 || strncasecmp(name.data, "TYPE", 4) != 0 ||
	        weir_span_number(weir_span_skip(name, 4), 10, &number) < 0 || number > UINT16_MAX)
		return false;
	const struct fields_type *known = zone_fields_type_of((uint16_t)number);
	*ret = known ? *known : (struct fields_type){.number = (uint16_t)number};
	return true;
}

/* -- words ------------------------------------------------------------------------------------- */

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

bool fields_take(struct fields *fields)
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

static bool zone_fields_put_number(struct fields *fields, uint64_t number, unsigned bytes)
{
	uint8_t data[8];
	for (unsigned i = bytes; i-- > 0; number >>= 8)
		data[i] = (uint8_t)number;
	return fields_put(fields, data, bytes);
}

bool fields_number(struct fields *fields, uint64_t most, unsigned bytes)
{
	uint64_t number;
	if (!fields_take(fields))
		return false;
	if (weir_span_number(fields->word.text, 10, &number) == 0 && number <= most)
		return zone_fields_put_number(fields, number, bytes);
	return fields_refuse(fields, most == UINT8_MAX    ? "is not a number from 0 to 255"
	                             : most == UINT16_MAX ? "is not a number from 0 to 65535"
	                                                  : "is not a number from 0 to 4294967295");
}

struct mnemonic {
	char name[20];
	uint16_t number;
};

static bool zone_fields_read_mnemonic(struct fields *fields, const struct mnemonic *names,
        size_t count, uint64_t most, unsigned bytes)
{
	struct weir_span before = fields->line;
	if (!fields_take(fields))
		return false;
	for (size_t i = 0; i < count; i++)
		if (zone_fields_is_word(fields->word.text, names[i].name))
			return zone_fields_put_number(fields, names[i].number, bytes);
	fields->line = before;
	return fields_number(fields, most, bytes);
}

static bool zone_fields_read_algorithm(struct fields *fields)
{
	static const struct mnemonic names[] = {{"RSAMD5", 1}, {"DH", 2}, {"DSA", 3},
	        {"RSASHA1", 5}, {"DSA-NSEC3-SHA1", 6}, {"RSASHA1-NSEC3-SHA1", 7},
	        {"NSEC3RSASHA1", 7}, {"RSASHA256", 8}, {"RSASHA512", 10}, {"ECC-GOST", 12},
	        {"ECDSAP256SHA256", 13}, {"ECDSAP384SHA384", 14}, {"ED25519", 15}, {"ED448", 16},
	        {"INDIRECT", 252}, {"PRIVATEDNS", 253}, {"PRIVATEOID", 254}};
	return zone_fields_read_mnemonic(fields, names, sizeof names / sizeof *names, UINT8_MAX, 1);
}

static bool zone_fields_read_certificate_kind(struct fields *fields)
{
	static const struct mnemonic names[] = {{"PKIX", 1}, {"SPKI", 2}, {"PGP", 3}, {"IPKIX", 4},
	        {"ISPKI", 5}, {"IPGP", 6}, {"ACPKIX", 7}, {"IACPKIX", 8}, {"URI", 253},
	        {"OID", 254}};
	return zone_fields_read_mnemonic(
	        fields, names, sizeof names / sizeof *names, UINT16_MAX, 2);
}

static bool zone_fields_read_period(struct fields *fields)
{
	uint32_t seconds;
	if (!fields_take(fields))
		return false;
	return fields_period(fields->word.text, &seconds)
	               ? zone_fields_put_number(fields, seconds, 4)
	               : fields_refuse(fields, "is not a time from 0 to 2147483647 seconds");
}

/* YYYYMMDDHHmmSS, or seconds since 1970 (RFC 4034 3.2). */
static bool zone_fields_read_date(struct fields *fields)
{
	static const char wrong[] = "is not a time as 20261231235959, or seconds since 1970";
	static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint64_t number;
	if (!fields_take(fields))
		return false;
	if (weir_span_number(fields->word.text, 10, &number) < 0)
		return fields_refuse(fields, wrong);
	if (fields->word.text.size != 14)
		return number <= UINT32_MAX ? zone_fields_put_number(fields, number, 4)
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
	/* Serial arithmetic makes later ones meaningful, too. */
	return zone_fields_put_number(fields, (uint32_t)timegm(&time), 4);
}

static bool zone_fields_read_type(struct fields *fields)
{
	struct fields_type type;
	if (!fields_take(fields))
		return false;
	return fields_type_find(fields->word.text, &type)
	               ? zone_fields_put_number(fields, type.number, 2)
	               : fields_refuse(fields, "is not a type that is known");
}

bool fields_read_name(struct fields *fields)
{
	struct weir_dns_name name;
	if (!fields_take(fields))
		return false;
	if (!fields_name(fields->word.text, fields->origin, &name))
		return fields_refuse(fields, "is not a domain name");
	return fields_put(fields, name.wire, name.size);
}

static bool zone_fields_read_address(struct fields *fields, int family)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t address[16];
	if (!fields_take(fields))
		return false;
	size_t size = fields->word.text.size;
	if (size < sizeof text) {
		memcpy(text, fields->word.text.data, size);
		text[size] = 0;
		if (inet_pton(family, text, address) == 1)
			return fields_put(fields, address, family == AF_INET ? 4 : 16);
	}
	return fields_refuse(
	        fields, family == AF_INET ? "is not an IPv4 address" : "is not an IPv6 address");
}

/* Bytes of the word; at most `most`. */
static bool zone_fields_put_text(struct fields *fields, size_t most)
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

static bool zone_fields_put_string(struct fields *fields)
{
	size_t at = fields->size;
	if (!zone_fields_put_number(fields, 0, 1) || !zone_fields_put_text(fields, UINT8_MAX))
		return false;
	fields->data[at] = (uint8_t)(fields->size - at - 1);
	return true;
}

static bool zone_fields_read_string(struct fields *fields)
{
	return fields_take(fields) && zone_fields_put_string(fields);
}

static bool zone_fields_read_strings(struct fields *fields, unsigned most)
{
	if (!zone_fields_read_string(fields))
		return false;
	while (--most && fields_word_next(&fields->line, &fields->word))
		if (!zone_fields_put_string(fields))
			return false;
	return true;
}

static bool zone_fields_is_tag(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((uint8_t)(data[i] - '0') > 9 && (uint8_t)((data[i] | 0x20) - 'a') > 25)
			return false;
	return size;
}

static bool zone_fields_read_tag(struct fields *fields)
{
	size_t at = fields->size;
	if (!zone_fields_read_string(fields))
		return false;
	return zone_fields_is_tag(fields->data + at + 1, fields->data[at])
	               ? true
	               : fields_refuse(fields, "is not a tag of letters and digits");
}

/* -- bytes as text ----------------------------------------------------------------------------- */

static int zone_fields_hex_digit(char c)
{
	if ((uint8_t)(c - '0') < 10)
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The words up to the end of the line, or only the last that was taken, by `digit_bits` a digit. */
static bool zone_fields_put_hex(struct fields *fields, bool rest)
{
	unsigned digits = 0, value = 0;
	do {
		struct weir_span text = fields->word.text;
		for (size_t i = 0; i < text.size; i++) {
			int digit = zone_fields_hex_digit(text.data[i]);
			if (digit < 0)
				return fields_refuse(fields, "is not hexadecimal");
			value = value << 4 | (unsigned)digit;
			if (++digits % 2 == 0 && !zone_fields_put_number(fields, value & 0xff, 1))
				return false;
		}
	} while (rest && fields_word_next(&fields->line, &fields->word));
	return digits % 2 || !digits
	               ? fields_refuse(fields, "ends hexadecimal data of no whole bytes")
	               : true;
}

static int zone_fields_base64_digit(char c)
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
			int digit = zone_fields_base64_digit(text.data[i]);
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
	return digits % 4 || !digits ? fields_refuse(fields, "ends base64 of no whole bytes")
	                             : true;
}

static bool zone_fields_read_base64(struct fields *fields, bool may_miss)
{
	if (may_miss && !fields_word_next(&fields->line, &fields->word))
		return true;
	return (may_miss || fields_take(fields)) && fields_base64(fields, fields->word.text, true);
}

static bool zone_fields_read_salt(struct fields *fields)
{
	size_t at = fields->size;
	if (!fields_take(fields) || !zone_fields_put_number(fields, 0, 1))
		return false;
	if (zone_fields_is_word(fields->word.text, "-"))
		return true;
	if (fields->word.text.size > 2u * UINT8_MAX)
		return fields_refuse(fields, "is a salt of more than 255 bytes");
	if (!zone_fields_put_hex(fields, false))
		return false;
	fields->data[at] = (uint8_t)(fields->size - at - 1);
	return true;
}

/* Without padding (RFC 5155 3.3). */
static bool zone_fields_read_base32(struct fields *fields)
{
	size_t at = fields->size;
	uint64_t value = 0;
	unsigned bits = 0;
	if (!fields_take(fields) || !zone_fields_put_number(fields, 0, 1))
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
			if (!zone_fields_put_number(fields, value >> bits & 0xff, 1))
				return false;
		}
	}
	size_t size = fields->size - at - 1;
	if (!size || size > UINT8_MAX || bits >= 5 || (value & ((1u << bits) - 1)))
		return fields_refuse(fields, "is not a hash in base32");
	fields->data[at] = (uint8_t)size;
	return true;
}

static bool zone_fields_read_groups(
        struct fields *fields, unsigned groups, unsigned digits, char separator)
{
	static const char wrong[] = "is not an address in groups of hexadecimal digits";
	uint64_t value = 0;
	if (!fields_take(fields))
		return false;
	struct weir_span text = fields->word.text;
	for (unsigned i = 0; i < groups; i++) {
		unsigned count = 0, group = 0;
		for (; count < digits && text.size && zone_fields_hex_digit(text.data[0]) >= 0;
		        count++) {
			group = group << 4 | (unsigned)zone_fields_hex_digit(text.data[0]);
			text = weir_span_skip(text, 1);
		}
		bool ends = i + 1 == groups;
		if (!count || (digits == 2 && count != 2) ||
		        (ends ? text.size != 0 : !text.size || text.data[0] != separator))
			return fields_refuse(fields, wrong);
		text = weir_span_skip(text, !ends);
		value = value << 4 * digits | group;
	}
	return zone_fields_put_number(fields, value, groups * digits / 2);
}

static bool zone_fields_read_map(struct fields *fields)
{
	uint8_t map[256][32] = {0};
	uint8_t used[256] = {0}; /* bytes of each window */
	while (fields_word_next(&fields->line, &fields->word)) {
		struct fields_type type;
		if (!fields_type_find(fields->word.text, &type))
			return fields_refuse(fields, "is not a type that is known");
		unsigned window = type.number >> 8, byte = (type.number & 0xff) >> 3;
		map[window][byte] |= (uint8_t)(0x80 >> (type.number & 7));
		used[window] = used[window] > byte + 1 ? used[window] : (uint8_t)(byte + 1);
	}
	for (unsigned i = 0; i < 256; i++) {
		uint8_t head[2] = {(uint8_t)i, used[i]};
		if (used[i] &&
		        (!fields_put(fields, head, 2) || !fields_put(fields, map[i], used[i])))
			return false;
	}
	return true;
}

/* -- the whole --------------------------------------------------------------------------------- */

static bool zone_fields_read_field(struct fields *fields, char field)
{
	switch (field) {
	case 'b':
		return fields_number(fields, UINT8_MAX, 1);
	case 'w':
		return fields_number(fields, UINT16_MAX, 2);
	case 'l':
		return fields_number(fields, UINT32_MAX, 4);
	case 'p':
		return zone_fields_read_period(fields);
	case 'd':
		return zone_fields_read_date(fields);
	case 'a':
		return zone_fields_read_algorithm(fields);
	case 'c':
		return zone_fields_read_certificate_kind(fields);
	case 'y':
		return zone_fields_read_type(fields);
	case '4':
		return zone_fields_read_address(fields, AF_INET);
	case '6':
		return zone_fields_read_address(fields, AF_INET6);
	case 'n':
		return fields_read_name(fields);
	case 'N':
		return zone_fields_read_groups(fields, 4, 4, ':');
	case 'e':
		return zone_fields_read_groups(fields, 6, 2, '-');
	case 'E':
		return zone_fields_read_groups(fields, 8, 2, '-');
	case 's':
		return zone_fields_read_string(fields);
	case 'S':
		return zone_fields_read_strings(fields, 0);
	case '2':
		return zone_fields_read_strings(fields, 2);
	case 'g':
		return zone_fields_read_tag(fields);
	case 'o':
		return fields_take(fields) && zone_fields_put_text(fields, UINT16_MAX);
	case 'B':
		return zone_fields_read_base64(fields, false);
	case 'K':
		return zone_fields_read_base64(fields, true);
	case 'X':
		return fields_take(fields) && zone_fields_put_hex(fields, true);
	case 'x':
		return zone_fields_read_salt(fields);
	case 'h':
		return zone_fields_read_base32(fields);
	case 'm':
		return zone_fields_read_map(fields);
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

/* What the values of a type must be together. NULL: they are. */
static const char *zone_fields_judge(uint16_t type, const uint8_t *data, size_t size)
{
	static const uint8_t digests[] = {[1] = 20, [2] = 32, [3] = 32, [4] = 48};
	static const uint8_t prints[] = {[1] = 20, [2] = 32};
	static const uint8_t sums[] = {[1] = 48, [2] = 64};
	unsigned kind;
	switch (type) {
	case 43: /* DS, TA, DLV; CDS, which may also say that there is none */
	case 59:
	case 32768:
	case 32769:
		kind = data[3];
		return kind < sizeof digests && digests[kind] && size - 4 != digests[kind]
		               ? "the digest has not the size that its kind wants"
		               : NULL;
	case 44: /* SSHFP */
		kind = data[1];
		return kind < sizeof prints && prints[kind] && size - 2 != prints[kind]
		               ? "the fingerprint has not the size that its kind wants"
		               : NULL;
	case 63: /* ZONEMD */
		kind = data[5];
		return kind < sizeof sums && sums[kind] && size - 6 != sums[kind]
		               ? "the digest has not the size that its kind wants"
		               : NULL;
	case 256: /* URI (RFC 7553 4.4) */
		return size == 4 ? "the target must not be empty" : NULL;
	default:
		return NULL;
	}
}

static void zone_fields_explain(
        const struct fields_type *type, const struct fields *fields, char why[FIELDS_WHY_MAX])
{
	char word[41];
	struct weir_span text = fields->word.text;
	size_t size = text.size < sizeof word ? text.size : sizeof word - 1;
	if (!fields->wrong) {
		snprintf(why, FIELDS_WHY_MAX, "%s: %s", type->name, fields->whole);
		return;
	}
	for (size_t i = 0; i < size; i++)
		word[i] = (uint8_t)(text.data[i] - ' ') < 0x5f ? text.data[i] : '?';
	word[size] = 0;
	snprintf(why, FIELDS_WHY_MAX, "%s: '%s' %s", type->name, word, fields->wrong);
}

bool fields_read(const struct fields_type *type, struct weir_span line,
        const struct weir_dns_name *origin, uint8_t *data, size_t *ret_size,
        char why[FIELDS_WHY_MAX])
{
	struct fields fields = {.line = line, .origin = origin, .data = data};
	const char *field = type->fields;
	while (*field && zone_fields_read_field(&fields, *field))
		field++;
	if (!*field && fields_word_next(&fields.line, &fields.word))
		fields.wrong = "stands behind the data of the type";
	else if (!*field)
		fields.whole = zone_fields_judge(type->number, data, fields.size);
	if (fields.wrong || fields.whole) {
		zone_fields_explain(type, &fields, why);
		return false;
	}
	*ret_size = fields.size;
	return true;
}

/* -- wire form --------------------------------------------------------------------------------- */

/* Each window once and in order, no empty ones, none that ends in zeros (RFC 4034 4.1.2). */
static bool zone_fields_is_map(const uint8_t *data, size_t size)
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

/* The bytes of an uncompressed name; 0: there is none. */
static size_t zone_fields_name_size(const uint8_t *data, size_t size)
{
	for (size_t at = 0; at < size && at < WEIR_DNS_NAME_MAX; at += data[at] + 1u) {
		if (data[at] > WEIR_DNS_LABEL_MAX)
			return 0;
		if (!data[at])
			return at + 1;
	}
	return 0;
}

static size_t zone_fields_strings_size(const uint8_t *data, size_t size, unsigned most)
{
	size_t at = 0;
	for (; at < size && most--; at += data[at] + 1u)
		if (data[at] >= size - at)
			return 0;
	return at;
}

static bool zone_fields_is_apl(const uint8_t *data, size_t size)
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
static bool zone_fields_is_loc(const uint8_t *data, size_t size)
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

/* The bytes of a field that begins here; SIZE_MAX: it is malformed. */
static size_t zone_fields_field_size(char field, const uint8_t *data, size_t size)
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
		found = zone_fields_name_size(data, size);
		return found ? found : SIZE_MAX;
	case 's':
	case 'g':
	case 'h':
		found = zone_fields_strings_size(data, size, 1);
		return !found || (field == 'g' && !zone_fields_is_tag(data + 1, data[0])) ? SIZE_MAX
		                                                                          : found;
	case 'x':
		found = zone_fields_strings_size(data, size, 1);
		return found ? found : SIZE_MAX;
	case 'S':
	case '2':
		found = zone_fields_strings_size(data, size, field == '2' ? 2 : UINT16_MAX);
		return found == size && size ? size : SIZE_MAX;
	case 'B':
	case 'X':
		return size ? size : SIZE_MAX;
	case 'm':
		return zone_fields_is_map(data, size) ? size : SIZE_MAX;
	case 'L':
		return zone_fields_is_loc(data, size) ? size : SIZE_MAX;
	case 'A':
		return zone_fields_is_apl(data, size) ? size : SIZE_MAX;
	case 'V':
		return fields_check_svcb(data, size) ? SIZE_MAX : size;
	default: /* o, K, and what has many forms: I, H */
		return size;
	}
}

bool fields_check(uint16_t type, struct weir_span data)
{
	const struct fields_type *known = zone_fields_type_of(type);
	const uint8_t *at = (const uint8_t *)data.data;
	size_t left = data.size;
	for (const char *field = known && known->fields ? known->fields : ""; *field; field++) {
		size_t size = zone_fields_field_size(*field, at, left);
		if (size > left)
			return false;
		at += size;
		left -= size;
	}
	if (!known || !known->fields)
		return true;
	return left == 0 && !zone_fields_judge(type, (const uint8_t *)data.data, data.size);
}
