/*
 * An upload, seen from the loop: a queue of bytes or a socket that they are taken from, and one
 * piece of work at a time that takes it a step further.
 *
 *   OPENING ─▶ IDLE ◀─▶ WRITING, TAKING        any ─▶ ENDING ─▶ freed
 *                └─▶ COMMITTING ─▶ (done) ─▶ ENDING
 *
 * Invariants: while the state is not IDLE, the temporary, the source and the chunks in `writing`
 * are the work pool's; after a callback nothing of the upload is touched unless work or a deferred task is to
 * come. Leaves out what is done to the file: see temporary.c.
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
	        upload->options.in_place ? file_in_place_open : temporary_open;
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
		file_in_place_close(&upload->temporary);
	else
		temporary_close(&upload->temporary);
}

/* Who is told that there is no room, and sends something smaller, finds what this one had. */
static void upload_give_up(struct weir_upload *upload)
{
	if (upload->result == 0)
		return;
	upload_close_source(upload);
	upload_close_file(upload);
}

/* All of it in one call where that is possible: the page cache then takes it in large pieces. */
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
	upload_give_up(upload);
}

/* One byte more than may come tells that there are too many. */
static void upload_run_take(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	uint64_t room = upload_max(upload) - upload->size;
	uint64_t most = upload->most <= room ? upload->most : room + 1;
	upload->result = temporary_take(&upload->temporary, upload->source, most, &upload->taken);
	if (upload->result == 0 && upload->taken.size > room)
		upload->result = -EFBIG;
	if (upload->taken.end)
		upload_close_source(upload);
	upload_give_up(upload);
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
	upload->result = file_in_place_publish(&upload->temporary, &upload->created);
	/* Who is told that it is done may go on with the file: it is not locked any longer. */
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

/* -- steps ------------------------------------------------------------------------------------- */

static void upload_end_done(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	if (upload->options.in_place)
		weir_tree_invalidate(upload->tree, upload->path); /* it may be shorter again */
	upload_queue_free(upload);
	tree_release(upload->tree);
	free(upload);
}

/* Even when the pool takes no more work: then the loop waits for an unlink and a close. */
static void upload_complete(struct weir_upload *upload)
{
	struct weir_tree *tree = upload->tree;
	upload->state = UPLOAD_ENDING;
	upload->sweep = !upload->options.in_place && upload->temporary.place.directory >= 0 &&
	                tree_sweep_due(tree, upload->temporary.device, upload->temporary.inode);
	weir_loop_cancel(tree->loop, &upload->task);
	weir_timer_stop(&upload->timer);
	if (weir_work_submit_to(tree->loop, WEIR_LANE_WRITE, &upload->work, upload_run_end,
	            upload_end_done) == 0)
		return;
	upload->sweep = false;
	upload_run_end(&upload->work);
	upload_end_done(&upload->work);
}

static void upload_step_done(struct weir_work *work);
static void upload_tell(struct weir_upload *upload);

static void upload_submit(
        struct weir_upload *upload, enum upload_state state, void (*run)(struct weir_work *work))
{
	int error = weir_work_submit_to(
	        upload->tree->loop, WEIR_LANE_WRITE, &upload->work, run, upload_step_done);
	if (error < 0)
		upload->error = error;
	else
		upload->state = state;
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
	/* The pool may have refused it, and nothing else may come to tell of that. */
	if (upload->error)
		upload_tell(upload);
}

/* Each write is a way to another thread and back: what comes soon goes with it. */
static bool upload_gather(struct weir_upload *upload)
{
	if (upload->finishing || upload->most || upload->queued >= WEIR_UPLOAD_BATCH)
		return false;
	if (!weir_timer_running(&upload->timer))
		weir_timer_start(upload->tree->loop, &upload->timer, WEIR_UPLOAD_GATHER_MS,
		        upload_on_gathered);
	return true;
}

/* The next step, if the last one is done. The upload may be freed by it. */
static void upload_advance(struct weir_upload *upload)
{
	if (upload->state != UPLOAD_IDLE)
		return;
	if (upload->aborted) {
		upload_complete(upload);
		return;
	}
	if (!upload->error && upload->first && upload_gather(upload))
		return;
	if (!upload->error && upload->first)
		upload_submit_write(upload);
	else if (!upload->error && upload->most && !upload->finishing)
		upload_submit(upload, UPLOAD_TAKING, upload_run_take);
	else if (!upload->error && upload->finishing && upload->options.size_known &&
	         upload->size != upload->options.size)
		upload->error = -ENODATA;
	else if (!upload->error && upload->finishing)
		upload_submit(upload, UPLOAD_COMMITTING, upload_run_commit);
	if (!upload->error || !upload->finishing)
		return;
	upload->finishing = false;
	upload->aborted = true; /* it ends by itself now; an abort from the callback is harmless */
	upload->state = UPLOAD_ENDING;
	upload->done(upload->done_context, upload->error, false);
	upload_complete(upload);
}

static void upload_committed(struct weir_upload *upload)
{
	int error = upload->result;
	upload->state = UPLOAD_ENDING;
	weir_tree_invalidate(upload->tree, upload->path);
	if (!upload->aborted)
		upload->done(upload->done_context, error, error == 0 && upload->created);
	upload_complete(upload);
}

/* The last thing done for a step, since the caller may end the upload in it. */
static void upload_tell(struct weir_upload *upload)
{
	bool room = upload->full && upload->queued <= WEIR_UPLOAD_QUEUE / 2;
	bool owed = room || (upload->opened_owed && !upload->full);
	if (upload->told || upload->finishing || upload->aborted || !(upload->error || owed))
		return;
	upload->opened_owed = false;
	upload->full = false;
	upload->told = upload->error < 0;
	if (upload->ready)
		upload->ready(upload->context, upload->error);
}

static void upload_step_done(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	if (upload->state == UPLOAD_COMMITTING) {
		upload_committed(upload);
		return;
	}
	bool took = upload->state == UPLOAD_TAKING;
	upload_queue_pop(upload);
	upload->opened_owed |= upload->state == UPLOAD_OPENING;
	upload->state = UPLOAD_IDLE;
	if (!upload->error)
		upload->error = upload->result;
	if (took && !upload->error)
		upload->size += upload->taken.size;
	if (took)
		upload->most = 0;
	bool last = upload->aborted || upload->finishing;
	upload_advance(upload);
	if (last)
		return;
	if (took && !upload->error)
		upload->told_taken(upload->context, upload->taken.size, upload->taken.end);
	else
		upload_tell(upload);
}

/* -- for the caller ---------------------------------------------------------------------------- */

int weir_upload_begin(struct weir_tree *tree, const char *path,
        const struct weir_upload_options *options, void (*ready)(void *context, int error),
        void *context, struct weir_upload **ret)
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
	if (upload->finishing || upload->aborted)
		return WEIR_E_CLOSED;
	if (!upload->error && (upload->full || upload->most))
		return -EAGAIN;
	if (!upload->error)
		upload->error = upload_queue_put(upload, bytes);
	if (!upload->error)
		upload_advance(upload);
	if (upload->error) {
		upload->told = true;
		return upload->error;
	}
	upload->full = upload->queued >= WEIR_UPLOAD_QUEUE;
	return upload->full ? WEIR_UPLOAD_FULL : 0;
}

void weir_upload_set_source(struct weir_upload *upload, int source,
        void (*taken)(void *context, uint64_t size, int upload_complete))
{
	upload->source = source;
	upload->told_taken = taken;
}

void weir_upload_splice(struct weir_upload *upload, uint64_t most)
{
	upload->most = most;
	upload_advance(upload);
	if (upload->error)
		weir_timer_start(upload->tree->loop, &upload->timer, 0, upload_on_gathered);
}

uint64_t weir_upload_size(const struct weir_upload *upload)
{
	return upload->size;
}

static void upload_start_commit(struct weir_task *task)
{
	upload_advance(WEIR_CONTAINER(task, struct weir_upload, task));
}

void weir_upload_commit(struct weir_upload *upload,
        void (*done)(void *context, int error, bool created), void *context)
{
	upload->finishing = true;
	upload->done = done;
	upload->done_context = context;
	upload->task.run = upload_start_commit;
	weir_loop_defer(upload->tree->loop, &upload->task);
}

void weir_upload_abort(struct weir_upload *upload)
{
	if (!upload || upload->aborted)
		return;
	upload->aborted = true;
	upload_advance(upload);
}
