/*
 * The confinement, tried from inside: a child process is confined for a configuration, and does
 * what a server in the hands of an attacker would do.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/address.h>

#include "config.h"
#include "confine.h"
#include "landlock.h"
#include "log_socket.h"

/* The exit codes of the child. */
enum {
	REFUSED,
	ALLOWED,
	OTHERWISE,
	NO_FILTER,
	BROKEN,
};

static char directory[] = "/var/tmp/weir-confine.XXXXXX"; /* sanitizers write to /tmp */
;
static uint16_t open_port, forward_port; /* of listeners of this test */

/* -- the fixture ------------------------------------------------------------------------------- */

static int listen_somewhere(uint16_t *ret_port)
{
	struct weir_address address;
	socklen_t size = sizeof address;
	weir_address_parse(WEIR_SPAN("127.0.0.1:0"), &address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, &address.any, sizeof address.v4) < 0 || listen(fd, 8) < 0 ||
	        getsockname(fd, &address.any, &size) < 0)
		return -1;
	*ret_port = (uint16_t)weir_address_port(&address);
	return fd;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	fclose(file);
}

static int enter_directory(void **state)
{
	char text[512];
	(void)state;
	if (!mkdtemp(directory) || chdir(directory) < 0 || mkdir("site", 0755) < 0 ||
	        mkdir("drop", 0755) < 0 || mkdir("private", 0755) < 0)
		return -1;
	if (listen_somewhere(&open_port) < 0 || listen_somewhere(&forward_port) < 0)
		return -1;
	write_file("site/a", "a");
	write_file("private/key", "secret");
	snprintf(text, sizeof text,
	        "listen: [{http: 127.0.0.1:8080}, {dns: '127.0.0.1:5353'}]\n"
	        "sites: [{root: site, names: [a.org]}, {root: drop, names: [b.org], uploads: {put: yes}}]\n"
	        "dns: {forward: ['127.0.0.1:%u']}\n",
	        forward_port);
	write_file("weir.yaml", text);
	return 0;
}

static int leave_directory(void **state)
{
	(void)state;
	unlink("site/a");
	unlink("private/key");
	unlink("drop/new");
	unlink("weir.yaml");
	return rmdir("site") < 0 || rmdir("drop") < 0 || rmdir("private") < 0 || chdir("/") < 0
	               ? -1
	               : rmdir(directory);
}

