/*
 * Mailboxes in a database that several machines share: a store of weir/mail_store.h.
 *
 *   SMTP, any front end ──▶ body in chunks ─▶ one transaction: sums, message, quota
 *   POP3, any front end ◀── lease, list ◀─ chunk by chunk
 *
 * A delivery that is reported as done was committed. A message for several mailboxes is stored
 * once. One that fits WEIR_DATABASE_CHUNK takes one statement; of a larger one at most
 * four chunks are on their way. After an unknown outcome the store looks for the message,
 * and reports a temporary error if it cannot know in WEIR_DATABASE_SETTLE_MS.
 *
 * The lock of a mailbox is a lease of WEIR_MAILDROP_LEASE_S, by the database's clock, which is
 * renewed while the maildrop is open. A session that has lost its lease removes nothing: the error
 * is -EBUSY. A front end that dies leaves its mailboxes locked for the rest of that time.
 *
 * A maildrop has 16 bytes in memory for each message, and the UIDLs that messages were imported
 * with. A message that is being sent has one chunk, and no connection while the client takes it. A
 * large one that is removed meanwhile fails.
 */
#ifndef WEIR_DATABASE_MAIL_H
#define WEIR_DATABASE_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/database.h>
#include <weir/mail_store.h>
#include <weir/span.h>

WEIR_C_BEGIN

/*
 * Creates a store, which holds the database. Returns 0, -ENOMEM or -EINVAL, as weir_maildir_create
 * does. Deliveries, maildrops and bodies of a loop must end before the loop leaves the database.
 *
 * Besides those of weir/mail.h and weir/mail_store.h, its errors are -ENOTCONN, -ECONNRESET,
 * -ETIMEDOUT and -EAGAIN, which are temporary; -EROFS and -EACCES.
 */
WEIR_API int weir_database_mail_create(struct weir_database *database,
        const struct weir_mail_store_options *options, struct weir_mail_store **ret);

/* -- for administrators ------------------------------------------------------------------------ */

/* Valid during the callback. */
struct weir_database_mailbox {
	struct weir_span name;
	uint64_t messages;
	uint64_t octets;
	bool leased; /* a session has it, or had it until its front end crashed; or it is removed */
};

typedef void weir_database_mailbox_fn(void *context, const struct weir_database_mailbox *mailbox);

/*
 * Reports all mailboxes, each once, in the order of the bytes of their names. They are read page by
 * page, so that one which is made or removed meanwhile may be missing. Returns 0, -ENOMEM or an
 * error of weir_postgres_call_start; after an error no callback comes.
 */
WEIR_API int weir_database_mailboxes_list(struct weir_database *database, struct weir_loop *loop,
        weir_database_mailbox_fn *mailbox, weir_database_done_fn *done, void *context,
        struct weir_database_call **ret);

/* The part of a removal that is done. After a lost connection the counts may be too low. */
struct weir_database_removal {
	uint64_t messages; /* that were removed */
	uint64_t octets;   /* of these */
	uint64_t left;     /* messages that are there yet */
};

typedef void weir_database_removal_fn(void *context, const struct weir_database_removal *removal);

/*
 * Removes a mailbox: its messages, their bodies unless another mailbox or the queue has them, and
 * its row. Each transaction removes WEIR_DATABASE_REMOVE_MAX messages, or WEIR_DATABASE_SWEEP large
 * or shared bodies. The removal takes the lease of the mailbox, as a session does. It may be
 * interrupted at any moment, and another call goes on with it at once.
 *
 * Front ends may deliver to the mailbox meanwhile: such messages are removed, too. One that arrives
 * later makes the mailbox anew. What weir_database_import_mail has noted stays, so that it does not
 * bring the messages again.
 *
 * `removal` may be NULL. `done` gets 0; -ENOENT if there is no such mailbox; -EBUSY if a session
 * has it; -EAGAIN if messages arrive as fast as they are removed; or an error of a call. Returns as
 * weir_database_mailboxes_list.
 */
WEIR_API int weir_database_mailbox_remove(struct weir_database *database, struct weir_loop *loop,
        const char *name, weir_database_removal_fn *removal, weir_database_done_fn *done,
        void *context, struct weir_database_call **ret);

WEIR_C_END

#endif
