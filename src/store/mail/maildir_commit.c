/*
 * A batch of messages is written to the disk, on the work pool:
 *
 *   write each ─▶ sync each ─▶ by mailbox: link ─▶ sync each directory once ─▶ close
 *
 * Invariant: a delivery whose result is not 0 is skipped. A message is linked only when its file is
 * synced, and counts as delivered only when the directory is synced; if that fails, the link is
 * removed.
 *
 * The deliveries of a loop wait in its queue. A batch takes those that have come by the end of the
 * turn; later ones wait for the next batch. So batches grow as the disk gets slower. A queue
 * belongs to its loop, and a delivery in a lane to the work pool.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "maildir_state.h"
#include "helper.h"

enum {
	BOXES_OPEN = 64 /* directories open at a time */
};

/* One message for one mailbox. */
struct target {
	struct maildir_delivery *delivery;
	const char *user;
	int *error;
	size_t order;
	bool again; /* an earlier target is the same message for the same mailbox */
};

/* A mailbox and its targets. */
struct box {
	struct target *targets;
	size_t count;
	struct mailbox *mailbox;
	int directory; /* new/ */
	int error;     /* of opening and syncing */
};

/* -- files ------------------------------------------------------------------------------------- */

static int maildir_commit_write_file(struct maildir_delivery *delivery)
{
	struct mail_intake *intake = &delivery->intake;
	int error = maildir_delivery_write(intake, weir_buffer_span(&intake->waiting));
	weir_buffer_finish(&intake->waiting);
	return error < 0 ? error : mail_name_make(&delivery->scan, delivery->name);
}

