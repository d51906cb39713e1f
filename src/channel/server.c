/*
 * Servers: a listening socket, and the channels accepted from it. If a connection cannot be
 * accepted now (no descriptors left, no memory), it stays in the kernel's queue for a moment. A
 * peer that has gone already costs nothing but the call.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/tls.h>

#include "channel_state.h"
#include "helper.h"
#include "probe.h"

struct weir_server {
	struct channel_group group;
	struct weir_watch watch;       /* fd is -1 when it no longer listens */
	struct weir_timer timer;       /* the end of a pause, or of the drain */
	struct weir_listener listener; /* tls, peers and policy are held */
	struct weir_address address;
	bool paused;
	bool full; /* paused until a channel has gone, or may give way */
	weir_drained_fn *drained;
	void *drained_context;
	struct weir_task drained_task;
	struct weir_task drain_task;
	unsigned drain_left; /* channels that have not learnt of the drain yet, at most */
};

/* -- accepting --------------------------------------------------------------------------------- */

static void server_set_paused(struct weir_server *server, bool paused);

static void server_on_pause_end(struct weir_timer *timer)
{
	struct weir_server *server = WEIR_CONTAINER(timer, struct weir_server, timer);
	server->full = false;
	server_set_paused(server, false);
}

/*
 * Stops watching the listener, or watches it again. If the kernel refuses the change (ENOMEM), the
 * events stay as they are. A listener that is still paused tries again after a pause; one that is
 * not gets an event for the waiting connections in the next turn, and tries again then.
 */
static void server_set_paused(struct weir_server *server, bool paused)
{
	struct weir_loop *loop = server->group.loop;
	if (server->watch.fd < 0 || server->paused == paused)
		return;
	if (weir_watch_change(loop, &server->watch, paused ? 0 : WEIR_READABLE) == 0)
		server->paused = paused;
	else if (!paused && !server->group.draining)
		weir_timer_start(loop, &server->timer, WEIR_ACCEPT_PAUSE_MS, server_on_pause_end);
}

static void server_accept_failed(struct weir_server *server, int error)
{
	weir_metric_add(&server->group.counters->accept_failures, 1);
	server_set_paused(server, true);
	weir_timer_start(
	        server->group.loop, &server->timer, WEIR_ACCEPT_PAUSE_MS, server_on_pause_end);
	if (server->listener.accept_failed)
		server->listener.accept_failed(server->listener.context, error);
}

static void server_count_refused(struct weir_server *server)
{
	weir_metric_add(&server->group.counters->channels_refused, 1);
	weir_metric_add(&server->group.cells->refused, 1);
}

static int server_serve(struct weir_server *server, int fd, const struct weir_address *peer)
{
	int error;
	struct weir_channel *channel = channel_create(&server->group, fd, peer, false, &error);
	if (!channel) {
		server_count_refused(server);
		return error;
	}
	PROBE2(accept, fd, server->group.protocol->name);
	permits_channel_opened(&server->group);
	if (channel->phase != CHANNEL_PROXIED)
		channel_admit(channel, false);
	return 0;
}

int weir_server_adopt(struct weir_server *server, int fd, const struct weir_address *peer)
{
	if (server->group.draining)
		return WEIR_E_CLOSED;
	if (!permits_available(&server->group) && !permits_make_room(&server->group))
		return WEIR_E_LIMIT;
	return server_serve(server, fd, peer);
}

/* One connection. 0; -EAGAIN: there are no more; another errno: none can be accepted now. */
static int server_accept_one(struct weir_server *server)
{
	struct weir_address peer = {0};
	socklen_t size = sizeof peer;
	int fd = accept4(server->watch.fd, &peer.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		/* These are of the connection, not of the listener. */
		bool gone = errno == ECONNABORTED || errno == EINTR || errno == EPROTO ||
		            errno == ENETDOWN || errno == EHOSTUNREACH || errno == ENETUNREACH;
		return gone ? 0 : -errno;
	}
	const struct weir_policy *policy = server->listener.policy;
	if (!weir_policy_trusts(policy, &peer) && !weir_policy_admits_connection(policy, &peer,
	                                                  weir_loop_now_ms(server->group.loop))) {
		close(fd);
		server_count_refused(server);
		return 0;
	}
	int error = server_serve(server, fd, &peer);
	if (error < 0)
		close(fd);
	return error;
}

static void server_wait_for_room(struct weir_server *server)
{
	server_set_paused(server, true);
	server->full = true;
	weir_timer_start(
	        server->group.loop, &server->timer, WEIR_EVICT_AGAIN_MS, server_on_pause_end);
}

