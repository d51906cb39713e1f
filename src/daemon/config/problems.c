/*
 * Collects problems. If there is no memory for one, it is still counted, so that a file with
 * mistakes never passes for a good one.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
