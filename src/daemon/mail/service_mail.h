/*
 * Mail in the daemon: SMTP with its personalities, and POP3, out of one store. The content of both
 * services is the configuration itself, with the host that it has (mail_host.h).
 */
#ifndef DAEMON_SERVICE_MAIL_H
#define DAEMON_SERVICE_MAIL_H

#include "service.h"

struct weir_pop3_server;
struct weir_smtp_server;

/* A server of either. */
struct mail_server {
	union {
		struct weir_smtp_server *smtp;
		struct weir_pop3_server *pop3;
	};
	struct mail_host *host;         /* held: outlives the server */
	struct service_options options; /* for the callbacks */
	struct weir_bounds
	        bounds; /* of the options, but for the times: the protocol's are longer */
};

/* `create` makes the protocol's own; 0 or a negative errno, as the answer is. */
int mail_server_open(const struct service_options *options,
        int (*create)(struct mail_server *server, const struct config *config), void **ret_server);

/* When the protocol's own is gone. */
void mail_server_free(struct mail_server *server);

extern const struct service_type service_smtp, service_pop3;

#endif
