/* Lookups: what is found, what is refused, and what comes from where. */
#include "scratch.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <weir/tree.h>

#include "allocation.h"

struct asked {
	struct weir_lookup lookup;
	int answers;
	int error;
	struct weir_file *file; /* held */
};

static void on_done(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct asked *asked = WEIR_CONTAINER(lookup, struct asked, lookup);
	asked->answers++;
	asked->error = error;
	asked->file = file ? weir_file_hold(file) : NULL;
	assert_true(file ? error == 0 : error < 0);
}

static void forget_file(struct asked *asked)
{
	weir_file_release(asked->file);
	asked->file = NULL;
}

static int ask(struct weir_tree *tree, struct asked *asked, const char *path)
{
	memset(asked, 0, sizeof *asked);
	weir_tree_lookup(tree, &asked->lookup, path, on_done);
	turn_until(&asked->answers, 1);
	return asked->error;
}

static int error_of(struct weir_tree *tree, const char *path)
{
	struct asked asked;
	ask(tree, &asked, path);
	forget_file(&asked);
	return asked.error;
}

static struct weir_tree *open_tree(const struct weir_tree_options *options)
{
	struct weir_tree *tree = NULL;
	assert_int_equal(weir_tree_open(loop, scratch, options, &tree), 0);
	return tree;
}

static void finds_files_and_directories(void **state)
{
	(void)state;
	struct asked asked;
	make_directory("d");
	put("d/a", "hello");
	put("d/empty", "");
	struct weir_tree *tree = open_tree(NULL);
	assert_int_equal(ask(tree, &asked, "d/a"), 0);
	assert_int_equal(asked.file->kind, WEIR_FILE_REGULAR);
	assert_int_equal(asked.file->size, 5);
	assert_memory_equal(asked.file->content.data, "hello", 5);
	struct stat status;
	assert_int_equal(stat(in_scratch("d/a"), &status), 0);
	assert_int_equal(asked.file->inode, status.st_ino);
	assert_int_equal(asked.file->mtime.tv_nsec, status.st_mtim.tv_nsec);
	forget_file(&asked);
	assert_int_equal(ask(tree, &asked, "d"), 0);
	assert_int_equal(asked.file->kind, WEIR_FILE_DIRECTORY);
	assert_null(asked.file->content.data);
	forget_file(&asked);
	assert_int_equal(ask(tree, &asked, ""), 0);
	assert_int_equal(asked.file->kind, WEIR_FILE_DIRECTORY);
	forget_file(&asked);
	assert_int_equal(ask(tree, &asked, "d/empty"), 0);
	assert_int_equal(asked.file->content.size, 0);
	assert_non_null(asked.file->content.data);
	forget_file(&asked);
	assert_int_equal(error_of(tree, "d/"), 0);
	assert_int_equal(error_of(tree, "d/a/"), -ENOTDIR);
	assert_int_equal(error_of(tree, "d/a/b"), -ENOTDIR);
	assert_int_equal(error_of(tree, "none"), -ENOENT);
	weir_tree_close(tree);
}