static void server_on_event(struct weir_watch *watch, unsigned events)
{
	struct weir_server *server = WEIR_CONTAINER(watch, struct weir_server, watch);
	(void)events;
	/* The pause has begun, but the kernel did not change the events. */
	if (weir_timer_running(&server->timer)) {
		server_set_paused(server, true);
		return;
	}
	for (unsigned i = 0; i < WEIR_ACCEPTS_PER_TURN && server->watch.fd >= 0; i++) {
		if (!permits_available(&server->group)) {
			/* The next event reports whether another one waits. */
			if (i > 0)
				return;
			weir_metric_add(&server->group.counters->limits_hit, 1);
			weir_metric_add(&server->group.cells->limits_hit, 1);
			if (!permits_make_room(&server->group)) {
				server_wait_for_room(server);
				return;
			}
		}
		int error = server_accept_one(server);
		if (error == -EAGAIN)
			return;
		/* The descriptor that this frees is there in the next turn. */
		if (error == -EMFILE && permits_make_room(&server->group))
			return;
		if (error < 0) {
			server_accept_failed(server, error);
			return;
		}
	}
}

static void server_on_drained(struct weir_task *task)
{
	struct weir_server *server = WEIR_CONTAINER(task, struct weir_server, drained_task);
	weir_drained_fn *drained = server->drained;
	server->drained = NULL;
	if (drained)
		drained(server->drained_context);
}

static void server_end_drain(struct weir_server *server)
{
	weir_timer_stop(&server->timer);
	server->drained_task.run = server_on_drained;
	weir_loop_defer(server->group.loop, &server->drained_task);
}

static void server_channel_gone(struct channel_group *group)
{
	struct weir_server *server = WEIR_CONTAINER(group, struct weir_server, group);
	permits_channel_closed(group);
	if (server->full && server->watch.fd >= 0 && permits_available(group)) {
		server->full = false;
		weir_timer_stop(&server->timer);
		server_set_paused(server, false);
	}
	if (group->draining && group->count == 0)
		server_end_drain(server);
}

static struct weir_server *server_allocate(
        struct weir_loop *loop, const struct weir_server_options *options)
{
	struct weir_server *server = calloc(1, sizeof *server);
	if (!server)
		return NULL;
	server->listener = options->listener;
	if (server->listener.tls)
		weir_tls_hold(server->listener.tls);
	if (server->listener.peers)
		weir_peers_hold(server->listener.peers);
	weir_policy_hold(server->listener.policy);
	server->group = (struct channel_group){
	        .loop = loop,
	        .protocol = options->protocol,
	        .context = options->context,
	        .bounds = options->listener.bounds,
	        .channel_gone = server_channel_gone,
	        .listener = &server->listener,
	        .tls = options->listener.tls_upgrade ? NULL : options->listener.tls,
	        .tls_refusal = options->tls_refusal,
	};
	channel_group_init(&server->group);
	weir_list_init(&server->timer.link);
	return server;
}

static void server_free(struct weir_server *server)
{
	permits_leave(&server->group);
	weir_tls_release(server->listener.tls);
	weir_peers_release(server->listener.peers);
	weir_policy_release(server->listener.policy);
	free(server);
}

/* A port that the system chooses is 0 in the label: another port would be another series. */
static int server_count_in_metrics(struct weir_server *server)
{
	server->group.cells = channel_metrics_of_listener(server->group.loop, &server->listener,
	        server->group.protocol->name, &server->listener.address);
	return server->group.cells ? 0 : -ENOMEM;
}

