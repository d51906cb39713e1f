/* Datagrams for syslog and the journal, byte by byte, from lines that a client tried to forge. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/limits.h>

#include "allocation.h"
#include "log_socket.h"

static void names(void **state)
{
	(void)state;
	const char *path = NULL;
	assert_string_equal(log_socket_parse("syslog", &path), "syslog:");
	assert_string_equal(path, LOG_SOCKET_SYSLOG);
	assert_string_equal(log_socket_parse("journal", &path), "journal:");
	assert_string_equal(path, LOG_SOCKET_JOURNAL);
	assert_string_equal(log_socket_parse("syslog:/a/b", &path), "syslog:");
	assert_string_equal(path, "/a/b");
	assert_string_equal(log_socket_parse("journal:", &path), "journal:");
	assert_string_equal(path, "");
	assert_null(log_socket_parse("syslogs", &path));
	assert_null(log_socket_parse("/syslog:", &path));
	assert_null(log_socket_parse("", &path));
	assert_true(log_socket_is("syslog:/dev/log") && log_socket_is("journal"));
	assert_false(log_socket_is("/var/log/weir"));
	assert_true(log_socket_is_journal("journal:/x"));
	assert_false(log_socket_is_journal("syslog:/x"));
}

static void paths(void **state)
{
	(void)state;
	char path[109] = "";
	memset(path, 'a', 107);
	path[0] = '/';
	assert_null(log_socket_path_fault(path));
	path[107] = 'a';
	assert_non_null(log_socket_path_fault(path));
	assert_non_null(log_socket_path_fault(""));
	assert_non_null(log_socket_path_fault("dev/log"));
}

static void syslog_datagram(void **state)
{
	(void)state;
	struct weir_buffer datagram = {0};
	assert_int_equal(log_socket_compose_syslog(&datagram, WEIR_LOG_ERROR,
	                         WEIR_SPAN("a=\"\\x0A<0>\""), "Nov  9 10:00:00", 17),
	        0);
	weir_buffer_append(&datagram, "", 1, 1000);
	assert_string_equal(datagram.data, "<27>Nov  9 10:00:00 weir[17]: a=\"\\x0A<0>\"");
	weir_buffer_finish(&datagram);
}

static void assert_journal(const char *line, const char *fields)
{
	char wanted[1000];
	struct weir_buffer datagram = {0};
	snprintf(wanted, sizeof wanted, "PRIORITY=4\nSYSLOG_IDENTIFIER=weir\nMESSAGE=%s\n%s", line,
	        fields);
	assert_int_equal(
	        log_socket_compose_journal(&datagram, WEIR_LOG_WARNING, weir_span_of(line)), 0);
	weir_buffer_append(&datagram, "", 1, 1000);
	assert_string_equal(datagram.data, wanted);
	weir_buffer_finish(&datagram);
}

static void journal_datagram(void **state)
{
	(void)state;
	assert_journal("time=\"2026-11-22T10:00:00Z\" kind=\"http\" id=\"00ff\" status=404",
	        "WEIR_KIND=http\nREQUEST_ID=00ff\nWEIR_STATUS=404\n");
	assert_journal("target=\"/a b=c PRIORITY=0 \\x0AMESSAGE=x\" ms=0",
	        "WEIR_TARGET=/a b=c PRIORITY=0 \\x0AMESSAGE=x\nWEIR_MS=0\n");
	assert_journal("user=\"\" a-b=1", "WEIR_USER=\nWEIR_A_B=1\n");
	/* The key is one of ours, and bounded all the same. */
	assert_journal("aaaaaaaaaabbbbbbbbbbccccccccccddddddddddd=1",
	        "WEIR_AAAAAAAAAABBBBBBBBBBCCCCCCCCCCD=1\n");
	/* Text that is no field ends the list. */
	assert_journal("# 5 lines were lost", "");
	assert_journal("a=1 # b", "WEIR_A=1\n");
	assert_journal("", "");
}

static void a_line_that_is_too_long_is_refused(void **state)
{
	(void)state;
	struct weir_buffer datagram = {0};
	static char line[WEIR_LOG_QUEUE_MAX];
	memset(line, 'x', sizeof line);
	assert_int_equal(log_socket_compose_syslog(&datagram, WEIR_LOG_INFO,
	                         weir_span(line, sizeof line), "Nov  9 10:00:00", 17),
	        WEIR_E_LIMIT);
	datagram.size = 0;
	assert_int_equal(
	        log_socket_compose_journal(&datagram, WEIR_LOG_INFO, weir_span(line, sizeof line)),
	        WEIR_E_LIMIT);
	weir_buffer_finish(&datagram);
}

static void a_peer_that_does_not_read_is_not_waited_for(void **state)
{
	(void)state;
	char directory[] = "/tmp/weir-log-XXXXXX", name[64];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof address.sun_path, "%s/log", directory);
	snprintf(name, sizeof name, "syslog:%s/log", directory);
	int fd = log_socket_open(name), peer = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0 && peer >= 0);
	assert_int_equal(log_socket_send(name, fd, WEIR_LOG_INFO, WEIR_SPAN("a"), true), -ENOENT);
	assert_int_equal(bind(peer, (struct sockaddr *)&address, sizeof address), 0);
	int error = 0;
	for (unsigned sent = 0; error == 0 && sent < 1000000; sent++)
		error = log_socket_send(name, fd, WEIR_LOG_INFO, WEIR_SPAN("a"), false);
	assert_int_equal(error, -EAGAIN);
	/* A wait ends, too: otherwise the alarm kills this test. */
	alarm(60);
	assert_int_equal(log_socket_send(name, fd, WEIR_LOG_INFO, WEIR_SPAN("b"), true), -EAGAIN);
	alarm(0);
	char text[100];
	ssize_t size = recv(peer, text, sizeof text, 0);
	assert_true(size > 4 && memcmp(text, "<30>", 4) == 0 && text[size - 1] == 'a');
	assert_int_equal(log_socket_send(name, fd, WEIR_LOG_INFO, WEIR_SPAN("c"), true), 0);
	close(fd);
	close(peer);
	unlink(address.sun_path);
	rmdir(directory);
}

static void without_memory_nothing_is_sent(void **state)
{
	(void)state;
	bool failed = true;
	unsigned failures = 0;
	for (unsigned good = 0; failed; good++) {
		struct weir_buffer datagram = {0};
		fail_allocation_after(good, true);
		int error = log_socket_compose_journal(&datagram, WEIR_LOG_INFO,
		        WEIR_SPAN("target=\"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""));
		failed = stop_failing_allocations();
		failures += failed;
		assert_int_equal(error, failed ? -ENOMEM : 0);
		weir_buffer_finish(&datagram);
	}
	assert_true(failures > 0);
	fail_allocation_after(0, true);
	int error = log_socket_send("syslog:/nowhere", 0, WEIR_LOG_INFO, WEIR_SPAN("a"), false);
	stop_failing_allocations();
	assert_int_equal(error, -ENOMEM);
	assert_int_equal(
	        log_socket_send("/nowhere", 0, WEIR_LOG_INFO, WEIR_SPAN("a"), false), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(names),
	        cmocka_unit_test(paths),
	        cmocka_unit_test(syslog_datagram),
	        cmocka_unit_test(journal_datagram),
	        cmocka_unit_test(a_line_that_is_too_long_is_refused),
	        cmocka_unit_test(a_peer_that_does_not_read_is_not_waited_for),
	        cmocka_unit_test(without_memory_nothing_is_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
