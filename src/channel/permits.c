/*
 * Room for a new channel: the bound of its server, the permits that servers share, and the search for
 * a channel to close when there is no room.
 *
 * A permit is one atomic counter, which a server touches only beyond its reserve. It looks at the
 * counter before it accepts and adds afterwards, so that several loops may exceed the bound by one each;
 * nothing has to be undone.
 *
 * The servers of one loop that share permits form a group. The lock of the permits guards the list of
 * groups and each group's `asked`; all else in a group belongs to its loop's thread.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <weir/permits.h>

#include "channel_state.h"
#include "refcount.h"

struct weir_permits {
	struct refcount references;
	atomic_uint most;
	atomic_uint reserved;
	atomic_uint used;
	pthread_mutex_t lock;
	struct weir_list groups; /* the one to be asked next is first */
};

struct permits_group {
	struct weir_permits *permits;
	struct weir_loop *loop;
	struct weir_list link;  /* in permits->groups; in no list once it has no host left */
	struct weir_list hosts; /* by server_host.group_link */
	struct weir_task task;  /* another loop asks this one to close a channel */
	bool asked; /* the task is posted, and frees the group if that has no host left */
};

/* -- the counter ------------------------------------------------------------------------------- */

int weir_permits_create(unsigned most, unsigned reserved, struct weir_permits **ret)
{
	struct weir_permits *permits = calloc(1, sizeof *permits);
	if (!permits)
		return -ENOMEM;
	refcount_init(&permits->references);
	atomic_init(&permits->most, most);
	atomic_init(&permits->reserved, reserved);
	pthread_mutex_init(&permits->lock, NULL);
	weir_list_init(&permits->groups);
	*ret = permits;
	return 0;
}

void weir_permits_set(struct weir_permits *permits, unsigned most, unsigned reserved)
{
	atomic_store_explicit(&permits->most, most, memory_order_relaxed);
	atomic_store_explicit(&permits->reserved, reserved, memory_order_relaxed);
}

struct weir_permits *weir_permits_hold(struct weir_permits *permits)
{
	refcount_hold(&permits->references);
	return permits;
}

void weir_permits_release(struct weir_permits *permits)
{
	if (!permits || !refcount_release(&permits->references))
		return;
	pthread_mutex_destroy(&permits->lock);
	free(permits);
}

unsigned weir_permits_used(const struct weir_permits *permits)
{
	return atomic_load_explicit(&permits->used, memory_order_relaxed);
}

static void permits_take(struct weir_permits *permits, unsigned count)
{
	atomic_fetch_add_explicit(&permits->used, count, memory_order_relaxed);
}

static void permits_give_back(struct weir_permits *permits, unsigned count)
{
	atomic_fetch_sub_explicit(&permits->used, count, memory_order_relaxed);
}

bool permits_available(const struct server_host *host)
{
	const struct weir_permits *permits = host->group ? host->group->permits : NULL;
	if (host->count >= host->bounds.channels_max)
		return false;
	return !permits || host->count < host->reserved ||
	       weir_permits_used(permits) <
	               atomic_load_explicit(&permits->most, memory_order_relaxed);
}

void permits_channel_opened(struct server_host *host)
{
	if (host->group && host->count > host->reserved)
		permits_take(host->group->permits, 1);
}

void permits_channel_closed(struct server_host *host)
{
	if (host->group && host->count >= host->reserved)
		permits_give_back(host->group->permits, 1);
}

/* -- a channel to close ------------------------------------------------------------------------ */

struct candidate {
	struct weir_channel *channel; /* or NULL */
	unsigned rank;                /* of channel_yields */
};

/*
 * Looks for the channel that has been idle longest or, if none is idle, one that has stalled in a
 * request. A host's list is in order to the second: the first few are compared. Those that must stay go
 * to its end, so that the search is bounded and still reaches all of them in time.
 */
