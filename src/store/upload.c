/*
 * An upload, seen from the loop: a queue of bytes, and one piece of work at a time that takes it
 * a step further.
 *
 *   OPENING ─▶ IDLE ◀─▶ WRITING        any ─▶ ENDING ─▶ freed
 *                └─▶ COMMITTING ─▶ (done) ─▶ ENDING
 *
 * Invariants: while the state is not IDLE, the temporary and the chunks in `writing` are the work
 * pool's; after a callback nothing of the upload is touched unless work or a deferred task is to
 * come. Leaves out what is done to the file: see temporary.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "temporary.h"
#include "tree_state.h"

enum {
	CHUNK = 64 * 1024
};

enum upload_state {
	UPLOAD_OPENING,
	UPLOAD_IDLE,
	UPLOAD_WRITING,
	UPLOAD_COMMITTING,
	UPLOAD_ENDING,
};

struct chunk {
	struct chunk *next;
	size_t size;
	size_t capacity;
	char data[];
};

struct weir_upload {
	struct weir_work work;
	struct weir_task task; /* runs commit's first step, from the loop */
	struct weir_tree *tree;
	enum upload_state state;
	int error;        /* the first, and final */
	bool told;        /* the caller knows of it */
	bool full;        /* write answered so; ready is owed */
	bool opened_owed; /* … and the first ready */
	bool finishing;   /* commit was called */
	bool aborted;
	bool sweep;

	void (*ready)(void *context, int error);
	void *context;
	void (*done)(void *context, int error, bool created);
	void *done_context;

	struct weir_upload_options options;
	uint64_t size;       /* bytes taken */
	size_t queued;       /* of these, bytes in chunks */
	struct chunk *first; /* waiting, oldest first */
	struct chunk *last;
	struct chunk *writing;   /* the work pool's */
	struct chunk *spare;     /* full ones that were written: memory for the next */
	struct weir_timer timer; /* what has come is not gathered any longer */

	struct temporary temporary;
	int result; /* of the work */
	bool created;
	char path[];
};

static struct weir_upload *upload_of(struct weir_work *work)
{
	return WEIR_CONTAINER(work, struct weir_upload, work);
}

