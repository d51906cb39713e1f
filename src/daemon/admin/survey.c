/*
 * The heaps of the workers, which the main thread merges. Invariant: all memory is there before any
 * worker is asked, so that a worker allocates nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "service.h"
#include "survey.h"
#include "worker.h"

/* The part of one worker. */
struct survey_part {
	struct worker_job job;
	struct survey_run *run;
	unsigned worker;
	struct survey_item *items; /* a heap, the least first; `shown` of the run at most */
	size_t count;
	unsigned asked; /* connections whose unsent bytes are known */
	struct survey_counts counts;
};

struct survey_run {
	enum survey_order order;
	size_t shown;
	survey_done_fn *done;
	void *context;
	struct survey_item *items; /* of all parts */
	unsigned pending;          /* workers that have not answered */
	unsigned part_count;
	struct survey_part parts[];
};

/* -- on a worker ------------------------------------------------------------------------------- */

static uint64_t survey_rank(const struct weir_channel *channel, enum survey_order order)
{
	switch (order) {
	case SURVEY_SENT:
		return weir_channel_sent(channel);
	case SURVEY_REPLIES:
		return weir_channel_replies(channel);
	default:
		return weir_channel_quiet_ms(channel);
	}
}

static void survey_sift_down(struct survey_part *part, struct survey_item item)
{
	size_t at = 0;
	for (;;) {
		size_t child = 2 * at + 1;
		if (child + 1 < part->count &&
		        part->items[child + 1].rank < part->items[child].rank)
			child++;
		if (child >= part->count || part->items[child].rank >= item.rank)
			break;
		part->items[at] = part->items[child];
		at = child;
	}
	part->items[at] = item;
}

static void survey_sift_up(struct survey_part *part, struct survey_item item)
{
	size_t at = part->count++;
	for (; at && part->items[(at - 1) / 2].rank > item.rank; at = (at - 1) / 2)
		part->items[at] = part->items[(at - 1) / 2];
	part->items[at] = item;
}

static bool survey_is_slow(const struct weir_channel *channel, enum weir_activity activity)
{
	return activity != WEIR_ACTIVITY_IDLE && weir_channel_quiet_ms(channel) >= SURVEY_SLOW_MS;
}

static void survey_count(struct survey_part *part, const struct endpoint *endpoint,
        const struct weir_channel *channel, enum weir_activity activity)
{
	struct survey_counts *counts = &part->counts;
	size_t type = (size_t)(endpoint->type - listener_types);
	unsigned replies = weir_channel_replies(channel);
	counts->connections++;
	counts->replies += replies;
	counts->slow += survey_is_slow(channel, activity);
	if (type < SURVEY_TYPES)
		counts->of[type][activity]++;
	if (!replies && weir_channel_quiet_ms(channel) >= SURVEY_RECENT_MS)
		return;
	if (part->asked == SURVEY_ASKED_MAX) {
		counts->unasked++;
		return;
	}
	part->asked++;
	counts->unsent += weir_channel_unsent(channel);
}

static bool survey_visit(
        void *context, const struct endpoint *endpoint, struct weir_channel *channel)
{
	struct survey_part *part = context;
	const struct survey_run *run = part->run;
	enum weir_activity activity = weir_channel_activity(channel);
	uint64_t rank = survey_rank(channel, run->order);
	survey_count(part, endpoint, channel, activity);
	if (run->order == SURVEY_SLOW && !survey_is_slow(channel, activity))
		return true;
	if (part->count == run->shown && rank <= part->items[0].rank)
		return true;
	const struct survey_item item = {
	        .rank = rank,
	        .ref = weir_channel_ref(channel),
	        .worker = part->worker,
	        .type = endpoint->type,
	        .peer = *weir_channel_peer(channel),
	        .waits_for = weir_channel_waits_for(channel),
	        .sent = weir_channel_sent(channel),
	        .replies = weir_channel_replies(channel),
	        .quiet_ms = weir_channel_quiet_ms(channel),
	        .secure = weir_channel_secure(channel),
	};
	if (part->count < run->shown)
		survey_sift_up(part, item);
	else
		survey_sift_down(part, item);
	return true;
}

static void survey_run_part(struct worker_job *job)
{
	struct survey_part *part = WEIR_CONTAINER(job, struct survey_part, job);
	worker_each_channel(job->worker, survey_visit, part);
	for (size_t i = 0; i < part->count; i++) {
		const struct weir_channel *channel = weir_channel_find(part->items[i].ref);
		part->items[i].unsent = channel ? weir_channel_unsent(channel) : 0;
	}
}

/* -- on the main thread ------------------------------------------------------------------------ */

static int survey_compare(const void *a, const void *b)
{
	const struct survey_item *one = a, *other = b;
	if (one->rank != other->rank)
		return one->rank < other->rank ? 1 : -1;
	if (one->worker != other->worker)
		return one->worker < other->worker ? -1 : 1;
	return one->ref.fd < other->ref.fd ? -1 : one->ref.fd > other->ref.fd;
}

static void survey_add_counts(struct survey_counts *to, const struct survey_counts *from)
{
	for (unsigned i = 0; i < SURVEY_TYPES; i++)
		for (unsigned j = 0; j <= WEIR_ACTIVITY_REPLYING; j++)
			to->of[i][j] += from->of[i][j];
	to->connections += from->connections;
	to->slow += from->slow;
	to->replies += from->replies;
	to->unsent += from->unsent;
	to->unasked += from->unasked;
}

static void survey_finish(struct survey_run *run)
{
	struct connection_survey survey = {.items = run->items};
	for (unsigned i = 0; i < run->part_count; i++) {
		const struct survey_part *part = &run->parts[i];
		memmove(run->items + survey.count, part->items, part->count * sizeof *part->items);
		survey.count += part->count;
		survey_add_counts(&survey.counts, &part->counts);
	}
	qsort(run->items, survey.count, sizeof *run->items, survey_compare);
	if (survey.count > run->shown)
		survey.count = run->shown;
	run->done(run->context, &survey);
	free(run->items);
	free(run);
}

static void survey_part_done(struct worker_job *job)
{
	struct survey_run *run = WEIR_CONTAINER(job, struct survey_part, job)->run;
	if (--run->pending == 0)
		survey_finish(run);
}

int survey_start(struct worker *const *workers, unsigned count, enum survey_order order,
        size_t shown, survey_done_fn *done, void *context)
{
	struct survey_run *run = calloc(1, sizeof *run + count * sizeof run->parts[0]);
	if (!run || !(run->items = calloc(shown * count, sizeof *run->items))) {
		free(run);
		return -ENOMEM;
	}
	run->order = order;
	run->shown = shown;
	run->done = done;
	run->context = context;
	run->part_count = run->pending = count;
	for (unsigned i = 0; i < count; i++)
		run->parts[i] = (struct survey_part){
		        .job = {.run = survey_run_part, .done = survey_part_done},
		        .run = run,
		        .worker = i,
		        .items = run->items + i * shown,
		};
	for (unsigned i = 0; i < count; i++)
		worker_submit(workers[i], &run->parts[i].job);
	return 0;
}
