/* The queue in a database: its life, what is known of all its messages, and waking the listener. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <weir/error.h>

#include "helper.h"
#include "queue_database.h"

enum {
	QUEUE_TICK_MAX_MS = 5000,
	QUEUE_COUNT_SHARE = 100 /* a count waits for so many times its own duration */
};

int64_t queue_boottime_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* -- waking ------------------------------------------------------------------------------------ */

static void queue_database_on_wake(void *context)
{
	struct queue_database *queue = context;
	queue->next_s = 0;
	queue->changed(queue->context);
}

void queue_database_wake(struct queue_database *queue)
{
	pthread_mutex_lock(&queue->lock);
	if (queue->waker)
		mail_waker_wake(queue->waker);
	pthread_mutex_unlock(&queue->lock);
}

/* -- counting ---------------------------------------------------------------------------------- */

#define QUEUE_COUNT_AGE QUEUE_SQL_SINCE("arrived")

/* $1 how many at most. The oldest id is that of the oldest message, or nearly. */
static const char queue_count_all[] = "SELECT count(*), count(lease), (SELECT " QUEUE_COUNT_AGE
                                      " FROM weir_queue ORDER BY id LIMIT 1)"
                                      " FROM (SELECT lease FROM weir_queue LIMIT $1::bigint) AS q";

void queue_database_count(struct queue_database *queue, int change)
{
	size_t count = atomic_load(&queue->count);
	while (!atomic_compare_exchange_weak(
	        &queue->count, &count, change < 0 && !count ? 0 : count + (size_t)change))
		;
	if (change > 0) {
		int64_t none = INT64_MAX;
		atomic_compare_exchange_strong(&queue->oldest_s, &none, (int64_t)time(NULL));
	} else if (count <= 1) {
		atomic_store(&queue->oldest_s, INT64_MAX);
	}
}

static void queue_count_on_row(void *context, const struct weir_postgres_row *row)
{
	struct queue_database *queue = context;
	atomic_store(&queue->count, (size_t)queue_row_number(row, 0));
	atomic_store(&queue->claimed, (size_t)queue_row_number(row, 1));
	atomic_store(
	        &queue->oldest_s, weir_postgres_row_value(row, 2).data
	                                  ? weir_loop_wall_s(queue->loop) - queue_row_number(row, 2)
	                                  : INT64_MAX);
}

static void queue_count_on_end(void *context, const struct weir_postgres_end *end)
{
	struct queue_database *queue = context;
	int64_t now_ms = queue_boottime_ms();
	(void)end;
	queue->counting = NULL;
	queue->count_ms = now_ms + max_of((int64_t)WEIR_QUEUE_COUNT_MS,
	                                   QUEUE_COUNT_SHARE * (now_ms - queue->counting_ms));
}

static const struct weir_postgres_events queue_count_events = {
        .row = queue_count_on_row,
        .end = queue_count_on_end,
};

/* If it cannot be started, a later tick tries again. */
static void queue_count_start(struct queue_database *queue)
{
	char most[BODY_NUMBER_SIZE];
	const struct weir_postgres_value value =
	        body_value_number((int64_t)queue->options.messages_max + 1, most);
	const struct weir_postgres_statement statement = {queue_count_all, &value, 1};
	struct weir_postgres_call_options options;
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	options.idempotent = true;
	queue->counting_ms = queue_boottime_ms();
	(void)weir_postgres_call_start(
	        queue->pool, &options, &queue_count_events, queue, &queue->counting);
}

static size_t queue_database_count_of(struct weir_mail_queue *base)
{
	return atomic_load(&queue_database_of(base)->count);
}

static int64_t queue_database_oldest_s(struct weir_mail_queue *base)
{
	return atomic_load(&queue_database_of(base)->oldest_s);
}

static void queue_database_claims(struct weir_mail_queue *base, struct weir_mail_queue_claims *ret)
{
	struct queue_database *queue = queue_database_of(base);
	*ret = (struct weir_mail_queue_claims){.claimed = atomic_load(&queue->claimed),
	        .taken_over = atomic_load(&queue->taken_over)};
}

/* -- the loop ---------------------------------------------------------------------------------- */

static void queue_database_on_tick(struct weir_timer *timer)
{
	struct queue_database *queue = WEIR_CONTAINER(timer, struct queue_database, tick);
	int64_t tick_ms = (int64_t)queue->options.lease_s * 1000 / 12;
	weir_timer_start(queue->loop, &queue->tick, min_of(tick_ms, (int64_t)QUEUE_TICK_MAX_MS),
	        queue_database_on_tick);
	if (!queue->counting && queue_boottime_ms() >= queue->count_ms)
		queue_count_start(queue);
	queue_store_tick(queue);
	queue_lease_tick(queue);
}

