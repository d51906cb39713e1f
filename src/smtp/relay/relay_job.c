/*
 * A claimed message: records a result for each pending recipient, notifies the sender, and
 * requeues.
 *
 *   begin ─▶ (waits for a connection, is sent) ─▶ end ─▶ notify? ─▶ requeue
 *
 * Invariant: a recipient is done only when its notification has been stored. If the process is
 * killed in between, the sender gets the notification twice, but never loses it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "relay_state.h"
#include "helper.h"

static int64_t smtp_relay_job_now_of(const struct relay_job *job)
{
	return weir_loop_wall_s(job->relay->loop);
}

static int64_t smtp_relay_job_age_of(const struct relay_job *job)
{
	return smtp_relay_job_now_of(job) - job->queued->arrived_s;
}

static void smtp_relay_job_log(const struct relay_job *job, struct weir_span address,
        enum weir_relay_outcome outcome, const char *text)
{
	const struct weir_smtp_relay_options *options = &job->settings->options;
	weir_metric_add(&job->relay->cells->outcomes[outcome], 1);
	if (options->log)
		options->log(options->context, job->queued, address, outcome, text);
}

static void smtp_relay_job_log_recipient(const struct relay_job *job,
        const struct weir_queued_recipient *recipient, enum weir_relay_outcome outcome)
{
	smtp_relay_job_log(job, recipient->address, outcome, recipient->status);
}

/* -- back into the queue ----------------------------------------------------------------------- */

static void smtp_relay_job_on_requeued(void *context, int error)
{
	(void)error; /* the message is tried again with its old state */
	smtp_relay_job_gone(context);
}

static int64_t smtp_relay_job_pause_s(const struct relay_settings *settings, unsigned tries)
{
	int64_t pause = settings->options.retry_first_s;
	for (unsigned i = 1; i < tries && pause < settings->options.retry_most_s; i++)
		pause *= 2;
	return min_of(pause, settings->options.retry_most_s);
}

void smtp_relay_job_requeue(struct relay_job *job)
{
	struct weir_smtp_relay *relay = job->relay;
	struct weir_queued *queued = job->queued;
	queued->lost = NULL;
	smtp_relay_release(job->settings);
	free(job->recipients);
	free(job->indices);
	free(job);
	weir_mail_queue_requeue(
	        relay->queue, relay->loop, queued, smtp_relay_job_on_requeued, relay);
}

/* -- notifications ----------------------------------------------------------------------------- */

/*
 * A notification to the sender. The work pool composes it, since the original has to be read; then
 * it is written to the sink for the sender's address. It has an empty sender and causes no
 * notification itself.
 */
struct relay_report {
	struct weir_work work;
	struct relay_job *job;
	struct dsn dsn;
	struct weir_buffer text;
	int error;
	void (*done)(struct relay_job *job, enum dsn_kind kind, int error);
};

static void smtp_relay_report_finish(struct relay_report *report, int error)
{
	struct relay_job *job = report->job;
	enum dsn_kind kind = report->dsn.kind;
	void (*done)(struct relay_job * job, enum dsn_kind kind, int error) = report->done;
	weir_buffer_finish(&report->text);
	free(report);
	done(job, kind, error);
}

static void smtp_relay_report_on_committed(void *context, const int *errors)
{
	smtp_relay_report_finish(context, errors[0]);
}

static int smtp_relay_report_deliver(struct relay_report *report)
{
	struct relay_job *job = report->job;
	const struct weir_smtp_relay_options *options = &job->settings->options;
	const struct weir_mail_envelope *original = &job->queued->envelope;
	struct weir_mail_recipient to = {
	        .address = original->sender, .notify = WEIR_MAIL_NOTIFY_NEVER};
	struct weir_mail_envelope envelope = {.recipients = &to,
	        .count = 1,
	        .size = report->text.size,
	        .eight_bit = dsn_needs_utf8(&report->dsn),
	        .utf8 = dsn_needs_utf8(&report->dsn)};
	struct weir_mail_sink *sink = weir_mail_queue_sink(job->relay->queue);
	struct weir_mail_delivery *delivery;
	if (options->route)
		options->route(options->context, original->sender, &sink, &to.user);
	int error = sink->type->begin(sink, job->relay->loop, &envelope, NULL, report, &delivery);
	if (error < 0)
		return error;
	/* Final delivery adds Return-Path (RFC 5321 4.4). */
	if (to.user.size)
		error = sink->type->write(delivery, WEIR_SPAN("Return-Path: <>\r\n"));
	/* A full sink does not matter: this was the last write. */
	if (error >= 0)
		error = sink->type->write(delivery, weir_buffer_span(&report->text));
	if (error < 0)
		sink->type->abort(delivery);
	else
		sink->type->commit(delivery, smtp_relay_report_on_committed, report);
	return error < 0 ? error : 0;
}

