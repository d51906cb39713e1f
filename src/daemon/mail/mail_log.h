/*
 * The mail log: a line for each event, with its details as key=value.
 *
 *   2026-11-22T10:00:00Z smtp accepted peer=192.0.2.7 tls helo="a.example" from=<a@a.example>
 *       to=<alice@example.org> size=512 id=… reply="250 2.0.0 Accepted as …"
 *   2026-11-22T10:00:00Z pop3 login peer=192.0.2.7 tls user="alice" messages=3 octets=1536
 */
#ifndef DAEMON_MAIL_LOG_H
#define DAEMON_MAIL_LOG_H

#include <weir/pop3.h>
#include <weir/smtp.h>
#include <weir/smtp_relay.h>

struct weir_log;
struct weir_loop;

/* `name` is the type of the listener. NULL is allowed as a log. */
void mail_log_smtp(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_smtp_event *event);
void mail_log_pop3(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_pop3_event *event);

void mail_log_relay(struct weir_log *log, struct weir_loop *loop, const struct weir_queued *queued,
        struct weir_span address, enum weir_relay_outcome outcome, const char *text);

#endif