static void free_chunks(struct chunk *chunk)
{
	for (struct chunk *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
}

/* -- on the work pool -------------------------------------------------------------------------- */

static void run_open(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	int (*open)(struct temporary *, const struct open_rules *, const char *,
	        const struct weir_upload_options *) =
	        upload->options.in_place ? weir_in_place_open : weir_temporary_open;
	upload->result =
	        open(&upload->temporary, &upload->tree->rules, upload->path, &upload->options);
}

/* All of it in one call where that is possible: the page cache then takes it in large pieces. */
static void run_write(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	struct iovec pieces[WEIR_UPLOAD_BATCH / CHUNK];
	unsigned most = sizeof pieces / sizeof *pieces;
	upload->result = 0;
	for (struct chunk *chunk = upload->writing; chunk && upload->result == 0;) {
		unsigned count = 0;
		for (; chunk && count < most; chunk = chunk->next)
			pieces[count++] = (struct iovec){chunk->data, chunk->size};
		upload->result = weir_temporary_write(&upload->temporary, pieces, count);
	}
}

static void run_commit(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	if (upload->options.in_place)
		upload->result = weir_in_place_publish(&upload->temporary, &upload->created);
	else
		upload->result = weir_temporary_publish(
		        &upload->temporary, upload->options.must_not_exist, &upload->created);
}

static void run_end(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	if (upload->sweep)
		weir_temporary_sweep(&upload->temporary);
	if (upload->options.in_place)
		weir_in_place_close(&upload->temporary);
	else
		weir_temporary_close(&upload->temporary);
}

/* -- steps ------------------------------------------------------------------------------------- */

static void end_done(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	if (upload->options.in_place)
		weir_tree_forget(upload->tree, upload->path); /* it may be shorter again */
	free_chunks(upload->first);
	free_chunks(upload->writing);
	free_chunks(upload->spare);
	weir_tree_release(upload->tree);
	free(upload);
}

/* Even when the pool takes no more work: then the loop waits for an unlink and a close. */
static void end(struct weir_upload *upload)
{
	struct weir_tree *tree = upload->tree;
	upload->state = UPLOAD_ENDING;
	upload->sweep =
	        !upload->options.in_place && upload->temporary.place.directory >= 0 &&
	        weir_tree_sweep_due(tree, upload->temporary.device, upload->temporary.inode);
	weir_loop_cancel(tree->loop, &upload->task);
	weir_timer_stop(&upload->timer);
	if (weir_work_submit(tree->loop, &upload->work, run_end, end_done) == 0)
		return;
	upload->sweep = false;
	run_end(&upload->work);
	end_done(&upload->work);
}

static void step_done(struct weir_work *work);
static void tell(struct weir_upload *upload);

static void submit(
        struct weir_upload *upload, enum upload_state state, void (*run)(struct weir_work *work))
{
	int error = weir_work_submit(upload->tree->loop, &upload->work, run, step_done);
	if (error < 0)
		upload->error = error;
	else
		upload->state = state;
}

static void submit_write(struct weir_upload *upload)
{
	upload->writing = upload->first;
	upload->first = upload->last = NULL;
	weir_timer_stop(&upload->timer);
	submit(upload, UPLOAD_WRITING, run_write);
}

static void on_gathered(struct weir_timer *timer)
{
	struct weir_upload *upload = WEIR_CONTAINER(timer, struct weir_upload, timer);
	if (upload->state == UPLOAD_IDLE && upload->first)
		submit_write(upload);
	/* The pool may have refused it, and nothing else may come to tell of that. */
	if (upload->error)
		tell(upload);
}

/* Each write is a way to another thread and back: what comes soon goes with it. */
static bool gather(struct weir_upload *upload)
{
	if (upload->finishing || upload->queued >= WEIR_UPLOAD_BATCH)
		return false;
	if (!weir_timer_running(&upload->timer))
		weir_timer_start(
		        upload->tree->loop, &upload->timer, WEIR_UPLOAD_GATHER_MS, on_gathered);
	return true;
}

/* The next step, if the last one is done. The upload may be freed by it. */
static void advance(struct weir_upload *upload)
{
	if (upload->state != UPLOAD_IDLE)
		return;
	if (upload->aborted) {
		end(upload);
		return;
	}
	if (!upload->error && upload->first && gather(upload))
		return;
	if (!upload->error && upload->first)
		submit_write(upload);
	else if (!upload->error && upload->finishing && upload->options.size_known &&
	         upload->size != upload->options.size)
		upload->error = -ENODATA;
	else if (!upload->error && upload->finishing)
		submit(upload, UPLOAD_COMMITTING, run_commit);
	if (!upload->error || !upload->finishing)
		return;
	upload->finishing = false;
	upload->aborted = true; /* it ends by itself now; an abort from the callback is harmless */
	upload->state = UPLOAD_ENDING;
	upload->done(upload->done_context, upload->error, false);
	end(upload);
}

static void committed(struct weir_upload *upload)
{
	int error = upload->result;
	upload->state = UPLOAD_ENDING;
	weir_tree_forget(upload->tree, upload->path);
	if (!upload->aborted)
		upload->done(upload->done_context, error, error == 0 && upload->created);
	end(upload);
}

/* The last thing done for a step, since the caller may end the upload in it. */
static void tell(struct weir_upload *upload)
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

/* Of a batch that was full the memory is kept for what follows; who is slow keeps none. */
static void put_aside(struct weir_upload *upload)
{
	size_t size = 0;
	for (struct chunk *chunk = upload->writing; chunk; chunk = chunk->next)
		size += chunk->size;
	upload->queued -= size;
	bool keep = size >= WEIR_UPLOAD_BATCH && !upload->finishing;
	for (struct chunk *chunk = upload->writing, *next; chunk; chunk = next) {
		next = chunk->next;
		if (keep && chunk->capacity == CHUNK) {
			chunk->next = upload->spare;
			upload->spare = chunk;
		} else {
			free(chunk);
		}
	}
	upload->writing = NULL;
	if (keep)
		return;
	free_chunks(upload->spare);
	upload->spare = NULL;
}

static void step_done(struct weir_work *work)
{
	struct weir_upload *upload = upload_of(work);
	if (upload->state == UPLOAD_COMMITTING) {
		committed(upload);
		return;
	}
	put_aside(upload);
	upload->opened_owed |= upload->state == UPLOAD_OPENING;
	upload->state = UPLOAD_IDLE;
	if (!upload->error)
		upload->error = upload->result;
	bool last = upload->aborted || upload->finishing;
	advance(upload);
	if (!last)
		tell(upload);
}

/* -- for the caller ---------------------------------------------------------------------------- */

int weir_upload_begin(struct weir_tree *tree, const char *path,
        const struct weir_upload_options *options, void (*ready)(void *context, int error),
        void *context, struct weir_upload **ret)
{
	int error = weir_place_check(path);
	if (error < 0)
		return error;
	if (options->size_known && options->size > options->size_max)
		return WEIR_E_LIMIT;
	size_t size = strlen(path);
	struct weir_upload *upload = calloc(1, sizeof *upload + size + 1);
	if (!upload)
		return -ENOMEM;
	memcpy(upload->path, path, size);
	upload->tree = tree;
	upload->options = *options;
	upload->ready = ready;
	upload->context = context;
	submit(upload, UPLOAD_OPENING, run_open);
	if (upload->error < 0) {
		error = upload->error;
		free(upload);
		return error;
	}
	weir_tree_hold(tree);
	*ret = upload;
	return 0;
}

static struct chunk *new_chunk(struct weir_upload *upload, size_t capacity)
{
	struct chunk *chunk = upload->spare;
	if (chunk && capacity == CHUNK) {
		upload->spare = chunk->next;
		return chunk;
	}
	chunk = malloc(sizeof *chunk + capacity);
	if (chunk)
		chunk->capacity = capacity;
	return chunk;
}

/* Pieces share chunks, all of one size but for a small file's. */
static struct chunk *chunk_with_room(struct weir_upload *upload)
{
	struct chunk *chunk = upload->last;
	if (chunk && chunk->size < chunk->capacity)
		return chunk;
	size_t capacity = CHUNK;
	if (upload->options.size_known && upload->options.size < capacity)
		capacity = (size_t)upload->options.size;
	chunk = new_chunk(upload, capacity);
	if (!chunk)
		return NULL;
	chunk->next = NULL;
	chunk->size = 0;
	if (upload->last)
		upload->last->next = chunk;
	else
		upload->first = chunk;
	upload->last = chunk;
	return chunk;
}

static int enqueue(struct weir_upload *upload, struct weir_span bytes)
{
	uint64_t max = upload->options.size_known ? upload->options.size : upload->options.size_max;
	if (bytes.size > max - upload->size)
		return WEIR_E_LIMIT;
	while (bytes.size) {
		struct chunk *chunk = chunk_with_room(upload);
		if (!chunk)
			return -ENOMEM;
		size_t size = chunk->capacity - chunk->size;
		if (size > bytes.size)
			size = bytes.size;
		memcpy(chunk->data + chunk->size, bytes.data, size);
		chunk->size += size;
		upload->size += size;
		upload->queued += size;
		bytes = weir_span_skip(bytes, size);
	}
	return 0;
}

int weir_upload_write(struct weir_upload *upload, struct weir_span bytes)
{
	if (upload->finishing || upload->aborted)
		return WEIR_E_CLOSED;
	if (!upload->error && upload->full)
		return -EAGAIN;
	if (!upload->error)
		upload->error = enqueue(upload, bytes);
	if (!upload->error)
		advance(upload);
	if (upload->error) {
		upload->told = true;
		return upload->error;
	}
	upload->full = upload->queued >= WEIR_UPLOAD_QUEUE;
	return upload->full ? WEIR_UPLOAD_FULL : 0;
}

uint64_t weir_upload_size(const struct weir_upload *upload)
{
	return upload->size;
}

static void start_commit(struct weir_task *task)
{
	advance(WEIR_CONTAINER(task, struct weir_upload, task));
}

void weir_upload_commit(struct weir_upload *upload,
        void (*done)(void *context, int error, bool created), void *context)
{
	upload->finishing = true;
	upload->done = done;
	upload->done_context = context;
	upload->task.run = start_commit;
	weir_loop_defer(upload->tree->loop, &upload->task);
}

void weir_upload_abort(struct weir_upload *upload)
{
	if (!upload || upload->aborted)
		return;
	upload->aborted = true;
	advance(upload);
}
