/*
 * Finds where a change is to be made. The directory is opened beneath the root by the same rules as
 * a lookup; the name is used with the *at calls that do not follow a symbolic link.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/limits.h>

#include "open_beneath.h"
#include "directory_entry.h"

static const char *directory_entry_name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

int directory_entry_check(const char *path)
{
	if (strnlen(path, WEIR_PATH_MAX) == WEIR_PATH_MAX)
		return -ENAMETOOLONG;
	const char *name = directory_entry_name_of(path);
	return !name[0] || !strcmp(name, ".") || !strcmp(name, "..") ? -EISDIR : 0;
}

/*
 * A directory that may be written to and not read is opened all the same; it cannot be synced
 * alone.
 */
static int directory_entry_open_parent(const struct open_rules *rules, const char *parent)
{
	int fd = tree_open_beneath(rules->root, parent, O_RDONLY | O_DIRECTORY, rules->resolve);
	if (fd == -EACCES)
		fd = tree_open_beneath(rules->root, parent, O_PATH | O_DIRECTORY, rules->resolve);
	return fd;
}

int directory_entry_open(
        const struct open_rules *rules, const char *path, struct directory_entry *ret)
{
	char parent[WEIR_PATH_MAX] = ".";
	int error = directory_entry_check(path);
	if (error < 0)
		return error;
	const char *name = directory_entry_name_of(path);
	if (name != path) {
		memcpy(parent, path, (size_t)(name - path));
		parent[name - path] = 0;
	}
	int fd = directory_entry_open_parent(rules, parent);
	if (fd < 0)
		return fd;
	*ret = (struct directory_entry){fd, name};
	return 0;
}

void directory_entry_close(struct directory_entry *place)
{
	close(place->directory);
}

int directory_entry_ask(const struct open_rules *rules, const char *path,
        int (*check)(void *context, const struct stat *there), void *context)
{
	struct stat status;
	int fd = tree_open_beneath(rules->root, path, O_PATH, rules->resolve);
	/* A link that leads nowhere, or out of the root, is as good as nothing for a lookup. */
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -EXDEV || fd == -ELOOP)
		return check(context, NULL);
	if (fd < 0)
		return fd;
	int error = fstat(fd, &status) < 0 ? -errno : 0;
	close(fd);
	if (error == 0 && S_ISDIR(status.st_mode))
		error = -EISDIR;
	return error < 0 ? error : check(context, &status);
}

/* EINVAL: a file system whose directories need no sync. EBADF: opened for the path only. */
int directory_entry_sync(const struct directory_entry *place)
{
	if (fsync(place->directory) == 0 || errno == EINVAL)
		return 0;
	if (errno != EBADF)
		return -errno;
	sync();
	return 0;
}
