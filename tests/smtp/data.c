/*
 * The scan of a message against a plain model, which reads one byte at a time: random input of the
 * bytes that matter, cut at random, and the forms that have been used for smuggling.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <weir/buffer.h>
#include <weir/cutter.h>

#include "smtp_syntax.h"

/* -- through the cutter ------------------------------------------------------------------------ */

struct received {
	struct weir_cutter cutter;
	struct smtp_data data;
	struct weir_buffer bytes;
	bool ended;
};

static struct received *received_of(struct weir_cutter *cutter)
{
	return (struct received *)cutter;
}

static void put(struct received *received, const char *bytes, size_t size)
{
	assert_int_equal(weir_buffer_append(&received->bytes, bytes, size, SIZE_MAX), 0);
}

static void settle(struct received *received)
{
	if (received->data.line_end == SMTP_LINE_END_CR)
		put(received, "\r", 1);
	if (received->data.line_end == SMTP_LINE_END_CRLF)
		put(received, "\r\n", 2);
	received->data.line_end = SMTP_LINE_END_NONE;
}

static void on_piece(struct weir_cutter *cutter, struct weir_span bytes)
{
	struct received *received = received_of(cutter);
	assert_true(bytes.size > 0);
	settle(received);
	put(received, bytes.data, bytes.size);
}

static void on_request(struct weir_cutter *cutter, struct weir_span request)
{
	struct received *received = received_of(cutter);
	assert_int_equal(request.size, 0);
	settle(received);
	if (received->data.cut == WEIR_SMTP_CUT_BARE)
		put(received, "\r\n", 2);
	received->ended = smtp_data_ended(&received->data);
}

static void on_overflow(struct weir_cutter *cutter, int error)
{
	(void)cutter;
	fail_msg("refused: %d", error);
}

static bool held(const struct weir_cutter *cutter)
{
	return ((const struct received *)cutter)->ended;
}

static const struct weir_cutter_type type = {on_request, on_piece, on_overflow, held};

/* Feeds a stretch, up to the end if it has one; returns the bytes used. */
static size_t feed(struct received *received, const char *text, size_t size)
{
	struct weir_region region;
	/* A copy of the exact size, so that a sanitizer detects a read beyond it. */
	char *copy = malloc(size ? size : 1);
	memcpy(copy, text, size);
	assert_int_equal(weir_cutter_begin(&received->cutter, weir_span(copy, size), &region), 0);
	weir_cutter_cut(&received->cutter, &type, &region);
	size_t left = received->ended ? region.size : 0;
	if (received->ended)
		region.size = 0;
	assert_int_equal(weir_cutter_save(&received->cutter, &region), 0);
	free(copy);
	return size - left;
}

static void begin(struct received *received, bool chunk, bool binary, bool normalise)
{
	*received = (struct received){0};
	smtp_data_init(&received->data, chunk, binary, normalise);
	weir_cutter_init(&received->cutter, weir_until_line_end(), 100);
	weir_cutter_stream(&received->cutter, smtp_data_terminator(&received->data));
}

static void end(struct received *received)
{
	weir_cutter_finish(&received->cutter);
	weir_buffer_finish(&received->bytes);
}

/* -- the model --------------------------------------------------------------------------------- */

struct model {
	char bytes[4096];
	size_t size;
	size_t used; /* with the end; 0: there is none */
	bool bare;
};

/* `line`: dots at the start of lines are special. */
static void model_take(
        struct model *model, const char *text, size_t size, bool dots, bool normalise)
{
	bool line = true;
	for (size_t i = 0; i < size;) {
		const char *at = text + i;
		size_t left = size - i;
		if (dots && line && left >= 3 && memcmp(at, ".\r\n", 3) == 0) {
			model->used = i + 3;
			return;
		}
		if (dots && line && *at == '.') {
			line = false;
			i++;
			continue;
		}
		bool whole = left >= 2 && memcmp(at, "\r\n", 2) == 0;
		bool bare = !whole && (*at == '\r' || *at == '\n');
		line = whole;
		model->bare |= bare;
		if (whole || (bare && normalise)) {
			model->bytes[model->size++] = '\r';
			model->bytes[model->size++] = '\n';
		} else {
			model->bytes[model->size++] = *at;
		}
		i += whole ? 2 : 1;
	}
}

static size_t random_text(char *text, size_t most)
{
	static const char alphabet[] = "\r\r\r\n\n\n\n...ab";
	size_t size = (size_t)rand() % most;
	for (size_t i = 0; i < size; i++) {
		if (rand() % 3 == 0 && i + 2 < size) {
			text[i++] = '\r';
			text[i] = '\n';
		} else {
			text[i] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
		}
	}
	return size;
}

/* Cuts of every size, mostly small ones. */
static size_t random_cut(size_t left)
{
	size_t size = rand() % 2 ? 1 + (size_t)rand() % 3 : 1 + (size_t)rand() % 40;
	return size < left ? size : left;
}

/* -- DATA -------------------------------------------------------------------------------------- */

static void compare_data(const char *text, size_t size, bool normalise)
{
	struct model model = {0};
	struct received received;
	size_t at = 0;
	model_take(&model, text, size, true, normalise);
	begin(&received, false, false, normalise);
	while (at < size && !received.ended) {
		size_t cut = random_cut(size - at);
		size_t used = feed(&received, text + at, cut);
		at += used;
	}
	assert_int_equal(received.ended, model.used > 0);
	if (received.ended) {
		assert_int_equal(at, model.used);
		assert_int_equal(received.data.bare, model.bare);
		assert_int_equal(received.bytes.size, model.size);
		if (model.size && (normalise || !model.bare))
			assert_memory_equal(received.bytes.data, model.bytes, model.size);
	}
	end(&received);
}

