/* The properties of mailboxes, in a database; two front ends; and what only a database has. */
#include "migrated.h"

#include <weir/database_mail.h>

#include "../store/mail_cases.h"

#include "../store/mail_at_once.h"
#include "clock.h"
#include "database_state.h"

static struct migrated migrated;
static struct weir_database *database, *another; /* two front ends */

static int create_in_database(
        const struct weir_mail_store_options *options, struct weir_mail_store **ret)
{
	return weir_database_mail_create(database, options, ret);
}

static void leave(struct weir_loop *left)
{
	weir_database_leave(database, left);
	weir_database_leave(another, left);
}

static void empty(void)
{
	migrated_run(&migrated, "TRUNCATE weir_body_chunk, weir_body_sweep, weir_body_holder,"
	                        " weir_mailbox, weir_message");
}

static const struct mail_kind in_database = {
        .create = create_in_database, .prepare = empty, .leave = leave, .connects = true};

static int begin_in_database(void **state)
{
	return begin_kind(state, &in_database);
}

static void two_front_ends_at_once(void **state)
{
	struct weir_mail_store *other;
	(void)state;
	struct weir_mail_store_options options =
	        OPTIONS(weir_mail_store_options, o.mailbox_max = 1 << 20);
	bound(options);
	assert_int_equal(weir_database_mail_create(another, &options, &other), 0);
	check_at_once(other, leave);
	weir_mail_store_destroy(other);
}

/* -- the end ----------------------------------------------------------------------------------- */

static int start_all(void **state)
{
	(void)state;
	migrated_start(&migrated);
	database = migrated_open(&migrated, NULL);
	another = migrated_open(&migrated, NULL);
	return 0;
}

static int stop_all(void **state)
{
	(void)state;
	weir_database_release(database);
	weir_database_release(another);
	migrated_stop(&migrated);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        MAIL_TESTS(begin_in_database),
	        MAIL_TEST(two_front_ends_at_once, begin_in_database),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
