/*
 * Mail in transit: an envelope (RFC 5321 2.3.1), and sinks that store messages.
 *
 *   SMTP ──▶ envelope, bytes ──▶ sink: mailboxes (weir/mail_store.h), the queue (weir/mail_queue.h)
 *
 *   begin ─▶ write … write ─▶ commit ─▶ on the disk ─▶ done(one result for each recipient)
 *              └─ full: pause until ready      abort, at any point before done ─▶ nothing remains
 *
 * A message that `done` has reported as stored survives SIGKILL and a power failure. No reader sees
 * a message in part, or twice.
 */
#ifndef WEIR_MAIL_H
#define WEIR_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_loop;

/* NOTIFY of DSN (RFC 3461): for which results the sender wants a notification. */
enum weir_mail_notify {
	WEIR_MAIL_NOTIFY_DEFAULT = 0,
	WEIR_MAIL_NOTIFY_NEVER = 1,
	WEIR_MAIL_NOTIFY_SUCCESS = 2,
	WEIR_MAIL_NOTIFY_FAILURE = 4,
	WEIR_MAIL_NOTIFY_DELAY = 8,
};

struct weir_mail_recipient {
	struct weir_span address; /* local@domain, without <> */
	struct weir_span user;    /* local delivery: the owner of the mailbox; otherwise empty */
	struct weir_span orcpt;   /* ORCPT, decoded: "rfc822;…"; or empty */
	unsigned notify;          /* enum weir_mail_notify */
};

struct weir_mail_envelope {
	struct weir_span sender; /* the reverse-path, without <>; empty: a notification */
	const struct weir_mail_recipient *recipients;
	size_t count;
	uint64_t size;          /* SIZE in bytes; 0: not known */
	bool eight_bit;         /* BODY=8BITMIME */
	bool binary;            /* BODY=BINARYMIME */
	bool utf8;              /* SMTPUTF8 */
	bool headers_only;      /* DSN RET=HDRS */
	struct weir_span envid; /* DSN ENVID, decoded; or empty */
	struct weir_span trace; /* the id of Received, for the log; or empty */
	/*
	 * All recipients get the message or none does: if one of them fails, the sink removes it
	 * from the others, and their error is that of one that failed.
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

/* No error: the bytes were taken, and no more should be written before `ready`. */
#define WEIR_MAIL_FULL 1

/* No error: the answer follows. */
#define WEIR_MAIL_PENDING 1

/* A check under way, embedded by the caller; all zero at first. */
struct weir_mail_check {
	void *job; /* private to the sink; NULL: nothing is under way */
};

/*
 * There is room again after WEIR_MAIL_FULL (error 0). Or an error, at most once; then only abort
 * may be called. Comes from the loop, never during a call.
 */
typedef void weir_mail_ready_fn(void *context, int error);

/*
 * The end of a delivery: one code for each recipient, in the envelope's order, valid during the
 * call; 0 means that the message is on the disk.
 */
typedef void weir_mail_done_fn(void *context, const int *errors);

/* The answer to a check, from the loop. */
typedef void weir_mail_checked_fn(void *context, int error);

/* Any thread may use a sink, each with its own loop; a delivery belongs to one loop. */
struct weir_mail_sink_type {
	const char *name;

	/*
	 * Begins a message. The envelope is copied as far as it is needed. Returns 0 or an error.
	 *
	 * Errors of all these functions: -ENOSPC (452), -EDQUOT if the mailbox is full (552),
	 * -ENOENT if there is no such mailbox, WEIR_E_LIMIT if the message is too large or too much
	 * is waiting, -ENOMEM, -EIO.
	 */
	int (*begin)(struct weir_mail_sink *sink, struct weir_loop *loop,
	        const struct weir_mail_envelope *envelope, weir_mail_ready_fn *ready, void *context,
	        struct weir_mail_delivery **ret);

	/* Copies all of `bytes`. Returns 0, WEIR_MAIL_FULL, or a final error. Lines end in CRLF. */
	int (*write)(struct weir_mail_delivery *delivery, struct weir_span bytes);

	/*
	 * Ends the message. `done` is called once, unless the delivery is aborted before. The
	 * delivery is freed when `done` returns.
	 */
	void (*commit)(struct weir_mail_delivery *delivery, weir_mail_done_fn *done, void *context);

	/*
	 * Ends the delivery; no callback comes any more. After commit the message may have been
	 * stored nevertheless. NULL is not allowed.
	 */
	void (*abort)(struct weir_mail_delivery *delivery);

	/*
	 * Optional (NULL: not supported). `hold` is called before commit. Then `done` reports that
	 * the message is on the disk, but it is not delivered further, and the delivery is not
	 * freed. `release`, which cannot fail, delivers it; `abort` removes it. After an error in
	 * `done` the delivery is freed as without `hold`. If the process is killed meanwhile, the
	 * message is delivered at the next start.
	 */
	void (*hold)(struct weir_mail_delivery *delivery);
	void (*release)(struct weir_mail_delivery *delivery);

	/*
	 * Optional. Asks whether a message of `size` bytes (0: not known) would be stored for the
	 * recipient now. Returns 0 or an error as above; or WEIR_MAIL_PENDING, if
	 * `done` follows from the loop, unless the check is cancelled before. The
	 * commit may still fail.
	 */
	int (*check)(struct weir_mail_sink *sink, struct weir_loop *loop,
	        const struct weir_mail_recipient *recipient, uint64_t size,
	        struct weir_mail_check *check, weir_mail_checked_fn *done, void *context);

	/* Has no effect if nothing is under way. NULL if `check` is. */
	void (*check_cancel)(struct weir_mail_check *check);
};

WEIR_C_END

#endif
