/*
 * connections, close. Each worker looks at its own channels, on its own thread, and writes what it
 * finds into a part of its own of the listing; the main thread puts the parts together.
 *
 * Invariant: a listing has memory for all that it shows before any worker is asked. A worker
 * allocates nothing, and only counts further connections.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/channel.h>
#include <weir/network.h>

#include "admin_connections.h"
#include "endpoint.h"
#include "service.h"
#include "worker.h"

enum {
	CONNECTIONS_SHOWN_MAX = 2000 /* in one listing, of all workers */
};

/* "1.27.314": the worker, the descriptor, and which use of the descriptor. */
struct connection_id {
	unsigned worker;
	int fd;
	uint32_t generation;
};

struct connection {
	struct connection_id id;
	const struct listener_type *type;
	struct weir_address listener;
	struct weir_address peer;
	enum weir_activity activity;
	unsigned replies;
	uint32_t quiet_ms;
	bool secure;
};

/* The connections of one worker. */
struct listing_part {
	struct worker_job job;
	struct listing *listing;
	unsigned worker;
	struct connection *items; /* `room` of them */
	size_t room;
	size_t count;
	size_t more; /* that did not fit */
};

struct listing {
	struct admin_request *request;
	struct weir_network network; /* only peers of this one */
	bool has_network;
	const struct listener_type *type; /* only of this type; NULL: all */
	struct connection *items;
	unsigned pending; /* workers that have not answered */
	unsigned part_count;
	struct listing_part parts[];
};

/* -- on a worker ------------------------------------------------------------------------------- */

static bool admin_listing_wants(const struct listing *listing, const struct endpoint *endpoint,
        const struct weir_channel *channel)
{
	if (listing->type && listing->type != endpoint->type)
		return false;
	return !listing->has_network ||
	       weir_networks_contain(&listing->network, 1, weir_channel_peer(channel));
}

static bool admin_listing_visit(
        void *context, const struct endpoint *endpoint, struct weir_channel *channel)
{
	struct listing_part *part = context;
	if (!admin_listing_wants(part->listing, endpoint, channel))
		return true;
	if (part->count == part->room) {
		part->more++;
		return true;
	}
	struct weir_channel_ref ref = weir_channel_ref(channel);
	part->items[part->count++] = (struct connection){
	        .id = {part->worker, ref.fd, ref.generation},
	        .type = endpoint->type,
	        .listener = endpoint->actual,
	        .peer = *weir_channel_peer(channel),
	        .activity = weir_channel_activity(channel),
	        .replies = weir_channel_replies(channel),
	        .quiet_ms = weir_channel_quiet_ms(channel),
	        .secure = weir_channel_secure(channel),
	};
	return true;
}

static void admin_listing_run(struct worker_job *job)
{
	worker_each_channel(
	        job->worker, admin_listing_visit, WEIR_CONTAINER(job, struct listing_part, job));
}

/* -- the listing ------------------------------------------------------------------------------- */

/* By listener, then by worker and descriptor. */
static int admin_connection_compare(const void *a, const void *b)
{
	const struct connection *one = a, *other = b;
	unsigned ports[2] = {
	        weir_address_port(&one->listener), weir_address_port(&other->listener)};
	if (one->type != other->type)
		return one->type < other->type ? -1 : 1;
	if (ports[0] != ports[1])
		return ports[0] < ports[1] ? -1 : 1;
	uint8_t hosts[2][16];
	weir_address_bytes(&one->listener, hosts[0]);
	weir_address_bytes(&other->listener, hosts[1]);
	int order = memcmp(hosts[0], hosts[1], sizeof hosts[0]);
	if (order)
		return order;
	if (one->id.worker != other->id.worker)
		return one->id.worker < other->id.worker ? -1 : 1;
	return one->id.fd < other->id.fd ? -1 : one->id.fd > other->id.fd;
}

static void admin_connection_print(
        struct admin_request *request, const struct connection *connection)
{
	static const char *const activities[] = {
	        [WEIR_ACTIVITY_IDLE] = "idle",
	        [WEIR_ACTIVITY_RECEIVING] = "receiving",
	        [WEIR_ACTIVITY_REPLYING] = "replying",
	};
	char id[40], listener[WEIR_ADDRESS_TEXT_MAX], peer[WEIR_ADDRESS_TEXT_MAX];
	snprintf(id, sizeof id, "%u.%d.%" PRIu32, connection->id.worker, connection->id.fd,
	        connection->id.generation);
	weir_address_format(&connection->listener, listener);
	weir_address_format(&connection->peer, peer);
	admin_print(request,
	        "%-12s  %-11s  %-21s  %-21s  %-9s  %-3s  %7u  %6" PRIu32 ".%" PRIu32 " s", id,
	        connection->type->name, listener, peer, activities[connection->activity],
	        connection->secure ? "yes" : "no", connection->replies, connection->quiet_ms / 1000,
	        connection->quiet_ms % 1000 / 100);
}

static void admin_listing_finish(struct listing *listing)
{
	struct admin_request *request = listing->request;
	size_t count = 0, more = 0;
	for (unsigned i = 0; i < listing->part_count; i++) {
		const struct listing_part *part = &listing->parts[i];
		memmove(listing->items + count, part->items, part->count * sizeof *part->items);
		count += part->count;
		more += part->more;
	}
	qsort(listing->items, count, sizeof *listing->items, admin_connection_compare);
	if (count)
		admin_print(request, "%-12s  %-11s  %-21s  %-21s  %-9s  %-3s  %7s  %10s", "ID",
		        "LISTENER", "ADDRESS", "PEER", "STATE", "TLS", "REPLIES", "LAST BYTE");
	for (size_t i = 0; i < count; i++)
		admin_connection_print(request, &listing->items[i]);
	if (more)
		admin_print(request, "and %zu more, which are not shown", more);
	admin_print(request, "%zu connection%s", count + more, count + more == 1 ? "" : "s");
	admin_ok(request);
	free(listing->items);
	free(listing);
}

