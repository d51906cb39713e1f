/*
 * The table of types, and the reading of a record's data by its row. The fields are read in
 * zone_fields_text.c, zone_fields_special.c and zone_fields_svcb.c; zone_make.c checks records
 * against each other.
 *
 *   b w l  numbers of 8, 16, 32 bits    p  a period        d  a date of RRSIG
 *   a      an algorithm of DNSSEC       c  a hash of CERT  y  a type
 *   4 6    addresses                    n  a name          N  64 bits as four hex groups
 *   s      a string                     S  one or more     2  one or two
 *   g      a tag of CAA                 o  a string, as all that is left
 *   B K    base64, K may be none        X  hex             x  hex or "-", behind its size
 *   h      base32, behind its size      m  a map of types  e E  EUI-48 and EUI-64
 *   L A I H V  LOC, APL, IPSECKEY, HIP, parameters of SVCB
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "zone_fields.h"

/* The most frequent types come first. */
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

const struct fields_type *fields_type_of(uint16_t number)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].number == number)
			return &types[i];
	return NULL;
}

const char *fields_type_name(uint16_t number)
{
	const struct fields_type *type = fields_type_of(number);
	return type ? type->name : "TYPE";
}

bool fields_type_find(struct weir_span name, struct fields_type *ret)
{
	uint64_t number;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (fields_is_word(name, types[i].name)) {
			*ret = types[i];
			return true;
		}
	if (name.size < 5 || strncasecmp(name.data, "TYPE", 4) != 0 ||
	        weir_span_number(weir_span_skip(name, 4), 10, &number) < 0 || number > UINT16_MAX)
		return false;
	const struct fields_type *known = fields_type_of((uint16_t)number);
	*ret = known ? *known : (struct fields_type){.number = (uint16_t)number};
	return true;
}

/* -- the data of a record ---------------------------------------------------------------------- */
const char *fields_judge(uint16_t type, const uint8_t *data, size_t size)
{
	static const uint8_t digests[] = {[1] = 20, [2] = 32, [3] = 32, [4] = 48};
	static const uint8_t prints[] = {[1] = 20, [2] = 32};
	static const uint8_t sums[] = {[1] = 48, [2] = 64};
	unsigned hash;
	switch (type) {
	case 43: /* DS, TA, DLV; CDS, which may also say that there is none */
	case 59:
	case 32768:
	case 32769:
		hash = data[3];
		return hash < sizeof digests && digests[hash] && size - 4 != digests[hash]
		               ? "the digest has the wrong size for its type"
		               : NULL;
	case 44: /* SSHFP */
		hash = data[1];
		return hash < sizeof prints && prints[hash] && size - 2 != prints[hash]
		               ? "the fingerprint has the wrong size for its type"
		               : NULL;
	case 63: /* ZONEMD */
		hash = data[5];
		return hash < sizeof sums && sums[hash] && size - 6 != sums[hash]
		               ? "the digest has the wrong size for its type"
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
	while (*field && fields_read_field(&fields, *field))
		field++;
	if (!*field && fields_word_next(&fields.line, &fields.word))
		fields.wrong = "is one word too many";
	else if (!*field)
		fields.whole = fields_judge(type->number, data, fields.size);
	if (fields.wrong || fields.whole) {
		zone_fields_explain(type, &fields, why);
		return false;
	}
	*ret_size = fields.size;
	return true;
}
