/* Keys of TSIG. Their secrets are sealed for a purpose of their own and the name of the key. */
#include <weir/database_zones.h>

#include <errno.h>
#include <stdlib.h>

#include <weir/buffer.h>
#include <weir/database_secrets.h>
#include <weir/error.h>

#include "call.h"
#include "seal.h"

#define TSIG_RAISE                                                                                 \
	DATABASE_RAISE(WEIR_DATABASE_ZONES_SNAPSHOT, "changed") " SELECT name FROM changed"

struct tsig_call {
	struct weir_database_call base;
	const struct weir_database *database;
	weir_database_tsig_fn *key;
	void (*again)(void *context);
};

int weir_database_tsig_secret(const struct weir_database *database, struct weir_span name,
        struct weir_span text, struct weir_buffer *secret)
{
	return weir_database_unseal(database, WEIR_DATABASE_SEAL_TSIG, name, text, secret);
}

/* -- listing ----------------------------------------------------------------------------------- */

static void tsig_on_row(struct weir_database_call *call, const struct weir_postgres_row *row)
{
	const struct tsig_call *list = (struct tsig_call *)call;
	struct weir_span name = weir_postgres_row_value(row, 0);
	struct weir_buffer secret = {0};
	int error = weir_database_tsig_secret(
	        list->database, name, weir_postgres_row_value(row, 2), &secret);
	list->key(call->context, name, weir_postgres_row_value(row, 1), weir_buffer_span(&secret),
	        error);
	weir_database_erase(&secret);
}

static void tsig_on_again(struct weir_database_call *call)
{
	const struct tsig_call *list = (struct tsig_call *)call;
	if (list->again)
		list->again(call->context);
}

int weir_database_tsig_list(struct weir_database *database, struct weir_loop *loop,
        weir_database_tsig_fn *key, void (*again)(void *context), weir_database_done_fn *done,
        void *context, struct weir_database_call **ret)
{
	static const struct weir_postgres_statement statement = {
	        "SELECT name, algorithm, secret FROM weir_tsig_key ORDER BY name", NULL, 0};
	struct weir_database_call *call;
	int error = database_call_create(
	        database, loop, sizeof(struct tsig_call), done, context, &call);
	if (error < 0)
		return error;
	struct tsig_call *list = (struct tsig_call *)call;
	list->database = database;
	list->key = key;
	list->again = again;
	call->row = tsig_on_row;
	call->again = tsig_on_again;
	return database_call_begin(call, &statement, 1, false, ret);
}

/* -- changing ---------------------------------------------------------------------------------- */

static const char *const tsig_put_text =
        "WITH changed AS (INSERT INTO weir_tsig_key (name, algorithm, secret) VALUES ($1, $2, $3)"
        " ON CONFLICT (name) DO UPDATE SET algorithm = excluded.algorithm,"
        " secret = excluded.secret RETURNING name)," TSIG_RAISE;

int weir_database_tsig_put(struct weir_database *database, struct weir_loop *loop, const char *name,
        const char *algorithm, struct weir_span secret, weir_database_done_fn *done, void *context,
        struct weir_database_call **ret)
{
	struct weir_buffer text = {0};
	struct weir_database_call *call;
	int error = weir_database_seal(
	        database, WEIR_DATABASE_SEAL_TSIG, weir_span_of(name), secret, &text);
	if (error == 0)
		error = database_call_create(database, loop, sizeof *call, done, context, &call);
	if (error == 0) {
		struct weir_postgres_value values[] = {weir_postgres_text(name),
		        weir_postgres_text(algorithm), {weir_buffer_span(&text), false}};
		struct weir_postgres_statement statement = {tsig_put_text, values, 3};
		error = database_call_begin(call, &statement, 1, false, ret);
	}
	weir_database_erase(&text);
	return error;
}

static const char *const tsig_remove_text =
        "WITH changed AS (DELETE FROM weir_tsig_key WHERE name = $1 RETURNING name)," TSIG_RAISE;

static void tsig_on_removed(struct weir_database_call *call, const struct weir_postgres_end *end)
{
	/* Repeated after a lost connection, it may find what the first time has removed. */
	if (end->rows[0] || end->repeated)
		database_call_end(call, 0, "");
	else
		database_call_end(call, -ENOENT, "there is no such key");
}

int weir_database_tsig_remove(struct weir_database *database, struct weir_loop *loop,
        const char *name, weir_database_done_fn *done, void *context,
        struct weir_database_call **ret)
{
	struct weir_database_call *call;
	struct weir_postgres_value value = weir_postgres_text(name);
	struct weir_postgres_statement statement = {tsig_remove_text, &value, 1};
	int error = database_call_create(database, loop, sizeof *call, done, context, &call);
	if (error < 0)
		return error;
	call->ended = tsig_on_removed;
	return database_call_begin(call, &statement, 1, false, ret);
}
