/*
 * Users and aliases. Invariant: a row becomes one line; a row that would become something else,
 * such as a name with a line end in it, is an error of the snapshot.
 */
#include <weir/database_users.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "checks.h"
#include "helper.h"

/* -- the snapshot ------------------------------------------------------------------------------ */

/* One statement, so that the aliases fit the users. 'm' is the line between them. */
const char weir_database_users_select[] =
        "SELECT 'u', name, hash, attributes FROM weir_user"
        " UNION ALL SELECT 'm', '', '', ''"
        " UNION ALL SELECT 'a', address, targets, '' FROM weir_alias ORDER BY 1 DESC, 2";

enum {
	USERS_NAME_SHOWN = 80 /* bytes of a name in a message */
};

/* Whether the value can be a field of its line: of a name, nothing behind it may be cut off. */
static bool users_is_field(struct weir_span value, bool is_name)
{
	for (size_t i = 0; i < value.size; i++)
		if (value.data[i] == '\n' || value.data[i] == '\r' || value.data[i] == '\0' ||
		        (is_name && value.data[i] == ':'))
			return false;
	return !is_name || (value.size && value.data[0] != '#');
}

static int users_refuse(struct weir_span name, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	snprintf(ret_why, WEIR_POSTGRES_WHY_MAX,
	        "the row of \"%.*s\" has a line end, a colon or a '#' where none is allowed",
	        (int)min_of(name.size, (size_t)USERS_NAME_SHOWN), name.size ? name.data : "");
	return WEIR_E_SYNTAX;
}

static int users_format_user(const struct weir_span *columns, struct weir_buffer *text)
{
	struct weir_span parts[] = {columns[0], WEIR_SPAN(":"), columns[1], WEIR_SPAN(":"),
	        columns[2], WEIR_SPAN("\n")};
	return buffer_append_spans(text, parts, 6, WEIR_USERS_FILE_MAX);
}

static int users_format_alias(const struct weir_span *columns, struct weir_buffer *text)
{
	struct weir_span parts[] = {columns[0], WEIR_SPAN(": "), columns[1], WEIR_SPAN("\n")};
	return buffer_append_spans(text, parts, 4, WEIR_DATABASE_USERS_BYTES);
}

int weir_database_users_format(const struct weir_postgres_row *row, struct weir_buffer *text,
        char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct weir_span columns[3];
	for (unsigned i = 0; i < 3; i++)
		columns[i] = weir_postgres_row_value(row, i + 1);
	char kind = weir_postgres_row_value(row, 0).data[0];
	if (kind == 'm')
		return weir_buffer_append(text, "", 1, WEIR_DATABASE_USERS_BYTES);
	bool good = users_is_field(columns[0], true) && users_is_field(columns[1], false) &&
	            users_is_field(columns[2], false);
	if (kind == 'u')
		good = good && !memchr(columns[1].data, ':', columns[1].size);
	if (!good)
		return users_refuse(columns[0], ret_why);
	return kind == 'u' ? users_format_user(columns, text) : users_format_alias(columns, text);
}

void weir_database_users_split(
        struct weir_span text, struct weir_span *ret_users, struct weir_span *ret_aliases)
{
	const char *end = text.size ? memchr(text.data, '\0', text.size) : NULL;
	size_t size = end ? (size_t)(end - text.data) : text.size;
	*ret_users = weir_span(text.data, size);
	*ret_aliases = end ? weir_span_skip(text, size + 1) : weir_span("", 0);
}

/* -- checks ------------------------------------------------------------------------------------ */

const struct database_check database_checks_users[] = {
        {"users", "SELECT 'users', count(*)::text, false FROM weir_user", false},
        {"users", "SELECT 'aliases', count(*)::text, false FROM weir_alias", false},
        {"users",
                "SELECT 'snapshot', 'version ' || version, false FROM weir_snapshot"
                " WHERE name = 'users'",
                false},
        {0},
};

/* -- changes ----------------------------------------------------------------------------------- */

static const char users_find_statement[] = "SELECT hash, attributes FROM weir_user WHERE name = $1";
static const char users_insert[] = "INSERT INTO weir_user (name, hash, attributes)"
                                   " VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
