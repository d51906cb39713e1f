/* Obtaining certificates together: the lease, what its holder changes, and what the others read. */
#include "migrated.h"

#include <errno.h>

#include <weir/database_acme.h>
#include <weir/database_certificates.h>

#include "allocation.h"
#include "helper.h"

enum {
	LEASE_S = 60,
};

/* A front end. */
struct one {
	struct weir_database *database;
	struct weir_loop *loop;
	bool done;
	int error;
	bool taken_over;
	char text[4096];
};

static void one_open(struct one *one)
{
	static const unsigned char key[WEIR_DATABASE_SEAL_SIZE] = "key";
	*one = (struct one){.database = migrated_open(NULL)};
	weir_database_set_seal(one->database, key);
	assert_int_equal(weir_loop_create(&one->loop), 0);
}

static void one_close(struct one *one)
{
	migrated_close(one->database, one->loop);
}

static void on_done(void *context, int error, const char *text)
{
	struct one *one = context;
	assert_int_equal(error == 0, *text == '\0');
	one->done = true;
	one->error = error;
}

/* Turns until the call that `error` has started has ended. Returns its error. */
static int await(struct one *one, int error)
{
	one->done = false;
	while (error == 0 && !one->done)
		weir_loop_turn(one->loop, 100);
	return error ? error : one->error;
}

static void on_claimed(void *context, int error, const char *text, bool taken_over)
{
	struct one *one = context;
	assert_true(error == 0 || !taken_over);
	one->taken_over = taken_over;
	on_done(context, error, text);
}

static int claim(struct one *one, uint32_t lease_s)
{
	struct weir_database_call *call;
	return await(one, weir_database_acme_claim(
	                          one->database, one->loop, lease_s, on_claimed, one, &call));
}

static int release(struct one *one)
{
	struct weir_database_call *call;
	return await(
	        one, weir_database_acme_release(one->database, one->loop, on_done, one, &call));
}

static int store(struct one *one, const struct weir_database_acme_change *changes, unsigned count)
{
	struct weir_database_call *call;
	return await(one, weir_database_acme_store(one->database, one->loop, LEASE_S, changes,
	                          count, on_done, one, &call));
}

static int put(struct one *one, const char *path, const char *content)
{
	struct weir_database_acme_change change = {
	        .name = path, .content = content ? weir_span_of(content) : weir_span(NULL, 0)};
	return store(one, &change, 1);
}

static void on_row(void *context, const struct weir_postgres_row *row)
{
	struct one *one = context;
	struct weir_span kind = weir_postgres_row_value(row, 0);
	struct weir_span name = weir_postgres_row_value(row, 1);
	bool is_file = weir_span_equal(kind, WEIR_SPAN("file"));
	struct weir_buffer content = {0};
	size_t used = strlen(one->text);
	assert_int_equal(is_file ? weir_database_acme_content(one->database, name,
	                                   weir_postgres_row_value(row, 2), &content)
	                         : weir_database_certificate_key(one->database, name,
	                                   weir_postgres_row_value(row, 3), &content),
	        0);
	snprintf(one->text + used, sizeof one->text - used, "%.*s=%.*s ", (int)name.size, name.data,
	        (int)content.size, content.data ? content.data : "");
	weir_buffer_finish(&content);
}

static void on_again(void *context)
{
	((struct one *)context)->text[0] = 0;
}

static const char *load(struct one *one)
{
	struct weir_database_call *call;
	one->text[0] = 0;
	assert_int_equal(await(one, weir_database_acme_load(one->database, one->loop, on_row,
	                                    on_again, on_done, one, &call)),
	        0);
	return one->text;
}

static int64_t version(const char *snapshot)
{
	char sql[128];
	snprintf(sql, sizeof sql,
	        "SELECT coalesce(max(version), 0) FROM weir_snapshot WHERE name = '%s'", snapshot);
	return strtoll(migrated_run(sql), NULL, 10);
}

/* -- the lease --------------------------------------------------------------------------------- */

