/* The transformers that pass bytes on unchanged, and decide how many: limit, throttle, glob. */
#include <stdlib.h>

#include <weir/loop.h>
#include <weir/transformers.h>

#include "producer_internal.h"

/* -- a range of the bytes ---------------------------------------------------------------------- */

/*
 * The limit: a range of the child's bytes. Skipped bytes are produced too, but take no room, so
 * that the first bytes of the range leave in the same output. The producer is done as soon as
 * `left` is 0, whatever the child would answer then.
 */
struct limit {
	struct weir_producer base;
	struct weir_producer *child;
	uint64_t skip; /* still to be skipped */
	uint64_t left; /* still to be passed on */
};

static enum weir_more limit_producer_skip_some(struct limit *limit, struct weir_output *out)
{
	struct weir_piece pieces[PRODUCER_INNER_PIECES];
	struct weir_output inner;
	uint64_t room = weir_output_room(out);
	room = min_of(room, limit->left);
	room += min_of(limit->skip, PRODUCER_INNER_SIZE);
	unsigned free_pieces = min_of(output_free_pieces(out), PRODUCER_INNER_PIECES);
	weir_output_init_inner(&inner, out, pieces, free_pieces, (size_t)room);
	enum weir_more more = weir_producer_more(limit->child, &inner);
	for (unsigned i = 0; i < inner.count; i++) {
		size_t size = pieces[i].size;
		size_t skipped = (size_t)min_of(limit->skip, size);
		limit->skip -= skipped;
		limit->left -= weir_output_forward(out, &pieces[i], skipped, size - skipped);
	}
	return more;
}

static enum weir_more limit_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct limit *limit = (struct limit *)producer;
	enum weir_more more;
	if (!limit->left)
		return WEIR_DONE;
	if (limit->skip) {
		more = limit_producer_skip_some(limit, out);
	} else {
		size_t before = out->size;
		more = producer_ask_within(
		        limit->child, out, limit->left < SIZE_MAX ? (size_t)limit->left : SIZE_MAX);
		limit->left -= out->size - before;
	}
	return limit->left ? more : WEIR_DONE;
}

static void limit_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	producer_close_passing(producer, ((struct limit *)producer)->child, why);
	free(producer);
}

static int64_t limit_producer_size(const struct weir_producer *producer)
{
	const struct limit *limit = (const struct limit *)producer;
	int64_t size = weir_producer_size(limit->child);
	if (size < 0)
		return -1;
	uint64_t rest = (uint64_t)size > limit->skip ? (uint64_t)size - limit->skip : 0;
	return (int64_t)(min_of(rest, limit->left));
}

static const struct weir_producer_type limit_type = {
        .name = "limit",
        .more = limit_producer_more,
        .close = limit_producer_close,
        .size = limit_producer_size,
};

struct weir_producer *weir_produce_limit(struct weir_producer *child, uint64_t skip, uint64_t size)
{
	struct limit *limit = child ? malloc(sizeof *limit) : NULL;
	if (!limit) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&limit->base, &limit_type);
	limit->child = child;
	limit->skip = skip;
	limit->left = size;
	weir_producer_adopt(&limit->base, child);
	return &limit->base;
}

/* -- a rate ------------------------------------------------------------------------------------ */

/*
 * The throttle: a token bucket that the clock fills and the child's bytes empty. When it is empty,
 * the producer waits until it is half full, which needs few wakes. The other half absorbs the delay
 * of the coarse timer, so that the rate is reached.
 */
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

/* -- answers of one size ----------------------------------------------------------------------- */

/*
 * The glob: answers of exactly `size` bytes. If the child fills an answer at once, its pieces are
 * lent unchanged; otherwise they are gathered in scratch. When the child waits, all bytes are put,
 * so that no state is left between two answers.
 */
struct glob {
	struct weir_producer base;
	struct weir_producer *child;
	size_t size;
};

static void glob_producer_forward_all(struct weir_output *out, const struct weir_output *inner)
{
	for (unsigned i = 0; i < inner->count; i++)
		weir_output_forward(out, &inner->pieces[i], 0, inner->pieces[i].size);
}

static enum weir_more glob_producer_more(struct weir_producer *producer, struct weir_output *out)
{
	struct glob *glob = (struct glob *)producer;
	struct weir_piece pieces[PRODUCER_INNER_PIECES];
	struct weir_output inner;
	size_t want = min_of(glob->size, weir_output_room(out));
	unsigned free_pieces = min_of(output_free_pieces(out), PRODUCER_INNER_PIECES);
	weir_output_init_inner(&inner, out, pieces, free_pieces, want);
	enum weir_more more = weir_producer_more(glob->child, &inner);
	size_t size;
	char *to = NULL;
	if (more == WEIR_MORE && inner.size < want)
		to = weir_output_reserve(out, want, &size);
	if (!to) { /* complete, or, without memory, as many as there are */
		glob_producer_forward_all(out, &inner);
		return more;
	}
	more = producer_fill(glob->child, &inner, more, to, want, &size);
	weir_output_commit(out, size);
	return more;
}

static void glob_producer_close(struct weir_producer *producer, enum weir_close_reason why)
{
	producer_close_passing(producer, ((struct glob *)producer)->child, why);
	free(producer);
}

static int64_t glob_producer_size(const struct weir_producer *producer)
{
	return weir_producer_size(((const struct glob *)producer)->child);
}

static const struct weir_producer_type glob_type = {
        .name = "glob",
        .more = glob_producer_more,
        .close = glob_producer_close,
        .size = glob_producer_size,
};

struct weir_producer *weir_produce_glob(struct weir_producer *child, size_t size)
{
	struct glob *glob = child ? malloc(sizeof *glob) : NULL;
	if (!glob) {
		weir_producer_close(child, WEIR_CLOSE_FAILED);
		return NULL;
	}
	weir_producer_init(&glob->base, &glob_type);
	glob->child = child;
	glob->size = size ? size : 1;
	weir_producer_adopt(&glob->base, child);
	return &glob->base;
}
