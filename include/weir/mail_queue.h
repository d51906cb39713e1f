/*
 * The queue: messages for other hosts, stored on the disk until each recipient has a final result
 * and the sender has its notification.
 *
 *   sink ──▶ ID.msg, ID.env ──▶ claim ──▶ (forward) ──▶ requeue ──▶ due again later, or removed
 *
 *   queue/ID.env       envelope and state, replaced in one step; without it there is no message
 *   queue/ID.msg       the message; never changed
 *   queue/ID.tmp       one of these while it is written
 *   queue/lock         locked by the process that serves the queue
 *   queue/control/     commands of other processes: delete-ID, retry-ID, retry-all
 *
 * One process serves a queue. All its loops may put messages into it, and one of them claims them.
 * Any process that may write to the directory can list, retry and delete messages (weir queue).
 *
 * When a sink has reported a message as stored, or a requeue has ended, the state is on the disk.
 * If the process is killed just after a message was forwarded, it may be forwarded again.
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
struct weir_queue_job;
struct weir_mail_queue;

/* -- messages ---------------------------------------------------------------------------------- */

#define WEIR_QUEUE_ID_SIZE 17 /* 16 hexadecimal digits and NUL */

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
	int fd;      /* of the message, to be read with pread; -1 in weir_mail_queue_each */
	struct weir_queued_recipient *recipients;
	size_t count;
	/* Private. */
	char *text;
	struct weir_queue_job *job;
};

/* -- serving a queue --------------------------------------------------------------------------- */

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
 * left. Blocks. Returns 0, also if this process serves the queue already; -EBUSY if the other one
 * still does; or another negative errno, as weir_mail_queue_open. Call it before
 * weir_mail_queue_listen.
 */
WEIR_API int weir_mail_queue_take_over(
        struct weir_mail_queue *queue, weir_mail_queue_report_fn *report, void *context);

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

/* Returns the number of messages. Any thread. */
WEIR_API size_t weir_mail_queue_count(struct weir_mail_queue *queue);

/*
 * Returns when the oldest message arrived, in seconds since 1970; INT64_MAX if there is none. It
 * looks at all messages if the oldest one has been removed since the last call. Any thread.
 */
WEIR_API int64_t weir_mail_queue_oldest_s(struct weir_mail_queue *queue);

/* -- claiming messages; on one loop ------------------------------------------------------------ */

/* A message may have become due. Called on the loop that listens. */
typedef void weir_mail_queue_changed_fn(void *context);

/*
 * Starts to call `changed` on the loop, and to process the control directory. Returns 0 or a
 * negative errno.
 */
WEIR_API int weir_mail_queue_listen(struct weir_mail_queue *queue, struct weir_loop *loop,
        weir_mail_queue_changed_fn *changed, void *context);

/* Ends that. Does not block; has no effect if nobody listens. */
WEIR_API void weir_mail_queue_ignore(struct weir_mail_queue *queue);

/* Returns when the next message is due, in seconds since 1970, or INT64_MAX if there is none. */
WEIR_API int64_t weir_mail_queue_next(struct weir_mail_queue *queue);

/*
 * With an error of 0, the message belongs to the callee until it is requeued. With -ENOENT it has
 * been deleted. With another error it becomes due again an hour later.
 */
typedef void weir_mail_queue_claimed_fn(void *context, int error, struct weir_queued *queued);

/*
 * Claims the message that has been due for the longest time at `now_s`. The work pool reads its
 * envelope and opens its file. Returns 1 if `claimed` follows from the loop, 0 if no message is
 * due, or an error of submitting work.
 */
WEIR_API int weir_mail_queue_claim(struct weir_mail_queue *queue, struct weir_loop *loop,
        int64_t now_s, weir_mail_queue_claimed_fn *claimed, void *context);

/*
 * The state is on the disk; or after an error, the disk has the old state. The new one then stays
 * in memory until the queue is closed, for up to WEIR_QUEUE_STATES_MAX messages.
 */
typedef void weir_mail_queue_requeued_fn(void *context, int error);

/*
 * Puts a claimed message back with its present state; it no longer belongs to the caller. It
 * becomes due again at next_s. It is removed if all its recipients are done, or if a command to
 * delete it has come. `requeued`, which may be NULL, follows.
 */
WEIR_API void weir_mail_queue_requeue(struct weir_mail_queue *queue, struct weir_loop *loop,
        struct weir_queued *queued, weir_mail_queue_requeued_fn *requeued, void *context);

/* -- for other processes; these functions block ------------------------------------------------ */

/* Returns 0 if the directory is a queue, WEIR_E_SYNTAX if it is none, or an errno. */
WEIR_API int weir_mail_queue_probe(const char *path);

/* Gets a message, valid during the call; NULL if the one with this id cannot be read. */
typedef void weir_mail_queue_show_fn(
        void *context, const char *id, const struct weir_queued *queued);

/*
 * Calls `show` for each message, in the order of arrival. Messages may come and go meanwhile.
 * Returns 0 or an error.
 */
WEIR_API int weir_mail_queue_each(const char *path, weir_mail_queue_show_fn *show, void *context);

enum weir_queue_command {
	WEIR_QUEUE_RETRY,
	WEIR_QUEUE_RETRY_ALL, /* retry all messages; `id` is NULL */
	WEIR_QUEUE_DELETE,
};

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
