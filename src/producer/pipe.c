/*
 * The pipes of a loop. A pipe that was given back is empty, so that no byte of one transfer reaches
 * another. Where no pipe is to be had, for want of descriptors or memory, the caller copies.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/limits.h>

#include "loop_internal.h"
#include "producer_internal.h"

struct pipe_pool {
	struct pipe *idle;
	unsigned idle_count;
	unsigned count; /* in all */
};

static void pipe_close(struct pipe *pipe)
{
	close(pipe->in);
	close(pipe->out);
	free(pipe);
}

static void pipe_destroy_pool(void *object)
{
	struct pipe_pool *pool = object;
	for (struct pipe *pipe = pool->idle, *next; pipe; pipe = next) {
		next = pipe->next;
		pipe_close(pipe);
	}
	free(pool);
}

static struct pipe_pool *pipe_pool_of(struct weir_loop *loop)
{
	static const struct loop_object_type type = {"pipes", pipe_destroy_pool};
	struct pipe_pool *pool = loop_object(loop, &type);
	if (!pool && (pool = calloc(1, sizeof *pool)))
		loop_set_object(loop, &type, pool);
	return pool;
}

static struct pipe *pipe_open(struct pipe_pool *pool)
{
	int ends[2];
	struct pipe *pipe = malloc(sizeof *pipe);
	if (!pipe)
		return NULL;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		free(pipe);
		return NULL;
	}
	/* A user with many pipes may not enlarge them; then it takes more calls. */
	fcntl(ends[1], F_SETPIPE_SZ, WEIR_PIPE_SIZE);
	*pipe = (struct pipe){.pool = pool, .in = ends[1], .out = ends[0]};
	pool->count++;
	return pipe;
}

struct pipe *pipe_take(struct weir_loop *loop)
{
	struct pipe_pool *pool = pipe_pool_of(loop);
	struct pipe *pipe = pool ? pool->idle : NULL;
	if (!pipe)
		return pool && pool->count < WEIR_PIPES_MAX ? pipe_open(pool) : NULL;
	pool->idle = pipe->next;
	pool->idle_count--;
	return pipe;
}

void pipe_release(struct pipe *pipe, bool empty)
{
	if (!pipe)
		return;
	struct pipe_pool *pool = pipe->pool;
	if (empty && pool->idle_count < WEIR_PIPES_IDLE_MAX) {
		pipe->next = pool->idle;
		pool->idle = pipe;
		pool->idle_count++;
		return;
	}
	pool->count--;
	pipe_close(pipe);
}
