/*
 * A replacement has the access rights of the file that it replaces. A right that the process may
 * not set is left out, and never widened: if the group cannot be set, its bits are reduced to
 * those of others. Set-user-ID, set-group-ID and file capabilities are dropped, as write(2) drops
 * them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "replaced.h"

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

/* -- owner, group, mode ------------------------------------------------------------------------ */

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

static mode_t replaced_mode(const struct stat *status, bool group_kept)
{
	mode_t mode = status->st_mode & 0777;
	return group_kept ? mode : (mode & 0707) | (mode & (mode & 07) << 3);
}

/* -- extended attributes ----------------------------------------------------------------------- */

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

/* -- all of it --------------------------------------------------------------------------------- */

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
