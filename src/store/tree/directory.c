/*
 * Reads a directory, a batch at a time, on the work pool.
 *
 * Invariant: while `busy`, everything but `closed` is the work pool's. Entries point to names in
 * the buffer they were read into, or in the collection that was sorted. Memory does not depend on
 * the size of the directory. Leaves out what a listing looks like.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/directory.h>
#include <weir/limits.h>
#include <weir/loop.h>

#include "open_beneath.h"
#include "tree_state.h"

enum {
	ENTRIES = 512 /* in a batch */
};

/* All of a directory that may be sorted. */
struct collection {
	struct weir_buffer entries; /* of struct weir_directory_entry */
	struct weir_buffer names;   /* each ended by NUL */
};

struct weir_directory {
	struct weir_work work;
	struct weir_loop *loop;
	int fd; /* the caller's, duplicated; then our own, with an offset of its own */
	bool opened;
	bool ended;
	bool busy;
	bool closed;
	char *path;                            /* of options, copied; with a tree only */
	struct weir_directory_options options; /* sort_max is 0 once it was tried */
	void (*done)(
	        void *context, int error, const struct weir_directory_entry *entries, size_t count);
	void *context;

	int error;
	const struct weir_directory_entry *batch;
	size_t count;
	struct collection collection;
	struct weir_directory_entry entries[ENTRIES];
	size_t filled; /* bytes of names */
	size_t parsed; /* of these */
	_Alignas(struct dirent64) char names[WEIR_DIRECTORY_BATCH];
};

/* -- on the work pool -------------------------------------------------------------------------- */

static int directory_open_own(struct weir_directory *directory)
{
	if (directory->opened)
		return 0;
	int fd = openat(directory->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(directory->fd);
	directory->fd = fd;
	directory->opened = true;
	return 0;
}

static enum weir_file_kind directory_kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return WEIR_FILE_REGULAR;
	case S_IFDIR:
		return WEIR_FILE_DIRECTORY;
	case S_IFLNK:
		return WEIR_FILE_LINK;
	default:
		return WEIR_FILE_OTHER;
	}
}

/* As a lookup would: it must be readable, and its links must stay beneath the root. */
static bool directory_is_refused(
        struct weir_directory *directory, const struct weir_directory_entry *entry)
{
	char path[WEIR_PATH_MAX];
	struct stat status;
	const struct open_rules *rules = &directory->options.tree->rules;
	if (entry->kind == WEIR_FILE_OTHER)
		return true;
	if (entry->kind != WEIR_FILE_LINK)
		return faccessat(directory->fd, entry->name, R_OK, AT_EACCESS) < 0;
	int size = snprintf(path, sizeof path, "%s/%s", directory->path[0] ? directory->path : ".",
	        entry->name);
	if (size < 0 || (size_t)size >= sizeof path)
		return true;
	int fd = tree_open_beneath(
	        rules->root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, rules->resolve);
	if (fd < 0)
		return true;
	bool served =
	        fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
	close(fd);
	return !served;
}

/* False when it is gone already. What may be listed but not looked at has a name and a kind. */
static bool directory_describe(struct weir_directory *directory, const struct dirent64 *found,
        struct weir_directory_entry *entry)
{
	struct stat status;
	*entry = (struct weir_directory_entry){
	        .name = found->d_name, .kind = directory_kind_of((mode_t)DTTOIF(found->d_type))};
	if (!directory->options.details && !directory->options.tree && found->d_type != DT_UNKNOWN)
		return true;
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	if (fstatat(directory->fd, found->d_name, &status, flags) < 0)
		return errno != ENOENT;
	entry->kind = directory_kind_of(status.st_mode);
	if (directory->options.details) {
		entry->size = (uint64_t)status.st_size;
		entry->mtime = status.st_mtim;
		entry->mode = status.st_mode;
		entry->links = status.st_nlink;
		entry->inode = status.st_ino;
		entry->device = status.st_dev;
	}
	entry->refused = directory->options.tree && directory_is_refused(directory, entry);
	return true;
}

static bool directory_is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* The next entries of what was read into the buffer. */
static size_t directory_parse(struct weir_directory *directory)
{
	size_t count = 0;
	while (directory->parsed < directory->filled && count < ENTRIES) {
		const struct dirent64 *found = (const void *)(directory->names + directory->parsed);
		directory->parsed += found->d_reclen;
		if (!directory_is_dots(found->d_name) &&
		        directory_describe(directory, found, &directory->entries[count]))
			count++;
	}
	return count;
}

/* At least one entry, or the end. The number of entries, or an errno. */
static ssize_t directory_read_batch(struct weir_directory *directory)
{
	for (;;) {
		size_t count = directory_parse(directory);
		if (count)
			return (ssize_t)count;
		if (directory->parsed < directory->filled)
			continue;
		ssize_t got = directory->ended ? 0
		                               : getdents64(directory->fd, directory->names,
		                                         sizeof directory->names);
		if (got < 0)
			return -errno;
		directory->ended = got == 0;
		directory->filled = (size_t)got;
		directory->parsed = 0;
		if (got == 0)
			return 0;
	}
}

static size_t directory_collected(const struct collection *collection)
{
	return collection->entries.size / sizeof(struct weir_directory_entry);
}

