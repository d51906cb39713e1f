/* A removal of a whole mailbox, in a test, by the loop of scratch.h. */
#ifndef WEIR_TEST_REMOVAL_H
#define WEIR_TEST_REMOVAL_H

#include "migrated.h"

#include <weir/database_mail.h>

#include "../store/mail.h"

struct removal {
	struct weir_database_call *call; /* NULL: it has ended */
	struct weir_database_removal counts;
	unsigned reports;
	int done;
	int error;
};

static inline void removal_on_report(void *context, const struct weir_database_removal *counts)
{
	struct removal *removal = context;
	assert_false(removal->done);
	removal->counts = *counts;
	removal->reports++;
}

static inline void removal_on_done(void *context, int error, const char *text)
{
	struct removal *removal = context;
	assert_true(!error == !*text);
	removal->call = NULL;
	removal->error = error;
	removal->done++;
}

/* Starts it. The caller's struct lives up to the end, or until the call is cancelled. */
static inline void removal_start(
        struct removal *removal, struct weir_database *by, const char *name)
{
	*removal = (struct removal){0};
	assert_int_equal(weir_database_mailbox_remove(by, loop, name, removal_on_report,
	                         removal_on_done, removal, &removal->call),
	        0);
	assert_int_equal(removal->done, 0);
}

/* Removes a mailbox, and waits. Returns the error. */
static inline int removal_run(struct removal *removal, struct weir_database *by, const char *name)
{
	removal_start(removal, by, name);
	assert_true(TURN_UNTIL(loop, removal->done));
	return removal->error;
}

#endif
