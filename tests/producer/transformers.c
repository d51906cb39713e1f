/*
 * All transformers under all circumstances: room of one byte and of many, few free_pieces, children
 * that lend, copy or give files, that wait, that fail; closed early at every point, and without
 * memory.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "allocation.h"
#include "decode.h"
#include "drain.h"
#include "sanitized.h"
#include "subjects.h"

enum {
	SMALL = 900,
	LARGE = 100 * 1000
};

static struct weir_loop *loop;
static char text[LARGE];

/* There are no threads here: the thread sanitizer's build tests its other compressor alone. */
static const struct subject *chosen[32];
static unsigned chosen_count;

static int set_up(void **state)
{
	(void)state;
	assert_in_range(subjects_count, 1, sizeof chosen / sizeof *chosen);
	for (unsigned i = 0; i < subjects_count; i++)
		if (!THREAD_SANITIZED || subjects[i].compresses)
			chosen[chosen_count++] = &subjects[i];
	fill_text(text, sizeof text, 1);
	return weir_loop_create(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	return 0;
}

static void check(const struct subject *subject, struct probe probe, struct drain drained)
{
	drained.loop = loop;
	probe.loop = loop;
	const char *wrong = drain(&drained, subject->wrap(probe_create(&probe)));
	if (wrong)
		fail_msg("%s: %s", subject->name, wrong);
	bool whole = drained.end == WEIR_DONE;
	if (whole == probe.fails && !(whole && subject->ends_early))
		fail_msg("%s: ended with %d", subject->name, drained.end);
	if (!subject->check(probe.bytes, weir_buffer_span(&drained.bytes), whole))
		fail_msg("%s: wrong bytes: kind %d, step %zu, room %zu, pieces %u", subject->name,
		        probe.kind, probe.step, drained.room, drained.pieces);
	assert_int_equal(probes_open, 0);
	drain_free(&drained);
}

/* Leaves out what other rooms and pieces show, too, since each takes its time. */
static bool tells_more(const struct probe *probe, size_t room, unsigned pieces, unsigned usual)
{
	bool large = probe->bytes.size > SMALL;
	/* Less than 100 bytes never take 128 pieces. */
	if (room && (room < 100 ? large || pieces == 128 : large && room < 700))
		return false;
	if (SANITIZED && pieces != usual)
		return false;
	/* A wait is a turn of the loop: with each room once, and not for each byte. */
	return !probe->waits || (pieces == usual && probe->step != 1);
}

static void check_in_rooms(const struct subject *subject, struct probe probe)
{
	static const size_t rooms[] = {1, 2, 100, 700, 64 * 1024, 72 * 1024, 1024 * 1024, 0};
	static const unsigned free_pieces[] = {1, 128, 0};
	for (unsigned r = 0; r < sizeof rooms / sizeof *rooms; r++)
		for (unsigned p = 0; p < sizeof free_pieces / sizeof *free_pieces; p++) {
			struct drain drained = {.room = rooms[r], .pieces = free_pieces[p]};
			drained.dice.state = r * 3 + p;
			if (tells_more(&probe, rooms[r], free_pieces[p], free_pieces[r % 3]))
				check(subject, probe, drained);
		}
}

static void check_in_kinds(const struct subject *subject, struct probe probe)
{
	for (int kind = PROBE_LEND; kind <= PROBE_MIXED; kind++)
		for (int waits = 0; waits < 2; waits++) {
			probe.kind = (enum probe_kind)kind;
			probe.waits = waits;
			probe.seed = (uint64_t)kind;
			check_in_rooms(subject, probe);
		}
}

static void every_transformer_in_every_room(void **state)
{
	(void)state;
	static const size_t steps[] = {0, 1, 37};
	for (unsigned i = 0; i < chosen_count; i++) {
		for (unsigned s = 0; s < 3; s++)
			check_in_kinds(chosen[i],
			        (struct probe){.bytes = weir_span(text, SMALL), .step = steps[s]});
		check_in_kinds(
		        chosen[i], (struct probe){.bytes = weir_span(text, LARGE), .step = 9000});
		check_in_kinds(chosen[i], (struct probe){.bytes = weir_span(text, LARGE)});
		check_in_kinds(chosen[i], (struct probe){.bytes = weir_span(text, 0)});
	}
}

static void a_child_that_fails_fails_all_and_its_bytes_still_go(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 49, 50, 700, SMALL};
	for (unsigned i = 0; i < chosen_count; i++)
		for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++)
			check_in_kinds(chosen[i], (struct probe){.bytes = weir_span(text, sizes[s]),
			                                  .step = 500,
			                                  .fails = true});
}

