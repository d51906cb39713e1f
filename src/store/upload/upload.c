/*
 * An upload as the loop sees it: bytes come by weir_upload_write or are spliced from a socket, and
 * one piece of work at a time brings it a step further. upload_state.h shows the states.
 *
 * Invariants: while the state is not IDLE, the temporary, the source and the chunks in `writing`
 * belong to the work pool. A callback may end the upload, so nothing of it is touched afterwards,
 * unless work or a deferred task is still to come.
 *
 * Leaves out what is done to the file: see temporary.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "upload_state.h"

static struct weir_upload *upload_of(struct weir_work *work)
{
	return WEIR_CONTAINER(work, struct weir_upload, work);
}

/* -- on the work pool -------------------------------------------------------------------------- */

static void upload_run_open(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	int (*open)(struct temporary *, const struct open_rules *, const char *,
	        const struct weir_upload_options *) =
	        upload->options.in_place ? in_place_open : temporary_open;
	upload->result =
	        open(&upload->temporary, &upload->tree->rules, upload->path, &upload->options);
}

static void upload_close_source(struct weir_upload *upload)
{
	if (upload->source >= 0)
		close(upload->source);
	upload->source = -1;
}

static void upload_close_file(struct weir_upload *upload)
{
	if (upload->options.in_place)
		in_place_close(&upload->temporary);
	else
		temporary_close(&upload->temporary);
}

/* After an error the room is free before the caller hears of it, for a client that sends less. */
static void upload_close_on_error(struct weir_upload *upload)
{
	if (upload->result == 0)
		return;
	upload_close_source(upload);
	upload_close_file(upload);
}

/* Writes everything in one call if possible: the page cache then takes it in large pieces. */
static void upload_run_write(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	struct iovec pieces[WEIR_UPLOAD_BATCH / UPLOAD_CHUNK];
	unsigned most = sizeof pieces / sizeof *pieces;
	upload->result = 0;
	for (struct upload_chunk *chunk = upload->writing; chunk && upload->result == 0;) {
		unsigned count = 0;
		for (; chunk && count < most; chunk = chunk->next)
			pieces[count++] = (struct iovec){chunk->data, chunk->size};
		upload->result = temporary_write(&upload->temporary, pieces, count);
	}
	upload_close_on_error(upload);
}

/* Splices up to one byte more than is accepted, to find out whether there is too much. */
static void upload_run_splice(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	uint64_t room = upload_max(upload) - upload->size;
	uint64_t most = upload->splice_max <= room ? upload->splice_max : room + 1;
	upload->result =
	        temporary_splice(&upload->temporary, upload->source, most, &upload->spliced);
	if (upload->result == 0 && upload->spliced.size > room)
		upload->result = -EFBIG;
	if (upload->spliced.end)
		upload_close_source(upload);
	upload_close_on_error(upload);
}

static void upload_run_commit(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	upload_close_source(upload);
	if (!upload->options.in_place) {
		upload->result = temporary_publish(&upload->temporary, &upload->tree->rules,
		        upload->path, &upload->options, &upload->created);
		return;
	}
	upload->result = in_place_publish(&upload->temporary, &upload->created);
	/* Unlocks the file, so that done() may begin another upload into it. */
	upload_close_file(upload);
}

static void upload_run_end(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	upload_close_source(upload);
	if (upload->sweep)
		temporary_sweep(&upload->temporary);
	upload_close_file(upload);
}

/* -- states ------------------------------------------------------------------------------------ */

static void upload_enter(struct weir_upload *upload, enum upload_state state)
{
	upload->state = state;
	if (state != UPLOAD_ENDING)
		return;
	/* From now on an abort, such as one from done(), changes nothing. */
	upload->request = UPLOAD_ABORT;
	weir_loop_cancel(upload->tree->loop, &upload->task);
	weir_timer_stop(&upload->timer);
}

static void upload_on_ended(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	/* A file that was written to in place may have been cut off again. */
	if (upload->options.in_place)
		weir_tree_invalidate(upload->tree, upload->path);
	upload_queue_free(upload);
	tree_release(upload->tree);
	free(upload);
}

/*
 * Frees the upload. If the pool accepts no work, the loop itself waits for an unlink and a close.
 */
