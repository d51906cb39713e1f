/*
 * The relay's connections: made when messages wait, kept a little while for others.
 *
 *   connecting ─▶ ready ◀─▶ sending      idle for a while ─▶ quit ─▶ gone
 *
 * Invariants: a session that is connecting is there for a job that waits; addresses are tried in
 * turn, and when the last has failed and no other connection stands, those that wait have failed
 * and the host is left alone for a while. TLS that is opportunistic and fails is left out for that
 * connection.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "relay_state.h"

struct relay_session {
	struct weir_list link;
	struct weir_smtp_relay *relay;
	struct relay_settings *settings;
	struct weir_smtp_client *client;
	struct relay_job *job; /* that is being sent */
	struct weir_timer idle;
	unsigned address;  /* which is tried */
	unsigned messages; /* sent so far */
	bool ready;        /* it was */
	bool quitting;
	bool in_clear; /* the handshake failed */
};

static const struct weir_smtp_client_events events;

/* -- ends -------------------------------------------------------------------------------------- */

static void smtp_relay_session_free(struct relay_session *session)
{
	weir_timer_stop(&session->idle);
	weir_list_remove(&session->link);
	session->relay->session_count--;
	smtp_relay_release(session->settings);
	free(session);
}

static bool smtp_relay_session_any_ready(const struct weir_smtp_relay *relay)
{
	for (struct weir_list *at = relay->sessions.next; at != &relay->sessions; at = at->next)
		if (WEIR_CONTAINER(at, struct relay_session, link)->ready)
			return true;
	return false;
}

/* The smart host cannot be had: it is left alone, but no longer than until a first retry. */
static void smtp_relay_session_host_failed(
        struct weir_smtp_relay *relay, const struct weir_smtp_result *why)
{
	uint32_t first_s = relay->settings->options.retry_first_s;
	struct weir_list waiting;
	if (smtp_relay_session_any_ready(relay))
		return;
	relay->down_until_s = weir_loop_wall_s(relay->loop) +
	                      (first_s < WEIR_RELAY_DOWN_S ? first_s : WEIR_RELAY_DOWN_S);
	relay->address_count = 0;
	weir_list_move(&waiting, &relay->waiting);
	while (!weir_list_empty(&waiting)) {
		struct relay_job *job = WEIR_CONTAINER(waiting.next, struct relay_job, link);
		weir_list_remove(&job->link);
		smtp_relay_job_fail(job, why);
	}
}

/* -- connecting -------------------------------------------------------------------------------- */

static int smtp_relay_session_connect(struct relay_session *session)
{
	const struct weir_smtp_relay_options *from = &session->settings->options;
	struct weir_smtp_client_options options = {
	        .address = session->relay->addresses[session->address],
	        .host = from->host,
	        .helo = from->helo,
	        .mode = session->in_clear ? WEIR_SMTP_CLIENT_TLS_OFF : from->mode,
	        .tls = session->in_clear ? NULL : from->tls,
	        .user = from->user,
	        .password = from->password,
	        .password_in_clear = from->password_in_clear,
	};
	return weir_smtp_client_connect(
	        session->relay->loop, &options, &events, session, &session->client);
}

/* From session->address on. The session is gone if all fail. */
static void smtp_relay_session_try_addresses(
        struct relay_session *session, const struct weir_smtp_result *why)
{
	struct weir_smtp_relay *relay = session->relay;
	struct weir_smtp_result result = why ? *why : (struct weir_smtp_result){0};
	for (; session->address < relay->address_count; session->address++) {
		int error = smtp_relay_session_connect(session);
		if (error == 0)
			return;
		result = (struct weir_smtp_result){.error = error, .text = weir_error_text(error)};
	}
	char text[WEIR_QUEUE_STATUS_MAX + 1];
	if (!result.text)
		result.text = "no address is left";
	if (result.code == 0) {
		const struct weir_smtp_relay_options *options = &session->settings->options;
		snprintf(text, sizeof text, "%s, port %u: %s", options->host, options->port,
		        result.text);
		result.text = text;
	}
	smtp_relay_session_free(session);
	smtp_relay_session_host_failed(relay, &result);
}

static int smtp_relay_session_open(struct weir_smtp_relay *relay)
{
	struct relay_session *session = calloc(1, sizeof *session);
	if (!session)
		return -ENOMEM;
	session->relay = relay;
	session->settings = relay->settings;
	session->settings->references++;
	weir_list_append(&relay->sessions, &session->link);
	relay->session_count++;
	smtp_relay_session_try_addresses(session, NULL);
	return 0;
}

/* -- sending ----------------------------------------------------------------------------------- */

static void smtp_relay_session_quit(struct relay_session *session)
{
	weir_timer_stop(&session->idle);
	session->quitting = true;
	weir_smtp_client_quit(session->client);
}

static void smtp_relay_session_on_idle(struct weir_timer *timer)
{
	smtp_relay_session_quit(WEIR_CONTAINER(timer, struct relay_session, idle));
}

/* Gives an idle session what waits longest; false: nothing does. */
static bool smtp_relay_session_send_next(struct relay_session *session)
{
	struct weir_smtp_relay *relay = session->relay;
	if (weir_list_empty(&relay->waiting))
		return false;
	struct relay_job *job = WEIR_CONTAINER(relay->waiting.next, struct relay_job, link);
	weir_list_remove(&job->link);
	weir_timer_stop(&session->idle);
	session->job = job;
	session->messages++;
	weir_smtp_client_send(session->client, &job->mail);
	return true;
}

