/*
 * The relay of the daemon: its options from a configuration, the route of its reports, its log.
 * Invariant: it holds the configuration that has the routes and mailboxes of its reports.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/database_queue.h>
#include <weir/error.h>
#include <weir/log.h>
#include <weir/loop.h>
#include <weir/mail_queue.h>
#include <weir/mail_store.h>
#include <weir/smtp_relay.h>
#include <weir/tls.h>

#include "helper.h"
#include "link.h"
#include "log_file.h"
#include "mail_relay.h"
#include "resources.h"
#include "say.h"
#include "service.h"
#include "service_mail.h"
#include "store.h"

struct mail_relay {
	struct weir_loop *loop;
	struct config *config; /* held */
	struct weir_mail_queue *queue;
	struct weir_smtp_relay *relay; /* NULL before the start */
	struct weir_log *log;          /* or NULL */
	bool drained;
	struct weir_timer wait; /* for the queue */
};

enum {
	TAKE_OVER_AGAIN_MS = 100
};

/* -- reports ----------------------------------------------------------------------------------- */

static int mail_relay_store_first(void *context, const struct weir_mail_target *target)
{
	if (target->user.size == 0)
		return 0;
	*(struct weir_span *)context = target->user;
	return -ECANCELED;
}

/* Routes a report to the sender's local mailbox, or else into the queue. */
static bool mail_relay_route(void *context, struct weir_span sender,
        struct weir_mail_sink **ret_sink, struct weir_span *ret_user)
{
	struct mail_relay *relay = context;
	const struct config_mail *mail = &relay->config->mail;
	const char *at = memrchr(sender.data, '@', sender.size);
	struct weir_span user = {0};
	if (!at || !mail->routes || !mail->shared)
		return false;
	size_t size = (size_t)(at - sender.data);
	weir_mail_routes_find(mail->routes, weir_span(sender.data, size),
	        weir_span_skip(sender, size + 1), mail_relay_store_first, &user);
	if (user.size == 0)
		return false;
	*ret_sink = &mail->shared->store->sink;
	*ret_user = user;
	return true;
}

/* -- log --------------------------------------------------------------------------------------- */

static const char *const mail_log_relay_names[] = {
        [WEIR_RELAY_SENT] = "sent",
        [WEIR_RELAY_DEFERRED] = "deferred",
        [WEIR_RELAY_FAILED] = "failed",
        [WEIR_RELAY_REPORTED] = "reported",
        [WEIR_RELAY_UNREPORTED] = "unreported",
};

static void mail_log_relay(struct weir_log *log, struct weir_loop *loop,
        const struct weir_queued *queued, struct weir_span address, enum weir_relay_outcome outcome,
        const char *text)
{
	struct log_line line;
	if (!log)
		return;
	log_line_begin(&line, log, loop,
	        outcome == WEIR_RELAY_SENT ? WEIR_LOG_INFO : WEIR_LOG_WARNING, "relay",
	        mail_log_relay_names[outcome]);
	log_line_add(&line, " id=%s", queued->id);
	log_line_add_known(&line, "message", queued->envelope.trace);
	log_line_add_text(&line, "to", "<>", address);
	log_line_add_known(&line, "reply", weir_span_of(text));
	log_line_end(&line);
}

static void mail_relay_log_event(void *context, const struct weir_queued *queued,
        struct weir_span address, enum weir_relay_outcome outcome, const char *text)
{
	struct mail_relay *relay = context;
	mail_log_relay(relay->log, relay->loop, queued, address, outcome, text);
}

/* -- options ----------------------------------------------------------------------------------- */

static void mail_relay_report_certificate(void *context, const char *path, const char *text)
{
	(void)context;
	say("%s%s%s", path, *path ? ": " : "", text);
}

/* Opportunistic TLS does not identify the server, and protects from passive listeners only. */
static int mail_relay_make_tls(const struct config_relay *config, struct weir_tls **ret)
{
	struct weir_tls_client_options options;
	weir_tls_client_options_init(&options);
	options.ca = config->ca;
	options.verify = config->tls != WEIR_SMTP_CLIENT_TLS_OPPORTUNISTIC;
	*ret = NULL;
	if (config->tls == WEIR_SMTP_CLIENT_TLS_OFF)
		return 0;
	return weir_tls_client_create(&options, mail_relay_report_certificate, NULL, ret);
}

