/*
 * Names. All input goes through `append`, which enforces the bounds of labels and names; a name
 * that was read needs no further check. The length of a label is less than 'A', so that the whole
 * wire form can be made lower case and compared byte by byte.
 */
#include <stdio.h>
#include <string.h>

#include <weir/dns_name.h>
#include <weir/error.h>
#include <weir/limits.h>

#include "dns_codec.h"
#include "helper.h"

enum {
	POINTER = 0xc0 /* the upper bits of the first of its two bytes */
};

_Thread_local uint64_t dns_name_steps;

/*
 * Appends a label of at most WEIR_DNS_LABEL_MAX bytes. Returns false if the name becomes too long.
 */
static bool dns_name_append(struct weir_dns_name *name, const uint8_t *label, size_t size)
{
	/* The root's label must fit, too. */
	if (name->size + size + 1 > WEIR_DNS_NAME_MAX - (size ? 1 : 0))
		return false;
	name->wire[name->size] = (uint8_t)size;
	memcpy(name->wire + name->size + 1, label, size);
	name->size = (uint8_t)(name->size + size + 1);
	name->labels = (uint8_t)(name->labels + (size ? 1 : 0));
	return true;
}

int weir_dns_name_read(struct weir_span message, size_t *at, struct weir_dns_name *ret)
{
	const uint8_t *data = (const uint8_t *)message.data;
	struct weir_dns_name name;
	size_t from = *at, limit = from, behind = 0;
	unsigned pointers = 0;
	name.size = name.labels = 0;
	for (;;) {
		if (from >= message.size)
			return WEIR_E_SYNTAX;
		size_t length = data[from];
		if (length >= POINTER) {
			if (message.size - from < 2)
				return WEIR_E_SYNTAX;
			behind = behind ? behind : from + 2;
			from = (length & ~(size_t)POINTER) << 8 | data[from + 1];
			if (from >= limit || ++pointers > WEIR_DNS_POINTERS_MAX)
				return WEIR_E_SYNTAX;
			limit = from;
			continue;
		}
		if (length > WEIR_DNS_LABEL_MAX || length >= message.size - from ||
		        !dns_name_append(&name, data + from + 1, length))
			return WEIR_E_SYNTAX;
		from += length + 1;
		if (length == 0)
			break;
	}
	*at = behind ? behind : from;
	dns_name_steps += pointers + name.labels + 1u;
	memcpy(ret, &name, offsetof(struct weir_dns_name, wire) + name.size);
	return 0;
}

int weir_dns_name_set(struct weir_span wire, struct weir_dns_name *ret)
{
	struct weir_dns_name name;
	size_t at = 0;
	/*
	 * The first byte of a pointer is the only one at its position that is larger than a label.
	 */
	for (size_t i = 0; i < wire.size && wire.data[i]; i += (uint8_t)wire.data[i] + 1u)
		if ((uint8_t)wire.data[i] > WEIR_DNS_LABEL_MAX)
			return WEIR_E_SYNTAX;
	if (weir_dns_name_read(wire, &at, &name) < 0 || at != wire.size)
		return WEIR_E_SYNTAX;
	*ret = name;
	return 0;
}

/* Takes one character, which may be escaped; there is at least one. Returns -1 for a bad escape. */
static int dns_name_unescape(struct weir_span *text)
{
	uint8_t first = (uint8_t)text->data[0];
	unsigned value = 0, digits = 0;
	*text = weir_span_skip(*text, 1);
	if (first != '\\')
		return first;
	for (; digits < 3 && digits < text->size; digits++) {
		if (text->data[digits] < '0' || text->data[digits] > '9')
			break;
		value = value * 10 + (unsigned)(text->data[digits] - '0');
	}
	if (digits == 3 && value <= 255) {
		*text = weir_span_skip(*text, 3);
		return (int)value;
	}
	if (digits || !text->size)
		return -1;
	first = (uint8_t)text->data[0];
	*text = weir_span_skip(*text, 1);
	return first;
}

/* Reads a label up to a dot or the end. Returns its size, or -1. */
static int dns_name_parse_label(struct weir_span *text, uint8_t label[WEIR_DNS_LABEL_MAX])
{
	int size = 0;
	while (text->size && text->data[0] != '.') {
		int byte = dns_name_unescape(text);
		if (byte < 0 || size == WEIR_DNS_LABEL_MAX)
			return -1;
		label[size++] = (uint8_t)byte;
	}
	if (text->size)
		*text = weir_span_skip(*text, 1);
	return size;
}

int weir_dns_name_parse(struct weir_span text, struct weir_dns_name *ret)
{
	struct weir_dns_name name = {0};
	uint8_t label[WEIR_DNS_LABEL_MAX];
	if (!text.size)
		return WEIR_E_SYNTAX;
	if (weir_span_equal(text, WEIR_SPAN(".")))
		text.size = 0;
	while (text.size) {
		int size = dns_name_parse_label(&text, label);
		if (size <= 0 || !dns_name_append(&name, label, (size_t)size))
			return WEIR_E_SYNTAX;
	}
	dns_name_append(&name, label, 0);
	*ret = name;
	return 0;
}

