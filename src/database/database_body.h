/*
 * Bodies of messages, in chunks. Mailboxes and the queue share them.
 *
 *   write ─▶ [waiting] ─ a chunk ─▶ weir_body_chunk       ┐ the owner's transaction inserts the
 *                └────── the last one ───────────────────▶┘ rows that refer to the body
 *
 * A body that fits one chunk is inserted by the owner's statement alone, which is one round trip.
 * Of a larger one the first chunk comes with a row of weir_body_sweep, which the owner's statement
 * removes; if that never comes, the sweep finds the row when it is due. A chunk is only inserted
 * while that row is there. So a body is whole and has an owner, or it is swept.
 *
 * Three tables:
 *   weir_body_chunk   body, number from 0, bytes
 *   weir_body_holder  body, holder: the owners of a body that has several
 *   weir_body_sweep   body, holder, due: when due, the body is removed unless somebody holds it.
 *                     The holder is the one that gave it up; it is empty during the writing
 *
 * A holder is the name of a mailbox, or queue/ID of an entry of the queue. Each holder that gives a
 * body up inserts a row of its own in weir_body_sweep: of two that do so at one time, the later
 * one's row is seen by a sweep that no longer sees its holder.
 *
 * The id of a body is made by the front end. A statement that is repeated after an unknown outcome
 * violates a key of these tables if it was committed: see BODY_TABLES.
 */
#ifndef DATABASE_BODY_H
#define DATABASE_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/buffer.h>
#include <weir/database.h>
#include <weir/mail.h>
#include <weir/postgres.h>
#include <weir/producer.h>

#include "database_state.h"
#include "mail_message.h"

/* -- statements -------------------------------------------------------------------------------- */

/*
 * Parts of the owner's statement, which begins with WITH. $1 to $3 are body_value_id, _number and
 * _bytes. The owner has a part `m` with its rows: none means that it does not take the body.
 *
 *   BODY_SQL_CLAIM   before m, if the body has earlier chunks (writer.chunks > 0): m must select
 *                    from `claimed`, which is empty if the body was swept
 *   BODY_SQL_CLAIMED after m, with BODY_SQL_CLAIM
 *   BODY_SQL_CHUNK   after m: inserts the last chunk
 */
#define BODY_SQL_CLAIM                                                                             \
	"claimed AS (SELECT body FROM weir_body_sweep"                                             \
	" WHERE body = $1::uuid AND holder = '' FOR UPDATE)"
#define BODY_SQL_CLAIMED                                                                           \
	"unswept AS (DELETE FROM weir_body_sweep"                                                  \
	" WHERE body = $1::uuid AND holder = '' AND EXISTS (SELECT 1 FROM m))"
#define BODY_SQL_CHUNK                                                                             \
	"chunk AS (INSERT INTO weir_body_chunk (body, number, bytes)"                              \
	" SELECT $1::uuid, $2::int, $3::bytea WHERE EXISTS (SELECT 1 FROM m))"

/*
 * A condition on the chunk that is read: libpq holds a row whole, and so does the reader. A larger
 * one is another program's, and counts as missing.
 */
#define BODY_SQL_BOUND "octet_length(bytes) <= 1048576"

/* Of the tables, whose rows all have the id of a body: for database_outcome_is_repeated. */
#define BODY_TABLES "weir_body_"

enum {
	BODY_NUMBER_SIZE = 24 /* of the text of a number */
};

/* The value of a number, whose text lives as long as the value is used. */
static inline struct weir_postgres_value body_value_number(
        int64_t number, char text[BODY_NUMBER_SIZE])
{
	snprintf(text, BODY_NUMBER_SIZE, "%lld", (long long)number);
	return weir_postgres_text(text);
}

/* -- writing ----------------------------------------------------------------------------------- */

enum {
	BODY_FLIGHTS = 4 /* chunks of a body that are on the way at a time */
};

struct body_writer;

struct body_flight {
	struct body_writer *writer;
	struct weir_postgres_call *call; /* NULL: free */
	size_t bytes;
};

/* Embedded; begin with body_writer_init. */
struct body_writer {
	char id[WEIR_DATABASE_ID_SIZE];
	struct database_loop *at;
	struct mail_scan scan; /* of all bytes; `stored` is their number */
	uint64_t most;         /* bytes that may be written */
	unsigned chunks;       /* sent before the last one */
	struct weir_buffer waiting;
	struct body_flight flights[BODY_FLIGHTS];
	unsigned flying;
	bool rooted;    /* the first chunk, and the row for the sweep, are there */
	bool full;      /* `ready` must follow */
	bool finishing; /* `finished` must follow */
	int error;      /* the first, which is final */
	weir_mail_ready_fn *ready;
	/* All chunks but the last, which is in `waiting`, are there; or an error. */
	void (*finished)(struct body_writer *writer, int error);
	void *context; /* of `ready` */
};

/* Makes the id. Returns 0 or -EAGAIN. */
int body_writer_init(struct body_writer *writer, struct database_loop *at, uint64_t most,
        weir_mail_ready_fn *ready, void *context);

/* As `write` of a sink (weir/mail.h), with `ready` of body_writer_init. */
int body_writer_write(struct body_writer *writer, struct weir_span bytes);

/* Ends the body: `finished` is called once, from here or from the loop, unless it is freed. */
void body_writer_finish(
        struct body_writer *writer, void (*finished)(struct body_writer *writer, int error));

/* The values $1 to $3 of the owner's statement; valid until the writer is freed. */
void body_writer_values(struct body_writer *writer, struct weir_postgres_value ret_values[3],
        char ret_number[BODY_NUMBER_SIZE]);

/*
 * Frees its memory, and cancels what is under way. `discard`: the chunks are removed from the
 * database, unless the owner's statement has been committed.
 */
void body_writer_free(struct body_writer *writer, bool discard);

/* -- reading ----------------------------------------------------------------------------------- */

/*
 * Makes a producer of a body. `first` is the first chunk, from malloc, which the producer frees, or
 * NULL: it is read, too. At most one chunk is in memory, and no connection is used while the peer
 * takes it. A body that ends before `octets` fails. Returns NULL without memory; `first` is freed
 * then. It must be closed before its loop leaves.
 */
struct weir_producer *body_produce(struct weir_postgres *pool, const char *id, char *first,
        size_t first_size, uint64_t octets);

/* -- sweeping ---------------------------------------------------------------------------------- */

/*
 * Removes up to WEIR_DATABASE_SWEEP bodies that are due and that nothing holds. `events` are those
 * of the call; the row has how many were looked at, so that fewer than WEIR_DATABASE_SWEEP mean
 * that none is left. Returns as weir_postgres_call_start.
 */
int body_sweep(struct weir_postgres *pool, const struct weir_postgres_events *events, void *context,
        struct weir_postgres_call **ret);

#endif
