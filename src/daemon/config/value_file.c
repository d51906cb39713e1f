/*
 * Values that name something of this machine: directories, logs, users. They are looked at here, so
 * that `weir check` finds what is missing; relative paths start where the file is.
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

#include "schema.h"

char *value_path(struct reader *reader, const char *text)
{
	char *path = config_path(reader->config, reader->directory, text);
	if (!path)
		problems_add(reader->problems, (struct file_position){0}, "out of memory");
	return path;
}

void value_file(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	const char *text = schema_text(reader, key->name, node);
	char *path = text ? value_path(reader, text) : NULL;
	memcpy(target, &path, sizeof path);
}

static int value_file_look_at_directory(const char *path)
{
	struct stat status;
	if (stat(path, &status) < 0)
		return -errno;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	return faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

void value_directory(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	const char *text = schema_text(reader, key->name, node);
	char *path = text ? value_path(reader, text) : NULL;
	if (!path)
		return;
	int error = value_file_look_at_directory(path);
	if (error < 0) {
		problems_add(reader->problems, schema_place(node), "'%s': %s: %s", key->name, path,
		        weir_error_text(error));
		return;
	}
	char *absolute = realpath(path, NULL);
	if (absolute)
		path = schema_copy(reader, absolute, strlen(absolute));
	free(absolute);
	memcpy(target, &path, sizeof path);
}

/* The directory that the file or directory will be in must be there. */
static int value_file_look_above(char *path)
{
	struct stat status;
	char *slash = strrchr(path, '/');
	*slash = 0;
	int error = stat(slash == path ? "/" : path, &status) < 0 ? -errno : 0;
	*slash = '/';
	return error == 0 && !S_ISDIR(status.st_mode) ? -ENOTDIR : error;
}

static int value_file_look_at_place(char *path)
{
	struct stat status;
	if (stat(path, &status) < 0)
		return errno == ENOENT ? value_file_look_above(path) : -errno;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	return faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

void value_place(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	const char *text = schema_text(reader, key->name, node);
	char *path = text ? value_path(reader, text) : NULL;
	int error = path ? value_file_look_at_place(path) : 0;
	if (error < 0)
		problems_add(reader->problems, schema_place(node), "'%s': %s: %s", key->name, path,
		        weir_error_text(error));
	memcpy(target, &path, sizeof path);
}

/* The file may be missing; the directory it will be in may not. */
static int value_file_look_at_log(char *path)
{
	struct stat status;
	if (stat(path, &status) < 0)
		return value_file_look_above(path);
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

void value_log(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	const char *text = schema_text(reader, key->name, node);
	if (!text || strcmp(text, "off") == 0)
		return;
	char *path = value_path(reader, config_log_path(text));
	if (!path)
		return;
	int error = value_file_look_at_log(path);
	if (error < 0)
		problems_add(reader->problems, schema_place(node), "'%s': %s: %s", key->name, path,
		        weir_error_text(error));
	memcpy(target, &path, sizeof path);
}

void value_user(struct reader *reader, const struct key *key, yaml_node_t *node, void *target)
{
	const char *text = schema_text(reader, key->name, node);
	if (text && !getpwnam(text))
		problems_add(reader->problems, schema_place(node),
		        "'%s': this machine has no user '%.64s'", key->name, text);
	value_text(reader, key, node, target);
}

/* -- users files ------------------------------------------------------------------------------- */

struct users_report {
	struct reader *reader;
	const char *path;
	struct file_position place;
};

static void value_file_report(void *context, unsigned line, const char *text)
{
	struct users_report *value_file_report = context;
	if (line)
		problems_add(value_file_report->reader->problems, value_file_report->place,
		        "%s:%u: %s", value_file_report->path, line, text);
	else
		problems_add(value_file_report->reader->problems, value_file_report->place,
		        "%s: %s", value_file_report->path, text);
}

struct weir_users *value_load_users(struct reader *reader, const char *path, yaml_node_t *node)
{
	struct users_report context = {reader, path, schema_place(node)};
	struct weir_users *users = NULL;
	size_t before = reader->problems->count;
	int error = weir_users_load(path, value_file_report, &context, &users);
	if (error < 0 && reader->problems->count == before)
		problems_add(
		        reader->problems, context.place, "%s: %s", path, weir_error_text(error));
	return error < 0 ? NULL : users;
}
