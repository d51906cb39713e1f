/*
 * The connections of the relay: opened when messages wait, and kept open for a while for others.
 *
 *   connecting ─▶ ready ◀─▶ sending      idle for a while ─▶ quit ─▶ closed
 *
 * Invariants: there is a waiting job for each session that is connecting. Addresses are tried in
 * turn. When the last one fails and no other session is ready, all waiting jobs fail, and the relay
 * backs off. If a handshake of opportunistic TLS fails, the address is tried again without TLS.
 *
 * Addresses come from the resolver of the options, or from the relay's own, which is created at
 * first use. They are used for WEIR_RELAY_ADDRESSES_S.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/resolver.h>

#include "relay_state.h"
#include "helper.h"

/*
 * -- addresses -----------------------------------------------------------------------------------
 */

static void smtp_relay_resolved(struct weir_smtp_relay *relay, int error, const char *text);

static void smtp_relay_resolve_on_resolved(void *context, const struct weir_resolved *resolved)
{
	struct weir_smtp_relay *relay = context;
	char text[256];
	snprintf(text, sizeof text, "%s: %s", relay->settings->options.host,
	        weir_resolved_text(resolved->error));
	relay->resolution = NULL;
	relay->address_count = 0;
	for (; relay->address_count < RELAY_ADDRESSES && relay->address_count < resolved->count;
	        relay->address_count++)
		relay->addresses[relay->address_count] = resolved->addresses[relay->address_count];
	relay->resolved_s = weir_loop_wall_s(relay->loop);
	smtp_relay_resolved(relay, resolved->error, text);
}

static int smtp_relay_resolve(struct weir_smtp_relay *relay)
{
	struct weir_resolver_options of_system;
	const struct weir_smtp_relay_options *options = &relay->settings->options;
	struct weir_resolver *resolver = options->resolver;
	int error = 0;
	if (relay->resolution)
		return 0;
	weir_resolver_options_init(&of_system);
	of_system.cache_bytes = WEIR_DNS_CACHE_MIN;
	if (!resolver && !relay->resolver)
		error = weir_resolver_create(relay->loop, &of_system, &relay->resolver);
	if (error < 0)
		return error;
	return weir_resolve_addresses(resolver ? resolver : relay->resolver, options->host,
	        options->port, 0, smtp_relay_resolve_on_resolved, relay, &relay->resolution);
}

void smtp_relay_resolve_anew(struct weir_smtp_relay *relay)
{
	if (!relay->resolution)
		return;
	smtp_relay_resolve_cancel(relay);
	int error = smtp_relay_resolve(relay);
	if (error < 0)
		smtp_relay_resolved(relay, error, weir_resolved_text(error));
}

void smtp_relay_resolve_cancel(struct weir_smtp_relay *relay)
{
	weir_resolving_cancel(relay->resolution);
	relay->resolution = NULL;
}

struct relay_session {
	struct weir_list link;
	struct weir_smtp_relay *relay;
	struct relay_settings *settings;
	struct weir_smtp_client *client;
	struct relay_job *job; /* being sent, or NULL */
	struct weir_timer idle;
	unsigned address;  /* index of the one that is tried */
	unsigned messages; /* number sent so far */
	bool ready;        /* has been ready */
	bool quitting;
	bool in_clear; /* without TLS, since the handshake failed */
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
	WEIR_LIST_EACH (struct relay_session, session, &relay->sessions, link)
		if (session->ready)
			return true;
	return false;
}

