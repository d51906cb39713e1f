/* The progress of an import or an export on stderr: a bar on a terminal, lines otherwise. */
#ifndef DAEMON_STORE_PROGRESS_H
#define DAEMON_STORE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/database_transfer.h>

/* A thing that is moved, in the singular and the plural. */
struct store_unit {
	const char *one, *many;
};

struct store_progress {
	const char *name; /* of the part */
	struct store_unit unit;
	const char *done; /* "imported" */
	bool terminal;
	bool drawn;
	int64_t begun_ms, shown_ms;
	struct weir_database_transfer_counts counts;
};

void store_progress_begin(struct store_progress *progress, const char *name, struct store_unit unit,
        const char *done);

/* Notes the counts, and shows them if it is time. */
void store_progress_note(
        struct store_progress *progress, const struct weir_database_transfer_counts *counts);

/* Clears the line of the bar, so that another line can be written. */
void store_progress_clear(struct store_progress *progress);

/* Prints a line about all of it. */
void store_progress_end(struct store_progress *progress);

#endif