static void admin_listing_done(struct worker_job *job)
{
	struct listing *listing = WEIR_CONTAINER(job, struct listing_part, job)->listing;
	if (--listing->pending == 0)
		admin_listing_finish(listing);
}

/* NULL without memory. */
static struct listing *admin_listing_create(unsigned workers)
{
	struct listing *listing = calloc(1, sizeof *listing + workers * sizeof listing->parts[0]);
	size_t room = CONNECTIONS_SHOWN_MAX / workers;
	if (!listing || !(listing->items = calloc(room * workers, sizeof *listing->items))) {
		free(listing);
		return NULL;
	}
	listing->part_count = listing->pending = workers;
	for (unsigned i = 0; i < workers; i++)
		listing->parts[i] = (struct listing_part){
		        .job = {.run = admin_listing_run, .done = admin_listing_done},
		        .listing = listing,
		        .worker = i,
		        .items = listing->items + i * room,
		        .room = room,
		};
	return listing;
}

static void admin_connections_run(void *context, struct admin_request *request)
{
	const struct admin_connections *commands = context;
	const char *word = request->count ? request->arguments[0] : NULL;
	struct weir_network network = {0};
	bool has_network = word && weir_network_parse(weir_span_of(word), &network) == 0;
	const struct listener_type *type = word && !has_network ? listener_type_find(word) : NULL;
	if (word && !has_network && !type) {
		admin_error(request,
		        "'%.64s' is neither an address, nor a network, nor a kind of listener",
		        word);
		return;
	}
	unsigned workers = *commands->worker_count;
	struct listing *listing = workers ? admin_listing_create(workers) : NULL;
	if (!listing) {
		admin_error(request, workers ? "there is no memory" : "the daemon is ending");
		return;
	}
	listing->request = request;
	listing->network = network;
	listing->has_network = has_network;
	listing->type = type;
	for (unsigned i = 0; i < workers; i++)
		worker_submit(commands->workers[i], &listing->parts[i].job);
}

/* -- closing one ------------------------------------------------------------------------------- */

struct closing {
	struct worker_job job;
	struct admin_request *request;
	struct connection_id id;
	bool found;
};

static bool admin_closing_visit(
        void *context, const struct endpoint *endpoint, struct weir_channel *channel)
{
	struct closing *closing = context;
	struct weir_channel_ref ref = weir_channel_ref(channel);
	(void)endpoint;
	if (ref.fd != closing->id.fd || ref.generation != closing->id.generation)
		return true;
	closing->found = true;
	weir_channel_abort(channel, -ECONNABORTED);
	return false;
}

static void admin_closing_run(struct worker_job *job)
{
	worker_each_channel(
	        job->worker, admin_closing_visit, WEIR_CONTAINER(job, struct closing, job));
}

static void admin_closing_done(struct worker_job *job)
{
	struct closing *closing = WEIR_CONTAINER(job, struct closing, job);
	if (closing->found)
		admin_ok(closing->request);
	else
		admin_error(closing->request, "there is no connection '%.64s'",
		        closing->request->arguments[0]);
	free(closing);
}

/* Cuts a number, and the point behind it, from the text. False if there is none. */
static bool admin_id_number(struct weir_span *text, uint64_t most, uint64_t *ret)
{
	struct weir_span word;
	weir_span_cut(text, '.', &word);
	return weir_span_number(word, 10, ret) == 0 && *ret <= most;
}

static bool admin_id_parse(const char *word, struct connection_id *ret)
{
	struct weir_span text = weir_span_of(word);
	uint64_t worker, fd, generation;
	if (!admin_id_number(&text, UINT32_MAX, &worker) ||
	        !admin_id_number(&text, INT32_MAX, &fd) ||
	        !admin_id_number(&text, UINT32_MAX, &generation) || text.size)
		return false;
	*ret = (struct connection_id){(unsigned)worker, (int)fd, (uint32_t)generation};
	return true;
}

static void admin_close_run(void *context, struct admin_request *request)
{
	const struct admin_connections *commands = context;
	struct connection_id id;
	if (!admin_id_parse(request->arguments[0], &id)) {
		admin_error(request, "'%.64s' is no ID, as 'connections' shows them",
		        request->arguments[0]);
		return;
	}
	if (id.worker >= *commands->worker_count) {
		admin_error(request, "there is no connection '%.64s'", request->arguments[0]);
		return;
	}
	struct closing *closing = calloc(1, sizeof *closing);
	if (!closing) {
		admin_error(request, "there is no memory");
		return;
	}
	closing->job.run = admin_closing_run;
	closing->job.done = admin_closing_done;
	closing->request = request;
	closing->id = id;
	worker_submit(commands->workers[id.worker], &closing->job);
}

void admin_connections_init(struct admin_connections *commands, struct worker *const *workers,
        const unsigned *worker_count)
{
	static const struct admin_command list[] = {
	        {"connections", "[ADDRESS|NETWORK|LISTENER]",
	                "lists open connections: all, or those of a peer or of a kind of listener",
	                0, 1, admin_connections_run},
	        {"close", "ID", "ends a connection at once, with a reset", 1, 1, admin_close_run},
	        {0},
	};
	*commands = (struct admin_connections){
	        .table = {.commands = list}, .workers = workers, .worker_count = worker_count};
	commands->table.context = commands;
}
