/*
 * Each worker walks over its connections once, and holds the leading ones in a heap. So a page
 * costs a comparison for most connections, and memory for the lines that are shown. The main thread
 * merges the heaps.
 *
 * Invariant: all memory is there before any worker is asked.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/channel.h>

#include "admin_top.h"
#include "endpoint.h"
#include "service.h"
#include "worker.h"

enum {
	TOP_SHOWN = 20, /* if no number is given */
	TOP_SHOWN_MAX = 500,
};

enum top_order {
	TOP_QUIET,
	TOP_SENT,
	TOP_REPLIES,
	TOP_ORDERS,
};

static const char *const top_orders[TOP_ORDERS] = {"quiet", "sent", "replies"};

struct top_item {
	uint64_t rank; /* in the order */
	struct weir_channel_ref ref;
	unsigned worker;
	const struct listener_type *type;
	struct weir_address peer;
	const char *waits_for;
	uint64_t sent;
	unsigned replies;
	unsigned unsent;
	uint32_t quiet_ms;
	bool secure;
};

/* The leading connections of one worker. */
struct top_part {
	struct worker_job job;
	struct top_listing *top;
	unsigned worker;
	struct top_item *items; /* a heap, the least first; `shown` of the top at most */
	size_t count;
	size_t total;
};

struct top_listing {
	struct admin_request *request;
	enum top_order order;
	size_t shown;
	struct top_item *items; /* of all parts */
	unsigned pending;       /* workers that have not answered */
	unsigned part_count;
	struct top_part parts[];
};

/* -- on a worker ------------------------------------------------------------------------------- */

static uint64_t admin_top_rank(const struct weir_channel *channel, enum top_order order)
{
	switch (order) {
	case TOP_SENT:
		return weir_channel_sent(channel);
	case TOP_REPLIES:
		return weir_channel_replies(channel);
	default:
		return weir_channel_quiet_ms(channel);
	}
}

static void admin_top_sift_down(struct top_part *part, struct top_item item)
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

static void admin_top_sift_up(struct top_part *part, struct top_item item)
{
	size_t at = part->count++;
	for (; at && part->items[(at - 1) / 2].rank > item.rank; at = (at - 1) / 2)
		part->items[at] = part->items[(at - 1) / 2];
	part->items[at] = item;
}

