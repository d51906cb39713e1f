/* A change of a tree on its way to the work pool and back. */
#ifndef WEIR_CHANGE_JOB_H
#define WEIR_CHANGE_JOB_H

#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include <weir/upload.h>

#include "directory_entry.h"
#include "tree_state.h"

struct change_job {
	struct weir_work work;
	struct weir_tree *tree;
	struct weir_change *change; /* NULL once it is cancelled */
	/* Makes the change, on the work pool; the directory of `place` is synced afterwards. */
	int (*apply)(struct change_job *job, const struct directory_entry *place);
	/* Of weir_tree_remove_if, or NULL. */
	int (*check)(void *context, const struct stat *there);
	void *check_context;
	bool reads; /* nothing is changed, nothing has to be synced */
	mode_t mode;
	struct timespec time;
	struct stat status;
	struct stat *ret_status;
	int error;
	char *other; /* a second path, behind the first; or NULL */
	char path[];
};

/* Copies both paths; `other` may be NULL. NULL without memory. */
struct change_job *tree_change_job(struct weir_tree *tree, const char *path, const char *other,
        int (*apply)(struct change_job *job, const struct directory_entry *place));

/* Takes the job; NULL: there was no memory for it. */
void tree_change_start(struct weir_tree *tree, struct weir_change *change, struct change_job *job,
        void (*done)(struct weir_change *change, int error));

/* `a/b/` names the same directory as `a/b`. */
void tree_change_strip_slashes(char *path);

#endif
