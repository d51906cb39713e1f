/*
 * Everything that is wrong with a configuration: each problem with its location, printed in the
 * order of the files.
 *
 *   weir.yaml:12:5: there is no key 'rooot' in a site; did you mean 'root'?
 */
#ifndef DAEMON_PROBLEMS_H
#define DAEMON_PROBLEMS_H

#include <stddef.h>
#include <stdio.h>

/* Further problems are counted only. */
enum {
	PROBLEMS_MAX = 200
};

/* Lines and columns count from 1; all zero is the configuration as a whole. */
struct location {
	const char *file; /* NULL: the file of `struct problems` */
	unsigned order;   /* of the file among those that were read */
	size_t line;
	size_t column;
};

struct problem {
	struct location location; /* its file is a copy */
	size_t order;
	char *text;
};

/* `file` is borrowed; the rest is zero at first. */
struct problems {
	const char *file;
	struct problem *items;
	size_t stored;
	size_t count;
};

void problems_add(struct problems *problems, struct location location, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Prints one problem a line, sorted by location. */
void problems_print(struct problems *problems, FILE *to);

void problems_free(struct problems *problems);

/* -- did you mean ------------------------------------------------------------------------------ */

/* Finds the name that is nearest to a mistyped one. */

/* All zero at first; `name` stays NULL if no name is near. */
struct suggestion {
	const char *name;
	size_t distance;
};

/* Offers a candidate for the typed name; the struct has the best one so far. */
void suggest(struct suggestion *best, const char *typed, const char *candidate);

/* Returns how many letters are added, missing, changed or swapped. Both names have up to 63. */
size_t suggest_distance(const char *a, const char *b);

#endif
