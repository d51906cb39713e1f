/*
 * Opens and frees servers of SMTP and POP3, which share the struct mail_host of their
 * configuration.
 */
#include <errno.h>
#include <stdlib.h>

#include "mail_host.h"
#include "service_mail.h"

int mail_server_open(const struct service_options *options,
        int (*create)(struct mail_server *server, const struct config *config), void **ret_server)
{
	const struct config *config = options->content;
	struct mail_server *server = calloc(1, sizeof *server);
	if (!server)
		return -ENOMEM;
	server->options = *options;
	server->host = mail_host_hold(config->mail.host);
	int error = create(server, config);
	if (error < 0)
		mail_server_free(server);
	else
		*ret_server = server;
	return error;
}

void mail_server_set_listener(const struct mail_server *server, struct weir_listener *listener)
{
	const struct weir_bounds of_protocol = listener->bounds;
	*listener = server->options.listener;
	listener->peers = server->host->peers;
	listener->bounds.idle_ms = of_protocol.idle_ms;
	listener->bounds.request_ms = of_protocol.request_ms;
	listener->bounds.progress_ms = of_protocol.progress_ms;
}

void mail_server_free(struct mail_server *server)
{
	mail_host_release(server->host);
	free(server);
}