static void one_at_a_time_has_the_lease(void **state)
{
	struct one a, b;
	(void)state;
	one_open(&a);
	one_open(&b);
	assert_int_equal(claim(&a, LEASE_S), 0);
	assert_int_equal(claim(&b, LEASE_S), -EBUSY);
	assert_int_equal(claim(&a, LEASE_S), 0);
	assert_int_equal(release(&b), 0); /* of which it has none */
	assert_int_equal(claim(&b, LEASE_S), -EBUSY);
	assert_int_equal(release(&a), 0);
	/* A renewal that is late. */
	assert_int_equal(store(&a, NULL, 0), -ESTALE);
	assert_int_equal(claim(&b, LEASE_S), 0);
	assert_false(b.taken_over);
	assert_int_equal(release(&b), 0);
	one_close(&a);
	one_close(&b);
}

static void a_lease_that_has_ended_is_taken_over(void **state)
{
	struct one a, b;
	(void)state;
	one_open(&a);
	one_open(&b);
	assert_int_equal(claim(&a, LEASE_S), 0);
	migrated_run("UPDATE weir_acme_lease SET ends = now() - interval '1 s'");
	/* Nobody has taken it: it is renewed. */
	assert_int_equal(put(&a, "state/a", "1"), 0);
	assert_int_equal(claim(&b, LEASE_S), -EBUSY);
	migrated_run("UPDATE weir_acme_lease SET ends = now() - interval '1 s'");
	assert_int_equal(claim(&a, LEASE_S), 0);
	assert_false(a.taken_over);
	migrated_run("UPDATE weir_acme_lease SET ends = now() - interval '1 s'");
	assert_int_equal(claim(&b, LEASE_S), 0);
	assert_true(b.taken_over);
	int64_t before = version(WEIR_DATABASE_ACME_SNAPSHOT);
	struct weir_database_acme_change changes[] = {
	        {.name = "state/a", .content = WEIR_SPAN("2")},
	        {.name = "a.example", .content = WEIR_SPAN("chain"), .key = WEIR_SPAN("key")}};
	assert_int_equal(store(&a, changes, 2), -ESTALE);
	assert_int_equal(put(&a, "state/a", NULL), -ESTALE);
	assert_int_equal(store(&a, NULL, 0), -ESTALE);
	assert_string_equal(load(&a), "state/a=1 ");
	assert_int_equal(version(WEIR_DATABASE_ACME_SNAPSHOT), before);
	assert_int_equal(put(&b, "state/a", NULL), 0);
	assert_string_equal(load(&a), "");
	assert_int_equal(release(&b), 0);
	one_close(&a);
	one_close(&b);
}

/* -- changes ----------------------------------------------------------------------------------- */

static void changes_are_one_transaction(void **state)
{
	struct one a, b;
	(void)state;
	one_open(&a);
	one_open(&b);
	int64_t files = version(WEIR_DATABASE_ACME_SNAPSHOT);
	int64_t certificates = version(WEIR_DATABASE_CERTIFICATES_SNAPSHOT);
	assert_int_equal(claim(&a, LEASE_S), 0);
	struct weir_database_acme_change changes[] = {
	        {.name = "accounts/ca/key.pem", .content = WEIR_SPAN("secret")},
	        {.name = "state/a", .content = WEIR_SPAN("")},
	        {.name = "a.example", .content = WEIR_SPAN("chain"), .key = WEIR_SPAN("key")},
	        {.name = "challenges/none", .content = {NULL, 0}}};
	assert_int_equal(store(&a, changes, 4), 0);
	assert_string_equal(load(&b), "a.example=key accounts/ca/key.pem=secret state/a= ");
	assert_true(version(WEIR_DATABASE_ACME_SNAPSHOT) > files);
	assert_true(version(WEIR_DATABASE_CERTIFICATES_SNAPSHOT) > certificates);
	assert_string_equal(migrated_run("SELECT count(*) FROM weir_acme_file"
	                                 " WHERE content LIKE '%secret%'"),
	        "0");
	/* A renewal alone is no news. */
	files = version(WEIR_DATABASE_ACME_SNAPSHOT);
	assert_int_equal(store(&a, NULL, 0), 0);
	assert_int_equal(version(WEIR_DATABASE_ACME_SNAPSHOT), files);
	changes[0].content = WEIR_SPAN("other");
	changes[1].content = weir_span(NULL, 0);
	assert_int_equal(store(&a, changes, 2), 0);
	assert_string_equal(load(&b), "a.example=key accounts/ca/key.pem=other ");
	assert_int_equal(release(&a), 0);
	migrated_run("DELETE FROM weir_acme_file; DELETE FROM weir_certificate");
	one_close(&a);
	one_close(&b);
}