int queue_database_use(struct queue_database *queue, struct weir_loop *loop)
{
	if (queue->loop)
		return 0;
	int error = weir_database_pool(queue->database, loop, &queue->pool);
	if (error < 0)
		return error;
	queue->loop = loop;
	weir_timer_start(loop, &queue->tick, 1, queue_database_on_tick);
	return 0;
}

static int queue_database_listen(struct weir_mail_queue *base, struct weir_loop *loop,
        weir_mail_queue_changed_fn *changed, void *context)
{
	struct queue_database *queue = queue_database_of(base);
	int error = queue_database_use(queue, loop);
	if (error < 0)
		return error;
	pthread_mutex_lock(&queue->lock);
	queue->waker = mail_waker_create(loop, &queue->lock, queue_database_on_wake, queue);
	if (queue->waker)
		mail_waker_wake(queue->waker);
	pthread_mutex_unlock(&queue->lock);
	if (!queue->waker)
		return -ENOMEM;
	queue->changed = changed;
	queue->context = context;
	return 0;
}

static void queue_database_ignore(struct weir_mail_queue *base)
{
	struct queue_database *queue = queue_database_of(base);
	pthread_mutex_lock(&queue->lock);
	if (queue->waker)
		mail_waker_end(queue->waker);
	queue->waker = NULL;
	pthread_mutex_unlock(&queue->lock);
	queue->changed = NULL;
}

/* -- life -------------------------------------------------------------------------------------- */

void queue_database_hold(struct queue_database *queue)
{
	refcount_hold(&queue->references);
}

void queue_database_release(struct queue_database *queue)
{
	if (!refcount_release(&queue->references))
		return;
	pthread_mutex_destroy(&queue->lock);
	weir_database_release(queue->database);
	free((char *)queue->options.directory);
	free(queue);
}

static void queue_database_free_all(struct weir_list *claims)
{
	while (!weir_list_empty(claims))
		queue_claim_free(WEIR_CONTAINER(claims->next, struct queue_claim, link));
}

static void queue_database_close(struct weir_mail_queue *base)
{
	struct queue_database *queue = queue_database_of(base);
	queue_database_ignore(base);
	if (queue->loop)
		weir_timer_stop(&queue->tick);
	if (queue->counting)
		weir_postgres_call_cancel(queue->counting);
	queue_lease_cancel(queue);
	queue_look_cancel(queue);
	queue_database_free_all(&queue->claims);
	queue_database_free_all(&queue->storing);
	queue_database_release(queue);
}

static const struct weir_mail_queue_type queue_database_type = {
        .name = "database",
        .count = queue_database_count_of,
        .oldest_s = queue_database_oldest_s,
        .claims = queue_database_claims,
        .listen = queue_database_listen,
        .ignore = queue_database_ignore,
        .next = queue_look_next,
        .claim = queue_look_claim,
        .may_send = queue_lease_may_send,
        .requeue = queue_store_requeue,
        .list = queue_ask_list,
        .command = queue_ask_command,
        .close = queue_database_close,
};

void weir_database_queue_options_init(struct weir_database_queue_options *options)
{
	*options = (struct weir_database_queue_options){
	        .message_max = WEIR_MAIL_MESSAGE_MAX,
	        .messages_max = WEIR_QUEUE_MESSAGES_MAX,
	        .lease_s = WEIR_QUEUE_LEASE_S,
	        .poll_s = WEIR_QUEUE_POLL_S,
	};
}

int weir_database_queue_open(struct weir_database *database,
        const struct weir_database_queue_options *options, struct weir_mail_queue **ret)
{
	if (!options->message_max || !options->messages_max || options->lease_s < 2 ||
	        !options->poll_s)
		return -EINVAL;
	struct queue_database *queue = calloc(1, sizeof *queue);
	if (!queue)
		return -ENOMEM;
	queue->options = *options;
	if (options->directory) {
		queue->options.directory = weir_span_copy(weir_span_of(options->directory));
		if (!queue->options.directory) {
			free(queue);
			return -ENOMEM;
		}
	}
	refcount_init(&queue->references);
	pthread_mutex_init(&queue->lock, NULL);
	queue->base.type = &queue_database_type;
	queue->base.sink.type = &queue_put_type;
	queue->database = weir_database_hold(database);
	atomic_init(&queue->oldest_s, INT64_MAX);
	weir_list_init(&queue->claims);
	weir_list_init(&queue->storing);
	weir_list_init(&queue->askers);
	*ret = &queue->base;
	return 0;
}
