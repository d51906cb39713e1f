/*
 * Reads a directory in batches on the work pool, of which one of few entries is sorted. Memory does
 * not depend on the size of the directory.
 *
 * Leaves out how an entry is made (directory_read.c), and what a listing looks like.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "directory_state.h"
#include "helper.h"

/* -- on the work pool -------------------------------------------------------------------------- */

static size_t directory_collected(const struct directory_collection *collection)
{
	return collection->entries.size / sizeof(struct weir_directory_entry);
}

/* The buffer of texts may move, so entries get their pointers at the end. */
static int directory_collect(
        struct directory_collection *collection, const struct weir_directory_entry *entry)
{
	struct weir_directory_entry copy = *entry;
	copy.name = NULL;
	int error = weir_buffer_append(
	        &collection->texts, entry->name, strlen(entry->name) + 1, SIZE_MAX);
	if (error == 0 && entry->target)
		error = weir_buffer_append(
		        &collection->texts, entry->target, strlen(entry->target) + 1, SIZE_MAX);
	if (error == 0)
		error = weir_buffer_append(&collection->entries, &copy, sizeof copy, SIZE_MAX);
	return error;
}

static void directory_free_collection(struct directory_collection *collection)
{
	weir_buffer_finish(&collection->entries);
	weir_buffer_finish(&collection->texts);
}

static int directory_compare_times(const struct timespec *a, const struct timespec *b)
{
	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	return (a->tv_nsec > b->tv_nsec) - (a->tv_nsec < b->tv_nsec);
}

/* The size of a directory is not that of its files. */
static uint64_t directory_size_of(const struct weir_directory_entry *entry)
{
	return entry->kind == WEIR_FILE_REGULAR ? entry->size : 0;
}

static int directory_compare(const void *a, const void *b, void *context)
{
	const struct weir_directory_entry *left = a, *right = b;
	const struct weir_directory_options *options = context;
	int result = 0;
	if (options->order == WEIR_ORDER_SIZE)
		result = (directory_size_of(left) > directory_size_of(right)) -
		         (directory_size_of(left) < directory_size_of(right));
	else if (options->order == WEIR_ORDER_TIME)
		result = directory_compare_times(&left->mtime, &right->mtime);
	if (result == 0)
		result = strcmp(left->name, right->name);
	return options->descending ? -result : result;
}

/*
 * Reads up to sort_max entries and sorts them. If there are more, adds a batch and does not sort.
 */
static void directory_read_sorted(struct weir_directory *directory)
{
	struct directory_collection *collection = &directory->collection;
	while (!directory->ended && !directory->unfinished && !directory->error &&
	        directory_collected(collection) <= directory->options.sort_max) {
		size_t count = directory_read(directory);
		for (size_t i = 0; i < count && !directory->error; i++)
			directory->error = directory_collect(collection, &directory->entries[i]);
	}
	bool enough = directory_collected(collection) > directory->options.sort_max;
	if (directory->error || (directory->unfinished && !enough))
		return;
	directory->unfinished = false;
	struct weir_directory_entry *entries = (void *)collection->entries.data;
	directory->batch = entries;
	directory->count = directory_collected(collection);
	directory_set_pointers(entries, directory->count, &collection->texts);
	if (directory->ended && directory->count)
		qsort_r(entries, directory->count, sizeof *entries, directory_compare,
		        &directory->options);
	directory->options.sort_max = 0;
}

static void directory_read_unsorted(struct weir_directory *directory)
{
	directory->batch = directory->entries;
	directory->count = directory->ended ? 0 : directory_read(directory);
	directory->unfinished &= directory->count == 0;
}

static void directory_run(struct weir_work *work)
{
	struct weir_directory *directory = WEIR_CONTAINER(work, struct weir_directory, work);
	directory->count = 0;
	directory->looked = 0;
	if (!directory->unfinished)
		directory_free_collection(&directory->collection);
	directory->unfinished = false;
	if (!directory->error)
		directory->error = directory_open_own(directory);
	if (directory->error)
		return;
	if (directory->options.sort_max)
		directory_read_sorted(directory);
	else
		directory_read_unsorted(directory);
	directory->total += directory->looked;
	if (directory->level_count > 1 && directory->total > WEIR_DIRECTORY_PATTERN_MAX)
		directory->error = WEIR_E_LIMIT;
}

/* -- on the loop ------------------------------------------------------------------------------- */

static void directory_free(struct weir_directory *directory)
{
	directory_free_collection(&directory->collection);
	weir_buffer_finish(&directory->texts);
	for (unsigned i = 1; i <= directory->depth; i++)
		close(directory->levels[i].fd);
	if (directory->levels != &directory->single)
		free(directory->levels);
	if (directory->fd >= 0)
		close(directory->fd);
	if (directory->options.tree)
		tree_release(directory->options.tree);
	free(directory->path);
	free(directory);
}

