/* A log on a full disk: lines are whole, counted, reported. The forms of lines. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
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
	        cmocka_unit_test(text_of_a_peer_forges_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