/* Starts the writeback of all files before it waits for the first. */
static void maildir_commit_write_files(struct maildir *maildir, struct maildir_delivery *first)
{
	for (struct maildir_delivery *at = first; at; at = at->next) {
		if (at->intake.result == 0)
			at->intake.result = maildir_commit_write_file(at);
		if (at->intake.result == 0 && first->next)
			sync_file_range(at->file.fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	}
	for (struct maildir_delivery *at = first; at; at = at->next)
		if (at->intake.result == 0)
			at->intake.result = mail_file_sync(maildir, &at->file);
}

/* -- mailboxes --------------------------------------------------------------------------------- */

static int maildir_commit_link_target(
        struct maildir *maildir, const struct box *box, const struct target *target)
{
	const struct maildir_delivery *delivery = target->delivery;
	int error = mailbox_reserve(maildir, box->mailbox, delivery->intake.size);
	if (error == -EDQUOT) {
		box->mailbox->unfit_announced = delivery->announced;
		box->mailbox->unfit = delivery->intake.size;
	}
	if (error < 0)
		return error;
	error = mail_file_link(maildir, &delivery->file, box->directory, delivery->name);
	if (error < 0)
		mailbox_release(box->mailbox, delivery->intake.size);
	return error;
}

static void maildir_commit_link_box(struct maildir *maildir, struct box *box)
{
	const char *user = box->targets->user;
	box->directory = -1;
	box->mailbox = mailbox_get(maildir, user);
	box->error = box->mailbox ? 0 : -ENOMEM;
	if (box->error < 0)
		return;
	mailbox_begin(maildir, box->mailbox);
	box->directory = maildir_open_directory(maildir, user, "new");
	if (box->directory < 0)
		box->error = box->directory;
	bool worked = box->error == 0;
	for (size_t i = 0; i < box->count && box->error == 0; i++) {
		if (box->targets[i].again)
			continue;
		int error = maildir_commit_link_target(maildir, box, &box->targets[i]);
		*box->targets[i].error = error;
		worked &= error == 0 || error == -EDQUOT;
	}
	mailbox_note_use(box->mailbox, worked);
	mailbox_end(maildir, box->mailbox);
}

/* Removes the links. */
static void maildir_commit_unlink_box(struct maildir *maildir, struct box *box)
{
	mailbox_begin(maildir, box->mailbox);
	for (size_t i = 0; i < box->count; i++) {
		const struct target *target = &box->targets[i];
		if (target->again || *target->error < 0)
			continue;
		unlinkat(box->directory, target->delivery->name, 0);
		mailbox_release(box->mailbox, target->delivery->intake.size);
	}
	mailbox_end(maildir, box->mailbox);
}

static void maildir_commit_sweep_box(struct maildir *maildir, const struct box *box)
{
	if (!mailbox_sweep_due(box->mailbox))
		return;
	int user = maildir_open_directory(maildir, box->targets->user, NULL);
	if (user < 0)
		return;
	maildir_sweep(user);
	close(user);
}

static bool maildir_commit_has_links(const struct box *box)
{
	for (size_t i = 0; i < box->count; i++)
		if (*box->targets[i].error == 0)
			return true;
	return false;
}

static void maildir_commit_finish_box(struct maildir *maildir, struct box *box)
{
	if (box->error == 0 && maildir_commit_has_links(box)) {
		box->error = maildir_sync(maildir, box->directory);
		if (box->error < 0)
			maildir_commit_unlink_box(maildir, box);
	}
	for (size_t i = 0; i < box->count; i++) {
		struct target *target = &box->targets[i];
		if (box->error < 0)
			*target->error = box->error;
		else if (target->again)
			*target->error = *target[-1].error;
		else
			maildir->counters.messages += *target->error == 0;
	}
	if (box->mailbox) {
		maildir_commit_sweep_box(maildir, box);
		mailbox_put(maildir, box->mailbox);
	}
	if (box->directory >= 0)
		close(box->directory);
}

/* -- the batch --------------------------------------------------------------------------------- */

static int maildir_commit_compare(const void *a, const void *b)
{
	const struct target *x = a, *y = b;
	int order = strcmp(x->user, y->user);
	return order ? order : (x->order > y->order) - (x->order < y->order);
}

/* Collects the targets, sorted by mailbox. */
static size_t maildir_commit_collect(struct maildir_delivery *first, struct target *targets)
{
	size_t count = 0;
	for (struct maildir_delivery *at = first; at; at = at->next)
		for (size_t i = 0; i < at->intake.count && at->intake.result == 0; i++)
			if (at->users[i]) {
				targets[count] = (struct target){
				        at, at->users[i], &at->intake.errors[i], count, false};
				count++;
			}
	qsort(targets, count, sizeof *targets, maildir_commit_compare);
	for (size_t i = 1; i < count; i++)
		targets[i].again = targets[i].delivery == targets[i - 1].delivery &&
		                   !strcmp(targets[i].user, targets[i - 1].user);
	return count;
}

static size_t maildir_commit_same_user(const struct target *targets, size_t count)
{
	size_t same = 1;
	while (same < count && !strcmp(targets[same].user, targets->user))
		same++;
	return same;
}

static void maildir_commit_deliver(struct maildir *maildir, struct target *targets, size_t count)
{
	struct box boxes[BOXES_OPEN];
	while (count) {
		unsigned open = 0;
		for (; open < BOXES_OPEN && count; open++) {
			struct box *box = &boxes[open];
			*box = (struct box){.targets = targets,
			        .count = maildir_commit_same_user(targets, count)};
			targets += box->count;
			count -= box->count;
			maildir_commit_link_box(maildir, box);
		}
		for (unsigned i = 0; i < open; i++)
			maildir_commit_finish_box(maildir, &boxes[i]);
	}
}

/*
 * -- all recipients or none -----------------------------------------------------------------------
 */

static void maildir_commit_undo_for(
        struct maildir *maildir, const struct maildir_delivery *delivery, const char *user)
{
	struct mailbox *mailbox = mailbox_get(maildir, user);
	if (!mailbox)
		return;
	mailbox_begin(maildir, mailbox);
	int directory = maildir_open_directory(maildir, user, "new");
	if (directory >= 0) {
		if (unlinkat(directory, delivery->name, 0) == 0) {
			mailbox_release(mailbox, delivery->intake.size);
			maildir->counters.messages--;
			maildir_sync(maildir, directory);
		}
		close(directory);
	}
	mailbox_end(maildir, mailbox);
	mailbox_put(maildir, mailbox);
}

/* One recipient has failed: removes the message from all others, with the same error. */
static void maildir_commit_undo(struct maildir *maildir, const struct maildir_delivery *delivery)
{
	int *errors = delivery->intake.errors, failure = 0;
	for (size_t i = 0; i < delivery->intake.count && failure == 0; i++)
		failure = errors[i];
	for (size_t i = 0; i < delivery->intake.count && failure < 0; i++) {
		if (errors[i] < 0)
			continue;
		maildir_commit_undo_for(maildir, delivery, delivery->users[i]);
		errors[i] = failure;
	}
}

static void maildir_commit_close_files(struct maildir *maildir, struct maildir_delivery *first)
{
	for (struct maildir_delivery *at = first; at; at = at->next) {
		mail_file_close(maildir, &at->file);
		maildir->counters.files += at->intake.result == 0;
		if (at->intake.result < 0)
			mail_intake_fail(&at->intake, at->intake.result);
	}
}

void maildir_commit(struct maildir *maildir, struct maildir_delivery *first)
{
	size_t most = 0;
	for (const struct maildir_delivery *at = first; at; at = at->next)
		most += at->intake.count;
	struct target *targets = calloc(most ? most : 1, sizeof *targets);
	if (targets) {
		maildir_commit_write_files(maildir, first);
		maildir_commit_deliver(maildir, targets, maildir_commit_collect(first, targets));
		for (struct maildir_delivery *at = first; at; at = at->next)
			if (at->together && at->intake.result == 0)
				maildir_commit_undo(maildir, at);
		free(targets);
	} else {
		for (struct maildir_delivery *at = first; at; at = at->next)
			at->intake.result = -ENOMEM;
	}
	maildir_commit_close_files(maildir, first);
}

/* -- batches ----------------------------------------------------------------------------------- */

/* A queue lives as long as the loop has deliveries. */

static void maildir_queue_start_lanes(struct weir_task *task);

static struct maildir_queue *maildir_queue_find(struct maildir *maildir, struct weir_loop *loop)
{
	WEIR_LIST_EACH (struct maildir_queue, queue, &maildir->queues, link)
		if (queue->loop == loop)
			return queue;
	return NULL;
}

static struct maildir_queue *maildir_queue_create(struct maildir *maildir, struct weir_loop *loop)
{
	struct maildir_queue *queue = calloc(1, sizeof *queue);
	if (!queue)
		return NULL;
	local_refcount_init(&queue->references);
	queue->maildir = maildir;
	queue->loop = loop;
	queue->last = &queue->first;
	queue->task.run = maildir_queue_start_lanes;
	for (unsigned i = 0; i < WEIR_MAIL_LANES; i++)
		queue->lanes[i].queue = queue;
	weir_list_append(&maildir->queues, &queue->link);
	return queue;
}

struct maildir_queue *maildir_queue_get(struct maildir *maildir, struct weir_loop *loop)
{
	pthread_mutex_lock(&maildir->lock);
	struct maildir_queue *queue = maildir_queue_find(maildir, loop);
	if (queue)
		local_refcount_hold(&queue->references);
	else
		queue = maildir_queue_create(maildir, loop);
	pthread_mutex_unlock(&maildir->lock);
	return queue;
}

void maildir_queue_put(struct maildir_queue *queue)
{
	struct maildir *maildir = queue->maildir;
	if (!local_refcount_release(&queue->references))
		return;
	pthread_mutex_lock(&maildir->lock);
	weir_list_remove(&queue->link);
	pthread_mutex_unlock(&maildir->lock);
	weir_loop_cancel(queue->loop, &queue->task);
	free(queue);
}

int maildir_queue_add(struct maildir_queue *queue, struct maildir_delivery *delivery)
{
	if (queue->waiting >= WEIR_MAIL_COMMITS_MAX)
		return WEIR_E_LIMIT;
	delivery->next = NULL;
	*queue->last = delivery;
	queue->last = &delivery->next;
	queue->waiting++;
	weir_loop_defer(queue->loop, &queue->task);
	return 0;
}

/* -- lanes ------------------------------------------------------------------------------------- */

static void maildir_queue_finish_all(struct maildir_delivery *first)
{
	for (struct maildir_delivery *next; first; first = next) {
		next = first->next;
		mail_intake_finish(&first->intake);
	}
}

static void maildir_queue_run_lane(struct weir_work *work)
{
	struct maildir_lane *lane = WEIR_CONTAINER(work, struct maildir_lane, work);
	maildir_commit(lane->queue->maildir, lane->first);
}

static void maildir_queue_lane_done(struct weir_work *work);

static struct maildir_delivery *maildir_queue_splice(struct maildir_queue *queue, unsigned count)
{
	struct maildir_delivery *first = queue->first, **end = &queue->first;
	for (unsigned i = 0; i < count; i++, end = &(*end)->next)
		(*end)->intake.result = (*end)->intake.aborted ? -ECANCELED : 0;
	struct maildir_delivery *rest = *end;
	*end = NULL;
	queue->first = rest;
	if (!queue->first)
		queue->last = &queue->first;
	queue->waiting -= count;
	return first;
}

static void maildir_queue_refuse(struct maildir_delivery *first, int error)
{
	for (struct maildir_delivery *at = first; at; at = at->next)
		mail_intake_fail(&at->intake, error);
	maildir_queue_finish_all(first);
}

static unsigned maildir_queue_idle_lanes(const struct maildir_queue *queue)
{
	unsigned idle = 0;
	for (unsigned i = 0; i < WEIR_MAIL_LANES; i++)
		idle += !queue->lanes[i].busy;
	return idle;
}

static void maildir_queue_start_lane(
        struct maildir_queue *queue, struct maildir_lane *lane, unsigned count)
{
	lane->first = maildir_queue_splice(queue, count);
	lane->busy = true;
	int error = weir_work_submit_to(queue->loop, WEIR_LANE_MAIL, &lane->work,
	        maildir_queue_run_lane, maildir_queue_lane_done);
	if (error == 0)
		return;
	lane->busy = false;
	maildir_queue_refuse(lane->first, error);
}

/* Distributes the waiting deliveries over the idle lanes. */
static void maildir_queue_start_idle(struct maildir_queue *queue)
{
	for (unsigned i = 0; i < WEIR_MAIL_LANES && queue->waiting; i++) {
		if (queue->lanes[i].busy)
			continue;
		unsigned idle = maildir_queue_idle_lanes(queue);
		unsigned count = (queue->waiting + idle - 1) / idle;
		maildir_queue_start_lane(
		        queue, &queue->lanes[i], min_of(count, (unsigned)WEIR_MAIL_BATCH_MAX));
	}
}

static void maildir_queue_lane_done(struct weir_work *work)
{
	struct maildir_lane *lane = WEIR_CONTAINER(work, struct maildir_lane, work);
	struct maildir_queue *queue = lane->queue;
	struct maildir_delivery *first = lane->first;
	lane->busy = false;
	local_refcount_hold(&queue->references);
	maildir_queue_start_idle(queue);
	maildir_queue_finish_all(first);
	maildir_queue_put(queue);
}

static void maildir_queue_start_lanes(struct weir_task *task)
{
	struct maildir_queue *queue = WEIR_CONTAINER(task, struct maildir_queue, task);
	local_refcount_hold(&queue->references);
	maildir_queue_start_idle(queue);
	maildir_queue_put(queue);
}
