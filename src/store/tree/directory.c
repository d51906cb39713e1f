/*
 * Reads a directory, or the paths beneath it that fit a pattern, in batches on the work pool.
 *
 * A pattern of several components has a level for each. The names of the last level are entries.
 * Those of the other levels are directories, which are entered one at a time. Without a pattern
 * there is one level.
 *
 * Invariants: while `busy`, all fields but `closed` belong to the work pool. Entries point to
 * names in the buffer that was read, in `texts`, or in the sorted collection. Memory does not
 * depend on the size of the directory, and one piece of work looks at no more than
 * WEIR_DIRECTORY_STEP names.
 *
 * Leaves out what a listing looks like.
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
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/loop.h>

#include "open_beneath.h"
#include "tree_state.h"

enum {
	ENTRIES = 512,          /* in a batch */
	TEXTS_MAX = 64 * 1024,  /* bytes, after which a batch gets no further entry */
	LEVEL_NAMES = 8 * 1024, /* bytes of names read at once at all levels but the last */
};

/* A directory that is being read, and the component that its names have to fit. */
struct level {
	int fd;              /* -1: not entered */
	const char *pattern; /* one component; NULL: all names */
	bool literal;        /* The component is a name: nothing has to be read. */
	bool ended;          /* there is no more to read */
	size_t path_size;    /* of its path beneath the first directory, `/` at its end */
	size_t filled;       /* bytes of `names` */
	size_t parsed;       /* of these */
	size_t room;
	char *names; /* of struct dirent64 */
};

/* The entries of a directory that are to be sorted. */
struct collection {
	struct weir_buffer entries; /* of struct weir_directory_entry */
	struct weir_buffer texts;   /* names and targets, each ended by NUL */
};

struct weir_directory {
	struct weir_work work;
	struct weir_loop *loop;
	int fd; /* the caller's, duplicated; then the first level's */
	bool opened;
	bool ended;
	bool busy;
	bool closed;
	bool unfinished;                       /* The batch needs another piece of work. */
	char *path;                            /* of the options, copied; only with a tree */
	struct weir_directory_options options; /* sort_max is 0 once it was tried */
	void (*done)(
	        void *context, int error, const struct weir_directory_entry *entries, size_t count);
	void *context;

	int error;
	unsigned looked;     /* names, by this piece of work */
	unsigned long total; /* names, by all before it */
	unsigned level_count;
	unsigned depth;       /* the level that is being read */
	struct level *levels; /* the pattern and the names of all but the last follow them */
	struct level single;  /* without a pattern */
	const struct weir_directory_entry *batch;
	size_t count;
	struct collection collection;
	struct weir_buffer texts; /* of the batch: names that are paths, targets */
	struct weir_directory_entry entries[ENTRIES];
	char below[WEIR_PATH_MAX]; /* the path of the level beneath the first directory */
	_Alignas(struct dirent64) char names[WEIR_DIRECTORY_BATCH];
};

/* -- levels ------------------------------------------------------------------------------------ */

