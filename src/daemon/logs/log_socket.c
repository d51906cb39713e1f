/*
 * The descriptor has no peer: each datagram names the socket's path, so that lines arrive again
 * once the service that listens there has restarted.
 *
 * Invariant: a line is printable text (weir/log.h escapes it). So no value of the journal needs the
 * binary form, and no line can add a field.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <weir/buffer.h>

#include "log_socket.h"

enum {
	LOG_SOCKET_FACILITY = 3,           /* RFC 3164 4.1.1: system daemons */
	LOG_SOCKET_DATAGRAM_MAX = 1 << 18, /* bytes; a log line has less than half of it */
	LOG_SOCKET_KEY_MAX = 32,
};

static const struct {
	const char *word, *scheme, *path;
} log_socket_schemes[] = {
        {"syslog", "syslog:", LOG_SOCKET_SYSLOG},
        {"journal", "journal:", LOG_SOCKET_JOURNAL},
};

const char *log_socket_parse(const char *text, const char **ret_path)
{
	for (unsigned i = 0; i < sizeof log_socket_schemes / sizeof *log_socket_schemes; i++) {
		const char *scheme = log_socket_schemes[i].scheme;
		bool has_path = strncmp(text, scheme, strlen(scheme)) == 0;
		if (!has_path && strcmp(text, log_socket_schemes[i].word) != 0)
			continue;
		*ret_path = has_path ? text + strlen(scheme) : log_socket_schemes[i].path;
		return scheme;
	}
	return NULL;
}

const char *log_socket_path_fault(const char *path)
{
	struct sockaddr_un address;
	if (path[0] != '/')
		return "the path of a socket is absolute, as in syslog:/dev/log";
	if (strlen(path) >= sizeof address.sun_path)
		return "the path of a socket has at most 107 bytes";
	return NULL;
}

bool log_socket_is(const char *name)
{
	const char *path;
	return log_socket_parse(name, &path) != NULL;
}

bool log_socket_is_journal(const char *name)
{
	return strncmp(name, "journal:", strlen("journal:")) == 0;
}

int log_socket_open(const char *name)
{
	struct timeval wait = {.tv_usec = LOG_SOCKET_WAIT_MS * 1000};
	(void)name;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0)
		return fd;
	int error = -errno;
	close(fd);
	return error;
}

/* -- datagrams --------------------------------------------------------------------------------- */

int log_socket_compose_syslog(struct weir_buffer *to, enum weir_log_level level,
        struct weir_span line, const char *date, int process)
{
	int error = weir_buffer_format(to, LOG_SOCKET_DATAGRAM_MAX,
	        "<%d>%s weir[%d]: ", LOG_SOCKET_FACILITY * 8 + (int)level, date, process);
	return error < 0 ? error
	                 : weir_buffer_append(to, line.data, line.size, LOG_SOCKET_DATAGRAM_MAX);
}

/* Cuts a field of logfmt off: key=value or key="value". Returns false if there is none. */
static bool log_socket_cut_field(
        struct weir_span *line, struct weir_span *ret_key, struct weir_span *ret_value)
{
	while (line->size && line->data[0] == ' ')
		*line = weir_span_skip(*line, 1);
	if (!line->size || !weir_span_cut(line, '=', ret_key))
		return false;
	if (line->size && line->data[0] == '"') {
		*line = weir_span_skip(*line, 1);
		return weir_span_cut(line, '"', ret_value);
	}
	weir_span_cut(line, ' ', ret_value);
	return true;
}

static int log_socket_add_field(
        struct weir_buffer *to, struct weir_span key, struct weir_span value)
{
	char name[LOG_SOCKET_KEY_MAX];
	size_t size = key.size < sizeof name ? key.size : sizeof name - 1;
	for (size_t i = 0; i < size; i++)
		name[i] = isalnum((unsigned char)key.data[i])
		                  ? (char)toupper((unsigned char)key.data[i])
		                  : '_';
	name[size] = 0;
	int error = strcmp(name, "ID") == 0
	                    ? weir_buffer_format(to, LOG_SOCKET_DATAGRAM_MAX, "REQUEST_ID=")
	                    : weir_buffer_format(to, LOG_SOCKET_DATAGRAM_MAX, "WEIR_%s=", name);
	if (error == 0)
		error = weir_buffer_append(to, value.data, value.size, LOG_SOCKET_DATAGRAM_MAX);
	return error < 0 ? error : weir_buffer_append(to, "\n", 1, LOG_SOCKET_DATAGRAM_MAX);
}

/* Returns the text that the journal shows: the field `message` of an own line, or the line. */
static struct weir_span log_socket_message(struct weir_span line)
{
	struct weir_span rest = line, key, value;
	while (log_socket_cut_field(&rest, &key, &value))
		if (weir_span_equal(key, WEIR_SPAN("message")))
			return value;
	return line;
}

int log_socket_compose_journal(
        struct weir_buffer *to, enum weir_log_level level, struct weir_span line)
{
	struct weir_span key, value, message = log_socket_message(line);
	int error = weir_buffer_format(to, LOG_SOCKET_DATAGRAM_MAX,
	        "PRIORITY=%d\nSYSLOG_IDENTIFIER=weir\nMESSAGE=", (int)level);
	if (error == 0)
		error = weir_buffer_append(to, message.data, message.size, LOG_SOCKET_DATAGRAM_MAX);
	if (error == 0)
		error = weir_buffer_append(to, "\n", 1, LOG_SOCKET_DATAGRAM_MAX);
	while (error == 0 && log_socket_cut_field(&line, &key, &value))
		if (!weir_span_equal(key, WEIR_SPAN("time")) &&
		        !weir_span_equal(key, WEIR_SPAN("message")))
			error = log_socket_add_field(to, key, value);
	return error;
}

/* -- sending ----------------------------------------------------------------------------------- */

static int log_socket_compose(
        const char *name, enum weir_log_level level, struct weir_span line, struct weir_buffer *to)
{
	char date[32];
	time_t now = time(NULL);
	struct tm tm;
	if (log_socket_is_journal(name))
		return log_socket_compose_journal(to, level, line);
	localtime_r(&now, &tm);
	strftime(date, sizeof date, "%b %e %H:%M:%S", &tm);
	return log_socket_compose_syslog(to, level, line, date, (int)getpid());
}

int log_socket_send(
        const char *name, int fd, enum weir_log_level level, struct weir_span line, bool may_wait)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct weir_buffer datagram = {0};
	const char *path;
	if (!log_socket_parse(name, &path) || strlen(path) >= sizeof address.sun_path)
		return -EINVAL;
	strcpy(address.sun_path, path);
	int error = log_socket_compose(name, level, line, &datagram);
	int flags = MSG_NOSIGNAL | (may_wait ? 0 : MSG_DONTWAIT);
	if (error == 0 && sendto(fd, datagram.data, datagram.size, flags,
	                          (const struct sockaddr *)&address, sizeof address) < 0)
		error = -errno;
	weir_buffer_finish(&datagram);
	return error;
}
