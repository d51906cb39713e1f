/*
 * The rows of the database that obtaining certificates needs (weir/database_acme.h), and the
 * directory that follows them. The rows come from a database that others write, so each name is
 * checked before it becomes a path.
 */
#ifndef DAEMON_ACME_ROWS_H
#define DAEMON_ACME_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/postgres.h>

#include "acme_store.h"
#include "config.h"

enum {
	ACME_ROWS_BYTES = 64 * 1024 * 1024, /* of the text of all rows, with all certificates */
	ACME_ROWS_MAX = 4096,               /* that are of use here */
};

struct weir_database;

/* Comparisons of names on this thread: what rows cost, for tests. */
extern _Thread_local uint64_t acme_rows_steps;

/* Whether a path is one of a file that servers share: in a folder of the store but certificates. */
bool acme_path_is_shared(const char *path);

/* Appends a row of WEIR_DATABASE_ACME_SELECT, as a format of weir/database_snapshot.h. */
int acme_rows_format(const struct weir_postgres_row *row, struct weir_buffer *text,
        char ret_why[WEIR_POSTGRES_WHY_MAX]);

struct acme_rows;

/*
 * Holds the configuration: certificates for names that it does not manage are skipped. Returns NULL
 * without memory.
 */
struct acme_rows *acme_rows_create(const struct weir_database *database, struct config *config);
void acme_rows_destroy(struct acme_rows *rows);

/*
 * Reads the text, and decrypts it. Any thread. Returns 0, or a negative error with a line for the
 * user in `ret_why`.
 */
int acme_rows_parse(
        struct acme_rows *rows, struct weir_span text, char ret_why[WEIR_POSTGRES_WHY_MAX]);

/* The result of acme_rows_apply. */
struct acme_rows_changes {
	bool states;
	bool installed; /* certificates, for the servers of this machine */
};

/*
 * Writes the rows into the directory. Certificates that are newer here stay; so do files of which
 * the rows have nothing, except proofs and orders. Returns 0 or a negative errno.
 */
int acme_rows_apply(const struct acme_rows *rows, const struct acme_store *store,
        struct acme_rows_changes *ret);

/*
 * For the one that holds the claim, after acme_rows_apply: reports to the observer what the
 * directory has and the rows lack: accounts, states, serials and newer certificates, from the time
 * before the database or without it; and that all proofs are gone.
 */
void acme_rows_bring(const struct acme_rows *rows, const struct acme_store *store,
        const struct acme_store_observer *observer);

#endif
