/*
 * The edit distance of short names, in which swapped neighbours count as one (optimal string
 * alignment).
 */
#include <stdint.h>
#include <string.h>

#include "suggest.h"

enum {
	NAME_MAX_SIZE = 64
};

static size_t suggest_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t suggest_distance(const char *a, const char *b)
{
	uint8_t rows[3][NAME_MAX_SIZE + 1];
	size_t size_a = strlen(a), size_b = strlen(b);
	if (size_a >= NAME_MAX_SIZE || size_b >= NAME_MAX_SIZE)
		return SIZE_MAX;
	for (size_t j = 0; j <= size_b; j++)
		rows[0][j] = (uint8_t)j;
	for (size_t i = 1; i <= size_a; i++) {
		uint8_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *over = rows[(i + 1) % 3];
		row[0] = (uint8_t)i;
		for (size_t j = 1; j <= size_b; j++) {
			size_t cost = above[j - 1] + (a[i - 1] != b[j - 1]);
			cost = suggest_least(cost, suggest_least(above[j], row[j - 1]) + 1u);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				cost = suggest_least(cost, over[j - 2] + 1u);
			row[j] = (uint8_t)cost;
		}
	}
	return rows[size_a % 3][size_b];
}

void suggest(struct suggestion *best, const char *typed, const char *candidate)
{
	size_t distance = suggest_distance(typed, candidate);
	/* With more than a third of its letters wrong, a name is another word. */
	if (distance > 1 + strlen(candidate) / 3)
		return;
	if (distance >= strlen(candidate) || (best->name && best->distance <= distance))
		return;
	best->name = candidate;
	best->distance = distance;
}
