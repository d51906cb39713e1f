/*
 * The services of mail: SMTP with its personalities, and POP3, the state that their servers share,
 * and the mail log.
 *
 * The directory of the mailboxes is opened as the user that the daemon will become, so that missing
 * rights are found before any mail is accepted. A reload swaps users, routes and certificates of a
 * server. Its other settings, and its mailboxes, stay as they were when it was opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/database_mail.h>
#include <weir/error.h>
#include <weir/mail_store.h>
#include <weir/peers.h>
#include <weir/pop3.h>
#include <weir/smtp.h>

#include "helper.h"
#include "log_file.h"
#include "say.h"
#include "service.h"
#include "service_mail.h"
#include "store.h"

/* -- shared state ------------------------------------------------------------------------------ */

static int mail_shared_open_directory(const struct config *config,
        const struct weir_mail_store_options *options, struct weir_mail_store **ret)
{
	const char *directory = config->mail.directory;
	int error = resources_make_directory(config, directory);
	if (error == 0 && (error = resources_lend(config->user)) == 0) {
		if (faccessat(AT_FDCWD, directory, R_OK | W_OK | X_OK, AT_EACCESS) < 0)
			error = -errno;
		else
			error = weir_maildir_create(directory, options, ret);
		resources_return();
	}
	return error;
}

static int mail_shared_open_store(const struct config *config, struct mail_shared *shared)
{
	const struct config_mail *mail = &config->mail;
	bool stored = config_mail_has_stored_mailboxes(config);
	struct weir_mail_store_options options;
	weir_mail_store_options_init(&options);
	options.message_max = config_mail_stored_max(mail);
	options.mailbox_max = mail->limits.mailbox_size;
	options.messages_max = mail->limits.mailbox_messages;
	int error = stored ? weir_database_mail_create(store_database(config, STORE_MAILBOXES),
	                             &options, &shared->store)
	                   : mail_shared_open_directory(config, &options, &shared->store);
	if (error < 0)
		say("cannot keep mail in %s: %s", stored ? "the database" : mail->directory,
		        weir_error_text(error));
	return error;
}

static int mail_shared_create(const struct config *config, struct mail_shared **ret)
{
	struct mail_shared *shared = calloc(1, sizeof *shared);
	if (!shared)
		return -ENOMEM;
	refcount_init(&shared->references);
	int error = weir_peers_create((unsigned)config->mail.limits.connections, 0, &shared->peers);
	if (error == 0)
		error = mail_shared_open_store(config, shared);
	if (error < 0)
		mail_shared_release(shared);
	else
		*ret = shared;
	return error;
}

static void mail_shared_on_release(struct config *config)
{
	mail_shared_release(config->mail.shared);
}

int mail_shared_load(struct config *config, struct budget budget, void **ret_state)
{
	(void)budget;
	int error = config->mail.shared ? 0 : mail_shared_create(config, &config->mail.shared);
	config_on_release(config, mail_shared_on_release);
	if (error == 0)
		*ret_state = config_hold(config);
	return error;
}

void mail_shared_unload(void *state)
{
	config_release(state);
}

void mail_shared_use(struct config *config, const struct config *from)
{
	struct mail_shared *own = config->mail.shared;
	config->mail.shared = from->mail.shared ? mail_shared_hold(from->mail.shared) : NULL;
	mail_shared_release(own);
	config_on_release(config, mail_shared_on_release);
}

struct mail_shared *mail_shared_hold(struct mail_shared *shared)
{
	refcount_hold(&shared->references);
	return shared;
}

void mail_shared_release(struct mail_shared *shared)
{
	if (!shared || !refcount_release(&shared->references))
		return;
	weir_mail_store_destroy(shared->store);
	weir_peers_release(shared->peers);
	free(shared);
}

/* -- servers of either protocol ---------------------------------------------------------------- */

/* A server of either. */
struct mail_server {
	union {
		struct weir_smtp_server *smtp;
		struct weir_pop3_server *pop3;
	};
	struct mail_shared *shared;     /* a reference: it outlives the server */
	struct config *config;          /* held: the users may come from the database */
	struct service_options options; /* for the callbacks */
};

