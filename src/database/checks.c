/*
 * Running the checks: first which parts are there, then a statement at a time, for each of their
 * tables and indexes whether it is there, and the checks. The rows of one
 * statement are findings, which are reported as they come; a check that is repeated reports again.
 */
#include "checks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/database_check.h>
#include <weir/database_secrets.h>
#include <weir/error.h>

#include "helper.h"
#include "seal.h"
#include "schema.h"

/* Of the server as a whole. The catalogues differ between engines, so all of them may fail. */
static const struct database_check checks_server[] = {
        {NULL,
                "SELECT 'server', 'version ' || current_setting('server_version') ||"
                " CASE WHEN pg_is_in_recovery() THEN ', a standby' ELSE ', the primary' END,"
                " pg_is_in_recovery()",
                true},
        {NULL,
                "SELECT 'encoding', current_setting('server_encoding') || ', which lacks characters;"
                " make the database with the encoding UTF8', true"
                " WHERE current_setting('server_encoding') NOT IN ('UTF8', 'SQL_ASCII')",
                true},
        {NULL,
                "SELECT 'clock', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC',"
                " false",
                true},
        {NULL,
                "SELECT 'standby ' || coalesce(nullif(application_name, ''), host(client_addr), '?'),"
                " sync_state || ', ' || coalesce(extract(epoch FROM replay_lag)::numeric(12, 3), 0) ||"
                " ' s behind', coalesce(extract(epoch FROM replay_lag), 0) > 60"
                " FROM pg_stat_replication ORDER BY 1",
                true},
        {NULL,
                "SELECT 'oldest transaction', coalesce(max(extract(epoch FROM now() -"
                " xact_start))::bigint, 0) || ' s', coalesce(max(extract(epoch FROM now() -"
                " xact_start)), 0) > 3600 FROM pg_stat_activity"
                " WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()",
                true},
        {NULL,
                "SELECT 'rights of ' || current_user, 'not all of SELECT, INSERT, UPDATE and DELETE on '"
                " || string_agg(relname, ', ' ORDER BY relname), true FROM pg_class"
                " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
                " AND relname LIKE 'weir\\_%' AND NOT (has_table_privilege(oid, 'SELECT')"
                " AND has_table_privilege(oid, 'INSERT') AND has_table_privilege(oid, 'UPDATE')"
                " AND has_table_privilege(oid, 'DELETE')) HAVING count(*) > 0",
                true},
        {NULL,
                "SELECT 'table ' || relname, n_live_tup || CASE n_live_tup WHEN 1 THEN ' row, '"
                " ELSE ' rows, ' END || n_dead_tup || ' dead, ' ||"
                " pg_size_pretty(pg_total_relation_size(relid)),"
                " n_dead_tup > 10000 AND n_dead_tup > 2 * n_live_tup"
                " FROM pg_stat_user_tables WHERE relname LIKE 'weir\\_%' ORDER BY relname",
                true},
        {0},
};

/* Secrets that this program must be able to decrypt: subject, purpose, name, text. */
static const struct database_check checks_sealed[] = {
        {"keys",
                "SELECT 'certificate ' || name, '" WEIR_DATABASE_SEAL_CERTIFICATE "', name, key"
                " FROM weir_certificate ORDER BY name",
                .sealed = true},
        {"zones",
                "SELECT 'key of TSIG ' || name, '" WEIR_DATABASE_SEAL_TSIG
                "', name, secret FROM weir_tsig_key"
                " ORDER BY name",
                .sealed = true},
        {"keys",
                "SELECT 'shared secret of ' || purpose, purpose, id, secret FROM weir_secret"
                " ORDER BY purpose, begins",
                .sealed = true},
        {0},
};

/* Counts of the parts that need no further checks. */
static const struct database_check checks_counts[] = {
        {"queue",
                "SELECT 'queued messages', count(*)::text, false FROM weir_queue WHERE NOT deleted",
                false},
        {"zones", "SELECT 'zones', count(*)::text, false FROM weir_zone", false},
        {"zones", "SELECT 'keys of TSIG', count(*)::text, false FROM weir_tsig_key", false},
        {"keys", "SELECT 'certificates', count(*)::text, false FROM weir_certificate", false},
        {"keys", "SELECT 'shared secrets', count(*)::text, false FROM weir_secret", false},
        {"keys",
                "SELECT 'certificates are ordered by', owner, false FROM weir_acme_lease"
                " WHERE ends > now()",
                true},
        {0},
};

