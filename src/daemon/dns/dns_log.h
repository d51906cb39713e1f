/*
 * The DNS log: a line for each event (see log_line.h), and the counters of a server when it ends.
 *
 *   2026-11-22T10:00:00Z dns transferred peer=192.0.2.7 zone="example.org." serial=7 bytes=1234
 */
#ifndef DAEMON_DNS_LOG_H
#define DAEMON_DNS_LOG_H

#include <weir/dns_server.h>

struct weir_log;
struct weir_loop;

/* `name` is the type of the listener. Both allow NULL as a log. */
void dns_log(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_dns_event *event);
void dns_log_counters(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_dns_counters *counters);

#endif
