/* Copies on disk: whole or refused, safe, and removed when no longer wanted. Without a server. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/database_copy.h>
#include <weir/error.h>

#include "allocation.h"
#include "own_mounts.h"

static char directory[] = "/tmp/weir-copy-XXXXXX";
static char path[64];

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof path, "%s/copy", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static int read_words(int64_t *ret_version, size_t bytes_max)
{
	struct weir_database_copy_info info = {.version = 77};
	struct weir_buffer text = {0};
	int error = weir_database_copy_read(path, "words", bytes_max, &info, &text);
	if (error == 0) {
		assert_int_equal(text.size, 3);
		assert_memory_equal(text.data, "a\0b", 3);
		assert_in_range(info.age_ms, 0, 60000);
	}
	*ret_version = info.version;
	weir_buffer_finish(&text);
	return error;
}

static int read_error(void)
{
	int64_t version;
	return read_words(&version, 3);
}

static void write_words(void)
{
	assert_int_equal(weir_database_copy_write(path, "words", -5, WEIR_SPAN("a\0b")), 0);
}

static void a_copy_is_read_as_it_was_written(void **state)
{
	struct stat status;
	int64_t version;
	(void)state;
	write_words();
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(read_words(&version, 3), 0);
	assert_int_equal(version, -5);
	assert_int_equal(read_words(&version, 2), WEIR_E_LIMIT);
	assert_int_equal(version, 77);
	assert_int_equal(weir_database_copy_confirm(path), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(read_error(), -ENOENT);
	assert_int_equal(weir_database_copy_confirm(path), -ENOENT);
	assert_int_equal(
	        weir_database_copy_write("/nowhere/copy", "words", 1, WEIR_SPAN("")), -ENOENT);
}

/* Every bit counts, and so does the size. */
static void damage_is_found(void **state)
{
	char whole[256], damaged[257];
	struct weir_span text;
	int64_t version;
	(void)state;
	write_words();
	int fd = open(path, O_RDONLY);
	ssize_t size = read(fd, whole, sizeof whole);
	close(fd);
	assert_in_range(size, 30, 200);
	size_t count = (size_t)size;
	for (size_t at = 0; at < count; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(damaged, whole, count);
			damaged[at] = (char)(damaged[at] ^ 1 << bit);
			int error = weir_database_copy_parse(
			        weir_span(damaged, count), "words", &version, &text);
			/* The case of a digit of the sum, which is no digit of another number. */
			if (error == 0) {
				assert_int_equal(bit, 5);
				assert_int_equal(version, -5);
			} else {
				assert_int_equal(error, -EBADMSG);
			}
		}
		assert_int_equal(
		        weir_database_copy_parse(weir_span(whole, at), "words", &version, &text),
		        -EBADMSG);
	}
	memcpy(damaged, whole, count);
	damaged[count] = 'x';
	assert_int_equal(
	        weir_database_copy_parse(weir_span(damaged, count + 1), "words", &version, &text),
	        -EBADMSG);
	assert_int_equal(
	        weir_database_copy_parse(weir_span(whole, count), "other", &version, &text),
	        -EBADMSG);
	assert_int_equal(truncate(path, size - 1), 0);
	assert_int_equal(read_error(), -EBADMSG);
}

static void a_file_that_others_may_use_is_not_read(void **state)
{
	char target[80];
	(void)state;
	write_words();
	static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610};
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_int_equal(read_error(), -EPERM);
	}
	/* Writing makes another file. */
	write_words();
	assert_int_equal(read_error(), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 65534, (gid_t)-1), 0);
		assert_int_equal(read_error(), -EPERM);
	}
	snprintf(target, sizeof target, "%s.target", path);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(read_error(), -EPERM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(target), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(read_error(), -EPERM);
	assert_int_equal(unlink(path), 0);
	assert_non_null(strstr(weir_database_copy_text(-EPERM), "0600"));
}

static void without_memory_nothing_is_read(void **state)
{
	bool failed = true;
	(void)state;
	write_words();
	for (unsigned good = 0; failed; good++) {
		fail_allocation_after(good, false);
		int error = read_error();
		failed = stop_failing_allocations();
		assert_int_equal(error, failed ? -ENOMEM : 0);
	}
}

/* The old copy stays, and nothing is left beside it. */
static void check_full_disk(void)
{
	char disk[64], full[96];
	size_t size = 2 * 1024 * 1024;
	struct weir_database_copy_info info;
	struct weir_buffer text = {0};
	char *large = calloc(1, size);
	REQUIRE(large);
	own_mounts_small_disk(disk);
	snprintf(full, sizeof full, "%s/words", disk);
	REQUIRE(weir_database_copy_write(full, "words", 1, WEIR_SPAN("old")) == 0);
	REQUIRE(weir_database_copy_write(full, "words", 2, weir_span(large, size)) == -ENOSPC);
	REQUIRE(weir_database_copy_read(full, "words", 3, &info, &text) == 0);
	REQUIRE(info.version == 1 && text.size == 3);
	/* There is room again: nothing was left beside it. */
	REQUIRE(weir_database_copy_write(full, "words", 3, weir_span(large, size / 4)) == 0);
	weir_buffer_finish(&text);
	free(large);
}

static void a_full_disk_leaves_the_old_copy(void **state)
{
	(void)state;
	with_own_mounts(check_full_disk);
}

static bool wants_two(void *context, const char *name)
{
	++*(unsigned *)context;
	return strcmp(name, "zone-2") == 0;
}

static void copies_that_are_not_wanted_are_removed(void **state)
{
	char name[80];
	unsigned asked = 0;
	(void)state;
	for (unsigned i = 1; i < 4; i++) {
		snprintf(name, sizeof name, "%s/zone-%u", directory, i);
		assert_int_equal(weir_database_copy_write(name, "zone", 0, WEIR_SPAN("")), 0);
	}
	write_words();
	assert_int_equal(weir_database_copies_sweep(directory, "zone-", wants_two, &asked), 0);
	assert_int_equal(asked, 3);
	for (unsigned i = 1; i < 4; i++) {
		snprintf(name, sizeof name, "%s/zone-%u", directory, i);
		assert_int_equal(unlink(name), i == 2 ? 0 : -1);
	}
	assert_int_equal(read_error(), 0);
	assert_int_equal(weir_database_copies_sweep("/nowhere", "", wants_two, &asked), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_copy_is_read_as_it_was_written),
	        cmocka_unit_test(damage_is_found),
	        cmocka_unit_test(a_file_that_others_may_use_is_not_read),
	        cmocka_unit_test(without_memory_nothing_is_read),
	        cmocka_unit_test(a_full_disk_leaves_the_old_copy),
	        cmocka_unit_test(copies_that_are_not_wanted_are_removed),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
