/* The service of POP3. A reload swaps users and certificates; other settings stay, as with SMTP. */
#include <stdio.h>
#include <string.h>

#include "kinds.h"
#include "mail_host.h"
#include "mail_log.h"
#include "service_mail.h"

static void service_pop3_log_event(void *context, const struct weir_pop3_event *event)
{
	const struct service_options *options = context;
	mail_log_pop3(options->log, options->loop, options->kind->name, event);
}

static int service_pop3_create(struct mail_server *server, const struct config *config)
{
	const struct service_options *options = &server->options;
	struct weir_pop3_options pop3;
	weir_pop3_options_init(&pop3);
	mail_server_set_listener(server, &pop3.listener);
	pop3.store = server->host->store;
	pop3.users = config->mail.users;
	pop3.guard = options->guard;
	pop3.log = service_pop3_log_event;
	pop3.context = &server->options;
	return weir_pop3_create(options->loop, &pop3, &server->pop3);
}

static int service_pop3_open_server(const struct service_options *options, void **ret_server)
{
	return mail_server_open(options, service_pop3_create, ret_server);
}

static void service_pop3_update(void *context, void *content, struct weir_tls *tls)
{
	const struct mail_server *server = context;
	const struct config *config = content;
	weir_pop3_set_users(server->pop3, config->mail.users);
	if (tls)
		weir_server_set_tls(weir_pop3_listener(server->pop3), tls);
}

static struct weir_server *service_pop3_listener(void *context)
{
	return weir_pop3_listener(((struct mail_server *)context)->pop3);
}

static void service_pop3_close_server(void *context)
{
	struct mail_server *server = context;
	weir_pop3_destroy(server->pop3);
	mail_server_free(server);
}

/* -- the banner -------------------------------------------------------------------------------- */

static void service_pop3_print_content(const struct config *config)
{
	printf("  mailboxes of %zu user%s\n", weir_users_count(config->mail.users),
	        weir_users_count(config->mail.users) == 1 ? "" : "s");
}

static void service_pop3_print_commands(const struct config *config, const char *url)
{
	char user[SERVICE_USER_SIZE];
	printf("  curl %s-u %s %s1\n", strncmp(url, "pop3s:", 6) == 0 ? "-k " : "",
	        service_example_user(config->mail.users, user), url);
}

const struct service_type service_pop3 = {
        .load = mail_host_load,
        .unload = mail_host_unload,
        .open = service_pop3_open_server,
        .update = service_pop3_update,
        .listener = service_pop3_listener,
        .close = service_pop3_close_server,
        .print_content = service_pop3_print_content,
        .print_commands = service_pop3_print_commands,
};
