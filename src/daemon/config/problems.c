/*
 * Collects problems, and finds the name that a mistyped one may mean. If there is no memory for a
 * problem, it is still counted, so that a file with mistakes never passes for a good one.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "helper.h"
#include "problems.h"

static struct problem *problems_next(struct problems *problems)
{
	size_t number = problems->count++;
	if (problems->stored == PROBLEMS_MAX)
		return NULL;
	if (!problems->items)
		problems->items = calloc(PROBLEMS_MAX, sizeof *problems->items);
	if (!problems->items)
		return NULL;
	struct problem *problem = &problems->items[problems->stored];
	problem->order = number;
	return problem;
}

void problems_add(struct problems *problems, struct location location, const char *format, ...)
{
	struct problem *problem = problems_next(problems);
	va_list arguments;
	if (!problem)
		return;
	va_start(arguments, format);
	int size = vasprintf(&problem->text, format, arguments);
	va_end(arguments);
	if (size < 0)
		return;
	problem->location = location;
	if (location.file)
		problem->location.file = strdup(location.file);
	problems->stored++;
}

static int problems_order(size_t a, size_t b)
{
	return a < b ? -1 : a > b;
}

static int problems_compare(const void *left, const void *right)
{
	const struct problem *a = left, *b = right;
	int order = problems_order(a->location.order, b->location.order);
	if (order == 0)
		order = problems_order(a->location.line, b->location.line);
	if (order == 0)
		order = problems_order(a->location.column, b->location.column);
	return order ? order : problems_order(a->order, b->order);
}

void problems_print(struct problems *problems, FILE *to)
{
	if (problems->stored)
		qsort(problems->items, problems->stored, sizeof *problems->items, problems_compare);
	for (size_t i = 0; i < problems->stored; i++) {
		const struct problem *problem = &problems->items[i];
		const struct location *at = &problem->location;
		fputs(at->file ? at->file : problems->file, to);
		if (at->line)
			fprintf(to, ":%zu:%zu", at->line, at->column);
		fprintf(to, ": %s\n", problem->text);
	}
	if (problems->count > problems->stored)
		fprintf(to, "%s: and %zu more\n", problems->file,
		        problems->count - problems->stored);
	fflush(to);
}

void problems_free(struct problems *problems)
{
	for (size_t i = 0; i < problems->stored; i++) {
		free((char *)(uintptr_t)problems->items[i].location.file);
		free(problems->items[i].text);
	}
	free(problems->items);
	*problems = (struct problems){.file = problems->file};
}

/* -- did you mean ------------------------------------------------------------------------------ */

/*
 * The edit distance of short names, in which swapped neighbours count as one (optimal string
 * alignment).
 */
enum {
	NAME_MAX_SIZE = 64
};

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
			cost = min_of(cost, above[j] + 1u);
			cost = min_of(cost, row[j - 1] + 1u);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				cost = min_of(cost, over[j - 2] + 1u);
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
