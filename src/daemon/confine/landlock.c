/*
 * The system calls of Landlock, whose newer constants Debian 12's headers do not have. Everything
 * that the kernel can refuse is refused, except what a rule allows.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "landlock.h"

/* The second version and those behind it, in the kernel's order. */
#define RIGHT_REFER (1ull << 13)
#define RIGHT_TRUNCATE (1ull << 14)
#define RIGHT_IOCTL_DEV (1ull << 15)
#define RIGHT_BIND_TCP (1ull << 0)
#define RIGHT_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT_SOCKET (1ull << 0)
#define SCOPE_SIGNAL (1ull << 1)

#define RIGHTS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_WRITE                                                                               \
	(RIGHTS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |             \
	        LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                     \
	        LANDLOCK_ACCESS_FS_MAKE_REG | RIGHT_REFER | RIGHT_TRUNCATE)
#define RIGHTS_OF_A_FILE                                                                           \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE)

enum {
	RULE_PATH = 1,
	RULE_PORT = 2,
};

struct landlock_rules {
	uint64_t files;
	uint64_t ports;
	uint64_t scopes;
};

struct landlock_port_rule {
	uint64_t allowed;
	uint64_t port;
};

int landlock_version(void)
{
	long version =
	        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	/* Without RIGHT_REFER no file could be moved to another directory. */
	return version < 2 ? 0 : (int)version;
}

/* The rights that this version of the kernel can refuse. */
static struct landlock_rules landlock_refused(int version, const struct landlock_plan *plan)
{
	struct landlock_rules rules = {.files = (1ull << 14) - 1};
	if (version >= 3)
		rules.files |= RIGHT_TRUNCATE;
	if (version >= 4 && !plan->any_bind)
		rules.ports |= RIGHT_BIND_TCP;
	if (version >= 4 && !plan->any_connect)
		rules.ports |= RIGHT_CONNECT_TCP;
	if (version >= 5)
		rules.files |= RIGHT_IOCTL_DEV;
	if (version >= 6)
		rules.scopes = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
	return rules;
}

static int landlock_allow_path(int set, uint64_t refused, const struct landlock_path *path)
{
	struct stat status;
	int fd = open(path->path, O_PATH | O_CLOEXEC);
	int error = fd < 0 || fstat(fd, &status) < 0 ? -errno : 0;
	struct landlock_path_beneath_attr rule = {
	        .allowed_access = (path->write ? RIGHTS_WRITE : RIGHTS_READ) & refused,
	        .parent_fd = fd,
	};
	if (error == 0 && !S_ISDIR(status.st_mode))
		rule.allowed_access &= RIGHTS_OF_A_FILE;
	if (error == 0 && syscall(SYS_landlock_add_rule, set, RULE_PATH, &rule, 0) < 0)
		error = -errno;
	if (fd >= 0)
		close(fd);
	/* A path that is missing now is missing for the server, too. */
	return error == -ENOENT || error == -EACCES ? 0 : error;
}

static int landlock_allow_port(int set, uint64_t right, uint16_t port)
{
	struct landlock_port_rule rule = {.allowed = right, .port = port};
	return syscall(SYS_landlock_add_rule, set, RULE_PORT, &rule, 0) < 0 ? -errno : 0;
}

static int landlock_fill(
        int set, const struct landlock_rules *rules, const struct landlock_plan *plan)
{
	int error = 0;
	for (size_t i = 0; i < plan->path_count && error == 0; i++)
		error = landlock_allow_path(set, rules->files, &plan->paths[i]);
	for (size_t i = 0; i < plan->port_count && error == 0; i++)
		if (rules->ports & RIGHT_CONNECT_TCP)
			error = landlock_allow_port(set, RIGHT_CONNECT_TCP, plan->ports[i]);
	if (error == 0 && plan->bind_port && rules->ports & RIGHT_BIND_TCP)
		error = landlock_allow_port(set, RIGHT_BIND_TCP, plan->bind_port);
	return error;
}

int landlock_apply(const struct landlock_plan *plan)
{
	int version = landlock_version();
	if (version == 0)
		return -ENOSYS;
	struct landlock_rules rules = landlock_refused(version, plan);
	size_t size = version >= 6   ? sizeof rules
	              : version >= 4 ? offsetof(struct landlock_rules, scopes)
	                             : offsetof(struct landlock_rules, ports);
	int set = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	int error = set < 0 ? -errno : landlock_fill(set, &rules, plan);
	if (error == 0 && syscall(SYS_landlock_restrict_self, set, 0) < 0)
		error = -errno;
	if (set >= 0)
		close(set);
	return error;
}
