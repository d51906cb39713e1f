/*
 * Mail in a database whose synchronous standby is away: a commit that was ended while it waited is
 * seen, but a standby that is promoted does not have it. It is not acknowledged.
 */
#include "front.h"

#include <poll.h>

#include <weir/database_mail.h>

#include "../store/mail.h"

/* Sets a parameter of the server, and waits until sessions have it. */
static void configure(const char *name, const char *value)
{
	char set[128], show[64];
	snprintf(set, sizeof set, "ALTER SYSTEM SET %s = '%s'", name, value);
	snprintf(show, sizeof show, "SHOW %s", name);
	migrated_run(set);
	migrated_run("SELECT pg_reload_conf()");
	while (strcmp(migrated_run(show), value) != 0)
		poll(NULL, 0, 10);
}

/* A standby that is not there. Without it the commits that wait end well. */
static void await_standby(bool away)
{
	configure("synchronous_standby_names", away ? "absent" : "");
	configure("synchronous_commit", away ? "on" : "off");
}

#define WAITING " FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

static bool a_commit_waits(void)
{
	return strcmp(migrated_run("SELECT count(*)" WAITING), "1") == 0;
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

static void a_message_that_no_standby_has(void **state)
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
	await_standby(false);
	assert_true(TURN_UNTIL(loop, mail.done));
	assert_int_equal(mail.errors[0], 0);
	assert_string_equal(migrated_run("SELECT count(*) FROM weir_message"), "1");
	weir_mail_store_destroy(store);
	weir_database_leave(database, loop);
	weir_database_release(database);
	scratch_teardown(state);
}

static void a_queued_message_that_no_standby_has(void **state)
{
	struct weir_database_queue_options options;
	struct front front;
	struct front_put put = {0};
	(void)state;
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
	await_standby(false);
	FRONT_TURN(&front, put.done);
	assert_int_equal(put.error, 0);
	assert_string_equal(migrated_run("SELECT count(*) FROM weir_queue"), "1");
	front_close(&front);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_message_that_no_standby_has),
	        cmocka_unit_test(a_queued_message_that_no_standby_has),
	};
	return cmocka_run_group_tests(tests, migrated_setup, migrated_teardown);
}
