/*
 * The envelope as text: `from <a@b> size=1 8bit utf8 hdrs envid=x`, and a line for each recipient:
 * `to <c@d> user=c notify=2 orcpt=rfc822;c@d`.
 */
#include <errno.h>
#include <stdlib.h>

#include "fake_sink.h"

struct fake_delivery {
	struct weir_mail_delivery base;
	struct weir_task task;
	struct weir_loop *loop;
	size_t recipients;
	bool full;
	bool failed;
	bool hold;
	void (*ready)(void *context, int error);
	void *context;
	void (*done)(void *context, const int *errors);
	void *done_context;
};

static struct fake_sink *sink_of(struct weir_mail_delivery *delivery)
{
	return (struct fake_sink *)delivery->sink;
}

static void put(struct weir_buffer *buffer, const char *before, struct weir_span text)
{
	if (!text.size)
		return;
	weir_buffer_append(buffer, before, strlen(before), SIZE_MAX);
	weir_buffer_append(buffer, text.data, text.size, SIZE_MAX);
}

static void write_envelope(struct fake_sink *sink, const struct weir_mail_envelope *envelope)
{
	struct weir_buffer *text = &sink->envelope;
	text->size = 0;
	weir_buffer_format(text, SIZE_MAX, "from <%.*s>", (int)envelope->sender.size,
	        envelope->sender.size ? envelope->sender.data : "");
	if (envelope->size)
		weir_buffer_format(
		        text, SIZE_MAX, " size=%llu", (unsigned long long)envelope->size);
	weir_buffer_format(text, SIZE_MAX, "%s%s%s%s", envelope->eight_bit ? " 8bit" : "",
	        envelope->binary ? " binary" : "", envelope->utf8 ? " utf8" : "",
	        envelope->headers_only ? " hdrs" : "");
	put(text, " envid=", envelope->envid);
	for (size_t i = 0; i < envelope->count; i++) {
		const struct weir_mail_recipient *recipient = &envelope->recipients[i];
		weir_buffer_format(text, SIZE_MAX, "\nto <%.*s>", (int)recipient->address.size,
		        recipient->address.data);
		put(text, " user=", recipient->user);
		if (recipient->notify)
			weir_buffer_format(text, SIZE_MAX, " notify=%u", recipient->notify);
		put(text, " orcpt=", recipient->orcpt);
	}
}

static void tell_ready(struct weir_task *task)
{
	struct fake_delivery *delivery = WEIR_CONTAINER(task, struct fake_delivery, task);
	int error = sink_of(&delivery->base)->ready_error;
	delivery->full = false;
	delivery->failed |= error < 0;
	delivery->ready(delivery->context, error);
}

static int fake_begin(struct weir_mail_sink *base, struct weir_loop *loop,
        const struct weir_mail_envelope *envelope, void (*ready)(void *context, int error),
        void *context, struct weir_mail_delivery **ret)
{
	struct fake_sink *sink = (struct fake_sink *)base;
	if (sink->begin_error)
		return sink->begin_error;
	struct fake_delivery *delivery = calloc(1, sizeof *delivery);
	if (!delivery)
		return -ENOMEM;
	delivery->base.sink = base;
	delivery->loop = loop;
	delivery->recipients = envelope->count;
	delivery->ready = ready;
	delivery->context = context;
	write_envelope(sink, envelope);
	sink->bytes.size = 0;
	sink->begun++;
	sink->open++;
	*ret = &delivery->base;
	return 0;
}

static int fake_write(struct weir_mail_delivery *base, struct weir_span bytes)
{
	struct fake_delivery *delivery = (struct fake_delivery *)base;
	struct fake_sink *sink = sink_of(base);
	if (delivery->full || delivery->failed || delivery->done || !bytes.size)
		abort(); /* nothing may be written now */
	weir_buffer_append(&sink->bytes, bytes.data, bytes.size, SIZE_MAX);
	if (sink->write_error && sink->bytes.size > sink->write_error_after) {
		delivery->failed = true;
		return sink->write_error;
	}
	if (!sink->always_full)
		return 0;
	delivery->full = true;
	delivery->task.run = tell_ready;
	weir_loop_defer(delivery->loop, &delivery->task);
	return WEIR_MAIL_FULL;
}

static void end(struct fake_delivery *delivery)
{
	struct fake_sink *sink = sink_of(&delivery->base);
	size_t count = sink->waiting.size / sizeof delivery;
	struct fake_delivery **waiting = (struct fake_delivery **)(void *)sink->waiting.data;
	for (size_t i = 0; i < count; i++)
		if (waiting[i] == delivery)
			waiting[i] = NULL;
	weir_loop_cancel(delivery->loop, &delivery->task);
	sink->open--;
	free(delivery);
}

