/*
 * The pool from the inside, for the files of this folder:
 *
 *   postgres.c             the pool: queues, which call gets which connection, statements, life
 *   postgres_call.c        a call: its start, its end, repetitions
 *   postgres_target.c      the connection string, and what libpq adds to it
 *   postgres_connect.c     the opening of a connection: hosts, addresses, time limits
 *   postgres_connection.c  one connection: events, results, cancellation, its end
 *   postgres_late.c        commits that the server does not confirm in time
 *   postgres_batch.c       calls that share a sync: sending them, and their results
 *   postgres_early.c     early lock release: the flush to disk as a transaction of its own
 *   postgres_outcome.c     the end of a batch: which calls have committed, and which run again
 *   postgres_produce.c     a query as a producer
 *
 * Calls are sent in postgres_dispatch alone, which the loop runs: so no callback of a call comes
 * from within a function of the API.
 */
#ifndef POSTGRES_STATE_H
#define POSTGRES_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include <weir/address.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/metrics.h>
#include <weir/postgres.h>
#include <weir/resolver.h>

#include "postgres_target.h"

enum {
	POSTGRES_STATE_SIZE = 6, /* a SQLSTATE and a NUL */
	POSTGRES_SLOTS = 2 * WEIR_POSTGRES_STATEMENTS_MAX,
	POSTGRES_PREPARED_SIZE_MAX = 16 * 1024, /* bytes of a text that is prepared */
};

/* -- metrics ----------------------------------------------------------------------------------- */

enum postgres_result {
	POSTGRES_RESULT_COMMITTED,
	POSTGRES_RESULT_UNDONE,
	POSTGRES_RESULT_UNKNOWN,
	POSTGRES_RESULT_CANCELLED,
	POSTGRES_RESULT_REFUSED, /* the queue was full */
	POSTGRES_RESULTS,
};

enum postgres_retry {
	POSTGRES_RETRY_SERIALIZATION, /* 40001, 40P01 */
	POSTGRES_RETRY_BATCH,         /* another call of the batch has failed */
	POSTGRES_RETRY_CONNECTION,    /* the connection, or the role of its server, was lost */
	POSTGRES_RETRIES,
};

struct postgres_cells {
	uint64_t calls[POSTGRES_RESULTS];
	uint64_t retries[POSTGRES_RETRIES];
	uint64_t batches;
	uint64_t batched;
	uint64_t connects[2]; /* good, bad */
	uint64_t failovers;
	uint64_t connections;
	uint64_t waiting;
	uint64_t call_ms[WEIR_METRIC_HISTOGRAM_CELLS];
};

/* The cells of the loop's pools of that name; NULL without memory. */
struct postgres_cells *postgres_metrics_of(struct weir_loop *loop, const char *name);

/* -- the pool ---------------------------------------------------------------------------------- */

struct weir_postgres {
	struct weir_loop *loop;
	struct weir_postgres_options options;
	struct postgres_target target;
	struct weir_resolver *resolver; /* of the options, or of its own; NULL: not needed yet */
	struct postgres_cells *cells;
	struct weir_list connections;
	struct weir_list late;      /* commits without an answer */
	struct weir_list calls;     /* all of them */
	struct weir_list batchers;  /* calls that wait for a batch; those to be repeated in front */
	struct weir_list streamers; /* streams that wait for a connection */
	unsigned late_count;
	unsigned connection_count;
	unsigned opening_count; /* of these, not open yet */
	unsigned stream_count;  /* of these, with a stream */
	unsigned batch_count;   /* of these, with a batch */
	unsigned batcher_count; /* calls in `batchers` */
	unsigned waiting_count; /* calls that are not sent, the delayed ones too */
	size_t waiting_bytes;
	struct weir_task task;           /* runs postgres_dispatch */
	struct weir_timer backoff;       /* running: no connection is opened */
	struct weir_timer gather;        /* runs while calls wait beside a batch under way */
	bool gathered;                   /* they have waited for long enough */
	struct weir_timer returning;     /* runs while calls wait for callers of the last batch */
	int64_t expected_until_ms;       /* until then one of these callers may call again */
	int64_t expected_at_most_ms;     /* until then all may */
	unsigned expected;               /* the calls that will wait then */
	unsigned returned;               /* of these, those that have come */
	unsigned unexpected;             /* batches after which nobody is waited for */
	bool no_early;                   /* the server knows no early lock release */
	unsigned failures;               /* of connections, in a row */
	unsigned host;                   /* the one that worked last */
	bool has_host;                   /* one has worked */
	char why[WEIR_POSTGRES_WHY_MAX]; /* the last failure of a connection; "" after a success */
	char *statements[WEIR_POSTGRES_STATEMENTS_MAX]; /* texts; their number is their name */
	unsigned statement_count;
	uint16_t slots[POSTGRES_SLOTS]; /* by hash: the number of a statement + 1; 0 is free */
};

