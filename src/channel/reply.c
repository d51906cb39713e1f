/*
 * The reply queue: a ring of replies in the order in which they were opened. Each is filled when it
 * is ready. Bytes leave from the first reply, and from those behind it that are in the same output.
 *
 * A reply is freed when its last byte was taken, or when the channel closes. One that is still open
 * then stays, without a channel, until it is filled.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/sources.h>

#include "channel_state.h"
#include "loop_internal.h"
#include "probe.h"
#include "transport_internal.h"

/* -- recycled memory --------------------------------------------------------------------------- */

struct reply_pool {
	struct weir_reply *first;
	unsigned count;
};

static void channel_reply_destroy_pool(void *object)
{
	struct reply_pool *pool = object;
	for (struct weir_reply *reply = pool->first, *next; reply; reply = next) {
		next = reply->next;
		free(reply);
	}
	free(pool);
}

static const struct loop_object_type reply_pool_type = {"replies", channel_reply_destroy_pool};

static struct reply_pool *channel_reply_pool_of(struct weir_loop *loop)
{
	struct reply_pool *pool = loop_object(loop, &reply_pool_type);
	if (!pool && (pool = calloc(1, sizeof *pool)))
		loop_set_object(loop, &reply_pool_type, pool);
	return pool;
}

static struct weir_reply *channel_reply_allocate(struct weir_loop *loop)
{
	struct reply_pool *pool = channel_reply_pool_of(loop);
	struct weir_reply *reply = pool ? pool->first : NULL;
	if (!reply)
		return calloc(1, sizeof *reply);
	pool->first = reply->next;
	pool->count--;
	*reply = (struct weir_reply){0};
	return reply;
}

static void channel_reply_release(struct weir_loop *loop, struct weir_reply *reply)
{
	struct reply_pool *pool = loop_object(loop, &reply_pool_type);
	if (!pool || pool->count >= WEIR_REPLIES_RECYCLED) {
		free(reply);
		return;
	}
	reply->next = pool->first;
	pool->first = reply;
	pool->count++;
}

/* -- the queue --------------------------------------------------------------------------------- */

struct weir_reply *channel_reply_first(const struct weir_channel *channel)
{
	return channel->last ? channel->last->next : NULL;
}

static void channel_reply_append(struct weir_channel *channel, struct weir_reply *reply)
{
	if (channel->last) {
		reply->next = channel->last->next;
		channel->last->next = reply;
	} else {
		reply->next = reply;
	}
	channel->last = reply;
	channel->reply_count++;
	channel->drained_reported = false;
}

static struct weir_reply *channel_reply_remove_first(struct weir_channel *channel)
{
	struct weir_reply *first = channel->last->next;
	if (first == channel->last)
		channel->last = NULL;
	else
		channel->last->next = first->next;
	channel->reply_count--;
	return first;
}

static void channel_reply_on_wake(struct weir_waiter *waiter)
{
	struct weir_reply *reply = WEIR_CONTAINER(waiter, struct weir_reply, waiter);
	reply->woken = true;
	if (reply->state != REPLY_WAITING)
		return;
	reply->state = REPLY_READY;
	channel_schedule(reply->channel);
}

static void channel_reply_fill(struct weir_reply *reply, struct weir_producer *producer)
{
	reply->producer = producer;
	reply->state = REPLY_READY;
	producer->waiter = &reply->waiter;
}

static struct weir_reply *channel_reply_create(struct weir_channel *channel)
{
	struct weir_reply *reply = channel_reply_allocate(channel->group->loop);
	if (!reply) {
		channel_kill(channel, -ENOMEM, true);
		return NULL;
	}
	reply->waiter.wake = channel_reply_on_wake;
	reply->channel = channel;
	channel_reply_append(channel, reply);
	return reply;
}

void channel_replies_pop_sent(struct weir_channel *channel)
{
	for (struct weir_reply *first; (first = channel_reply_first(channel));) {
		if (first->state != REPLY_DONE || first->end > channel->sent)
			return;
		channel_reply_remove_first(channel);
		PROBE2(reply, channel->watch.fd, channel->sent);
		weir_producer_close(first->producer, WEIR_CLOSE_DONE);
		channel_reply_release(channel->group->loop, first);
	}
}

