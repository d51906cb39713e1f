/*
 * Mailboxes in a database, for their files.
 *
 *   mailboxes.c           the store, and its part in each loop
 *   mailboxes_usage.c     sizes of mailboxes, in memory; checks of recipients
 *   mailboxes_delivery.c  the sink
 *   mailboxes_drop.c      maildrops: open, info, close, the lease
 *   mailboxes_fetch.c     maildrops: opening a message
 *   mailboxes_remove.c    maildrops: removing messages
 *   mailboxes_whole.c     for administrators: listing mailboxes, and removing one whole
 */
#ifndef MAILBOXES_STATE_H
#define MAILBOXES_STATE_H

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#include <weir/buffer.h>
#include <weir/database_mail.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/mail_store.h>

#include "database_body.h"
#include "database_state.h"
#include "mail_message.h"
#include "refcount.h"

/* -- the store --------------------------------------------------------------------------------- */

enum {
	MAILBOXES_BUCKETS = 1024
};

struct mailboxes_counters {
	atomic_uint_fast64_t messages, bodies, over_quota;
};

struct mailboxes {
	struct weir_mail_store base;
	struct refcount references; /* the creator's, and one for each struct mailboxes_loop */
	struct weir_database *database;
	struct weir_mail_store_options options;
	struct mailboxes_counters counters;

	pthread_mutex_t lock; /* covers the fields below */
	struct weir_list loops;
	int64_t sweep_ms; /* by the loops' clock: the next sweep is due */
	struct mailboxes_usage *buckets[MAILBOXES_BUCKETS];
	struct weir_list usages; /* the longest unused first */
	unsigned usage_count;
};

/* The part of a loop. It exists while something of the loop is under way. */
struct mailboxes_loop {
	struct weir_list link; /* in mailboxes->loops, under its lock */
	struct database_leaver leaver;
	struct mailboxes *mailboxes;
	struct database_loop *at;
	struct local_refcount references; /* of deliveries, checks, maildrops, the sweep */
	struct weir_list closing;         /* maildrops without an owner, which end a call */
	struct weir_list releasing;       /* maildrops that have ended, whose leases have not */
	struct weir_postgres_call *sweep; /* NULL: none */
};

static inline struct mailboxes *mailboxes_of(struct weir_mail_store *store)
{
	return WEIR_CONTAINER(store, struct mailboxes, base);
}

/* Gets a reference to the loop's part. Returns 0, or an error of weir_database_pool. */
int mailboxes_loop_get(
        struct mailboxes *mailboxes, struct weir_loop *loop, struct mailboxes_loop **ret);
void mailboxes_loop_put(struct mailboxes_loop *loop);

/* Removes bodies that nobody has, if `now` or if it is time, until none is left. */
void mailboxes_sweep(struct mailboxes_loop *loop, bool now);

/* One statement, which may run twice. The key is the name of the mailbox. */
struct mailboxes_statement {
	const char *text;
	const struct weir_postgres_value *values;
	unsigned count;
	struct weir_span key;
	bool stream;
	bool binary;
	bool early_lock_release;
};

int mailboxes_call(struct mailboxes_loop *loop, const struct mailboxes_statement *statement,
        const struct weir_postgres_events *events, void *context, struct weir_postgres_call **ret);

/* The value of a column of a row, as a number; of 8 bytes if the call is binary. */
int64_t mailboxes_row_number(const struct weir_postgres_row *row, unsigned column, bool binary);

/* -- sizes in memory --------------------------------------------------------------------------- */

struct mailboxes_usage {
	struct mailboxes_usage *next; /* in its bucket */
	struct weir_list link;
	uint64_t octets;
	uint64_t messages;
	int64_t noted_ms;
	uint64_t unfit_announced; /* SIZE of the last message for which there was no room */
	uint64_t unfit;           /* bytes of that message */
	size_t size;
	char user[];
};

static inline bool mailboxes_have_quota(const struct mailboxes *mailboxes)
{
	return mailboxes->options.mailbox_max || mailboxes->options.messages_max;
}

/* Notes what the database has reported. Any thread, as the next ones. Without a quota: nothing. */
void mailboxes_usage_note(struct mailboxes *mailboxes, struct weir_span user, uint64_t octets,
        uint64_t messages, int64_t now_ms);
/* Notes a message that has found no room. */
void mailboxes_usage_note_unfit(
        struct mailboxes *mailboxes, struct weir_span user, uint64_t announced, uint64_t octets);
void mailboxes_usage_free(struct mailboxes *mailboxes);

void mailboxes_each_usage(
        struct weir_mail_store *store, weir_mailbox_usage_fn *show, void *context);

int mailboxes_check(struct weir_mail_sink *sink, struct weir_loop *loop,
        const struct weir_mail_recipient *recipient, uint64_t size, struct weir_mail_check *check,
        weir_mail_checked_fn *done, void *context);
void mailboxes_check_cancel(struct weir_mail_check *check);

/* -- deliveries -------------------------------------------------------------------------------- */

extern const struct weir_mail_sink_type mailboxes_sink;

/* -- maildrops --------------------------------------------------------------------------------- */

/* The first field of what a struct weir_mail_call points to. */
struct mailboxes_job {
	struct weir_mail_call *call; /* NULL: cancelled, or nothing is under way */
	/* The call was cancelled; `call` is NULL already. */
	void (*cancel)(struct mailboxes_job *job);
};

static inline void mailboxes_job_begin(struct mailboxes_job *job, struct weir_mail_call *call)
{
	job->call = call;
	call->job = job;
}

/* Returns the call, detached from the job; NULL: cancelled. */
static inline struct weir_mail_call *mailboxes_job_end(struct mailboxes_job *job)
{
	struct weir_mail_call *call = job->call;
	if (call)
		call->job = NULL;
	job->call = NULL;
	return call;
}

