/* The properties of mailboxes, in memory and on disk. */
#include "mail_cases.h"

static int create_on_disk(
        const struct weir_mail_store_options *options, struct weir_mail_store **ret)
{
	return weir_maildir_create(scratch, options, ret);
}

static const struct mail_kind in_memory = {.create = weir_mail_memory_create};
static const struct mail_kind on_disk = {.create = create_on_disk};

static int begin_in_memory(void **state)
{
	return begin_kind(state, &in_memory);
}

static int begin_on_disk(void **state)
{
	return begin_kind(state, &on_disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        MAIL_TESTS(begin_in_memory),
	        MAIL_TESTS(begin_on_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