/* Has the waiting calls looked at, by the loop. */
void postgres_schedule(struct weir_postgres *postgres);

/* A batch has taken what waited. */
void postgres_gather_end(struct weir_postgres *postgres);
/*
 * A batch of so many calls has ended: their callers, which hear of it now, may call again. They are
 * waited for no longer than the batch has taken, or WEIR_POSTGRES_RETURN_MS; and as calls that
 * gather, WEIR_POSTGRES_GATHER_MS or half of their time.
 */
void postgres_await_return(struct weir_postgres *postgres, unsigned count, int64_t took_ms);

/* Opens no connection for a while, which doubles with each failure in a row. */
void postgres_back_off(struct weir_postgres *postgres);

/* A random time of half to all of `ms`, so that clients do not come all at once. */
int64_t postgres_jitter(int64_t ms);

/*
 * Finds the statement's number, or gives it one. Returns -1 if it is not to be prepared: it is
 * large, the table is full, or there is no memory.
 */
int postgres_find_statement(struct weir_postgres *postgres, const char *text);

/* -- calls ------------------------------------------------------------------------------------- */

/*
 *   WAITING ─▶ SENT ─▶ the end
 *      ▲        │
 *      └ DELAYED┘   to be repeated
 */
enum postgres_call_state {
	POSTGRES_CALL_WAITING,
	POSTGRES_CALL_DELAYED, /* in no queue; its timer leads to WAITING */
	POSTGRES_CALL_SENT,    /* in the batch of a connection, or in what became of one */
};

struct postgres_statement {
	const char *text;
	int number;    /* -1: it is not prepared */
	bool prepares; /* a PREPARE was sent before it */
	int count;
	const char **values;
	int *sizes;
	int *formats;
};

struct weir_postgres_call {
	struct weir_postgres *pool;
	struct weir_list link;  /* in pool->calls */
	struct weir_list queue; /* in a queue of the pool, or in a batch */
	enum postgres_call_state state;
	struct postgres_connection *connection; /* of a batch that is under way; or NULL */
	const struct weir_postgres_events *events;
	void *context;
	struct weir_timer timer; /* of WAITING: until `deadline_ms`; of DELAYED */
	int64_t started_ms;
	int64_t deadline_ms;
	struct weir_span key;
	size_t bytes; /* of statements and values */
	bool stream;
	bool idempotent;
	bool binary;
	bool early_lock_release;
	bool alone;  /* to be sent in a batch of its own, without early lock release */
	bool orphan; /* cancelled while it was sent: no callback comes */
	bool paused;
	bool had_rows;
	bool doubtful;         /* an earlier attempt may have been committed */
	unsigned repeated;     /* sent again, for whatever reason */
	unsigned retries;      /* of these, for a reason of its own */
	unsigned failed_batch; /* batches of others that have failed */
	unsigned count;
	struct postgres_statement *statements; /* these and all below are in the same allocation */
	uint64_t *rows;
};

