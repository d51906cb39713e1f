/* Bodies in chunks: written, owned, read back, discarded, swept. */
#include "migrated.h"

#include "allocation.h"
#include "database_body.h"
#include "drain.h"
#include "helper.h"

static struct weir_database *database;
static struct weir_loop *loop;
static struct database_loop *at;

struct writing {
	struct body_writer writer;
	int ready, ready_error;
	int finished, error;
};

static void on_ready(void *context, int error)
{
	struct writing *writing = context;
	writing->ready++;
	writing->ready_error = error;
}

static void on_finished(struct body_writer *writer, int error)
{
	struct writing *writing = WEIR_CONTAINER(writer, struct writing, writer);
	writing->finished++;
	writing->error = error;
}

static void writing_init(struct writing *writing, uint64_t most)
{
	memset(writing, 0, sizeof *writing);
	assert_int_equal(body_writer_init(&writing->writer, at, most, on_ready, writing), 0);
}

/* The byte at an offset of every body here. */
static char byte_at(size_t at_offset)
{
	return (char)(at_offset * 2654435761u >> 13);
}

/* Writes in pieces, and waits while the writer is full. */
static void write_all(struct writing *writing, size_t size, size_t piece)
{
	char *bytes = malloc(piece);
	assert_non_null(bytes);
	for (size_t done = 0; done < size;) {
		size_t part = size - done < piece ? size - done : piece;
		for (size_t i = 0; i < part; i++)
			bytes[i] = byte_at(done + i);
		int ready = writing->ready;
		int result = body_writer_write(&writing->writer, weir_span(bytes, part));
		assert_true(result >= 0);
		if (result == WEIR_MAIL_FULL)
			assert_true(TURN_UNTIL(loop, writing->ready > ready));
		assert_int_equal(writing->ready_error, 0);
		done += part;
	}
	free(bytes);
}

static void finish(struct writing *writing)
{
	body_writer_finish(&writing->writer, on_finished);
	assert_true(TURN_UNTIL(loop, writing->finished));
}

/* The statement of an owner that takes the body, or does not. */
static const char *own(struct writing *writing, bool takes)
{
	static char result[128];
	struct weir_postgres_value values[3];
	char number[BODY_NUMBER_SIZE];
	struct weir_postgres_call_options options;
	struct heard heard = {0};
	static const char *const texts[2][2] = {
	        {"WITH m AS (SELECT 1 WHERE false), " BODY_SQL_CHUNK " SELECT count(*) FROM m",
	                "WITH m AS (SELECT 1), " BODY_SQL_CHUNK " SELECT count(*) FROM m"},
	        {"WITH " BODY_SQL_CLAIM
	         ", m AS (SELECT 1 FROM claimed WHERE false), " BODY_SQL_CLAIMED ", " BODY_SQL_CHUNK
	         " SELECT count(*) FROM m",
	                "WITH " BODY_SQL_CLAIM ", m AS (SELECT 1 FROM claimed), " BODY_SQL_CLAIMED
	                ", " BODY_SQL_CHUNK " SELECT count(*) FROM m"},
	};
	body_writer_values(&writing->writer, values, number);
	struct weir_postgres_statement statement = {
	        texts[writing->writer.chunks > 0][takes], values, 3};
	weir_postgres_call_options_init(&options);
	options.statements = &statement;
	assert_int_equal(
	        weir_postgres_call_start(at->pool, &options, &heard_events, &heard, &heard.call),
	        0);
	heard_await_end(&heard, loop);
	text_copy_span(result, sizeof result, weir_buffer_span(&heard.text));
	strncat(result, heard.constraint, sizeof result / 2);
	heard_clear(&heard);
	return result;
}

/* Bodies, and rows for the sweep. */
static const char *count_rows(void)
{
	return migrated_run("SELECT (SELECT count(DISTINCT body) FROM weir_body_chunk),"
	                    " (SELECT count(*) FROM weir_body_sweep)");
}

static void expect_rows(const char *wanted)
{
	assert_string_equal(count_rows(), wanted);
}

static void expect_body(const char *id, char *first, size_t first_size, size_t size)
{
	struct drain drained = {.loop = loop, .room = 9000, .pieces = 8};
	const char *wrong = drain(&drained, body_produce(at->pool, id, first, first_size, size));
	if (wrong)
		fail_msg("%s", wrong);
	assert_int_equal(drained.end, WEIR_DONE);
	assert_int_equal(drained.bytes.size, size);
	for (size_t i = 0; i < size; i++)
		if (drained.bytes.data[i] != byte_at(i))
			fail_msg("another byte at %zu", i);
	drain_free(&drained);
}

static void reset(void)
{
	migrated_run("TRUNCATE weir_body_chunk, weir_body_sweep, weir_body_holder");
}

/* -- tests ------------------------------------------------------------------------------------- */

