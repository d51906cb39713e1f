/*
 * Looks at the files that a configuration names: whether other users can read secrets, and whether
 * the user that the server becomes has the rights that it will need.
 *
 * Mistakes that make a configuration useless are not warnings: the tables report them.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/error.h>

#include "config_ftp.h"
#include "config_tls.h"
#include "config_warn.h"
#include "kinds.h"
#include "say.h"

/* -- as another user --------------------------------------------------------------------------- */

/* Runs in a child process with the rights of the user and its groups, and exits with the errno. */
static void config_warn_access_in_child(const struct passwd *user, const char *path, int mode)
{
	if (initgroups(user->pw_name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
	        setuid(user->pw_uid) < 0)
		_exit(0);
	_exit(access(path, mode) == 0 ? 0 : errno);
}

/*
 * Returns 0 if the user that this process will become may access the path, or a negative errno.
 * Returns 0 if this cannot be found out.
 */
static int config_warn_access(const struct config *config, const char *path, int mode)
{
	const struct passwd *user = config->user ? getpwnam(config->user) : NULL;
	int status;
	if (geteuid() != 0 || !user)
		return faccessat(AT_FDCWD, path, mode, AT_EACCESS) < 0 ? -errno : 0;
	pid_t child = fork();
	if (child == 0)
		config_warn_access_in_child(user, path, mode);
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 0;
	return -WEXITSTATUS(status);
}

/* -- secrets ----------------------------------------------------------------------------------- */

static void config_warn_secret(const char *path, const char *what)
{
	struct stat status;
	if (!path || stat(path, &status) < 0 || !(status.st_mode & S_IROTH))
		return;
	say("every user of this machine can read the %s %s; to mend that: chmod o-r %s", what, path,
	        path);
}

/* Whether FTP has a users file that is not that of mail. */
static bool config_warn_has_own_users(const struct config *config)
{
	const char *ftp = config->ftp.users_path, *mail = config->mail.users_path;
	return ftp && (!mail || strcmp(ftp, mail) != 0);
}

static void config_warn_secrets(const struct config *config)
{
	const struct config_tls *tls = &config->tls;
	for (size_t i = 0; i < tls->certificates.count; i++)
		config_warn_secret(tls->certificates.items[i].key, "private key");
	for (size_t i = 0; i < config->sites.count; i++)
		for (size_t j = 0; j < config->sites.items[i].auth.count; j++)
			config_warn_secret(
			        config->sites.items[i].auth.items[j].users_path, "users file");
	if (config->mail.users_path)
		config_warn_secret(config->mail.users_path, "users file");
	config_warn_secret(config->mail.relay.password_path, "password file");
	if (config_warn_has_own_users(config))
		config_warn_secret(config->ftp.users_path, "users file");
}

/* -- what is written --------------------------------------------------------------------------- */

static void config_warn_unwritable(const struct config *config, const char *path, const char *what)
{
	struct stat status;
	if (!path || stat(path, &status) < 0)
		return;
	int error = config_warn_access(config, path, R_OK | W_OK | X_OK);
	if (error < 0)
		say("%s cannot be written: %s: %s", what, path, weir_error_text(error));
}

/* The user makes the socket file in the directory, and removes it there. */
static void config_warn_admin(const struct config *config)
{
	char path[PATH_MAX];
	if (!config->admin || strlen(config->admin) >= sizeof path)
		return;
	strcpy(path, config->admin);
	char *slash = strrchr(path, '/');
	slash[slash == path] = 0;
	int error = config_warn_access(config, path, W_OK | X_OK);
	if (error < 0)
		say("the admin socket cannot be made in %s: %s", path, weir_error_text(error));
}

static void config_warn_writing(const struct config *config)
{
	bool mail = kinds_include(config, SERVICE_SMTP) || kinds_include(config, SERVICE_POP3);
	if (mail)
		config_warn_unwritable(config, config->mail.directory, "the mail directory");
	if (kinds_include(config, SERVICE_FTP) &&
	        (config->ftp.writable || config->ftp.anonymous_writes))
		config_warn_unwritable(config, config_ftp_root(config), "the directory of FTP");
	for (size_t i = 0; i < config->sites.count; i++)
		if (config->sites.items[i].uploads.present)
			config_warn_unwritable(config, config->sites.items[i].root,
			        "the directory of a site with uploads");
}

void config_warn(const struct config *config)
{
	config_tls_warn(config);
	config_ftp_warn(config);
	config_warn_secrets(config);
	config_warn_writing(config);
	config_warn_admin(config);
}
