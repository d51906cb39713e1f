/*
 * Obtaining certificates together. Every statement that changes something asks for the lease, and
 * the first one of a transaction locks its row: so a change and a takeover never cross.
 *
 * A front end whose lease has ended still has it until another one takes it.
 */
#include <weir/database_acme.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/database_certificates.h>
#include <weir/database_secrets.h>
#include <weir/error.h>

#include "call.h"
#include "seal.h"

/* A condition, whose $1 is the owner. */
#define ACME_HELD "weir_acme_lease WHERE name = 'order' AND owner = $1"

enum {
	ACME_NUMBER = 16,
	ACME_LABELS_MAX = 127,
	ACME_STATEMENTS_MAX = WEIR_DATABASE_ACME_CHANGES_MAX + 3,
};

/* -- the lease --------------------------------------------------------------------------------- */

/* The row of a lease that was given up is gone: one that has ended is of a front end that died. */
static const char *const acme_claim_text =
        "WITH ended AS (SELECT owner FROM weir_acme_lease"
        " WHERE name = 'order' AND ends <= now() AND owner <> $1::text),"
        " claimed AS (INSERT INTO weir_acme_lease (name, owner, ends)"
        " VALUES ('order', $1, now() + $2::int * interval '1 s')"
        " ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, ends = excluded.ends"
        " WHERE weir_acme_lease.ends <= now() OR weir_acme_lease.owner = excluded.owner"
        " RETURNING 1) SELECT EXISTS (SELECT 1 FROM ended) FROM claimed";

struct acme_claiming {
	struct weir_database_call base;
	weir_database_acme_claim_fn *done;
	void *context;
	bool taken_over;
};

static void acme_claim_on_row(struct weir_database_call *call, const struct weir_postgres_row *row)
{
	((struct acme_claiming *)call)->taken_over =
	        weir_span_equal(weir_postgres_row_value(row, 0), WEIR_SPAN("t"));
}

static void acme_claim_on_again(struct weir_database_call *call)
{
	((struct acme_claiming *)call)->taken_over = false;
}

static void acme_claim_on_end(struct weir_database_call *call, const struct weir_postgres_end *end)
{
	if (end->rows[0])
		database_call_end(call, 0, "");
	else
		database_call_end(call, -EBUSY, "another front end has the lease");
}

static void acme_claim_on_done(void *context, int error, const char *text)
{
	struct acme_claiming *claiming = context;
	claiming->done(claiming->context, error, text, error == 0 && claiming->taken_over);
}

int weir_database_acme_claim(struct weir_database *database, struct weir_loop *loop,
        uint32_t lease_s, weir_database_acme_claim_fn *done, void *context,
        struct weir_database_call **ret)
{
	struct weir_database_call *call;
	char seconds[ACME_NUMBER];
	snprintf(seconds, sizeof seconds, "%u", (unsigned)lease_s);
	struct weir_postgres_value values[] = {
	        weir_postgres_text(weir_database_owner(database)), weir_postgres_text(seconds)};
	struct weir_postgres_statement statement = {acme_claim_text, values, 2};
	int error = database_call_create(
	        database, loop, sizeof(struct acme_claiming), acme_claim_on_done, NULL, &call);
	if (error < 0)
		return error;
	struct acme_claiming *claiming = (struct acme_claiming *)call;
	call->context = claiming;
	claiming->done = done;
	claiming->context = context;
	call->row = acme_claim_on_row;
	call->again = acme_claim_on_again;
	call->ended = acme_claim_on_end;
	return database_call_begin(call, &statement, 1, false, ret);
}

static const char *const acme_release_text =
        "DELETE FROM weir_acme_lease WHERE name = 'order' AND owner = $1";

int weir_database_acme_release(struct weir_database *database, struct weir_loop *loop,
        weir_database_done_fn *done, void *context, struct weir_database_call **ret)
{
	struct weir_database_call *call;
	struct weir_postgres_value owner = weir_postgres_text(weir_database_owner(database));
	struct weir_postgres_statement statement = {acme_release_text, &owner, 1};
	int error = database_call_create(database, loop, sizeof *call, done, context, &call);
	return error ? error : database_call_begin(call, &statement, 1, false, ret);
}

/* -- reading ----------------------------------------------------------------------------------- */

struct acme_loading {
	struct weir_database_call base;
	weir_database_acme_row_fn *row;
	void (*again)(void *context);
	weir_database_acme_zone_fn *zone;
};

