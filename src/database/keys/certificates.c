/* Certificates. Their keys are sealed for a purpose of their own and the name of the row. */
#include <weir/database_certificates.h>

#include <errno.h>
#include <stdlib.h>

#include <weir/database_secrets.h>
#include <weir/error.h>

#include "call.h"
#include "seal.h"

#define CERTIFICATES_RAISE                                                                         \
	DATABASE_RAISE(WEIR_DATABASE_CERTIFICATES_SNAPSHOT, "changed") " SELECT name FROM changed"

/* -- changing ---------------------------------------------------------------------------------- */

static const char *const certificates_put_text =
        "WITH changed AS (INSERT INTO weir_certificate (name, chain, key) VALUES ($1, $2, $3)"
        " ON CONFLICT (name) DO UPDATE SET chain = excluded.chain, key = excluded.key,"
        " stored = now() RETURNING name)," CERTIFICATES_RAISE;

int weir_database_certificate_put(struct weir_database *database, struct weir_loop *loop,
        const char *name, struct weir_span chain, struct weir_span key, weir_database_done_fn *done,
        void *context, struct weir_database_call **ret)
{
	struct weir_buffer text = {0};
	struct weir_database_call *call;
	int error = weir_database_seal(
	        database, WEIR_DATABASE_SEAL_CERTIFICATE, weir_span_of(name), key, &text);
	if (error == 0)
		error = database_call_create(database, loop, sizeof *call, done, context, &call);
	if (error == 0) {
		struct weir_postgres_value values[] = {
		        weir_postgres_text(name), {chain, false}, {weir_buffer_span(&text), false}};
		struct weir_postgres_statement statement = {certificates_put_text, values, 3};
		error = database_call_begin(call, &statement, 1, false, ret);
	}
	weir_database_erase(&text);
	return error;
}

static const char *const certificates_remove_text =
        "WITH changed AS (DELETE FROM weir_certificate WHERE name = $1 RETURNING name)," CERTIFICATES_RAISE;

static void certificates_on_removed(
        struct weir_database_call *call, const struct weir_postgres_end *end)
{
	/* Repeated after a lost connection, it may find what the first time has removed. */
	if (end->rows[0] || end->repeated)
		database_call_end(call, 0, "");
	else
		database_call_end(call, -ENOENT, "there is no such certificate");
}

int weir_database_certificate_remove(struct weir_database *database, struct weir_loop *loop,
        const char *name, weir_database_done_fn *done, void *context,
        struct weir_database_call **ret)
{
	struct weir_database_call *call;
	struct weir_postgres_value value = weir_postgres_text(name);
	struct weir_postgres_statement statement = {certificates_remove_text, &value, 1};
	int error = database_call_create(database, loop, sizeof *call, done, context, &call);
	if (error < 0)
		return error;
	call->ended = certificates_on_removed;
	return database_call_begin(call, &statement, 1, false, ret);
}

/* -- reading ----------------------------------------------------------------------------------- */

int weir_database_certificate_key(const struct weir_database *database, struct weir_span name,
        struct weir_span text, struct weir_buffer *key)
{
	return weir_database_unseal(database, WEIR_DATABASE_SEAL_CERTIFICATE, name, text, key);
}

struct certificates_list {
	struct weir_database_call base;
	weir_database_certificate_fn *certificate;
	void (*again)(void *context);
};

static void certificates_on_row(
        struct weir_database_call *call, const struct weir_postgres_row *row)
{
	const struct certificates_list *list = (struct certificates_list *)call;
	uint64_t stored_s = 0;
	weir_span_number(weir_postgres_row_value(row, 3), 10, &stored_s);
	list->certificate(call->context, weir_postgres_row_value(row, 0),
	        weir_postgres_row_value(row, 1), (int64_t)stored_s);
}

static void certificates_on_again(struct weir_database_call *call)
{
	const struct certificates_list *list = (struct certificates_list *)call;
	if (list->again)
		list->again(call->context);
}

int weir_database_certificates_list(struct weir_database *database, struct weir_loop *loop,
        weir_database_certificate_fn *certificate, void (*again)(void *context),
        weir_database_done_fn *done, void *context, struct weir_database_call **ret)
{
	static const struct weir_postgres_statement statement = {
	        WEIR_DATABASE_CERTIFICATES_SELECT, NULL, 0};
	struct weir_database_call *call;
	int error = database_call_create(
	        database, loop, sizeof(struct certificates_list), done, context, &call);
	if (error < 0)
		return error;
	struct certificates_list *list = (struct certificates_list *)call;
	list->certificate = certificate;
	list->again = again;
	call->row = certificates_on_row;
	call->again = certificates_on_again;
	return database_call_begin(call, &statement, 1, true, ret);
}
