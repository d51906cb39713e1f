/*
 * Every short input, cut into reads in every way, must lead to the same calls as in one piece, and
 * to those of a model that knows nothing of reads: it splits at the first delimiter, by search.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/cutter.h>
#include <weir/error.h>
#include <weir/list.h>

#include "sanitized.h"

enum {
	LETTERS = 3,
	LONGEST = SANITIZED ? 6 : 7,
	TEXT_MAX = 128
};

/* The calls as text: r(bytes), o for an overflow, pieces joined as p(bytes). */
struct calls {
	struct weir_cutter cutter;
	char text[TEXT_MAX];
	size_t size;
	bool in_piece;
	unsigned helds; /* bit n: the n-th question is answered with yes, once */
	unsigned asked;
};

static void add(struct calls *calls, const char *data, size_t size)
{
	if (calls->size + size >= TEXT_MAX)
		abort();
	memcpy(calls->text + calls->size, data, size);
	calls->size += size;
}

static void end_piece(struct calls *calls)
{
	if (calls->in_piece)
		add(calls, ")", 1);
	calls->in_piece = false;
}

static struct calls *calls_of(const struct weir_cutter *cutter)
{
	return WEIR_CONTAINER(cutter, struct calls, cutter);
}

static void on_request(struct weir_cutter *cutter, struct weir_span request)
{
	struct calls *calls = calls_of(cutter);
	end_piece(calls);
	add(calls, "r(", 2);
	add(calls, request.data, request.size);
	add(calls, ")", 1);
}

static void on_piece(struct weir_cutter *cutter, struct weir_span bytes)
{
	struct calls *calls = calls_of(cutter);
	if (bytes.size == 0)
		abort();
	if (!calls->in_piece)
		add(calls, "p(", 2);
	calls->in_piece = true;
	add(calls, bytes.data, bytes.size);
}

static void on_overflow(struct weir_cutter *cutter, int error)
{
	add(calls_of(cutter), error == WEIR_E_LIMIT ? "o" : "x", 1);
}

static bool on_held(const struct weir_cutter *cutter)
{
	struct calls *calls = calls_of(cutter);
	unsigned bit = calls->asked++;
	return bit < 32 && calls->helds >> bit & 1;
}

static const struct weir_cutter_type free_type = {on_request, on_piece, on_overflow, NULL};
static const struct weir_cutter_type held_type = {on_request, on_piece, on_overflow, on_held};

static void start(
        struct calls *calls, struct weir_terminator terminator, bool streamed, uint32_t max)
{
	*calls = (struct calls){0};
	weir_cutter_init(&calls->cutter, terminator, max);
	if (streamed)
		weir_cutter_stream(&calls->cutter, terminator);
}

/* Each read lies in memory of exactly its size, which is gone after it. */
static void feed(
        struct calls *calls, const struct weir_cutter_type *type, const char *data, size_t size)
{
	char *copy = malloc(size ? size : 1);
	memcpy(copy, data, size);
	if (weir_cutter_feed(&calls->cutter, type, weir_span(copy, size)) != 0)
		abort();
	memset(copy, '!', size);
	free(copy);
}

/* A bit of `cuts` set: a read ends behind that byte. */
static void feed_cut(struct calls *calls, const struct weir_cutter_type *type, const char *data,
        size_t size, unsigned cuts)
{
	for (size_t from = 0, at = 1; at <= size; at++) {
		if (at < size && !(cuts >> (at - 1) & 1))
			continue;
		feed(calls, type, data + from, at - from);
		from = at;
	}
	end_piece(calls);
}

static void model_until(struct calls *model, const char *delimiter, const char *data, size_t size,
        bool streamed, uint32_t max)
{
	size_t length = strlen(delimiter);
	const char *end = data + size, *at;
	while ((at = memmem(data, (size_t)(end - data), delimiter, length))) {
		size_t request = (size_t)(at - data);
		if (streamed) {
			if (request)
				on_piece(&model->cutter, weir_span(data, request));
			on_request(&model->cutter, weir_span(data, 0));
		} else if (request > max) {
			add(model, "o", 1);
		} else {
			on_request(&model->cutter, weir_span(data, request));
		}
		data = at + length;
	}
	/* Bytes that may become a delimiter are held back, and not counted. */
	size_t rest = (size_t)(end - data), hold = rest < length ? rest : length - 1;
	while (memcmp(end - hold, delimiter, hold) != 0)
		hold--;
	if (streamed && rest > hold)
		on_piece(&model->cutter, weir_span(data, rest - hold));
	else if (!streamed && rest - hold > max)
		add(model, "o", 1);
	end_piece(model);
}

/* Lines end in LF; a CR just before it is not part of them. */
static void model_line(
        struct calls *model, const char *data, size_t size, bool streamed, uint32_t max)
{
	const char *end = data + size, *at;
	while ((at = memchr(data, '\n', (size_t)(end - data)))) {
		size_t request = (size_t)(at - data);
		request -= request && at[-1] == '\r';
		if (streamed) {
			if (request)
				on_piece(&model->cutter, weir_span(data, request));
			on_request(&model->cutter, weir_span(data, 0));
		} else if (request > max) {
			add(model, "o", 1);
		} else {
			on_request(&model->cutter, weir_span(data, request));
		}
		data = at + 1;
	}
	size_t rest = (size_t)(end - data);
	rest -= rest && end[-1] == '\r';
	if (streamed && rest)
		on_piece(&model->cutter, weir_span(data, rest));
	else if (!streamed && rest > max)
		add(model, "o", 1);
	end_piece(model);
}

