/* Zones from a few tables of flags. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random_zone.h"
#include "zone_builder.h"

static const char *const names[RANDOM_NAMES] = {"z", "a.z", "b.a.z", "b.z", "*.b.z", "c.d.e.z",
        "aa.z", "\\000.z", "\\255.z", "x.aa.z", "Mixed.z", "very-long-label-here-for-the-rank.z"};

/* -- to a zone --------------------------------------------------------------------------------- */

static size_t rdata_of(unsigned type, unsigned value, uint8_t data[64], uint16_t *ret_type)
{
	memset(data, 0, 64);
	switch (type) {
	case 0:
		*ret_type = WEIR_DNS_A;
		data[3] = (uint8_t)value;
		return 4;
	case 1:
		*ret_type = WEIR_DNS_TXT;
		data[0] = (uint8_t)value;
		return 1 + value;
	case 2:
		*ret_type = WEIR_DNS_MX;
		data[1] = (uint8_t)value;
		memcpy(data + 2, "\4Host\1z", 8);
		return 2 + 8;
	case 3:
		*ret_type = 1234;
		data[0] = (uint8_t)value;
		return value;
	default:
		/* Signatures over A, and over what there is none of. */
		*ret_type = WEIR_DNS_RRSIG;
		dns_put16(data, type == 4 ? WEIR_DNS_A : WEIR_DNS_AAAA);
		data[17] = (uint8_t)value;
		memcpy(data + 18, "\1z", 3);
		return 22;
	}
}

static int add(struct dns_builder *builder, const char *text, uint16_t type, uint32_t ttl,
        const void *data, size_t size)
{
	struct weir_dns_name owner;
	if (weir_dns_name_parse(weir_span_of(text), &owner) < 0)
		abort();
	return dns_builder_add(builder, &owner, type, ttl, weir_span(data, size), 0);
}

static int add_hashed(struct dns_builder *builder, unsigned number)
{
	/* The last of them is of no chain. */
	uint8_t hash[DNS_HASH_SIZE] = {(uint8_t)(number * 37)}, signature[22] = {0};
	uint8_t data[40] = {1, 0, 0, number == RANDOM_HASHED - 1, 0, 20, (uint8_t)number};
	char owner[DNS_BASE32_SIZE + 3] = {0};
	dns_base32_encode(hash, (uint8_t *)owner);
	memcpy(owner + DNS_BASE32_SIZE, ".z", 3);
	dns_put16(signature, WEIR_DNS_NSEC3);
	memcpy(signature + 18, "\1z", 3);
	int error = add(builder, owner, WEIR_DNS_NSEC3, 60, data, 26);
	return error ? error : add(builder, owner, WEIR_DNS_RRSIG, 60, signature, 22);
}

static int fill(struct dns_builder *builder, const struct random_zone *model)
{
	uint8_t soa[] = "\2n0\1z\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1", data[64];
	uint16_t number;
	soa[2] = (uint8_t)('0' + model->mname);
	dns_put32(soa + 7, model->serial);
	int error = add(builder, "z", WEIR_DNS_SOA, 300, soa, 27);
	if (error == 0)
		error = add(builder, "z", WEIR_DNS_NS, 300, "\2ns\1z\0", 6);
	if (error == 0 && model->chain)
		error = add(builder, "z", WEIR_DNS_NSEC3PARAM, 0, "\1\0\0\0\0", 5);
	for (unsigned i = 0; i < RANDOM_NAMES * RANDOM_TYPES * RANDOM_VALUES && error == 0; i++) {
		unsigned value = i % RANDOM_VALUES, type = i / RANDOM_VALUES % RANDOM_TYPES;
		unsigned name = i / RANDOM_VALUES / RANDOM_TYPES;
		if (!model->there[name][type][value])
			continue;
		size_t size = rdata_of(type, value, data, &number);
		error = add(builder, names[name], number, model->ttls[name][type == 4 ? 0 : type],
		        data, size);
	}
	for (unsigned i = 0; i < RANDOM_HASHED && error == 0; i++)
		if (model->hashed[i])
			error = add_hashed(builder, i);
	return error;
}

