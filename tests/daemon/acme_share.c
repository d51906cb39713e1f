/*
 * Obtaining certificates together, against a server: an order's changes are brought by one front
 * end, and written by another one. Each allocation fails once: an operation ends once, or the claim
 * is lost; what was published is there; nothing leaks.
 */
#include "../database/migrated.h"

#include <errno.h>
#include <unistd.h>

#include <weir/error.h>

#include "acme_rows.h"
#include "acme_share.h"
#include "acme_share_state.h"
#include "allocation.h"
#include "clock.h"
#include "helper.h"

#define NAME "a.example.org"

enum {
	TURNS_MAX = 20000,
};

static const char *names[] = {NAME};

/* A front end. */
struct one {
	struct weir_database *database;
	struct weir_loop *loop;
	struct config *config;
	struct acme_store *store;
	struct acme_share *share;
	char directory[32];
	unsigned ends, losses, changes;
	int error;
};

/* -- front ends -------------------------------------------------------------------------------- */

static void one_open(struct one *one)
{
	static const unsigned char key[WEIR_DATABASE_SEAL_SIZE] = "key";
	*one = (struct one){.database = migrated_open(NULL), .config = config_create()};
	weir_database_set_seal(one->database, key);
	assert_int_equal(weir_loop_create(&one->loop), 0);
	strcpy(one->directory, "/tmp/weir-share-XXXXXX");
	assert_non_null(mkdtemp(one->directory));
	assert_int_equal(acme_store_open(one->directory, &one->store), 0);
	one->config->store.database = one->database;
	one->config->store.refresh_ms = 100;
	one->config->acme.lease_ms = 60 * 1000;
	one->config->acme.directory = one->directory;
	one->config->acme.managed.items = names;
	one->config->acme.managed.count = 1;
}

static void one_close(struct one *one)
{
	char command[128];
	acme_share_destroy(one->share);
	acme_store_close(one->store);
	migrated_close(one->database, one->loop);
	config_release(one->config);
	snprintf(command, sizeof command, "rm -rf %s", one->directory);
	assert_int_equal(system(command), 0);
}

static void on_changed(void *context, bool installed)
{
	(void)installed;
	((struct one *)context)->changes++;
}

static void on_lost(void *context)
{
	((struct one *)context)->losses++;
}

static int one_share(struct one *one)
{
	struct acme_share_events events = {.changed = on_changed, .lost = on_lost, .context = one};
	one->share = NULL;
	return acme_share_create_database(one->loop, one->config, one->store, &events, &one->share);
}

static void on_end(void *context, int error, const char *why)
{
	struct one *one = context;
	assert_int_equal(error == 0, *why == '\0');
	one->ends++;
	one->error = error;
}

static void one_turn(struct one *one)
{
	weir_loop_turn(one->loop, 1);
	if (!migrated_awaits_server(one->database, one->loop))
		clock_advance(50);
}

/* Turns until the operation that `begin` starts has ended, once, or the claim is lost. */
static int one_await(struct one *one,
        void (*begin)(struct acme_share *share, acme_share_fn *done, void *context))
{
	one->ends = 0;
	unsigned losses = one->losses;
	begin(one->share, on_end, one);
	assert_int_equal(one->ends, 0);
	for (unsigned i = 0; i < TURNS_MAX && !one->ends && one->losses == losses; i++)
		one_turn(one);
	assert_int_equal(one->ends + one->losses - losses, 1);
	return one->ends ? one->error : -ESTALE;
}

/* -- an order's changes ------------------------------------------------------------------------ */

/* The first content is the certificate's, which no check looks at here. */
static bool one_change(struct one *one, const char *content)
{
	struct weir_span bytes = weir_span_of(content);
	return acme_store_make_folder(one->store, "accounts/ca") == 0 &&
	       acme_store_write(one->store, "accounts/ca/key.pem", bytes) == 0 &&
	       acme_store_write(one->store, "challenges/http-token", bytes) == 0 &&
	       acme_store_write(one->store, "state/" NAME, bytes) == 0 &&
	       acme_store_install(one->store, NAME, bytes, bytes) == 0;
}

static void assert_rows(const char *content)
{
	char sql[256];
	snprintf(sql, sizeof sql,
	        "SELECT (SELECT count(*) FROM weir_acme_file), (SELECT chain FROM"
	        " weir_certificate WHERE name = '" NAME "') = '%s'",
	        content);
	assert_string_equal(migrated_run(sql), "3|t");
}

static void empty_tables(void)
{
	migrated_run(
	        "DELETE FROM weir_acme_file; DELETE FROM weir_certificate; DELETE FROM weir_acme_lease");
}

static const char *leases(void)
{
	return migrated_run("SELECT count(*) FROM weir_acme_lease");
}

static bool has_file(const struct one *one, const char *path, const char *content)
{
	struct weir_buffer text = {0};
	bool has = acme_store_read(one->store, path, &text) == 0 &&
	           weir_span_equal(weir_buffer_span(&text), weir_span_of(content));
	weir_buffer_finish(&text);
	return has;
}

