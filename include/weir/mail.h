/*
 * Mail on its way: an envelope (RFC 5321 2.3.1), and sinks that take a message for keeps.
 *
 *   SMTP ──▶ envelope, bytes ──▶ sink: mailboxes (weir/mail_store.h), the queue (weir/mail_queue.h)
 *
 *   begin ─▶ write … write ─▶ commit ─▶ on the disk ─▶ done(one result a recipient)
 *              └─ full: pause until ready      abort, at any point before done ─▶ nothing remains
 *
 * What a sink has told to be done survives SIGKILL and a power failure. A message is never seen half
 * written, and never twice.
 */
#ifndef WEIR_MAIL_H
#define WEIR_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/span.h>

struct weir_loop;

/* DSN (RFC 3461): when the sender wants to hear of a recipient. */
enum weir_mail_notify {
	WEIR_MAIL_NOTIFY_DEFAULT = 0,
	WEIR_MAIL_NOTIFY_NEVER = 1,
	WEIR_MAIL_NOTIFY_SUCCESS = 2,
	WEIR_MAIL_NOTIFY_FAILURE = 4,
	WEIR_MAIL_NOTIFY_DELAY = 8,
};

struct weir_mail_recipient {
	struct weir_span address; /* local@domain, without <> */
	struct weir_span user;    /* whose mailbox, for local delivery; empty: elsewhere */
	struct weir_span orcpt;   /* ORCPT, decoded: "rfc822;…"; or empty */
	unsigned notify;          /* enum weir_mail_notify */
};

struct weir_mail_envelope {
	struct weir_span sender; /* the reverse-path, without <>; empty: a bounce */
	const struct weir_mail_recipient *recipients;
	size_t count;
	uint64_t size;          /* bytes, as announced; 0: not known */
	bool eight_bit;         /* BODY=8BITMIME */
	bool binary;            /* BODY=BINARYMIME */
	bool utf8;              /* SMTPUTF8 */
	bool headers_only;      /* DSN RET=HDRS */
	struct weir_span envid; /* DSN ENVID, decoded; or empty */
	struct weir_span trace; /* by which the log knows the message (Received's id); or empty */
	/*
	 * The message is for all recipients or for none: if one of them fails, the sink takes the
	 * message back from the others, and gives these an error of one that failed.
	 */
	bool together;
};

struct weir_mail_sink {
	const struct weir_mail_sink_type *type;
};

/* A message on its way into a sink. */
struct weir_mail_delivery {
	struct weir_mail_sink *sink;
};

/* Not an error: the bytes were taken. */
#define WEIR_MAIL_FULL 1

/* Not an error: the answer follows. */
#define WEIR_MAIL_PENDING 1

/* A check under way, embedded by the caller; needs no preparation but zeros. */
struct weir_mail_check {
	void *job; /* the sink's own; NULL: nothing is under way */
};

/* Any thread may use a sink, each with its own loop; a delivery belongs to one loop. */
struct weir_mail_sink_type {
	const char *name;

	/*
	 * Begins a message. The envelope is copied as far as it is needed. 0 or a negative errno.
	 * `ready(context, error)` is as in weir/upload.h: 0 when there is room again after
	 * WEIR_MAIL_FULL; an error at most once, after which only abort may be called. Callbacks
	 * come from the loop, never from inside a call.
	 *
	 * Errors, here and later: -ENOSPC (452), -EDQUOT (the mailbox is full: 552), -ENOENT (no
	 * such mailbox), WEIR_E_LIMIT (too large, or too much is waiting), -ENOMEM, -EIO.
	 */
	int (*begin)(struct weir_mail_sink *sink, struct weir_loop *loop,
	        const struct weir_mail_envelope *envelope, void (*ready)(void *context, int error),
	        void *context, struct weir_mail_delivery **ret);

	/* Takes all of `bytes` (a copy): 0 or WEIR_MAIL_FULL; or a final error. Lines end in CRLF. */
	int (*write)(struct weir_mail_delivery *delivery, struct weir_span bytes);

	/*
	 * `done(context, errors)` is called once, unless aborted before: one code a recipient, in the
	 * envelope's order, valid during the call; 0: it is on the disk. The delivery is freed when it
	 * returns.
	 */
	void (*commit)(struct weir_mail_delivery *delivery,
	        void (*done)(void *context, const int *errors), void *context);

	/* No callback comes any more. After commit the message may be there all the same. NULL is not
	 * allowed. */
	void (*abort)(struct weir_mail_delivery *delivery);

	/*
	 * Optional (NULL: the sink cannot): called before commit, holds the message back. `done` then
	 * tells that the message is on the disk, but nobody gets it and the delivery stays, until
	 * `release` lets it go, which cannot fail, or `abort` removes it again. With an error the
	 * delivery is freed as without `hold`. A message that is held when the process is killed is
	 * let go at the next start.
	 */
	void (*hold)(struct weir_mail_delivery *delivery);
	void (*release)(struct weir_mail_delivery *delivery);

	/*
	 * Optional: whether a message of `size` bytes (0: not known) would be taken for the recipient
	 * now. Returns 0 or an error as above if the sink knows; or WEIR_MAIL_PENDING: then
	 * `done(context, error)` follows from the loop, unless the check is cancelled before. A
	 * promise it is not: the commit may fail all the same.
	 */
	int (*check)(struct weir_mail_sink *sink, struct weir_loop *loop,
	        const struct weir_mail_recipient *recipient, uint64_t size,
	        struct weir_mail_check *check, void (*done)(void *context, int error),
	        void *context);

	/* Harmless if nothing is under way. NULL if `check` is. */
	void (*check_cancel)(struct weir_mail_check *check);
};

#endif