int weir_server_create(
        struct weir_loop *loop, const struct weir_server_options *options, struct weir_server **ret)
{
	if (!options->protocol || !options->listener.bounds.channels_max ||
	        !channel_bounds_work(&options->listener.bounds))
		return -EINVAL;
	struct weir_server *server = server_allocate(loop, options);
	if (!server)
		return -ENOMEM;
	bool passive = options->listener.passive;
	int fd = passive ? -1 : channel_open_listener(&options->listener, &server->address);
	int error = fd < 0 && !passive ? fd : permits_join(&server->group);
	if (passive)
		server->address = options->listener.address;
	if (error == 0)
		error = server_count_in_metrics(server);
	server->watch.fd = -1;
	if (error == 0 && !passive)
		error = weir_watch_start(loop, &server->watch, fd, WEIR_READABLE, server_on_event);
	if (error == 0) {
		*ret = server;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	server_free(server);
	return error;
}

void weir_server_set_tls(struct weir_server *server, struct weir_tls *tls)
{
	struct weir_tls *old = server->listener.tls;
	server->listener.tls = weir_tls_hold(tls);
	if (server->group.tls)
		server->group.tls = tls;
	weir_tls_release(old);
}

void weir_server_report_malformed(struct weir_server *server, const struct weir_address *peer,
        uint64_t id, const char *why, struct weir_span input)
{
	const struct weir_listener *listener = &server->listener;
	weir_metric_add(&server->group.cells->malformed, 1);
	input.size = min_of(input.size, (size_t)WEIR_MALFORMED_SHOWN);
	if (listener->malformed)
		listener->malformed(listener->context, peer, id, why, input);
}

struct weir_tls *weir_server_tls(const struct weir_server *server)
{
	return server->listener.tls;
}

void weir_server_set_policy(struct weir_server *server, struct weir_policy *policy)
{
	struct weir_policy *old = server->listener.policy;
	server->listener.policy = weir_policy_hold(policy);
	weir_policy_release(old);
}

struct weir_policy *weir_server_policy(const struct weir_server *server)
{
	return server->listener.policy;
}

const struct weir_address *weir_server_address(const struct weir_server *server)
{
	return &server->address;
}

unsigned weir_server_channels(const struct weir_server *server)
{
	return server->group.count;
}

void weir_server_each(struct weir_server *server, weir_channel_visit_fn *visit, void *context)
{
	WEIR_LIST_EACH_SAFE (struct weir_channel, channel, next, &server->group.channels, link)
		if (!channel_dead(channel) && !visit(context, channel))
			return;
}

static void server_kill_all(struct weir_server *server, int error)
{
	WEIR_LIST_EACH (struct weir_channel, channel, &server->group.channels, link)
		channel_kill(channel, error, true);
}

/* One that is dead goes in the next turn, before this function is called again. */
static void server_kill_some(struct weir_task *task)
{
	struct weir_server *server = WEIR_CONTAINER(task, struct weir_server, drain_task);
	struct weir_list *channels = &server->group.channels;
	unsigned left = WEIR_DRAINS_PER_TURN;
	WEIR_LIST_EACH (struct weir_channel, channel, channels, link) {
		if (left-- == 0)
			break;
		channel_kill(channel, -ETIMEDOUT, true);
	}
	if (!weir_list_empty(channels))
		weir_loop_defer(server->group.loop, task);
}

/* The loop may have other servers, whose channels must not wait until all of these are closed. */
static void server_on_drain_end(struct weir_timer *timer)
{
	struct weir_server *server = WEIR_CONTAINER(timer, struct weir_server, timer);
	server->drain_left = 0;
	server->drain_task.run = server_kill_some;
	server_kill_some(&server->drain_task);
}

/* Another process may have the same socket: closing a descriptor would not end the events. */
static void server_close_listener(struct weir_server *server)
{
	close(weir_watch_cancel(server->group.loop, &server->watch));
}

void weir_server_retire(struct weir_server *server)
{
	if (server->watch.fd >= 0)
		server_close_listener(server);
	server->group.retiring = true;
}

/*
 * Each channel learns of the drain once, some in each turn. One that is active meanwhile goes to
 * the end of the list and learns of it by its own event, so that each of the others comes to the
 * beginning of the list before `drain_left` is 0.
 */
static void server_drain_some(struct weir_task *task)
{
	struct weir_server *server = WEIR_CONTAINER(task, struct weir_server, drain_task);
	struct weir_list *channels = &server->group.channels;
	for (unsigned i = 0; i < WEIR_DRAINS_PER_TURN && server->drain_left; i++) {
		if (weir_list_empty(channels)) {
			server->drain_left = 0;
			return;
		}
		struct weir_channel *channel =
		        WEIR_CONTAINER(channels->next, struct weir_channel, link);
		weir_list_remove(&channel->link);
		weir_list_append(channels, &channel->link);
		channel_schedule(channel);
		server->drain_left--;
	}
	if (server->drain_left)
		weir_loop_defer(server->group.loop, task);
}

void weir_server_drain(struct weir_server *server, weir_drained_fn *drained, void *context)
{
	struct channel_group *group = &server->group;
	server->drained = drained;
	server->drained_context = context;
	if (server->watch.fd >= 0) {
		/* Clients in the kernel's queue are connected, and are still served. */
		while (permits_available(group) && server_accept_one(server) == 0)
			;
		server_close_listener(server);
	}
	group->draining = true;
	weir_timer_start(group->loop, &server->timer, group->bounds.drain_ms, server_on_drain_end);
	server->drain_left = group->count;
	server->drain_task.run = server_drain_some;
	server_drain_some(&server->drain_task);
	if (group->count == 0)
		server_end_drain(server);
}

void weir_server_destroy(struct weir_server *server)
{
	if (!server)
		return;
	server->group.draining = false;
	if (server->watch.fd >= 0)
		server_close_listener(server);
	server_kill_all(server, -ECONNABORTED);
	while (server->group.count)
		channel_destroy(
		        WEIR_CONTAINER(server->group.channels.next, struct weir_channel, link));
	weir_timer_stop(&server->timer);
	weir_loop_cancel(server->group.loop, &server->drained_task);
	weir_loop_cancel(server->group.loop, &server->drain_task);
	server_free(server);
}
