/*
 * Logs that are datagrams to a Unix socket: of syslog (RFC 5424), or of systemd's journal in its
 * native protocol. Such a log is named by a scheme and the path of the socket:
 *
 *   syslog:/dev/log      journal:/run/systemd/journal/socket
 *
 * A datagram that the socket does not take at once is lost, and counted by weir/log.h.
 */
#ifndef DAEMON_LOG_SOCKET_H
#define DAEMON_LOG_SOCKET_H

#include <stdbool.h>

#include <weir/log.h>

#define LOG_SOCKET_SYSLOG "/dev/log"
#define LOG_SOCKET_JOURNAL "/run/systemd/journal/socket"

/*
 * Reads `text` of the configuration: syslog, journal, syslog:PATH or journal:PATH. Returns the
 * scheme with its colon, and stores the path; NULL if it is neither.
 */
const char *log_socket_parse(const char *text, const char **ret_path);

/* Why datagrams cannot be sent to this path, whether or not a socket is there; NULL: they can. */
const char *log_socket_path_fault(const char *path);

/* Whether the name of a log has one of the schemes. */
bool log_socket_is(const char *name);

bool log_socket_is_journal(const char *name);

/* Returns a descriptor to send from, or a negative errno. It is bound to no peer. */
int log_socket_open(const char *name);

/*
 * Sends a line to the socket of the name. The journal's is one of WEIR_LOG_LOGFMT; each field
 * becomes one of the journal, WEIR_STATUS and the like, and the request's ID is REQUEST_ID.
 */
int log_socket_send(const char *name, int fd, enum weir_log_level level, struct weir_span line);

/* The datagram's bytes, of either kind; for tests. Return 0 or -ENOMEM. */
struct weir_buffer;
int log_socket_compose_syslog(struct weir_buffer *to, enum weir_log_level level,
        struct weir_span line, const char *time, const char *host, int process);
int log_socket_compose_journal(
        struct weir_buffer *to, enum weir_log_level level, struct weir_span line);

#endif
