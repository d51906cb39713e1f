/* The cutter: an input in reads of chosen sizes must lead to the same calls as in one piece. */
#include <stdlib.h>
#include <string.h>

#include <weir/cutter.h>
#include <weir/list.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sum of what was called, in which pieces that follow on each other are one. */
struct calls {
	struct weir_cutter cutter;
	uint64_t sum;
};

static void add(struct weir_cutter *cutter, uint64_t number)
{
	struct calls *calls = WEIR_CONTAINER(cutter, struct calls, cutter);
	calls->sum = (calls->sum ^ number) * 1099511628211u;
}

static void on_piece(struct weir_cutter *cutter, struct weir_span bytes)
{
	if (bytes.size == 0)
		abort();
	for (size_t i = 0; i < bytes.size; i++)
		add(cutter, (unsigned char)bytes.data[i]);
}

/* The bytes of a request choose the next terminator. */
static void on_request(struct weir_cutter *cutter, struct weir_span request)
{
	static const char delimiters[][6] = {"\n", "\r\n", "aab", "abab", "\r\n.\r\n"};
	struct weir_terminator next = weir_until_line_end();
	add(cutter, 1000 + request.size);
	for (size_t i = 0; i < request.size; i++)
		add(cutter, (unsigned char)request.data[i]);
	unsigned choice = request.size ? (unsigned char)request.data[0] : 0;
	if (choice % 3 == 0)
		next = weir_length(choice / 3 + 1);
	else
		next = weir_until(weir_span_of(delimiters[choice % 5]));
	if (choice % 2)
		weir_cutter_stream(cutter, next);
	else
		weir_cutter_await(cutter, next);
}

static void on_overflow(struct weir_cutter *cutter, int error)
{
	add(cutter, (uint64_t)error);
}

static const struct weir_cutter_type type = {on_request, on_piece, on_overflow, NULL};

static uint64_t cut(const uint8_t *data, size_t size, size_t step)
{
	struct calls calls = {0};
	weir_cutter_init(&calls.cutter, weir_until_line_end(), 40);
	for (size_t at = 0; at < size; at += step) {
		size_t part = size - at < step ? size - at : step;
		char *copy = malloc(part);
		if (!copy)
			abort();
		memcpy(copy, data + at, part);
		if (weir_cutter_feed(&calls.cutter, &type, weir_span(copy, part)) < 0)
			abort();
		free(copy);
	}
	weir_cutter_finish(&calls.cutter);
	return calls.sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	uint64_t whole = cut(data, size, size);
	if (cut(data, size, 1) != whole || cut(data, size, data[0] % 16 + 1) != whole)
		abort();
	return 0;
}