/* The call waits; `first`: before all others. */
void postgres_call_enqueue(struct weir_postgres_call *call, bool first);
void postgres_call_dequeue(struct weir_postgres_call *call);

/* Ends the calls that wait for a connection, by the reason why there is none. */
void postgres_calls_end_waiting(struct weir_postgres *postgres);

/* The end of calls, as their callers will hear of it. */
struct postgres_verdict {
	enum weir_postgres_outcome outcome;
	int error;
	const char *state;
	const char *constraint;
	const char *text;
};

void postgres_call_end(struct weir_postgres_call *call, const struct postgres_verdict *verdict);

/*
 * The call, which was sent, is sent again, unless its time is over: then it ends by the verdict.
 * It waits for `delay_ms`, or is sent at once and before all others if that is 0.
 */
void postgres_call_repeat(struct weir_postgres_call *call, enum postgres_retry reason,
        int64_t delay_ms, const struct postgres_verdict *verdict);

/* Frees the call, wherever it is. */
void postgres_call_free(struct weir_postgres_call *call);

/* -- connections ------------------------------------------------------------------------------- */

/*
 *   RESOLVING ─▶ CONNECTING ─▶ IDLE ◀─▶ BUSY
 *       ▲            │
 *       └────────────┘  the next host
 */
enum postgres_connection_state {
	POSTGRES_RESOLVING,
	POSTGRES_CONNECTING,
	POSTGRES_IDLE,
	POSTGRES_BUSY,
};

/* The statement that the next result belongs to. */
struct postgres_cursor {
	struct weir_postgres_call *call; /* NULL: one of our own, or the sync */
	const struct postgres_statement *own;
	unsigned statement; /* of the call */
	bool preparing;     /* the result of its PREPARE */
	bool armed;         /* libpq was asked for single rows */
};

/* The statements of early lock release. */
enum postgres_own {
	POSTGRES_OWN_UNLOCK,
	POSTGRES_OWN_FLUSH,
	POSTGRES_OWNS,
};

/* The first error of a batch. */
struct postgres_failure {
	bool happened;
	bool fatal;                         /* the server ends the connection */
	bool reused;                        /* the statement was prepared by an earlier batch */
	bool own;                           /* of a statement of our own, before the calls' */
	bool unflushed;                     /* the batch was committed, and may not be on disk */
	struct weir_postgres_call *culprit; /* NULL: the commit itself has failed */
	char state[POSTGRES_STATE_SIZE];
	char constraint[64];
	char text[WEIR_POSTGRES_WHY_MAX];
};

struct postgres_connection {
	struct weir_postgres *pool;
	struct weir_list link; /* in pool->connections */
	enum postgres_connection_state state;
	PGconn *pg; /* NULL: between two attempts */
	struct weir_watch watch;
	unsigned watched; /* events; 0: not at all */
	struct weir_timer timer;
	struct weir_task task; /* reads on in the next turn */

	/* While it is opened. */
	struct weir_resolving *resolving;
	struct weir_address addresses[WEIR_POSTGRES_ADDRESSES_MAX];
	unsigned address_count;
	unsigned address_next;
	unsigned host;    /* the one that is tried, or is connected to */
	unsigned tried;   /* hosts, in this pass */
	bool second;      /* prefer-standby: any server will do now */
	bool may_succeed; /* a failure was one that time may change */

	/* While it is busy. */
	struct weir_list batch; /* calls in the order in which they were sent */
	unsigned batch_size;
	int64_t begun_ms; /* when the batch was sent */
	struct postgres_cursor cursor;
	struct postgres_failure failure;
	bool flushing;  /* bytes, and so the sync, have not left */
	bool broken;    /* the poller has reported an error or a hang-up on both sides */
	bool cancelled; /* a cancel was sent: the connection is not used again */
	bool proven;    /* a batch has ended well */
	bool large;     /* libpq's buffer has grown: the connection is not used again */
	bool early;     /* with early lock release */
	bool unlocked;  /* of such a batch the first sync has come, and the flush is under way */
	struct postgres_statement own[POSTGRES_OWNS];
	uint64_t prepared[(WEIR_POSTGRES_STATEMENTS_MAX + 63) / 64];
	uint64_t preparing[(WEIR_POSTGRES_STATEMENTS_MAX + 63) / 64]; /* in this batch */
};