static const char users_update[] = "UPDATE weir_user SET hash = $2, attributes = $3"
                                   " WHERE name = $1 AND hash = $4 AND attributes = $5";
static const char users_delete[] =
        "DELETE FROM weir_user WHERE name = $1 AND hash = $2 AND attributes = $3";

struct users_call {
	weir_database_user_found_fn *found;
	weir_database_done_fn *done;
	void *context;
	struct weir_buffer values; /* of the row, one behind the other */
	size_t hash_size;
	bool exists;
	int error; /* of copying the row */
};

static void users_on_row(void *context, const struct weir_postgres_row *row)
{
	struct users_call *call = context;
	struct weir_span values[] = {
	        weir_postgres_row_value(row, 0), weir_postgres_row_value(row, 1)};
	weir_buffer_consume(&call->values, call->values.size);
	call->exists = true;
	call->hash_size = values[0].size;
	call->error = buffer_append_spans(&call->values, values, 2, WEIR_USERS_FILE_MAX);
}

static void users_on_again(void *context)
{
	((struct users_call *)context)->exists = false;
}

static void users_on_end(void *context, const struct weir_postgres_end *end)
{
	struct users_call *call = context;
	int error = end->error ? end->error : call->error;
	const char *text = end->error ? end->text : error ? weir_error_text(error) : "";
	struct weir_span values = weir_buffer_span(&call->values);
	struct weir_database_user user = {
	        weir_span(values.data, call->hash_size), weir_span_skip(values, call->hash_size)};
	if (call->found)
		call->found(call->context, call->exists && !error ? &user : NULL, error, text);
	else if (error == 0 && end->rows[1] == 0)
		call->done(call->context, -EAGAIN, "the user was changed meanwhile");
	else
		call->done(call->context, error, text);
	buffer_erase(&call->values);
	free(call);
}

static const struct weir_postgres_events users_events = {
        .row = users_on_row,
        .again = users_on_again,
        .end = users_on_end,
};

static int users_call(struct weir_database *database, struct weir_loop *loop,
        const struct weir_postgres_call_options *options, struct users_call wanted)
{
	struct weir_postgres *pool;
	struct weir_postgres_call *started;
	int error = weir_database_pool(database, loop, &pool);
	if (error < 0)
		return error;
	struct users_call *call = malloc(sizeof *call);
	if (!call)
		return -ENOMEM;
	*call = wanted;
	error = weir_postgres_call_start(pool, options, &users_events, call, &started);
	if (error < 0)
		free(call);
	return error;
}

int weir_database_user_find(struct weir_database *database, struct weir_loop *loop,
        const char *name, weir_database_user_found_fn *found, void *context)
{
	struct weir_postgres_value value = weir_postgres_text(name);
	struct weir_postgres_statement statement = {users_find_statement, &value, 1};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	options.idempotent = true;
	return users_call(
	        database, loop, &options, (struct users_call){.found = found, .context = context});
}

int weir_database_user_change(struct weir_database *database, struct weir_loop *loop,
        const char *name, const struct weir_database_user *before,
        const struct weir_database_user *after, weir_database_done_fn *done, void *context)
{
	struct weir_postgres_value kind = weir_postgres_text(WEIR_DATABASE_USERS);
	struct weir_postgres_value values[5] = {weir_postgres_text(name)};
	unsigned count = 1;
	const struct weir_database_user *users[] = {after, before};
	for (size_t i = 0; i < 2; i++) {
		if (!users[i])
			continue;
		values[count++] = (struct weir_postgres_value){users[i]->hash, false};
		values[count++] = (struct weir_postgres_value){users[i]->attributes, false};
	}
	struct weir_postgres_statement statements[] = {
	        {weir_database_snapshot_bump, &kind, 1}, {!after          ? users_delete
	                                                         : before ? users_update
	                                                                  : users_insert,
	                                                         values, count}};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = statements;
	options.count = 2;
	return users_call(
	        database, loop, &options, (struct users_call){.done = done, .context = context});
}
