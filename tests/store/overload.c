/* The work pool is full: every function reports it, and nothing is lost or left behind. */
#include "asked.h"
#include "sent.h"

#include <pthread.h>

#include <weir/directory.h>
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/users.h>

enum {
	BLOCKERS = WEIR_WORK_QUEUE_MAX + WEIR_WORK_THREADS
};

static struct weir_work blockers[WEIR_LANES][BLOCKERS];
static pthread_mutex_t barrier = PTHREAD_MUTEX_INITIALIZER;
static struct weir_tree *tree_of_asked;

static void wait_for_barrier(struct weir_work *work)
{
	(void)work;
	pthread_mutex_lock(&barrier);
	pthread_mutex_unlock(&barrier);
}

static void nothing(struct weir_work *work)
{
	(void)work;
}

static void block_lane(enum weir_lane lane)
{
	int error = 0;
	/* The threads take their share when they get to it. */
	for (int i = 0, tries = 0; i < BLOCKERS && tries < 1000;) {
		error = weir_work_submit_to(
		        loop, lane, &blockers[lane][i], wait_for_barrier, nothing);
		i += error == 0;
		tries += error != 0;
		if (error)
			sleep_ms(1);
	}
	assert_int_equal(error, 0);
}

static void block_pool(void)
{
	pthread_mutex_lock(&barrier);
	for (unsigned lane = 0; lane < WEIR_LANES; lane++)
		block_lane(lane);
}

static void unblock_pool(void)
{
	pthread_mutex_unlock(&barrier);
	weir_tree_close(tree);
	weir_tree_close(tree_of_asked);
	weir_loop_destroy(loop);
	assert_int_equal(weir_loop_create(&loop), 0);
}

static int batches, batch_error;

static void on_batch(
        void *context, int error, const struct weir_directory_entry *entries, size_t count)
{
	(void)context;
	(void)entries;
	batches++;
	batch_error = error;
	assert_int_equal(count, 0);
}

static int change_error;

static void on_change(struct weir_change *change, int error)
{
	(void)change;
	change_error = error;
}

static int check_error;

static void on_check(struct weir_check *check, int error)
{
	(void)check;
	check_error = error;
}

static void refuse_reading(void)
{
	struct asked asked = {0};
	struct weir_directory *directory;
	weir_tree_lookup(tree_of_asked, &asked.lookup, "never-seen", on_done);
	assert_int_equal(asked.answers, 1);
	assert_int_equal(asked.error, WEIR_E_LIMIT);
	int fd = open(scratch, O_RDONLY);
	assert_int_equal(weir_directory_open(loop, fd, NULL, &directory), 0);
	close(fd);
	weir_directory_next(directory, on_batch, NULL);
	assert_int_equal(batches, 0);
	turn_until(&batches, 1);
	assert_int_equal(batch_error, WEIR_E_LIMIT);
	weir_directory_next(directory, on_batch, NULL);
	weir_directory_close(directory);
}

static void refuse_changes(void)
{
	struct weir_change change;
	struct weir_check check;
	struct weir_users *users;
	weir_tree_remove(tree, &change, "a", on_change);
	assert_int_equal(change_error, WEIR_E_LIMIT);
	assert_int_equal(weir_users_parse(WEIR_SPAN(""), NULL, NULL, &users), 0);
	weir_users_check(users, loop, &check, WEIR_SPAN("a"), WEIR_SPAN("b"), on_check);
	assert_int_equal(check_error, WEIR_E_LIMIT);
	weir_users_release(users);
}

static void everything_says_so(void **state)
{
	static const char batch[WEIR_UPLOAD_BATCH]; /* less would be gathered first */
	struct sent aborted, written, committed, refused;
	(void)state;
	put("a", "old");
	assert_int_equal(weir_tree_open(loop, scratch, NULL, &tree), 0);
	assert_int_equal(weir_tree_open(loop, scratch, NULL, &tree_of_asked), 0);
	struct weir_upload_options options = {0};
	assert_int_equal(begin(&aborted, "a", options), 0);
	assert_int_equal(begin(&written, "a", options), 0);
	assert_int_equal(begin(&committed, "a", options), 0);
	turn_until(&aborted.ready, 1);
	turn_until(&written.ready, 1);
	turn_until(&committed.ready, 1);
	block_pool();
	refuse_reading();
	refuse_changes();
	assert_int_equal(begin(&refused, "a", options), WEIR_E_LIMIT);
	assert_int_equal(
	        weir_upload_write(written.upload, weir_span(batch, sizeof batch)), WEIR_E_LIMIT);
	assert_int_equal(commit(&written), WEIR_E_LIMIT);
	assert_int_equal(commit(&committed), WEIR_E_LIMIT);
	weir_upload_abort(aborted.upload);
	assert_int_equal(count_entries("."), 1);
	unblock_pool();
	assert_string_equal(text_of("a"), "old");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(everything_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
