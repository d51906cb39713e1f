/* The pipes of a loop, and outputs with the content of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/limits.h>

#include "allocation.h"
#include "loop_internal.h"
#include "producer_internal.h"
#include "with_loop.h"

static void pipes_are_used_again(void **state)
{
	struct weir_loop *loop = *state;
	struct pipe *first = pipe_take(loop);
	assert_non_null(first);
	pipe_release(first, true);
	assert_ptr_equal(pipe_take(loop), first);
	assert_int_equal(write(first->in, "x", 1), 1);
	pipe_release(first, false);
	struct pipe *second = pipe_take(loop);
	char byte;
	assert_non_null(second);
	assert_int_equal(read(second->out, &byte, 1), -1);
	pipe_release(second, true);
	pipe_release(NULL, true);
}

static void pipes_are_bounded(void **state)
{
	struct weir_loop *loop = *state;
	struct pipe *pipes[WEIR_PIPES_MAX];
	for (unsigned i = 0; i < WEIR_PIPES_MAX; i++) {
		pipes[i] = pipe_take(loop);
		assert_non_null(pipes[i]);
	}
	assert_null(pipe_take(loop));
	pipe_release(pipes[0], false);
	pipes[0] = pipe_take(loop);
	assert_non_null(pipes[0]);
	for (unsigned i = 0; i < WEIR_PIPES_MAX; i++)
		pipe_release(pipes[i], true);
}

static void there_is_no_pipe_without_memory(void **state)
{
	struct weir_loop *loop = *state;
	for (unsigned i = 0; i < 2; i++) {
		fail_allocation_after(i, false);
		assert_null(pipe_take(loop));
		assert_true(stop_failing_allocations());
	}
	struct pipe *pipe = pipe_take(loop);
	assert_non_null(pipe);
	pipe_release(pipe, true);
}

static void an_output_takes_the_content_of_a_pipe(void **state)
{
	struct weir_loop *loop = *state;
	struct weir_piece pieces[4];
	struct weir_output out;
	struct weir_span bytes;
	struct pipe *pipe = pipe_take(loop);
	char copy[16];
	output_init(&out, loop, pieces, 4, 100);
	assert_int_equal(output_pipe_room(&out), 0);
	assert_int_equal(output_pipe(&out, pipe->out, 5), 0);
	out.takes_pipes = true;
	out.file_room = 1000;
	assert_int_equal(output_pipe_room(&out), 1000);
	assert_int_equal(write(pipe->in, "helloworld!", 11), 11);
	assert_int_equal(output_pipe(&out, pipe->out, 5), 5);
	assert_int_equal(out.pieces[0].kind, WEIR_PIECE_PIPE);
	assert_int_equal(output_read(&out, copy), 0);
	assert_memory_equal(copy, "hello", 5);
	assert_int_equal(weir_output_bytes(&out, &pieces[0], &bytes), 0);
	assert_memory_equal(bytes.data, "world", 5);
	/* Bytes that the pipe does not have are an error, and nothing to wait for. */
	assert_true(weir_output_bytes(&out, &pieces[0], &bytes) < 0);
	arena_reset(loop_arena(loop));
	pipe_release(pipe, false);
}

static void no_transformer_gets_a_pipe(void **state)
{
	struct weir_loop *loop = *state;
	struct weir_piece pieces[4], inner_pieces[4];
	struct weir_output out, inner;
	output_init(&out, loop, pieces, 4, 100);
	out.takes_pipes = true;
	weir_output_init_inner(&inner, &out, inner_pieces, 4, 100);
	assert_int_equal(output_pipe_room(&inner), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(there_is_no_pipe_without_memory), /* while the loop has none */
	        cmocka_unit_test(pipes_are_used_again),
	        cmocka_unit_test(pipes_are_bounded),
	        cmocka_unit_test(an_output_takes_the_content_of_a_pipe),
	        cmocka_unit_test(no_transformer_gets_a_pipe),
	};
	return cmocka_run_group_tests(tests, make_loop, destroy_loop);
}
