/* The list of zones and keys in the database, as a snapshot reads it; see dns_stored.h. */
#ifndef DAEMON_STORED_LIST_H
#define DAEMON_STORED_LIST_H

#include <weir/buffer.h>
#include <weir/dns_tsig.h>
#include <weir/postgres.h>

#include "stored_zone.h"

enum {
	STORED_LIST_BYTES = 64 * 1024 * 1024, /* of the text of a list */
};

/* A word, a name, a version or an algorithm, and a secret. */
#define STORED_LIST_SELECT                                                                         \
	"SELECT 'zone', name, version::text, '' FROM weir_zone UNION ALL"                          \
	" SELECT 'key', name, algorithm, secret FROM weir_tsig_key"

struct stored_list {
	const struct weir_database *database;
	bool has_zones, has_keys;  /* the parts that are in the database; the rest does not count */
	struct stored_zone *zones; /* sorted by name */
	size_t zone_count;
	struct weir_dns_tsig_key *keys;
	size_t key_count;
	char problem[STORED_WHY_SIZE]; /* of a row that was left out; or empty */
};

struct stored_list *stored_list_create(const struct weir_database *database);

/* Erases the keys. NULL is allowed. */
void stored_list_free(void *list);

/* Functions of struct weir_database_snapshot_type. */
int stored_list_format(const struct weir_postgres_row *row, struct weir_buffer *text,
        char ret_why[WEIR_POSTGRES_WHY_MAX]);
int stored_list_copy(struct weir_span text, struct weir_buffer *copy, size_t *ret_left_out);
int stored_list_parse(void *list, struct weir_span text, char ret_why[WEIR_POSTGRES_WHY_MAX]);

/* For bsearch in a list of zones: a name, and a zone. */
int stored_zone_compare(const void *name, const void *zone);

#endif