static void closing_early_at_any_point_frees_all(void **state)
{
	(void)state;
	for (unsigned i = 0; i < chosen_count; i++)
		for (size_t stop = 1; stop < 900; stop += stop < 30 ? 1 : 17) {
			struct probe probe = {.loop = loop,
			        .bytes = weir_span(text, SMALL),
			        .step = stop % 3 ? 0 : 10,
			        .waits = stop % 5 == 0,
			        .kind = PROBE_MIXED,
			        .seed = stop};
			struct drain drained = {
			        .loop = loop, .room = 1 + stop % 50, .stop_at = stop};
			assert_null(drain(&drained, chosen[i]->wrap(probe_create(&probe))));
			assert_int_equal(probes_open, 0);
			drain_free(&drained);
		}
}

static void closing_before_the_first_ask_frees_all(void **state)
{
	(void)state;
	for (unsigned i = 0; i < chosen_count; i++) {
		struct probe probe = {.loop = loop, .bytes = weir_span(text, 10)};
		weir_producer_close(chosen[i]->wrap(probe_create(&probe)), WEIR_CLOSE_ABORTED);
		assert_int_equal(probes_open, 0);
		assert_null(chosen[i]->wrap(NULL));
	}
}

/* True when no allocation failed any more. */
static bool run_without_memory(
        const struct subject *subject, struct probe probe, size_t room, unsigned good)
{
	struct drain drained = {.room = room, .pieces = good % 2 ? 128 : 3};
	if (weir_loop_create(&drained.loop) < 0) /* so that its arena and compressor are new */
		abort();
	probe.loop = drained.loop;
	fail_allocation_after(good, false);
	struct weir_producer *producer = subject->wrap(probe_create(&probe));
	const char *wrong = producer ? drain(&drained, producer) : NULL;
	bool failed = stop_failing_allocations();
	if (wrong)
		fail_msg("%s: %s", subject->name, wrong);
	if (producer && drained.end == WEIR_DONE &&
	        !subject->check(probe.bytes, weir_buffer_span(&drained.bytes), true))
		fail_msg("%s: wrong bytes after allocation %u failed", subject->name, good);
	assert_int_equal(probes_open, 0);
	drain_free(&drained);
	weir_loop_destroy(drained.loop);
	return !failed;
}

static void without_memory_nothing_leaks_and_nothing_is_wrong(void **state)
{
	(void)state;
	static const size_t rooms[] = {20, 500, 72 * 1024};
	for (unsigned i = 0; i < chosen_count; i++)
		for (int kind = PROBE_LEND; kind <= PROBE_FILE; kind++)
			for (unsigned r = 0; r < 3; r++) {
				struct probe probe = {.bytes = weir_span(text, SMALL),
				        .step = kind == PROBE_COPY ? 300 : 0,
				        .kind = (enum probe_kind)kind};
				unsigned good = 0;
				while (!run_without_memory(chosen[i], probe, rooms[r], good))
					good++;
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_transformer_in_every_room),
	        cmocka_unit_test(a_child_that_fails_fails_all_and_its_bytes_still_go),
	        cmocka_unit_test(closing_early_at_any_point_frees_all),
	        cmocka_unit_test(closing_before_the_first_ask_frees_all),
	        cmocka_unit_test(without_memory_nothing_leaks_and_nothing_is_wrong),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
