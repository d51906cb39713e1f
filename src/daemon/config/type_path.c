/*
 * Values that name something of this machine: files, directories, logs, users. They are looked at
 * when a file is read, so that `weir check` finds what is missing. Relative paths start at the
 * directory of the file that contains the value.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>

#include "admin.h"
#include "config.h"
#include "helper.h"
#include "log_socket.h"
#include "sources.h"
#include "table.h"
#include "types.h"

static bool path_refuse(struct reader *reader, const char *path, int error)
{
	reader_problem(reader, "%s: %s: %s", reader->name, path, weir_error_text(error));
	return false;
}

/* Stores the absolute path. `look` returns 0 or a negative errno. */
static bool path_store(
        struct reader *reader, const char *text, int (*look)(char *path), void *target)
{
	char *path = reader_path(reader, text);
	int error = path && look && !reader->syntax_only && !sources_replaying() ? look(path) : 0;
	if (error < 0)
		return path_refuse(reader, path, error);
	memcpy(target, &path, sizeof path);
	return path;
}

static void path_print(FILE *to, const struct key *key, const void *value)
{
	const char *path = *(const char *const *)value;
	(void)key;
	if (path)
		yaml_print_text(to, path);
}

static bool file_parse(struct reader *reader, const struct key *key, const char *text, void *target)
{
	if (!*text)
		return reader_refuse(reader, key, text);
	return path_store(reader, text, NULL, target);
}

/* -- directories ------------------------------------------------------------------------------- */

static int directory_look(char *path)
{
	struct stat status;
	if (stat(path, &status) < 0)
		return -errno;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	return faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* Symbolic links are followed now, so that the directory stays the same. */
static bool directory_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	(void)key;
	if (!path_store(reader, text, directory_look, target))
		return false;
	char *absolute = reader->syntax_only ? NULL : realpath(*(char **)target, NULL);
	bool good = !absolute || type_store_text(reader, absolute, strlen(absolute), target);
	free(absolute);
	return good;
}

/* The directory that the path will be created in must exist. */
static int path_look_above(char *path)
{
	struct stat status;
	char *slash = strrchr(path, '/');
	*slash = 0;
	int error = stat(slash == path ? "/" : path, &status) < 0 ? -errno : 0;
	*slash = '/';
	return error == 0 && !S_ISDIR(status.st_mode) ? -ENOTDIR : error;
}

static int new_directory_look(char *path)
{
	struct stat status;
	if (stat(path, &status) < 0)
		return errno == ENOENT ? path_look_above(path) : -errno;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	return faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static bool new_directory_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	(void)key;
	return path_store(reader, text, new_directory_look, target);
}

/* -- logs -------------------------------------------------------------------------------------- */

#define LOG_STDOUT "/dev/stdout"
#define LOG_STDERR "/dev/stderr"

/* The file may be missing; the directory that it will be created in may not. */
static int log_look(char *path)
{
	struct stat status;
	if (stat(path, &status) < 0)
		return path_look_above(path);
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* Stores the name with its path, also for "syslog". No socket needs to be there yet. */
static bool log_parse_socket(
        struct reader *reader, const char *scheme, const char *path, void *target)
{
	char name[sizeof "journal:" + 108];
	const char *fault = log_socket_path_fault(path);
	if (fault) {
		reader_problem(reader, "%s: %s: %s", reader->name, path, fault);
		return false;
	}
	int size = snprintf(name, sizeof name, "%s%s", scheme, path);
	return type_store_text(reader, name, (size_t)size, target);
}

static bool log_parse(struct reader *reader, const struct key *key, const char *text, void *target)
{
	if (!*text)
		return reader_refuse(reader, key, text);
	if (strcmp(text, "off") == 0) {
		memset(target, 0, sizeof(char *));
		return true;
	}
	const char *path, *scheme = log_socket_parse(text, &path);
	if (scheme)
		return log_parse_socket(reader, scheme, path, target);
	/* Which another user may own, as in a container. */
	if (strcmp(text, "-") == 0)
		return type_store_text(reader, LOG_STDOUT, strlen(LOG_STDOUT), target);
	if (strcmp(text, "stderr") == 0)
		return type_store_text(reader, LOG_STDERR, strlen(LOG_STDERR), target);
	return path_store(reader, text, log_look, target);
}

static void log_print(FILE *to, const struct key *key, const void *value)
{
	const char *path = *(const char *const *)value;
	if (!path)
		fputs("off", to);
	else if (strcmp(path, LOG_STDOUT) == 0)
		yaml_print_text(to, "-");
	else if (strcmp(path, LOG_STDERR) == 0)
		fputs("stderr", to);
	else
		path_print(to, key, value);
}

/* -- users ------------------------------------------------------------------------------------- */

static bool user_parse(struct reader *reader, const struct key *key, const char *text, void *target)
{
	(void)key;
	if (!reader->syntax_only && !sources_replaying() && !getpwnam(text)) {
		reader_problem(reader, "%s: this machine has no user '%.64s'", reader->name, text);
		return false;
	}
	return type_store_text(reader, text, strlen(text), target);
}

/* -- sockets ----------------------------------------------------------------------------------- */

/* A relative path of the command line is whole only once a configuration is made of the options. */
static bool socket_parse(
        struct reader *reader, const struct key *key, const char *text, void *target)
{
	if (!*text)
		return reader_refuse(reader, key, text);
	if (!path_store(reader, text, path_look_above, target))
		return false;
	const char *path = *(char **)target;
	const char *fault = reader->config ? admin_path_fault(path) : NULL;
	if (fault)
		reader_problem(reader, "%s: %s: %s", reader->name, path, fault);
	return !fault;
}

/* config_file.c has read the files before the keys are read. */
static void files_read(
        struct reader *reader, const struct key *key, struct node *node, void *target)
{
	(void)reader, (void)key, (void)node, (void)target;
}

const struct type type_file = {
        .what = "the path of a file",
        .argument = "FILE",
        .size = sizeof(char *),
        .parse = file_parse,
        .print = path_print,
};
const struct type type_directory = {
        .what = "the path of a directory",
        .argument = "DIR",
        .size = sizeof(char *),
        .parse = directory_parse,
        .print = path_print,
};
const struct type type_new_directory = {
        .what = "the path of a directory",
        .argument = "DIR",
        .size = sizeof(char *),
        .parse = new_directory_parse,
        .print = path_print,
};
const struct type type_log = {
        .what = "a path, - for the standard output, stderr, syslog, journal, or off",
        .argument = "PATH|-|stderr|syslog|journal|off",
        .size = sizeof(char *),
        .parse = log_parse,
        .print = log_print,
};
const struct type type_user = {
        .what = "the name of a user of this machine",
        .argument = "USER",
        .size = sizeof(char *),
        .parse = user_parse,
        .print = path_print,
};
const struct type type_socket = {
        .what = "the path of a socket",
        .argument = "PATH",
        .size = sizeof(char *),
        .parse = socket_parse,
        .print = path_print,
};
const struct type type_files = {
        .what = "a pattern of files, or a list of these",
        .argument = "PATTERN",
        .read = files_read,
};