static const struct database_check *const checks_all[] = {
        checks_server,
        database_checks_users,
        database_checks_mailboxes,
        checks_counts,
        checks_sealed,
};

struct checking {
	const struct weir_database *database;
	struct weir_postgres *pool;
	weir_database_finding_fn *found;
	weir_database_done_fn *done;
	void *context;
	unsigned there[SCHEMA_PARTS]; /* the versions */
	unsigned part; /* the table whose presence is asked, by the statement that makes it */
	unsigned step;
	unsigned statement;
	char table[64]; /* or index; "": none, all were asked */
	bool is_index;
	size_t list;
	const struct database_check *check; /* that runs; NULL before the first */
};

static void checking_end(struct checking *checking, int error, const char *text)
{
	checking->done(checking->context, error, text);
	free(checking);
}

static bool checking_is_there(const struct checking *checking, const char *part)
{
	for (unsigned i = 0; i < SCHEMA_PARTS && part; i++)
		if (strcmp(schema_parts[i]->name, part) == 0)
			return checking->there[i] > 0;
	return true;
}

/* -- tables ------------------------------------------------------------------------------------ */

/* The next statement that makes a table of a part that is there. False: no further one. */
static bool checking_find_table(struct checking *checking)
{
	for (; checking->part < SCHEMA_PARTS; checking->part++, checking->step = 0) {
		const struct schema_part *part = schema_parts[checking->part];
		unsigned have = checking->there[checking->part];
		unsigned steps = have > part->version ? 0 : have;
		for (; checking->step < steps; checking->step++, checking->statement = 0) {
			const char *text;
			while ((text = part->steps[checking->step][checking->statement++])) {
				checking->is_index =
				        sscanf(text, "CREATE INDEX IF NOT EXISTS %63[a-z_]",
				                checking->table) == 1;
				if (checking->is_index ||
				        sscanf(text, "CREATE TABLE IF NOT EXISTS %63[a-z_]",
				                checking->table) == 1)
					return true;
			}
		}
	}
	*checking->table = '\0';
	return false;
}

/* -- checks ------------------------------------------------------------------------------------ */

/* Returns false if there is no further one. */
static bool checking_advance(struct checking *checking)
{
	const struct database_check *next = checking->check ? checking->check + 1 : checks_all[0];
	for (;;) {
		for (; next->statement; next++)
			if (checking_is_there(checking, next->part)) {
				checking->check = next;
				return true;
			}
		if (++checking->list == sizeof checks_all / sizeof *checks_all)
			return false;
		next = checks_all[checking->list];
	}
}

static void checking_report_index(const struct checking *checking)
{
	struct weir_database_finding finding = {
	        .part = schema_parts[checking->part]->name,
	        .what = weir_span_of(checking->table),
	        .value = WEIR_SPAN("the index does not exist, or is not valid"),
	        .problem = true,
	        .missing = true,
	};
	checking->found(checking->context, &finding);
}

/* A secret that can be read is no finding. */
static void checking_unseal(const struct checking *checking, const struct weir_postgres_row *row)
{
	struct weir_span purpose = weir_postgres_row_value(row, 1);
	struct weir_buffer secret = {0};
	int error = weir_database_unseal(checking->database, purpose.data,
	        weir_postgres_row_value(row, 2), weir_postgres_row_value(row, 3), &secret);
	weir_database_erase(&secret);
	if (error == 0)
		return;
	struct weir_database_finding finding = {
	        .part = checking->check->part,
	        .what = weir_postgres_row_value(row, 0),
	        .value = weir_span_of(error == -ENOKEY    ? "encrypted, and there is no key for it"
	                              : error == -EBADMSG ? "encrypted by another key, or damaged"
	                                                  : weir_error_text(error)),
	        .problem = true,
	        .sealed = true,
	};
	checking->found(checking->context, &finding);
}

