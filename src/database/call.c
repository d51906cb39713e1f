/* All calls here are idempotent: the statements of the stores may run twice. */
#include "call.h"

#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

int database_call_create(struct weir_database *database, struct weir_loop *loop, size_t size,
        weir_database_done_fn *done, void *context, struct weir_database_call **ret)
{
	struct weir_postgres *pool;
	int error = weir_database_pool(database, loop, &pool);
	struct weir_database_call *call = error == 0 ? calloc(1, size) : NULL;
	if (!call)
		return error ? error : -ENOMEM;
	call->pool = pool;
	call->done = done;
	call->context = context;
	*ret = call;
	return 0;
}

static void database_call_free(struct weir_database_call *call)
{
	if (call->free)
		call->free(call);
	free(call);
}

void database_call_end(struct weir_database_call *call, int error, const char *text)
{
	call->done(call->context, error, text);
	database_call_free(call);
}

void weir_database_call_cancel(struct weir_database_call *call)
{
	if (call->call)
		weir_postgres_call_cancel(call->call);
	database_call_free(call);
}

static void database_call_on_row(void *context, const struct weir_postgres_row *row)
{
	struct weir_database_call *call = context;
	if (call->row)
		call->row(call, row);
}

static void database_call_on_again(void *context)
{
	struct weir_database_call *call = context;
	if (call->again)
		call->again(call);
}

static void database_call_on_end(void *context, const struct weir_postgres_end *end)
{
	struct weir_database_call *call = context;
	call->call = NULL;
	if (call->harmless)
		database_call_end(call, 0, "");
	else if (end->error || !call->ended)
		database_call_end(call, end->error, end->text);
	else
		call->ended(call, end);
}

int database_call_send(struct weir_database_call *call,
        const struct weir_postgres_statement *statements, unsigned count, bool stream)
{
	static const struct weir_postgres_events events = {
	        .row = database_call_on_row,
	        .again = database_call_on_again,
	        .end = database_call_on_end,
	};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = statements;
	options.count = count;
	options.key = call->key;
	options.stream = stream;
	options.idempotent = true;
	return weir_postgres_call_start(call->pool, &options, &events, call, &call->call);
}

int database_call_begin(struct weir_database_call *call,
        const struct weir_postgres_statement *statements, unsigned count, bool stream,
        struct weir_database_call **ret)
{
	int error = database_call_send(call, statements, count, stream);
	if (error < 0)
		database_call_free(call);
	else
		*ret = call;
	return error;
}