/* The names move while they are collected: until the end, `name` is NULL, and they are in order. */
static int directory_collect(
        struct collection *collection, const struct weir_directory_entry *entry)
{
	struct weir_directory_entry copy = *entry;
	copy.name = NULL;
	int error = weir_buffer_append(
	        &collection->names, entry->name, strlen(entry->name) + 1, SIZE_MAX);
	if (error == 0)
		error = weir_buffer_append(&collection->entries, &copy, sizeof copy, SIZE_MAX);
	return error;
}

static void directory_free_collection(struct collection *collection)
{
	weir_buffer_finish(&collection->entries);
	weir_buffer_finish(&collection->names);
}

static int directory_compare(const void *a, const void *b)
{
	const struct weir_directory_entry *left = a, *right = b;
	return strcmp(left->name, right->name);
}

/* Up to sort_max entries, sorted if that was all; a batch more, unsorted, if it was not. */
static int directory_read_sorted(struct weir_directory *directory)
{
	struct collection *collection = &directory->collection;
	ssize_t count = 0;
	while (directory_collected(collection) <= directory->options.sort_max) {
		count = directory_read_batch(directory);
		if (count <= 0)
			break;
		for (ssize_t i = 0; i < count; i++) {
			int error = directory_collect(collection, &directory->entries[i]);
			if (error < 0)
				return error;
		}
	}
	if (count < 0)
		return (int)count;
	struct weir_directory_entry *entries = (void *)collection->entries.data;
	const char *name = collection->names.data;
	directory->batch = entries;
	directory->count = directory_collected(collection);
	for (size_t i = 0; i < directory->count; i++, name += strlen(name) + 1)
		entries[i].name = name;
	if (count == 0 && directory->count)
		qsort(entries, directory->count, sizeof *entries, directory_compare);
	return 0;
}

static int directory_read_unsorted(struct weir_directory *directory)
{
	ssize_t count = directory_read_batch(directory);
	if (count < 0)
		return (int)count;
	directory->batch = directory->entries;
	directory->count = (size_t)count;
	return 0;
}

static void directory_run(struct weir_work *work)
{
	struct weir_directory *directory = WEIR_CONTAINER(work, struct weir_directory, work);
	directory->count = 0;
	directory_free_collection(&directory->collection);
	if (!directory->error)
		directory->error = directory_open_own(directory);
	if (directory->error)
		return;
	if (directory->options.sort_max)
		directory->error = directory_read_sorted(directory);
	else
		directory->error = directory_read_unsorted(directory);
	directory->options.sort_max = 0;
}

/* -- on the loop ------------------------------------------------------------------------------- */

static void directory_free(struct weir_directory *directory)
{
	directory_free_collection(&directory->collection);
	close(directory->fd);
	if (directory->options.tree)
		tree_release(directory->options.tree);
	free(directory->path);
	free(directory);
}

static void directory_done(struct weir_work *work)
{
	struct weir_directory *directory = WEIR_CONTAINER(work, struct weir_directory, work);
	directory->busy = false;
	if (directory->closed)
		directory_free(directory);
	else if (directory->error)
		directory->done(directory->context, directory->error, NULL, 0);
	else
		directory->done(directory->context, 0, directory->batch, directory->count);
}

int weir_directory_open(struct weir_loop *loop, int fd,
        const struct weir_directory_options *options, struct weir_directory **ret)
{
	struct weir_directory *directory = malloc(sizeof *directory);
	if (!directory)
		return -ENOMEM;
	/* All but the large arrays. */
	memset(directory, 0, offsetof(struct weir_directory, entries));
	directory->filled = directory->parsed = 0;
	directory->loop = loop;
	if (options)
		directory->options = *options;
	if (directory->options.sort_max > WEIR_DIRECTORY_SORT_MAX)
		directory->options.sort_max = WEIR_DIRECTORY_SORT_MAX;
	directory->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (directory->fd < 0) {
		free(directory);
		return -errno;
	}
	if (directory->options.tree) {
		directory->path = strdup(directory->options.path);
		if (!directory->path) {
			close(directory->fd);
			free(directory);
			return -ENOMEM;
		}
		tree_hold(directory->options.tree);
	}
	*ret = directory;
	return 0;
}

static void directory_tell_refused(struct weir_task *task)
{
	directory_done(WEIR_CONTAINER(task, struct weir_work, task));
}

void weir_directory_next(struct weir_directory *directory,
        void (*done)(
                void *context, int error, const struct weir_directory_entry *entries, size_t count),
        void *context)
{
	directory->done = done;
	directory->context = context;
	directory->busy = true;
	int error =
	        weir_work_submit(directory->loop, &directory->work, directory_run, directory_done);
	if (error == 0)
		return;
	/* Refused work is nobody's: its task is free to bring the answer in a later turn. */
	directory->error = error;
	directory->work.task = (struct weir_task){.run = directory_tell_refused};
	weir_loop_defer(directory->loop, &directory->work.task);
}

void weir_directory_close(struct weir_directory *directory)
{
	if (!directory)
		return;
	directory->closed = true;
	if (!directory->busy)
		directory_free(directory);
}