struct weir_dns_zone *random_zone_make(const struct random_zone *model)
{
	struct dns_builder builder;
	struct weir_dns_zone *zone = NULL;
	struct weir_dns_name apex;
	weir_dns_name_parse(WEIR_SPAN("z"), &apex);
	if (dns_builder_init(&builder, &apex) < 0)
		return NULL;
	if (fill(&builder, model) == 0)
		dns_builder_finish(&builder, NULL, NULL, &zone);
	dns_builder_free(&builder);
	return zone;
}

void random_zone_change(struct random_zone *model, struct dice *dice, unsigned changes)
{
	model->serial += 1 + dice_throw(dice, 3);
	for (unsigned i = dice_throw(dice, changes + 1); i; i--) {
		unsigned name = dice_throw(dice, RANDOM_NAMES);
		unsigned type = dice_throw(dice, RANDOM_TYPES);
		bool *there = &model->there[name][type][dice_throw(dice, RANDOM_VALUES)];
		bool *hashed = &model->hashed[dice_throw(dice, RANDOM_HASHED)];
		switch (dice_throw(dice, 20)) {
		case 0:
			model->chain = !model->chain;
			break;
		case 1:
			model->mname ^= 1;
			break;
		case 2:
		case 3:
		case 4:
			*hashed = !*hashed;
			break;
		case 5:
			model->ttls[name][type] = dice_throw(dice, 1000);
			break;
		default:
			*there = !*there;
			break;
		}
	}
}

/* -- lists ------------------------------------------------------------------------------------- */

static char *line_of(const struct zone_entry *entry)
{
	char *line = NULL;
	size_t size, owner = dns_wire_size(entry->owner);
	FILE *stream = open_memstream(&line, &size);
	if (!stream)
		abort();
	for (size_t i = 0; i < owner; i++)
		fprintf(stream, "%02x", entry->owner[i]);
	fprintf(stream, " %u %u ", entry->type, entry->ttl);
	for (size_t i = 0; i < entry->data.size; i++)
		fprintf(stream, "%02x", (uint8_t)entry->data.data[i]);
	fclose(stream);
	return line;
}

void zone_lines_add(struct zone_lines *lines, const struct zone_entry *entry)
{
	lines->lines = realloc(lines->lines, (lines->count + 1) * sizeof *lines->lines);
	if (!lines->lines)
		abort();
	lines->lines[lines->count++] = line_of(entry);
}

bool zone_lines_remove(struct zone_lines *lines, const struct zone_entry *entry)
{
	char *line = line_of(entry);
	bool found = false;
	for (size_t i = 0; i < lines->count && !found; i++) {
		found = strcmp(lines->lines[i], line) == 0;
		if (found) {
			free(lines->lines[i]);
			lines->lines[i] = lines->lines[--lines->count];
		}
	}
	free(line);
	return found;
}

struct zone_lines zone_lines_of(const struct weir_dns_zone *zone)
{
	struct zone_lines lines = {0};
	struct dns_walk walk;
	struct zone_entry entry;
	dns_walk_init(&walk, zone);
	for (; dns_walk_peek(&walk, &entry); dns_walk_step(&walk))
		zone_lines_add(&lines, &entry);
	return lines;
}

static int compare(const void *left, const void *right)
{
	const char *const *a = left, *const *b = right;
	return strcmp(*a, *b);
}

bool zone_lines_equal(struct zone_lines *a, struct zone_lines *b)
{
	bool equal = a->count == b->count;
	qsort(a->lines, a->count, sizeof *a->lines, compare);
	qsort(b->lines, b->count, sizeof *b->lines, compare);
	for (size_t i = 0; equal && i < a->count; i++)
		equal = strcmp(a->lines[i], b->lines[i]) == 0;
	return equal;
}

void zone_lines_free(struct zone_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->lines[i]);
	free(lines->lines);
	*lines = (struct zone_lines){0};
}
