/*
 * Room for a new channel: the bound of its server, the permits that servers share, and the search
 * for a channel to close when there is no room.
 *
 * A permit is one atomic counter, which a server touches only beyond its reserve. It looks at the
 * counter before it accepts and adds afterwards, so that several loops may exceed the bound by one
 * each; nothing has to be undone.
 *
 * The servers of one loop that share permits form a member. The lock of the permits guards the list
 * of members and each member's `asked`; all else in a member belongs to its loop's thread.
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
	struct weir_list members; /* the one to be asked next is first */
};

struct permits_member {
	struct weir_permits *permits;
	struct weir_loop *loop;
	struct weir_list link;   /* in permits->members; in no list once it has no group left */
	struct weir_list groups; /* by channel_group.member_link */
	struct weir_task task;   /* another loop asks this one to close a channel */
	bool asked; /* the task is posted, and frees the member if that has no group left */
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
	weir_list_init(&permits->members);
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

bool permits_available(const struct channel_group *group)
{
	const struct weir_permits *permits = group->member ? group->member->permits : NULL;
	if (group->count >= group->bounds.channels_max)
		return false;
	return !permits || group->count < group->reserved ||
	       weir_permits_used(permits) <
	               atomic_load_explicit(&permits->most, memory_order_relaxed);
}

void permits_channel_opened(struct channel_group *group)
{
	if (group->member && group->count > group->reserved)
		permits_take(group->member->permits, 1);
}

void permits_channel_closed(struct channel_group *group)
{
	if (group->member && group->count >= group->reserved)
		permits_give_back(group->member->permits, 1);
}

/* -- a channel to close ------------------------------------------------------------------------ */

struct candidate {
	struct weir_channel *channel; /* or NULL */
	unsigned rank;                /* of channel_eviction_rank */
};

/*
 * Looks for the channel that has been idle longest or, if none is idle, one that has stalled in a
 * request. A group's list is in order to the second: the first few are compared. Those that must
 * stay go to its end, so that the search is bounded and still reaches all of them in time.
 */
static void candidate_search(struct candidate *best, struct channel_group *group)
{
	struct weir_list *link = group->channels.next;
	for (unsigned i = 0; i < WEIR_EVICT_LOOKS && link != &group->channels; i++) {
		struct weir_channel *channel = WEIR_CONTAINER(link, struct weir_channel, link);
		unsigned rank = channel_eviction_rank(channel);
		link = link->next;
		bool longer = best->channel && (int32_t)(channel->progress_at_ms -
		                                         best->channel->progress_at_ms) < 0;
		if (rank > best->rank || (rank && rank == best->rank && longer)) {
			best->channel = channel;
			best->rank = rank;
		} else if (rank == 0 && link != &group->channels) {
			weir_list_remove(&channel->link);
			weir_list_append(&group->channels, &channel->link);
		}
	}
}

static bool candidate_close(const struct candidate *candidate)
{
	if (candidate->channel)
		channel_evict(candidate->channel);
	return candidate->channel;
}

static bool member_make_room(struct permits_member *member)
{
	struct candidate best = {0};
	WEIR_LIST_EACH (struct channel_group, group, &member->groups, member_link)
		candidate_search(&best, group);
	return candidate_close(&best);
}

/* -- other loops ------------------------------------------------------------------------------- */

static void member_free(struct permits_member *member)
{
	weir_permits_release(member->permits);
	free(member);
}

static void member_on_asked(struct weir_task *task)
{
	struct permits_member *member = WEIR_CONTAINER(task, struct permits_member, task);
	pthread_mutex_lock(&member->permits->lock);
	member->asked = false;
	pthread_mutex_unlock(&member->permits->lock);
	if (weir_list_empty(&member->groups))
		member_free(member);
	else
		member_make_room(member);
}

/*
 * Posts under the lock, so that the other loop cannot end meanwhile. All members have their turn.
 */
static void member_ask_another(struct permits_member *member)
{
	struct weir_permits *permits = member->permits;
	pthread_mutex_lock(&permits->lock);
	WEIR_LIST_EACH (struct permits_member, other, &permits->members, link) {
		if (other == member || other->asked)
			continue;
		weir_list_remove(&other->link);
		weir_list_append(&permits->members, &other->link);
		other->asked = true;
		other->task.run = member_on_asked;
		weir_loop_post(other->loop, &other->task);
		break;
	}
	pthread_mutex_unlock(&permits->lock);
}

bool permits_make_room(struct channel_group *group)
{
	struct candidate own = {0};
	if (!group->member || group->count >= group->bounds.channels_max) {
		candidate_search(&own, group);
		return candidate_close(&own);
	}
	if (member_make_room(group->member))
		return true;
	member_ask_another(group->member);
	return false;
}

/* -- members ----------------------------------------------------------------------------------- */

/* Under the lock. Returns NULL without memory. */
static struct permits_member *member_find(struct weir_permits *permits, struct weir_loop *loop)
{
	WEIR_LIST_EACH (struct permits_member, member, &permits->members, link)
		if (member->loop == loop)
			return member;
	struct permits_member *member = calloc(1, sizeof *member);
	if (!member)
		return NULL;
	member->permits = weir_permits_hold(permits);
	member->loop = loop;
	weir_list_init(&member->groups);
	weir_list_append(&permits->members, &member->link);
	return member;
}

int permits_join(struct channel_group *group)
{
	struct weir_permits *permits = group->bounds.permits;
	if (!permits)
		return 0;
	pthread_mutex_lock(&permits->lock);
	struct permits_member *member = member_find(permits, group->loop);
	pthread_mutex_unlock(&permits->lock);
	if (!member)
		return -ENOMEM;
	weir_list_append(&member->groups, &group->member_link);
	group->member = member;
	group->reserved = atomic_load_explicit(&permits->reserved, memory_order_relaxed);
	permits_take(permits, group->reserved);
	return 0;
}

void permits_leave(struct channel_group *group)
{
	struct permits_member *member = group->member;
	if (!member)
		return;
	group->member = NULL;
	permits_give_back(member->permits, group->reserved);
	weir_list_remove(&group->member_link);
	if (!weir_list_empty(&member->groups))
		return;
	pthread_mutex_lock(&member->permits->lock);
	weir_list_remove(&member->link);
	bool asked = member->asked;
	pthread_mutex_unlock(&member->permits->lock);
	if (!asked)
		member_free(member);
}

/* -- the connections of one address ------------------------------------------------------------ */

void channel_count_peer(struct weir_channel *channel)
{
	struct weir_peers *peers = channel->group->listener->peers;
	channel->counted = peers && weir_peers_enter(peers, &channel->peer) == 0;
}

bool weir_channel_over_quota(const struct weir_channel *channel)
{
	const struct weir_listener *listener = channel->group->listener;
	return channel->over_rate || (listener && listener->peers && !channel->counted);
}
