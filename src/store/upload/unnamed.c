/*
 * Unnamed files. Naming one by its descriptor alone takes a privilege, or Linux 6.10. Naming it
 * by /proc takes /proc, and more time, so it is tried second; but /proc must be there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "unnamed.h"

enum {
	PROC_PATH = 32
};

static void unnamed_proc_path(char *path, int fd)
{
	snprintf(path, PROC_PATH, "/proc/self/fd/%d", fd);
}

int unnamed_open(int directory)
{
	char path[PROC_PATH];
	int fd = openat(directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	unnamed_proc_path(path, fd);
	if (access(path, F_OK) == 0)
		return fd;
	close(fd);
	return -EOPNOTSUPP;
}

int unnamed_link(int fd, int directory, const char *name)
{
	char path[PROC_PATH];
	if (linkat(fd, "", directory, name, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno == EEXIST)
		return -EEXIST;
	unnamed_proc_path(path, fd);
	return linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}
