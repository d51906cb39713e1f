/*
 * Mailboxes: one a user, made at first use. Mail comes in through the store's sink (weir/mail.h,
 * where `recipient.user` names the mailbox), and is read by opening a maildrop.
 *
 *   SMTP ──▶ store.sink ──▶ mailbox ◀── maildrop ◀── POP3
 *                             │           └─ a list as of its opening, for one session at a time
 *                             └─ any number of deliveries meanwhile
 *
 * Two kinds: a Maildir, and one in memory that keeps nothing. Messages are kept as they came, with
 * lines that end in CRLF, and read back byte for byte.
 *
 * Any thread may use a store, each with its own loop; a maildrop belongs to one loop. Nothing here
 * blocks but creating and destroying a store.
 *
 * User names: 1 to WEIR_USER_NAME_MAX bytes, no control character, no `/`, not beginning with `.`.
 * Others have no mailbox: -ENOENT.
 */
#ifndef WEIR_MAIL_STORE_H
#define WEIR_MAIL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/limits.h>
#include <weir/mail.h>
#include <weir/span.h>

struct weir_loop;
struct weir_producer;
struct weir_maildrop;

/* -- calls ------------------------------------------------------------------------------------- */

/*
 * A call under way, embedded by the caller; needs no preparation. It must live until its callback,
 * which comes exactly once: before the call returns if the answer is at hand, later if not; or until
 * it is cancelled.
 */
struct weir_mail_call {
	void *job; /* the store's own */
};

/* -- reading ----------------------------------------------------------------------------------- */

/* What is known of a message without opening it. */
struct weir_mail_info {
	uint64_t octets; /* as RETR sends it, but for doubled dots */
	/* 1 to WEIR_MAIL_UID_MAX characters of 0x21 to 0x7E and a NUL; never given twice in a mailbox. */
	char uid[WEIR_MAIL_UID_MAX + 1];
};

/* A message to be sent. */
struct weir_mail_body {
	struct weir_producer
	        *producer; /* the receiver's; lines end in CRLF. Valid without the maildrop */
	uint64_t octets;
	bool dotless; /* no line begins with a dot, as far as is known: needs no dot-stuffing */
	bool ended;   /* it ends in CRLF, or is empty */
};

/* The messages of a mailbox, as they were when it was opened, oldest first; index 0 is the first. */
struct weir_maildrop {
	struct weir_mail_store *store;
	size_t count;
	uint64_t octets; /* of all of them */
};

/* -- the store --------------------------------------------------------------------------------- */

struct weir_mail_store {
	const struct weir_mail_store_type *type;
	struct weir_mail_sink sink; /* takes mail for `recipient.user` of each recipient */
};

struct weir_mail_store_type {
	const char *name;

	/* See weir_maildrop_open and the functions after it. */
	void (*open)(struct weir_mail_store *store, struct weir_loop *loop, struct weir_span user,
	        struct weir_mail_call *call,
	        void (*done)(struct weir_mail_call *call, int error, struct weir_maildrop *drop));
	void (*info)(const struct weir_maildrop *drop, size_t index, struct weir_mail_info *ret);
	void (*fetch)(struct weir_maildrop *drop, size_t index, struct weir_mail_call *call,
	        void (*done)(struct weir_mail_call *call, int error, struct weir_mail_body *body));
	void (*remove)(struct weir_maildrop *drop, const uint8_t *marks,
	        struct weir_mail_call *call,
	        void (*done)(struct weir_mail_call *call, int error, size_t removed));
	void (*cancel)(struct weir_mail_call *call);
	void (*close)(struct weir_maildrop *drop);
	void (*destroy)(struct weir_mail_store *store);
};

/*
 * Opens the user's mailbox for one session, which has it alone until weir_maildrop_close, in this
 * process and among all others that use such a store. Of a mailbox with more than WEIR_MAILDROP_MAX
 * messages only so many are seen. `done` gets it, or an error:
 *   -EBUSY        another session has it
 *   -ENOENT       no such mailbox is possible (see above)
 *   WEIR_E_LIMIT  too much work waits
 *   -ENOMEM, -EMFILE, -EIO, -EACCES …
 */
WEIR_API void weir_maildrop_open(struct weir_mail_store *store, struct weir_loop *loop,
        struct weir_span user, struct weir_mail_call *call,
        void (*done)(struct weir_mail_call *call, int error, struct weir_maildrop *drop));

