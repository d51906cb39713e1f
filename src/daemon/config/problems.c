/*
 * Collecting and telling problems. Without memory a problem is still counted, so that a file with
 * mistakes never passes for a good one.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "problems.h"

static struct problem *problems_new_problem(struct problems *problems)
{
	size_t number = problems->count++;
	if (problems->kept == PROBLEMS_MAX)
		return NULL;
	if (!problems->items)
		problems->items = calloc(PROBLEMS_MAX, sizeof *problems->items);
	if (!problems->items)
		return NULL;
	struct problem *problem = &problems->items[problems->kept];
	problem->order = number;
	return problem;
}

void problems_add(struct problems *problems, struct file_position place, const char *format, ...)
{
	struct problem *problem = problems_new_problem(problems);
	va_list arguments;
	if (!problem)
		return;
	va_start(arguments, format);
	int size = vasprintf(&problem->text, format, arguments);
	va_end(arguments);
	if (size < 0)
		return;
	problem->place = place;
	problems->kept++;
}

static int problems_compare(const void *left, const void *right)
{
	const struct problem *a = left, *b = right;
	if (a->place.line != b->place.line)
		return a->place.line < b->place.line ? -1 : 1;
	if (a->place.column != b->place.column)
		return a->place.column < b->place.column ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

void problems_print(struct problems *problems, FILE *to)
{
	if (problems->kept)
		qsort(problems->items, problems->kept, sizeof *problems->items, problems_compare);
	for (size_t i = 0; i < problems->kept; i++) {
		const struct problem *problem = &problems->items[i];
		if (problem->place.line)
			fprintf(to, "%s:%zu:%zu: %s\n", problems->file, problem->place.line,
			        problem->place.column, problem->text);
		else
			fprintf(to, "%s: %s\n", problems->file, problem->text);
	}
	if (problems->count > problems->kept)
		fprintf(to, "%s: and %zu more\n", problems->file, problems->count - problems->kept);
	fflush(to);
}

void problems_free(struct problems *problems)
{
	for (size_t i = 0; i < problems->kept; i++)
		free(problems->items[i].text);
	free(problems->items);
	*problems = (struct problems){.file = problems->file};
}
