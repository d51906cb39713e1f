/*
 * A new name for a file or directory, within the tree. What had the name is replaced in the same
 * instant, as by rename(2). Both directories are synced, the new one first: after a power failure
 * there may be both names, never none.
 */
#include <errno.h>
#include <stdio.h>

#include "change_job.h"
#include "name_lock.h"

static int apply_rename_flags(struct change_job *job, const struct place *from, unsigned flags)
{
	struct name_lock lock;
	struct place to;
	int error = weir_place_open(&job->tree->rules, job->other, &to);
	if (error < 0)
		return error;
	name_lock_take(&lock, from->directory, to.directory);
	if (renameat2(from->directory, from->name, to.directory, to.name, flags) < 0)
		error = -errno;
	name_lock_release(&lock);
	if (error == 0)
		error = weir_place_sync(&to);
	weir_place_close(&to);
	return error;
}

static int apply_rename(struct change_job *job, const struct place *from)
{
	return apply_rename_flags(job, from, 0);
}

static int apply_rename_new(struct change_job *job, const struct place *from)
{
	return apply_rename_flags(job, from, RENAME_NOREPLACE);
}

static void rename_start(struct weir_tree *tree, struct weir_change *change, struct change_job *job,
        void (*done)(struct weir_change *change, int error))
{
	if (job) {
		weir_change_strip_slashes(job->path);
		weir_change_strip_slashes(job->other);
	}
	weir_change_start(tree, change, job, done);
}

void weir_tree_rename(struct weir_tree *tree, struct weir_change *change, const char *from,
        const char *to, void (*done)(struct weir_change *change, int error))
{
	rename_start(tree, change, weir_change_job(tree, from, to, apply_rename), done);
}

void weir_tree_rename_new(struct weir_tree *tree, struct weir_change *change, const char *from,
        const char *to, void (*done)(struct weir_change *change, int error))
{
	rename_start(tree, change, weir_change_job(tree, from, to, apply_rename_new), done);
}
