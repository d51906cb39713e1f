/* The files of an import and an export. See store_files.h. */
#include "store_files.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/database_users.h>
#include <weir/error.h>
#include <weir/mail_routes.h>
#include <weir/users.h>

#include "config.h"
#include "helper.h"
#include "say.h"
#include "service_mail.h"
#include "store_rows.h"
#include "store_verb.h"

/* Root has become the user that serves, which may surprise. */
static const char *store_files_user(int error)
{
	const struct passwd *user = error == -EACCES ? getpwuid(geteuid()) : NULL;
	return user ? user->pw_name : NULL;
}

bool store_files_unread(const char *path, int error)
{
	const char *user = store_files_user(error);
	const struct group *group = user ? getgrgid(getegid()) : NULL;
	if (group)
		say("%s: %s as %s: an import reads the files as this user: `chgrp -R %s %s; chmod "
		    "-R g+rX %s` lets it",
		        path, weir_error_text(error), user, group->gr_name, path, path);
	else
		say("%s: %s", path, weir_error_text(error));
	return false;
}

bool store_files_unwritten(const char *path, int error)
{
	const char *user = store_files_user(error);
	if (user)
		say("%s: %s as %s: an export writes as this user: `install -d -o %s DIR` makes a "
		    "directory for it",
		        path, weir_error_text(error), user, user);
	else
		say("%s: %s", path, weir_error_text(error));
	return false;
}

/* -- reading users ----------------------------------------------------------------------------- */

static void store_files_report(void *context, const char *path, unsigned line, const char *text)
{
	const struct config_mail *mail = context;
	const char *file = strcmp(path, "aliases") == 0 ? mail->aliases_path : mail->users_path;
	say("%s:%u: %s", file ? file : path, line, text);
}

static bool store_files_check_mail(
        const struct config_mail *mail, const struct store_users_files *files)
{
	const struct weir_span texts[2] = {
	        weir_buffer_span(&files->users), weir_buffer_span(&files->aliases)};
	struct weir_users *users = NULL;
	struct weir_mail_routes *routes = NULL;
	if (config_mail_parse(
	            mail, texts, store_files_report, (void *)(uintptr_t)mail, &users, &routes) < 0)
		return false;
	weir_users_release(users);
	weir_mail_routes_release(routes);
	return true;
}

static void store_files_report_user(void *context, unsigned line, const char *text)
{
	say("%s:%u: %s", (const char *)context, line, text);
}

static bool store_files_check_users(const char *path, struct weir_span text)
{
	struct weir_users *users = NULL;
	int error =
	        weir_users_parse(text, store_files_report_user, (void *)(uintptr_t)path, &users);
	if (error < 0 && error != WEIR_E_SYNTAX)
		store_files_unread(path, error);
	weir_users_release(users);
	return error == 0;
}

/* The users of FTP go behind those of mail: of two lines with one name the first one counts. */
static bool store_files_add_ftp(const char *path, struct store_users_files *files)
{
	struct weir_buffer text = {0};
	int error = file_read_path(path, WEIR_USERS_FILE_MAX, &text);
	if (error < 0)
		return store_files_unread(path, error);
	bool good = store_files_check_users(path, weir_buffer_span(&text));
	const struct weir_span parts[] = {WEIR_SPAN("\n"), weir_buffer_span(&text)};
	if (good) {
		error = buffer_append_spans(&files->users, parts, 2, SIZE_MAX);
		good = error == 0 || store_files_unread(path, error);
	}
	buffer_erase(&text);
	return good;
}

bool store_files_read_users(const struct config *config, struct store_users_files *files)
{
	const struct config_mail *mail = &config->mail;
	const char *ftp = config->ftp.users_path;
	int error = 0;
	if (mail->users_path)
		error = file_read_path(mail->users_path, WEIR_USERS_FILE_MAX, &files->users);
	if (error < 0)
		return store_files_unread(mail->users_path, error);
	if (mail->users_path && mail->aliases_path)
		error = file_read_path(mail->aliases_path, WEIR_ALIASES_FILE_MAX, &files->aliases);
	if (error < 0)
		return store_files_unread(mail->aliases_path, error);
	if (mail->users_path && !store_files_check_mail(mail, files))
		return false;
	return !ftp || text_equal(ftp, mail->users_path) || store_files_add_ftp(ftp, files);
}