static void nothing_leads_out_of_the_root(void **state)
{
	(void)state;
	make_directory("root");
	make_directory("root/d");
	put("secret", "secret");
	put("root/a", "a");
	assert_int_equal(symlink("../secret", in_scratch("root/up")), 0);
	assert_int_equal(symlink("/etc/passwd", in_scratch("root/absolute")), 0);
	assert_int_equal(symlink("..", in_scratch("root/parent")), 0);
	assert_int_equal(symlink("/proc/self/root", in_scratch("root/magic")), 0);
	assert_int_equal(symlink("loop", in_scratch("root/loop")), 0);
	assert_int_equal(symlink("d/../a", in_scratch("root/inside")), 0);
	struct weir_tree *tree;
	assert_int_equal(weir_tree_open(loop, in_scratch("root"), NULL, &tree), 0);
	assert_int_equal(error_of(tree, "../secret"), -EXDEV);
	assert_int_equal(error_of(tree, "d/../../secret"), -EXDEV);
	assert_int_equal(error_of(tree, ".."), -EXDEV);
	assert_int_equal(error_of(tree, "/etc/passwd"), -EXDEV);
	assert_int_equal(error_of(tree, "up"), -EXDEV);
	assert_int_equal(error_of(tree, "absolute"), -EXDEV);
	assert_int_equal(error_of(tree, "parent/secret"), -EXDEV);
	assert_int_equal(error_of(tree, "magic/etc/passwd"), -EXDEV);
	assert_int_equal(error_of(tree, "loop"), -ELOOP);
	assert_int_equal(error_of(tree, "inside"), 0);
	weir_tree_close(tree);
	struct weir_tree_options strict = {.no_symlinks = true};
	assert_int_equal(weir_tree_open(loop, in_scratch("root"), &strict, &tree), 0);
	assert_int_equal(error_of(tree, "inside"), -ELOOP);
	assert_int_equal(error_of(tree, "a"), 0);
	weir_tree_close(tree);
}

static void magic_links_are_refused(void **state)
{
	(void)state;
	struct weir_tree *tree;
	char path[64];
	int fd = open("/etc/passwd", O_RDONLY);
	assert_int_equal(weir_tree_open(loop, "/proc/self", NULL, &tree), 0);
	snprintf(path, sizeof path, "fd/%d", fd);
	assert_int_equal(error_of(tree, path), -ELOOP);
	assert_int_equal(error_of(tree, "exe"), -ELOOP);
	assert_int_equal(error_of(tree, "cwd/x"), -ELOOP);
	weir_tree_close(tree);
	close(fd);
}

