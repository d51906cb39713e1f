/*
 * `weir check`, and the warnings of what is unwise in a configuration without mistakes: whether
 * other users can read secrets, and whether the user that the server becomes has the rights that it
 * will need. Mistakes that make a configuration useless are not warnings: the tables report them.
 *
 * Nothing is opened for writing, and nothing listens, so it may run beside the daemon.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/error.h>

#include "acme_report.h"
#include "cli.h"
#include "config.h"
#include "config_dns.h"
#include "config_tls.h"
#include "confine.h"
#include "options.h"
#include "resources.h"
#include "say.h"
#include "service.h"
#include "service_ftp.h"
#include "store.h"
#include "store_verb.h"
#include "table.h"

/* -- as another user --------------------------------------------------------------------------- */

struct check_user {
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	int count;
};

/* Finds the user and its groups. False if there is no such user, or no memory. Free `groups`. */
static bool check_user_find(const char *name, struct check_user *ret)
{
	const struct passwd *entry = name ? getpwnam(name) : NULL;
	if (!entry)
		return false;
	*ret = (struct check_user){.uid = entry->pw_uid, .gid = entry->pw_gid};
	getgrouplist(name, ret->gid, NULL, &ret->count);
	ret->groups = calloc((size_t)ret->count, sizeof *ret->groups);
	return ret->groups && getgrouplist(name, ret->gid, ret->groups, &ret->count) >= 0;
}

/*
 * Runs in a child process, and exits with the errno. At a reload the parent has threads, whose
 * locks are held here for ever: so this makes system calls and nothing else.
 */
static void check_access_in_child(const struct check_user *user, const char *path, int mode)
{
	if (setgroups((size_t)user->count, user->groups) < 0 || setgid(user->gid) < 0 ||
	        setuid(user->uid) < 0)
		_exit(0);
	_exit(access(path, mode) == 0 ? 0 : errno);
}

static int check_access_as(const struct check_user *user, const char *path, int mode)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		check_access_in_child(user, path, mode);
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 0;
	return -WEXITSTATUS(status);
}

/*
 * Returns 0 if the user that this process will become may access the path, or a negative errno.
 * Returns 0 if this cannot be found out.
 */
