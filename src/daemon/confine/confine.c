/*
 * Users and rights of the server process. Invariant: what is given up here cannot be regained, not
 * even by exec.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weir/error.h>

#include "confine.h"
#include "resources.h"
#include "say.h"

static int confine_drop(const char *user)
{
	uid_t uid;
	gid_t gid;
	int error = resources_find_user(user, &uid, &gid);
	if (error < 0)
		return error;
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

/* Root without capabilities is a user that owns much. */
static int confine_drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) == 0)
		return 0;
	int error = -errno;
	say("cannot give up capabilities: %s", weir_error_text(error));
	return error;
}

int confine_become(const char *user)
{
	for (int i = 0; i <= CAP_LAST_CAP; i++)
		prctl(PR_CAPBSET_DROP, i, 0, 0, 0); /* needs CAP_SETPCAP, which not all have */
	int error = user && geteuid() == 0 ? confine_drop(user) : 0;
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