/* The smart host is unavailable: backs off, but no longer than until a first retry. */
static void smtp_relay_session_host_failed(
        struct weir_smtp_relay *relay, const struct weir_smtp_result *why)
{
	uint32_t first_s = relay->settings->options.retry_first_s;
	struct weir_list waiting;
	if (smtp_relay_session_any_ready(relay))
		return;
	relay->down_until_s =
	        weir_loop_wall_s(relay->loop) + min_of(first_s, (uint32_t)WEIR_RELAY_DOWN_S);
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
	struct weir_smtp_client_options options;
	weir_smtp_client_options_init(&options);
	options.address = session->relay->addresses[session->address];
	options.host = from->host;
	options.helo = from->helo;
	options.mode = session->in_clear ? WEIR_SMTP_CLIENT_TLS_OFF : from->mode;
	options.tls = session->in_clear ? NULL : from->tls;
	options.user = from->user;
	options.password = from->password;
	options.password_in_clear = from->password_in_clear;
	return weir_smtp_client_connect(
	        session->relay->loop, &options, &events, session, &session->client);
}

/* Tries addresses from session->address on. Frees the session if all fail. */
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
		result.text = "no address left to try";
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
	local_refcount_hold(&session->settings->references);
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

/* Takes the job that waits longest; NULL: none. Those whose claim has ended are requeued. */
static struct relay_job *smtp_relay_session_next_job(struct weir_smtp_relay *relay)
{
	while (!weir_list_empty(&relay->waiting)) {
		struct relay_job *job = WEIR_CONTAINER(relay->waiting.next, struct relay_job, link);
		weir_list_remove(&job->link);
		if (weir_mail_queue_may_send(relay->queue, job->queued))
			return job;
		smtp_relay_job_requeue(job);
	}
	return NULL;
}

/* Gives an idle session a job; false: no job waits. */
static bool smtp_relay_session_send_next(struct relay_session *session)
{
	struct relay_job *job = smtp_relay_session_next_job(session->relay);
	if (!job)
		return false;
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
	WEIR_LIST_EACH (struct relay_session, session, &relay->sessions, link) {
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
		/* No job waits any more if all addresses have failed at once. */
		for (; error == 0 && connecting < waiting && !weir_list_empty(&relay->waiting) &&
		        relay->session_count < relay->settings->options.connections_max;
		        connecting++)
			error = smtp_relay_session_open(relay);
	if (error < 0)
		smtp_relay_session_host_failed(relay,
		        &(struct weir_smtp_result){.error = error, .text = weir_error_text(error)});
}

static void smtp_relay_resolved(struct weir_smtp_relay *relay, int error, const char *text)
{
	if (error < 0)
		smtp_relay_session_host_failed(
		        relay, &(struct weir_smtp_result){.error = error, .text = text});
	else
		smtp_relay_sessions_feed(relay);
	smtp_relay_claim_due(relay);
}

/* -- events of the client --------------------------------------------------------------------- */

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

/* The session was not ready yet: tries again without TLS, or the next address. */
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
		session->address = RELAY_ADDRESSES; /* the addresses are of another host now */
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
	smtp_relay_claim_due(relay);
}

static const struct weir_smtp_client_events events = {.ready = smtp_relay_session_on_ready,
        .recipient = smtp_relay_session_on_recipient,
        .closed = smtp_relay_session_on_closed};

/*
 * -- all sessions -------------------------------------------------------------------------------
 */

void smtp_relay_sessions_drop(struct weir_smtp_relay *relay, struct relay_job *job)
{
	struct relay_session *sends = NULL;
	WEIR_LIST_EACH (struct relay_session, session, &relay->sessions, link)
		if (session->job == job)
			sends = session;
	bool waits = !weir_list_empty(&job->link);
	if (!waits && (!sends || weir_smtp_client_awaits_outcome(sends->client)))
		return;
	if (waits) {
		weir_list_remove(&job->link);
	} else {
		weir_smtp_client_abort(sends->client);
		smtp_relay_session_free(sends);
	}
	smtp_relay_job_requeue(job);
	smtp_relay_sessions_feed(relay);
}

void smtp_relay_sessions_quit(struct weir_smtp_relay *relay)
{
	WEIR_LIST_EACH (struct relay_session, session, &relay->sessions, link) {
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
		struct relay_job *job = session->job; /* NOLINT: a freed session is in no list */
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
	smtp_relay_claim_due(relay);
}
