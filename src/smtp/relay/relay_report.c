/*
 * A notification to the sender. The work pool composes it, since the original has to be read; then
 * it is written to the sink for the sender's address. It has an empty sender and causes no
 * notification itself.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "relay_state.h"

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

void smtp_relay_report(struct relay_job *job, enum dsn_kind kind, int64_t until_s,
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
