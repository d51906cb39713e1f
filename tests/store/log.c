/*
 * A log on a full disk: lines are whole, counted, reported. Lines that are sent, levels, and the
 * forms of lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/buffer.h>
#include <weir/log.h>
#include <weir/loop.h>
#include <weir/metrics.h>

#include "allocation.h"

static struct weir_loop *loop;
static struct weir_log *log_of_test;
static char path[] = "/tmp/weir-log-XXXXXX";
static int failures, recoveries;

static void note_failure(void *context, int error)
{
	(void)context;
	if (error < 0)
		failures++;
	else
		recoveries++;
}

static int set_up(void **state)
{
	(void)state;
	strcpy(path, "/tmp/weir-log-XXXXXX");
	int fd = mkstemp(path);
	failures = recoveries = 0;
	signal(SIGXFSZ, SIG_IGN);
	if (fd < 0 || weir_loop_create(&loop) < 0)
		return -1;
	close(fd);
	return weir_log_create(loop, path, &log_of_test);
}

static int tear_down(void **state)
{
	(void)state;
	weir_log_destroy(log_of_test);
	weir_loop_destroy(loop);
	unlink(path);
	return 0;
}

/* The disk is full when a file has this size. */
static void set_disk(rlim_t size)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void put_line(unsigned number)
{
	struct weir_buffer *line = weir_log_begin(log_of_test, WEIR_LOG_INFO, 100);
	assert_non_null(line);
	weir_buffer_format(line, WEIR_LOG_QUEUE_MAX, "line %06u of the log\n", number);
	weir_log_end(log_of_test);
}

static void turn_for_ms(int64_t ms)
{
	int64_t end = weir_loop_now_ms(loop) + ms;
	while (weir_loop_now_ms(loop) < end)
		weir_loop_turn(loop, 20);
}

static struct weir_buffer read_file(void)
{
	struct weir_buffer text = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(weir_buffer_read(&text, fd, 1 << 20), 0);
	assert_int_equal(weir_buffer_append(&text, "", 1, 1 << 20), 0);
	close(fd);
	return text;
}

static uint64_t counted(const char *name)
{
	for (const struct weir_metric_set *set = weir_metrics_first(loop); set; set = set->next)
		for (const struct weir_metric *row = set->table->metrics; row->name; row++)
			if (strcmp(row->name, name) == 0)
				return weir_metric_read(&set->cells[row->cell]);
	return 0;
}

enum {
	PIPED = 8000, /* lines, which are more than a pipe holds */
	PIPED_SIZE = 23,
};

/* Reads what is in the pipe; the lines are whole, and begin with this number. Returns the next. */
static unsigned read_pipe(int fd, unsigned number)
{
	char text[PIPED_SIZE + 1] = "";
	unsigned found;
	for (; read(fd, text, PIPED_SIZE) == PIPED_SIZE; number++)
		assert_true(sscanf(text, "line %u of the log\n", &found) == 1 && found == number);
	return number;
}

/*
 * A reader that stops, as `less` does: neither the loop nor the end of the log waits for it. When
 * the reader goes on, nothing is missing.
 */
static void a_pipe_that_nobody_reads_is_not_waited_for(void **state)
{
	int ends[2];
	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	weir_log_destroy(log_of_test);
	assert_int_equal(weir_log_adopt(loop, "pipe", ends[1], NULL, &log_of_test), 0);
	for (unsigned i = 0; i < PIPED; i++)
		put_line(i);
	turn_for_ms(600);
	for (unsigned count = 0; count < PIPED; weir_loop_turn(loop, 100))
		count = read_pipe(ends[0], count);
	for (unsigned i = 0; i < PIPED; i++)
		put_line(i);
	turn_for_ms(600);
	weir_log_destroy(log_of_test);
	log_of_test = NULL;
	unsigned count = read_pipe(ends[0], 0);
	assert_true(count > 0 && count < PIPED);
	assert_int_equal(counted("weir_log_lost_lines_total"), PIPED - count);
	close(ends[0]);
}