/* Closes a producer whose last bytes may not have been taken. */
static void channel_reply_close_early(
        struct weir_channel *channel, struct weir_reply *reply, enum weir_close_reason why)
{
	struct weir_producer *producer = reply->producer;
	uint64_t unsent = reply->end > channel->sent ? reply->end - channel->sent : 0;
	weir_producer_consumed(producer, unsent < producer->put ? unsent : producer->put);
	weir_producer_close(producer, reply->state == REPLY_FAILED ? WEIR_CLOSE_FAILED : why);
}

void channel_replies_abandon(struct weir_channel *channel, enum weir_close_reason why)
{
	while (channel->last) {
		struct weir_reply *reply = channel_reply_remove_first(channel);
		if (reply->state == REPLY_OPEN) {
			reply->channel = NULL;
			continue;
		}
		if (reply->producer)
			channel_reply_close_early(channel, reply, why);
		channel_reply_release(channel->group->loop, reply);
	}
}

/* -- the public functions ---------------------------------------------------------------------- */

/* No reply may follow one that has failed, or the end of our output. */
static bool channel_reply_takes_replies(const struct weir_channel *channel)
{
	return channel->phase < CHANNEL_ENDING &&
	       (!transport_is_tls(channel->transport) || tls_complete(channel->transport));
}

int weir_channel_push(struct weir_channel *channel, struct weir_producer *producer)
{
	struct weir_reply *reply = NULL;
	if (channel_reply_takes_replies(channel) && producer)
		reply = channel_reply_create(channel);
	if (!reply) {
		int error = channel_reply_takes_replies(channel) ? -ENOMEM : WEIR_E_CLOSED;
		weir_producer_close(producer, WEIR_CLOSE_ABORTED);
		if (error == -ENOMEM)
			channel_kill(channel, error, true);
		return error;
	}
	channel_reply_fill(reply, producer);
	channel_schedule(channel);
	return 0;
}

int weir_channel_push_static(struct weir_channel *channel, const char *text)
{
	return weir_channel_push(channel, weir_produce_borrowed(text, strlen(text)));
}

int weir_channel_push_copy(struct weir_channel *channel, struct weir_span bytes)
{
	return weir_channel_push(channel, weir_produce_copied(bytes.data, bytes.size));
}

struct weir_reply *weir_reply_open(struct weir_channel *channel)
{
	return channel_reply_takes_replies(channel) ? channel_reply_create(channel) : NULL;
}

void weir_reply_fill(struct weir_reply *reply, struct weir_producer *producer)
{
	struct weir_channel *channel = reply->channel;
	if (!channel) {
		weir_producer_close(producer, WEIR_CLOSE_ABORTED);
		free(reply);
		return;
	}
	if (!producer) {
		reply->state = REPLY_FAILED; /* so that it is freed with the channel */
		channel_kill(channel, -ENOMEM, true);
		return;
	}
	channel_reply_fill(reply, producer);
	channel_schedule(channel);
}

struct weir_channel *weir_reply_channel(const struct weir_reply *reply)
{
	return reply->channel;
}

/* -- names of channels ------------------------------------------------------------------------- */

struct weir_channel_ref weir_channel_ref(const struct weir_channel *channel)
{
	return (struct weir_channel_ref){
	        channel->group->loop, channel->watch.fd, channel->watch.generation};
}

struct weir_channel *weir_channel_find(struct weir_channel_ref ref)
{
	struct weir_watch *watch = loop_watch_find(ref.loop, ref.fd, ref.generation);
	struct weir_channel *channel =
	        watch ? WEIR_CONTAINER(watch, struct weir_channel, watch) : NULL;
	return channel && !channel_dead(channel) ? channel : NULL;
}

/* -- from other threads ------------------------------------------------------------------------ */

struct push {
	struct weir_task task;
	struct weir_channel_ref ref;
	struct weir_producer *producer;
};

static void channel_reply_on_push(struct weir_task *task)
{
	struct push *push = WEIR_CONTAINER(task, struct push, task);
	struct weir_channel *channel = weir_channel_find(push->ref);
	if (channel)
		weir_channel_push(channel, push->producer);
	else
		weir_producer_close(push->producer, WEIR_CLOSE_ABORTED);
	free(push);
}

int weir_push_from_thread(struct weir_channel_ref ref, struct weir_producer *producer)
{
	struct push *push = producer ? malloc(sizeof *push) : NULL;
	if (!push) {
		weir_producer_close(producer, WEIR_CLOSE_ABORTED);
		return -ENOMEM;
	}
	*push = (struct push){.task.run = channel_reply_on_push, .ref = ref, .producer = producer};
	weir_loop_post(ref.loop, &push->task);
	return 0;
}
