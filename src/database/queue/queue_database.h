/*
 * The queue in a database, for the files of this folder:
 *
 *   queue_database.c  the queue: life, statistics, waking the listener
 *   queue_look.c      looking for messages that are due, and claiming them
 *   queue_load.c      a claimed message: its envelope, and its bytes in an unnamed file
 *   queue_lease.c     claims in time: renewing, losing
 *   queue_store.c     putting claimed messages back
 *   queue_put.c       the sink
 *   queue_ask.c       lists and commands
 *   queue_rows.c      rows and values of messages
 *
 *   look ─▶ LOADING ─▶ CLAIMED ─▶ STORING ─▶ gone
 *                                  ▲   └─ the database is away ─▶ UNSAVED
 *                                  └──────── again later ────────────┘
 *
 * Invariant: claims, looks and their calls belong to the loop that listens. Sinks of other
 * loops use things under the lock, or atomic ones.
 */
#ifndef QUEUE_DATABASE_H
#define QUEUE_DATABASE_H

#include <pthread.h>
#include <stdatomic.h>

#include <weir/buffer.h>
#include <weir/database.h>
#include <weir/database_queue.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/mail_queue.h>
#include <weir/postgres.h>

#include "database_body.h"
#include "database_outcome.h"
#include "mail_queued.h"
#include "refcount.h"

/* -- the queue --------------------------------------------------------------------------------- */

struct queue_database {
	struct weir_mail_queue base;
	struct refcount references; /* the owner's, and those of deliveries, which may end later */
	struct weir_database *database;
	struct weir_database_queue_options options; /* its text is owned */

	_Atomic size_t count;     /* messages, as of the last look, and since by this process */
	_Atomic size_t claimed;   /* by all front ends, as of then */
	_Atomic int64_t oldest_s; /* when it arrived, by the clock of this host; INT64_MAX: none */
	_Atomic uint64_t taken_over;

	pthread_mutex_t lock; /* covers the next one */
	struct mail_waker *waker;

	/* All below belongs to the loop that listens, or that claims. */
	struct weir_loop *loop; /* NULL: none yet */
	struct weir_postgres *pool;
	weir_mail_queue_changed_fn *changed;
	void *context;
	struct weir_timer tick;
	struct weir_list claims;  /* of struct queue_claim: LOADING and CLAIMED */
	struct weir_list storing; /* STORING and UNSAVED */
	size_t unsaved;

	struct weir_list askers; /* of struct queue_asker: claims that were asked for */
	struct weir_task look;   /* starts a look */
	struct queue_look *looking;
	int64_t next_s;        /* when to look again */
	int64_t whole_look_ms; /* when all messages are to be looked at; boottime */
	char low[64]; /* the database's time up to which no unclaimed message is due; or "" */

	struct weir_postgres_call *renewing;
	int64_t renewing_ms; /* when it was started */

	struct weir_postgres_call *counting;
	int64_t count_ms;    /* when to count again; boottime */
	int64_t counting_ms; /* when the count was started */
};

static inline struct queue_database *queue_database_of(struct weir_mail_queue *base)
{
	return WEIR_CONTAINER(base, struct queue_database, base);
}

void queue_database_hold(struct queue_database *queue);
void queue_database_release(struct queue_database *queue);

/* The loop that claims uses the queue from now on. Returns as weir_database_pool. */
int queue_database_use(struct queue_database *queue, struct weir_loop *loop);

/* A message may have become due. Any thread. */
void queue_database_wake(struct queue_database *queue);

/* The count changes by one. Any thread. */
void queue_database_count(struct queue_database *queue, int change);

/* Milliseconds of a clock that goes on while the machine sleeps. */
int64_t queue_boottime_ms(void);

/* -- queue_look.c ------------------------------------------------------------------------------ */

enum queue_phase {
	QUEUE_LOADING,
	QUEUE_CLAIMED, /* the relay has it */
	QUEUE_STORING, /* its state is on the way to the database */
	QUEUE_UNSAVED, /* that has failed, and will be tried again */
};

/* A message that is claimed. */
struct queue_claim {
	struct weir_list link; /* in the queue's `claims` or `storing` */
	struct queue_database *queue;
	enum queue_phase phase;
	char id[WEIR_DATABASE_ID_SIZE];
	char lease[WEIR_DATABASE_ID_SIZE];
	int64_t until_ms;   /* when the lease ends, or earlier; boottime */
	int64_t renewed_ms; /* the new end, by the renewal that is under way; 0: not renewed */
	bool renewing;      /* it is part of that */
	bool lost;          /* its owner has heard so */
	bool removes;       /* STORING: the message is removed */
	struct weir_queued *queued;
	struct weir_postgres_call *call;
	/* The asker's. */
	weir_mail_queue_claimed_fn *claimed;
	weir_mail_queue_requeued_fn *requeued;
	void *context;
	struct queue_loading *loading;
	bool keeps;       /* STORING: the state must not be forgotten if the database is away */
	bool due;         /* STORING: the message is due at once */
	uint64_t matched; /* STORING: rows that were still claimed */
};

int64_t queue_look_next(struct weir_mail_queue *base);
int queue_look_claim(struct weir_mail_queue *base, struct weir_loop *loop, int64_t now_s,
        weir_mail_queue_claimed_fn *claimed, void *context);