/* Call when the server of the protocol is destroyed. */
static void mail_server_free(struct mail_server *server)
{
	mail_shared_release(server->shared);
	config_release(server->config);
	free(server);
}

static void mail_server_set_config(struct mail_server *server, struct config *config)
{
	config_hold(config);
	config_release(server->config);
	server->config = config;
}

/*
 * Sets the listener of the server's options, which were initialised: its time limits stay those of
 * the protocol.
 */
static void mail_server_set_listener(
        const struct mail_server *server, struct weir_listener *listener)
{
	const struct weir_bounds of_protocol = listener->bounds;
	service_set_listener(&server->options, listener);
	listener->peers = server->shared->peers;
	listener->bounds.idle_ms = of_protocol.idle_ms;
	listener->bounds.request_ms = of_protocol.request_ms;
	listener->bounds.progress_ms = of_protocol.progress_ms;
}

/* `create` creates the server of the protocol. Returns 0 or a negative errno. */
static int mail_server_open(const struct service_options *options,
        int (*create)(struct mail_server *server, const struct config *config), void **ret_server)
{
	struct config *config = options->state;
	struct mail_server *server = calloc(1, sizeof *server);
	if (!server)
		return -ENOMEM;
	server->options = *options;
	mail_server_set_config(server, config);
	server->shared = mail_shared_hold(config->mail.shared);
	int error = create(server, config);
	if (error < 0)
		mail_server_free(server);
	else
		*ret_server = server;
	return error;
}

/* -- log --------------------------------------------------------------------------------------- */

/*
 * A line for each event, with its details as key=value (see log_file.h).
 *
 *   2026-11-22T10:00:00Z smtp accepted peer=192.0.2.7 tls helo="a.example" from=<a@a.example>
 *       to=<alice@example.org> size=512 id=… reply="250 2.0.0 Accepted as …" session=…
 *   2026-11-22T10:00:00Z pop3 login peer=192.0.2.7 tls user="alice" messages=3 octets=1536
 *       session=…
 *
 * `name` is the type of the listener; `log` may be NULL.
 */
static const char *const mail_log_smtp_names[] = {
        [WEIR_SMTP_ACCEPTED] = "accepted",
        [WEIR_SMTP_FAILED] = "failed",
        [WEIR_SMTP_REFUSED] = "refused",
        [WEIR_SMTP_LOGIN] = "login",
        [WEIR_SMTP_DENIED] = "denied",
};

static void mail_log_smtp(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_smtp_event *event)
{
	struct log_line line;
	if (!log)
		return;
	bool message = event->kind == WEIR_SMTP_ACCEPTED || event->kind == WEIR_SMTP_FAILED;
	log_line_begin(&line, log, loop,
	        event->kind == WEIR_SMTP_ACCEPTED || event->kind == WEIR_SMTP_LOGIN
	                ? WEIR_LOG_INFO
	                : WEIR_LOG_WARNING,
	        name, mail_log_smtp_names[event->kind]);
	log_line_add_peer(&line, event->peer, event->secure);
	log_line_add_known(&line, "helo", event->helo);
	log_line_add_known(&line, "user", event->user);
	if (message || event->sender.size)
		log_line_add_text(&line, "from", "<>", event->sender);
	if (event->recipient.size)
		log_line_add_text(&line, "to", "<>", event->recipient);
	else if (message)
		log_line_add(&line, " recipients=%zu", event->recipients);
	if (message)
		log_line_add(&line, " size=%llu", (unsigned long long)event->size);
	if (event->id.size)
		log_line_add(&line, " id=%.*s", (int)event->id.size, event->id.data);
	log_line_add_known(&line, "reply", event->text);
	log_line_add_session(&line, event->session);
	log_line_end(&line);
}

static const char *const mail_log_pop3_names[] = {
        [WEIR_POP3_LOGIN] = "login",
        [WEIR_POP3_DENIED] = "denied",
        [WEIR_POP3_LOGOUT] = "logout",
};