static void changes_have_a_bound(void **state)
{
	struct weir_database_acme_change changes[WEIR_DATABASE_ACME_CHANGES_MAX + 1];
	char names[WEIR_DATABASE_ACME_CHANGES_MAX + 1][16];
	struct one a;
	(void)state;
	one_open(&a);
	for (unsigned i = 0; i <= WEIR_DATABASE_ACME_CHANGES_MAX; i++) {
		snprintf(names[i], sizeof names[i], "name%u", i);
		changes[i] = (struct weir_database_acme_change){
		        .name = names[i], .content = WEIR_SPAN("c"), .key = WEIR_SPAN("k")};
	}
	assert_int_equal(claim(&a, LEASE_S), 0);
	assert_int_equal(store(&a, changes, WEIR_DATABASE_ACME_CHANGES_MAX), 0);
	assert_int_equal(store(&a, changes, WEIR_DATABASE_ACME_CHANGES_MAX + 1), WEIR_E_LIMIT);
	assert_int_equal(release(&a), 0);
	migrated_run("DELETE FROM weir_certificate");
	one_close(&a);
}

static void memory_may_fail(void **state)
{
	struct one a;
	bool failed = true;
	(void)state;
	one_open(&a);
	assert_int_equal(claim(&a, LEASE_S), 0);
	for (unsigned good = 0; failed; good++) {
		fail_allocation_after(good, false);
		int error = put(&a, "state/a", "1");
		failed = stop_failing_allocations();
		assert_true(failed || error == 0);
	}
	assert_string_equal(load(&a), "state/a=1 ");
	assert_int_equal(put(&a, "state/a", NULL), 0);
	assert_int_equal(release(&a), 0);
	one_close(&a);
}

/* -- zones ------------------------------------------------------------------------------------- */

static void on_zone(void *context, struct weir_span zone)
{
	struct one *one = context;
	text_copy_span(one->text, sizeof one->text, zone);
}

static const char *zone_of(struct one *one, const char *name)
{
	struct weir_database_call *call;
	one->text[0] = 0;
	assert_int_equal(await(one, weir_database_acme_zone(one->database, one->loop, name, on_zone,
	                                    on_done, one, &call)),
	        0);
	return one->text;
}

static void the_innermost_zone_is_found(void **state)
{
	struct one a;
	struct weir_database_call *call;
	(void)state;
	one_open(&a);
	migrated_run(
	        "INSERT INTO weir_zone (name, version, serial) VALUES ('example.org.', gen_random_uuid(), 1),"
	        " ('sub.example.org.', gen_random_uuid(), 1), ('ample.org.', gen_random_uuid(), 1)");
	assert_string_equal(zone_of(&a, "example.org."), "example.org.");
	assert_string_equal(zone_of(&a, "a.b.example.org."), "example.org.");
	assert_string_equal(zone_of(&a, "a.sub.example.org."), "sub.example.org.");
	assert_string_equal(zone_of(&a, "sub.example.net."), "");
	assert_int_equal(
	        weir_database_acme_zone(a.database, a.loop, "", on_zone, on_done, &a, &call),
	        -EINVAL);
	one_close(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(one_at_a_time_has_the_lease),
	        cmocka_unit_test(a_lease_that_has_ended_is_taken_over),
	        cmocka_unit_test(changes_are_one_transaction),
	        cmocka_unit_test(changes_have_a_bound),
	        cmocka_unit_test(memory_may_fail),
	        cmocka_unit_test(the_innermost_zone_is_found),
	};
	return cmocka_run_group_tests(tests, migrated_setup, migrated_teardown);
}
