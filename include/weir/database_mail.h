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

#include <weir/api.h>
#include <weir/database.h>
#include <weir/mail_store.h>

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

WEIR_C_END

#endif
