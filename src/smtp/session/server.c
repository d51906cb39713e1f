/* SMTP servers: their options, and what a reload swaps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/tls.h>

#include "smtp_metrics.h"
#include "smtp_session.h"

void weir_smtp_options_init(struct weir_smtp_options *options)
{
	*options = (struct weir_smtp_options){
	        .hostname = "localhost",
	        .size_max = WEIR_SMTP_SIZE_MAX,
	        .recipients_max = WEIR_SMTP_RECIPIENTS_MAX,
	        .messages_max = WEIR_SMTP_MESSAGES_MAX,
	};
	weir_listener_init(&options->listener);
	struct weir_bounds *bounds = &options->listener.bounds;
	bounds->idle_ms = bounds->request_ms = bounds->progress_ms = WEIR_SMTP_IDLE_MS;
}

static void smtp_server_release(struct weir_smtp_options *options)
{
	weir_mail_routes_release(options->routes);
	weir_users_release(options->users);
	free((char *)(uintptr_t)options->hostname);
	free((struct weir_network *)(uintptr_t)options->networks);
}

static void smtp_server_hold(struct weir_smtp_options *options)
{
	if (options->routes)
		weir_mail_routes_hold(options->routes);
	if (options->users)
		weir_users_hold(options->users);
}

/* Copies and references the options. Undoes all of it on failure. */
static int smtp_server_copy_options(
        struct weir_smtp_server *server, const struct weir_smtp_options *given)
{
	struct weir_smtp_options *options = &server->options;
	size_t size = given->network_count * sizeof *given->networks;
	*options = *given;
	options->hostname = strdup(given->hostname);
	options->networks = size ? malloc(size) : NULL;
	if (!options->hostname || (size && !options->networks)) {
		free((char *)(uintptr_t)options->hostname);
		free((struct weir_network *)(uintptr_t)options->networks);
		return -ENOMEM;
	}
	if (size)
		memcpy((struct weir_network *)(uintptr_t)options->networks, given->networks, size);
	smtp_server_hold(options);
	return 0;
}

int weir_smtp_create(struct weir_loop *loop, const struct weir_smtp_options *options,
        struct weir_smtp_server **ret)
{
	if (!options->hostname || !options->size_max || !options->recipients_max ||
	        !options->messages_max)
		return -EINVAL;
	struct weir_smtp_server *server = calloc(1, sizeof *server);
	int error = server ? smtp_server_copy_options(server, options) : -ENOMEM;
	if (error < 0) {
		free(server);
		return error;
	}
	server->loop = loop;
	server->cells = smtp_metrics(loop, options);
	weir_list_init(&server->committing);
	struct weir_server_options listening;
	weir_server_options_init(&listening);
	listening.listener = server->options.listener;
	listening.protocol = &smtp_protocol;
	listening.context = server;
	listening.tls_refusal = "554 5.7.0 This port needs TLS from the first byte\r\n";
	error = server->cells ? weir_server_create(loop, &listening, &server->listener) : -ENOMEM;
	if (error < 0) {
		smtp_server_release(&server->options);
		free(server);
		return error;
	}
	*ret = server;
	return 0;
}

void weir_smtp_set_routes(struct weir_smtp_server *server, struct weir_mail_routes *routes)
{
	struct weir_mail_routes *old = server->options.routes;
	server->options.routes = routes ? weir_mail_routes_hold(routes) : NULL;
	weir_mail_routes_release(old);
}

void weir_smtp_set_users(struct weir_smtp_server *server, struct weir_users *users)
{
	struct weir_users *old = server->options.users;
	server->options.users = users ? weir_users_hold(users) : NULL;
	weir_users_release(old);
}

struct weir_server *weir_smtp_listener(struct weir_smtp_server *server)
{
	return server->listener;
}

void weir_smtp_destroy(struct weir_smtp_server *server)
{
	if (!server)
		return;
	weir_server_destroy(server->listener);
	while (!weir_list_empty(&server->committing)) {
		struct smtp_transaction *transaction =
		        WEIR_CONTAINER(server->committing.next, struct smtp_transaction, link);
		weir_list_remove(&transaction->link);
		smtp_delivery_fail(transaction, "");
		/* The channel is closed: this frees both. */
		weir_reply_fill(transaction->reply, &transaction->producer);
	}
	smtp_transactions_free(server);
	smtp_server_release(&server->options);
	free(server);
}
