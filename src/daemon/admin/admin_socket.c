/*
 * The file of the admin socket. Only its user may connect, from the first moment on. A file that a
 * killed server has left is replaced; that of a living one, or one that is no socket, is not.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <weir/error.h>

#include "admin.h"
#include "resources.h"
#include "say.h"

enum {
	ADMIN_BACKLOG = 128,
};

static bool admin_socket_address(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof ret->sun_path)
		return false;
	strcpy(ret->sun_path, path);
	return true;
}

const char *admin_path_fault(const char *path)
{
	struct sockaddr_un address;
	struct stat status;
	if (!admin_socket_address(path, &address))
		return "the path of a socket has at most 107 bytes";
	if (lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
		return "there is a file of this name that is no socket; name another, or remove it";
	return NULL;
}

/*
 * Removes the socket file if nobody listens on it any more. Returns 0, or -EADDRINUSE if somebody
 * does, or if the file is no socket.
 */
static int admin_socket_remove_stale(const struct sockaddr_un *address)
{
	struct stat status;
	if (lstat(address->sun_path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EADDRINUSE;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	bool refused = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 &&
	               errno == ECONNREFUSED;
	close(fd);
	if (!refused)
		return -EADDRINUSE;
	return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/*
 * bind() gives the file the mode that the socket has, so that no other user may connect at any
 * moment. Returns the socket, or a negative errno.
 */
static int admin_socket_bind(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = fd < 0 || fchmod(fd, 0600) < 0 ? -errno : 0;
	if (error == 0)
		error = admin_socket_remove_stale(address);
	if (error == 0 && (bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 ||
	                          listen(fd, ADMIN_BACKLOG) < 0))
		error = -errno;
	if (error == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return error;
}

static void admin_socket_complain(const char *path, int error)
{
	if (error == -EADDRINUSE)
		say("cannot listen on the admin socket %s: another process listens there, or the "
		    "file is no socket",
		        path);
	else if (error == -EACCES || error == -ENOENT)
		say("cannot make the admin socket %s: %s; its directory must exist, and the user "
		    "that the daemon runs as must be allowed to write there",
		        path, weir_error_text(error));
	else
		say("cannot listen on the admin socket %s: %s", path, weir_error_text(error));
}

int admin_bind_socket(const char *user, const char *path)
{
	struct sockaddr_un address;
	if (!admin_socket_address(path, &address))
		return -ENAMETOOLONG;
	int error = resources_lend(user);
	if (error < 0)
		return error;
	int fd = admin_socket_bind(&address);
	resources_return();
	if (fd < 0)
		admin_socket_complain(path, fd);
	return fd;
}