/* Around the sizes of chunks, in pieces of several sizes. */
static void bodies_come_back(void **state)
{
	static const size_t sizes[] = {0, 1, WEIR_DATABASE_CHUNK - 1, WEIR_DATABASE_CHUNK,
	        WEIR_DATABASE_CHUNK + 1, 2 * WEIR_DATABASE_CHUNK, 20 * WEIR_DATABASE_CHUNK + 7};
	static const size_t pieces[] = {999, 40000, 3 * WEIR_DATABASE_CHUNK};
	(void)state;
	reset();
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
			struct writing writing;
			writing_init(&writing, SIZE_MAX);
			write_all(&writing, sizes[i], pieces[k]);
			finish(&writing);
			assert_int_equal(writing.error, 0);
			assert_int_equal(writing.writer.scan.stored, sizes[i]);
			assert_string_equal(own(&writing, true), "(1).");
			/* Repeated after an unknown outcome. */
			assert_string_equal(own(&writing, true),
			        writing.writer.chunks ? "(0)." : "uweir_body_chunk_pkey");
			body_writer_free(&writing.writer, false);
			expect_body(writing.writer.id, NULL, 0, sizes[i]);
		}
	expect_rows("21|0");
	assert_int_equal(at->buffered, 0);
}

static void the_first_chunk_may_be_there(void **state)
{
	enum {
		SIZE = 2 * WEIR_DATABASE_CHUNK + 5
	};
	struct writing writing;
	(void)state;
	writing_init(&writing, SIZE_MAX);
	write_all(&writing, SIZE, 1000);
	finish(&writing);
	assert_string_equal(own(&writing, true), "(1).");
	body_writer_free(&writing.writer, false);
	char *first = malloc(WEIR_DATABASE_CHUNK);
	assert_non_null(first);
	for (size_t i = 0; i < WEIR_DATABASE_CHUNK; i++)
		first[i] = byte_at(i);
	expect_body(writing.writer.id, first, WEIR_DATABASE_CHUNK, SIZE);
	/* One that is gone, one that is shorter and one that is longer than it should be. */
	for (int i = 0; i < 3; i++) {
		struct drain drained = {.loop = loop, .room = 9000, .pieces = 8};
		const char *id = i ? writing.writer.id : "00000000-0000-7000-8000-000000000000";
		size_t size = i == 2 ? 10 : SIZE + 1;
		assert_null(drain(&drained, body_produce(at->pool, id, NULL, 0, size)));
		assert_int_equal(drained.end, WEIR_FAILED);
		drain_free(&drained);
	}
}

static void a_body_that_nobody_takes_goes(void **state)
{
	(void)state;
	reset();
	for (int chunks = 0; chunks < 3; chunks++) {
		struct writing writing;
		writing_init(&writing, SIZE_MAX);
		write_all(&writing, (size_t)chunks * WEIR_DATABASE_CHUNK + 9, 5000);
		finish(&writing);
		assert_string_equal(own(&writing, false), "(0).");
		expect_rows(chunks ? "1|1" : "0|0");
		body_writer_free(&writing.writer, true);
		struct heard heard = {0};
		CALL(&heard, at->pool, "SELECT 1");
		heard_expect(&heard, loop, "(1).");
		expect_rows("0|0");
	}
	/* A discard after a commit of which the front end has not heard. */
	struct writing writing;
	writing_init(&writing, SIZE_MAX);
	write_all(&writing, 100000, 5000);
	finish(&writing);
	assert_string_equal(own(&writing, true), "(1).");
	body_writer_free(&writing.writer, true);
	expect_body(writing.writer.id, NULL, 0, 100000);
	expect_rows("1|0");
}

/* Aborted at any moment; what a lost chunk leaves is found by the sweep. */
static void aborted_at_any_point(void **state)
{
	(void)state;
	reset();
	for (int turns = 0; turns < 12; turns++) {
		struct writing writing;
		static char bytes[5 * WEIR_DATABASE_CHUNK];
		writing_init(&writing, SIZE_MAX);
		assert_true(
		        body_writer_write(&writing.writer, weir_span(bytes, sizeof bytes)) >= 0);
		for (int i = 0; i < turns; i++)
			weir_loop_turn(loop, 1);
		if (turns % 2)
			body_writer_finish(&writing.writer, on_finished);
		body_writer_free(&writing.writer, true);
		assert_int_equal(at->buffered, 0);
	}
	/* Statements that were sent may still take effect. */
	bool gone = false;
	for (int i = 0; i < 1000 && !gone; i++) {
		struct heard heard = {0};
		migrated_run("UPDATE weir_body_sweep SET due = now()");
		assert_int_equal(body_sweep(at->pool, &heard_events, &heard, &heard.call), 0);
		heard_await_end(&heard, loop);
		heard_clear(&heard);
		gone = strcmp(count_rows(), "0|0") == 0;
	}
	assert_true(gone);
}

