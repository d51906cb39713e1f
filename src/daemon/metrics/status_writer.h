/*
 * Writes a state in one of three formats, by one walk over it. The writer knows two shapes: a group
 * of values, and a list of items with the same values.
 *
 *            text                    JSON                 HTML
 *   group    a line for each value   an object            a table with a row for each value
 *   list     a line for each item    an array of objects  a table with a row for each item
 *
 *   status_group ─ status_number … ─ status_group_end
 *   status_list ─ (status_item ─ status_number … ─ status_item_end) … ─ status_list_end
 *
 * Names are constant texts with underscores, which text and HTML show as spaces. Texts may come
 * from a peer: they are escaped, and bytes that are neither printable ASCII nor UTF-8 become '?'.
 */
#ifndef DAEMON_STATUS_WRITER_H
#define DAEMON_STATUS_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/buffer.h>

enum status_format {
	STATUS_TEXT,
	STATUS_JSON,
	STATUS_HTML,
};

enum {
	STATUS_SIZE_MAX = 256 * 1024, /* bytes of all that is written */
	STATUS_TEXT_MAX = 256,        /* bytes of one text; the rest is left out */
};

struct status_writer {
	struct weir_buffer *to;
	enum status_format format;
	int error;       /* of the first append that failed */
	unsigned groups; /* that were begun */
	unsigned items;  /* of the current list */
	unsigned values; /* of the current group or item */
	bool listing;    /* the groups are items of a list */
	/* In HTML: the names of a list's first item, and the values of each, until it ends. */
	struct weir_buffer names, row;
};

/* Begins to append to `to`, which is borrowed. */
void status_begin(struct status_writer *writer, enum status_format format, struct weir_buffer *to);

/* Ends it. Returns 0 or the first error of weir_buffer_append. */
int status_end(struct status_writer *writer);

void status_group(struct status_writer *writer, const char *name);
void status_group_end(struct status_writer *writer);
void status_list(struct status_writer *writer, const char *name);
void status_item(struct status_writer *writer);
void status_item_end(struct status_writer *writer);

/* `more` is the number of items that were left out; JSON has it as NAME_more, if it is not 0. */
void status_list_end(struct status_writer *writer, const char *name, uint64_t more);

void status_number(struct status_writer *writer, const char *name, uint64_t value);
void status_signed(struct status_writer *writer, const char *name, int64_t value);
/* With one digit behind the point. */
void status_decimal(struct status_writer *writer, const char *name, double value);
void status_text(struct status_writer *writer, const char *name, const char *text);
/* An array, for programs: text and HTML leave it out. */
void status_array(
        struct status_writer *writer, const char *name, const uint64_t *values, unsigned count);

#endif
