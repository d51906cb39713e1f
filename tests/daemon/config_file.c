/* Files into a configuration: whichever allocation fails, it is a problem and nothing leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "allocation.h"
#include "config.h"
#include "table.h"

static const char main_text[] = "include: b.yaml\n"
                                "listen: [{http: 127.0.0.1:8080}, {ftp: '127.0.0.1:21'}]\n"
                                "sites:\n"
                                "  - root: /\n"
                                "    names: [a.org]\n"
                                "    fields: {X-A: b}\n"
                                "    redirect: [{from: a, to: /b}]\n"
                                "limits: {idle: 5s}\n";
static const char other_text[] = "sites: [{root: /, names: [b.org, c.org]}]\n"
                                 "limits: {drain: 5s}\n"
                                 "ftp: {hosts: [a.org], passive-ports: 2000-2100}\n"
                                 "guard: {exempt: [10.0.0.0/8]}\n";

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "we");
	assert_non_null(file);
	assert_int_equal(fputs(text, file) >= 0, 1);
	fclose(file);
}

static int enter_directory(void **state)
{
	static char directory[] = "/tmp/weir-config-file.XXXXXX";
	*state = directory;
	if (!mkdtemp(directory) || chdir(directory) < 0)
		return -1;
	write_file("a.yaml", main_text);
	write_file("b.yaml", other_text);
	return 0;
}

static int leave_directory(void **state)
{
	unlink("a.yaml");
	unlink("b.yaml");
	return chdir("/") < 0 ? -1 : rmdir(*state);
}

/* Returns the number of problems; without any the configuration is printed, too. */
static size_t read_and_print(char **ret_text)
{
	struct problems problems = {.file = "a.yaml"};
	struct config *config = config_file_read(&problems, NULL);
	size_t count = problems.count, size;
	FILE *to = config ? open_memstream(ret_text, &size) : NULL;
	if (config && (!to || !table_print(to, &table_top, config)))
		count++;
	if (to)
		fclose(to);
	problems_free(&problems);
	config_release(config);
	return count;
}

static void a_configuration_is_read_and_printed(void **state)
{
	char *text = NULL;
	(void)state;
	assert_int_equal(read_and_print(&text), 0);
	assert_non_null(strstr(text, "listen:\n  - http: 127.0.0.1:8080\n  - ftp: 127.0.0.1:21\n"));
	assert_non_null(strstr(text, "names: [b.org, c.org]\n"));
	assert_non_null(strstr(text, "fields: {X-A: b}\n"));
	assert_non_null(strstr(text, "passive-ports: 2000-2100\n"));
	assert_non_null(strstr(text, "  idle: 5s\n"));
	assert_non_null(strstr(text, "  drain: 5s\n"));
	free(text);
}

static void without_memory_there_is_no_configuration(void **state)
{
	bool failed = true;
	(void)state;
	for (unsigned good = 0; failed; good++) {
		char *text = NULL;
		fail_allocation_after(good, false);
		size_t problems = read_and_print(&text);
		failed = stop_failing_allocations();
		if (!failed)
			assert_int_equal(problems, 0);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_configuration_is_read_and_printed),
	        cmocka_unit_test(without_memory_there_is_no_configuration),
	};
	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
