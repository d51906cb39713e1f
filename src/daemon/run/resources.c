/*
 * Descriptors, processors, privileges. Descriptors are divided in advance, so that connections wait
 * in the kernel before open files run out: an eighth is for files that the trees keep open, the
 * rest is one pool for the connections of all listeners on all workers. With upstreams half of it
 * is for connections to those.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "helper.h"
#include "link.h"
#include "resources.h"
#include "say.h"

enum {
	FILES_RESERVED = 64,  /* the standard three, logs, configuration, what libraries open */
	FILES_PER_WORKER = 8, /* epoll, eventfd, … */
	CONNECTIONS_MAX = 1 << 20,
	RESERVED_PART = 4, /* the servers together reserve at most a fourth of the connections */
	SHARE_MIN = 8,
};

size_t resources_raise_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024;
	rlim_t had = limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		limit.rlim_cur = had;
	return limit.rlim_cur > CONNECTIONS_MAX * 4 ? CONNECTIONS_MAX * 4 : (size_t)limit.rlim_cur;
}

unsigned resources_processors(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
	return count < 1 ? 1 : count > CONFIG_WORKERS_MAX ? CONFIG_WORKERS_MAX : (unsigned)count;
}

static bool resources_has_upstreams(const struct config *config)
{
	for (size_t i = 0; i < config->sites.count; i++) {
		const struct config_site *site = &config->sites.items[i];
		if (site->proxies.count || site->fastcgi.count || site->forward_auth.count)
			return true;
	}
	return false;
}

/* The file trees of a site, on each worker. */
static size_t resources_trees(const struct config_site *site)
{
	size_t trees = (site->uploads.present ? 2 : 1) + site->fastcgi.count;
	for (size_t i = 0; i < site->rules.count; i++)
		trees += site->rules.items[i].own_files;
	return trees;
}

struct budget resources_budget(const struct config *config, size_t files, unsigned workers)
{
	size_t servers = workers * config->listeners.count;
	bool upstreams = resources_has_upstreams(config);
	/* A listener of DNS with UDP needs two. */
	size_t reserved = FILES_RESERVED + FILES_PER_WORKER * workers + 2 * servers;
	size_t trees = 0;
	for (size_t i = 0; i < config->sites.count; i++)
		trees += resources_trees(&config->sites.items[i]);
	trees *= workers;
	files = files > reserved ? files - reserved : 0;
	/* Without a pipe a body is copied, so that they need not all be possible. */
	if (upstreams)
		files -= min_of(files / 4, (size_t)2 * WEIR_PIPES_MAX * workers);
	/*
	 * An eighth is for open files: most requests are for files that the trees have open
	 * already.
	 */
	size_t connections = files - files / 8;
	/* The connection of a client may need one to an upstream. */
	if (upstreams)
		connections /= 2;
	if (config->limits.connections && config->limits.connections < connections)
		connections = config->limits.connections;
	connections = clamp_size(connections, 1, CONNECTIONS_MAX);
	return (struct budget){
	        .connections = (unsigned)connections,
	        .reserved = (unsigned)clamp_size(
	                connections / (servers * RESERVED_PART), 0, WEIR_PERMITS_RESERVED),
	        .tree_entries = (unsigned)clamp_size(
	                files / 8 / (trees ? trees : 1), SHARE_MIN, WEIR_TREE_ENTRIES_MAX),
	};
}

static int resources_refused(const char *user, const char *what)
{
	int error = errno ? -errno : -EPERM;
	say("cannot become the user %s: %s: %s", user, what, weir_error_text(error));
	return error;
}

static int resources_find_user(const char *user, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *entry = getpwnam(user);
	if (!entry) {
		say("cannot become the user %s: there is no such user", user);
		return -ENOENT;
	}
	*ret_uid = entry->pw_uid;
	*ret_gid = entry->pw_gid;
	return 0;
}

int resources_lend(const char *user)
{
	uid_t uid;
	gid_t gid;
	if (!user || geteuid() != 0 || link_active())
		return 0;
	int error = resources_find_user(user, &uid, &gid);
	errno = 0;
	if (error < 0 || uid == 0)
		return error;
	/*
	 * The groups are not restored: root needs none, and they become the user's for good later.
	 */
	if (initgroups(user, gid) == 0 && setegid(gid) == 0 && seteuid(uid) == 0)
		return 0;
	error = resources_refused(user, "seteuid");
	resources_return();
	return error;
}

void resources_return(void)
{
	if (getuid() == geteuid())
		return;
	if (seteuid(getuid()) < 0 || setegid(getgid()) < 0)
		say("cannot become root again: %s", weir_error_text(-errno));
}

