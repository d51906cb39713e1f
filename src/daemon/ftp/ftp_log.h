/*
 * The FTP log: a line for each event (see log_line.h).
 *
 *   2026-11-22T10:00:00Z ftp sent peer=192.0.2.7 user="alice" verb=RETR path="/a" bytes=3 ms=0
 */
#ifndef DAEMON_FTP_LOG_H
#define DAEMON_FTP_LOG_H

#include <weir/ftp.h>

struct weir_log;
struct weir_loop;

/* `name` is the type of the listener. NULL is allowed as a log. */
void ftp_log(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_ftp_event *event);

#endif
