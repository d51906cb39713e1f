/*
 * Loading the users and aliases once, and trying them. The users of a server are made of them by
 * store_users.c here, too, so that both agree on mistakes.
 */
#include "store_rows.h"

#include <string.h>

#include <weir/database.h>
#include <weir/database_users.h>
#include <weir/error.h>

#include "config.h"
#include "helper.h"
#include "store_users.h"
#include "store_verb.h"

/* -- loading ----------------------------------------------------------------------------------- */

static void store_rows_on_row(void *context, const struct weir_postgres_row *row)
{
	struct store_rows *rows = context;
	if (!rows->error)
		rows->error = weir_database_users_format(row, &rows->text, rows->why);
	if (weir_span_equal(weir_postgres_row_value(row, 0), WEIR_SPAN("m")))
		rows->in_aliases = true;
	else
		rows->counts[rows->in_aliases]++;
}

static void store_rows_on_again(void *context)
{
	struct store_rows *rows = context;
	rows->text.size = 0;
	rows->counts[0] = rows->counts[1] = 0;
	rows->in_aliases = false;
	rows->error = 0;
	rows->why[0] = '\0';
}

static void store_rows_on_end(void *context, const struct weir_postgres_end *end)
{
	struct store_rows *rows = context;
	if (rows->error && !rows->why[0])
		text_copy(rows->why, sizeof rows->why, weir_error_text(rows->error));
	store_verb_done(rows->verb, end->error, end->text);
}

bool store_rows_load(struct store_rows *rows)
{
	static const struct weir_postgres_events events = {
	        .row = store_rows_on_row,
	        .again = store_rows_on_again,
	        .end = store_rows_on_end,
	};
	const struct weir_postgres_statement statement = {weir_database_users_select, NULL, 0};
	struct store_verb *verb = rows->verb;
	struct weir_postgres_call_options options;
	struct weir_postgres_call *call;
	struct weir_postgres *pool;
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	options.stream = options.idempotent = true;
	int error = weir_database_pool(verb->database, verb->loop, &pool);
	if (error == 0)
		error = weir_postgres_call_start(pool, &options, &events, rows, &call);
	return store_verb_wait(verb, error);
}

void store_rows_free(struct store_rows *rows)
{
	buffer_erase(&rows->text);
}

/* -- trying ------------------------------------------------------------------------------------ */

/* Appends the lines of the users but that of `without`, and all of the rest. */
static int store_rows_leave_out(
        struct weir_span text, struct weir_span without, struct weir_buffer *to)
{
	struct weir_span left = text, line;
	int error = 0;
	while (error == 0 && left.size && left.data[0] != '\0' &&
	        weir_span_cut(&left, '\n', &line)) {
		struct weir_span parts[] = {line, WEIR_SPAN("\n")};
		bool same = line.size > without.size && line.data[without.size] == ':' &&
		            memcmp(line.data, without.data, without.size) == 0;
		if (!same)
			error = buffer_append_spans(to, parts, 2, WEIR_DATABASE_USERS_BYTES);
	}
	if (error == 0 && left.size)
		error = weir_buffer_append(to, left.data, left.size, WEIR_DATABASE_USERS_BYTES);
	return error;
}

bool store_rows_fit(const struct store_rows *rows, struct config *config, const char *without,
        char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct weir_buffer text = {0};
	int error = rows->error;
	if (error) {
		memcpy(ret_why, rows->why, WEIR_POSTGRES_WHY_MAX);
		return false;
	}
	if (without)
		error = store_rows_leave_out(
		        weir_buffer_span(&rows->text), weir_span_of(without), &text);
	if (error < 0)
		text_copy(ret_why, WEIR_POSTGRES_WHY_MAX, weir_error_text(error));
	else
		error = store_users_try(
		        config, weir_buffer_span(without ? &text : &rows->text), ret_why);
	buffer_erase(&text);
	return error == 0;
}

bool store_rows_are_bad(
        struct store_verb *verb, struct config *config, char ret_why[WEIR_POSTGRES_WHY_MAX])
{
	struct store_rows rows = {.verb = verb};
	bool bad = store_rows_load(&rows) && !store_rows_fit(&rows, config, NULL, ret_why);
	if (!bad)
		ret_why[0] = '\0';
	store_rows_free(&rows);
	return bad;
}
