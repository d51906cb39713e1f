/*
 * A new name for a file or directory, within the tree. What had the name is replaced in the same
 * instant, as by rename(2). Both directories are synced, the new one first: after a power failure
 * there may be both names, never none.
 */
#include <errno.h>
#include <stdio.h>

#include "change_job.h"
#include "name_lock.h"

static int tree_rename_apply_flags(
        struct change_job *job, const struct directory_entry *from, unsigned flags)
{
	struct name_lock lock;
	struct directory_entry to;
	int error = directory_entry_open(&job->tree->rules, job->other, &to);
	if (error < 0)
		return error;
	name_lock_take(&lock, from->directory, to.directory);
	if (renameat2(from->directory, from->name, to.directory, to.name, flags) < 0)
		error = -errno;
	name_lock_release(&lock);
	if (error == 0)
		error = directory_entry_sync(&to);
	directory_entry_close(&to);
	return error;
}

static int tree_rename_apply(struct change_job *job, const struct directory_entry *from)
{
	return tree_rename_apply_flags(job, from, 0);
}

static int tree_rename_apply_new(struct change_job *job, const struct directory_entry *from)
{
	return tree_rename_apply_flags(job, from, RENAME_NOREPLACE);
}

static void tree_rename_start(struct weir_tree *tree, struct weir_change *change,
        struct change_job *job, void (*done)(struct weir_change *change, int error))
{
	if (job) {
		tree_change_strip_slashes(job->path);
		tree_change_strip_slashes(job->other);
	}
	tree_change_start(tree, change, job, done);
}

void weir_tree_rename(struct weir_tree *tree, struct weir_change *change, const char *from,
        const char *to, void (*done)(struct weir_change *change, int error))
{
	tree_rename_start(tree, change, tree_change_job(tree, from, to, tree_rename_apply), done);
}

void weir_tree_rename_new(struct weir_tree *tree, struct weir_change *change, const char *from,
        const char *to, void (*done)(struct weir_change *change, int error))
{
	tree_rename_start(
	        tree, change, tree_change_job(tree, from, to, tree_rename_apply_new), done);
}
