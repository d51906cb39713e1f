/*
 * Transfers, for the files of this folder:
 *
 *   transfer.c      the life of a transfer
 *   import_mail.c   Maildirs ─▶ mailboxes
 *   import_file.c   the file of a message in a Maildir
 *   import_order.c  UIDLs of later messages
 *   import_body.c   a file of a message ─▶ a body in chunks
 *   import_queue.c  queue of files ─▶ queue
 *   import_users.c  users and aliases
 *   export_mail.c   mailboxes ─▶ Maildirs
 *   export_page.c   messages of a mailbox ─▶ files
 *   export_queue.c  queue ─▶ queue of files
 *   export_file.c   a file that is being written
 *
 *   RUNNING ─┬─ all done ─▶ (deferred) ─▶ done, freed
 *            └─ error ────▶
 *
 * Invariant: a transfer is freed by its deferred task alone. After an error its callbacks do
 * nothing.
 */
#ifndef DATABASE_TRANSFER_STATE_H
#define DATABASE_TRANSFER_STATE_H

#include <weir/buffer.h>
#include <weir/database_transfer.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/postgres.h>

#include "database_body.h"
#include "database_outcome.h"
#include "database_state.h"

enum {
	TRANSFER_WHY_MAX = 1024
};

struct database_transfer {
	struct weir_database_transfer options;
	struct weir_database_transfer_counts counts;
	struct database_loop *at;
	struct weir_task task;
	bool over; /* the task is queued */
	int error;
	char why[TRANSFER_WHY_MAX];
	/* Cancels all that is under way, and frees what the transfer has; not the struct. */
	void (*free)(struct database_transfer *transfer);
};

/* Makes a transfer of `size` bytes, all zero behind the base. Returns 0 or an error of a start. */
int transfer_create(const struct weir_database_transfer *options, size_t size,
        void (*free)(struct database_transfer *transfer), struct database_transfer **ret);

/* Frees one that has not been started. Returns the error. */
int transfer_refuse(struct database_transfer *transfer, int error);

/* Ends it; only the first end counts. */
void transfer_end(struct database_transfer *transfer);
void transfer_fail(
        struct database_transfer *transfer, int error, const char *what, const char *why);
/* `what` is the mailbox or message of the call, or NULL. */
void transfer_fail_call(
        struct database_transfer *transfer, const char *what, const struct weir_postgres_end *end);

/* Ends it if a call has failed. Returns false if it is over. */
bool transfer_goes_on(
        struct database_transfer *transfer, const char *what, const struct weir_postgres_end *end);

void transfer_report(struct database_transfer *transfer);
void transfer_problem(struct database_transfer *transfer, const char *what, const char *why);

/* A call that may run twice. After an error the transfer has failed, and *ret is NULL. */
void transfer_call(struct database_transfer *transfer,
        const struct weir_postgres_call_options *options, const struct weir_postgres_events *events,
        void *context, struct weir_postgres_call **ret);

/* The usual options for one statement. */
struct weir_postgres_call_options transfer_options(
        const struct weir_postgres_statement *statement, unsigned count);

void transfer_cancel(struct weir_postgres_call **call);

/* The id in weir_imported of a thing that has this name in its source: 16 bytes, and their text. */
enum {
	TRANSFER_ITEM = 16
};
void transfer_item(struct weir_span name, unsigned char ret[TRANSFER_ITEM]);
void transfer_item_text(const unsigned char item[TRANSFER_ITEM], char ret[WEIR_DATABASE_ID_SIZE]);

/* The items of a source that were imported before. */
struct transfer_known {
	struct weir_buffer
	        items; /* of TRANSFER_ITEM bytes each, sorted after transfer_known_sort */
};
extern const char transfer_known_select[]; /* $1: the source; for a call with binary rows */
int transfer_known_add(struct transfer_known *known, const struct weir_postgres_row *row);
void transfer_known_sort(struct transfer_known *known);
bool transfer_known_has(const struct transfer_known *known, const unsigned char *item);

/*
 * Parts of an import statement. FRESH, with " FROM claimed" if there is that part, and FRESH_END:
 * notes the item ($10, of the source $11), or is empty.
 */
#define TRANSFER_SQL_FRESH                                                                         \
	"fresh AS (INSERT INTO weir_imported (source, item) SELECT $11, $10::uuid"
#define TRANSFER_SQL_FRESH_END " ON CONFLICT (source, item) DO NOTHING RETURNING item)"

/* -- import_body.c: a file of a message -------------------------------------------------------- */

enum {
	IMPORT_READ = 64 * 1024
};

struct import_body {
	struct database_transfer *transfer;
	const char *what; /* its mailbox or its name, for errors */
	struct body_writer writer;
	char *buffer; /* of IMPORT_READ bytes, lent */
	int fd;
	bool converts; /* puts a CR before each LF that has none */
	bool writing;  /* the writer is in use */
	bool finished; /* all chunks but the last are there */
	char last;
	/* All was written, or it has failed. Not called within import_body_start. */
	void (*resumed)(void *context);
	void *context;
	int error; /* of the file: it is left out */
};

/*
 * Writes the file, and closes it. Returns true if it has ended: `finished`, or with an error;
 * false: `resumed` follows, unless the transfer has failed.
 */
bool import_body_start(struct import_body *body, struct database_transfer *transfer, int fd);

/* `stored`: its rows are in the database. */
void import_body_free(struct import_body *body, bool stored);

#endif
