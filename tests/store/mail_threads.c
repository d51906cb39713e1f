/* The mailboxes in memory and on disk, used by several threads. */
#include "mail_at_once.h"
#include "make_options.h"

static void on_disk(void **state)
{
	(void)state;
	struct weir_mail_store_options options =
	        OPTIONS(weir_mail_store_options, o.mailbox_max = 1 << 20);
	assert_int_equal(weir_maildir_create(scratch, &options, &store), 0);
	check_at_once(NULL, NULL);
	weir_mail_store_destroy(store);
}

static void in_memory(void **state)
{
	(void)state;
	assert_int_equal(weir_mail_memory_create(NULL, &store), 0);
	check_at_once(NULL, NULL);
	weir_mail_store_destroy(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(on_disk),
	        SCRATCH_TEST(in_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
