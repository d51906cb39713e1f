/*
 * The services of mail: SMTP with its personalities, and POP3, on one store. The content of both is
 * the configuration itself, with its struct mail_host.
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
	struct mail_host *host;         /* a reference: it outlives the server */
	struct service_options options; /* for the callbacks */
	                                /*
	 * That of the options, with the host's peers; its times are those of the protocol, which
	 * are longer.
	 */
};

/* `create` creates the server of the protocol. Both return 0 or a negative errno. */
int mail_server_open(const struct service_options *options,
        int (*create)(struct mail_server *server, const struct config *config), void **ret_server);

/* Call when the server of the protocol is destroyed. */
/*
 * Sets the listener of the server's options, which were initialised: its time limits stay those of
 * the protocol.
 */
void mail_server_set_listener(const struct mail_server *server, struct weir_listener *listener);

void mail_server_free(struct mail_server *server);

extern const struct service_type service_smtp, service_pop3;

#endif
