/*
 * Checks that need mounts of their own, as a disk that is full: each runs in a child process, whose
 * threads are born in its namespaces. As root, or as a user who may make a user namespace;
 * elsewhere the test is skipped, with the reason.
 */
#ifndef WEIR_TEST_OWN_MOUNTS_H
#define WEIR_TEST_OWN_MOUNTS_H

#include <stdbool.h>

/* Runs the check in a child; the test fails if a REQUIRE in it fails, or the child is killed. */
void with_own_mounts(void (*check)(void));

/*
 * In a check. Writes into `path` (of 32 bytes at least) the path of an empty file system of 1 MB,
 * which ends with the child.
 */
void own_mounts_small_disk(char *path);

/* In a check: hides what is in /proc. */
void own_mounts_hide_proc(void);

/* cmocka's assertions are for the parent only. */
#define REQUIRE(condition) own_mounts_require(condition, __FILE__, __LINE__)
void own_mounts_require(bool condition, const char *file, int line);

#endif
