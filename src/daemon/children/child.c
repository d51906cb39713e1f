/*
 * The common part of all processes that the master starts. Files are opened for them here, since
 * they have the rights to few or none.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

#include "child.h"
#include "confine.h"
#include "resources.h"
#include "say.h"
#include "say_log.h"

/* -- opening ----------------------------------------------------------------------------------- */

static int child_check_file(int fd)
{
	struct stat status;
	if (fd < 0)
		return fd;
	int error = fstat(fd, &status) < 0 ? -errno : S_ISREG(status.st_mode) ? 0 : -EINVAL;
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

int child_open_file(const char *user, const char *path)
{
	int error = resources_lend(user);
	if (error < 0)
		return error;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	fd = fd < 0 ? -errno : fd;
	resources_return();
	if (fd == -EACCES && user && geteuid() == 0)
		fd = child_check_file(root_path_open(path, O_RDONLY | O_NONBLOCK, 0));
	return fd;
}

/* -- starting ---------------------------------------------------------------------------------- */

char **child_arguments(const char *verb, const char *value, const char *const *rest)
{
	size_t count = 0;
	while (rest[count])
		count++;
	const char **arguments = calloc(count + 4, sizeof *arguments);
	if (!arguments)
		return NULL;
	arguments[0] = "weir";
	arguments[1] = verb;
	arguments[2] = value;
	memcpy(arguments + 3, rest, count * sizeof *arguments);
	return (char **)(uintptr_t)arguments;
}

void child_execute(int program, char **arguments, const char *user)
{
	sigset_t none;
	say_log_forget();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (arguments && confine_become(user) == 0) {
		fexecve(program, arguments, environ);
		say("cannot execute %s: %s", arguments[1], weir_error_text(-errno));
	}
	_exit(EXIT_FAILURE);
}