static bool admin_top_visit(
        void *context, const struct endpoint *endpoint, struct weir_channel *channel)
{
	struct top_part *part = context;
	const struct top_listing *top = part->top;
	uint64_t rank = admin_top_rank(channel, top->order);
	part->total++;
	if (part->count == top->shown && rank <= part->items[0].rank)
		return true;
	const struct top_item item = {
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
	if (part->count < top->shown)
		admin_top_sift_up(part, item);
	else
		admin_top_sift_down(part, item);
	return true;
}

/* The kernel is asked for the connections that are shown, and for no others. */
static void admin_top_run(struct worker_job *job)
{
	struct top_part *part = WEIR_CONTAINER(job, struct top_part, job);
	worker_each_channel(job->worker, admin_top_visit, part);
	for (size_t i = 0; i < part->count; i++) {
		const struct weir_channel *channel = weir_channel_find(part->items[i].ref);
		part->items[i].unsent = channel ? weir_channel_unsent(channel) : 0;
	}
}

/* -- the page ---------------------------------------------------------------------------------- */

static int admin_top_compare(const void *a, const void *b)
{
	const struct top_item *one = a, *other = b;
	if (one->rank != other->rank)
		return one->rank < other->rank ? 1 : -1;
	if (one->worker != other->worker)
		return one->worker < other->worker ? -1 : 1;
	return one->ref.fd < other->ref.fd ? -1 : one->ref.fd > other->ref.fd;
}

static void admin_top_print(struct admin_request *request, const struct top_item *item)
{
	char id[40], peer[WEIR_ADDRESS_TEXT_MAX];
	snprintf(id, sizeof id, "%u.%d.%" PRIu32, item->worker, item->ref.fd, item->ref.generation);
	weir_address_format(&item->peer, peer);
	admin_print(request,
	        "%-12s  %-11s  %-21s  %-15s  %6" PRIu32 ".%" PRIu32 " s  %7u  %12" PRIu64
	        "  %9u  %s",
	        id, item->type->name, peer, item->waits_for, item->quiet_ms / 1000,
	        item->quiet_ms % 1000 / 100, item->replies, item->sent, item->unsent,
	        item->secure ? "tls" : "");
}

static void admin_top_finish(struct top_listing *top)
{
	struct admin_request *request = top->request;
	size_t count = 0, total = 0;
	for (unsigned i = 0; i < top->part_count; i++) {
		const struct top_part *part = &top->parts[i];
		memmove(top->items + count, part->items, part->count * sizeof *part->items);
		count += part->count;
		total += part->total;
	}
	qsort(top->items, count, sizeof *top->items, admin_top_compare);
	admin_print(request, "%zu connection%s, by %s", total, total == 1 ? "" : "s",
	        top_orders[top->order]);
	admin_print(request, "%-12s  %-11s  %-21s  %-15s  %10s  %7s  %12s  %9s  %s", "ID",
	        "LISTENER", "PEER", "WAITS FOR", "SINCE", "REPLIES", "SENT", "UNSENT", "TLS");
	for (size_t i = 0; i < count && i < top->shown; i++)
		admin_top_print(request, &top->items[i]);
	admin_ok(request);
	free(top->items);
	free(top);
}

static void admin_top_done(struct worker_job *job)
{
	struct top_listing *top = WEIR_CONTAINER(job, struct top_part, job)->top;
	if (--top->pending == 0)
		admin_top_finish(top);
}

/* NULL without memory. */
static struct top_listing *admin_top_create(unsigned workers, size_t shown)
{
	struct top_listing *top = calloc(1, sizeof *top + workers * sizeof top->parts[0]);
	if (!top || !(top->items = calloc(shown * workers, sizeof *top->items))) {
		free(top);
		return NULL;
	}
	top->shown = shown;
	top->part_count = top->pending = workers;
	for (unsigned i = 0; i < workers; i++)
		top->parts[i] = (struct top_part){
		        .job = {.run = admin_top_run, .done = admin_top_done},
		        .top = top,
		        .worker = i,
		        .items = top->items + i * shown,
		};
	return top;
}

static bool admin_top_parse(
        struct admin_request *request, enum top_order *ret_order, uint64_t *ret_shown)
{
	unsigned order = 0;
	if (request->count > 0) {
		while (order < TOP_ORDERS && strcmp(request->arguments[0], top_orders[order]) != 0)
			order++;
		if (order == TOP_ORDERS) {
			admin_error(request, "'%.64s' is not an order: quiet, sent or replies",
			        request->arguments[0]);
			return false;
		}
	}
	if (request->count > 1 &&
	        (weir_span_number(weir_span_of(request->arguments[1]), 10, ret_shown) < 0 ||
	                *ret_shown < 1 || *ret_shown > TOP_SHOWN_MAX)) {
		admin_error(request, "'%.64s' is not a number from 1 to %d", request->arguments[1],
		        TOP_SHOWN_MAX);
		return false;
	}
	*ret_order = (enum top_order)order;
	return true;
}

static void admin_top_ask(void *context, struct admin_request *request)
{
	const struct admin_top *commands = context;
	unsigned workers = *commands->worker_count;
	enum top_order order;
	uint64_t shown = TOP_SHOWN;
	if (!admin_top_parse(request, &order, &shown))
		return;
	struct top_listing *top = workers ? admin_top_create(workers, (size_t)shown) : NULL;
	if (!top) {
		admin_error(request, workers ? "there is no memory" : "the daemon is ending");
		return;
	}
	top->request = request;
	top->order = order;
	for (unsigned i = 0; i < workers; i++)
		worker_submit(commands->workers[i], &top->parts[i].job);
}

void admin_top_init(
        struct admin_top *commands, struct worker *const *workers, const unsigned *worker_count)
{
	static const struct admin_command list[] = {
	        {"top", "[quiet|sent|replies] [NUMBER]",
	                "shows the connections that lead in an order: what each waits for, since "
	                "when, bytes",
	                0, 2, admin_top_ask},
	        {0},
	};
	*commands = (struct admin_top){
	        .table = {.commands = list}, .workers = workers, .worker_count = worker_count};
	commands->table.context = commands;
}