/* Runs a function in a child process that is confined. Returns how it ended: REFUSED, … */
static int confined(int (*attempt)(void))
{
	int status;
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct problems problems = {.file = "weir.yaml"};
		struct config *config = config_file_read(&problems, NULL);
		problems_print(&problems, stderr);
		_exit(config && confine_become(NULL) == 0 && confine_apply(config) == 0 ? attempt()
		                                                                        : BROKEN);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* How a call ended; `-1` is a failure. */
static int ended(long result, int refusal)
{
	return result >= 0 ? ALLOWED : errno == refusal || errno == EPERM ? REFUSED : OTHERWISE;
}

/* -- files ------------------------------------------------------------------------------------- */

static int try_passwords(void)
{
	return ended(open("/etc/passwd", O_RDONLY | O_CLOEXEC), EACCES);
}

static int try_shadow(void)
{
	return ended(open("/etc/shadow", O_RDONLY | O_CLOEXEC), EACCES);
}

static int try_key(void)
{
	return ended(open("private/key", O_RDONLY | O_CLOEXEC), EACCES);
}

static int try_to_leave_by_a_link(void)
{
	if (symlink("../private/key", "drop/link") == 0)
		return ALLOWED;
	return REFUSED;
}

static int try_to_write_to_a_site(void)
{
	return ended(open("site/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), EACCES);
}

static int try_to_read_a_site(void)
{
	return ended(open("site/a", O_RDONLY | O_CLOEXEC), EACCES);
}

static int try_to_upload(void)
{
	return ended(open("drop/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), EACCES);
}

static void test_files_of_others_cannot_be_opened(void **state)
{
	(void)state;
	if (landlock_version() == 0)
		skip();
	assert_int_equal(confined(try_passwords), REFUSED);
	assert_int_equal(confined(try_shadow), REFUSED);
	assert_int_equal(confined(try_key), REFUSED);
	assert_int_equal(confined(try_to_write_to_a_site), REFUSED);
	assert_int_equal(confined(try_to_leave_by_a_link), REFUSED);
}

static void test_files_of_the_configuration_can(void **state)
{
	(void)state;
	assert_int_equal(confined(try_to_read_a_site), ALLOWED);
	assert_int_equal(confined(try_to_upload), ALLOWED);
}

/* -- the network ------------------------------------------------------------------------------- */

static int connect_to(uint16_t port)
{
	struct weir_address address;
	weir_address_parse(WEIR_SPAN("127.0.0.1:0"), &address);
	address.v4.sin_port = htons(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? BROKEN : ended(connect(fd, &address.any, sizeof address.v4), EACCES);
}

static int try_another_service(void)
{
	return connect_to(open_port);
}

static int try_the_forwarder(void)
{
	return connect_to(forward_port);
}

static int try_to_listen(void)
{
	struct weir_address address;
	weir_address_parse(WEIR_SPAN("127.0.0.1:0"), &address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? BROKEN : ended(bind(fd, &address.any, sizeof address.v4), EACCES);
}

static void test_ports_of_others_cannot_be_connected_to(void **state)
{
	(void)state;
	assert_int_equal(confined(try_the_forwarder), ALLOWED);
	if (landlock_version() < 4)
		skip();
	assert_int_equal(confined(try_another_service), REFUSED);
	assert_int_equal(confined(try_to_listen), REFUSED);
}

/* -- system calls ------------------------------------------------------------------------------ */

/* Sanitizers need calls that the filter refuses, so their builds have none. */
static bool is_filtered(void)
{
	return prctl(PR_GET_SECCOMP) != 0;
}

static int try_to_execute(void)
{
	char name[] = "true";
	char *arguments[] = {name, NULL}, *environment[] = {NULL};
	return is_filtered() ? ended(execve("/bin/true", arguments, environment), EPERM)
	                     : NO_FILTER;
}

static int try_to_trace(void)
{
	return is_filtered() ? ended(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL), EPERM)
	                     : NO_FILTER;
}

static int try_to_fork(void)
{
	if (!is_filtered())
		return NO_FILTER;
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	return ended(child, EPERM);
}

static int try_to_kill(void)
{
	return is_filtered() ? ended(kill(getppid(), 0), EPERM) : NO_FILTER;
}

static int try_to_mount(void)
{
	return is_filtered() ? ended(mount("none", "/mnt", "tmpfs", 0, NULL), EPERM) : NO_FILTER;
}

static int try_other_sockets(void)
{
	if (!is_filtered())
		return NO_FILTER;
	if (socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ||
	        socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) >= 0 ||
	        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) >= 0 ||
	        socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0)
		return ALLOWED;
	return ended(-1, EPERM);
}

static int try_executable_memory(void)
{
	if (!is_filtered())
		return NO_FILTER;
	void *memory = mmap(
	        NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return ended(memory == MAP_FAILED ? -1 : 0, EPERM);
}

static void *thread_run(void *context)
{
	return context;
}

static int try_a_thread(void)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, thread_run, NULL);
	return error == 0 && pthread_join(thread, NULL) == 0 ? ALLOWED : OTHERWISE;
}

/* As after a reload that names syslog, or a rotation. */
static int try_a_socket_for_logs(void)
{
	return log_socket_open("syslog:/dev/log") >= 0 ? ALLOWED : OTHERWISE;
}

static void test_system_calls_that_serve_an_attacker_fail(void **state)
{
	static int (*const attempts[])(void) = {try_to_execute, try_to_trace, try_to_fork,
	        try_to_kill, try_to_mount, try_other_sockets, try_executable_memory};
	(void)state;
	assert_int_equal(confined(try_a_thread), ALLOWED);
	assert_int_equal(confined(try_a_socket_for_logs), ALLOWED);
	if (confined(try_to_execute) == NO_FILTER)
		skip();
	for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
		assert_int_equal(confined(attempts[i]), REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_files_of_others_cannot_be_opened),
	        cmocka_unit_test(test_files_of_the_configuration_can),
	        cmocka_unit_test(test_ports_of_others_cannot_be_connected_to),
	        cmocka_unit_test(test_system_calls_that_serve_an_attacker_fail),
	};
	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