static void smtp_relay_report_run_compose(struct weir_work *work)
{
	struct relay_report *report = WEIR_CONTAINER(work, struct relay_report, work);
	report->error = smtp_dsn_compose(&report->dsn, &report->text);
}

static void smtp_relay_report_compose_done(struct weir_work *work)
{
	struct relay_report *report = WEIR_CONTAINER(work, struct relay_report, work);
	int error = report->error ? report->error : smtp_relay_report_deliver(report);
	if (error < 0)
		smtp_relay_report_finish(report, error);
}

static void smtp_relay_report(struct relay_job *job, enum dsn_kind kind, int64_t until_s,
        void (*done)(struct relay_job *job, enum dsn_kind kind, int error))
{
	const struct weir_smtp_relay_options *options = &job->settings->options;
	struct relay_report *report = calloc(1, sizeof *report);
	if (!report) {
		done(job, kind, -ENOMEM);
		return;
	}
	report->job = job;
	report->done = done;
	report->dsn = (struct dsn){.kind = kind,
	        .queued = job->queued,
	        .host = options->helo,
	        .next = options->host,
	        .now_s = weir_loop_wall_s(job->relay->loop),
	        .until_s = until_s};
	int error = weir_work_submit_to(job->relay->loop, WEIR_LANE_MAIL, &report->work,
	        smtp_relay_report_run_compose, smtp_relay_report_compose_done);
	if (error < 0)
		smtp_relay_report_finish(report, error);
}

/* -- reports ----------------------------------------------------------------------------------- */

static bool smtp_relay_job_wants_failure(
        const struct weir_queued *queued, const struct weir_queued_recipient *recipient)
{
	return queued->envelope.sender.size &&
	       (recipient->notify == WEIR_MAIL_NOTIFY_DEFAULT ||
	               recipient->notify & WEIR_MAIL_NOTIFY_FAILURE);
}

static bool smtp_relay_job_is_due(const struct relay_job *job, enum dsn_kind kind)
{
	struct dsn dsn = {.kind = kind, .queued = job->queued};
	for (size_t i = 0; i < job->queued->count; i++)
		if (smtp_dsn_is_about(&dsn, &job->queued->recipients[i]))
			return true;
	return false;
}

/* Recipients are done when the notification is stored, or can never be. */
static void smtp_relay_job_set_done(struct relay_job *job)
{
	struct dsn dsn = {.kind = DSN_FINAL};
	for (size_t i = 0; i < job->queued->count; i++)
		if (smtp_dsn_is_about(&dsn, &job->queued->recipients[i]))
			job->queued->recipients[i].state = WEIR_QUEUED_DONE;
}

static void smtp_relay_job_on_reported(struct relay_job *job, enum dsn_kind kind, int error)
{
	int64_t life_s = job->settings->options.life_s;
	struct weir_span sender = job->queued->envelope.sender;
	if (error < 0)
		smtp_relay_job_log(job, sender, WEIR_RELAY_UNREPORTED, weir_error_text(error));
	else
		smtp_relay_job_log(job, sender, WEIR_RELAY_REPORTED,
		        kind == DSN_DELAYED ? "delayed" : "final");
	bool hopeless =
	        error == -ENOENT || error == -EINVAL || smtp_relay_job_age_of(job) >= 2 * life_s;
	if (kind == DSN_DELAYED) {
		job->queued->warned = error == 0 || hopeless;
		smtp_relay_job_requeue(job);
		return;
	}
	if (error == 0 || hopeless)
		smtp_relay_job_set_done(job);
	smtp_relay_job_requeue(job);
}

static void smtp_relay_job_report_or_requeue(struct relay_job *job)
{
	const struct weir_smtp_relay_options *options = &job->settings->options;
	int64_t until_s = job->queued->arrived_s + options->life_s;
	/* Another front end has the message now, or soon, and reports. */
	if (!weir_mail_queue_may_send(job->relay->queue, job->queued))
		smtp_relay_job_requeue(job);
	else if (smtp_relay_job_is_due(job, DSN_FINAL))
		smtp_relay_report(job, DSN_FINAL, until_s, smtp_relay_job_on_reported);
	else if (job->queued->envelope.sender.size && !job->queued->warned &&
	         smtp_relay_job_age_of(job) >= options->warn_s &&
	         smtp_relay_job_is_due(job, DSN_DELAYED))
		smtp_relay_report(job, DSN_DELAYED, until_s, smtp_relay_job_on_reported);
	else
		smtp_relay_job_requeue(job);
}

/* -- results ----------------------------------------------------------------------------------- */

