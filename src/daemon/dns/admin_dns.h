/* Commands of the admin socket about zones and the DNS cache. */
#ifndef DAEMON_ADMIN_DNS_H
#define DAEMON_ADMIN_DNS_H

#include "admin_command.h"

struct dns_shared;
struct weir_loop;

struct admin_dns {
	struct admin_table table;
	struct dns_shared *const *shared; /* NULL at first */
	struct weir_loop *loop;           /* for its clocks */
};

/* Fills it; `table` can be registered then. */
void admin_dns_init(
        struct admin_dns *commands, struct dns_shared *const *shared, struct weir_loop *loop);

#endif