static void upload_end(struct weir_upload *upload)
{
	struct weir_tree *tree = upload->tree;
	upload_enter(upload, UPLOAD_ENDING);
	upload->sweep = !upload->options.in_place && upload->temporary.entry.directory >= 0 &&
	                tree_sweep_due(tree, upload->temporary.device, upload->temporary.inode);
	if (weir_work_submit_to(tree->loop, WEIR_LANE_WRITE, &upload->work, upload_run_end,
	            upload_on_ended) == 0)
		return;
	upload->sweep = false;
	upload_run_end(&upload->work);
	upload_on_ended(&upload->work);
}

static void upload_on_step(struct weir_work *work);
static void upload_report(struct weir_upload *upload);

static void upload_submit(
        struct weir_upload *upload, enum upload_state state, void (*run)(struct weir_work *work))
{
	int error = weir_work_submit_to(
	        upload->tree->loop, WEIR_LANE_WRITE, &upload->work, run, upload_on_step);
	if (error < 0)
		upload->error = error;
	else
		upload_enter(upload, state);
}

static void upload_submit_write(struct weir_upload *upload)
{
	upload->writing = upload->first;
	upload->first = upload->last = NULL;
	weir_timer_stop(&upload->timer);
	upload_submit(upload, UPLOAD_WRITING, upload_run_write);
}

static void upload_on_gathered(struct weir_timer *timer)
{
	struct weir_upload *upload = WEIR_CONTAINER(timer, struct weir_upload, timer);
	if (upload->state == UPLOAD_IDLE && upload->first)
		upload_submit_write(upload);
	/* If the pool has refused the work, no other callback may come that reports the error. */
	if (upload->error)
		upload_report(upload);
}

/* Small writes are gathered for a moment, since each piece of work costs a switch of threads. */
static bool upload_gather(struct weir_upload *upload)
{
	if (upload->request != UPLOAD_OPEN || upload->splice_max ||
	        upload->queued >= WEIR_UPLOAD_BATCH)
		return false;
	if (!weir_timer_running(&upload->timer))
		weir_timer_start(upload->tree->loop, &upload->timer, WEIR_UPLOAD_GATHER_MS,
		        upload_on_gathered);
	return true;
}

/* The step that comes next for an upload without an error. */
static void upload_step(struct weir_upload *upload)
{
	bool commit = upload->request == UPLOAD_COMMIT;
	if (upload->first) {
		if (!upload_gather(upload))
			upload_submit_write(upload);
	} else if (upload->splice_max && !commit) {
		upload_submit(upload, UPLOAD_SPLICING, upload_run_splice);
	} else if (commit && upload->options.size_known && upload->size != upload->options.size) {
		upload->error = -ENODATA;
	} else if (commit) {
		upload_submit(upload, UPLOAD_COMMITTING, upload_run_commit);
	}
}

/* Takes the next step, if the last one is complete. The upload may be freed by it. */
static void upload_advance(struct weir_upload *upload)
{
	if (upload->state != UPLOAD_IDLE)
		return;
	if (upload->request == UPLOAD_ABORT) {
		upload_end(upload);
		return;
	}
	if (!upload->error)
		upload_step(upload);
	if (!upload->error || upload->request != UPLOAD_COMMIT)
		return;
	upload_enter(upload, UPLOAD_ENDING);
	upload->done(upload->done_context, upload->error, false);
	upload_end(upload);
}

static void upload_on_committed(struct weir_upload *upload)
{
	int error = upload->result;
	bool wanted = upload->request == UPLOAD_COMMIT;
	upload_enter(upload, UPLOAD_ENDING);
	weir_tree_invalidate(upload->tree, upload->path);
	if (wanted)
		upload->done(upload->done_context, error, error == 0 && upload->created);
	upload_end(upload);
}

/* Calls ready() if there is something to report. The caller may end the upload in it. */
static void upload_report(struct weir_upload *upload)
{
	bool room = upload->full && upload->queued <= WEIR_UPLOAD_QUEUE / 2;
	bool pending = room || (upload->ready_pending && !upload->full);
	if (upload->error_reported || upload->request != UPLOAD_OPEN || !(upload->error || pending))
		return;
	upload->ready_pending = false;
	upload->full = false;
	upload->error_reported = upload->error < 0;
	if (upload->ready)
		upload->ready(upload->context, upload->error);
}