void smtp_relay_job_result(
        struct relay_job *job, size_t index, const struct weir_smtp_result *result, bool has_dsn)
{
	struct weir_queued_recipient *to = &job->queued->recipients[job->indices[index]];
	bool wants = to->notify & WEIR_MAIL_NOTIFY_SUCCESS && job->queued->envelope.sender.size;
	snprintf(to->status, sizeof to->status, "%s", result->text);
	if (result->code / 100 == 2) {
		to->state = wants && !has_dsn ? WEIR_QUEUED_SENT : WEIR_QUEUED_DONE;
		smtp_relay_job_log_recipient(job, to, WEIR_RELAY_SENT);
	} else if (result->code / 100 == 5) {
		to->state = smtp_relay_job_wants_failure(job->queued, to) ? WEIR_QUEUED_FAILED
		                                                          : WEIR_QUEUED_DONE;
		smtp_relay_job_log_recipient(job, to, WEIR_RELAY_FAILED);
	} else {
		smtp_relay_job_log_recipient(job, to, WEIR_RELAY_DEFERRED);
	}
}

/* The message has expired. */
static void smtp_relay_job_expire(struct relay_job *job)
{
	for (size_t i = 0; i < job->queued->count; i++) {
		struct weir_queued_recipient *to = &job->queued->recipients[i];
		if (to->state != WEIR_QUEUED_WAITING)
			continue;
		to->state = smtp_relay_job_wants_failure(job->queued, to) ? WEIR_QUEUED_FAILED
		                                                          : WEIR_QUEUED_DONE;
		smtp_relay_job_log_recipient(job, to, WEIR_RELAY_FAILED);
	}
}

void smtp_relay_job_end(struct relay_job *job)
{
	job->queued->tries++;
	job->queued->next_s = smtp_relay_job_now_of(job) +
	                      smtp_relay_job_pause_s(job->settings, job->queued->tries);
	if (smtp_relay_job_age_of(job) >= job->settings->options.life_s &&
	        weir_mail_queue_may_send(job->relay->queue, job->queued))
		smtp_relay_job_expire(job);
	smtp_relay_job_report_or_requeue(job);
}

void smtp_relay_job_fail(struct relay_job *job, const struct weir_smtp_result *why)
{
	/* The failure is not a reply about the message, whatever its code. */
	struct weir_smtp_result result = *why;
	result.code = 0;
	for (size_t i = 0; i < job->envelope.count; i++)
		smtp_relay_job_result(job, i, &result, false);
	smtp_relay_job_end(job);
}

/* -- beginning --------------------------------------------------------------------------------- */

static void smtp_relay_job_on_lost(void *context)
{
	struct relay_job *job = context;
	smtp_relay_sessions_drop(job->relay, job);
}

static struct relay_job *smtp_relay_job_make(
        struct weir_smtp_relay *relay, struct weir_queued *queued)
{
	struct relay_job *job = calloc(1, sizeof *job);
	if (!job)
		return NULL;
	job->relay = relay;
	job->queued = queued;
	job->recipients = calloc(queued->count, sizeof *job->recipients);
	job->indices = calloc(queued->count, sizeof *job->indices);
	if (!job->recipients || !job->indices) {
		free(job->recipients);
		free(job->indices);
		free(job);
		return NULL;
	}
	job->settings = relay->settings;
	local_refcount_hold(&job->settings->references);
	job->envelope = queued->envelope;
	job->envelope.recipients = job->recipients;
	job->envelope.count = 0;
	job->mail = (struct weir_smtp_mail){&job->envelope, queued->fd, queued->size};
	weir_list_init(&job->link);
	queued->lost = smtp_relay_job_on_lost;
	queued->context = job;
	return job;
}

void smtp_relay_job_begin(struct weir_smtp_relay *relay, struct weir_queued *queued)
{
	if (relay->draining) {
		weir_mail_queue_requeue(
		        relay->queue, relay->loop, queued, smtp_relay_job_on_requeued, relay);
		return;
	}
	struct relay_job *job = smtp_relay_job_make(relay, queued);
	if (!job) {
		queued->next_s = weir_loop_wall_s(relay->loop) + WEIR_RELAY_DOWN_S;
		weir_mail_queue_requeue(
		        relay->queue, relay->loop, queued, smtp_relay_job_on_requeued, relay);
		return;
	}
	for (size_t i = 0; i < queued->count; i++) {
		const struct weir_queued_recipient *to = &queued->recipients[i];
		if (to->state != WEIR_QUEUED_WAITING)
			continue;
		job->indices[job->envelope.count] = i;
		job->recipients[job->envelope.count++] = (struct weir_mail_recipient){
		        .address = to->address, .orcpt = to->orcpt, .notify = to->notify};
	}
	if (!job->envelope.count) {
		smtp_relay_job_end(job); /* only the notification is missing */
		return;
	}
	weir_list_append(&relay->waiting, &job->link);
	smtp_relay_sessions_feed(relay);
}
