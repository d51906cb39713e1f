/*
 * The queue: messages on their way to other hosts, kept on the disk until each recipient has his or
 * its sender has been told why not.
 *
 *   sink ──▶ ID.msg, ID.env ──▶ take ──▶ (forward) ──▶ give back ──▶ later again, or gone
 *
 *   queue/ID.env       envelope and state: replaced in one step; while it is there the message is
 *   queue/ID.msg       the message; never changed
 *   queue/ID.tmp       either of these while it is written
 *   queue/lock         locked by the process that serves the queue
 *   queue/control/     what other processes ask of it: delete-ID, retry-ID, retry-all
 *
 * One process serves a queue, and of its loops one takes from it; all of them may put into it.
 * Looking at it, retrying and deleting (weir queue) are for any process that may write there.
 *
 * What a sink has called done is on the disk, as is what was given back. A message that was
 * forwarded just before the process was killed may be forwarded again: nothing can help that.
 */
#ifndef WEIR_MAIL_QUEUE_H
#define WEIR_MAIL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/mail.h>

struct weir_loop;
struct queue_job;
struct weir_mail_queue;

/* -- what is in it ----------------------------------------------------------------------------- */

#define WEIR_QUEUE_ID_SIZE 17 /* 16 hexadecimal digits and NUL */

enum weir_queued_state {
	WEIR_QUEUED_WAITING, /* not forwarded yet */
	WEIR_QUEUED_SENT,    /* forwarded; the sender is to be told */
	WEIR_QUEUED_FAILED,  /* given up; the sender is to be told */
	WEIR_QUEUED_DONE,    /* nothing is left to do */
};

struct weir_queued_recipient {
	struct weir_span address;
	struct weir_span orcpt;
	unsigned notify; /* enum weir_mail_notify */
	enum weir_queued_state state;
	char status[WEIR_QUEUE_STATUS_MAX + 1]; /* what was said of it last: "550 5.1.1 Who?" */
};

/* A message. The spans are valid as long as it is; what is not const may be changed. */
struct weir_queued {
	char id[WEIR_QUEUE_ID_SIZE];
	struct weir_mail_envelope envelope; /* `recipients` is NULL: see below */
	uint64_t size;
	int64_t arrived_s; /* since 1970 */
	int64_t next_s;    /* when it is due */
	unsigned tries;
	bool warned; /* the sender knows that it is late */
	int fd;      /* of the message, to be read with pread; -1 when only looked at */
	struct weir_queued_recipient *recipients;
	size_t count;
	/* The library's own. */
	char *text;
	struct queue_job *job;
};

/* -- to serve it ------------------------------------------------------------------------------- */

struct weir_mail_queue_options {
	const char *path;      /* the directory; made (0700) if it is not there */
	uint64_t message_max;  /* 0: WEIR_MAIL_MESSAGE_MAX */
	unsigned messages_max; /* 0: WEIR_QUEUE_MESSAGES_MAX */
};

/*
 * Opens it and reads what is due when; removes what a killed process has left half written. Blocks.
 * Envelopes that cannot be read are left alone and told to `report(context, name, text)` (may be
 * NULL). -EBUSY: another process serves it. Otherwise an errno, -ENOMEM, WEIR_E_LIMIT.
 */
WEIR_API int weir_mail_queue_open(const struct weir_mail_queue_options *options,
        void (*report)(void *context, const char *name, const char *text), void *context,
        struct weir_mail_queue **ret);

/*
 * No delivery may be open, and no message taken; deliveries that were aborted may still be ending.
 * NULL is allowed.
 */
WEIR_API void weir_mail_queue_close(struct weir_mail_queue *queue);

/* For any thread. Errors as in weir/mail.h; -EINVAL: a control character in an address. */
WEIR_API struct weir_mail_sink *weir_mail_queue_sink(struct weir_mail_queue *queue);

/* Messages in it. Any thread. */
WEIR_API size_t weir_mail_queue_count(struct weir_mail_queue *queue);

/* -- to take from it; on one loop -------------------------------------------------------------- */

/*
 * `changed(context)` is called on the loop when a message may have become due. Also begins to
 * do what other processes ask for. 0 or a negative errno.
 */
WEIR_API int weir_mail_queue_listen(struct weir_mail_queue *queue, struct weir_loop *loop,
        void (*changed)(void *context), void *context);

/* `changed` is not called any more. Waits for nothing; harmless if nobody listens. */
WEIR_API void weir_mail_queue_ignore(struct weir_mail_queue *queue);

/* When the next message is due, in seconds since 1970; INT64_MAX: there is none. */
WEIR_API int64_t weir_mail_queue_next(struct weir_mail_queue *queue);

/*
 * Takes the message that is due for longest, if one is due at `now_s`, and reads its envelope and
 * opens it on the work pool. 1: `taken(context, error, queued)` follows from the loop; 0: nothing is
 * due; or an error of submitting work. With an error in `taken` (-EIO and the like) there is no
 * message; the queue puts it off for an hour itself (-ENOENT: it has been deleted). With 0 it is the caller's until given back.
 */
WEIR_API int weir_mail_queue_claim(struct weir_mail_queue *queue, struct weir_loop *loop,
        int64_t now_s, void (*taken)(void *context, int error, struct weir_queued *queued),
        void *context);

/*
 * Gives it back as it is now: it is due again at next_s; if all recipients are done, or somebody
 * has asked to delete it, it is removed. `given(context, error)` follows when that is on the
 * disk; may be NULL. On an error the disk has the old state, and the new one is remembered as long as the
 * queue is open (of WEIR_QUEUE_RETAINED_MAX messages). The message is gone for the caller.
 */
WEIR_API void weir_mail_queue_requeue(struct weir_mail_queue *queue, struct weir_loop *loop,
        struct weir_queued *queued, void (*given)(void *context, int error), void *context);

/* -- for other processes; these block ---------------------------------------------------------- */

/* Returns 0 if the directory is a queue, WEIR_E_SYNTAX if it is none, or an errno. */
WEIR_API int weir_mail_queue_probe(const char *path);

/*
 * Shows each message to `show(context, queued)`, in the order of arrival; `queued` is valid during
 * the call, and NULL with `id` for one that cannot be read. Messages may come and go meanwhile.
 */
WEIR_API int weir_mail_queue_each(const char *path,
        void (*show)(void *context, const char *id, const struct weir_queued *queued),
        void *context);

enum weir_queue_wish {
	WEIR_QUEUE_RETRY,
	WEIR_QUEUE_RETRY_ALL, /* of all messages; `id` is NULL */
	WEIR_QUEUE_DELETE,
};

/*
 * Asks the process that serves the queue, and waits for it, `wait_ms` at most; if none serves it,
 * does so itself. 0: done (a message that is being sent is deleted, if it still has to be, after
 * that); -ENOENT: no such message; -EINVAL: that is no name of one; -ETIMEDOUT: asked for, and not
 * done yet; or another errno.
 */
WEIR_API int weir_mail_queue_ask(
        const char *path, enum weir_queue_wish wish, const char *id, unsigned wait_ms);

#endif