static void only_files_and_directories(void **state)
{
	(void)state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	assert_int_equal(mkfifo(in_scratch("fifo"), 0644), 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", in_scratch("socket"));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	struct weir_tree *tree = open_tree(NULL);
	assert_int_equal(error_of(tree, "fifo"), -EACCES);
	assert_int_equal(error_of(tree, "socket"), -EACCES);
	weir_tree_close(tree);
	assert_int_equal(weir_tree_open(loop, "/dev", NULL, &tree), 0);
	assert_int_equal(error_of(tree, "null"), -EACCES);
	weir_tree_close(tree);
	close(fd);
}

static void paths_have_a_bound(void **state)
{
	(void)state;
	static char path[5000];
	struct weir_tree *tree = open_tree(NULL);
	memset(path, 'a', sizeof path - 1);
	assert_int_equal(error_of(tree, path), -ENAMETOOLONG);
	path[4096] = 0;
	assert_int_equal(error_of(tree, path), -ENAMETOOLONG);
	path[300] = 0;
	assert_int_equal(error_of(tree, path), -ENAMETOOLONG);
	for (int i = 1; i < 4095; i += 2)
		path[i] = '/', path[i - 1] = '.';
	path[4094] = '.';
	path[4095] = 0;
	assert_int_equal(error_of(tree, path), 0);
	weir_tree_close(tree);
}

static void a_bad_root_is_told(void **state)
{
	(void)state;
	struct weir_tree *tree;
	put("file", "x");
	assert_int_equal(weir_tree_open(NULL, in_scratch("none"), NULL, &tree), -ENOENT);
	assert_int_equal(weir_tree_open(NULL, in_scratch("file"), NULL, &tree), -ENOTDIR);
	make_directory("closed");
	put("closed/a", "a");
	assert_int_equal(chmod(in_scratch("closed"), 0), 0);
	if (geteuid() == 0 && seteuid(65534) != 0)
		skip();
	assert_int_equal(chmod(scratch, 0755) == 0 || errno == EPERM, 1);
	int error = weir_tree_open(loop, in_scratch("closed"), NULL, &tree);
	/* Its openat2 is refused at once, or its lookups are. */
	if (error == 0) {
		error = error_of(tree, "a");
		weir_tree_close(tree);
	}
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(error, -EACCES);
}

static void a_hit_comes_at_once(void **state)
{
	(void)state;
	struct asked first, second = {0};
	put("a", "a");
	settle();
	struct weir_tree *tree = open_tree(NULL);
	assert_int_equal(ask(tree, &first, "a"), 0);
	turn();
	weir_tree_lookup(tree, &second.lookup, "a", on_done);
	assert_int_equal(second.answers, 1);
	assert_ptr_equal(first.file, second.file);
	assert_true(weir_tree_counters(tree)->hits > 0);
	forget_file(&first);
	forget_file(&second);
	weir_tree_close(tree);
}

/* Out of the page cache, so that it must be read on the work pool. */
static void make_cold(const char *path)
{
	int fd = open(in_scratch(path), O_RDONLY);
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static void a_cold_file_is_read_once_for_all(void **state)
{
	(void)state;
	struct asked asked[3] = {0};
	put("a", "cold");
	make_cold("a");
	struct weir_tree *tree = open_tree(NULL);
	for (int i = 0; i < 3; i++)
		weir_tree_lookup(tree, &asked[i].lookup, "a", on_done);
	if (asked[0].answers)
		goto warm; /* a file system that has no cold files */
	weir_lookup_cancel(&asked[1].lookup);
	turn_until(&asked[2].answers, 1);
	assert_int_equal(asked[0].answers, 1);
	assert_int_equal(asked[1].answers, 0);
	assert_ptr_equal(asked[0].file, asked[2].file);
	assert_int_equal(weir_tree_counters(tree)->waits, 1);
warm:
	for (int i = 0; i < 3; i++)
		forget_file(&asked[i]);
	weir_tree_close(tree);
}

static void forgetting_and_closing_while_opening(void **state)
{
	(void)state;
	struct asked asked = {0}, later = {0};
	struct weir_tree *tree = open_tree(NULL);
	weir_tree_lookup(tree, &asked.lookup, "not-there-1", on_done);
	weir_tree_forget(tree, "not-there-1");
	put("not-there-1", "now it is");
	weir_tree_lookup(tree, &later.lookup, "not-there-1", on_done);
	weir_tree_close(tree);
	turn_until(&asked.answers, 1);
	turn_until(&later.answers, 1);
	assert_int_equal(later.error, 0);
	assert_memory_equal(later.file->content.data, "now it is", 9);
	forget_file(&asked);
	forget_file(&later);
}

static void close_tree(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct asked *asked = WEIR_CONTAINER(lookup, struct asked, lookup);
	weir_tree_close((struct weir_tree *)(void *)asked->file);
	asked->file = NULL;
	asked->answers++;
	assert_int_equal(error, 0);
	assert_memory_equal(file->content.data, "a", 1);
}

static void a_callback_may_close_the_tree(void **state)
{
	(void)state;
	put("a", "a");
	for (int hot = 0; hot < 2; hot++) {
		struct weir_tree *tree = open_tree(NULL);
		if (hot)
			assert_int_equal(error_of(tree, "a"), 0);
		struct asked asked = {.file = (struct weir_file *)(void *)tree};
		weir_tree_lookup(tree, &asked.lookup, "a", close_tree);
		turn_until(&asked.answers, 1);
	}
}

static int notes_freed;

static void free_note(void *note)
{
	assert_string_equal(note, "note");
	notes_freed++;
}

static void a_note_lives_as_long_as_its_file(void **state)
{
	(void)state;
	struct asked asked;
	put("a", "a");
	settle();
	notes_freed = 0;
	struct weir_tree *tree = open_tree(NULL);
	ask(tree, &asked, "a");
	asked.file->note = (void *)(uintptr_t) "note";
	asked.file->free_note = free_note;
	weir_tree_close(tree);
	assert_int_equal(notes_freed, 0);
	assert_memory_equal(asked.file->content.data, "a", 1);
	forget_file(&asked);
	assert_int_equal(notes_freed, 1);
}

static void the_cache_has_bounds(void **state)
{
	(void)state;
	char name[16], data[1000] = {0};
	struct asked held;
	struct weir_tree *tree =
	        open_tree(&(struct weir_tree_options){.entries_max = 10, .content_max = 5000});
	put("f0", "kept");
	settle();
	assert_int_equal(ask(tree, &held, "f0"), 0);
	for (int i = 1; i < 30; i++) {
		snprintf(name, sizeof name, "f%d", i);
		put_bytes(name, data, i < 15 ? 1 : sizeof data);
		assert_int_equal(error_of(tree, name), 0);
		assert_true(weir_tree_counters(tree)->entries <= 10);
		assert_true(weir_tree_counters(tree)->content <= 5000);
	}
	assert_int_equal(weir_tree_counters(tree)->content, 5000);
	assert_memory_equal(held.file->content.data, "kept", 4);
	forget_file(&held);
	put_bytes("large", data, sizeof data);
	weir_tree_close(tree);
	tree = open_tree(&(struct weir_tree_options){.content_file_max = 999});
	assert_int_equal(ask(tree, &held, "large"), 0);
	assert_null(held.file->content.data);
	forget_file(&held);
	weir_tree_close(tree);
}

static void descriptors_are_given_up_when_none_is_left(void **state)
{
	(void)state;
	char name[16];
	struct asked held;
	struct rlimit old, low;
	struct weir_tree *tree = open_tree(NULL);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "f%d", i);
		put(name, "x");
	}
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof name, "f%d", i);
		assert_int_equal(error_of(tree, name), 0);
	}
	getrlimit(RLIMIT_NOFILE, &old);
	int next = dup(0);
	close(next);
	low = old;
	low.rlim_cur = (rlim_t)next;
	setrlimit(RLIMIT_NOFILE, &low);
	int error = error_of(tree, "f35");
	/* The free ones are held now: nothing can be given up. */
	weir_tree_shrink(tree, 1000);
	int taken = 0, fds[200];
	while (taken < 200 && (fds[taken] = dup(0)) >= 0)
		taken++;
	int refused = ask(tree, &held, "f36");
	while (taken)
		close(fds[--taken]);
	int again = ask(tree, &held, "f37");
	setrlimit(RLIMIT_NOFILE, &old);
	forget_file(&held);
	assert_int_equal(error, 0);
	assert_int_equal(refused, -EMFILE);
	assert_int_equal(again, 0);
	weir_tree_close(tree);
}

