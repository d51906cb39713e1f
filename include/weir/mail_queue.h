/*
 * The queue: messages for other hosts, stored until each recipient has a final result and the
 * sender has its notification.
 *
 *   sink ──▶ stored ──▶ claim ──▶ (forward) ──▶ requeue ──▶ due again later, or removed
 *
 * There are two kinds: files in a directory, and a database that several machines share
 * (weir/database_queue.h).
 *
 * When a sink has reported a message as stored, or a requeue has ended, the state is on the disk.
 * If the process is killed just after a message was forwarded, it may be forwarded again.
 *
 * The files:
 *
 *   queue/ID.env       envelope and state, replaced in one step; without it there is no message
 *   queue/ID.msg       the message; never changed
 *   queue/ID.tmp       one of these while it is written
 *   queue/lock         locked by the process that serves the queue
 *   queue/control/     commands of other processes: delete-ID, retry-ID, retry-all
 *
 * One process serves a queue. All its loops may put messages into it, and one of them claims them.
 * Any process that may write to the directory can list, retry and delete messages (weir queue).
 */
#ifndef WEIR_MAIL_QUEUE_H
#define WEIR_MAIL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/mail.h>

WEIR_C_BEGIN

struct weir_loop;

/* -- messages ---------------------------------------------------------------------------------- */

/* Characters of an id with its NUL: 16 hexadecimal digits in files, a UUID in a database. */
#define WEIR_QUEUE_ID_SIZE 37

enum weir_queued_state {
	WEIR_QUEUED_WAITING, /* not forwarded yet */
	WEIR_QUEUED_SENT,    /* forwarded; the sender has to be notified */
	WEIR_QUEUED_FAILED,  /* failed for good; the sender has to be notified */
	WEIR_QUEUED_DONE,    /* nothing is left to do */
};

struct weir_queued_recipient {
	struct weir_span address;
	struct weir_span orcpt;
	unsigned notify; /* enum weir_mail_notify */
	enum weir_queued_state state;
	char status[WEIR_QUEUE_STATUS_MAX + 1]; /* the last reply: "550 5.1.1 User unknown" */
};

/* A message. The spans are valid as long as it is. */
struct weir_queued {
	char id[WEIR_QUEUE_ID_SIZE];
	struct weir_mail_envelope envelope; /* its `recipients` is NULL; see below */
	uint64_t size;
	int64_t arrived_s; /* since 1970 */
	int64_t next_s;    /* when it is due */
	unsigned tries;
	bool warned; /* the sender has been notified of the delay */
	int fd;      /* of the message, to be read with pread; -1 in a list */
	struct weir_queued_recipient *recipients;
	size_t count;
	/*
	 * The claim is about to end, so nothing more may be sent: another front end claims the
	 * message then. Called once, from the loop, while the message is claimed; requeue it soon.
	 * Set by the callee of `claimed`; NULL: not called. Claims of files do not end.
	 */
	void (*lost)(void *context);
	void *context;
	/* Private. */
	char *text;
	void *job;
};

/* -- the queue --------------------------------------------------------------------------------- */

struct weir_mail_queue {
	const struct weir_mail_queue_type *type;
	struct weir_mail_sink sink; /* which any thread may use */
};

/* A message may have become due. Called on the loop that listens. */
typedef void weir_mail_queue_changed_fn(void *context);

/*
 * With an error of 0, the message belongs to the callee until it is requeued. With -ENOENT it has
 * been deleted, or another front end has claimed it. With another error it becomes due again later.
 */
typedef void weir_mail_queue_claimed_fn(void *context, int error, struct weir_queued *queued);

/*
 * The state is stored; or after an error, the old state is. The new one then stays in memory until
 * it can be stored or the queue is closed, for up to WEIR_QUEUE_STATES_MAX messages. -ESTALE: the
 * claim had ended, and another front end has claimed the message since.
 */
typedef void weir_mail_queue_requeued_fn(void *context, int error);

/* Gets a message, valid during the call; NULL if the one with this id cannot be read. */
typedef void weir_mail_queue_show_fn(
        void *context, const char *id, const struct weir_queued *queued);

/* The end of a list or a command. */
typedef void weir_mail_queue_done_fn(void *context, int error);