static void tell_done(struct weir_task *task)
{
	struct fake_delivery *delivery = WEIR_CONTAINER(task, struct fake_delivery, task);
	struct fake_sink *sink = sink_of(&delivery->base);
	int errors[1024] = {0};
	if (delivery->recipients > 1024)
		abort();
	memcpy(errors, sink->results, sizeof sink->results);
	if (delivery->hold && !errors[0]) {
		sink->held++;
		delivery->done(delivery->done_context, errors);
		return;
	}
	sink->committed++;
	delivery->done(delivery->done_context, errors);
	end(delivery);
}

static void fake_hold(struct weir_mail_delivery *base)
{
	((struct fake_delivery *)base)->hold = true;
}

static void fake_release(struct weir_mail_delivery *base)
{
	struct fake_sink *sink = sink_of(base);
	sink->released++;
	sink->committed++;
	end((struct fake_delivery *)base);
}

/* -- checks ------------------------------------------------------------------------------------ */

struct fake_check {
	struct weir_task task;
	struct weir_loop *loop;
	struct weir_mail_check *check;
	int error;
	void (*done)(void *context, int error);
	void *context;
};

static void tell_checked(struct weir_task *task)
{
	struct fake_check *job = WEIR_CONTAINER(task, struct fake_check, task);
	job->check->job = NULL;
	job->done(job->context, job->error);
	free(job);
}

static int fake_check(struct weir_mail_sink *base, struct weir_loop *loop,
        const struct weir_mail_recipient *recipient, uint64_t size, struct weir_mail_check *check,
        void (*done)(void *context, int error), void *context)
{
	struct fake_sink *sink = (struct fake_sink *)base;
	unsigned which = (unsigned)(recipient->user.data[0] - 'a');
	int error = which < 4 ? sink->check_results[which] : 0;
	sink->checked_size = size;
	if (!sink->slow_checks)
		return error;
	struct fake_check *job = calloc(1, sizeof *job);
	if (!job)
		return -ENOMEM;
	*job = (struct fake_check){{.run = tell_checked}, loop, check, error, done, context};
	check->job = job;
	weir_loop_defer(loop, &job->task);
	return WEIR_MAIL_PENDING;
}

static void fake_check_cancel(struct weir_mail_check *check)
{
	struct fake_check *job = check->job;
	check->job = NULL;
	if (job)
		weir_loop_cancel(job->loop, &job->task);
	free(job);
}

static void fake_commit(struct weir_mail_delivery *base,
        void (*done)(void *context, const int *errors), void *context)
{
	struct fake_delivery *delivery = (struct fake_delivery *)base;
	struct fake_sink *sink = sink_of(base);
	if (delivery->full || delivery->failed || delivery->done)
		abort();
	delivery->done = done;
	delivery->done_context = context;
	delivery->task.run = tell_done;
	if (sink->slow)
		weir_buffer_append(&sink->waiting, &delivery, sizeof delivery, SIZE_MAX);
	else
		weir_loop_defer(delivery->loop, &delivery->task);
}

static void fake_abort(struct weir_mail_delivery *base)
{
	sink_of(base)->aborted++;
	end((struct fake_delivery *)base);
}

struct fake_sink fake_sink_make(void)
{
	static const struct weir_mail_sink_type type = {
	        .name = "fake",
	        .begin = fake_begin,
	        .write = fake_write,
	        .commit = fake_commit,
	        .abort = fake_abort,
	        .hold = fake_hold,
	        .release = fake_release,
	        .check = fake_check,
	        .check_cancel = fake_check_cancel,
	};
	return (struct fake_sink){.base = {&type}};
}

void fake_sink_free(struct fake_sink *sink)
{
	weir_buffer_finish(&sink->envelope);
	weir_buffer_finish(&sink->bytes);
	weir_buffer_finish(&sink->waiting);
}

void fake_sink_release(struct fake_sink *sink)
{
	size_t count = sink->waiting.size / sizeof(struct fake_delivery *);
	struct fake_delivery **waiting = (struct fake_delivery **)(void *)sink->waiting.data;
	sink->waiting.size = 0;
	for (size_t i = 0; i < count; i++)
		if (waiting[i])
			weir_loop_defer(waiting[i]->loop, &waiting[i]->task);
}

static const char *text_of(struct weir_buffer *buffer)
{
	weir_buffer_append(buffer, "", 1, SIZE_MAX);
	buffer->size--;
	return buffer->data;
}

const char *fake_sink_bytes(struct fake_sink *sink)
{
	return text_of(&sink->bytes);
}

const char *fake_sink_envelope(struct fake_sink *sink)
{
	return text_of(&sink->envelope);
}