/* -- postgres_connect.c -- */

/* Opens a connection. Returns 0 or a negative errno without one. */
int postgres_connection_open(struct weir_postgres *postgres);

/* -- postgres_connection.c -- */

/* The connection is there: it waits for calls. */
void postgres_connection_set_idle(struct postgres_connection *connection);
/* Watches for what the state needs. Returns 0 or a negative errno. */
int postgres_connection_watch(struct postgres_connection *connection);
void postgres_connection_unwatch(struct postgres_connection *connection);
/* Closes and frees it. It has no calls. */
void postgres_connection_free(struct postgres_connection *connection);
/* The connection is lost, or is given up: its calls end or are repeated. */
void postgres_connection_fail(struct postgres_connection *connection, int error, const char *text);
/* The call in it was cancelled, paused or resumed. */
void postgres_connection_drain(struct postgres_connection *connection);
void postgres_connection_update(struct postgres_connection *connection);
/* Cancels the running statement at the server; a thread of the work pool sends the request. */
void postgres_cancel(struct weir_loop *loop, PGconn *pg);
void postgres_connection_cancel(struct postgres_connection *connection);
/* The time for a result begins now. */
void postgres_connection_restart_timer(struct postgres_connection *connection);

/* -- postgres_late.c -- */

/* Takes the connection to the server; the calls must end. Without memory it stays where it is. */
void postgres_late_begin(struct postgres_connection *connection);
/* Closes all. The server goes on with the commits. */
void postgres_late_end_all(struct weir_postgres *postgres);

/* -- postgres_batch.c -- */

enum postgres_step {
	POSTGRES_STEP_GOT,  /* a result, or the end of a statement */
	POSTGRES_STEP_WAIT, /* for the server, or for the caller */
	POSTGRES_STEP_SYNC, /* the batch has ended */
	POSTGRES_STEP_LOST, /* the server is out of step */
};

/* Takes calls from the queue, or the first stream, and sends them. */
void postgres_batch_start(struct postgres_connection *connection, bool stream);
/* Moves the cursor behind what has ended. */
void postgres_batch_advance(struct postgres_connection *connection);
/* Handles a result of what the cursor is at. */
enum postgres_step postgres_batch_on_result(
        struct postgres_connection *connection, const PGresult *result);

/* Moves the cursor to a statement of a call; to the sync, if that is NULL. */
void postgres_batch_set_cursor(struct postgres_connection *connection,
        struct weir_postgres_call *call, unsigned statement);
/* Sends a statement, and its PREPARE if need be. */
bool postgres_batch_send_statement(
        struct postgres_connection *connection, struct postgres_statement *statement, bool binary);

/* -- postgres_early.c -- */

/* Whether the batch, which is complete, can have early lock release. */
bool postgres_early_wanted(const struct postgres_connection *connection);
/* Sends what must come before the batch's statements, and behind them. */
bool postgres_early_send_begin(struct postgres_connection *connection);
bool postgres_early_send_flush(struct postgres_connection *connection);
/* The first results are those of our own. */
void postgres_early_set_cursor(struct postgres_connection *connection, enum postgres_own own);
/* One of our own statements has failed: if that would happen each time, the pool does without. */
void postgres_early_on_error(struct postgres_connection *connection, const char *state);

/* -- postgres_outcome.c -- */

/*
 * The batch has ended, by its sync or with the connection: its calls end or are repeated. The
 * connection is idle or freed then.
 */
void postgres_outcome_on_sync(struct postgres_connection *connection);
void postgres_outcome_on_loss(struct postgres_connection *connection, int error, const char *text);

#endif
