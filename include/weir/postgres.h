/*
 * PostgreSQL: a pool of connections to servers that speak its protocol, in the loop, by libpq.
 *
 *   call ─▶ queue ─┬─ many short calls ─▶ a batch: sorted by key, one transaction, one sync
 *                  └─ one stream ───────▶ a connection of its own, rows under back-pressure
 *
 *                                          row()… ─▶ end()
 *
 * A call is one or more statements that take effect together or not at all. Calls that wait at one
 * moment share a batch, so that they share the server's flush to disk. Callers that call again at
 * end() share the next one: they are waited for, each for WEIR_POSTGRES_RETURN_MS at most. Rows
 * count only after end(): a batch that was rolled back runs again, and its calls hear again()
 * before.
 *
 * How a failure ends, by what is known about the transaction:
 *
 *   40001, 40P01 in a batch            the batch runs again, then its calls one by one
 *   another SQLSTATE in a batch        that call runs alone, and the others without it
 *   these, of a call that runs alone   the call is repeated for the former, and ends for the latter
 *   connection lost before the sync    rolled back: the calls run again on another connection
 *   connection lost after the sync     WEIR_POSTGRES_UNKNOWN, unless the call is idempotent
 *   commit not confirmed in time       WEIR_POSTGRES_UNKNOWN; the server goes on with it
 *   flush of early lock release fails  WEIR_POSTGRES_UNKNOWN, unless the call is idempotent
 *
 * After WEIR_POSTGRES_UNKNOWN the caller looks for its own id in the database, or inserts the row
 * again with ON CONFLICT DO NOTHING.
 *
 * Sessions are interchangeable. Statements that change one are refused: BEGIN, COMMIT, SET, LISTEN,
 * COPY and their like, and CALL and DO, which can commit. Calls run in any order; a call that
 * depends on another starts after its end. Two batches never deadlock if each call names its `key`
 * and locks rows of that key alone.
 *
 * Everything here belongs to the loop's thread. No callback comes from within
 * weir_postgres_call_start.
 */
#ifndef WEIR_POSTGRES_H
#define WEIR_POSTGRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/buffer.h>
#include <weir/limits.h>
#include <weir/producer.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_loop;
struct weir_postgres; /* a pool */
struct weir_postgres_call;
struct weir_resolver;

/* -- the pool ---------------------------------------------------------------------------------- */

/* Begin with weir_postgres_options_init. Texts are copied. */
struct weir_postgres_options {
	/*
	 * A connection string of libpq: postgres://user@one,two:5433/mail?sslmode=verify-full, or
	 * keywords. It must name a host: a name, an address, or the directory of a Unix socket.
	 * Several hosts are tried in turn, from the one that worked last. target_session_attrs
	 * chooses among them. These keywords are refused: service, connect_timeout, replication,
	 * and gssencmode other than disable, which would block the loop.
	 */
	const char *url;
	/*
	 * Has libpq read its environment variables, its service file, ~/.pgpass and ~/.postgresql.
	 * False by default: the URL alone counts, and a variable that libpq would read is an error.
	 */
	bool environment;
	/* Of a URL that names no user: NULL is the name of the process's user. */
	const char *user;
	/* Of a URL without a password. NULL: none. */
	const char *password;
	const char *name; /* the label `pool` of the metrics; "postgres" */
	/* Finds the addresses of hosts; must outlive the pool. NULL: the pool makes its own. */
	struct weir_resolver *resolver;
	/* A pool has at most as many connections as these two together. Neither is 0. */
	unsigned streams_max; /* streams at a time; WEIR_POSTGRES_STREAMS_MAX */
	unsigned batches_max; /* batches at a time; WEIR_POSTGRES_BATCHES_MAX */
	unsigned batch_max;   /* calls of a batch, up to its default WEIR_POSTGRES_BATCH_MAX */
	size_t batch_bytes;   /* of their statements and values; WEIR_POSTGRES_BATCH_BYTES */
	unsigned waiting_max; /* calls that wait; WEIR_POSTGRES_WAITING_MAX */
	size_t waiting_bytes; /* of their statements and values; WEIR_POSTGRES_WAITING_BYTES */
	/*
	 * Statements that are prepared, as they come; later ones are parsed at each use. 0 is for a
	 * pooler without prepared statements. Up to its default WEIR_POSTGRES_STATEMENTS_MAX.
	 */
	unsigned statements_max;
	uint32_t connect_ms; /* for each address, with TLS; WEIR_POSTGRES_CONNECT_MS */
	uint32_t wait_ms;    /* for all waits and repetitions of a call; WEIR_POSTGRES_WAIT_MS */
	/*
	 * Without a result of a statement, while the call is not paused; WEIR_POSTGRES_ANSWER_MS.
	 * The statement is cancelled then. A commit is not: cancelled while it waits for a standby,
	 * it would be reported as a success, without the standby.
	 */
	uint32_t answer_ms;
	/*
	 * Ends the calls that wait when all hosts have refused a connection for a reason that time
	 * does not change: a wrong password or user, a database or host that does not exist, TLS
	 * that fails. For programs that a person waits for. False by default: they wait for
	 * `wait_ms`.
	 */
	bool hasty;
	uint32_t idle_ms; /* an idle connection is closed after; WEIR_POSTGRES_IDLE_MS */
};