static void another_one_has_what_was_published(void **state)
{
	struct one a, b;
	(void)state;
	one_open(&a);
	one_open(&b);
	assert_int_equal(one_share(&a), 0);
	assert_int_equal(one_share(&b), 0);
	assert_int_equal(one_await(&a, acme_share_claim), 0);
	assert_int_equal(one_await(&b, acme_share_claim), -EBUSY);
	assert_true(one_change(&a, "1"));
	assert_int_equal(one_await(&a, acme_share_publish), 0);
	assert_rows("1");
	for (unsigned i = 0; i < TURNS_MAX && !has_file(&b, "challenges/http-token", "1"); i++)
		one_turn(&b);
	assert_true(has_file(&b, "accounts/ca/key.pem", "1"));
	acme_store_remove(a.store, "challenges/http-token");
	/* It is published, and given up. */
	assert_int_equal(one_await(&a, acme_share_stop), 0);
	assert_string_equal(leases(), "0");
	for (unsigned i = 0; i < TURNS_MAX && has_file(&b, "challenges/http-token", "1"); i++)
		one_turn(&b);
	assert_false(has_file(&b, "challenges/http-token", "1"));
	assert_int_equal(one_await(&b, acme_share_claim), 0);
	assert_int_equal(one_await(&b, acme_share_stop), 0);
	one_close(&a);
	one_close(&b);
	empty_tables();
}

/* -- stops ------------------------------------------------------------------------------------- */

/* After so many turns in a claim, with or without changes, the lease is given up. */
static void a_stop_may_come_at_any_moment(void **state)
{
	bool over = false;
	(void)state;
	for (unsigned turns = 0; !over; turns++) {
		struct one a;
		one_open(&a);
		assert_int_equal(one_share(&a), 0);
		a.ends = 0;
		acme_share_claim(a.share, on_end, &a);
		for (unsigned i = 0; i < turns && !a.ends; i++)
			weir_loop_turn(a.loop, 1);
		over = a.ends;
		if (over) {
			assert_true(one_change(&a, "1"));
			acme_share_publish(a.share, on_end, &a);
		}
		assert_int_equal(one_await(&a, acme_share_stop), 0);
		assert_string_equal(leases(), "0");
		if (over)
			assert_rows("1");
		one_close(&a);
	}
	empty_tables();
}

static void a_stop_has_a_bound(void **state)
{
	struct one a;
	(void)state;
	one_open(&a);
	assert_int_equal(one_share(&a), 0);
	assert_int_equal(one_await(&a, acme_share_claim), 0);
	assert_true(one_change(&a, "1"));
	migrated_run("ALTER TABLE weir_acme_lease RENAME TO weir_acme_away");
	assert_int_equal(one_await(&a, acme_share_stop), -ETIMEDOUT);
	migrated_run("ALTER TABLE weir_acme_away RENAME TO weir_acme_lease");
	one_close(&a);
	empty_tables();
}

/* -- memory ------------------------------------------------------------------------------------ */

/* Claims, changes, publishes and stops. Returns whether the changes were published. */
static bool one_order(struct one *one, const char *content)
{
	bool published = false;
	if (one_share(one) < 0)
		return false;
	if (one_await(one, acme_share_claim) == 0 && one_change(one, content))
		published = one_await(one, acme_share_publish) == 0;
	one_await(one, acme_share_stop);
	acme_share_destroy(one->share);
	one->share = NULL;
	return published;
}

static void memory_may_fail(void **state)
{
	bool failed = true;
	struct one a;
	unsigned good = 0;
	(void)state;
	one_open(&a);
	assert_true(one_order(&a, "0")); /* there is a connection */
	for (; failed; good++) {
		char content[16];
		empty_tables();
		snprintf(content, sizeof content, "%u", good);
		fail_allocation_after(good, false);
		bool published = one_order(&a, content);
		failed = stop_failing_allocations();
		assert_true(failed || published);
		if (published)
			assert_rows(content);
		if (!failed)
			assert_string_equal(leases(), "0");
	}
	assert_true(good > 30);
	one_close(&a);
	empty_tables();
}

/* A front end that has no memory for a moment follows again afterwards. */
static void following_goes_on(void **state)
{
	bool failed = true;
	struct one a, b;
	(void)state;
	one_open(&a);
	one_open(&b);
	for (unsigned good = 0; failed; good++) {
		char content[16];
		snprintf(content, sizeof content, "%u", good);
		assert_true(one_order(&a, content));
		fail_allocation_after(good, false);
		int error = one_share(&b);
		for (unsigned i = 0; i < 60 && error == 0; i++)
			one_turn(&b);
		failed = stop_failing_allocations();
		if (error == -ENOMEM)
			continue;
		assert_int_equal(error, 0);
		for (unsigned i = 0; i < TURNS_MAX && !has_file(&b, "state/" NAME, content); i++)
			one_turn(&b);
		assert_true(has_file(&b, "state/" NAME, content));
		acme_share_destroy(b.share);
		b.share = NULL;
	}
	one_close(&a);
	one_close(&b);
	empty_tables();
}

static void await_untaken(struct one *one, bool untaken)
{
	const struct share_database *share = share_of(one->share);
	for (unsigned i = 0; i < TURNS_MAX && share->untaken != untaken; i++)
		one_turn(one);
	assert_int_equal(share->untaken, untaken);
}

/* It is also reported that rows are taken again if the claim was given up meanwhile. */
static void a_failure_is_reported_to_its_end(void **state)
{
	struct one one;
	(void)state;
	one_open(&one);
	assert_int_equal(one_share(&one), 0);
	migrated_run("ALTER TABLE weir_snapshot RENAME TO gone");
	await_untaken(&one, true);
	acme_share_release(one.share);
	migrated_run("ALTER TABLE gone RENAME TO weir_snapshot");
	await_untaken(&one, false);
	one_close(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(another_one_has_what_was_published),
	        cmocka_unit_test(a_stop_may_come_at_any_moment),
	        cmocka_unit_test(a_stop_has_a_bound),
	        cmocka_unit_test(memory_may_fail),
	        cmocka_unit_test(following_goes_on),
	        cmocka_unit_test(a_failure_is_reported_to_its_end),
	};
	return cmocka_run_group_tests(tests, migrated_setup, migrated_teardown);
}
