/*
 * A message on its way into a sink: steps between the loop and the work pool, until it is
 * committed, failed or aborted. The states are in mail_intake.h.
 */
#include <weir/error.h>

#include "mail_message.h"

enum {
	CHUNK = 64 * 1024 /* waiting bytes that are worth a step on the work pool */
};

static struct mail_intake *mail_intake_intake_of(struct weir_mail_delivery *delivery)
{
	return WEIR_CONTAINER(delivery, struct mail_intake, base);
}

static struct mail_intake *mail_intake_work(struct weir_work *work)
{
	return WEIR_CONTAINER(work, struct mail_intake, work);
}

/* -- ends -------------------------------------------------------------------------------------- */

static void mail_intake_destroy(struct mail_intake *intake)
{
	weir_buffer_finish(&intake->waiting);
	weir_buffer_finish(&intake->writing);
	intake->type->free(intake);
}

static void mail_intake_run_end(struct weir_work *work)
{
	struct mail_intake *intake = mail_intake_work(work);
	intake->type->close(intake);
}

static void mail_intake_end_done(struct weir_work *work)
{
	mail_intake_destroy(mail_intake_work(work));
}

/*
 * Freeing the space of a large file takes time. If the pool accepts no more work, the loop blocks.
 */
static void mail_intake_end(struct mail_intake *intake)
{
	intake->state = INTAKE_ENDING;
	weir_loop_cancel(intake->loop, &intake->task);
	if (intake->type->is_open(intake)) {
		if (weir_work_submit_to(intake->loop, WEIR_LANE_MAIL, &intake->work,
		            mail_intake_run_end, mail_intake_end_done) == 0)
			return;
		intake->type->close(intake);
	}
	mail_intake_destroy(intake);
}

void mail_intake_finish(struct mail_intake *intake)
{
	bool wanted = !intake->aborted;
	intake->aborted = true; /* an abort from the callback has no effect */
	intake->state = INTAKE_ENDING;
	if (wanted)
		intake->done(intake->done_context, intake->errors);
	mail_intake_end(intake);
}

void mail_intake_fail(struct mail_intake *intake, int error)
{
	for (size_t i = 0; i < intake->count; i++)
		intake->errors[i] = error;
}

static void mail_intake_fail_later(struct weir_task *task)
{
	struct mail_intake *intake = WEIR_CONTAINER(task, struct mail_intake, task);
	mail_intake_fail(intake, intake->error);
	mail_intake_finish(intake);
}

/* -- steps ------------------------------------------------------------------------------------- */

static void mail_intake_run_write(struct weir_work *work)
{
	struct mail_intake *intake = mail_intake_work(work);
	intake->result = intake->type->write(intake, weir_buffer_span(&intake->writing));
}

static void mail_intake_write_done(struct weir_work *work);

static void mail_intake_submit_write(struct mail_intake *intake)
{
	intake->writing = intake->waiting;
	intake->waiting = (struct weir_buffer){0};
	int error = weir_work_submit_to(intake->loop, WEIR_LANE_MAIL, &intake->work,
	        mail_intake_run_write, mail_intake_write_done);
	if (error < 0)
		intake->error = error;
	else
		intake->state = INTAKE_WRITING;
}

static void mail_intake_start_commit(struct mail_intake *intake)
{
	if (!intake->error) {
		intake->state = INTAKE_COMMITTING;
		intake->error = intake->type->commit(intake);
	}
	if (intake->error) {
		intake->state = INTAKE_FAILING;
		intake->task.run = mail_intake_fail_later;
		weir_loop_defer(intake->loop, &intake->task);
	}
}

/* Starts the step after the last one. May free the intake. */
static void mail_intake_advance(struct mail_intake *intake)
{
	if (intake->state != INTAKE_IDLE)
		return;
	if (intake->aborted)
		mail_intake_end(intake);
	else if (intake->finishing)
		mail_intake_start_commit(intake);
	else if (!intake->error && intake->waiting.size >= CHUNK)
		mail_intake_submit_write(intake);
}

/* Calls back; the last action of a step, since the caller may abort the delivery. */
static void mail_intake_report(struct mail_intake *intake)
{
	bool room = intake->full && intake->waiting.size <= intake->type->waiting_most / 2;
	if (intake->finishing || intake->reported || !(room || intake->error))
		return;
	intake->full = false;
	intake->reported = intake->error < 0;
	if (intake->ready)
		intake->ready(intake->context, intake->error);
}

static void mail_intake_write_done(struct weir_work *work)
{
	struct mail_intake *intake = mail_intake_work(work);
	weir_buffer_finish(&intake->writing);
	intake->state = INTAKE_IDLE;
	if (!intake->error)
		intake->error = intake->result;
	bool last = intake->aborted || intake->finishing;
	mail_intake_advance(intake);
	if (!last)
		mail_intake_report(intake);
}

/* -- the sink's functions ---------------------------------------------------------------------- */

static int mail_intake_consume(struct mail_intake *intake, struct weir_span bytes)
{
	if (bytes.size > intake->most - intake->size)
		return WEIR_E_LIMIT;
	int error = weir_buffer_append(&intake->waiting, bytes.data, bytes.size, SIZE_MAX);
	if (error < 0)
		return error;
	intake->size += bytes.size;
	intake->type->consumed(intake, bytes);
	return 0;
}

int mail_intake_write(struct weir_mail_delivery *delivery, struct weir_span bytes)
{
	struct mail_intake *intake = mail_intake_intake_of(delivery);
	if (intake->finishing || intake->aborted)
		return WEIR_E_CLOSED;
	if (!intake->error)
		intake->error = mail_intake_consume(intake, bytes);
	mail_intake_advance(intake);
	if (intake->error) {
		intake->reported = true;
		return intake->error;
	}
	intake->full = intake->waiting.size >= intake->type->waiting_most;
	return intake->full ? WEIR_MAIL_FULL : 0;
}

void mail_intake_commit(struct weir_mail_delivery *delivery, weir_mail_done_fn *done, void *context)
{
	struct mail_intake *intake = mail_intake_intake_of(delivery);
	intake->finishing = true;
	intake->done = done;
	intake->done_context = context;
	mail_intake_advance(intake);
}

void mail_intake_abort(struct weir_mail_delivery *delivery)
{
	struct mail_intake *intake = mail_intake_intake_of(delivery);
	if (intake->aborted)
		return;
	intake->aborted = true;
	if (intake->state == INTAKE_FAILING)
		mail_intake_end(intake);
	else
		mail_intake_advance(intake);
}