static void memory_may_fail_anywhere(void **state)
{
	(void)state;
	put("a", "a");
	int before = count_descriptors();
	bool failed = true;
	for (unsigned good = 0; failed; good++) {
		struct weir_tree *tree = NULL;
		struct asked asked = {0};
		fail_allocation_after(good, false);
		int error = weir_tree_open(loop, scratch, NULL, &tree);
		if (error == 0)
			weir_tree_lookup(tree, &asked.lookup, "a", on_done);
		if (error == 0)
			turn_until(&asked.answers, 1);
		failed = stop_failing_allocations();
		assert_true(error == 0 || error == -ENOMEM);
		assert_true(asked.error == 0 || asked.error == -ENOMEM);
		assert_true(failed || asked.file);
		forget_file(&asked);
		weir_tree_close(tree);
	}
	assert_int_equal(count_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SCRATCH_TEST(finds_files_and_directories),
	        SCRATCH_TEST(nothing_leads_out_of_the_root),
	        SCRATCH_TEST(magic_links_are_refused),
	        SCRATCH_TEST(only_files_and_directories),
	        SCRATCH_TEST(paths_have_a_bound),
	        SCRATCH_TEST(a_bad_root_is_told),
	        SCRATCH_TEST(a_hit_comes_at_once),
	        SCRATCH_TEST(a_cold_file_is_read_once_for_all),
	        SCRATCH_TEST(forgetting_and_closing_while_opening),
	        SCRATCH_TEST(a_callback_may_close_the_tree),
	        SCRATCH_TEST(a_note_lives_as_long_as_its_file),
	        SCRATCH_TEST(the_cache_has_bounds),
	        SCRATCH_TEST(descriptors_are_given_up_when_none_is_left),
	        SCRATCH_TEST(memory_may_fail_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
