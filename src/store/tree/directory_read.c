/*
 * Makes entries of the names in a directory, or of the paths beneath it that fit a pattern.
 *
 * One piece of work looks at no more than WEIR_DIRECTORY_STEP names. Leaves out when that is done:
 * see directory.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory_state.h"
#include "open_beneath.h"

/* -- levels ------------------------------------------------------------------------------------ */

static bool directory_is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

int directory_open_own(struct weir_directory *directory)
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
static bool directory_path(const struct weir_directory *directory,
        const struct directory_level *level, const char *name, char to[WEIR_PATH_MAX])
{
	const char *base = directory->path[0] ? directory->path : ".";
	int size = snprintf(to, WEIR_PATH_MAX, "%s/%.*s%s", base, (int)level->path_size,
	        directory->below, name);
	return size > 0 && size < WEIR_PATH_MAX;
}

static bool directory_shows(const struct weir_directory *directory,
        const struct directory_level *level, const char *name)
{
	return !directory_is_dots(name) &&
	       (!directory->options.shown || directory->options.shown(level->pattern, name));
}

/* Reads further names. Returns false if there are none, or after an error. */
static bool directory_level_fill(struct weir_directory *directory, struct directory_level *level)
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
static const char *directory_level_next(struct weir_directory *directory,
        struct directory_level *level, bool may_read, unsigned char *ret_type)
{
	if (level->literal) {
		bool first = !level->ended;
		level->ended = true;
		*ret_type = DT_UNKNOWN;
		return first && directory_shows(directory, level, level->pattern) ? level->pattern
		                                                                  : NULL;
	}
	while (level->parsed < level->filled ||
	        (may_read && directory_level_fill(directory, level))) {
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
static int directory_level_open(const struct weir_directory *directory,
        const struct directory_level *level, const char *name, unsigned char type)
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
static void directory_level_enter(struct weir_directory *directory, struct directory_level *level,
        const char *name, unsigned char type)
{
	struct directory_level *next = level + 1;
	size_t size = strlen(name);
	if (type != DT_DIR && type != DT_LNK && type != DT_UNKNOWN)
		return;
	if (level->path_size + size + 1 >= sizeof directory->below)
		return;
	int fd = directory_level_open(directory, level, name, type);
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

static void directory_level_leave(struct weir_directory *directory)
{
	struct directory_level *level = &directory->levels[directory->depth--];
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
static bool directory_refuses(const struct weir_directory *directory,
        const struct directory_level *level, const char *name, enum weir_file_kind kind)
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

static void directory_describe_link(struct weir_directory *directory,
        const struct directory_level *level, const char *name, struct weir_directory_entry *entry,
        struct stat *status)
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
static bool directory_stat(struct weir_directory *directory, const struct directory_level *level,
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
static bool directory_describe(struct weir_directory *directory,
        const struct directory_level *level, const char *name, unsigned char type,
        struct weir_directory_entry *entry)
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

void directory_set_pointers(
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
	struct directory_level *level = &directory->levels[directory->depth];
	bool last = directory->depth + 1 == directory->level_count;
	/* Names of a single level are not copied, so the buffer must not be read into again. */
	bool may_read = !*count || directory->level_count > 1;
	unsigned char type;
	const char *name = directory_level_next(directory, level, may_read, &type);
	if (name && last)
		*count += directory_describe(
		        directory, level, name, type, &directory->entries[*count]);
	else if (name)
		directory_level_enter(directory, level, name, type);
	else if (!level->ended || level->parsed < level->filled)
		return false;
	else if (directory->depth)
		directory_level_leave(directory);
	else
		directory->ended = true;
	return !directory->ended && !directory->error;
}

size_t directory_read(struct weir_directory *directory)
{
	size_t count = 0;
	directory->texts.size = 0;
	while (count < DIRECTORY_ENTRIES && directory->texts.size < DIRECTORY_TEXTS_MAX &&
	        directory_step(directory, &count))
		;
	if (!directory->error)
		directory_set_pointers(directory->entries, count, &directory->texts);
	return count;
}