static void directory_submit(struct weir_directory *directory);

static void directory_done(struct weir_work *work)
{
	struct weir_directory *directory = WEIR_CONTAINER(work, struct weir_directory, work);
	directory->busy = false;
	if (directory->closed)
		directory_free(directory);
	else if (directory->error)
		directory->done(directory->context, directory->error, NULL, 0);
	else if (directory->unfinished)
		directory_submit(directory);
	else
		directory->done(directory->context, 0, directory->batch, directory->count);
}

static void directory_on_refused(struct weir_task *task)
{
	directory_done(WEIR_CONTAINER(task, struct weir_work, task));
}

static void directory_submit(struct weir_directory *directory)
{
	directory->busy = true;
	int error =
	        weir_work_submit(directory->loop, &directory->work, directory_run, directory_done);
	if (error == 0)
		return;
	/* The pool has refused the work, so its task is free to report that in a later turn. */
	directory->error = error;
	directory->work.task = (struct weir_task){.run = directory_on_refused};
	weir_loop_defer(directory->loop, &directory->work.task);
}

/* Cuts a pattern into levels. Buffers and components are stored after the levels. */
static int directory_set_pattern(struct weir_directory *directory, const char *pattern)
{
	size_t size = strlen(pattern) + 1;
	unsigned count = 0;
	for (const char *at = pattern; *(at += strspn(at, "/")); at += strcspn(at, "/"))
		count++;
	if (count == 0 || count > WEIR_DIRECTORY_LEVELS_MAX)
		return WEIR_E_LIMIT;
	size_t names = (count - 1) * (size_t)DIRECTORY_LEVEL_NAMES;
	char *memory = malloc(count * sizeof(struct directory_level) + names + size);
	if (!memory)
		return -ENOMEM;
	char *buffers = memory + count * sizeof(struct directory_level);
	char *text = memcpy(buffers + names, pattern, size);
	directory->levels = (void *)memory;
	directory->level_count = count;
	for (unsigned i = 0; i < count; i++) {
		text += strspn(text, "/");
		size_t part = strcspn(text, "/");
		bool more = text[part];
		text[part] = 0;
		directory->levels[i] = (struct directory_level){
		        .fd = -1,
		        .pattern = text,
		        .literal = !strpbrk(text, "*?["),
		        .room = DIRECTORY_LEVEL_NAMES,
		        .names = buffers + i * (size_t)DIRECTORY_LEVEL_NAMES,
		};
		text += part + more;
	}
	return 0;
}

static int directory_set_options(
        struct weir_directory *directory, const struct weir_directory_options *options)
{
	int error = 0;
	directory->options = *options;
	directory->options.tree = NULL;
	directory->options.sort_max = min_of(options->sort_max, (unsigned)WEIR_DIRECTORY_SORT_MAX);
	if (options->pattern)
		error = directory_set_pattern(directory, options->pattern);
	if (error < 0 || !options->tree)
		return error;
	directory->path = strdup(options->path);
	if (!directory->path)
		return -ENOMEM;
	directory->options.tree = tree_hold(options->tree);
	return 0;
}

void weir_directory_options_init(struct weir_directory_options *options)
{
	*options = (struct weir_directory_options){.links = WEIR_LINKS_PLAIN};
}

int weir_directory_open(struct weir_loop *loop, int fd,
        const struct weir_directory_options *options, struct weir_directory **ret)
{
	struct weir_directory *directory = malloc(sizeof *directory);
	if (!directory)
		return -ENOMEM;
	/* Clears all but the large arrays. */
	memset(directory, 0, offsetof(struct weir_directory, entries));
	directory->loop = loop;
	directory->levels = &directory->single;
	directory->level_count = 1;
	directory->single.fd = -1;
	directory->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int error = directory->fd < 0 ? -errno : 0;
	if (error == 0 && options)
		error = directory_set_options(directory, options);
	if (error < 0) {
		directory_free(directory);
		return error;
	}
	struct directory_level *last = &directory->levels[directory->level_count - 1];
	last->names = directory->names;
	last->room = sizeof directory->names;
	*ret = directory;
	return 0;
}

void weir_directory_next(
        struct weir_directory *directory, weir_directory_batch_fn *batch, void *context)
{
	directory->done = batch;
	directory->context = context;
	directory_submit(directory);
}

void weir_directory_close(struct weir_directory *directory)
{
	if (!directory)
		return;
	directory->closed = true;
	if (!directory->busy)
		directory_free(directory);
}