static void the_sweep_leaves_what_is_held(void **state)
{
	struct heard heard = {0};
	(void)state;
	reset();
	migrated_run(
	        "INSERT INTO weir_body_chunk SELECT gen_random_uuid(), 0, 'x' FROM"
	        " generate_series(1, 5); INSERT INTO weir_body_sweep SELECT body, 'a', now() FROM"
	        " weir_body_chunk; INSERT INTO weir_body_holder SELECT body, 'b' FROM"
	        " weir_body_chunk ORDER BY body LIMIT 2; UPDATE weir_body_sweep SET due = now() +"
	        " interval '1 hour' WHERE body = (SELECT body FROM weir_body_chunk ORDER BY body"
	        " DESC LIMIT 1)");
	assert_int_equal(body_sweep(at->pool, &heard_events, &heard, &heard.call), 0);
	heard_expect(&heard, loop, "(4).");
	expect_rows("3|1");
}

/* Swept while it was written: it has no owner, and no chunk follows. */
static void a_body_that_was_swept_fails(void **state)
{
	struct writing writing;
	(void)state;
	reset();
	writing_init(&writing, SIZE_MAX);
	write_all(&writing, 2 * WEIR_DATABASE_CHUNK, 5000);
	assert_true(TURN_UNTIL(loop, writing.writer.rooted));
	migrated_run("DELETE FROM weir_body_chunk; DELETE FROM weir_body_sweep");
	finish(&writing);
	assert_string_equal(own(&writing, true), "(0).");
	body_writer_free(&writing.writer, true);
	writing_init(&writing, SIZE_MAX);
	write_all(&writing, WEIR_DATABASE_CHUNK + 1, 5000);
	assert_true(TURN_UNTIL(loop, writing.writer.rooted));
	migrated_run("DELETE FROM weir_body_chunk; DELETE FROM weir_body_sweep");
	write_all(&writing, WEIR_DATABASE_CHUNK, 5000);
	finish(&writing);
	assert_int_equal(writing.error, -ETIMEDOUT);
	body_writer_free(&writing.writer, true);
	expect_rows("0|0");
}

static void bounds_are_kept(void **state)
{
	static char bytes[64 * 1024];
	struct writing writing;
	(void)state;
	writing_init(&writing, 10);
	assert_int_equal(body_writer_write(&writing.writer, weir_span(bytes, 11)), WEIR_E_LIMIT);
	assert_int_equal(body_writer_write(&writing.writer, weir_span(bytes, 1)), WEIR_E_LIMIT);
	finish(&writing);
	assert_int_equal(writing.error, WEIR_E_LIMIT);
	body_writer_free(&writing.writer, true);
	/* A writer that does not wait has its writes, and four chunks on the way. */
	writing_init(&writing, SIZE_MAX);
	for (int i = 0; i < 4; i++)
		body_writer_write(&writing.writer, weir_span(bytes, sizeof bytes));
	assert_int_equal(at->buffered, 4 * sizeof bytes);
	assert_int_equal(body_writer_write(&writing.writer, weir_span(bytes, 1)), WEIR_MAIL_FULL);
	body_writer_free(&writing.writer, true);
	assert_int_equal(at->buffered, 0);
	/* Many that come slowly: what is there leaves early. */
	at->buffered = WEIR_DATABASE_BUFFER;
	writing_init(&writing, SIZE_MAX);
	body_writer_write(&writing.writer, weir_span(bytes, 1000));
	assert_int_equal(writing.writer.chunks, 0);
	body_writer_write(&writing.writer, weir_span(bytes, 4000));
	assert_int_equal(writing.writer.chunks, 1);
	finish(&writing);
	assert_int_equal(writing.error, 0);
	assert_string_equal(own(&writing, true), "(1).");
	at->buffered -= WEIR_DATABASE_BUFFER;
	body_writer_free(&writing.writer, true);
	assert_int_equal(at->buffered, 0);
}

static void without_memory(void **state)
{
	bool failed = true;
	(void)state;
	for (unsigned good = 0; failed; good++) {
		static char bytes[3 * WEIR_DATABASE_CHUNK];
		struct writing writing;
		writing_init(&writing, SIZE_MAX);
		fail_allocation_after(good, false);
		int error = body_writer_write(&writing.writer, weir_span(bytes, sizeof bytes));
		body_writer_finish(&writing.writer, on_finished);
		TURN_UNTIL(loop, writing.finished);
		failed = stop_failing_allocations();
		assert_int_equal(writing.finished, 1);
		assert_true(failed || (writing.error == 0 && error >= 0));
		body_writer_free(&writing.writer, true);
		assert_int_equal(at->buffered, 0);
	}
}

static int start_all(void **state)
{
	migrated_setup(state);
	database = migrated_open(NULL);
	return weir_loop_create(&loop) || database_loop_get(database, loop, &at);
}

static int stop_all(void **state)
{
	migrated_close(database, loop);
	return migrated_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(bodies_come_back),
	        cmocka_unit_test(the_first_chunk_may_be_there),
	        cmocka_unit_test(a_body_that_nobody_takes_goes),
	        cmocka_unit_test(aborted_at_any_point),
	        cmocka_unit_test(the_sweep_leaves_what_is_held),
	        cmocka_unit_test(a_body_that_was_swept_fails),
	        cmocka_unit_test(bounds_are_kept),
	        cmocka_unit_test(without_memory),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