static int config_warn_access(const struct config *config, const char *path, int mode)
{
	struct check_user user = {0};
	bool other = geteuid() == 0 && check_user_find(config->user, &user) && user.uid != 0;
	int error = other ? check_access_as(&user, path, mode)
	            : faccessat(AT_FDCWD, path, mode, AT_EACCESS) < 0 ? -errno
	                                                              : 0;
	free(user.groups);
	return error;
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

static void config_warn_secret_auth(void *context, const char *path, struct weir_users **users)
{
	(void)context, (void)users;
	config_warn_secret(path, "users file");
}

static void config_warn_secrets(const struct config *config)
{
	const struct config_tls *tls = &config->tls;
	for (size_t i = 0; i < tls->all.count; i++)
		config_warn_secret(tls->all.items[i].key, "private key");
	config_each_auth(config, config_warn_secret_auth, NULL);
	if (config->mail.users_path)
		config_warn_secret(config->mail.users_path, "users file");
	config_warn_secret(config->mail.relay.password_path, "password file");
	config_warn_secret(config->store.password_path, "password file");
	config_warn_secret(config->store.seal_path, "key file");
	config_warn_secret(config->admin_token_path, "token file");
	config_warn_secret(config->admin_users_path, "users file");
	if (config_warn_has_own_users(config))
		config_warn_secret(config->ftp.users_path, "users file");
}

/* -- what a reload reads again ----------------------------------------------------------------- */

/* Root reads the file now, and the process is no longer root at a reload. */
static void config_warn_unreadable(const struct config *config, const char *path)
{
	int error = path ? config_warn_access(config, path, R_OK) : 0;
	if (error < 0)
		say("a reload will fail: the user %s may not read %s (%s)", config->user, path,
		        weir_error_text(error));
}

static void config_warn_unreadable_auth(void *context, const char *path, struct weir_users **users)
{
	(void)users;
	config_warn_unreadable(context, path);
}

static void config_warn_reload(const struct config *config)
{
	const struct config_tls *tls = &config->tls;
	if (geteuid() != 0 || !config->user || config_is_separated(config))
		return;
	for (size_t i = 0; i < tls->all.count; i++) {
		config_warn_unreadable(config, tls->all.items[i].chain);
		config_warn_unreadable(config, tls->all.items[i].key);
	}
	config_each_auth(config, config_warn_unreadable_auth, (void *)config);
	if (config->mail.users)
		config_warn_unreadable(config, config->mail.users_path);
	config_warn_unreadable(config, config->mail.relay.password_path);
	config_warn_unreadable(config, config->store.password_path);
	config_warn_unreadable(config, config->store.seal_path);
	config_warn_unreadable(config, config->admin_token_path);
	config_warn_unreadable(config, config->admin_users_path);
	if (config->ftp.users && config->ftp.users != config->mail.users)
		config_warn_unreadable(config, config->ftp.users_path);
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
	if (!config->admin.path || strlen(config->admin.path) >= sizeof path)
		return;
	strcpy(path, config->admin.path);
	char *slash = strrchr(path, '/');
	slash[slash == path] = 0;
	int error = config_warn_access(config, path, W_OK | X_OK);
	if (error < 0)
		say("the admin socket cannot be made in %s: %s", path, weir_error_text(error));
}

static void config_warn_writing(const struct config *config)
{
	bool mail =
	        listeners_include(config, SERVICE_SMTP) || listeners_include(config, SERVICE_POP3);
	if (mail)
		config_warn_unwritable(config, config->mail.directory, "the mail directory");
	if (listeners_include(config, SERVICE_FTP) &&
	        (config->ftp.writable || config->ftp.anonymous_writes))
		config_warn_unwritable(config, config_ftp_root(config), "the directory of FTP");
	config_warn_unwritable(config, config->store.directory, "the directory of 'store'");
	for (size_t i = 0; i < config->sites.count; i++)
		if (config->sites.items[i].uploads.present)
			config_warn_unwritable(config, config->sites.items[i].root,
			        "the directory of a site with uploads");
}

/* The server process reads the rows. */
static void config_warn_stored_keys(const struct config *config)
{
	if (config->tls.key_process && store_has(config, STORE_KEYS) && !config->store.seal_path)
		say("'key-process' of 'tls' does not have the private keys of certificates in the "
		    "database, since they are not encrypted there: the server process has them in "
		    "its memory. To mend that, give 'secret-key-file' to 'store', and store the "
		    "certificates again (`weir certificate import`)");
}

/* Files that the configuration names go before the database, as they must during an import. */
static void config_warn_shadowed(const struct config *config)
{
	const struct config_mail *mail = &config->mail;
	if (store_has(config, STORE_MAILBOXES) && mail->directory)
		say("mailboxes are the Maildirs in %s, and not those of the database: remove "
		    "'directory' of 'mail' after `weir store import`",
		        mail->directory);
	if (store_has(config, STORE_USERS) && mail->users_path)
		say("users of mail are those of %s, and not those of the database: remove 'users' "
		    "and 'aliases' of 'mail' after `weir store import`",
		        mail->users_path);
}

void config_warn(const struct config *config)
{
	config_warn_shadowed(config);
	config_warn_stored_keys(config);
	config_tls_warn(config);
	config_ftp_warn(config);
	config_dns_warn(config);
	config_warn_secrets(config);
	config_warn_reload(config);
	config_warn_writing(config);
	config_warn_admin(config);
}

/* -- the verb ---------------------------------------------------------------------------------- */

static int check_print(const struct options *options, struct config *config)
{
	printf("# The configuration in effect: %s\n", options->config_path);
	bool good = table_print(stdout, &table_top, config);
	config_warn(config);
	resources_warn_of_root(config);
	config_release(config);
	return good && fflush(stdout) == 0 && !ferror(stdout) ? EXIT_DONE : EXIT_FAILED;
}

int check(const struct options *options)
{
	struct problems problems = {.file = options->config_path};
	struct config *config = config_file_read(&problems, NULL);
	problems_print(&problems, stderr);
	problems_free(&problems);
	if (!config)
		return EXIT_FAILED;
	if (options->effective)
		return check_print(options, config);
	size_t names = 0;
	for (size_t i = 0; i < config->sites.count; i++)
		names += config->sites.items[i].names.count;
	size_t listeners = config->listeners.count ? config->listeners.count : 1;
	struct store_check store;
	bool problem = store_check_begin(&store, config);
	printf("%s: good%s: %zu site%s, %zu name%s, %zu listener%s", options->config_path,
	        problem ? ", with problems of the database" : "", config->sites.count,
	        config->sites.count == 1 ? "" : "s", names, names == 1 ? "" : "s", listeners,
	        listeners == 1 ? "" : "s");
	if (config->mail.users)
		printf(", %zu user%s of mail", weir_users_count(config->mail.users),
		        weir_users_count(config->mail.users) == 1 ? "" : "s");
	if (config->dns.zones.count)
		printf(", %zu zone%s", config->dns.zones.count,
		        config->dns.zones.count == 1 ? "" : "s");
	putchar('\n');
	acme_report_print(config);
	if (config_is_separated(config))
		confine_print(config);
	config_warn(config);
	resources_warn_of_root(config);
	store_check_print(&store, config);
	config_release(config);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}
