/*
 * A PostgreSQL server of the test's own: in a temporary directory, with a Unix socket and a port,
 * as a user other than root, without waiting for the disk. All servers end with the program.
 *
 * The reports of a call are collected as text: rows as "(a,b)", with ~ for NULL; "!" for again();
 * "." for a commit; "u" and "?" for an end that is undone or unknown.
 */
#ifndef WEIR_TEST_DATABASE_H
#define WEIR_TEST_DATABASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/types.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/loop.h>
#include <weir/metrics.h>
#include <weir/postgres.h>

#include "make_options.h"
#include "peer.h"

struct database {
	char path[64];
	int port;
	pid_t pid;              /* 0: it does not run */
	struct pg_conn *client; /* of database_run; NULL: not connected */
};

/* Makes the directory of a server that does not run yet; `more` are lines of its configuration. */
void database_make(struct database *database, const char *more);
/* Starts it and waits until it accepts connections. */
void database_start(struct database *database);
/* Ends it: SIGINT is a fast shutdown, SIGQUIT an immediate one, as after kill -9. */
void database_stop(struct database *database, int signal);
/* Ends it and removes its directory. */
void database_remove(struct database *database);
/* A file in its directory, such as a certificate; of its user, and private. */
void database_write(struct database *database, const char *name, const char *text);
/*
 * Runs SQL as another client does, in one transaction and with the settings of a new session.
 * Returns the rows as lines, with | between the values; the text is static. Not for threads.
 */
const char *database_run(struct database *database, const char *sql);
/* Sets a parameter of the server, and waits until sessions have it. */
void database_configure(struct database *database, const char *name, const char *value);
/* How many sessions wait for an event, such as SyncRep: a commit for its standby. */
unsigned database_waits(struct database *database, const char *event);

/* -- calls ------------------------------------------------------------------------------------- */

struct heard {
	struct weir_postgres_call *call;
	struct weir_buffer text;
	unsigned ends;
	unsigned rows;
	int error;
	enum weir_postgres_outcome outcome;
	char state[8];
	char constraint[64];
	char why[WEIR_POSTGRES_WHY_MAX];
	unsigned repeated;
	uint64_t changed[4];
	unsigned pause_at;     /* pauses at this row; 0: never */
	unsigned cancel_at;    /* cancels at this row; 0: never */
	struct heard *cancels; /* cancels this one in its end */
};

extern const struct weir_postgres_events heard_events;

/* Makes a pool, which must succeed. */
struct weir_postgres *pool_make(struct weir_loop *loop, struct weir_postgres_options options);

/* A cell of the metric, of the pools of this name; `value` is the number of a label's value. */
uint64_t pool_metric(struct weir_loop *loop, const char *pool, const char *metric, unsigned value);

/* A call: of one statement whose values are texts, or of those of the options. NULL ends them. */
struct calling {
	struct weir_postgres_call_options options;
	const char *text;
	const char *values[9];
};
void calling_init(struct calling *calling);
int heard_start(struct heard *heard, struct weir_postgres *pool, struct calling calling);

/* CALL(&heard, pool, "SELECT $1", o.values[0] = "a", o.options.stream = true); it must start. */
#define CALL(heard, pool, sql, ...)                                                                \
	assert_int_equal(                                                                          \
	        heard_start(heard, pool, OPTIONS(calling, o.text = (sql), ##__VA_ARGS__)), 0)

/* Turns the loop until the call has ended. */
void heard_await_end(struct heard *heard, struct weir_loop *loop);
/* The call ends with this text; then the struct is empty again. */
void heard_expect(struct heard *heard, struct weir_loop *loop, const char *text);
void heard_clear(struct heard *heard);

#endif
