/*
 * Users and aliases: a call has some lines of one file, and increments the version of the snapshot.
 *
 * Invariant: a row that is there stays, since its password may have been changed there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/database_snapshot.h>
#include <weir/database_users.h>
#include <weir/error.h>

#include "helper.h"
#include "mail_routes_state.h"
#include "queue_database.h"
#include "database_transfer.h"

enum {
	USERS_ROWS = 500, /* of a call */
	USERS_BYTES = 256 * 1024,
	USERS_COLUMNS = 3,
	USERS_ALIAS_MAX = 512 /* bytes of an address */
};

struct users_import {
	struct database_transfer base;
	char *text;
	struct weir_span users;   /* what is left of them */
	struct weir_span aliases; /* likewise */
	struct weir_postgres_call *call;
	uint64_t rows;      /* of the call */
	bool sends_aliases; /* the call has aliases */
};

/* Texts come in hexadecimal. */
static const char import_users_insert[] =
        "INSERT INTO weir_user (name, hash, attributes) SELECT"
        " convert_from(decode(c.name, 'hex'), 'UTF8'), convert_from(decode(c.hash, 'hex'), 'UTF8'),"
        " convert_from(decode(c.attributes, 'hex'), 'UTF8')"
        " FROM unnest($1::text[], $2::text[], $3::text[]) AS c (name, hash, attributes)"
        " ON CONFLICT (name) DO NOTHING";

static const char import_users_insert_aliases[] =
        "INSERT INTO weir_alias (address, targets) SELECT"
        " convert_from(decode(c.address, 'hex'), 'UTF8'),"
        " convert_from(decode(c.targets, 'hex'), 'UTF8')"
        " FROM unnest($1::text[], $2::text[]) AS c (address, targets)"
        " ON CONFLICT (address) DO NOTHING";

static void import_users_free(struct database_transfer *transfer)
{
	struct users_import *import = WEIR_CONTAINER(transfer, struct users_import, base);
	size_t size = import->text ? strlen(import->text) : 0;
	transfer_cancel(&import->call);
	if (import->text)
		explicit_bzero(import->text, size);
	free(import->text);
}

/* -- lines ------------------------------------------------------------------------------------- */

/* Stores the next line that is no comment. Returns false behind the last one. */
static bool import_users_next_line(struct weir_span *left, struct weir_span *ret)
{
	struct weir_span line;
	while (left->size) {
		weir_span_cut(left, '\n', &line);
		if (line.size && line.data[line.size - 1] == '\r')
			line.size--;
		struct weir_span text = weir_span_trim(line);
		if (!text.size || text.data[0] == '#')
			continue;
		*ret = line;
		return true;
	}
	return false;
}

static int import_users_add_user(struct weir_span line, struct weir_buffer arrays[USERS_COLUMNS])
{
	struct weir_span name, hash;
	weir_span_cut(&line, ':', &name);
	weir_span_cut(&line, ':', &hash);
	int error = queue_array_bytes(&arrays[0], name);
	if (error == 0)
		error = queue_array_bytes(&arrays[1], hash);
	return error ? error : queue_array_bytes(&arrays[2], line);
}

static int import_users_add_alias(struct weir_span line, struct weir_buffer arrays[USERS_COLUMNS])
{
	char folded[USERS_ALIAS_MAX];
	struct weir_span address;
	weir_span_cut(&line, ':', &address);
	address = mail_routes_fold(weir_span_trim(address), folded, sizeof folded);
	int error = queue_array_bytes(&arrays[0], address);
	return error ? error : queue_array_bytes(&arrays[1], weir_span_trim(line));
}

/* -- calls ------------------------------------------------------------------------------------- */

static void import_users_send(struct users_import *import);

