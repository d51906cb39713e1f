/* A directory of the test's own, and a loop to turn. */
#ifndef WEIR_TEST_SCRATCH_H
#define WEIR_TEST_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <weir/loop.h>

static char scratch[64];
static struct weir_loop *loop;

static inline const char *in_scratch(const char *path)
{
	static char full[4][512];
	static int next;
	char *to = full[next++ % 4];
	snprintf(to, sizeof full[0], "%s/%s", scratch, path);
	return to;
}

static inline void put_bytes(const char *path, const void *data, size_t size)
{
	int fd = open(in_scratch(path), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

static inline void put(const char *path, const char *text)
{
	put_bytes(path, text, strlen(text));
}

static inline void make_directory(const char *path)
{
	assert_int_equal(mkdir(in_scratch(path), 0755), 0);
}

/* The file's text in a static buffer, or NULL. */
static inline const char *text_of(const char *path)
{
	static char text[256];
	int fd = open(in_scratch(path), O_RDONLY);
	if (fd < 0)
		return NULL;
	ssize_t size = read(fd, text, sizeof text - 1);
	close(fd);
	text[size > 0 ? size : 0] = 0;
	return text;
}

static inline void sleep_ms(int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

/* Long enough for a file written before to be trusted. */
static inline void settle(void)
{
	sleep_ms(80);
}

static inline void turn(void)
{
	weir_loop_turn(loop, 0);
}

static inline void turn_until(const int *count, int wanted)
{
	for (int i = 0; i < 2000 && *count < wanted; i++)
		weir_loop_turn(loop, 10);
	assert_int_equal(*count, wanted);
}

static inline int count_entries(const char *path)
{
	int count = 0;
	DIR *directory = opendir(in_scratch(path));
	assert_non_null(directory);
	for (struct dirent *entry; (entry = readdir(directory));)
		count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(directory);
	return count;
}

static inline int count_descriptors(void)
{
	int count = 0;
	DIR *directory = opendir("/proc/self/fd");
	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static inline int scratch_remove_one(
        const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

static inline int scratch_make(const char *parent)
{
	snprintf(scratch, sizeof scratch, "%s/weir-store-XXXXXX", parent);
	assert_non_null(mkdtemp(scratch));
	return weir_loop_create(&loop);
}

static inline int scratch_setup(void **state)
{
	(void)state;
	return scratch_make("/var/tmp");
}

/* For thousands of files, which take long on a disk. */
static inline int scratch_setup_in_memory(void **state)
{
	(void)state;
	return scratch_make(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp");
}

static inline int scratch_teardown(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define SCRATCH_TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

#endif
