/*
 * Users and rights of the server process. Invariant: what is given up here cannot be regained, not
 * even by exec.
 */
#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <weir/error.h>

#include "call_filter.h"
#include "config.h"
#include "confine.h"
#include "landlock.h"
#include "resources.h"
#include "say.h"
#include "service.h"

/*
 * Root without capabilities is a user that owns much. Another user loses them at exec, once none is
 * ambient, and a service manager may have refused this call to it.
 */
static int confine_drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) == 0 || geteuid() != 0)
		return 0;
	int error = -errno;
	say("cannot give up capabilities: %s", weir_error_text(error));
	return error;
}

int confine_become(const char *user)
{
	for (int i = 0; i <= CAP_LAST_CAP; i++)
		prctl(PR_CAPBSET_DROP, i, 0, 0, 0); /* needs CAP_SETPCAP, which not all have */
	int error = user && geteuid() == 0 ? resources_drop(user) : 0;
	if (error == 0)
		error = confine_drop_capabilities();
	if (error == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		error = -errno;
	return error;
}

void confine_begin(int master)
{
#ifndef WEIR_SANITIZED /* the leak sanitizer attaches to the process */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != master)
		raise(SIGKILL);
}

/* -- the server process ------------------------------------------------------------------------ */

static struct landlock_plan confine_plan; /* in effect, if `confine_landlocked` */
static bool confine_landlocked;
static bool confine_unix_connect; /* the filter of calls allows it */

enum {
	STALE_PATHS = 64 /* that one call looks at */
};

static int confine_by_landlock(const struct config *config)
{
	struct landlock_plan plan;
	landlock_plan(config, &plan);
	int error = plan.incomplete ? -E2BIG : landlock_apply(&plan);
	if (error == 0) {
		confine_plan = plan;
		confine_landlocked = true;
		return 0;
	}
	landlock_plan_finish(&plan);
	if (error == -ENOSYS || error == -EOPNOTSUPP) {
		say_at(WEIR_LOG_WARNING,
		        "this kernel has no Landlock, so the server may open every file of its user");
		return 0;
	}
	say("cannot confine the server by Landlock: %s", weir_error_text(error));
	return error;
}

static bool confine_needs_unix(const struct config *config)
{
	struct landlock_plan plan;
	landlock_plan(config, &plan);
	bool needs = plan.unix_connect;
	landlock_plan_finish(&plan);
	return needs;
}

int confine_apply(const struct config *config)
{
	tzset(); /* reads its file now */
	confine_unix_connect = confine_needs_unix(config);
	int error = confine_by_landlock(config);
#ifndef WEIR_SANITIZED
	if (error == 0 && call_filter_available()) {
		error = call_filter_apply(
		        confine_unix_connect ? CALL_FILTER_SERVER_UNIX : CALL_FILTER_SERVER);
		if (error < 0)
			say("cannot confine the server by seccomp: %s", weir_error_text(error));
	}
#endif
	return error;
}

int confine_apply_acme(const struct config *config)
{
	struct landlock_plan plan;
	tzset();
	landlock_plan_acme(config, &plan);
	int error = plan.incomplete ? -E2BIG : landlock_apply(&plan);
	landlock_plan_finish(&plan);
	if (error == -ENOSYS || error == -EOPNOTSUPP)
		error = 0; /* which the server has reported */
#ifndef WEIR_SANITIZED
	if (error == 0 && call_filter_available())
		error = call_filter_apply(CALL_FILTER_SERVER);
#endif
	if (error < 0)
		say("cannot confine the process that obtains certificates: %s",
		        weir_error_text(error));
	return error;
}

/* A sanitizer opens files at the end. */
int confine_keys_begin(void)
{
#ifndef WEIR_SANITIZED
	static const struct landlock_plan nothing;
	int error = landlock_apply(&nothing);
	if (error < 0 && error != -ENOSYS && error != -EOPNOTSUPP)
		return error;
#endif
	return 0;
}

int confine_keys_finish(void)
{
#ifndef WEIR_SANITIZED
	if (call_filter_available())
		return call_filter_apply(CALL_FILTER_KEYS);
#endif
	return 0;
}

bool confine_covers(const struct config *config)
{
	struct landlock_plan plan;
	if (!confine_unix_connect && call_filter_available() && confine_needs_unix(config))
		return false;
	if (!confine_landlocked)
		return true;
	landlock_plan(config, &plan);
	bool covers = !plan.incomplete && landlock_covers(&confine_plan, &plan);
	landlock_plan_finish(&plan);
	return covers;
}

bool confine_is_stale(void)
{
	static size_t next;
	struct stat status;
	for (size_t i = 0; i < STALE_PATHS && i < confine_plan.path_count; i++) {
		const struct landlock_path *path =
		        &confine_plan.paths[next++ % confine_plan.path_count];
		/* The kernel may number the entries of /proc anew. */
		if (strncmp(path->path, "/proc", 5) != 0 && stat(path->path, &status) == 0 &&
		        (status.st_dev != path->device || status.st_ino != path->inode))
			return true;
	}
	return false;
}

void confine_end(void)
{
	landlock_plan_finish(&confine_plan);
	confine_landlocked = false;
}

/* -- reports ----------------------------------------------------------------------------------- */

static void confine_print_plan(const struct landlock_plan *plan)
{
	for (size_t i = 0; i < plan->path_count; i++)
		printf("  %s %s\n", plan->paths[i].write ? "reads and writes" : "reads",
		        plan->paths[i].path);
	if (plan->any_connect)
		printf("  connects to any port, for FTP or SRV names\n");
	for (size_t i = 0; i < plan->port_count && !plan->any_connect; i++)
		printf("  connects to port %u\n", plan->ports[i]);
	if (!plan->any_connect && plan->port_count == 0)
		printf("  connects to nothing by TCP\n");
	if (plan->unix_connect)
		printf("  connects to Unix sockets, for upstreams or the database\n");
}

/* The start makes these before the process is confined. */
static void confine_print_unmade(const struct config *config)
{
	const struct config_mail *mail = &config->mail;
	bool serves_mail =
	        listeners_include(config, SERVICE_SMTP) || listeners_include(config, SERVICE_POP3);
	const char *const paths[] = {
	        serves_mail ? mail->directory : NULL,
	        serves_mail && mail->relay.host ? mail->relay.queue : NULL,
	        config->store.url ? config->store.directory : NULL,
	};
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		if (paths[i] && access(paths[i], F_OK) < 0 && errno == ENOENT)
			printf("  reads and writes %s, which the start makes\n", paths[i]);
}

void confine_print(const struct config *config)
{
	struct landlock_plan plan;
	int version = landlock_version();
	bool root = geteuid() == 0 && !config->user;
	if (root && !getpwnam(RESOURCES_USER))
		printf("There is no user %s, so root would need 'user' to start the server.\n",
		        RESOURCES_USER);
	printf("The server process would run as %s, without capabilities%s.\n",
	        config->user ? config->user
	        : root       ? "the user " RESOURCES_USER
	                     : "this user",
	        call_filter_available() ? ", with a filter of system calls"
	                                : "; seccomp is not built in");
	if (config->tls.key_process && config->tls.all.count)
		printf("The private keys would be in a key process, which signs handshakes.\n");
	if (config->acme.managed.count)
		printf("Certificates would be obtained by a process of its own, in %s.\n",
		        config->acme.directory);
	if (version == 0) {
		printf("This kernel has no Landlock: the process could open every file of its user.\n");
		return;
	}
	printf("By Landlock (version %d) it\n", version);
	landlock_plan(config, &plan);
	confine_print_plan(&plan);
	confine_print_unmade(config);
	landlock_plan_finish(&plan);
}
