/*
 * The life of the relay: it claims messages that are due, as long as there are connections for
 * them.
 *
 * Invariant: no more messages are claimed than connections are allowed, so that each is being sent,
 * or waits for a connection that is being made. Connections are in relay_session.c, results in
 * relay_job.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/resolver.h>
#include <weir/tls.h>

#include "relay_state.h"
#include "helper.h"

enum {
	WAIT_MAX_S =
	        60 * 60 /* the clock may be changed, so that the queue is looked at this often */
};

/* -- settings ---------------------------------------------------------------------------------- */

static size_t smtp_relay_size_of(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *smtp_relay_copy_string(char **to, const char *text)
{
	if (!text)
		return NULL;
	char *start = *to;
	memcpy(start, text, strlen(text) + 1);
	*to += strlen(text) + 1;
	return start;
}

void weir_smtp_relay_options_init(struct weir_smtp_relay_options *options)
{
	*options = (struct weir_smtp_relay_options){
	        .port = 25,
	        .connections_max = WEIR_RELAY_CONNECTIONS_MAX,
	        .retry_first_s = WEIR_RELAY_RETRY_FIRST_S,
	        .retry_most_s = WEIR_RELAY_RETRY_MOST_S,
	        .warn_s = WEIR_RELAY_WARN_S,
	        .life_s = WEIR_RELAY_LIFE_S,
	};
}

/* Whether every option has a value that can work. */
static bool smtp_relay_can_work(const struct weir_smtp_relay_options *options)
{
	bool tls = options->mode != WEIR_SMTP_CLIENT_TLS_OFF;
	bool named = options->host && *options->host && options->helo &&
	             strlen(options->helo) <= WEIR_SMTP_HELO_MAX;
	return named && (!tls || options->tls) && options->port && options->connections_max &&
	       options->retry_first_s && options->retry_most_s;
}

static int smtp_relay_make_settings(
        const struct weir_smtp_relay_options *options, struct relay_settings **ret)
{
	if (!smtp_relay_can_work(options))
		return -EINVAL;
	struct relay_settings *settings = calloc(
	        1, sizeof *settings + smtp_relay_size_of(options->host) +
	                   smtp_relay_size_of(options->helo) + smtp_relay_size_of(options->user) +
	                   smtp_relay_size_of(options->password));
	if (!settings)
		return -ENOMEM;
	char *to = settings->text;
	local_refcount_init(&settings->references);
	settings->options = *options;
	settings->options.host = smtp_relay_copy_string(&to, options->host);
	settings->options.helo = smtp_relay_copy_string(&to, options->helo);
	settings->options.user = smtp_relay_copy_string(&to, options->user);
	settings->options.password = smtp_relay_copy_string(&to, options->password);
	if (options->tls)
		weir_tls_hold(options->tls);
	*ret = settings;
	return 0;
}

void smtp_relay_release(struct relay_settings *settings)
{
	if (!local_refcount_release(&settings->references))
		return;
	weir_tls_release(settings->options.tls);
	if (settings->options.password)
		explicit_bzero((char *)(uintptr_t)settings->options.password,
		        strlen(settings->options.password));
	free(settings);
}

/*
 * -- claiming ------------------------------------------------------------------------------------
 */

static void smtp_relay_on_claimed(void *context, int error, struct weir_queued *queued)
{
	struct weir_smtp_relay *relay = context;
	if (error == 0)
		smtp_relay_job_begin(relay, queued);
	else
		smtp_relay_job_gone(relay);
}

static void smtp_relay_on_timer(struct weir_timer *timer)
{
	smtp_relay_claim_due(WEIR_CONTAINER(timer, struct weir_smtp_relay, timer));
}

static void smtp_relay_wait_for_next(struct weir_smtp_relay *relay, int64_t now_s)
{
	int64_t next_s = weir_mail_queue_next(relay->queue);
	if (next_s < relay->down_until_s)
		next_s = relay->down_until_s;
	if (next_s == INT64_MAX) {
		weir_timer_stop(&relay->timer);
		return;
	}
	int64_t wait_s = next_s <= now_s ? 1 : next_s - now_s;
	weir_timer_start(relay->loop, &relay->timer, min_of(wait_s, (int64_t)WAIT_MAX_S) * 1000,
	        smtp_relay_on_timer);
}

static void smtp_relay_run_finish(struct weir_task *task)
{
	struct weir_smtp_relay *relay = WEIR_CONTAINER(task, struct weir_smtp_relay, finish);
	weir_smtp_relay_drained_fn *drained = relay->drained;
	relay->drained = NULL;
	weir_timer_stop(&relay->deadline);
	weir_timer_stop(&relay->timer);
	if (drained)
		drained(relay->drained_context);
}

static void smtp_relay_look_whether_drained(struct weir_smtp_relay *relay)
{
	if (relay->drained && !relay->jobs && !relay->session_count && !relay->resolution)
		weir_loop_defer(relay->loop, &relay->finish);
}

void smtp_relay_claim_due(struct weir_smtp_relay *relay)
{
	int64_t now_s = weir_loop_wall_s(relay->loop);
	if (relay->draining) {
		smtp_relay_look_whether_drained(relay);
		return;
	}
	while (now_s >= relay->down_until_s &&
	        relay->jobs < relay->settings->options.connections_max) {
		relay->jobs++;
		int result = weir_mail_queue_claim(
		        relay->queue, relay->loop, now_s, smtp_relay_on_claimed, relay);
		if (result == 1)
			continue;
		relay->jobs--;
		break;
	}
	if (relay->jobs < relay->settings->options.connections_max)
		smtp_relay_wait_for_next(relay, now_s);
}

void smtp_relay_job_gone(struct weir_smtp_relay *relay)
{
	relay->jobs--;
	smtp_relay_claim_due(relay);
}

static void smtp_relay_on_changed(void *context)
{
	smtp_relay_claim_due(context);
}

/* -- metrics ----------------------------------------------------------------------------------- */

static const char *const relay_outcome_names[RELAY_OUTCOMES] = {
        [WEIR_RELAY_SENT] = "sent",
        [WEIR_RELAY_DEFERRED] = "deferred",
        [WEIR_RELAY_FAILED] = "failed",
        [WEIR_RELAY_REPORTED] = "reported",
        [WEIR_RELAY_UNREPORTED] = "unreported",
};

static const struct weir_metric_label relay_outcome = {
        "outcome", relay_outcome_names, RELAY_OUTCOMES};

static const struct weir_metric relay_rows[] = {
        {.name = "weir_relay_outcomes_total",
                .help = "Attempts for a recipient by their outcome, and reports to senders",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct relay_cells, outcomes),
                .labels = {&relay_outcome}},
        {0},
};