static void mail_log_pop3(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_pop3_event *event)
{
	struct log_line line;
	if (!log)
		return;
	log_line_begin(&line, log, loop,
	        event->kind == WEIR_POP3_DENIED ? WEIR_LOG_WARNING : WEIR_LOG_INFO, name,
	        mail_log_pop3_names[event->kind]);
	log_line_add_peer(&line, event->peer, event->secure);
	log_line_add_known(&line, "user", event->user);
	if (event->mechanism)
		log_line_add(&line, " by=%s", event->mechanism);
	if (event->kind != WEIR_POP3_DENIED)
		log_line_add(&line, " messages=%zu octets=%llu", event->messages,
		        (unsigned long long)event->octets);
	if (event->kind == WEIR_POP3_LOGOUT)
		log_line_add(&line, " retrieved=%llu sent=%llu removed=%llu",
		        (unsigned long long)event->retrieved, (unsigned long long)event->sent,
		        (unsigned long long)event->removed);
	if (event->error)
		log_line_add_known(&line, "error", weir_span_of(store_error_text(event->error)));
	log_line_add_session(&line, event->session);
	log_line_end(&line);
}

/* -- SMTP -------------------------------------------------------------------------------------- */

static void service_smtp_log_event(void *context, const struct weir_smtp_event *event)
{
	const struct service_options *options = context;
	mail_log_smtp(options->log, options->loop, options->type->name, event);
}

/* Clients of LMTP are mail servers, so LMTP has no AUTH. */
static struct weir_users *service_smtp_users_of(
        const struct mail_server *server, const struct config *config)
{
	return server->options.type->variant == WEIR_SMTP_LMTP ? NULL : config->mail.users;
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
	smtp.personality = (enum weir_smtp_personality)options->type->variant;
	smtp.routes = mail->routes;
	smtp.users = service_smtp_users_of(server, config);
	smtp.guard = options->guard;
	smtp.local = &server->shared->store->sink;
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

static void service_smtp_renew(void *context)
{
	const struct mail_server *server = context;
	weir_smtp_set_users(server->smtp, service_smtp_users_of(server, server->config));
	weir_smtp_set_routes(server->smtp, server->config->mail.routes);
}

static void service_smtp_update(void *context, void *state, struct weir_tls *tls)
{
	struct mail_server *server = context;
	mail_server_set_config(server, state);
	service_smtp_renew(server);
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

/* Lines of the banner. */
static void service_smtp_print_served(const struct config *config)
{
	const struct config_mail *mail = &config->mail;
	printf("  mail for ");
	for (size_t i = 0; i < mail->domains.count; i++)
		printf("%s%s", i ? ", " : "", mail->domains.items[i]);
	printf(": %s\n", or_default(mail->directory, "the database"));
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
        .load = mail_shared_load,
        .unload = mail_shared_unload,
        .open = service_smtp_open_server,
        .update = service_smtp_update,
        .renew = service_smtp_renew,
        .listener = service_smtp_listener,
        .close = service_smtp_close_server,
        .print_served = service_smtp_print_served,
        .print_commands = service_smtp_print_commands,
};

/* -- POP3 -------------------------------------------------------------------------------------- */

static void service_pop3_log_event(void *context, const struct weir_pop3_event *event)
{
	const struct service_options *options = context;
	mail_log_pop3(options->log, options->loop, options->type->name, event);
}

static int service_pop3_create(struct mail_server *server, const struct config *config)
{
	const struct service_options *options = &server->options;
	struct weir_pop3_options pop3;
	weir_pop3_options_init(&pop3);
	mail_server_set_listener(server, &pop3.listener);
	pop3.store = server->shared->store;
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

static void service_pop3_renew(void *context)
{
	const struct mail_server *server = context;
	weir_pop3_set_users(server->pop3, server->config->mail.users);
}

static void service_pop3_update(void *context, void *state, struct weir_tls *tls)
{
	struct mail_server *server = context;
	mail_server_set_config(server, state);
	service_pop3_renew(server);
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

/* Lines of the banner. */
static void service_pop3_print_served(const struct config *config)
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
        .load = mail_shared_load,
        .unload = mail_shared_unload,
        .open = service_pop3_open_server,
        .update = service_pop3_update,
        .renew = service_pop3_renew,
        .listener = service_pop3_listener,
        .close = service_pop3_close_server,
        .print_served = service_pop3_print_served,
        .print_commands = service_pop3_print_commands,
};
