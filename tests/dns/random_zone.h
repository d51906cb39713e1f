/*
 * Zones made by dice, changed by dice, and what is in them as plain lists. Knows nothing of cmocka.
 */
#ifndef WEIR_TEST_RANDOM_ZONE_H
#define WEIR_TEST_RANDOM_ZONE_H

#include "drain.h"
#include "zone_image.h"

enum {
	RANDOM_NAMES = 12,
	RANDOM_TYPES = 6,
	RANDOM_VALUES = 4,
	RANDOM_HASHED = 6
};

/* A zone as what is there and what is not. All zero has a SOA and an NS record alone. */
struct random_zone {
	uint32_t serial;
	uint32_t ttls[RANDOM_NAMES][RANDOM_TYPES];
	bool there[RANDOM_NAMES][RANDOM_TYPES][RANDOM_VALUES];
	bool hashed[RANDOM_HASHED];
	bool chain; /* NSEC3PARAM */
	uint8_t mname;
};

/* Changes up to `changes` things, and the serial. */
void random_zone_change(struct random_zone *model, struct dice *dice, unsigned changes);

/* NULL without memory. */
struct weir_dns_zone *random_zone_make(const struct random_zone *model);

/* All records as lines of text, sorted; to be freed. */
struct zone_lines {
	char **lines;
	size_t count;
};
void zone_lines_add(struct zone_lines *lines, const struct zone_entry *entry);
bool zone_lines_remove(
        struct zone_lines *lines, const struct zone_entry *entry); /* false: it is not there */
struct zone_lines zone_lines_of(const struct weir_dns_zone *zone);
bool zone_lines_equal(struct zone_lines *a, struct zone_lines *b);
void zone_lines_free(struct zone_lines *lines);

#endif
