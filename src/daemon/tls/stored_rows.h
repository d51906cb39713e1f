/* The text of the snapshot "certificates": its rows, with the private keys as they are stored. */
#ifndef DAEMON_STORED_ROWS_H
#define DAEMON_STORED_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/buffer.h>
#include <weir/postgres.h>
#include <weir/span.h>

enum {
	STORED_ROWS_BYTES = 64 * 1024 * 1024, /* of the text of all */
};

struct stored_row {
	struct weir_span name, chain, key;
};

/* Appends a row. Returns 0 or a negative error of weir_buffer_append. */
int stored_row_put(const struct stored_row *row, struct weir_buffer *text);

/* `format` of a snapshot, whose statement is WEIR_DATABASE_CERTIFICATES_SELECT. */
int stored_row_format(const struct weir_postgres_row *row, struct weir_buffer *text,
        char ret_why[WEIR_POSTGRES_WHY_MAX]);

/* Cuts the next row of the text. Returns false at its end. */
bool stored_row_next(struct weir_span *rest, struct stored_row *ret);

/* Finds the row of a name. */
bool stored_row_find(struct weir_span text, struct weir_span name, struct stored_row *ret);

/* `copy` of a snapshot: the rows whose keys are encrypted. */
int stored_rows_copy(struct weir_span text, struct weir_buffer *copy, size_t *ret_left_out);

#endif