enum weir_queue_command {
	WEIR_QUEUE_RETRY,
	WEIR_QUEUE_RETRY_ALL, /* retry all messages; `id` is NULL */
	WEIR_QUEUE_DELETE,
};

/* The claims of a queue. */
struct weir_mail_queue_claims {
	size_t claimed;      /* messages that are claimed now */
	uint64_t taken_over; /* messages that this process has claimed after others had lost them */
};

/* See the functions of the same names. */
struct weir_mail_queue_type {
	const char *name;
	size_t (*count)(struct weir_mail_queue *queue);
	int64_t (*oldest_s)(struct weir_mail_queue *queue);
	void (*claims)(struct weir_mail_queue *queue, struct weir_mail_queue_claims *ret);
	int (*listen)(struct weir_mail_queue *queue, struct weir_loop *loop,
	        weir_mail_queue_changed_fn *changed, void *context);
	void (*ignore)(struct weir_mail_queue *queue);
	int64_t (*next)(struct weir_mail_queue *queue);
	int (*claim)(struct weir_mail_queue *queue, struct weir_loop *loop, int64_t now_s,
	        weir_mail_queue_claimed_fn *claimed, void *context);
	bool (*may_send)(struct weir_mail_queue *queue, const struct weir_queued *queued);
	void (*requeue)(struct weir_mail_queue *queue, struct weir_loop *loop,
	        struct weir_queued *queued, weir_mail_queue_requeued_fn *requeued, void *context);
	int (*list)(struct weir_mail_queue *queue, struct weir_loop *loop,
	        weir_mail_queue_show_fn *show, weir_mail_queue_done_fn *done, void *context);
	int (*command)(struct weir_mail_queue *queue, struct weir_loop *loop,
	        enum weir_queue_command command, const char *id, weir_mail_queue_done_fn *done,
	        void *context);
	void (*close)(struct weir_mail_queue *queue);
};

/*
 * Closes a queue. No delivery may be open, and no message claimed. Deliveries that were aborted may
 * still be ending. NULL is allowed.
 */
WEIR_API void weir_mail_queue_close(struct weir_mail_queue *queue);

/*
 * Returns the sink, which any thread may use. Errors are those of weir/mail.h, and -EINVAL if there
 * is a control character in an address.
 */
WEIR_API struct weir_mail_sink *weir_mail_queue_sink(struct weir_mail_queue *queue);

/* Returns the number of messages; in a database as of the last look. Any thread. */
WEIR_API size_t weir_mail_queue_count(struct weir_mail_queue *queue);

/*
 * Returns when the oldest message arrived, in seconds since 1970; INT64_MAX if there is none. A
 * queue of files looks at all messages if the oldest one has been removed since the last call. Any
 * thread.
 */
WEIR_API int64_t weir_mail_queue_oldest_s(struct weir_mail_queue *queue);

/* Any thread. */
WEIR_API void weir_mail_queue_claims(
        struct weir_mail_queue *queue, struct weir_mail_queue_claims *ret);

/* -- claiming messages; on one loop ------------------------------------------------------------ */

/*
 * Starts to call `changed` on the loop, and to process the commands of other processes. Returns 0
 * or a negative errno.
 */
WEIR_API int weir_mail_queue_listen(struct weir_mail_queue *queue, struct weir_loop *loop,
        weir_mail_queue_changed_fn *changed, void *context);

/* Ends that. Does not block; has no effect if nobody listens. */
WEIR_API void weir_mail_queue_ignore(struct weir_mail_queue *queue);

/*
 * Returns when the next message is due or should be looked for, in seconds since 1970, or INT64_MAX
 * if there is none.
 */
WEIR_API int64_t weir_mail_queue_next(struct weir_mail_queue *queue);

/*
 * Claims the message that has been due for the longest time at `now_s`. Returns 1 if `claimed`
 * follows from the loop, 0 if no message is due, or a negative error. Claims of one turn may be
 * made together.
 */
WEIR_API int weir_mail_queue_claim(struct weir_mail_queue *queue, struct weir_loop *loop,
        int64_t now_s, weir_mail_queue_claimed_fn *claimed, void *context);

/*
 * Whether an attempt to send the message may begin: the claim lasts, by the clock of this moment.
 * If not, the message has to be requeued as it is.
 */
WEIR_API bool weir_mail_queue_may_send(
        struct weir_mail_queue *queue, const struct weir_queued *queued);

