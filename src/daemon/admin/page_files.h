/* The files of page/, which the build embeds (page/embed). */
#ifndef DAEMON_PAGE_FILES_H
#define DAEMON_PAGE_FILES_H

#include <stddef.h>

#include <weir/span.h>

struct page_file {
	const char *name; /* NULL ends the table */
	const char *type; /* the value of Content-Type */
	const char *tag;  /* the value of ETag: a hash of the content */
	const unsigned char *data;
	size_t size;
};

extern const struct page_file page_files[];

/* Stores the parts of page.html before and behind its tables. */
void page_template(struct weir_span *ret_before, struct weir_span *ret_behind);

#endif
