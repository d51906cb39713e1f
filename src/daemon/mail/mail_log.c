/* Writes the lines of the mail log, by event. */
#include <weir/error.h>
#include <weir/mail_queue.h>

#include "log_line.h"
#include "mail_log.h"

static const char *const smtp_names[] = {
        [WEIR_SMTP_ACCEPTED] = "accepted",
        [WEIR_SMTP_FAILED] = "failed",
        [WEIR_SMTP_REFUSED] = "refused",
        [WEIR_SMTP_LOGIN] = "login",
        [WEIR_SMTP_DENIED] = "denied",
};

void mail_log_smtp(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_smtp_event *event)
{
	struct log_line line;
	if (!log)
		return;
	bool message = event->kind == WEIR_SMTP_ACCEPTED || event->kind == WEIR_SMTP_FAILED;
	log_line_begin(&line, log, loop, name, smtp_names[event->kind]);
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
	log_line_end(&line);
}

static const char *const pop3_names[] = {
        [WEIR_POP3_LOGIN] = "login",
        [WEIR_POP3_DENIED] = "denied",
        [WEIR_POP3_LOGOUT] = "logout",
};

void mail_log_pop3(struct weir_log *log, struct weir_loop *loop, const char *name,
        const struct weir_pop3_event *event)
{
	struct log_line line;
	if (!log)
		return;
	log_line_begin(&line, log, loop, name, pop3_names[event->kind]);
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
		log_line_add_known(&line, "error", weir_span_of(weir_error_text(event->error)));
	log_line_end(&line);
}

static const char *const relay_names[] = {
        [WEIR_RELAY_SENT] = "sent",
        [WEIR_RELAY_DEFERRED] = "deferred",
        [WEIR_RELAY_FAILED] = "failed",
        [WEIR_RELAY_REPORTED] = "reported",
        [WEIR_RELAY_UNREPORTED] = "unreported",
};

void mail_log_relay(struct weir_log *log, struct weir_loop *loop, const struct weir_queued *queued,
        struct weir_span address, enum weir_relay_outcome outcome, const char *text)
{
	struct log_line line;
	if (!log)
		return;
	log_line_begin(&line, log, loop, "relay", relay_names[outcome]);
	log_line_add(&line, " id=%s", queued->id);
	log_line_add_known(&line, "message", queued->envelope.trace);
	log_line_add_text(&line, "to", "<>", address);
	log_line_add_known(&line, "reply", weir_span_of(text));
	log_line_end(&line);
}