/* Sets every member to its default. The URL has none. */
WEIR_API void weir_postgres_options_init(struct weir_postgres_options *options);

/*
 * Makes a pool. Nothing is connected before the first call. It may read /etc/passwd for the default
 * user, and so block for a moment. Returns 0; WEIR_E_SYNTAX or -EINVAL if the URL or an option
 * cannot work, with a line for the user in `ret_why`; or -ENOMEM. The line has no password in it.
 */
WEIR_API int weir_postgres_create(struct weir_loop *loop,
        const struct weir_postgres_options *options, char ret_why[WEIR_POSTGRES_WHY_MAX],
        struct weir_postgres **ret);

/*
 * Cancels all calls without their callbacks, and closes all connections. NULL is allowed. Not from
 * a callback of a call.
 */
WEIR_API void weir_postgres_destroy(struct weir_postgres *postgres);

/* A right that a pool needs, for a program that gives up the others. */
enum weir_postgres_need {
	WEIR_POSTGRES_CONNECTS,      /* by TCP, to this port */
	WEIR_POSTGRES_CONNECTS_UNIX, /* to a Unix socket in this directory */
	WEIR_POSTGRES_LOOKS_UP,      /* this name or address of a host */
	WEIR_POSTGRES_READS,         /* this file, at each connection */
};

/* `text` is valid during the call. */
typedef void weir_postgres_need_fn(void *context, enum weir_postgres_need need, const char *text);

/*
 * Checks the URL, and lists its needs. Returns as weir_postgres_create; after an error nothing was
 * listed.
 */
WEIR_API int weir_postgres_list_needs(const struct weir_postgres_options *options,
        weir_postgres_need_fn *need, void *context, char ret_why[WEIR_POSTGRES_WHY_MAX]);

/* The connections that are open or being opened, and the calls that wait for one. */
WEIR_API unsigned weir_postgres_connections(const struct weir_postgres *postgres);
WEIR_API unsigned weir_postgres_waiting(const struct weir_postgres *postgres);

/*
 * Returns why the last attempt to connect has failed on all hosts, with the host; NULL if there was
 * none, or a connection was made since. Valid until the loop goes on.
 */
WEIR_API const char *weir_postgres_failure(const struct weir_postgres *postgres);

/* -- statements -------------------------------------------------------------------------------- */

/* The value of a parameter. `data` is NULL for NULL. A text has no NUL in it. */
struct weir_postgres_value {
	struct weir_span bytes;
	bool binary; /* in the binary format of its type, such as the bytes of a bytea */
};

static inline struct weir_postgres_value weir_postgres_text(const char *text)
{
	struct weir_postgres_value value = {weir_span_of(text), false};
	return value;
}

static inline struct weir_postgres_value weir_postgres_binary(const void *data, size_t size)
{
	struct weir_postgres_value value = {weir_span(data ? data : "", size), true};
	return value;
}

/* One statement, with $1, $2 … for its values. */
struct weir_postgres_statement {
	const char *text;
	const struct weir_postgres_value *values;
	unsigned count; /* of the values; WEIR_POSTGRES_VALUES_MAX at most */
};

/* A row. Valid during the callback, with all that the functions below return. */
struct weir_postgres_row {
	unsigned statement; /* of the call; 0 is the first one */
	unsigned count;     /* of its columns */
	const void *result; /* the library's own */
	int number;         /* the library's own */
};

/*
 * Returns the value in a column; `data` is NULL for NULL. The last column's name is number count-1.
 */
WEIR_API struct weir_span weir_postgres_row_value(
        const struct weir_postgres_row *row, unsigned column);
WEIR_API const char *weir_postgres_row_name(const struct weir_postgres_row *row, unsigned column);

/* -- calls ------------------------------------------------------------------------------------- */

enum weir_postgres_outcome {
	WEIR_POSTGRES_COMMITTED, /* the server has confirmed the transaction */
	WEIR_POSTGRES_UNDONE,    /* it was not begun, or was rolled back, at each attempt */
	WEIR_POSTGRES_UNKNOWN,   /* an attempt may have been committed, but is not confirmed */
};

