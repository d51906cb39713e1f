/*
 * Logs that are datagrams to a Unix socket, of syslog or of systemd's journal in its native
 * protocol. Those for syslog have the form of syslog(3), which all services on /dev/log read: that
 * of RFC 3164 4.1, without the host. Such a log is named by a scheme and the path of the socket:
 *
 *   syslog:/dev/log      journal:/run/systemd/journal/socket
 *
 * A datagram that the socket does not take within LOG_SOCKET_WAIT_MS is lost, and counted by
 * weir/log.h.
 */
#ifndef DAEMON_LOG_SOCKET_H
#define DAEMON_LOG_SOCKET_H

#include <stdbool.h>

#include <weir/log.h>

/* How long a full socket is waited for, on a thread of the pool, once for many lines. */
#define LOG_SOCKET_WAIT_MS 100

#define LOG_SOCKET_SYSLOG "/dev/log"
#define LOG_SOCKET_JOURNAL "/run/systemd/journal/socket"

/*
 * Reads `text` of the configuration: syslog, journal, syslog:PATH or journal:PATH. Returns the
 * scheme with its colon, and stores the path; NULL if it is neither.
 */
const char *log_socket_parse(const char *text, const char **ret_path);

/* Returns why datagrams cannot be sent to this path, or NULL. There may be no socket yet. */
const char *log_socket_path_fault(const char *path);

/* Whether the name of a log has one of the schemes; and whether it has the journal's. */
bool log_socket_is(const char *name);
bool log_socket_is_journal(const char *name);

/* Returns a descriptor to send from, or a negative errno. It is bound to no peer. */
int log_socket_open(const char *name);

/*
 * Is a weir_log_send_fn. Sends a line to the socket of the name. The journal's line is one of
 * WEIR_LOG_LOGFMT; each field becomes one of the journal, WEIR_STATUS and the like, and the ID of
 * the request is REQUEST_ID.
 */
int log_socket_send(
        const char *name, int fd, enum weir_log_level level, struct weir_span line, bool may_wait);

/*
 * Compose a datagram, for log_socket_send and tests. Return 0, -ENOMEM, or WEIR_E_LIMIT if the line
 * is too long.
 */
struct weir_buffer;
int log_socket_compose_syslog(struct weir_buffer *to, enum weir_log_level level,
        struct weir_span line, const char *date, int process);
int log_socket_compose_journal(
        struct weir_buffer *to, enum weir_log_level level, struct weir_span line);

#endif