static void acme_load_on_row(struct weir_database_call *call, const struct weir_postgres_row *row)
{
	((struct acme_loading *)call)->row(call->context, row);
}

static void acme_load_on_again(struct weir_database_call *call)
{
	((struct acme_loading *)call)->again(call->context);
}

int weir_database_acme_load(struct weir_database *database, struct weir_loop *loop,
        weir_database_acme_row_fn *row, void (*again)(void *context), weir_database_done_fn *done,
        void *context, struct weir_database_call **ret)
{
	static const struct weir_postgres_statement statement = {
	        WEIR_DATABASE_ACME_SELECT, NULL, 0};
	struct weir_database_call *call;
	int error = database_call_create(
	        database, loop, sizeof(struct acme_loading), done, context, &call);
	if (error < 0)
		return error;
	struct acme_loading *loading = (struct acme_loading *)call;
	loading->row = row;
	loading->again = again;
	call->row = acme_load_on_row;
	call->again = acme_load_on_again;
	return database_call_begin(call, &statement, 1, true, ret);
}

int weir_database_acme_content(const struct weir_database *database, struct weir_span path,
        struct weir_span text, struct weir_buffer *content)
{
	return weir_database_unseal(database, WEIR_DATABASE_SEAL_ACME, path, text, content);
}

/* -- zones ------------------------------------------------------------------------------------- */

static void acme_zone_on_row(struct weir_database_call *call, const struct weir_postgres_row *row)
{
	((struct acme_loading *)call)->zone(call->context, weir_postgres_row_value(row, 0));
}

/* Appends the statement for so many names. */
static int acme_format_zone(struct weir_buffer *text, unsigned count)
{
	static const char begin[] = "SELECT name FROM weir_zone WHERE name IN (",
	                  end[] = ") ORDER BY length(name) DESC LIMIT 1";
	int error = weir_buffer_append(text, begin, sizeof begin - 1, WEIR_POSTGRES_CALL_BYTES);
	for (unsigned i = 1; i <= count && error == 0; i++)
		error = weir_buffer_format(
		        text, WEIR_POSTGRES_CALL_BYTES, "%s$%u", i > 1 ? ", " : "", i);
	return error ? error : weir_buffer_append(text, end, sizeof end, WEIR_POSTGRES_CALL_BYTES);
}

int weir_database_acme_zone(struct weir_database *database, struct weir_loop *loop,
        const char *name, weir_database_acme_zone_fn *zone, weir_database_done_fn *done,
        void *context, struct weir_database_call **ret)
{
	struct weir_postgres_value values[ACME_LABELS_MAX];
	struct weir_buffer text = {0};
	struct weir_database_call *call;
	unsigned count = 0;
	for (struct weir_span rest = weir_span_of(name), label;
	        rest.size && count < ACME_LABELS_MAX; weir_span_cut(&rest, '.', &label))
		values[count++] = (struct weir_postgres_value){rest, false};
	int error = count ? acme_format_zone(&text, count) : -EINVAL;
	if (error == 0)
		error = database_call_create(
		        database, loop, sizeof(struct acme_loading), done, context, &call);
	if (error == 0) {
		struct weir_postgres_statement statement = {text.data, values, count};
		((struct acme_loading *)call)->zone = zone;
		call->row = acme_zone_on_row;
		error = database_call_begin(call, &statement, 1, false, ret);
	}
	weir_buffer_finish(&text);
	return error;
}

/* -- changing ---------------------------------------------------------------------------------- */

static const char *const acme_renew_text =
        "UPDATE weir_acme_lease SET ends = now() + $2::int * interval '1 s'"
        " WHERE name = 'order' AND owner = $1";

static const char *const acme_put_text =
        "INSERT INTO weir_acme_file (path, content) SELECT $2::text, $3::text FROM " ACME_HELD
        " ON CONFLICT (path) DO UPDATE SET content = excluded.content, changed = now()";

static const char *const acme_remove_text =
        "DELETE FROM weir_acme_file WHERE path = $2 AND EXISTS (SELECT 1 FROM " ACME_HELD ")";

static const char *const acme_certificate_text =
        "INSERT INTO weir_certificate (name, chain, key)"
        " SELECT $2::text, $3::text, $4::text FROM " ACME_HELD " ON CONFLICT (name) DO UPDATE SET"
        " chain = excluded.chain, key = excluded.key, stored = now()";