static uint32_t mail_relay_seconds_of(uint64_t ms)
{
	return (uint32_t)(ms / 1000);
}

/* Creates the relay, or changes its options. */
static int mail_relay_apply(struct mail_relay *relay, const struct config *config)
{
	const struct config_relay *from = &config->mail.relay;
	struct weir_tls *tls;
	char name[256];
	int error = mail_relay_make_tls(from, &tls);
	if (error < 0)
		return error;
	struct weir_smtp_relay_options options;
	weir_smtp_relay_options_init(&options);
	options.host = from->host;
	if (from->port)
		options.port = (uint16_t)from->port;
	else if (from->tls == WEIR_SMTP_CLIENT_TLS_IMPLICIT)
		options.port = 465;
	options.helo = config_mail_hostname(&config->mail, name, sizeof name);
	options.mode = from->tls;
	options.tls = tls;
	options.user = from->user;
	options.password = from->password;
	options.connections_max = (unsigned)from->connections;
	options.retry_first_s = mail_relay_seconds_of(from->retry_first_ms);
	options.retry_most_s = mail_relay_seconds_of(from->retry_most_ms);
	options.warn_s = mail_relay_seconds_of(from->warn_ms);
	options.life_s = mail_relay_seconds_of(from->life_ms);
	options.route = mail_relay_route;
	options.log = mail_relay_log_event;
	options.context = relay;
	error = relay->relay ? weir_smtp_relay_reload(relay->relay, &options)
	                     : weir_smtp_relay_create(
	                               relay->loop, relay->queue, &options, &relay->relay);
	weir_tls_release(tls);
	return error;
}

/* -- life -------------------------------------------------------------------------------------- */

static void mail_relay_report_unreadable(void *context, const char *name, const char *text)
{
	const struct config_relay *config = context;
	say_at(WEIR_LOG_WARNING, "%s/%s: %s; it is left as it is", config->queue, name, text);
}

/* The server process before this one, which drains, needs not to have given it up. */
static int mail_relay_open_database(
        struct mail_relay *relay, const struct config *config, struct weir_database *database)
{
	const struct config_relay *from = &config->mail.relay;
	struct weir_database_queue_options options;
	weir_database_queue_options_init(&options);
	options.message_max = config_mail_stored_max(&config->mail);
	options.messages_max = (unsigned)from->messages;
	options.lease_s = mail_relay_seconds_of(from->lease_ms);
	options.directory = from->queue;
	int error = weir_database_queue_open(database, &options, &relay->queue);
	if (error < 0)
		say("cannot open the queue: %s", weir_error_text(error));
	return error;
}

static int mail_relay_open_queue(struct mail_relay *relay, struct config *config)
{
	struct weir_database *database = store_database(config, STORE_QUEUE);
	struct config_relay *from = &config->mail.relay;
	struct weir_mail_queue_options options;
	weir_mail_queue_options_init(&options);
	options.path = from->queue;
	options.message_max = config_mail_stored_max(&config->mail);
	options.messages_max = (unsigned)from->messages;
	options.successor = link_active() && link_value(GRANT_SUCCESSOR, "");
	int error = resources_make_directory(config, from->queue);
	if (error == 0 && database)
		return mail_relay_open_database(relay, config, database);
	if (error == 0 && (error = resources_lend(config->user)) == 0) {
		error = weir_mail_queue_open(
		        &options, mail_relay_report_unreadable, from, &relay->queue);
		resources_return();
	}
	if (error == -EBUSY)
		say("the queue %s is used by another process already", from->queue);
	else if (error < 0)
		say("cannot open the queue %s: %s", from->queue, weir_error_text(error));
	return error;
}

/* Keeps the old log if the new one cannot be opened. */
static int mail_relay_open_log(struct mail_relay *relay, const struct config *config)
{
	const char *path = config->logs[LOG_MAIL];
	struct weir_log *log = NULL;
	int error = path ? log_create(relay->loop, config->user, path, &log) : 0;
	if (error < 0)
		return error;
	weir_log_destroy(relay->log);
	relay->log = log;
	return 0;
}

