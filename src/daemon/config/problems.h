/*
 * What is wrong with a file: all of it, each with its place, told in the order of the file.
 *
 *   weir.yaml:12:5: there is no key 'rooot' in a site; did you mean 'root'?
 */
#ifndef DAEMON_PROBLEMS_H
#define DAEMON_PROBLEMS_H

#include <stddef.h>
#include <stdio.h>

/* More than these are counted only. */
enum {
	PROBLEMS_MAX = 200
};

/* Counted from 1; all zero is the file as a whole. */
struct file_position {
	size_t line;
	size_t column;
};

struct problem {
	struct file_position place;
	size_t order;
	char *text;
};

/* `file` is borrowed; the rest is zero at first. */
struct problems {
	const char *file;
	struct problem *items;
	size_t kept;
	size_t count;
};

void problems_add(struct problems *problems, struct file_position place, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* One a line, sorted. */
void problems_print(struct problems *problems, FILE *to);

void problems_free(struct problems *problems);

#endif