static bool smtp_relay_session_is_idle(const struct relay_session *session)
{
	return session->ready && !session->job && !session->quitting;
}

void smtp_relay_sessions_feed(struct weir_smtp_relay *relay)
{
	unsigned connecting = 0, waiting = 0;
	for (struct weir_list *at = relay->sessions.next; at != &relay->sessions; at = at->next) {
		struct relay_session *session = WEIR_CONTAINER(at, struct relay_session, link);
		if (smtp_relay_session_is_idle(session))
			smtp_relay_session_send_next(session);
		connecting += !session->ready;
	}
	for (struct weir_list *at = relay->waiting.next; at != &relay->waiting; at = at->next)
		waiting++;
	if (waiting <= connecting || relay->resolution)
		return;
	bool stale = weir_loop_wall_s(relay->loop) - relay->resolved_s > WEIR_RELAY_ADDRESSES_S;
	int error = 0;
	if (!relay->address_count || stale)
		error = smtp_relay_resolve(relay);
	else
		/* If all addresses fail at once, nobody waits any more. */
		for (; error == 0 && connecting < waiting && !weir_list_empty(&relay->waiting) &&
		        relay->session_count < relay->settings->options.connections_max;
		        connecting++)
			error = smtp_relay_session_open(relay);
	if (error < 0)
		smtp_relay_session_host_failed(relay,
		        &(struct weir_smtp_result){.error = error, .text = weir_error_text(error)});
}

void smtp_relay_resolved(struct weir_smtp_relay *relay, int error, const char *text)
{
	if (error < 0)
		smtp_relay_session_host_failed(
		        relay, &(struct weir_smtp_result){.error = error, .text = text});
	else
		smtp_relay_sessions_feed(relay);
	smtp_relay_kick(relay);
}

/* -- what the client tells --------------------------------------------------------------------- */

static void smtp_relay_session_on_ready(void *context)
{
	struct relay_session *session = context;
	struct weir_smtp_relay *relay = session->relay;
	struct relay_job *job = session->job;
	session->ready = true;
	session->job = NULL;
	if (job)
		smtp_relay_job_end(job);
	bool old = session->settings != relay->settings ||
	           session->messages >= WEIR_RELAY_MESSAGES_MAX;
	if (!old && smtp_relay_session_send_next(session))
		return;
	if (old || relay->draining)
		smtp_relay_session_quit(session);
	else
		weir_timer_start(relay->loop, &session->idle, WEIR_RELAY_IDLE_MS,
		        smtp_relay_session_on_idle);
}

static void smtp_relay_session_on_recipient(
        void *context, size_t index, const struct weir_smtp_result *result)
{
	struct relay_session *session = context;
	smtp_relay_job_result(
	        session->job, index, result, weir_smtp_client_has_dsn(session->client));
}

/* Before it was ready: once more without TLS, or the next address. */
static void smtp_relay_session_connecting_failed(
        struct relay_session *session, const struct weir_smtp_result *why)
{
	bool opportunistic = session->settings->options.mode == WEIR_SMTP_CLIENT_TLS_OPPORTUNISTIC;
	if (why->in_tls && opportunistic && !session->in_clear) {
		session->in_clear = true;
	} else {
		session->in_clear = false;
		session->address++;
	}
	if (session->settings != session->relay->settings)
		session->address = RELAY_ADDRESSES; /* those are of another host */
	smtp_relay_session_try_addresses(session, why);
}

static void smtp_relay_session_on_closed(void *context, const struct weir_smtp_result *why)
{
	struct relay_session *session = context;
	struct weir_smtp_relay *relay = session->relay;
	struct relay_job *job = session->job;
	session->client = NULL;
	session->job = NULL;
	if (!session->ready) {
		smtp_relay_session_connecting_failed(session, why);
	} else {
		smtp_relay_session_free(session);
		if (job)
			smtp_relay_job_end(job);
	}
	smtp_relay_sessions_feed(relay);
	smtp_relay_kick(relay);
}

static const struct weir_smtp_client_events events = {.ready = smtp_relay_session_on_ready,
        .recipient = smtp_relay_session_on_recipient,
        .closed = smtp_relay_session_on_closed};

/* -- all of them ------------------------------------------------------------------------------- */

void smtp_relay_sessions_quit(struct weir_smtp_relay *relay)
{
	for (struct weir_list *at = relay->sessions.next; at != &relay->sessions; at = at->next) {
		struct relay_session *session = WEIR_CONTAINER(at, struct relay_session, link);
		if (smtp_relay_session_is_idle(session))
			smtp_relay_session_quit(session);
	}
}

void smtp_relay_sessions_abort(struct weir_smtp_relay *relay)
{
	struct weir_list waiting;
	while (!weir_list_empty(&relay->sessions)) {
		struct relay_session *session =
		        WEIR_CONTAINER(relay->sessions.next, struct relay_session, link);
		struct relay_job *job = session->job; /* NOLINT: what is freed is in no list */
		weir_smtp_client_abort(session->client);
		smtp_relay_session_free(session);
		if (job)
			smtp_relay_job_end(job);
	}
	weir_list_move(&waiting, &relay->waiting);
	while (!weir_list_empty(&waiting)) {
		struct relay_job *job = WEIR_CONTAINER(waiting.next, struct relay_job, link);
		weir_list_remove(&job->link);
		smtp_relay_job_end(job);
	}
	smtp_relay_kick(relay);
}