static void upload_on_step(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	if (upload->state == UPLOAD_COMMITTING) {
		upload_on_committed(upload);
		return;
	}
	bool spliced = upload->state == UPLOAD_SPLICING;
	upload_queue_pop(upload);
	upload->ready_pending |= upload->state == UPLOAD_OPENING;
	upload_enter(upload, UPLOAD_IDLE);
	if (!upload->error)
		upload->error = upload->result;
	if (spliced && !upload->error)
		upload->size += upload->spliced.size;
	if (spliced)
		upload->splice_max = 0;
	bool open = upload->request == UPLOAD_OPEN;
	upload_advance(upload);
	if (!open)
		return;
	/* NOLINTBEGIN: an open upload is not freed by a step */
	if (spliced && !upload->error)
		upload->on_spliced(upload->context, upload->spliced.size, upload->spliced.end);
	else
		upload_report(upload);
	/* NOLINTEND */
}

/* -- for the caller ---------------------------------------------------------------------------- */

void weir_upload_options_init(struct weir_upload_options *options)
{
	*options = (struct weir_upload_options){.size_max = 0};
}

int weir_upload_begin(struct weir_tree *tree, const char *path,
        const struct weir_upload_options *options, weir_upload_ready_fn *ready, void *context,
        struct weir_upload **ret)
{
	int error = directory_entry_check(path);
	if (error < 0)
		return error;
	if (options->size_known && options->size > options->size_max)
		return WEIR_E_LIMIT;
	tree_root_follow(tree);
	size_t size = strlen(path);
	struct weir_upload *upload = calloc(1, sizeof *upload + size + 1);
	if (!upload)
		return -ENOMEM;
	memcpy(upload->path, path, size);
	upload->tree = tree;
	upload->options = *options;
	upload->source = -1;
	upload->ready = ready;
	upload->context = context;
	upload_submit(upload, UPLOAD_OPENING, upload_run_open);
	if (upload->error < 0) {
		error = upload->error;
		free(upload);
		return error;
	}
	tree_hold(tree);
	*ret = upload;
	return 0;
}

int weir_upload_write(struct weir_upload *upload, struct weir_span bytes)
{
	if (upload->request != UPLOAD_OPEN)
		return WEIR_E_CLOSED;
	if (!upload->error && (upload->full || upload->splice_max))
		return -EAGAIN;
	if (!upload->error)
		upload->error = upload_queue_put(upload, bytes);
	if (!upload->error)
		upload_advance(upload);
	if (upload->error) { /* NOLINT: an open upload is not freed by a step */
		upload->error_reported = true;
		return upload->error;
	}
	upload->full = upload->queued >= WEIR_UPLOAD_QUEUE;
	return upload->full ? WEIR_UPLOAD_FULL : 0;
}

void weir_upload_set_source(struct weir_upload *upload, int source, weir_upload_spliced_fn *spliced)
{
	upload->source = source;
	upload->on_spliced = spliced;
}

void weir_upload_splice(struct weir_upload *upload, uint64_t most)
{
	upload->splice_max = most;
	upload_advance(upload);
	if (upload->error) /* NOLINT: an open upload is not freed by a step */
		weir_timer_start(upload->tree->loop, &upload->timer, 0, upload_on_gathered);
}

uint64_t weir_upload_size(const struct weir_upload *upload)
{
	return upload->size;
}

static void upload_on_commit(struct weir_task *task)
{
	upload_advance(WEIR_CONTAINER(task, struct weir_upload, task));
}

void weir_upload_commit(struct weir_upload *upload, weir_upload_done_fn *done, void *context)
{
	upload->request = UPLOAD_COMMIT;
	upload->done = done;
	upload->done_context = context;
	upload->task.run = upload_on_commit;
	weir_loop_defer(upload->tree->loop, &upload->task);
}

void weir_upload_abort(struct weir_upload *upload)
{
	if (!upload || upload->request == UPLOAD_ABORT)
		return;
	upload->request = UPLOAD_ABORT;
	upload_advance(upload);
}
