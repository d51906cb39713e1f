/* A change of a tree on its way to the work pool and back. */
#ifndef WEIR_CHANGE_JOB_H
#define WEIR_CHANGE_JOB_H

#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include <weir/upload.h>

#include "directory_entry.h"
#include "tree_state.h"

struct weir_change_job {
	struct weir_work work;
	struct weir_tree *tree;
	struct weir_change *change; /* NULL once it is cancelled */
	/* Makes the change, on the work pool. The directory of `entry` is synced afterwards. */
	int (*apply)(struct weir_change_job *job, const struct directory_entry *entry);
	/* from weir_tree_remove_if, or NULL */
	int (*check)(void *context, const struct stat *there);
	void *check_context;
	mode_t mode;
	struct timespec time;
	struct weir_tree_look *look; /* of weir_tree_look_at, which changes nothing; else NULL */
	struct weir_tree_look *ret_look;
	int error;
	char *other; /* a second path, stored after the first; or NULL */
	char path[];
};

/* Makes a job and copies both paths. `other` may be NULL. Returns NULL without memory. */
struct weir_change_job *tree_change_job(struct weir_tree *tree, const char *path, const char *other,
        int (*apply)(struct weir_change_job *job, const struct directory_entry *entry));

/* Frees a job that was not started. */
void change_job_free(struct weir_change_job *job);

/* Starts the job and takes it over. A job of NULL reports -ENOMEM. */
void tree_change_start(struct weir_tree *tree, struct weir_change *change,
        struct weir_change_job *job, void (*done)(struct weir_change *change, int error));

/* Removes slashes at the end: `a/b/` is the same directory as `a/b`. */
void tree_change_strip_slashes(char *path);

#endif