static void a_full_disk_tears_no_line(void **state)
{
	(void)state;
	enum {
		LINES = 40,
		SIZE = 23, /* bytes of a line */
		FIT = 10,
	};
	weir_log_on_failure(log_of_test, note_failure, NULL);
	/* Room for ten lines and a half. */
	set_disk(FIT * SIZE + SIZE / 2);
	for (unsigned i = 0; i < LINES; i++)
		put_line(i);
	turn_for_ms(600);
	struct weir_buffer text = read_file();
	assert_int_equal(text.size - 1, FIT * SIZE);
	assert_int_equal(failures, 1);
	assert_int_equal(counted("weir_log_lost_lines_total"), LINES - FIT);
	weir_buffer_finish(&text);
	/* There is room again: a line ends the pause, and the next one follows the report. */
	set_disk(RLIM_INFINITY);
	put_line(100);
	turn_for_ms(600);
	put_line(101);
	turn_for_ms(600);
	text = read_file();
	assert_non_null(
	        strstr(text.data, "line 000009 of the log\nline 000100 of the log\n"
	                          "# 30 lines were lost here: the disk was full or too slow\n"
	                          "line 000101 of the log\n"));
	assert_int_equal(recoveries, 1);
	assert_int_equal(counted("weir_log_lines_total"), LINES + 2);
	weir_buffer_finish(&text);
}

/* -- sending ----------------------------------------------------------------------------------- */

/* The lines that a socket has got: "<level>line" after "<level>line". */
static struct {
	char text[8192];
	unsigned failing; /* so many lines are not taken */
	unsigned waits;   /* lines that may be waited for */
} socket_of_test;

static int note_line(
        const char *name, int fd, enum weir_log_level level, struct weir_span line, bool may_wait)
{
	size_t used = strlen(socket_of_test.text);
	assert_string_equal(name, path);
	assert_true(fd >= 0);
	if (may_wait)
		socket_of_test.waits++;
	if (socket_of_test.failing) {
		socket_of_test.failing--;
		return -EAGAIN;
	}
	snprintf(socket_of_test.text + used, sizeof socket_of_test.text - used, "<%d>%.*s",
	        (int)level, (int)line.size, line.data);
	return 0;
}

static int set_up_sending(void **state)
{
	memset(&socket_of_test, 0, sizeof socket_of_test);
	if (set_up(state) < 0)
		return -1;
	weir_log_set_send(log_of_test, note_line);
	return 0;
}

static int tear_down_level(void **state)
{
	weir_log_set_level(WEIR_LOG_INFO);
	return tear_down(state);
}

static void put_level(enum weir_log_level level, enum weir_log_format format, const char *text)
{
	struct weir_buffer *line = weir_log_begin(log_of_test, level, 1000);
	if (!line)
		return;
	weir_log_open_line(line, format, WEIR_LOG_QUEUE_MAX);
	weir_log_add_text(line, format, "a", weir_span_of(text), WEIR_LOG_QUEUE_MAX);
	weir_log_close_line(line, format, WEIR_LOG_QUEUE_MAX);
	weir_log_end(log_of_test);
}

static void lines_are_sent_with_their_levels(void **state)
{
	(void)state;
	put_level(WEIR_LOG_INFO, WEIR_LOG_LOGFMT, "one\n");
	put_level(WEIR_LOG_ERROR, WEIR_LOG_LOGFMT, "two\x03\x06");
	put_level(WEIR_LOG_WARNING, WEIR_LOG_JSON, "\x04");
	turn_for_ms(400);
	assert_string_equal(socket_of_test.text, "<6>a=\"one\\x0A\"<3>a=\"two\\x03\\x06\""
	                                         "<4>{\"a\":\"\\u0004\"}");
	struct weir_buffer text = read_file();
	assert_int_equal(text.size - 1, 0);
	weir_buffer_finish(&text);
}

static void the_end_of_a_log_sends_what_waits(void **state)
{
	put_level(WEIR_LOG_INFO, WEIR_LOG_LOGFMT, "one");
	put_level(WEIR_LOG_WARNING, WEIR_LOG_LOGFMT, "two");
	weir_log_destroy(log_of_test);
	log_of_test = NULL;
	assert_string_equal(socket_of_test.text, "<6>a=\"one\"<4>a=\"two\"");
	(void)state;
}

