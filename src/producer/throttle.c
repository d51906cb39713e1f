/*
 * The throttle: a token bucket that the clock fills and the child's bytes empty. When it is empty,
 * the producer waits until it is half full, which needs few wakes. The other half absorbs the delay
 * of the coarse timer, so that the rate is reached.
 */
#include <stdlib.h>

#include <weir/loop.h>
#include <weir/transformers.h>

#include "inner.h"

struct throttle {
	struct weir_producer base;
	struct weir_producer *child;
	struct weir_timer timer;
	uint64_t rate;  /* bytes per second, at least 1 */
	uint64_t burst; /* bytes the bucket holds, at least 1 */
	uint64_t level; /* thousandths of bytes in it, at most 1000 * burst */
	int64_t filled_ms;
};

static void throttle_producer_fill_bucket(struct throttle *throttle, int64_t now_ms)
{
	uint64_t most = throttle->burst * 1000;
	uint64_t passed_ms = (uint64_t)(now_ms - throttle->filled_ms);
	uint64_t gained;
	if (__builtin_mul_overflow(passed_ms, throttle->rate, &gained) ||
	        gained > most - throttle->level)
		gained = most - throttle->level;
	throttle->level += gained;
	throttle->filled_ms = now_ms;
}

static void throttle_producer_on_time(struct weir_timer *timer)
{
	weir_wake(&WEIR_CONTAINER(timer, struct throttle, timer)->base);
}

static void throttle_producer_wait_for_half(struct throttle *throttle, struct weir_loop *loop)
{
	uint64_t half = throttle->burst * 500;
	uint64_t target = half > 1000 ? half : 1000;
	uint64_t wait_ms = (target - throttle->level + throttle->rate - 1) / throttle->rate;
	weir_timer_start(loop, &throttle->timer, (int64_t)wait_ms, throttle_producer_on_time);
}

static enum weir_more throttle_producer_more(
        struct weir_producer *producer, struct weir_output *out)
{
	struct throttle *throttle = (struct throttle *)producer;
	if (weir_timer_running(&throttle->timer))
		return WEIR_WAIT;
	if (!throttle->filled_ms) {
		throttle->filled_ms = weir_loop_now_ms(out->loop);
		throttle->level = throttle->burst * 1000;
	}
	throttle_producer_fill_bucket(throttle, weir_loop_now_ms(out->loop));
	if (throttle->level < 1000) {
		throttle_producer_wait_for_half(throttle, out->loop);
		return WEIR_WAIT;
	}
	size_t before = out->size;
	enum weir_more more = producer_ask_within(throttle->child, out, throttle->level / 1000);
	throttle->level -= (uint64_t)(out->size - before) * 1000;
	return more;
}

static void throttle_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	struct throttle *throttle = (struct throttle *)producer;
	weir_timer_stop(&throttle->timer);
	producer_close_passing(producer, throttle->child, why);
	free(throttle);
}

static int64_t throttle_producer_size(const struct weir_producer *producer)
{
	return weir_producer_size(((const struct throttle *)producer)->child);
}

static const struct weir_producer_type throttle_type = {
        .name = "throttle",
        .more = throttle_producer_more,
        .close = throttle_producer_close,
        .size = throttle_producer_size,
};

struct weir_producer *weir_produce_throttle(
        struct weir_producer *child, uint64_t bytes_per_second, size_t burst)
{
	struct throttle *throttle = child ? calloc(1, sizeof *throttle) : NULL;
	if (!throttle) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&throttle->base, &throttle_type);
	throttle->child = child;
	throttle->rate = bytes_per_second ? bytes_per_second : 1;
	throttle->burst = burst ? burst : throttle->rate / 4;
	if (!throttle->burst)
		throttle->burst = 1;
	if (throttle->burst > INT64_MAX / 1000)
		throttle->burst = INT64_MAX / 1000;
	weir_producer_adopt(&throttle->base, child);
	return &throttle->base;
}