static bool directory_is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static int directory_open_own(struct weir_directory *directory)
{
	if (directory->opened)
		return 0;
	int fd = openat(directory->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(directory->fd);
	directory->fd = directory->levels[0].fd = fd;
	directory->opened = true;
	return 0;
}

/* Makes the path of a name in the tree. Returns false if it is too long. */
static bool directory_path(const struct weir_directory *directory, const struct level *level,
        const char *name, char to[WEIR_PATH_MAX])
{
	const char *base = directory->path[0] ? directory->path : ".";
	int size = snprintf(to, WEIR_PATH_MAX, "%s/%.*s%s", base, (int)level->path_size,
	        directory->below, name);
	return size > 0 && size < WEIR_PATH_MAX;
}

static bool directory_shows(
        const struct weir_directory *directory, const struct level *level, const char *name)
{
	return !directory_is_dots(name) &&
	       (!directory->options.shown || directory->options.shown(level->pattern, name));
}

/* Reads further names. Returns false if there are none, or after an error. */
static bool level_fill(struct weir_directory *directory, struct level *level)
{
	if (level->ended)
		return false;
	ssize_t got = getdents64(level->fd, level->names, level->room);
	/* A directory of a lower level has no more names once it was removed. */
	if (got < 0 && !(errno == ENOENT && level != directory->levels))
		directory->error = -errno;
	level->ended = got <= 0;
	level->filled = got > 0 ? (size_t)got : 0;
	level->parsed = 0;
	return got > 0;
}

/*
 * Returns the next name that fits, or NULL at the end of the level, after an error, after
 * WEIR_DIRECTORY_STEP names, or, without `may_read`, at the end of the buffer.
 */
static const char *level_next(struct weir_directory *directory, struct level *level, bool may_read,
        unsigned char *ret_type)
{
	if (level->literal) {
		bool first = !level->ended;
		level->ended = true;
		*ret_type = DT_UNKNOWN;
		return first && directory_shows(directory, level, level->pattern) ? level->pattern
		                                                                  : NULL;
	}
	while (level->parsed < level->filled || (may_read && level_fill(directory, level))) {
		if (directory->looked == WEIR_DIRECTORY_STEP) {
			directory->unfinished = true;
			return NULL;
		}
		const struct dirent64 *found = (const void *)(level->names + level->parsed);
		level->parsed += found->d_reclen;
		directory->looked++;
		*ret_type = found->d_type;
		if (directory_shows(directory, level, found->d_name))
			return found->d_name;
	}
	return NULL;
}

/* Opens a directory, or a link to one beneath the root. Returns the descriptor or an errno. */
static int level_open(const struct weir_directory *directory, const struct level *level,
        const char *name, unsigned char type)
{
	char path[WEIR_PATH_MAX];
	int flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK;
	int fd = openat(level->fd, name, flags | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if ((errno != ELOOP && errno != ENOTDIR) || type == DT_DIR)
		return -errno;
	if (!directory_path(directory, level, name, path))
		return -ENAMETOOLONG;
	const struct open_rules *rules = &directory->options.tree->rules;
	return tree_open_beneath(rules->root, path, (uint64_t)flags, rules->resolve);
}

/* Enters the directory `name` for the next level. A directory that cannot be opened is skipped. */
static void level_enter(
        struct weir_directory *directory, struct level *level, const char *name, unsigned char type)
{
	struct level *next = level + 1;
	size_t size = strlen(name);
	if (type != DT_DIR && type != DT_LNK && type != DT_UNKNOWN)
		return;
	if (level->path_size + size + 1 >= sizeof directory->below)
		return;
	int fd = level_open(directory, level, name, type);
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -EIO)
		directory->error = fd;
	if (fd < 0)
		return;
	memcpy(directory->below + level->path_size, name, size);
	directory->below[level->path_size + size] = '/';
	next->fd = fd;
	next->path_size = level->path_size + size + 1;
	next->filled = next->parsed = 0;
	next->ended = false;
	directory->depth++;
}

static void level_leave(struct weir_directory *directory)
{
	struct level *level = &directory->levels[directory->depth--];
	close(level->fd);
	level->fd = -1;
}

/* -- entries ----------------------------------------------------------------------------------- */

static enum weir_file_kind directory_kind(mode_t mode)
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

/*
 * Gets the status of a regular file or directory beneath the root. Returns false for anything
 * else.
 */
static bool directory_follow(
        const struct weir_directory *directory, const char *path, uint64_t flags, struct stat *ret)
{
	struct stat status;
	const struct open_rules *rules = &directory->options.tree->rules;
	int fd = tree_open_beneath(rules->root, path, flags, rules->resolve);
	if (fd < 0)
		return false;
	bool served =
	        fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
	close(fd);
	if (served)
		*ret = status;
	return served;
}

/* Whether a lookup would fail: the name is not readable, or a link leads out of the root. */
static bool directory_refuses(const struct weir_directory *directory, const struct level *level,
        const char *name, enum weir_file_kind kind)
{
	char path[WEIR_PATH_MAX];
	struct stat status;
	if (kind == WEIR_FILE_OTHER)
		return true;
	if (kind != WEIR_FILE_LINK)
		return faccessat(level->fd, name, R_OK, AT_EACCESS) < 0;
	return !directory_path(directory, level, name, path) ||
	       !directory_follow(directory, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, &status);
}

/* Appends a text of the batch. The buffer may move, so entries get their pointers at the end. */
static void directory_add_text(
        struct weir_directory *directory, const char *text, size_t size, bool last)
{
	int error = weir_buffer_append(&directory->texts, text, size, SIZE_MAX);
	if (error == 0 && last)
		error = weir_buffer_append(&directory->texts, "", 1, SIZE_MAX);
	if (error < 0)
		directory->error = error;
}

static void directory_describe_link(struct weir_directory *directory, const struct level *level,
        const char *name, struct weir_directory_entry *entry, struct stat *status)
{
	char path[WEIR_PATH_MAX], text[WEIR_LINK_TEXT_MAX + 1];
	const struct open_rules *rules = &directory->options.tree->rules;
	if (!directory_path(directory, level, name, path))
		return;
	if (directory->options.links == WEIR_LINKS_FOLLOW) {
		entry->linked = directory_follow(directory, path, O_PATH, status);
		return;
	}
	size_t size = open_beneath_link_text(
	        rules->root, path, rules->resolve, level->fd, name, text, sizeof text);
	if (size) {
		directory_add_text(directory, text, size, true);
		entry->target = "";
	}
}

/*
 * Fills an entry. Returns false if the name no longer exists. If fstatat fails otherwise, only
 * name and kind are known.
 */
static bool directory_stat(struct weir_directory *directory, const struct level *level,
        const char *name, struct weir_directory_entry *entry)
{
	const struct weir_directory_options *options = &directory->options;
	struct stat status;
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	if (fstatat(level->fd, name, &status, flags) < 0)
		return errno != ENOENT;
	if (S_ISLNK(status.st_mode) && options->links != WEIR_LINKS_PLAIN)
		directory_describe_link(directory, level, name, entry, &status);
	entry->kind = directory_kind(status.st_mode);
	if (options->details) {
		entry->size = (uint64_t)status.st_size;
		entry->mtime = status.st_mtim;
		entry->mode = status.st_mode;
		entry->links = status.st_nlink;
		entry->inode = status.st_ino;
		entry->device = status.st_dev;
	}
	if (options->check_lookups)
		entry->refused = directory_refuses(directory, level, name, entry->kind);
	return true;
}

/* Makes an entry of a name. Returns false if the name no longer exists. */
static bool directory_describe(struct weir_directory *directory, const struct level *level,
        const char *name, unsigned char type, struct weir_directory_entry *entry)
{
	const struct weir_directory_options *options = &directory->options;
	size_t texts = directory->texts.size;
	bool known = type != DT_UNKNOWN && !options->details && !options->check_lookups &&
	             options->links == WEIR_LINKS_PLAIN;
	*entry = (struct weir_directory_entry){
	        .name = name, .kind = directory_kind((mode_t)DTTOIF(type))};
	if (directory->level_count > 1) {
		entry->name = NULL;
		directory_add_text(directory, directory->below, level->path_size, false);
		directory_add_text(directory, name, strlen(name), true);
	}
	if (known || directory_stat(directory, level, name, entry))
		return true;
	directory->texts.size = texts;
	return false;
}

/* Sets the pointers of entries. Their texts are in the same order, names before targets. */
static void directory_point(
        struct weir_directory_entry *entries, size_t count, const struct weir_buffer *texts)
{
	const char *text = texts->data;
	for (size_t i = 0; i < count; i++) {
		if (!entries[i].name) {
			entries[i].name = text;
			text += strlen(text) + 1;
		}
		if (entries[i].target) {
			entries[i].target = text;
			text += strlen(text) + 1;
		}
	}
}

/* -- batches ----------------------------------------------------------------------------------- */

/* Handles one name, or leaves a level. Returns false if the batch cannot grow. */
static bool directory_step(struct weir_directory *directory, size_t *count)
{
	struct level *level = &directory->levels[directory->depth];
	bool last = directory->depth + 1 == directory->level_count;
	/* Names of a single level are not copied, so the buffer must not be read into again. */
	bool may_read = !*count || directory->level_count > 1;
	unsigned char type;
	const char *name = level_next(directory, level, may_read, &type);
	if (name && last)
		*count += directory_describe(
		        directory, level, name, type, &directory->entries[*count]);
	else if (name)
		level_enter(directory, level, name, type);
	else if (!level->ended || level->parsed < level->filled)
		return false;
	else if (directory->depth)
		level_leave(directory);
	else
		directory->ended = true;
	return !directory->ended && !directory->error;
}

/* Reads up to ENTRIES entries. Without any it is the end, or an error, or unfinished. */
static size_t directory_read(struct weir_directory *directory)
{
	size_t count = 0;
	directory->texts.size = 0;
	while (count < ENTRIES && directory->texts.size < TEXTS_MAX &&
	        directory_step(directory, &count))
		;
	if (!directory->error)
		directory_point(directory->entries, count, &directory->texts);
	return count;
}

static size_t directory_collected(const struct collection *collection)
{
	return collection->entries.size / sizeof(struct weir_directory_entry);
}

/* The buffer of texts may move, so entries get their pointers at the end. */
static int directory_collect(
        struct collection *collection, const struct weir_directory_entry *entry)
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

static void directory_free_collection(struct collection *collection)
{
	weir_buffer_finish(&collection->entries);
	weir_buffer_finish(&collection->texts);
}

static int directory_compare(const void *a, const void *b)
{
	const struct weir_directory_entry *left = a, *right = b;
	return strcmp(left->name, right->name);
}

/*
 * Reads up to sort_max entries and sorts them. If there are more, adds a batch and does not sort.
 */
static void directory_read_sorted(struct weir_directory *directory)
{
	struct collection *collection = &directory->collection;
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
	directory_point(entries, directory->count, &collection->texts);
	if (directory->ended && directory->count)
		qsort(entries, directory->count, sizeof *entries, directory_compare);
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
	size_t names = (count - 1) * (size_t)LEVEL_NAMES;
	char *memory = malloc(count * sizeof(struct level) + names + size);
	if (!memory)
		return -ENOMEM;
	char *buffers = memory + count * sizeof(struct level);
	char *text = memcpy(buffers + names, pattern, size);
	directory->levels = (void *)memory;
	directory->level_count = count;
	for (unsigned i = 0; i < count; i++) {
		text += strspn(text, "/");
		size_t part = strcspn(text, "/");
		bool more = text[part];
		text[part] = 0;
		directory->levels[i] = (struct level){
		        .fd = -1,
		        .pattern = text,
		        .literal = !strpbrk(text, "*?["),
		        .room = LEVEL_NAMES,
		        .names = buffers + i * (size_t)LEVEL_NAMES,
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
	if (directory->options.sort_max > WEIR_DIRECTORY_SORT_MAX)
		directory->options.sort_max = WEIR_DIRECTORY_SORT_MAX;
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
	struct level *last = &directory->levels[directory->level_count - 1];
	last->names = directory->names;
	last->room = sizeof directory->names;
	*ret = directory;
	return 0;
}

void weir_directory_next(struct weir_directory *directory,
        void (*done)(
                void *context, int error, const struct weir_directory_entry *entries, size_t count),
        void *context)
{
	directory->done = done;
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