/* The first line of a buffer is not taken, the second one is: the failure is reported. */
static void a_line_that_is_not_taken_is_counted(void **state)
{
	(void)state;
	weir_log_on_failure(log_of_test, note_failure, NULL);
	socket_of_test.failing = 2;
	for (unsigned i = 0; i < 3; i++)
		put_level(WEIR_LOG_INFO, WEIR_LOG_LOGFMT, "one");
	turn_for_ms(400);
	assert_string_equal(socket_of_test.text, "<6>a=\"one\"");
	assert_int_equal(failures, 1);
	assert_int_equal(socket_of_test.waits, 1);
	assert_int_equal(counted("weir_log_lost_lines_total"), 2);
	put_level(WEIR_LOG_INFO, WEIR_LOG_LOGFMT, "two");
	turn_for_ms(400);
	assert_int_equal(recoveries, 1);
	put_level(WEIR_LOG_INFO, WEIR_LOG_LOGFMT, "three");
	turn_for_ms(400);
	assert_string_equal(socket_of_test.text,
	        "<6>a=\"one\"<6>a=\"two\"<4># 2 lines were lost here: the socket was full or too "
	        "slow<6>a=\"three\"");
}

/* -- levels and forms -------------------------------------------------------------------------- */

static void a_level_leaves_lines_out(void **state)
{
	(void)state;
	assert_int_equal(weir_log_level(), WEIR_LOG_INFO);
	weir_log_set_level(WEIR_LOG_WARNING);
	put_level(WEIR_LOG_INFO, WEIR_LOG_LOGFMT, "info");
	put_level(WEIR_LOG_WARNING, WEIR_LOG_LOGFMT, "warning");
	weir_log_set_level(WEIR_LOG_ERROR);
	put_level(WEIR_LOG_WARNING, WEIR_LOG_LOGFMT, "warning");
	put_level(WEIR_LOG_ERROR, WEIR_LOG_LOGFMT, "error");
	turn_for_ms(400);
	assert_string_equal(socket_of_test.text, "<4>a=\"warning\"<3>a=\"error\"");
	assert_int_equal(counted("weir_log_lost_lines_total"), 0);
}

static void a_line_without_its_end_is_dropped(void **state)
{
	(void)state;
	put_line(1);
	struct weir_buffer *line = weir_log_begin(log_of_test, WEIR_LOG_INFO, 10);
	weir_buffer_append(line, "a=\"", 3, WEIR_LOG_QUEUE_MAX);
	weir_log_end(log_of_test);
	assert_non_null(weir_log_begin(log_of_test, WEIR_LOG_INFO, 10));
	weir_log_end(log_of_test);
	assert_int_equal(counted("weir_log_lost_lines_total"), 2);
	weir_log_destroy(log_of_test);
	log_of_test = NULL;
	struct weir_buffer text = read_file();
	assert_string_equal(text.data,
	        "line 000001 of the log\n# 1 lines were lost here: the disk was full or too slow\n"
	        "# 1 lines were lost here: the disk was full or too slow\n");
	weir_buffer_finish(&text);
}

/* With any bound a line is one that can be parsed: quotes are closed, fields are whole. */
static void text_without_room_is_cut_off(void **state)
{
	(void)state;
	static const char *const json[] = {"{", "{\"a\":\"\"", "{\"a\":\"x\"",
	        "{\"a\":\"x\\u0022\"", "{\"a\":\"x\\u0022\",\"b\":12"};
	static const char *const logfmt[] = {
	        "", "a=\"\"", "a=\"x\"", "a=\"x\\x22\"", "a=\"x\\x22\" b=12"};
	for (enum weir_log_format format = WEIR_LOG_LOGFMT; format <= WEIR_LOG_JSON; format++)
		for (size_t max = 1; max < 40; max++) {
			const char *const *wanted = format == WEIR_LOG_JSON ? json : logfmt;
			struct weir_buffer line = {0};
			size_t known = 0;
			weir_log_open_line(&line, format, max);
			weir_log_add_text(&line, format, "a", WEIR_SPAN("x\""), max);
			if (line.size > strlen(wanted[0]))
				weir_log_add_number(&line, format, "b", 12, max);
			weir_buffer_append(&line, "", 1, 100);
			while (known < 5 && strcmp(line.data, wanted[known]) != 0)
				known++;
			assert_true(known < 5);
			assert_true(strlen(line.data) <= max);
			assert_true(max < 30 || known == 4);
			weir_buffer_finish(&line);
		}
}