static size_t dns_name_format_byte(uint8_t byte, char *text)
{
	if (byte <= ' ' || byte >= 0x7f)
		return (size_t)sprintf(text, "\\%03u", byte);
	size_t size = 0;
	if (strchr(".\\\"$;@()", byte))
		text[size++] = '\\';
	text[size++] = (char)byte;
	return size;
}

size_t weir_dns_name_format(const struct weir_dns_name *name, char text[WEIR_DNS_TEXT_MAX])
{
	size_t size = 0;
	for (size_t at = 0; name->wire[at]; at += name->wire[at] + 1u) {
		for (size_t i = 1; i <= name->wire[at]; i++)
			size += dns_name_format_byte(name->wire[at + i], text + size);
		text[size++] = '.';
	}
	if (!size)
		text[size++] = '.';
	text[size] = 0;
	return size;
}

/* Makes the eight bytes of a word lower case at once: bit 7 of each byte is set if it is A-Z. */
static uint64_t dns_name_lower_word(const uint8_t *at)
{
	const uint64_t ones = UINT64_MAX / 0xff;
	uint64_t word;
	memcpy(&word, at, sizeof word);
	uint64_t low = word & 0x7f * ones;
	uint64_t from_a = low + (0x80 - 'A') * ones, behind_z = low + (0x7f - 'Z') * ones;
	return word | (~word & (from_a ^ behind_z) & 0x80 * ones) >> 2;
}

void dns_wire_lower(uint8_t *to, const uint8_t *wire, size_t size)
{
	size_t at = 0;
	for (uint64_t word; size - at >= sizeof word; at += sizeof word) {
		word = dns_name_lower_word(wire + at);
		memcpy(to + at, &word, sizeof word);
	}
	for (; at < size; at++)
		to[at] = dns_lower(wire[at]);
}

static bool dns_name_same(const uint8_t *a, const uint8_t *b, size_t size)
{
	size_t i = 0;
	for (; size - i >= sizeof(uint64_t); i += sizeof(uint64_t))
		if (dns_name_lower_word(a + i) != dns_name_lower_word(b + i))
			return false;
	for (; i < size; i++)
		if (dns_lower(a[i]) != dns_lower(b[i]))
			return false;
	return true;
}

bool weir_dns_name_equal(const struct weir_dns_name *a, const struct weir_dns_name *b)
{
	return a->size == b->size && dns_name_same(a->wire, b->wire, a->size);
}

unsigned dns_label_starts(const uint8_t *wire, uint8_t starts[WEIR_DNS_LABELS_MAX + 1])
{
	unsigned count = 0, at = 0;
	for (; wire[at]; at += wire[at] + 1u)
		starts[count++] = (uint8_t)at;
	starts[count] = (uint8_t)at;
	return count;
}

/* Compares labels as strings of bytes; a prefix comes first. */
static int dns_name_compare_labels(const uint8_t *a, const uint8_t *b)
{
	unsigned size = min_of(a[0], b[0]);
	for (unsigned i = 1; i <= size; i++) {
		int difference = dns_lower(a[i]) - dns_lower(b[i]);
		if (difference)
			return difference;
	}
	return a[0] - b[0];
}

int dns_wire_compare(const uint8_t *a, const uint8_t *b)
{
	uint8_t starts_a[WEIR_DNS_LABELS_MAX + 1], starts_b[WEIR_DNS_LABELS_MAX + 1];
	unsigned left_a = dns_label_starts(a, starts_a);
	unsigned left_b = dns_label_starts(b, starts_b);
	while (left_a && left_b) {
		int difference =
		        dns_name_compare_labels(a + starts_a[--left_a], b + starts_b[--left_b]);
		if (difference)
			return difference;
	}
	return (int)left_a - (int)left_b;
}

int weir_dns_name_compare(const struct weir_dns_name *a, const struct weir_dns_name *b)
{
	return dns_wire_compare(a->wire, b->wire);
}

bool weir_dns_name_beneath(const struct weir_dns_name *name, const struct weir_dns_name *zone)
{
	unsigned skip = 0;
	if (name->labels < zone->labels)
		return false;
	for (unsigned i = name->labels; i > zone->labels; i--)
		skip += name->wire[skip] + 1u;
	return name->size - skip == zone->size &&
	       dns_name_same(name->wire + skip, zone->wire, zone->size);
}

void weir_dns_name_lower(struct weir_dns_name *name)
{
	dns_wire_lower(name->wire, name->wire, name->size);
}

/* -- keys -------------------------------------------------------------------------------------- */

/* The hash of a name from a label and the hash of the name behind it. */
static uint32_t dns_name_hash_label(uint32_t hash, const uint8_t *label)
{
	for (unsigned i = 0; i <= label[0]; i++)
		hash = (hash ^ label[i]) * 0x9e3779b1u;
	return hash ^ hash >> 15;
}

void dns_key_make(struct dns_key *key, const uint8_t *wire, size_t size, uint32_t seed)
{
	dns_wire_lower(key->wire, wire, size);
	key->size = (uint8_t)size;
	key->labels = (uint8_t)dns_label_starts(key->wire, key->starts);
	key->hashes[key->labels] = seed;
	for (unsigned i = key->labels; i-- > 0;)
		key->hashes[i] =
		        dns_name_hash_label(key->hashes[i + 1], key->wire + key->starts[i]);
}
