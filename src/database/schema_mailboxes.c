/* Mailboxes, their messages, and the bodies of messages. */
#include "schema.h"

/*
 * Rows that change often are narrow, and large ones never change. The names of mailboxes are
 * compared by their bytes, so that all programs lock them in one order. See database_body.h for the
 * bodies.
 *
 * weir_mailbox: the sums of its messages, the UID that is next, and the lock of a session that
 * reads it: its id, and the time when it ends unless it is renewed. `validity` is the second of its
 * creation: a UID alone would come again if a mailbox were removed and made anew. An import raises
 * it, see import_order.h.
 *
 * weir_message: `shared` is true if weir_body_holder has a row for it; `dotless` and `ended` are
 * those of struct weir_mail_body. `uidl` is the UIDL of a message that came from a Maildir; of the
 * others it is made from `validity` and `uid`.
 *
 * weir_imported: what `weir store import` has brought, so that it does so once, even if a user has
 * removed the message since. `source` is mail/ and the name of a mailbox, or queue.
 */
static const char *const schema_mailboxes_1[] = {
        "CREATE TABLE IF NOT EXISTS weir_body_chunk (body uuid NOT NULL, number int NOT NULL,"
        " bytes bytea NOT NULL, PRIMARY KEY (body, number))",
        "CREATE TABLE IF NOT EXISTS weir_body_holder (body uuid NOT NULL,"
        " holder text COLLATE \"C\" NOT NULL, PRIMARY KEY (body, holder))",
        "CREATE TABLE IF NOT EXISTS weir_body_sweep (body uuid NOT NULL,"
        " holder text COLLATE \"C\" NOT NULL, due timestamptz NOT NULL,"
        " PRIMARY KEY (body, holder))",
        "CREATE INDEX IF NOT EXISTS weir_body_sweep_due ON weir_body_sweep (due)",
        "CREATE TABLE IF NOT EXISTS weir_mailbox (octets bigint NOT NULL, messages bigint NOT NULL,"
        " next_uid bigint NOT NULL, validity bigint NOT NULL, session uuid, lease timestamptz,"
        " name text COLLATE \"C\" PRIMARY KEY)",
        "CREATE TABLE IF NOT EXISTS weir_message (uid bigint NOT NULL, octets bigint NOT NULL,"
        " arrived timestamptz NOT NULL DEFAULT now(), body uuid NOT NULL, chunks int NOT NULL,"
        " shared bool NOT NULL, dotless bool NOT NULL, ended bool NOT NULL,"
        " mailbox text COLLATE \"C\" NOT NULL, uidl text, PRIMARY KEY (mailbox, uid))",
        "CREATE TABLE IF NOT EXISTS weir_imported (source text COLLATE \"C\" NOT NULL,"
        " item uuid NOT NULL, PRIMARY KEY (source, item))",
        NULL,
};

static const char *const *const schema_mailboxes_steps[] = {schema_mailboxes_1};

const struct schema_part schema_mailboxes = {.name = "mailboxes",
        .steps = schema_mailboxes_steps,
        .version = 1,
        .oldest = 1,
        .least = 1};