void store_files_free_users(struct store_users_files *files)
{
	buffer_erase(&files->users);
	buffer_erase(&files->aliases);
}

/* -- writing users ----------------------------------------------------------------------------- */

static int store_files_put(int fd, struct weir_span text)
{
	while (text.size) {
		ssize_t put = write(fd, text.data, text.size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		text = weir_span_skip(text, (size_t)put);
	}
	return fsync(fd) < 0 ? -errno : 0;
}

bool store_files_write(const char *directory, const char *name, struct weir_span text)
{
	char path[PATH_MAX], temporary[PATH_MAX];
	int size = snprintf(temporary, sizeof temporary, "%s/.%s.new", directory, name);
	if (size < 0 || (size_t)size >= sizeof temporary)
		return store_files_unwritten(directory, -ENAMETOOLONG);
	snprintf(path, sizeof path, "%s/%s", directory, name);
	unlink(temporary);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return store_files_unwritten(temporary, -errno);
	int error = store_files_put(fd, text);
	if (close(fd) < 0 && error == 0)
		error = -errno;
	if (error == 0 && rename(temporary, path) < 0)
		error = -errno;
	return error == 0 || store_files_unwritten(path, error);
}

bool store_files_write_users(
        struct store_verb *verb, const char *directory, uint64_t *ret_users, uint64_t *ret_aliases)
{
	struct store_rows rows = {.verb = verb};
	struct weir_span texts[2];
	bool good = store_rows_load(&rows);
	if (good && rows.error) {
		say("the database: %s", rows.why);
		good = false;
	}
	if (good) {
		weir_database_users_split(weir_buffer_span(&rows.text), &texts[0], &texts[1]);
		good = store_files_write(directory, "users", texts[0]) &&
		       store_files_write(directory, "aliases", texts[1]);
		*ret_users = rows.counts[0];
		*ret_aliases = rows.counts[1];
	}
	store_rows_free(&rows);
	return good;
}

/* -- the directory of an export ---------------------------------------------------------------- */

static bool store_files_make_directory(const char *path)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST || store_files_unwritten(path, -errno);
}

bool store_files_make_export(const char *directory)
{
	if (!store_files_make_directory(directory))
		return false;
	return faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) == 0 ||
	       store_files_unwritten(directory, -errno);
}

/* Of two exports at one time, one would rename files that the other one has not written whole. */
static bool store_files_lock(struct store_export *export)
{
	struct stat status;
	export->fd = open(export->marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (export->fd < 0)
		return store_files_unwritten(export->marker, -errno);
	/* Some file systems have no locks. Another export may just have ended, and removed it. */
	bool free = flock(export->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
	if (free && fstat(export->fd, &status) == 0 && status.st_nlink > 0)
		return true;
	say("%s: another process is exporting into it", export->path);
	close(export->fd);
	return false;
}

bool store_files_begin_export(const char *directory, const char *name, const char *file, bool own,
        struct store_export *ret)
{
	int size = snprintf(ret->marker, sizeof ret->marker, "%s/.%s.unfinished", directory, name);
	if (size < 0 || (size_t)size >= sizeof ret->marker)
		return store_files_unwritten(directory, -ENAMETOOLONG);
	snprintf(ret->path, sizeof ret->path, "%s/%s", directory, file);
	if (access(ret->path, F_OK) == 0 && access(ret->marker, F_OK) < 0) {
		say("%s: it is there, and not of an export that was interrupted: choose another "
		    "directory",
		        ret->path);
		return false;
	}
	if (!store_files_lock(ret))
		return false;
	if (!own || store_files_make_directory(ret->path))
		return true;
	close(ret->fd);
	return false;
}

static bool store_files_remove_marker(const struct store_export *export)
{
	char directory[PATH_MAX];
	text_copy(directory, sizeof directory, export->marker);
	*strrchr(directory, '/') = 0;
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return store_files_unwritten(directory, -errno);
	int error = fsync(fd) < 0 || unlink(export->marker) < 0 || fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return error == 0 || store_files_unwritten(directory, error);
}

bool store_files_end_export(struct store_export *export, bool complete)
{
	bool good = !complete || store_files_remove_marker(export);
	close(export->fd);
	return good;
}