int mail_relay_open(struct weir_loop *loop, struct config *config, struct mail_relay **ret)
{
	*ret = NULL;
	if (!config->mail.relay.host || !listeners_include(config, SERVICE_SMTP))
		return 0;
	struct mail_relay *relay = calloc(1, sizeof *relay);
	if (!relay)
		return -ENOMEM;
	relay->loop = loop;
	weir_list_init(&relay->wait.link);
	relay->config = config_hold(config);
	int error = mail_relay_open_queue(relay, config);
	if (error == 0)
		error = mail_relay_open_log(relay, config);
	if (error < 0)
		mail_relay_close(relay);
	else
		*ret = relay;
	return error;
}

/* The server process before this one still drains: its relay has the queue. */
static void mail_relay_on_wait(struct weir_timer *timer)
{
	mail_relay_start(WEIR_CONTAINER(timer, struct mail_relay, wait));
}

int mail_relay_start(struct mail_relay *relay)
{
	int error = relay ? weir_mail_queue_take_over(relay->queue, mail_relay_report_unreadable,
	                            &relay->config->mail.relay)
	                  : 0;
	if (error == -EBUSY) {
		weir_timer_start(relay->loop, &relay->wait, TAKE_OVER_AGAIN_MS, mail_relay_on_wait);
		return 0;
	}
	if (error == 0 && relay)
		error = mail_relay_apply(relay, relay->config);
	if (error < 0)
		say("cannot start the relay: %s", weir_error_text(error));
	return error;
}

void mail_relay_update(struct mail_relay *relay, struct config *config)
{
	const struct config_relay *now = &config->mail.relay;
	if (!relay) {
		if (now->host)
			say_at(WEIR_LOG_WARNING,
			        "the relay starts at the next start of the server");
		return;
	}
	const struct config_relay *old = &relay->config->mail.relay;
	if (!now->host) {
		say_at(WEIR_LOG_WARNING, "the relay stays until the next start");
		return;
	}
	if (!text_equal(now->queue, old->queue) || now->messages != old->messages ||
	        now->lease_ms != old->lease_ms)
		say_at(WEIR_LOG_WARNING,
		        "the queue of the relay, its size and its lease change at the next start");
	if (!text_equal(config->logs[LOG_MAIL], relay->config->logs[LOG_MAIL]))
		mail_relay_open_log(relay, config);
	if (relay->log)
		log_use_format(relay->log, (enum weir_log_format)config->log_format);
	/* Without its queue it has not started. */
	int error = relay->relay ? mail_relay_apply(relay, config) : 0;
	if (error < 0)
		say("the relay keeps its previous settings: %s", weir_error_text(error));
	config_release(relay->config);
	relay->config = config_hold(config);
}

void mail_relay_reopen_log(struct mail_relay *relay)
{
	int error = relay && relay->log ? weir_log_reopen(relay->log) : 0;
	if (error < 0)
		say("cannot reopen the log %s: %s; logging goes on in the old file",
		        relay->config->logs[LOG_MAIL], weir_error_text(error));
}

struct weir_mail_queue *mail_relay_queue(struct mail_relay *relay)
{
	return relay ? relay->queue : NULL;
}

struct weir_mail_sink *mail_relay_sink(struct mail_relay *relay)
{
	return relay ? weir_mail_queue_sink(relay->queue) : NULL;
}

static void mail_relay_on_drained(void *context)
{
	((struct mail_relay *)context)->drained = true;
}

void mail_relay_drain(struct mail_relay *relay, uint32_t within_ms)
{
	if (relay)
		weir_timer_stop(&relay->wait);
	if (relay && relay->relay && !relay->drained)
		weir_smtp_relay_drain(relay->relay, within_ms, mail_relay_on_drained, relay);
}

void mail_relay_close(struct mail_relay *relay)
{
	if (!relay)
		return;
	weir_timer_stop(&relay->wait);
	while (relay->relay && !relay->drained && weir_loop_turn(relay->loop, -1) >= 0)
		;
	weir_smtp_relay_destroy(relay->relay);
	weir_mail_queue_close(relay->queue);
	weir_log_destroy(relay->log);
	config_release(relay->config);
	free(relay);
}
