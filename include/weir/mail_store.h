/*
 * Mailboxes: one for each user, created at its first use. The store's sink delivers mail
 * (weir/mail.h; `recipient.user` names the mailbox). A session reads mail by opening a maildrop.
 *
 *   SMTP ──▶ store.sink ──▶ mailbox ◀── maildrop ◀── POP3
 *                             │           └─ a list as of its opening, for one session at a time
 *                             └─ any number of deliveries meanwhile
 *
 * There are three kinds: Maildirs, mailboxes in memory, and those in a database that several
 * machines share (weir/database_mail.h). Messages are stored as they came, with lines that end in
 * CRLF, and read back byte for byte.
 *
 * Any thread may use a store, each with its own loop; a maildrop belongs to one loop. Only creating
 * and destroying a store block.
 *
 * A user name has 1 to WEIR_USER_NAME_MAX bytes, no control character, no `/`, and does not begin
 * with `.`. Other names have no mailbox: -ENOENT.
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

WEIR_C_BEGIN

struct weir_loop;
struct weir_producer;
struct weir_maildrop;

/* Whether a user of this name can have a mailbox. */
WEIR_API bool weir_mail_user_good(struct weir_span user);

/* -- calls ------------------------------------------------------------------------------------- */

/*
 * A call under way, embedded by the caller; needs no preparation. Its callback comes exactly once:
 * during the call if the answer is known, otherwise from the loop. The struct must live until then,
 * or until the call is cancelled.
 */
struct weir_mail_call {
	void *job; /* private to the store */
};

/* -- reading ----------------------------------------------------------------------------------- */

/* The properties of a message that are known without opening it. */
struct weir_mail_info {
	uint64_t octets; /* as RETR sends it, without the dots that are doubled */
	/*
	 * 1 to WEIR_MAIL_UID_MAX characters of 0x21 to 0x7E and a NUL; unique in a mailbox for
	 * ever.
	 */
	char uid[WEIR_MAIL_UID_MAX + 1];
};

/* A message to be sent. */
struct weir_mail_body {
	/* Owned by the receiver; lines end in CRLF. It may outlive the maildrop. */
	struct weir_producer *producer;
	uint64_t octets;
	bool dotless; /* known to need no dot-stuffing: no line begins with a dot */
	bool ended;   /* the message ends in CRLF, or is empty */
};

/* The messages of a mailbox as they were when it was opened, oldest first, from index 0. */
struct weir_maildrop {
	struct weir_mail_store *store;
	size_t count;
	uint64_t octets; /* of all of them */
};

/* -- callbacks of calls ------------------------------------------------------------------------ */

/* The maildrop is open; NULL after an error. */
typedef void weir_mail_opened_fn(
        struct weir_mail_call *call, int error, struct weir_maildrop *drop);

/* Gets a message, valid during the call; NULL after an error. */
typedef void weir_mail_fetched_fn(
        struct weir_mail_call *call, int error, struct weir_mail_body *body);

/* So many messages have been removed, even after an error. */
typedef void weir_mail_removed_fn(struct weir_mail_call *call, int error, size_t removed);

/* -- the store --------------------------------------------------------------------------------- */

struct weir_mail_store {
	const struct weir_mail_store_type *type;
	struct weir_mail_sink sink; /* takes mail for `recipient.user` of each recipient */
};

struct weir_mail_store_counters;
struct weir_mailbox_usage;

struct weir_mail_store_type {
	const char *name;

	/* See weir_maildrop_open and the functions after it. */
	void (*open)(struct weir_mail_store *store, struct weir_loop *loop, struct weir_span user,
	        struct weir_mail_call *call, weir_mail_opened_fn *done);
	void (*info)(const struct weir_maildrop *drop, size_t index, struct weir_mail_info *ret);
	void (*fetch)(struct weir_maildrop *drop, size_t index, struct weir_mail_call *call,
	        weir_mail_fetched_fn *done);
	void (*remove)(struct weir_maildrop *drop, const uint8_t *marks,
	        struct weir_mail_call *call, weir_mail_removed_fn *done);
	void (*cancel)(struct weir_mail_call *call);
	void (*close)(struct weir_maildrop *drop);
	void (*destroy)(struct weir_mail_store *store);
	/* Optional. See weir_mail_store_count and weir_mail_store_each_usage. */
	void (*count)(struct weir_mail_store *store, struct weir_mail_store_counters *ret);
	void (*each_usage)(struct weir_mail_store *store,
	        void (*show)(void *context, const struct weir_mailbox_usage *usage), void *context);
};

/*
 * Opens the user's mailbox and locks it until weir_maildrop_close, against other sessions of this
 * process and of all processes with such a store. Of a mailbox with more than WEIR_MAILDROP_MAX
 * messages only so many are visible. `done` gets the maildrop, or an error:
 *   -EBUSY        another session has locked the mailbox
 *   -ENOENT       the name can have no mailbox (see above)
 *   WEIR_E_LIMIT  too much work is waiting
 *   -ENOMEM, -EMFILE, -EIO, -EACCES or another errno
 */
WEIR_API void weir_maildrop_open(struct weir_mail_store *store, struct weir_loop *loop,
        struct weir_span user, struct weir_mail_call *call, weir_mail_opened_fn *done);

/* Gets the properties of a message, from memory. `index` must be less than the count. */
WEIR_API void weir_maildrop_info(
        const struct weir_maildrop *drop, size_t index, struct weir_mail_info *ret);