/*
 * Puts a claimed message back with its present state; it no longer belongs to the caller. It
 * becomes due again at next_s. It is removed if all its recipients are done, or if a command to
 * delete it has come. `requeued`, which may be NULL, follows.
 */
WEIR_API void weir_mail_queue_requeue(struct weir_mail_queue *queue, struct weir_loop *loop,
        struct weir_queued *queued, weir_mail_queue_requeued_fn *requeued, void *context);

/* -- looking and commands; on any loop --------------------------------------------------------- */

/*
 * Calls `show` for each message, in the order of arrival, from a thread of the work pool or from
 * the loop. Messages may come and go meanwhile. `done` follows from the loop. Returns 0, or an
 * error; then nothing is called.
 */
WEIR_API int weir_mail_queue_list(struct weir_mail_queue *queue, struct weir_loop *loop,
        weir_mail_queue_show_fn *show, weir_mail_queue_done_fn *done, void *context);

/*
 * Runs a command. `done` follows from the loop, with an error of weir_mail_queue_command. Returns
 * 0, or an error; then nothing is called. The id is copied.
 */
WEIR_API int weir_mail_queue_ask(struct weir_mail_queue *queue, struct weir_loop *loop,
        enum weir_queue_command command, const char *id, weir_mail_queue_done_fn *done,
        void *context);

/* -- files ------------------------------------------------------------------------------------- */

/* Begin with weir_mail_queue_options_init. */
struct weir_mail_queue_options {
	const char *path;      /* the directory; created (0700) if it does not exist */
	uint64_t message_max;  /* bytes; WEIR_MAIL_MESSAGE_MAX */
	unsigned messages_max; /* WEIR_QUEUE_MESSAGES_MAX */
	/*
	 * Opens a queue that another process still serves: the sink stores messages, which wait for
	 * weir_mail_queue_take_over. A third process gets the queue after this one has closed it.
	 */
	bool successor;
};

/* Sets every member to its default. The path has none. */
WEIR_API void weir_mail_queue_options_init(struct weir_mail_queue_options *options);

/* Reports an envelope that cannot be read: the name of its file, and why. */
typedef void weir_mail_queue_report_fn(void *context, const char *name, const char *text);

/*
 * Opens a queue and reads its envelopes; removes files that a killed process was writing. Blocks.
 * `report`, which may be NULL, is called for each envelope that cannot be read; such a file stays.
 * Returns 0; -EBUSY if another process serves the queue; -EINVAL if an option has a value that
 * cannot work, for example because the struct was not initialised; -ENOMEM, WEIR_E_LIMIT, or an
 * errno.
 */
WEIR_API int weir_mail_queue_open(const struct weir_mail_queue_options *options,
        weir_mail_queue_report_fn *report, void *context, struct weir_mail_queue **ret);

/*
 * Serves a queue that was opened by a successor: reads the envelopes that the process before it has
 * left. Blocks. Returns 0, also if this process serves the queue already, or the queue is in a
 * database; -EBUSY if the other one still does; or another negative errno, as weir_mail_queue_open.
 * Call it before weir_mail_queue_listen.
 */
WEIR_API int weir_mail_queue_take_over(
        struct weir_mail_queue *queue, weir_mail_queue_report_fn *report, void *context);

/* -- for other processes; these functions block ------------------------------------------------ */

/* Returns 0 if the directory is a queue, WEIR_E_SYNTAX if it is none, or an errno. */
WEIR_API int weir_mail_queue_probe(const char *path);

/*
 * Calls `show` for each message, in the order of arrival. Messages may come and go meanwhile.
 * Returns 0 or an error.
 */
WEIR_API int weir_mail_queue_each(const char *path, weir_mail_queue_show_fn *show, void *context);

/*
 * Queues a command for the process that serves the queue, and waits for it, `wait_ms` at most. If
 * no process serves the queue, the command is run at once. Returns
 *   0           the command has been run; a message that is being sent is deleted afterwards
 *   -ENOENT     there is no such message
 *   -EINVAL     `id` cannot be the name of one
 *   -ETIMEDOUT  the command is queued and has not been run yet
 *   or another errno.
 */
WEIR_API int weir_mail_queue_command(
        const char *path, enum weir_queue_command command, const char *id, unsigned wait_ms);

WEIR_C_END

#endif