static void model_length(struct calls *model, size_t length, const char *data, size_t size,
        bool streamed, uint32_t max)
{
	while (size >= length || size) {
		size_t take = size < length ? size : length;
		if (streamed)
			on_piece(&model->cutter, weir_span(data, take));
		else if (take > max)
			add(model, "o", 1);
		if (take == length && (streamed || take <= max))
			on_request(&model->cutter, weir_span(data, streamed ? 0 : take));
		data += take;
		size -= take;
	}
	end_piece(model);
}

static void check_same(const struct calls *calls, const struct calls *model, const char *data,
        size_t size, unsigned cuts)
{
	if (calls->size == model->size && memcmp(calls->text, model->text, model->size) == 0)
		return;
	fail_msg("input %.*s cut %x: \"%.*s\" and not \"%.*s\"", (int)size, data, cuts,
	        (int)calls->size, calls->text, (int)model->size, model->text);
}

/* Calls `check` for every input of up to LONGEST letters. */
static void for_all_inputs(
        void (*check)(const char *data, size_t size, const void *context), const void *context)
{
	for (size_t size = 0, count = 1; size <= LONGEST; size++, count *= LETTERS) {
		for (size_t number = 0; number < count; number++) {
			char data[LONGEST];
			for (size_t i = 0, rest = number; i < size; i++, rest /= LETTERS)
				data[i] = (char)('a' + rest % LETTERS);
			check(data, size, context);
		}
	}
}

struct variant {
	const char *delimiter; /* NULL: the length, or a line */
	bool line;
	size_t length;
	bool streamed;
	uint32_t max;
};

static void run_model(
        struct calls *model, const struct variant *variant, const char *data, size_t size)
{
	*model = (struct calls){0};
	if (variant->line)
		model_line(model, data, size, variant->streamed, variant->max);
	else if (variant->delimiter)
		model_until(model, variant->delimiter, data, size, variant->streamed, variant->max);
	else
		model_length(model, variant->length, data, size, variant->streamed, variant->max);
}

static struct weir_terminator terminator_of(const struct variant *variant)
{
	if (variant->line)
		return weir_until_any_line_end();
	return variant->delimiter ? weir_until(weir_span_of(variant->delimiter))
	                          : weir_length(variant->length);
}

/* Where lines are cut, 'a' stands for LF and 'b' for CR. */
static const char *letters(
        const struct variant *variant, const char *data, size_t size, char text[LONGEST])
{
	if (!variant->line)
		return data;
	for (size_t i = 0; i < size; i++)
		text[i] = data[i] == 'a' ? '\n' : data[i] == 'b' ? '\r' : data[i];
	return text;
}

static void check_all_cuts(const char *data, size_t size, const void *context)
{
	const struct variant *variant = context;
	struct calls model, calls;
	char text[LONGEST] = {0};
	data = letters(variant, data, size, text);
	run_model(&model, variant, data, size);
	for (unsigned cuts = 0; cuts < 1u << (size ? size - 1 : 0); cuts++) {
		start(&calls, terminator_of(variant), variant->streamed, variant->max);
		feed_cut(&calls, &free_type, data, size, cuts);
		check_same(&calls, &model, data, size, cuts);
		weir_cutter_finish(&calls.cutter);
	}
}

static const struct variant variants[] = {
        {.delimiter = "a", .max = 100},
        {.delimiter = "ab", .max = 100},
        {.delimiter = "aab", .max = 100},
        {.delimiter = "aba", .max = 100},
        {.delimiter = "aa", .max = 100},
        {.delimiter = "abcab", .max = 100},
        {.delimiter = "a", .max = 2},
        {.delimiter = "ab", .max = 2},
        {.delimiter = "aab", .max = 1},
        {.delimiter = "aba", .max = 0},
        {.delimiter = "a", .streamed = true},
        {.delimiter = "ab", .streamed = true},
        {.delimiter = "aab", .streamed = true},
        {.delimiter = "aba", .streamed = true},
        {.delimiter = "aa", .streamed = true},
        {.delimiter = "abcab", .streamed = true},
        {.length = 1, .max = 100},
        {.length = 3, .max = 3},
        {.length = 3, .streamed = true},
        {.length = 1, .streamed = true},
        {.line = true, .max = 100},
        {.line = true, .max = 2},
        {.line = true, .max = 0},
        {.line = true, .streamed = true},
};

static void every_cut_of_every_input_is_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
		for_all_inputs(check_all_cuts, &variants[i]);
}

/* Held at any of the questions: what waits is cut by a feed of nothing. */
static void check_all_holds(const char *data, size_t size, const void *context)
{
	const struct variant *variant = context;
	struct calls model, calls;
	char text[LONGEST] = {0};
	if (size != LONGEST - 2)
		return;
	data = letters(variant, data, size, text);
	run_model(&model, variant, data, size);
	for (unsigned helds = 0; helds < 64; helds++) {
		unsigned cuts = helds * 7 % 16;
		start(&calls, terminator_of(variant), variant->streamed, variant->max);
		calls.helds = helds;
		for (size_t from = 0, at = 1; at <= size; at++) {
			if (at < size && !(cuts >> (at - 1) & 1))
				continue;
			feed(&calls, &held_type, data + from, at - from);
			from = at;
		}
		for (int i = 0; i < 32; i++)
			feed(&calls, &held_type, "", 0);
		end_piece(&calls);
		check_same(&calls, &model, data, size, cuts);
		weir_cutter_finish(&calls.cutter);
	}
}

static void a_hold_anywhere_loses_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
		for_all_inputs(check_all_holds, &variants[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_cut_of_every_input_is_the_same),
	        cmocka_unit_test(a_hold_anywhere_loses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