/* How a call ended. Valid during the callback. */
struct weir_postgres_end {
	enum weir_postgres_outcome outcome;
	/*
	 * 0: committed. WEIR_E_DATABASE: the server has refused a statement, see `state`.
	 * -ENOTCONN: no connection could be made. -ECONNRESET: the connection was lost. -ETIMEDOUT:
	 * no result in answer_ms, or no turn in wait_ms, also for a repetition that another call's
	 * error has caused. -ENOMEM or another errno of this host.
	 */
	int error;
	const char *state;      /* the SQLSTATE, or "" */
	const char *constraint; /* the one that was violated, or "" */
	const char *text;       /* one line: the reason; "" for 0 */
	/* The rows that each statement has changed or returned, if it is committed. */
	const uint64_t *rows;
	unsigned repeated; /* how often the call was sent again */
};

/* Only `end` must be set. */
struct weir_postgres_events {
	void (*row)(void *context, const struct weir_postgres_row *row);
	/* The statements run again from the first one: all rows so far are void. */
	void (*again)(void *context);
	/* The last call; the struct weir_postgres_call is gone. Not called after a cancel. */
	void (*end)(void *context, const struct weir_postgres_end *end);
};

/* Begin with weir_postgres_call_options_init. All is copied. */
struct weir_postgres_call_options {
	const struct weir_postgres_statement *statements;
	unsigned count; /* 1, the default, to WEIR_POSTGRES_CALL_STATEMENTS_MAX */
	/* The order within a batch, by its bytes: the mailbox, say. Empty by default. */
	struct weir_span key;
	/* Runs alone, and can be paused: for many rows, or a long time. False by default. */
	bool stream;
	/*
	 * It may run twice: a call without changes, or one that makes the same change again. It is
	 * repeated where its outcome would be unknown, unless it is a stream that had a row. False
	 * by default.
	 */
	bool idempotent;
	bool binary; /* values of rows are in binary format; false by default: text, in UTF-8 */
	/*
	 * Early lock release: its locks end before the flush to disk, and before the synchronous
	 * standby has it, for which only end() waits. For rows that calls of many processes change,
	 * one after the other. Others see its rows then, while a crash of the server may still take
	 * them back, and with them every commit that came later: so a program must commit something
	 * before it acts on what it has read. It counts for a stream, and for a batch of two calls
	 * or more which all have it; on PostgreSQL alone, and not on a standby. False by default.
	 */
	bool early_lock_release;
};

WEIR_API void weir_postgres_call_options_init(struct weir_postgres_call_options *options);

/*
 * Starts a call, which is valid until end() is called or weir_postgres_call_cancel. Returns 0;
 * -EINVAL if a statement is refused, has too many values or a text with a NUL; WEIR_E_LIMIT if too
 * many calls or bytes wait, or the call alone has more than WEIR_POSTGRES_CALL_BYTES; or -ENOMEM.
 * After an error no callback comes.
 */
WEIR_API int weir_postgres_call_start(struct weir_postgres *postgres,
        const struct weir_postgres_call_options *options, const struct weir_postgres_events *events,
        void *context, struct weir_postgres_call **ret);

/*
 * Ends a call at any time, also from its callbacks, but not from end(). No callback comes any more.
 * A call that waits is not sent. A stream is cancelled at the server if it does not end within
 * WEIR_POSTGRES_DRAIN_MS. A call that was sent in a batch may still take effect.
 */
WEIR_API void weir_postgres_call_cancel(struct weir_postgres_call *call);

/*
 * Pauses and resumes the rows of a stream: back-pressure on the server. After a pause no row comes,
 * and neither does end(). Pauses do not nest. Other calls are not affected.
 */
WEIR_API void weir_postgres_call_pause(struct weir_postgres_call *call);
WEIR_API void weir_postgres_call_resume(struct weir_postgres_call *call);

/* -- a query as a producer --------------------------------------------------------------------- */

/*
 * Appends the bytes of a row; of what follows the last row, if `row` is NULL. Returns 0 or a
 * negative error, which ends the query and fails the producer.
 */
typedef int weir_postgres_format_fn(
        void *context, const struct weir_postgres_row *row, struct weir_buffer *to);

struct weir_postgres_produce_events {
	weir_postgres_format_fn *format;
	/*
	 * The first row has come, or the query has ended without one: the time to choose between
	 * the producer and another reply. Called once, unless the producer was closed. NULL: none.
	 */
	void (*begun)(void *context, const struct weir_postgres_end *end);
	/* The producer was closed: the last call. NULL: none. */
	void (*close)(void *context, enum weir_close_reason why);
};

/*
 * Starts a stream, and returns a producer of its rows as `format` writes them. About
 * WEIR_POSTGRES_PRODUCE_SIZE bytes are formatted ahead; then the server waits for the peer. Closing
 * the producer cancels the query. A query that fails makes the producer fail. `end` of begun() is
 * NULL if there is a row.
 *
 * Returns an error of weir_postgres_call_start; close() is not called then. `stream` is implied.
 */
WEIR_API int weir_produce_query(struct weir_postgres *postgres,
        const struct weir_postgres_call_options *options,
        const struct weir_postgres_produce_events *events, void *context,
        struct weir_producer **ret);

WEIR_C_END

#endif
