/* A call of one of the stores: one call of the pool after another, up to done(). */
#ifndef DATABASE_CALL_H
#define DATABASE_CALL_H

#include <weir/database.h>

/*
 * The next version of a snapshot: larger than the one in the row, and at least that of now. A row
 * that somebody else has made may have one to which nothing can be added: it is that of now then.
 */
#define DATABASE_NEXT_VERSION                                                                      \
	"CASE WHEN weir_snapshot.version < 4611686018427387904"                                    \
	" THEN greatest(weir_snapshot.version + 1, excluded.version) ELSE excluded.version END"

/* A part of WITH, which changes the version of a snapshot if `from` has a row. */
#define DATABASE_RAISE(snapshot, from)                                                             \
	" raised AS (INSERT INTO weir_snapshot (name, version) SELECT '" snapshot                  \
	"', (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM " from                     \
	" ON CONFLICT (name) DO UPDATE"                                                            \
	" SET version = " DATABASE_NEXT_VERSION " RETURNING 1)"

/* Embedded first in the calls of a store. */
struct weir_database_call {
	struct weir_postgres *pool;
	struct weir_postgres_call *call; /* NULL between two of them */
	void (*row)(struct weir_database_call *call, const struct weir_postgres_row *row);
	void (*again)(struct weir_database_call *call);
	/* Goes on; NULL: the call of the pool was the last one. */
	void (*ended)(struct weir_database_call *call, const struct weir_postgres_end *end);
	struct weir_span key; /* of weir_postgres_call_options; it lives as long as the call */
	bool harmless;        /* a failure of the call of the pool is not one of this call */
	void (*free)(struct weir_database_call *call); /* its own memory; NULL: none */
	weir_database_done_fn *done;
	void *context;
};

/* Allocates `size` bytes, which begin with a struct weir_database_call. Returns 0 or an errno. */
int database_call_create(struct weir_database *database, struct weir_loop *loop, size_t size,
        weir_database_done_fn *done, void *context, struct weir_database_call **ret);

/* Sends statements. Returns an error of weir_postgres_call_start. */
int database_call_send(struct weir_database_call *call,
        const struct weir_postgres_statement *statements, unsigned count, bool stream);

/* Sends the first statements; after an error the call is freed. Stores the call otherwise. */
int database_call_begin(struct weir_database_call *call,
        const struct weir_postgres_statement *statements, unsigned count, bool stream,
        struct weir_database_call **ret);

/* Calls done(), and frees the call. */
void database_call_end(struct weir_database_call *call, int error, const char *text);

#endif