static void checking_on_row(void *context, const struct weir_postgres_row *row)
{
	const struct checking *checking = context;
	if (*checking->table && checking->is_index)
		checking_report_index(checking);
	if (*checking->table)
		return;
	if (checking->check->sealed) {
		checking_unseal(checking, row);
		return;
	}
	struct weir_span problem = weir_postgres_row_value(row, 2);
	struct weir_database_finding finding = {
	        .part = checking->check->part,
	        .what = weir_postgres_row_value(row, 0),
	        .value = weir_postgres_row_value(row, 1),
	        .problem = problem.size && problem.data[0] == 't',
	};
	checking->found(checking->context, &finding);
}

static void checking_next(struct checking *checking);

/* The server has refused the statement. */
static void checking_report(const struct checking *checking, const struct weir_postgres_end *end)
{
	bool table = strcmp(end->state, "42P01") == 0;
	struct weir_database_finding finding = {
	        .part = *checking->table ? schema_parts[checking->part]->name
	                                 : checking->check->part,
	        .what = weir_span_of(*checking->table ? checking->table : "a check"),
	        .value = weir_span_of(end->text),
	        .problem = true,
	        .missing = table || strcmp(end->state, "42703") == 0,
	};
	/* Tables that are missing were reported before the checks that need them. */
	/* The catalogue of indexes is PostgreSQL's own. */
	if (*checking->table && checking->is_index)
		return;
	if (*checking->table || !(checking->check->optional || table))
		checking->found(checking->context, &finding);
}

static void checking_on_end(void *context, const struct weir_postgres_end *end)
{
	struct checking *checking = context;
	if (end->error && end->error != WEIR_E_DATABASE) {
		checking_end(checking, end->error, end->text);
		return;
	}
	if (end->error)
		checking_report(checking, end);
	checking_next(checking);
}

static const struct weir_postgres_events checking_events = {
        .row = checking_on_row,
        .end = checking_on_end,
};

static const char checking_table[] = "SELECT 1 FROM %s WHERE false";

/* A row comes if it is not there. An index whose making was interrupted is not valid. */
static const char checking_index[] =
        "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pg_class AS c JOIN pg_index AS i ON"
        " i.indexrelid = c.oid WHERE c.relname = '%s' AND pg_table_is_visible(c.oid) AND"
        " i.indisvalid)";

static void checking_next(struct checking *checking)
{
	struct weir_postgres_call *call;
	char look[512];
	bool table = checking_find_table(checking);
	if (!table && !checking_advance(checking)) {
		checking_end(checking, 0, "");
		return;
	}
	if (table)
		snprintf(look, sizeof look, checking->is_index ? checking_index : checking_table,
		        checking->table);
	struct weir_postgres_statement statement = {
	        table ? look : checking->check->statement, NULL, 0};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	options.idempotent = true;
	int error = weir_postgres_call_start(
	        checking->pool, &options, &checking_events, checking, &call);
	if (error < 0)
		checking_end(checking, error, weir_error_text(error));
}

static void checking_on_part(void *context, const struct weir_database_part *part)
{
	struct checking *checking = context;
	for (unsigned i = 0; i < SCHEMA_PARTS; i++)
		if (strcmp(schema_parts[i]->name, part->name) == 0)
			checking->there[i] = part->have;
}

static void checking_on_looked(void *context, int error, const char *text)
{
	struct checking *checking = context;
	if (error)
		checking_end(checking, error, text);
	else
		checking_next(checking);
}

int weir_database_check(struct weir_database *database, struct weir_loop *loop,
        weir_database_finding_fn *found, weir_database_done_fn *done, void *context)
{
	struct weir_postgres *pool;
	int error = weir_database_pool(database, loop, &pool);
	if (error < 0)
		return error;
	struct checking *checking = calloc(1, sizeof *checking);
	if (!checking)
		return -ENOMEM;
	*checking = (struct checking){.database = database,
	        .pool = pool,
	        .found = found,
	        .done = done,
	        .context = context};
	error = weir_database_look(database, loop, checking_on_part, checking_on_looked, checking);
	if (error < 0)
		free(checking);
	return error;
}
