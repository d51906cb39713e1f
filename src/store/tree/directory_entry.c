/*
 * Entries of directories, to be changed. The directory is opened beneath the root by the same
 * rules as a lookup. The name is used with *at calls that do not follow a symbolic link.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/limits.h>

#include "directory_entry.h"
#include "open_beneath.h"

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
 * A directory that is writable and not readable is opened with O_PATH. It cannot be synced by
 * itself.
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

void directory_entry_close(struct directory_entry *entry)
{
	close(entry->directory);
}

int directory_entry_ask(const struct open_rules *rules, const char *path,
        int (*check)(void *context, const struct stat *there), void *context)
{
	struct stat status;
	int fd = tree_open_beneath(rules->root, path, O_PATH, rules->resolve);
	/* A lookup finds nothing behind a link that dangles or leads out of the root. */
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

/*
 * EINVAL comes from file systems whose directories need no sync, EBADF from a descriptor with
 * O_PATH.
 */
int directory_entry_sync(const struct directory_entry *entry)
{
	if (fsync(entry->directory) == 0 || errno == EINVAL)
		return 0;
	if (errno != EBADF)
		return -errno;
	sync();
	return 0;
}

/* -- locks ------------------------------------------------------------------------------------ */

enum {
	LOCKS = 64
};

static pthread_mutex_t locks[LOCKS] = {[0 ... LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER};

/* Directories that fstat fails for share the first lock. */
static unsigned name_lock_index(int directory)
{
	struct stat status;
	if (fstat(directory, &status) < 0)
		return 0;
	return (unsigned)((status.st_ino ^ status.st_dev * 31) % LOCKS);
}

void name_lock_acquire(struct name_lock *lock, int directory, int other)
{
	unsigned first = name_lock_index(directory);
	unsigned second = other < 0 ? first : name_lock_index(other);
	*lock = first < second ? (struct name_lock){first, second}
	                       : (struct name_lock){second, first};
	pthread_mutex_lock(&locks[lock->first]);
	if (lock->second != lock->first)
		pthread_mutex_lock(&locks[lock->second]);
}

void name_lock_release(const struct name_lock *lock)
{
	if (lock->second != lock->first)
		pthread_mutex_unlock(&locks[lock->second]);
	pthread_mutex_unlock(&locks[lock->first]);
}