static void without_memory_no_field_is_torn(void **state)
{
	(void)state;
	bool failed = true;
	for (unsigned good = 0; failed; good++) {
		struct weir_buffer line = {0};
		fail_allocation_after(good, true);
		weir_log_add_text(&line, WEIR_LOG_LOGFMT, "a", WEIR_SPAN("x"), 1000);
		weir_log_add_text(&line, WEIR_LOG_LOGFMT, "b",
		        WEIR_SPAN("------------------------------------------------------------"
		                  "--------------------------------------------------------------"
		                  "------------------------------------------------------------"),
		        1000);
		failed = stop_failing_allocations();
		unsigned quotes = 0;
		for (size_t i = 0; i < line.size; i++)
			quotes += line.data[i] == '"';
		assert_int_equal(quotes % 2, 0);
		assert_true(line.size == 0 || line.data[line.size - 1] == '"');
		weir_buffer_finish(&line);
	}
}

static void text_of_a_peer_forges_nothing(void **state)
{
	(void)state;
	static const char hostile[] = "a\"}\n{\"x\":\"\\ \x1b\x80\xff";
	struct weir_buffer line = {0};
	struct weir_span text = weir_span(hostile, sizeof hostile - 1);
	weir_log_open_line(&line, WEIR_LOG_JSON, 1000);
	weir_log_add_text(&line, WEIR_LOG_JSON, "one", text, 1000);
	weir_log_add_number(&line, WEIR_LOG_JSON, "two", 7, 1000);
	weir_log_close_line(&line, WEIR_LOG_JSON, 1000);
	weir_buffer_append(&line, "", 1, 1000);
	assert_string_equal(line.data, "{\"one\":\"a\\u0022}\\u000A{\\u0022x\\u0022:\\u0022\\u005C "
	                               "\\u001B\\u0080\\u00FF\",\"two\":7}\n");
	weir_buffer_finish(&line);
	weir_log_open_line(&line, WEIR_LOG_LOGFMT, 1000);
	weir_log_add_number(&line, WEIR_LOG_LOGFMT, "two", 7, 1000);
	weir_log_add_text(&line, WEIR_LOG_LOGFMT, "one", text, 1000);
	weir_log_close_line(&line, WEIR_LOG_LOGFMT, 1000);
	weir_buffer_append(&line, "", 1, 1000);
	assert_string_equal(
	        line.data, "two=7 one=\"a\\x22}\\x0A{\\x22x\\x22:\\x22\\x5C \\x1B\\x80\\xFF\"\n");
	weir_buffer_finish(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_full_disk_tears_no_line, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                a_pipe_that_nobody_reads_is_not_waited_for, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                lines_are_sent_with_their_levels, set_up_sending, tear_down),
	        cmocka_unit_test_setup_teardown(
	                the_end_of_a_log_sends_what_waits, set_up_sending, tear_down),
	        cmocka_unit_test_setup_teardown(
	                a_line_that_is_not_taken_is_counted, set_up_sending, tear_down),
	        cmocka_unit_test_setup_teardown(
	                a_level_leaves_lines_out, set_up_sending, tear_down_level),
	        cmocka_unit_test_setup_teardown(
	                a_line_without_its_end_is_dropped, set_up, tear_down),
	        cmocka_unit_test(text_without_room_is_cut_off),
	        cmocka_unit_test(without_memory_no_field_is_torn),
	        cmocka_unit_test(text_of_a_peer_forges_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