void queue_look_cancel(struct queue_database *queue);

/* There is something to do at that time. */
void queue_look_by(struct queue_database *queue, int64_t at_s);

/* Frees it, and cancels its call. */
void queue_claim_free(struct queue_claim *claim);

/* -- queue_load.c ------------------------------------------------------------------------------ */

/*
 * Loads the message. Then `claimed` is called, with an error after the claim was given up. Not from
 * within this call.
 */
void queue_load_start(struct queue_claim *claim);

/* Has no effect if nothing is under way. */
void queue_load_cancel(struct queue_claim *claim);

/* -- queue_lease.c ----------------------------------------------------------------------------- */

/* Whether an attempt to send may begin. */
bool queue_lease_lasts(const struct queue_claim *claim);
bool queue_lease_may_send(struct weir_mail_queue *base, const struct weir_queued *queued);

/* Renews leases that should be, and reports those that are lost. */
void queue_lease_tick(struct queue_database *queue);
void queue_lease_cancel(struct queue_database *queue);

/* -- queue_store.c ----------------------------------------------------------------------------- */

void queue_store_requeue(struct weir_mail_queue *base, struct weir_loop *loop,
        struct weir_queued *queued, weir_mail_queue_requeued_fn *requeued, void *context);

/* Gives the claim up, so that the message is due in that time. Frees the claim. */
void queue_store_give_up(struct queue_claim *claim, uint32_t within_s);

/* Removes the message, and frees the claim. */
void queue_store_remove(struct queue_claim *claim);

/* Gives up all claims of a look whose outcome is unknown. */
void queue_store_give_up_lease(struct queue_database *queue, const char *lease);

/* Tries again to store what could not be. */
void queue_store_tick(struct queue_database *queue);

/*
 * A part of a statement: removes all of the messages in `gone`, a part before it that has deleted
 * their rows of weir_queue and returned their ids.
 */
#define QUEUE_SQL_REMOVE                                                                           \
	" m AS (DELETE FROM weir_queue_message WHERE id IN (SELECT id FROM gone)),"                \
	" r AS (DELETE FROM weir_queue_recipient WHERE id IN (SELECT id FROM gone)),"              \
	" b AS (DELETE FROM weir_body_chunk WHERE body IN (SELECT id FROM gone))"

/* -- queue_put.c, queue_ask.c ------------------------------------------------------------------ */

extern const struct weir_mail_sink_type queue_put_type;

int queue_ask_list(struct weir_mail_queue *base, struct weir_loop *loop,
        weir_mail_queue_show_fn *show, weir_mail_queue_done_fn *done, void *context);
int queue_ask_command(struct weir_mail_queue *base, struct weir_loop *loop,
        enum weir_queue_command command, const char *id, weir_mail_queue_done_fn *done,
        void *context);

/* -- queue_rows.c ------------------------------------------------------------------------------ */

/* A number in a row, in text. */
int64_t queue_row_number(const struct weir_postgres_row *row, unsigned column);
/* A number of attempts, which is not negative. */
unsigned queue_row_tries(const struct weir_postgres_row *row, unsigned column);
bool queue_row_bool(const struct weir_postgres_row *row, unsigned column);

/* A message that is read from rows in binary format; all zero at first. */
struct queue_reader {
	struct weir_queued head; /* without what is below */
	struct weir_buffer text; /* the bytes of all spans, which are offsets until the end */
	struct weir_buffer recipients;
	bool has_message;
	int error; /* the first: -ENOMEM, or -EIO for a row that cannot be */
};

/* The columns of a message, and of a recipient, in a row: numbers as text, others as bytes. */
#define QUEUE_SQL_MESSAGE "m.size::text, m.flags::text, m.sender, m.envid, m.trace"
#define QUEUE_SQL_RECIPIENT "r.reports::text, r.state::text, r.address, r.orcpt, r.status"

/* Whole seconds since a time in a column, and up to it. */
#define QUEUE_SQL_SINCE(column)                                                                    \
	"floor(extract(epoch FROM now() - " WEIR_DATABASE_TIME(column) "))::bigint"
#define QUEUE_SQL_UNTIL(column)                                                                    \
	"ceil(extract(epoch FROM " WEIR_DATABASE_TIME(column) " - now()))::bigint"

enum {
	QUEUE_MESSAGE_COLUMNS = 5
};

void queue_reader_message(
        struct queue_reader *reader, const struct weir_postgres_row *row, unsigned column);
void queue_reader_recipient(
        struct queue_reader *reader, const struct weir_postgres_row *row, unsigned column);

/* Makes the message, and empties the reader. Returns 0, -ENOMEM, or -EIO if it is not whole. */
int queue_reader_finish(struct queue_reader *reader, struct weir_queued **ret);

/* Forgets all rows. */
void queue_reader_clear(struct queue_reader *reader);

/*
 * An array as a value: {6162,"",63}. Texts are hexadecimal. Each returns 0, -ENOMEM or
 * WEIR_E_LIMIT.
 */
int queue_array_open(struct weir_buffer *array);
int queue_array_bytes(struct weir_buffer *array, struct weir_span bytes);
int queue_array_number(struct weir_buffer *array, uint64_t number);
int queue_array_text(struct weir_buffer *array, const char *text); /* a UUID */
int queue_array_close(struct weir_buffer *array);                  /* adds a NUL behind it */

#endif