static void messages_are_as_the_model_has_them(void **state)
{
	(void)state;
	char text[1200];
	srand(1);
	for (int i = 0; i < 60000; i++) {
		size_t size = random_text(text, i % 50 ? 40 : 1100);
		memcpy(text + size, "\r\n.\r\n", 5);
		compare_data(text, size + 5, i % 2);
	}
}

/* Forms that other servers have taken for the end of a message, or for its dot. */
static void what_smuggles_does_not_end(void **state)
{
	(void)state;
	static const char *const ends[] = {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r",
	        "\r.\r\n", "\n\n.\r\n", "\r\n.\r\r\n", "\r\r\n.\r\r\n", "\n.\r\r\n", "\r\n\0.\r\n",
	        "\r\n .\r\n", "\r\n. \r\n", "\r\n..\r\n", "\r\n.\r\0\n", "\n\r.\n\r"};
	static const size_t sizes[] = {3, 4, 4, 3, 4, 4, 5, 6, 8, 5, 6, 6, 6, 6, 6, 5};
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		char text[64] = "text";
		memcpy(text + 4, ends[i], sizes[i]);
		memcpy(text + 4 + sizes[i], "MAIL FROM:<a@b>\r\n", 17);
		size_t size = 4 + sizes[i] + 17;
		for (size_t cut = 0; cut <= size; cut++) {
			struct received received;
			begin(&received, false, false, false);
			feed(&received, text, cut);
			feed(&received, text + cut, size - cut);
			assert_false(received.ended);
			feed(&received, ".\r\n", 3);
			assert_true(received.ended);
			bool innocent = strstr(ends[i], " ") || strstr(ends[i], "..") || i == 10;
			assert_int_equal(received.data.bare, !innocent);
			end(&received);
		}
	}
}

static void the_shortest_messages(void **state)
{
	(void)state;
	struct received received;
	begin(&received, false, false, false);
	assert_int_equal(feed(&received, ".\r\nQUIT", 7), 3);
	assert_true(received.ended);
	assert_int_equal(received.bytes.size, 0);
	end(&received);
	begin(&received, false, false, false);
	assert_int_equal(feed(&received, "\r\n.\r\n.\r\n", 8), 5);
	assert_int_equal(received.bytes.size, 2);
	end(&received);
	begin(&received, false, false, false);
	feed(&received, "..\r\n..a\r\n.b\r\n.\r\n", 16);
	assert_int_equal(received.bytes.size, 10);
	assert_memory_equal(received.bytes.data, ".\r\n.a\r\nb\r\n", 10);
	end(&received);
}

/* Long lines are passed on as they come, and need no memory. */
static void a_line_without_end(void **state)
{
	(void)state;
	static char text[100000];
	struct received received;
	memset(text, 'x', sizeof text);
	begin(&received, false, false, false);
	for (int i = 0; i < 10; i++) {
		feed(&received, text, sizeof text);
		assert_null(received.cutter.saved);
	}
	assert_int_equal(received.bytes.size, 10 * sizeof text);
	end(&received);
}

/* -- BDAT -------------------------------------------------------------------------------------- */

/* A message in chunks of random size, each cut at random. */
static void compare_chunks(const char *text, size_t size, bool normalise)
{
	struct model model = {0};
	struct received received;
	size_t at = 0;
	model_take(&model, text, size, false, normalise);
	begin(&received, true, false, normalise);
	while (at < size) {
		size_t chunk = random_cut(size - at);
		received.data.left = chunk;
		received.ended = false;
		weir_cutter_stream(&received.cutter, smtp_data_terminator(&received.data));
		for (size_t done = 0; done < chunk;) {
			size_t cut = random_cut(chunk - done);
			done += feed(&received, text + at + done, cut);
			assert_int_equal(received.ended, done == chunk);
		}
		at += chunk;
	}
	if (received.data.cr) {
		received.data.bare = true;
		put(&received, "\r\n", 2);
	}
	assert_int_equal(received.data.bare, model.bare);
	if (normalise || !model.bare) {
		assert_int_equal(received.bytes.size, model.size);
		if (model.size)
			assert_memory_equal(received.bytes.data, model.bytes, model.size);
	}
	end(&received);
}

static void chunks_are_as_the_model_has_them(void **state)
{
	(void)state;
	char text[1200];
	srand(2);
	for (int i = 0; i < 60000; i++)
		compare_chunks(text, random_text(text, i % 50 ? 40 : 1100), i % 2);
}

static void binary_chunks_are_not_looked_at(void **state)
{
	(void)state;
	struct received received;
	begin(&received, true, true, true);
	received.data.left = 8;
	assert_int_equal(feed(&received, "\r\r\n\n", 4), 4);
	assert_false(received.ended);
	assert_int_equal(feed(&received, "\n.\r\r\n.\r\n", 9), 4);
	assert_true(received.ended);
	assert_false(received.data.bare);
	assert_int_equal(received.bytes.size, 8);
	assert_memory_equal(received.bytes.data, "\r\r\n\n\n.\r\r", 8);
	end(&received);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(messages_are_as_the_model_has_them),
	        cmocka_unit_test(what_smuggles_does_not_end),
	        cmocka_unit_test(the_shortest_messages),
	        cmocka_unit_test(a_line_without_end),
	        cmocka_unit_test(chunks_are_as_the_model_has_them),
	        cmocka_unit_test(binary_chunks_are_not_looked_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