static void import_users_on_end(void *context, const struct weir_postgres_end *end)
{
	struct users_import *import = context;
	struct database_transfer *transfer = &import->base;
	import->call = NULL;
	if (transfer->over)
		return;
	if (end->error) {
		if (strcmp(end->state, "22021") == 0)
			transfer_fail(transfer, end->error,
			        import->sends_aliases ? "aliases" : "users", "a line is not UTF-8");
		else
			transfer_fail_call(transfer, NULL, end);
		return;
	}
	transfer->counts.done += import->rows;
	transfer->counts.moved += end->rows[1];
	transfer->counts.there += import->rows - end->rows[1];
	transfer_report(transfer);
	import_users_send(import);
}

static void import_users_start(
        struct users_import *import, bool aliases, struct weir_buffer arrays[USERS_COLUMNS])
{
	static const struct weir_postgres_events events = {.end = import_users_on_end};
	unsigned columns = aliases ? 2 : USERS_COLUMNS;
	const struct weir_postgres_value kind = weir_postgres_text(WEIR_DATABASE_USERS);
	struct weir_postgres_value values[USERS_COLUMNS];
	import->sends_aliases = aliases;
	for (unsigned i = 0; i < columns; i++)
		values[i] = weir_postgres_text(arrays[i].data);
	const struct weir_postgres_statement statements[] = {
	        {weir_database_snapshot_bump, &kind, 1},
	        {aliases ? import_users_insert_aliases : import_users_insert, values, columns}};
	const struct weir_postgres_call_options options = transfer_options(statements, 2);
	transfer_call(&import->base, &options, &events, import, &import->call);
}

/* Users go first, since targets of aliases are users. */
static void import_users_send(struct users_import *import)
{
	struct weir_buffer arrays[USERS_COLUMNS] = {{0}};
	struct weir_span line;
	int error = 0;
	import->rows = 0;
	for (unsigned i = 0; i < USERS_COLUMNS && error == 0; i++)
		error = queue_array_open(&arrays[i]);
	while (error == 0 && import->rows < USERS_ROWS && arrays[2].size < USERS_BYTES &&
	        import_users_next_line(&import->users, &line)) {
		error = import_users_add_user(line, arrays);
		import->rows++;
	}
	bool aliases = !import->rows;
	while (error == 0 && aliases && import->rows < USERS_ROWS && arrays[1].size < USERS_BYTES &&
	        import_users_next_line(&import->aliases, &line)) {
		error = import_users_add_alias(line, arrays);
		import->rows++;
	}
	for (unsigned i = 0; i < USERS_COLUMNS && error == 0; i++)
		error = queue_array_close(&arrays[i]);
	if (error < 0)
		transfer_fail(&import->base, error, NULL, weir_error_text(error));
	else if (import->rows)
		import_users_start(import, aliases, arrays);
	else
		transfer_end(&import->base);
	for (unsigned i = 0; i < USERS_COLUMNS; i++)
		buffer_erase(&arrays[i]);
}

static uint64_t import_users_count(struct weir_span text)
{
	struct weir_span line;
	uint64_t count = 0;
	while (import_users_next_line(&text, &line))
		count++;
	return count;
}

int weir_database_import_users(const struct weir_database_transfer *options, struct weir_span users,
        struct weir_span aliases)
{
	struct database_transfer *transfer = NULL;
	int error =
	        transfer_create(options, sizeof(struct users_import), import_users_free, &transfer);
	if (error < 0)
		return error;
	struct users_import *import = WEIR_CONTAINER(transfer, struct users_import, base);
	import->text = malloc(users.size + aliases.size + 1);
	if (!import->text)
		return transfer_refuse(transfer, -ENOMEM);
	if (users.size)
		memcpy(import->text, users.data, users.size);
	if (aliases.size)
		memcpy(import->text + users.size, aliases.data, aliases.size);
	import->text[users.size + aliases.size] = 0;
	import->users = weir_span(import->text, users.size);
	import->aliases = weir_span(import->text + users.size, aliases.size);
	transfer->counts.total =
	        import_users_count(import->users) + import_users_count(import->aliases);
	import_users_send(import);
	return 0;
}