/*
 *   LOCKING ─▶ LISTING ─▶ OPEN ─▶ REMOVING ─▶ REMOVED
 *      └──────────┴─────────┴────────┴───────────┴─────▶ RELEASING  if the row may have our session
 *
 * When its owner goes during one of the calls, the drop is in `closing` of its loop until the call
 * has ended.
 */
enum mailboxes_drop_state {
	MAILBOXES_DROP_LOCKING,
	MAILBOXES_DROP_LISTING,
	MAILBOXES_DROP_OPEN,
	MAILBOXES_DROP_REMOVING,
	MAILBOXES_DROP_REMOVED,
	MAILBOXES_DROP_RELEASING,
};

struct mailboxes_message {
	uint64_t uid;
	uint64_t octets : 62;
	uint64_t dotless : 1;
	uint64_t ended : 1;
};

/*
 * The UIDL of `validity` and `uid`, with so many digits that UIDLs sort as UIDs do: an export makes
 * names of files from them.
 */
#define MAILBOXES_UIDL "%" PRId64 ".%010" PRIu64

/* The UIDL that a message was imported with. */
struct mailboxes_uidl {
	uint32_t index;  /* of the message */
	uint32_t offset; /* in the texts */
};

struct mailboxes_drop {
	struct weir_maildrop base;
	struct mailboxes_job job; /* of opening or removing */
	struct weir_list link;    /* in `closing`, in `releasing`, or in no list */
	struct mailboxes_loop *at;
	enum mailboxes_drop_state state;
	bool closed;                     /* no owner is left */
	bool locked;                     /* the row has our session, as far as we know */
	bool busy;                       /* LOCKING: no row has come */
	bool retried;                    /* LOCKING: this is the second attempt */
	int error;                       /* LISTING: of collecting the rows */
	struct weir_postgres_call *call; /* of the state; NULL: none */
	struct weir_postgres_call *renewal;
	struct weir_timer timer; /* the next renewal */
	char session[WEIR_DATABASE_ID_SIZE];
	int64_t ended_ms; /* RELEASING: its begin, by the clock of the loop */
	int64_t validity;
	uint64_t expected;           /* messages, by the row of the mailbox */
	int64_t next_uid;            /* of the mailbox when it was locked */
	struct weir_buffer messages; /* of struct mailboxes_message */
	struct weir_buffer uidls;    /* of struct mailboxes_uidl, in the order of the messages */
	struct weir_buffer texts;    /* of these, each with a NUL */
	weir_mail_opened_fn *opened;

	/* REMOVING */
	weir_mail_removed_fn *removed_done;
	uint8_t *marks;
	size_t next;   /* the message from which the next statement goes on */
	size_t marked; /* messages of this statement */
	size_t removed;
	bool row;     /* of this statement has come */
	bool unowned; /* it has left bodies to the sweep */
	size_t gone;  /* by this statement */
	uint64_t octets_left, messages_left;

	size_t size;
	char user[];
};

static inline const struct mailboxes_message *mailboxes_messages_of(
        const struct mailboxes_drop *drop)
{
	return (const struct mailboxes_message *)(const void *)drop->messages.data;
}

static inline struct weir_span mailboxes_drop_user(const struct mailboxes_drop *drop)
{
	return weir_span(drop->user, drop->size);
}

void mailboxes_open(struct weir_mail_store *store, struct weir_loop *loop, struct weir_span user,
        struct weir_mail_call *call, weir_mail_opened_fn *done);
void mailboxes_info(const struct weir_maildrop *base, size_t index, struct weir_mail_info *ret);
void mailboxes_fetch(struct weir_maildrop *base, size_t index, struct weir_mail_call *call,
        weir_mail_fetched_fn *done);

/* The end of a lease that begins or is renewed now, by the clock of the database. */
#define MAILBOXES_TEXT(number) #number
#define MAILBOXES_LEASE_OF(seconds) "now() + interval '" MAILBOXES_TEXT(seconds) " seconds'"
#define MAILBOXES_LEASE_END MAILBOXES_LEASE_OF(WEIR_MAILDROP_LEASE_S)

/*
 * Parts of WITH: the mailbox $1 gives up the bodies of the messages that `gone` has deleted, with
 * their body, chunks and shared. Bodies of one chunk that nobody shares are removed, others left to
 * the sweep: MAILBOXES_SQL_LEFT is their number.
 */
#define MAILBOXES_SQL_GIVE_UP                                                                      \
	"freed AS (DELETE FROM weir_body_chunk WHERE number = 0 AND body IN"                       \
	" (SELECT body FROM gone WHERE chunks = 1 AND NOT shared)),"                               \
	" unheld AS (DELETE FROM weir_body_holder WHERE holder = $1 AND body IN"                   \
	" (SELECT body FROM gone WHERE shared)),"                                                  \
	" left_over AS (INSERT INTO weir_body_sweep (body, holder, due)"                           \
	" SELECT body, $1, now() FROM gone WHERE chunks > 1 OR shared"                             \
	" ON CONFLICT (body, holder) DO NOTHING)"
#define MAILBOXES_SQL_LEFT "(SELECT count(*) FROM gone WHERE chunks > 1 OR shared)"

void mailboxes_remove(struct weir_maildrop *base, const uint8_t *marks, struct weir_mail_call *call,
        weir_mail_removed_fn *done);
void mailboxes_close(struct weir_maildrop *base);

/*
 * Ends a drop of which no call is under way: frees it once its lease is released. The release is
 * repeated while the database is away.
 */
void mailboxes_drop_end(struct mailboxes_drop *drop);

/* Frees a drop without releasing its lease. */
void mailboxes_drop_free(struct mailboxes_drop *drop);

#endif