/*
 * Opens a message. Several calls may be under way. `body` is valid during the callback. The error
 * is -ENOENT if another program has removed the message, or an errno of opening or reading.
 */
WEIR_API void weir_maildrop_fetch(struct weir_maildrop *drop, size_t index,
        struct weir_mail_call *call, weir_mail_fetched_fn *done);

/*
 * Removes the messages whose bit is set: that of message i is bit i % 8 of marks[i / 8]. The marks
 * are copied. The removal is on the disk before `done`. Must be the last call for the maildrop,
 * with no fetch under way. After an error, `removed` messages have been removed nevertheless. A
 * message that no longer exists is no error.
 */
WEIR_API void weir_maildrop_remove(struct weir_maildrop *drop, const uint8_t *marks,
        struct weir_mail_call *call, weir_mail_removed_fn *done);

/*
 * Cancels the callback of a call: an open is undone, a removal goes on. Has no effect after the
 * callback, or if the struct is all zero.
 */
WEIR_API void weir_mail_call_cancel(struct weir_mail_store *store, struct weir_mail_call *call);

/* Unlocks the mailbox. Only cancelled calls may be under way. NULL is allowed. */
WEIR_API void weir_maildrop_close(struct weir_maildrop *drop);

/*
 * Destroys a store; nothing new may begin. Deliveries, maildrops and calls under way go on to their
 * end, and the last of them frees the store. NULL is allowed.
 */
WEIR_API void weir_mail_store_destroy(struct weir_mail_store *store);

/* -- counters ---------------------------------------------------------------------------------- */

/* Counters of a store, for status pages and tests. */
struct weir_mail_store_counters {
	uint64_t messages;        /* deliveries; one for each mailbox */
	uint64_t files;           /* bodies written; one for all recipients of a message */
	uint64_t file_syncs;      /* fsyncs of files */
	uint64_t directory_syncs; /* fsyncs of directories */
	uint64_t counts;          /* mailboxes whose size was counted */
	uint64_t over_quota;      /* times that a mailbox had no room for a message */
};

/* The size of a mailbox. `user` is valid during the call. */
struct weir_mailbox_usage {
	const char *user;
	uint64_t octets; /* as they are stored */
	uint64_t messages;
};

/* Gets the size of a mailbox. It must not call the store. */
typedef void weir_mailbox_usage_fn(void *context, const struct weir_mailbox_usage *usage);

/* Gets the counters, which are 0 for mailboxes in memory. Any thread. */
WEIR_API void weir_mail_store_count(
        struct weir_mail_store *store, struct weir_mail_store_counters *ret);

/*
 * Calls `show` for each mailbox of a store with a quota whose size is in memory: those that are in
 * use, and of the others the WEIR_MAILBOXES_KEPT with the latest mail. The size is that after the
 * last delivery that the store knows of. A mailbox that is being written to may be left out. Any
 * thread.
 */
WEIR_API void weir_mail_store_each_usage(
        struct weir_mail_store *store, weir_mailbox_usage_fn *show, void *context);

/* -- the kinds --------------------------------------------------------------------------------- */

/* Begin with weir_mail_store_options_init. */
struct weir_mail_store_options {
	uint64_t message_max;  /* bytes of a message; more: WEIR_E_LIMIT. WEIR_MAIL_MESSAGE_MAX */
	uint64_t mailbox_max;  /* bytes of a mailbox; more: -EDQUOT. 0: no bound */
	uint64_t messages_max; /* messages of a mailbox; more: -EDQUOT. 0: no bound */
};

/* Sets the default of message_max, and no bounds of a mailbox. */
WEIR_API void weir_mail_store_options_init(struct weir_mail_store_options *options);

/*
 * Creates a store with a Maildir for each user: DIRECTORY/USER/{tmp,new,cur}. The directory must
 * exist, and all Maildirs must be on one file system, or mail for several users at once fails.
 * Other programs may deliver into a Maildir and read it. Messages stay in `new`.
 *
 * The name of a file is enough for STAT, LIST and UIDL: "1700000000.M000001P77Q1R9f….host,S=…,W=…"
 * has a unique part, the bytes of the file, and the bytes with CRLF line ends. ",D=0" means that no
 * line begins with a dot and that the last line is complete. Files of other programs, without S=
 * and W=, are read at each opening to measure them; their LF line ends are sent as CRLF.
 *
 * A message is written to an unnamed file, synced and linked into each recipient's `new`; then the
 * directories are synced. The file has a name in `tmp` if the file system has no unnamed files, or
 * if the message is for several recipients. Messages that are committed at the same time share the
 * sync of the directory. Files that killed processes have left in `tmp` are removed after
 * WEIR_MAIL_STALE_S.
 *
 * The size of a mailbox is counted from the names and then maintained in memory; changes by other
 * programs are seen from the times of its directories. A change at the same moment as one of ours
 * may be missed for WEIR_MAIL_RECOUNT_S. No message is refused by a count older than some seconds.
 *
 * Returns 0; -ENOMEM; -EINVAL if message_max is 0, for example because the struct was not
 * initialised; or an errno of opening the directory. NULL options are the defaults.
 */
WEIR_API int weir_maildir_create(const char *directory,
        const struct weir_mail_store_options *options, struct weir_mail_store **ret);

/*
 * Creates a store with mailboxes in memory, which are lost when it is destroyed. Returns 0, -ENOMEM
 * or -EINVAL, as above.
 */
WEIR_API int weir_mail_memory_create(
        const struct weir_mail_store_options *options, struct weir_mail_store **ret);

WEIR_C_END

#endif
