/* The queue of mail for other hosts. */
#include "schema.h"

/*
 * A message is a row of weir_queue and one of weir_queue_message, with a row for each recipient;
 * its body has the same id. The first is narrow, since each claim changes it; a claim changes
 * nothing that is in an index, so that it adds nothing to one. `lease` is the id of the claim, or
 * that of the message if a delivery holds it. `retried` and `deleted` are commands for the front
 * end that has claimed it.
 *
 * The flags are those of mail_queued_flags, `reports` are enum weir_mail_notify, `state` is an enum
 * weir_queued_state, and texts that came by the network are bytes.
 */
static const char *const schema_queue_1[] = {
        "CREATE TABLE IF NOT EXISTS weir_queue (id uuid PRIMARY KEY, due timestamptz NOT NULL,"
        " arrived timestamptz NOT NULL, lease uuid, lease_end timestamptz,"
        " tries int NOT NULL DEFAULT 0, warned bool NOT NULL DEFAULT false,"
        " retried bool NOT NULL DEFAULT false, deleted bool NOT NULL DEFAULT false)",
        "CREATE INDEX IF NOT EXISTS weir_queue_due ON weir_queue (due)",
        "CREATE TABLE IF NOT EXISTS weir_queue_message (id uuid PRIMARY KEY, size bigint NOT NULL,"
        " flags int NOT NULL, sender bytea NOT NULL, envid bytea NOT NULL, trace bytea NOT NULL)",
        "CREATE TABLE IF NOT EXISTS weir_queue_recipient (id uuid NOT NULL, number int NOT NULL,"
        " address bytea NOT NULL, orcpt bytea NOT NULL, reports int NOT NULL,"
        " state int NOT NULL DEFAULT 0, status bytea NOT NULL DEFAULT '',"
        " PRIMARY KEY (id, number))",
        NULL,
};

static const char *const *const schema_queue_steps[] = {schema_queue_1};

const struct schema_part schema_queue = {
        .name = "queue", .steps = schema_queue_steps, .version = 1, .oldest = 1, .least = 1};
