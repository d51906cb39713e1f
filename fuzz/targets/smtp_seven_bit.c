/*
 * Encoding a message for a server that takes 7 bits: the plan does not depend on the pieces in
 * which the message comes, the producer writes what the plan has, and nothing is left to encode.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "seven_bit.h"

#include "../../tests/support/drain.c"
#include "../../tests/support/probe.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static int scanned(struct weir_span message, size_t step, struct seven_bit_plan *ret)
{
	struct seven_bit_scan *scan = seven_bit_scan_create();
	const char *fault = NULL;
	check(scan, "no memory");
	for (size_t at = 0; at < message.size; at += step)
		seven_bit_scan_consume(
		        scan, weir_span(message.data + at,
		                      message.size - at < step ? message.size - at : step));
	int error = seven_bit_scan_finish(scan, ret, &fault);
	check(!fault == !error, "a fault without an error");
	seven_bit_scan_destroy(scan);
	return error;
}

static void check_same(const struct seven_bit_plan *a, const struct seven_bit_plan *b)
{
	uint64_t end = 0;
	check(a->count == b->count, "the plan depends on the pieces");
	for (size_t i = 0; i < a->count; i++) {
		const struct seven_bit_edit *edit = &a->edits[i], *other = &b->edits[i];
		check(edit->start == other->start && edit->end == other->end &&
		                edit->text == other->text && edit->action == other->action,
		        "an edit depends on the pieces");
		check(edit->start >= end && edit->end >= edit->start, "edits overlap");
		end = edit->end;
	}
}

static void check_producer(
        struct weir_loop *loop, const struct seven_bit_plan *plan, struct weir_span message)
{
	struct drain drained = {.loop = loop, .dice.state = message.size};
	struct seven_bit_plan again = {0};
	uint64_t announced = 0;
	int fd = file_of(message);
	const char *wrong = drain(&drained, seven_bit_producer(plan, fd, message.size));
	check(!wrong, wrong);
	struct weir_span result = weir_buffer_span(&drained.bytes);
	check(scanned(result, SIZE_MAX / 2, &again) == 0, "the result cannot be encoded");
	check(again.count == 0, "something was left to encode");
	check(seven_bit_size(plan, fd, message.size, &announced) == 0, "a file that ends early");
	bool lines = true; /* end in CRLF, so that none grows */
	for (size_t i = 0; i < message.size; i++)
		lines &= message.data[i] != '\n' || (i && message.data[i - 1] == '\r');
	check(!lines || announced == result.size, "a wrong size");
	close(fd);
	drain_free(&drained);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weir_loop *loop;
	if (!loop && weir_loop_create(&loop) < 0)
		abort();
	if (size < 1 || size > 16384)
		return 0;
	weir_loop_turn(loop, 0); /* the budget of transformers is for one turn */
	struct weir_span message = weir_span(data + 1, size - 1);
	struct seven_bit_plan whole = {0}, pieces = {0};
	int error = scanned(message, SIZE_MAX / 2, &whole);
	check(scanned(message, 1 + data[0] % 32, &pieces) == error, "the pieces decide");
	check(error == 0 || error == WEIR_E_SYNTAX, "an error that is none");
	check_same(&whole, &pieces);
	if (whole.count)
		check_producer(loop, &whole, message);
	seven_bit_plan_free(&whole);
	seven_bit_plan_free(&pieces);
	return 0;
}