/* `index` must be less than the count. At once, from memory. */
WEIR_API void weir_maildrop_info(
        const struct weir_maildrop *drop, size_t index, struct weir_mail_info *ret);

/*
 * Gets a message. Several may be under way. -ENOENT: somebody else has removed it meanwhile; else
 * an errno of opening or reading. `body` is valid during the callback.
 */
WEIR_API void weir_maildrop_fetch(struct weir_maildrop *drop, size_t index,
        struct weir_mail_call *call,
        void (*done)(struct weir_mail_call *call, int error, struct weir_mail_body *body));

/*
 * Removes the messages whose bit is set (that of message i is bit i % 8 of marks[i / 8]), for good:
 * the directories are synced before `done`. The marks are copied. Once, last; no fetch may be
 * under way. With an error, `removed` of them have gone all the same; a message that
 * was not there any more is no error.
 */
WEIR_API void weir_maildrop_remove(struct weir_maildrop *drop, const uint8_t *marks,
        struct weir_mail_call *call,
        void (*done)(struct weir_mail_call *call, int error, size_t removed));

/*
 * The callback does not come any more: an open is undone, a removal goes on. Harmless when it has
 * come, or when the struct is all zero.
 */
WEIR_API void weir_mail_call_cancel(struct weir_mail_store *store, struct weir_mail_call *call);

/* Gives the mailbox free. No call but a cancelled one may be under way. NULL is allowed. */
WEIR_API void weir_maildrop_close(struct weir_maildrop *drop);

/*
 * Nothing new may begin. Deliveries, maildrops and calls under way go on to their end, and the last
 * of them frees the store. NULL is allowed.
 */
WEIR_API void weir_mail_store_destroy(struct weir_mail_store *store);

/* -- the kinds --------------------------------------------------------------------------------- */

/* All zero: the defaults. */
struct weir_mail_store_options {
	uint64_t message_max;  /* bytes of a message; WEIR_MAIL_MESSAGE_MAX. Larger: WEIR_E_LIMIT */
	uint64_t mailbox_max;  /* bytes of a mailbox; 0: no bound. Beyond: -EDQUOT */
	uint64_t messages_max; /* messages of a mailbox; 0: no bound. Beyond: -EDQUOT */
};

/*
 * A Maildir a user: DIRECTORY/USER/{tmp,new,cur}. The directory must be there; what is in it must be
 * on one file system, or mail for several users at once fails. Others may deliver into it and read
 * it. Messages stay in `new`.
 *
 * A file's name tells all that STAT, LIST and UIDL ask for: "1700000000.M000001P77Q1R9f….host,S=…,W=…"
 * is what is unique, the bytes in the file, and the bytes with CRLF line ends; ",D=0" that no line
 * begins with a dot and the last one is ended. Files of others, without S= and W=, are read once
 * at each opening to measure them, and their LF line ends sent as CRLF.
 *
 * A message is written to a file without a name (in `tmp`, where the file system cannot do that or
 * the message is for several), synced, linked into each recipient's `new`, and the directories
 * synced. Messages that are committed while others are on their way to the disk share the sync of
 * the directory. What killed processes left in `tmp` is removed when it is WEIR_MAIL_STALE_S old.
 *
 * How full a mailbox is, is counted from the names and then kept up to date in memory; that others
 * have changed it is seen from its directories' times. A change at the very moment of one of ours may
 * go unseen for WEIR_MAIL_RECOUNT_S; nothing is refused by a count older than some seconds.
 *
 * Returns 0, -ENOMEM, or an errno of opening the directory. NULL options are the defaults.
 */
WEIR_API int weir_maildir_create(const char *directory,
        const struct weir_mail_store_options *options, struct weir_mail_store **ret);

/* Mailboxes in memory, gone with the store. */
WEIR_API int weir_mail_memory_create(
        const struct weir_mail_store_options *options, struct weir_mail_store **ret);

/* What a store has done, for status pages and tests. */
struct weir_mail_store_counters {
	uint64_t messages;        /* delivered, one for each mailbox */
	uint64_t files;           /* messages written: one for all recipients */
	uint64_t file_syncs;      /* fsyncs of files */
	uint64_t directory_syncs; /* … of directories */
	uint64_t counts;          /* mailboxes counted for their quota */
};

/* Of a Maildir. Any thread. */
WEIR_API void weir_maildir_counters(
        struct weir_mail_store *store, struct weir_mail_store_counters *ret);

#endif