int resources_make_directory(const struct config *config, const char *path)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	if (uid != 0)
		return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
	int error = config->user ? resources_find_user(config->user, &uid, &gid) : 0;
	return error < 0 ? error : root_path_make_directory(path, uid, gid);
}

/* -- logs -------------------------------------------------------------------------------------- */

/* The log of a container is often its standard output, which another user may own. */
static int resources_open_standard(const char *path)
{
	int fd = strcmp(path, "/dev/stdout") == 0   ? STDOUT_FILENO
	         : strcmp(path, "/dev/stderr") == 0 ? STDERR_FILENO
	                                            : -1;
	if (fd < 0)
		return -ENOENT;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

enum {
	LOG_FLAGS = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
	LOG_MODE = 0640
};

/*
 * If the user may not create the log, root creates it and gives it to the user, so that the user
 * can reopen it. A file with a second name, or of a third user, is refused.
 */
static int resources_open_log_as_root(const char *path, uid_t uid, gid_t gid)
{
	struct stat status;
	int fd = root_path_open(path, LOG_FLAGS | O_NONBLOCK, LOG_MODE);
	if (fd < 0)
		return fd;
	int error = fstat(fd, &status) < 0 ? -errno : 0;
	if (error == 0 && S_ISREG(status.st_mode)) {
		if (status.st_nlink != 1 || (status.st_uid != 0 && status.st_uid != uid))
			error = -EPERM;
		else if ((status.st_uid != uid || status.st_gid != gid) && fchown(fd, uid, gid) < 0)
			error = -errno;
	}
	/* Writing to a pipe or a terminal blocks, as writing to a file does. */
	if (error == 0 && fcntl(fd, F_SETFL, O_APPEND) < 0)
		error = -errno;
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

int resources_reopen_log(const char *path)
{
	if (link_active())
		return link_open(GRANT_LOG, path);
	int fd = resources_open_standard(path);
	if (fd != -ENOENT)
		return fd;
	if (geteuid() == 0)
		return resources_open_log_as_root(path, 0, getegid());
	fd = open(path, LOG_FLAGS, LOG_MODE);
	return fd < 0 ? -errno : fd;
}

int resources_open_log(const char *user, const char *path)
{
	uid_t uid;
	gid_t gid;
	if (!user || geteuid() != 0 || link_active())
		return resources_reopen_log(path);
	int error = resources_find_user(user, &uid, &gid);
	if (error == 0)
		error = resources_lend(user);
	if (error < 0)
		return error;
	int fd = resources_reopen_log(path);
	resources_return();
	return fd == -EACCES ? resources_open_log_as_root(path, uid, gid) : fd;
}

int resources_drop(const char *user)
{
	uid_t uid;
	gid_t gid;
	int error = resources_find_user(user, &uid, &gid);
	if (error < 0)
		return error;
	/* Root that stays root keeps its groups: a container may forbid to set them. */
	if (uid == geteuid() && uid == 0)
		return 0;
	errno = 0;
	if (initgroups(user, gid) < 0)
		return resources_refused(user, "initgroups");
	if (setgid(gid) < 0)
		return resources_refused(user, "setgid");
	if (setuid(uid) < 0)
		return resources_refused(user, "setuid");
	/* Root must not be regained. */
	errno = 0;
	if (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0 || getuid() != uid || getgid() != gid))
		return resources_refused(user, "root came back");
	return 0;
}

void resources_warn_of_root(const struct config *config)
{
	if (geteuid() == 0 && (!config->user || strcmp(config->user, "root") == 0))
		say_at(WEIR_LOG_WARNING,
		        "the parsers of clients' input run as root: add 'user: NAME' to the "
		        "configuration, with a user of this machine that owns nothing else");
}

int resources_choose_user(struct config *config)
{
	if (geteuid() != 0 || config->user)
		return 0;
	if (getpwnam(RESOURCES_USER)) {
		config->user = RESOURCES_USER;
		return 0;
	}
	say("the server should not run as root: add 'user: NAME' to the configuration, or --user NAME, "
	    "with a user of this machine that owns nothing else; 'user: root' insists");
	return -EPERM;
}

int resources_become(const struct config *config)
{
	const char *user = config->user;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!user)
		return 0;
	if (geteuid() == 0)
		return resources_drop(user);
	const struct passwd *entry = getpwnam(user);
	if (entry && entry->pw_uid == geteuid())
		return 0;
	say_at(WEIR_LOG_WARNING,
	        "not root: the server cannot become the user %s, and stays as it is", user);
	return 0;
}
