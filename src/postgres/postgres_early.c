/*
 * Early lock release. A transaction that waits for the disk, or for a synchronous standby, holds
 * its locks meanwhile. So of several front ends that deliver to the same mailboxes only one would
 * make progress at a time. Here a batch commits without that wait, and a second transaction behind
 * it waits for both:
 *
 *   synchronous_commit off, for this transaction
 *   the statements of the calls
 *   sync                    locks end, others see the rows
 *   a record in the log
 *   sync                    the log is flushed up to this record: the calls end
 *
 * The log is flushed in order, and given to standbys in order. So the second commit is never safe
 * without the first one, nor is a later one of a program that has seen its rows.
 */
#include <string.h>

#include "postgres_state.h"

/* The setting ends with the transaction. A transaction that only reads would not wait. */
static const char *const early_texts[POSTGRES_OWNS] = {
        [POSTGRES_OWN_UNLOCK] = "SELECT set_config('synchronous_commit', 'off', true)",
        [POSTGRES_OWN_FLUSH] = "SELECT pg_logical_emit_message(true, '', '')",
};

/* A standby cannot write to the log. */
static bool early_on_standby(const struct postgres_connection *connection)
{
	const char *standby = PQparameterStatus(connection->pg, "in_hot_standby");
	return standby && strcmp(standby, "on") == 0;
}

/* A single call that is no stream locks little, and a second transaction would cost more. */
bool postgres_early_wanted(const struct postgres_connection *connection)
{
	const struct weir_list *first = connection->batch.next;
	bool stream = WEIR_CONTAINER(first, struct weir_postgres_call, queue)->stream;
	if (connection->pool->no_early || (connection->batch_size == 1 && !stream))
		return false;
	if (early_on_standby(connection))
		return false;
	WEIR_LIST_EACH (struct weir_postgres_call, call, &connection->batch, queue)
		if (!call->early_lock_release || call->alone)
			return false;
	return true;
}

static bool early_send(struct postgres_connection *connection, enum postgres_own own)
{
	struct postgres_statement *statement = &connection->own[own];
	statement->text = early_texts[own];
	statement->number = postgres_find_statement(connection->pool, statement->text);
	return postgres_batch_send_statement(connection, statement, false);
}

bool postgres_early_send_begin(struct postgres_connection *connection)
{
	return early_send(connection, POSTGRES_OWN_UNLOCK);
}

bool postgres_early_send_flush(struct postgres_connection *connection)
{
	return PQpipelineSync(connection->pg) && early_send(connection, POSTGRES_OWN_FLUSH);
}

void postgres_early_set_cursor(struct postgres_connection *connection, enum postgres_own own)
{
	const struct postgres_statement *statement = &connection->own[own];
	connection->cursor =
	        (struct postgres_cursor){.own = statement, .preparing = statement->prepares};
}

/* Classes of what a server lacks or forbids. */
void postgres_early_on_error(struct postgres_connection *connection, const char *state)
{
	if (strncmp(state, "42", 2) == 0 || strncmp(state, "0A", 2) == 0)
		connection->pool->no_early = true;
}
