/*
 * The program of a later version, for tests of migrations: the parts of mail have a further step.
 * The linker takes these parts in place of those of the library.
 */
#include "schema.h"

#define schema_mailboxes schema_mailboxes_before
#define schema_queue schema_queue_before
#include "schema_mailboxes.c"
#include "schema_queue.c"
#undef schema_mailboxes
#undef schema_queue

/* Columns in tables that each delivery uses, and in one that none does. */
static const char *const schema_mailboxes_next[] = {
        "ALTER TABLE weir_message ADD COLUMN IF NOT EXISTS next_flags int NOT NULL DEFAULT 0",
        "ALTER TABLE weir_mailbox ADD COLUMN IF NOT EXISTS next_quota bigint",
        "CREATE TABLE IF NOT EXISTS weir_next_folder (mailbox text COLLATE \"C\" NOT NULL,"
        " folder text COLLATE \"C\" NOT NULL, PRIMARY KEY (mailbox, folder))",
        "ALTER TABLE weir_imported ADD COLUMN IF NOT EXISTS next_at timestamptz",
        "ALTER TABLE weir_body_chunk ADD COLUMN IF NOT EXISTS next_sum bigint",
        NULL,
};

static const char *const schema_queue_next[] = {
        "ALTER TABLE weir_queue ADD COLUMN IF NOT EXISTS next_priority int NOT NULL DEFAULT 0",
        NULL,
};

static const char *const *const schema_mailboxes_two[] = {
        schema_mailboxes_1, schema_mailboxes_next};
static const char *const *const schema_queue_two[] = {schema_queue_1, schema_queue_next};

const struct schema_part schema_mailboxes = {
        .name = "mailboxes", .steps = schema_mailboxes_two, .version = 2, .oldest = 1, .least = 1};

const struct schema_part schema_queue = {
        .name = "queue", .steps = schema_queue_two, .version = 2, .oldest = 1, .least = 1};
