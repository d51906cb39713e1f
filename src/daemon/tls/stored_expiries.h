/* When the certificates of rows of the database expire. */
#ifndef DAEMON_STORED_EXPIRIES_H
#define DAEMON_STORED_EXPIRIES_H

#include <stddef.h>
#include <stdint.h>

#include <weir/span.h>

/* The struct never changes; it is for the main thread. */
struct stored_expiries {
	unsigned references;
	size_t count;
	struct stored_expiry {
		char *name;        /* of the row */
		int64_t expires_s; /* since 1970 */
	} items[];
};

/*
 * Reads the chains of the rows, a text of stored_rows.h. Stores NULL if there are none. Returns 0
 * or -ENOMEM.
 */
int stored_expiries_read(struct weir_span text, struct stored_expiries **ret);

/* NULL is allowed. */
void stored_expiries_release(struct stored_expiries *expiries);

#endif
