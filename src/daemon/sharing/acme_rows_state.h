/* Rows in memory, for acme_rows.c and acme_rows_apply.c. */
#ifndef DAEMON_ACME_ROWS_STATE_H
#define DAEMON_ACME_ROWS_STATE_H

#include "acme_rows.h"

struct acme_row {
	bool is_certificate;
	char *name; /* or the path */
	struct weir_buffer content;
	struct weir_buffer key;
	int64_t changed_s;
};

struct acme_rows {
	const struct weir_database *database;
	struct config *config;  /* held */
	const char **names;     /* of the configuration, sorted; the texts are those of `config` */
	struct acme_row *items; /* after acme_rows_parse: sorted, each once */
	size_t count;
};

/* Returns NULL if there is none. */
const struct acme_row *acme_rows_find(
        const struct acme_rows *rows, const char *name, bool is_certificate);

/* Whether a file is in a folder, such as "accounts/x". */
bool acme_rows_have_folder(const struct acme_rows *rows, const char *folder);

#endif
