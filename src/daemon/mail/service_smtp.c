/*
 * The service of SMTP. A reload swaps users, routes and certificates of a server. Its other
 * settings, and its mailboxes, stay as they were when it was opened.
 */
#include <stdio.h>
#include <string.h>

#include <weir/mail_store.h>

#include "config_mail.h"
#include "kinds.h"
#include "mail_host.h"
#include "mail_log.h"
#include "service_mail.h"

static void service_smtp_log_event(void *context, const struct weir_smtp_event *event)
{
	const struct service_options *options = context;
	mail_log_smtp(options->log, options->loop, options->kind->name, event);
}

/* Clients of LMTP are mail servers, so LMTP has no AUTH. */
static struct weir_users *service_smtp_users_of(
        const struct mail_server *server, const struct config *config)
{
	return server->options.kind->variant == WEIR_SMTP_LMTP ? NULL : config->mail.users;
}

static int service_smtp_create(struct mail_server *server, const struct config *config)
{
	const struct service_options *options = &server->options;
	const struct config_mail *mail = &config->mail;
	char name[256];
	struct weir_smtp_options smtp;
	weir_smtp_options_init(&smtp);
	mail_server_set_listener(server, &smtp.listener);
	smtp.hostname = config_mail_hostname(mail, name, sizeof name);
	smtp.personality = (enum weir_smtp_personality)options->kind->variant;
	smtp.routes = mail->routes;
	smtp.users = service_smtp_users_of(server, config);
	smtp.guard = options->guard;
	smtp.local = &server->host->store->sink;
	smtp.relay = options->relay;
	smtp.auth_in_clear = config_mail_is_inside(&options->listener.address);
	smtp.networks = mail->networks.items;
	smtp.network_count = mail->networks.count;
	smtp.size_max = mail->limits.message_size;
	smtp.recipients_max = (unsigned)mail->limits.recipients;
	smtp.messages_max = (unsigned)mail->limits.messages;
	smtp.greeting_delay_ms = (uint32_t)mail->greeting_delay_ms;
	smtp.normalise = mail->normalise;
	smtp.strict_addresses = mail->strict_addresses;
	smtp.log = service_smtp_log_event;
	smtp.context = &server->options;
	return weir_smtp_create(options->loop, &smtp, &server->smtp);
}

static int service_smtp_open_server(const struct service_options *options, void **ret_server)
{
	return mail_server_open(options, service_smtp_create, ret_server);
}

static void service_smtp_update(void *context, void *content, struct weir_tls *tls)
{
	const struct mail_server *server = context;
	const struct config *config = content;
	weir_smtp_set_users(server->smtp, service_smtp_users_of(server, config));
	weir_smtp_set_routes(server->smtp, config->mail.routes);
	if (tls)
		weir_server_set_tls(weir_smtp_listener(server->smtp), tls);
}

static struct weir_server *service_smtp_listener(void *context)
{
	return weir_smtp_listener(((struct mail_server *)context)->smtp);
}

static void service_smtp_close_server(void *context)
{
	struct mail_server *server = context;
	weir_smtp_destroy(server->smtp);
	mail_server_free(server);
}

/* -- the banner -------------------------------------------------------------------------------- */

static void service_smtp_print_content(const struct config *config)
{
	const struct config_mail *mail = &config->mail;
	printf("  mail for ");
	for (size_t i = 0; i < mail->domains.count; i++)
		printf("%s%s", i ? ", " : "", mail->domains.items[i]);
	printf(": %s\n", mail->directory);
}

static void service_smtp_print_commands(const struct config *config, const char *url)
{
	const char *insecure = strncmp(url, "smtps:", 6) == 0 ? "-k " : "";
	if (strncmp(url, "lmtp:", 5) == 0)
		return;
	char user[SERVICE_USER_SIZE];
	const char *domain = config->mail.domains.items[0];
	service_example_user(config->mail.users, user);
	printf("  printf 'Subject: hello\\n\\nhello\\n' | curl %s--crlf --mail-from %s@%s "
	       "--mail-rcpt %s@%s -T - -u %s %s\n",
	        insecure, user, domain, user, domain, user, url);
}

const struct service_type service_smtp = {
        .load = mail_host_load,
        .unload = mail_host_unload,
        .open = service_smtp_open_server,
        .update = service_smtp_update,
        .listener = service_smtp_listener,
        .close = service_smtp_close_server,
        .print_content = service_smtp_print_content,
        .print_commands = service_smtp_print_commands,
};