static const char *const acme_raise_text =
        "INSERT INTO weir_snapshot (name, version)"
        " SELECT $2::text, (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM " ACME_HELD
        " ON CONFLICT (name) DO UPDATE"
        " SET version = " DATABASE_NEXT_VERSION;

/* A transaction that is being put together. */
struct acme_storing {
	struct weir_postgres_statement statements[ACME_STATEMENTS_MAX];
	struct weir_postgres_value values[ACME_STATEMENTS_MAX][4];
	struct weir_buffer sealed[ACME_STATEMENTS_MAX];
	unsigned count;
	const char *owner;
};

/* Adds a statement whose first two values are the owner and a text. */
static void acme_storing_add(
        struct acme_storing *storing, const char *text, const char *value, unsigned values)
{
	unsigned i = storing->count++;
	storing->values[i][0] = weir_postgres_text(storing->owner);
	storing->values[i][1] = weir_postgres_text(value);
	storing->statements[i] = (struct weir_postgres_statement){text, storing->values[i], values};
}

static int acme_storing_change(const struct weir_database *database, struct acme_storing *storing,
        const struct weir_database_acme_change *change)
{
	unsigned i = storing->count;
	bool is_certificate = change->key.data;
	if (!change->content.data) {
		acme_storing_add(storing, acme_remove_text, change->name, 2);
		return 0;
	}
	acme_storing_add(storing, is_certificate ? acme_certificate_text : acme_put_text,
	        change->name, is_certificate ? 4 : 3);
	int error = weir_database_seal(database,
	        is_certificate ? WEIR_DATABASE_SEAL_CERTIFICATE : WEIR_DATABASE_SEAL_ACME,
	        weir_span_of(change->name), is_certificate ? change->key : change->content,
	        &storing->sealed[i]);
	struct weir_postgres_value sealed = {weir_buffer_span(&storing->sealed[i]), false};
	struct weir_postgres_value chain = {change->content, false};
	storing->values[i][2] = is_certificate ? chain : sealed;
	storing->values[i][3] = sealed;
	return error;
}

static void acme_storing_on_end(
        struct weir_database_call *call, const struct weir_postgres_end *end)
{
	if (end->rows[0])
		database_call_end(call, 0, "");
	else
		database_call_end(call, -ESTALE, "another front end has the lease");
}

static int acme_storing_send(const struct acme_storing *storing, struct weir_database *database,
        struct weir_loop *loop, weir_database_done_fn *done, void *context,
        struct weir_database_call **ret)
{
	struct weir_database_call *call;
	int error = database_call_create(database, loop, sizeof *call, done, context, &call);
	if (error < 0)
		return error;
	call->ended = acme_storing_on_end;
	return database_call_begin(call, storing->statements, storing->count, false, ret);
}

int weir_database_acme_store(struct weir_database *database, struct weir_loop *loop,
        uint32_t lease_s, const struct weir_database_acme_change *changes, unsigned count,
        weir_database_done_fn *done, void *context, struct weir_database_call **ret)
{
	char seconds[ACME_NUMBER];
	bool certificates = false;
	if (count > WEIR_DATABASE_ACME_CHANGES_MAX)
		return WEIR_E_LIMIT;
	struct acme_storing *storing = calloc(1, sizeof *storing);
	if (!storing)
		return -ENOMEM;
	storing->owner = weir_database_owner(database);
	snprintf(seconds, sizeof seconds, "%u", (unsigned)lease_s);
	acme_storing_add(storing, acme_renew_text, seconds, 2);
	int error = 0;
	for (unsigned i = 0; i < count && error == 0; i++) {
		error = acme_storing_change(database, storing, &changes[i]);
		certificates |= changes[i].key.data != NULL;
	}
	if (count)
		acme_storing_add(storing, acme_raise_text, WEIR_DATABASE_ACME_SNAPSHOT, 2);
	if (certificates)
		acme_storing_add(storing, acme_raise_text, WEIR_DATABASE_CERTIFICATES_SNAPSHOT, 2);
	if (error == 0)
		error = acme_storing_send(storing, database, loop, done, context, ret);
	for (unsigned i = 0; i < ACME_STATEMENTS_MAX; i++)
		weir_database_erase(&storing->sealed[i]);
	free(storing);
	return error;
}
