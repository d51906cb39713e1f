/*
 * Mail in a database whose synchronous standby is away: a commit that was ended while it waited is
 * seen, but a standby that is promoted does not have it. It is not acknowledged.
 */
#include "front.h"

#include <poll.h>

#include <weir/database_mail.h>

#include "../store/mail.h"

/* A standby that is not there. Without it the commits that wait end well. */
static void await_standby(bool away)
{
	database_configure(&migrated.server, "synchronous_standby_names", away ? "absent" : "");
	database_configure(&migrated.server, "synchronous_commit", away ? "on" : "off");
}

#define WAITING " FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

static bool a_commit_waits(void)
{
	return database_waits(&migrated.server, "SyncRep") == 1;
}

/* The commit that waits ends with its connection; it is seen then. */
static void end_commit(const char *table)
{
	char sql[64];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
	assert_string_equal(migrated_run(sql), "0");
	migrated_run("SELECT pg_terminate_backend(pid)" WAITING);
	while (strcmp(migrated_run(sql), "0") == 0)
		poll(NULL, 0, 10);
}

/* The server is lost while the look waits: the standby that is promoted does not have the row. */
static void lose(const char *table)
{
	char sql[256];
	snprintf(sql, sizeof sql,
	        "SELECT set_config('synchronous_commit', 'off', true);"
	        "SELECT pg_terminate_backend(pid)" WAITING ";DELETE FROM %s",
	        table);
	migrated_run(sql);
}

/* `lost`: the commit that waits, and what it has stored. */
static void store_without_standby(void **state, bool lost)
{
	static const struct weir_mail_store_options options = {
	        .message_max = 1 << 20, .mailbox_max = 1 << 20, .messages_max = 1000};
	struct mail mail = {0};
	scratch_setup(state);
	struct weir_database *database = migrated_open(NULL);
	assert_int_equal(weir_database_mail_create(database, &options, &store), 0);
	await_standby(true);
	assert_int_equal(mail_begin(&mail, "alice"), 0);
	assert_int_equal(mail_write(&mail, "x", 1), 0);
	mail_commit(&mail);
	assert_true(TURN_UNTIL(loop, a_commit_waits()));
	end_commit("weir_message");
	assert_true(TURN_UNTIL(loop, mail.done || a_commit_waits()));
	assert_int_equal(mail.done, 0);
	if (lost)
		lose("weir_message; DELETE FROM weir_body_chunk");
	await_standby(false);
	assert_true(TURN_UNTIL(loop, mail.done));
	assert_int_equal(mail.errors[0], lost ? -ETIMEDOUT : 0);
	assert_string_equal(migrated_run("SELECT count(*) FROM weir_message"), lost ? "0" : "1");
	migrated_run("DELETE FROM weir_message");
	weir_mail_store_destroy(store);
	weir_database_leave(database, loop);
	weir_database_release(database);
	scratch_teardown(state);
}

static void a_message_that_no_standby_has(void **state)
{
	store_without_standby(state, false);
	store_without_standby(state, true);
}

static void put_without_standby(bool lost)
{
	struct weir_database_queue_options options;
	struct front front;
	struct front_put put = {0};
	weir_database_queue_options_init(&options);
	front_open(&front, migrated_open(NULL), &options);
	await_standby(true);
	assert_int_equal(front_begin(&front, &put, "al", 1), 0);
	assert_int_equal(front_write(&front, &put, 10), 0);
	front_commit(&front, &put);
	FRONT_TURN(&front, a_commit_waits());
	end_commit("weir_queue");
	FRONT_TURN(&front, put.done || a_commit_waits());
	assert_int_equal(put.done, 0);
	if (lost)
		lose("weir_queue");
	await_standby(false);
	FRONT_TURN(&front, put.done);
	assert_int_equal(put.error, lost ? -ETIMEDOUT : 0);
	assert_string_equal(migrated_run("SELECT count(*) FROM weir_queue"), lost ? "0" : "1");
	migrated_run("DELETE FROM weir_queue");
	front_close(&front);
}

static void a_queued_message_that_no_standby_has(void **state)
{
	(void)state;
	put_without_standby(false);
	put_without_standby(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_message_that_no_standby_has),
	        cmocka_unit_test(a_queued_message_that_no_standby_has),
	};
	return cmocka_run_group_tests(tests, migrated_setup, migrated_teardown);
}
