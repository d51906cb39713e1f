/*
 * The rows of users and aliases for a verb. They are loaded as a server loads them. So a verb can
 * report in time that no server could use them.
 */
#ifndef DAEMON_STORE_ROWS_H
#define DAEMON_STORE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/buffer.h>
#include <weir/limits.h>

struct config;
struct store_verb;

struct store_rows {
	struct store_verb *verb; /* set by the caller; all else is 0 at first */
	struct weir_buffer text; /* that of a snapshot: weir_database_users_split */
	uint64_t counts[2];      /* of users and of aliases */
	bool in_aliases;         /* the row between the two has come */
	int error; /* a row cannot be a line, or memory is short; the reason is `why` */
	char why[WEIR_POSTGRES_WHY_MAX];
};

/* Returns false if the database has not replied, which was reported. */
bool store_rows_load(struct store_rows *rows);
void store_rows_free(struct store_rows *rows); /* what was loaded */

/*
 * Whether a server with this configuration can use the rows that were loaded, less the user
 * `without` (NULL: all rows). If not, `ret_why` names the row and the mistake.
 */
bool store_rows_fit(const struct store_rows *rows, struct config *config, const char *without,
        char ret_why[WEIR_POSTGRES_WHY_MAX]);

/*
 * Loads all rows and tries them. Returns true if no server can use them, for the reason in
 * `ret_why`; otherwise that is empty, also if the database has not replied.
 */
bool store_rows_are_bad(
        struct store_verb *verb, struct config *config, char ret_why[WEIR_POSTGRES_WHY_MAX]);

#endif