static const struct weir_metric_table relay_table = {
        .metrics = relay_rows, .size = sizeof(struct relay_cells)};

/* -- life -------------------------------------------------------------------------------------- */

int weir_smtp_relay_create(struct weir_loop *loop, struct weir_mail_queue *queue,
        const struct weir_smtp_relay_options *options, struct weir_smtp_relay **ret)
{
	struct weir_smtp_relay *relay = calloc(1, sizeof *relay);
	if (!relay)
		return -ENOMEM;
	relay->loop = loop;
	relay->queue = queue;
	relay->finish.run = smtp_relay_run_finish;
	weir_list_init(&relay->sessions);
	weir_list_init(&relay->waiting);
	relay->cells = weir_metrics_set(loop, &relay_table, (const char *[]){"", ""});
	int error = relay->cells ? smtp_relay_make_settings(options, &relay->settings) : -ENOMEM;
	if (error == 0)
		error = weir_mail_queue_listen(queue, loop, smtp_relay_on_changed, relay);
	if (error < 0) {
		if (relay->settings)
			smtp_relay_release(relay->settings);
		free(relay);
		return error;
	}
	*ret = relay;
	return 0;
}

int weir_smtp_relay_reload(
        struct weir_smtp_relay *relay, const struct weir_smtp_relay_options *options)
{
	struct relay_settings *settings;
	int error = smtp_relay_make_settings(options, &settings);
	if (error < 0)
		return error;
	smtp_relay_release(relay->settings);
	relay->settings = settings;
	relay->address_count = 0;
	relay->down_until_s = 0;
	smtp_relay_resolve_anew(relay);
	smtp_relay_sessions_quit(relay);
	smtp_relay_claim_due(relay);
	return 0;
}

static void smtp_relay_on_deadline(struct weir_timer *timer)
{
	struct weir_smtp_relay *relay = WEIR_CONTAINER(timer, struct weir_smtp_relay, deadline);
	smtp_relay_resolve_cancel(relay);
	smtp_relay_sessions_abort(relay);
}

void weir_smtp_relay_drain(struct weir_smtp_relay *relay, uint32_t within_ms,
        weir_smtp_relay_drained_fn *drained, void *context)
{
	relay->draining = true;
	relay->drained = drained;
	relay->drained_context = context;
	weir_timer_stop(&relay->timer);
	weir_timer_start(relay->loop, &relay->deadline, within_ms, smtp_relay_on_deadline);
	smtp_relay_sessions_quit(relay);
	smtp_relay_look_whether_drained(relay);
}

void weir_smtp_relay_destroy(struct weir_smtp_relay *relay)
{
	if (!relay)
		return;
	weir_mail_queue_ignore(relay->queue);
	weir_timer_stop(&relay->timer);
	weir_timer_stop(&relay->deadline);
	weir_loop_cancel(relay->loop, &relay->finish);
	weir_resolver_destroy(relay->resolver);
	smtp_relay_release(relay->settings);
	free(relay);
}
