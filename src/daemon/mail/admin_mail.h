/* Commands of the admin socket about the mail queue, and about users. */
#ifndef DAEMON_ADMIN_MAIL_H
#define DAEMON_ADMIN_MAIL_H

#include "admin_command.h"

struct config;
struct mail_relay;
struct weir_loop;

struct admin_mail {
	struct admin_table table;
	struct mail_relay *const *relay; /* NULL: none */
	struct config *const *config;
	struct weir_loop *loop;
};

/* Fills it; `table` can be registered then. */
void admin_mail_init(struct admin_mail *commands, struct mail_relay *const *relay,
        struct config *const *config, struct weir_loop *loop);

#endif