static void candidate_search(struct candidate *best, struct server_host *host)
{
	struct weir_list *link = host->channels.next;
	for (unsigned i = 0; i < WEIR_EVICT_LOOKS && link != &host->channels; i++) {
		struct weir_channel *channel = WEIR_CONTAINER(link, struct weir_channel, link);
		unsigned rank = channel_yields(channel);
		link = link->next;
		bool longer = best->channel && (int32_t)(channel->progress_at_ms -
		                                         best->channel->progress_at_ms) < 0;
		if (rank > best->rank || (rank && rank == best->rank && longer)) {
			best->channel = channel;
			best->rank = rank;
		} else if (rank == 0 && link != &host->channels) {
			weir_list_remove(&channel->link);
			weir_list_append(&host->channels, &channel->link);
		}
	}
}

static bool candidate_close(const struct candidate *candidate)
{
	if (candidate->channel)
		channel_yield(candidate->channel);
	return candidate->channel;
}

static bool group_make_room(struct permits_group *group)
{
	struct candidate best = {0};
	WEIR_LIST_EACH (struct server_host, host, &group->hosts, group_link)
		candidate_search(&best, host);
	return candidate_close(&best);
}

/* -- other loops ------------------------------------------------------------------------------- */

static void group_free(struct permits_group *group)
{
	weir_permits_release(group->permits);
	free(group);
}

static void group_on_asked(struct weir_task *task)
{
	struct permits_group *group = WEIR_CONTAINER(task, struct permits_group, task);
	pthread_mutex_lock(&group->permits->lock);
	group->asked = false;
	pthread_mutex_unlock(&group->permits->lock);
	if (weir_list_empty(&group->hosts))
		group_free(group);
	else
		group_make_room(group);
}

/* Posts under the lock, so that the other loop cannot end meanwhile. All groups have their turn. */
static void group_ask_another(struct permits_group *group)
{
	struct weir_permits *permits = group->permits;
	pthread_mutex_lock(&permits->lock);
	WEIR_LIST_EACH (struct permits_group, other, &permits->groups, link) {
		if (other == group || other->asked)
			continue;
		weir_list_remove(&other->link);
		weir_list_append(&permits->groups, &other->link);
		other->asked = true;
		other->task.run = group_on_asked;
		weir_loop_post(other->loop, &other->task);
		break;
	}
	pthread_mutex_unlock(&permits->lock);
}

bool permits_make_room(struct server_host *host)
{
	struct candidate own = {0};
	if (!host->group || host->count >= host->bounds.channels_max) {
		candidate_search(&own, host);
		return candidate_close(&own);
	}
	if (group_make_room(host->group))
		return true;
	group_ask_another(host->group);
	return false;
}

/* -- groups ------------------------------------------------------------------------------------ */

/* Under the lock. Returns NULL without memory. */
static struct permits_group *group_find(struct weir_permits *permits, struct weir_loop *loop)
{
	WEIR_LIST_EACH (struct permits_group, group, &permits->groups, link)
		if (group->loop == loop)
			return group;
	struct permits_group *group = calloc(1, sizeof *group);
	if (!group)
		return NULL;
	group->permits = weir_permits_hold(permits);
	group->loop = loop;
	weir_list_init(&group->hosts);
	weir_list_append(&permits->groups, &group->link);
	return group;
}

int permits_join(struct server_host *host)
{
	struct weir_permits *permits = host->bounds.permits;
	if (!permits)
		return 0;
	pthread_mutex_lock(&permits->lock);
	struct permits_group *group = group_find(permits, host->loop);
	pthread_mutex_unlock(&permits->lock);
	if (!group)
		return -ENOMEM;
	weir_list_append(&group->hosts, &host->group_link);
	host->group = group;
	host->reserved = atomic_load_explicit(&permits->reserved, memory_order_relaxed);
	permits_take(permits, host->reserved);
	return 0;
}

void permits_leave(struct server_host *host)
{
	struct permits_group *group = host->group;
	if (!group)
		return;
	host->group = NULL;
	permits_give_back(group->permits, host->reserved);
	weir_list_remove(&host->group_link);
	if (!weir_list_empty(&group->hosts))
		return;
	pthread_mutex_lock(&group->permits->lock);
	weir_list_remove(&group->link);
	bool asked = group->asked;
	pthread_mutex_unlock(&group->permits->lock);
	if (!asked)
		group_free(group);
}
