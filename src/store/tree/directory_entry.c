/*
 * Entries of directories, to be changed, and the attributes of a file that is replaced. The
 * directory is opened beneath the root by the same rules as a lookup. The name is used with *at
 * calls that do not follow a symbolic link.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
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

int directory_entry_ask(
        const struct open_rules *rules, const char *path, weir_tree_check_fn *check, void *context)
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

/* -- the attributes of a file that is replaced ------------------------------------------------- */

/*
 * A replacement has the access rights of the file that it replaces. A right that the process may
 * not set is left out, and never widened: if the group cannot be set, its bits are reduced to
 * those of others. Set-user-ID, set-group-ID and file capabilities are dropped, as write(2) drops
 * them.
 */

enum {
	NAMES_MAX = 65536, /* XATTR_LIST_MAX, XATTR_SIZE_MAX */
	VALUE_MAX = 65536,
	NS_PER_S = 1000000000
};

static const char acl[] = "system.posix_acl_access";

/* Whether the process or the file system may not set an attribute, which is left out then. */
static bool replaced_not_allowed(int error)
{
	return error == EPERM || error == EACCES || error == EOPNOTSUPP || error == EINVAL ||
	       error == ENOSYS;
}

/* Returns 1 if the group is the same, 0 if it could not be set, or an errno. */
static int replaced_copy_owner(const struct stat *status, int fd)
{
	struct stat own;
	if (fstat(fd, &own) < 0)
		return -errno;
	if (own.st_uid == status->st_uid && own.st_gid == status->st_gid)
		return 1;
	if (fchown(fd, status->st_uid, status->st_gid) == 0)
		return 1;
	if (!replaced_not_allowed(errno))
		return -errno;
	if (own.st_gid == status->st_gid || fchown(fd, (uid_t)-1, status->st_gid) == 0)
		return 1;
	return replaced_not_allowed(errno) ? 0 : -errno;
}

static mode_t replaced_mode(const struct stat *status, bool same_group)
{
	mode_t mode = status->st_mode & 0777;
	return same_group ? mode : (mode & 0707) | (mode & (mode & 07) << 3);
}

/* Whether an attribute describes the old content, or gives rights to the process that runs it. */
static bool replaced_belongs_to_content(const char *name)
{
	return !strcmp(name, "security.capability") || !strcmp(name, "security.ima") ||
	       !strcmp(name, "security.evm");
}

static int replaced_copy_attribute(int from, int to, const char *name, char *value)
{
	ssize_t size = fgetxattr(from, name, value, VALUE_MAX);
	if (size < 0)
		return errno == ENODATA || replaced_not_allowed(errno) ? 0 : -errno;
	if (fsetxattr(to, name, value, (size_t)size, 0) < 0 && !replaced_not_allowed(errno))
		return -errno;
	return 0;
}

static int replaced_copy_list(int from, int to, char *names, char *value)
{
	ssize_t size = flistxattr(from, names, NAMES_MAX);
	int error = size < 0 && !replaced_not_allowed(errno) ? -errno : 0;
	const char *name = names;
	while (error == 0 && name - names < size) {
		if (!replaced_belongs_to_content(name))
			error = replaced_copy_attribute(from, to, name, value);
		name += strlen(name) + 1;
	}
	return error;
}

/* Removes the default access list of the directory first, which the old file did not have. */
static int replaced_copy_attributes(int from, int to)
{
	fremovexattr(to, acl);
	ssize_t size = flistxattr(from, NULL, 0);
	if (size <= 0)
		return size < 0 && !replaced_not_allowed(errno) ? -errno : 0;
	char *memory = malloc(NAMES_MAX + VALUE_MAX);
	if (!memory)
		return -ENOMEM;
	int error = replaced_copy_list(from, to, memory, memory + NAMES_MAX);
	free(memory);
	return error;
}

static bool replaced_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int replaced_copy(struct replaced *replaced, const struct directory_entry *entry, int fd)
{
	struct stat status;
	if (fstatat(entry->directory, entry->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(status.st_mode) ||
	        (replaced->copied && replaced_same(&replaced->status, &status)))
		return 0;
	int group = replaced_copy_owner(&status, fd);
	if (group < 0)
		return group;
	/* Without the right to read the file its attributes cannot be read either. */
	int from = openat(entry->directory, entry->name,
	        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int error = from >= 0 ? replaced_copy_attributes(from, fd) : 0;
	if (from >= 0)
		close(from);
	if (error == 0 && fchmod(fd, replaced_mode(&status, group)) < 0)
		error = -errno;
	replaced->status = status;
	replaced->copied = error == 0;
	return error;
}

/* A time that is further ahead has been set explicitly, and is ignored. */
int replaced_outdate(const struct replaced *replaced, int fd)
{
	struct stat own;
	if (!replaced->copied)
		return 0;
	if (fstat(fd, &own) < 0)
		return -errno;
	struct timespec then = replaced->status.st_mtim;
	int64_t ahead_ns = ((int64_t)then.tv_sec - own.st_mtim.tv_sec) * NS_PER_S;
	ahead_ns += then.tv_nsec - own.st_mtim.tv_nsec;
	if (ahead_ns < 0 || ahead_ns > NS_PER_S)
		return 0;
	if (++then.tv_nsec == NS_PER_S) {
		then.tv_nsec = 0;
		then.tv_sec++;
	}
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, then};
	return futimens(fd, times) < 0 ? -errno : 0;
}
