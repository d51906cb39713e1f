/*
 * Changes that the holder of a claim has made in its directory, and the database does not have yet.
 * A later change of a file takes the place of an earlier one, unless that is on its way.
 */
#ifndef DAEMON_ACME_JOURNAL_H
#define DAEMON_ACME_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/buffer.h>
#include <weir/database_acme.h>
#include <weir/span.h>

enum {
	ACME_JOURNAL_MAX =
	        4096, /* changes: the directory of a server that is new to the database */
};

struct acme_journal {
	struct acme_journal_entry *items;
	size_t count;
	size_t sent; /* the first so many are on their way */
	bool failed; /* a change was lost, for want of memory */
};

/* Notes a change; `content.data` is NULL for a file that goes, `key.data` for all files. */
void acme_journal_note(struct acme_journal *journal, const char *name, struct weir_span content,
        struct weir_span key);

/* Stores the first changes, which are on their way then. Returns how many. */
unsigned acme_journal_send(struct acme_journal *journal,
        struct weir_database_acme_change ret[WEIR_DATABASE_ACME_CHANGES_MAX]);

/* Those have arrived; or they have not. */
void acme_journal_arrived(struct acme_journal *journal);
void acme_journal_failed(struct acme_journal *journal);

/* Forgets everything. */
void acme_journal_finish(struct acme_journal *journal);

#endif
