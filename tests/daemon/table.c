/*
 * The table and its types: which values each type accepts and refuses, that defaults are stored and
 * every row is complete, and that the reading of a document comes to an end, however it is tangled.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "allocation.h"
#include "cli.h"
#include "document.h"
#include "table.h"
#include "types.h"

struct inner {
	const char *text;
};

struct everything {
	const char *text;
	const char *file;
	bool flag;
	uint64_t number;
	uint64_t workers;
	uint64_t size;
	uint64_t duration;
	unsigned word;
	struct weir_address address;
	struct list networks;
	struct inner mapping;
	struct {
		struct inner *items;
		size_t count;
	} list;
};

#define IN(member) offsetof(struct everything, member)

static const struct key inner_keys[] = {
        {"text", &type_text, offsetof(struct inner, text), .required = true},
        {0},
};
static const struct section inner = {
        .what = "an inner", .keys = inner_keys, .size = sizeof(struct inner)};
static const char *const words[] = {"none", "some", "all", NULL};

static const struct key keys[] = {
        {"text", &type_text, IN(text), .preset_text = "a text"},
        {"file", &type_file, IN(file)},
        {"flag", &type_flag, IN(flag)},
        {"number", &type_number, IN(number), .min = 2, .max = 10, .preset = 3},
        {"workers", &type_number, IN(workers), .min = 1, .max = 64, .zero = "auto"},
        {"size", &type_size, IN(size), .min = 1, .max = UINT64_MAX},
        {"duration", &type_duration, IN(duration), .min = 1, .max = UINT64_MAX, .preset = 1500},
        {"word", &type_word, IN(word), .words = words, .preset = 1},
        {"address", &type_address, IN(address), .needs = "flag"},
        {"networks", &type_networks, IN(networks), .min = 1, .max = 2,
                .preset_text = "127.0.0.0/8, ::1"},
        {"mapping", &type_section, IN(mapping), .of = &inner},
        {"list", &type_sections, IN(list), .of = &inner, .max = 3},
        {0},
};
static const struct section everything = {
        .what = "everything", .keys = keys, .size = sizeof(struct everything)};

struct reading {
	struct problems problems;
	struct memory memory;
	struct everything got;
};

/* Returns the number of problems. */
static size_t read_text(struct reading *reading, const char *text)
{
	static const struct source source = {"test", "/etc/test", 0};
	struct memory nodes = {0};
	struct node *root;
	*reading = (struct reading){.problems = {.file = "test"}};
	struct reader reader = {
	        .memory = &reading->memory, .problems = &reading->problems, .directory = "/"};
	if (section_init(&reader, &everything, &reading->got) &&
	        document_load(&reading->problems, &nodes, &source, (const unsigned char *)text,
	                strlen(text), &root) &&
	        root)
		section_read(&reader, root, &everything, &reading->got);
	memory_free(&nodes);
	return reading->problems.count;
}

static void end_reading(struct reading *reading)
{
	problems_free(&reading->problems);
	memory_free(&reading->memory);
}

static void values_are_taken(void **state)
{
	static const char text[] = "text: some words\n"
	                           "file: key.pem\n"
	                           "flag: on\n"
	                           "number: 10\n"
	                           "workers: 3\n"
	                           "size: 3M\n"
	                           "duration: 2m\n"
	                           "word: all\n"
	                           "address: \"[::1]:8080\"\n"
	                           "networks: [192.0.2.0/24]\n"
	                           "mapping: {text: x}\n"
	                           "list: [{text: a}, {text: b}]\n";
	struct reading reading;
	(void)state;
	assert_int_equal(read_text(&reading, text), 0);
	const struct everything *got = &reading.got;
	assert_string_equal(got->text, "some words");
	assert_string_equal(got->file, "/etc/test/key.pem");
	assert_true(got->flag);
	assert_int_equal(got->number, 10);
	assert_int_equal(got->workers, 3);
	assert_int_equal(got->size, 3 << 20);
	assert_int_equal(got->duration, 120000);
	assert_int_equal(got->word, 2);
	assert_int_equal(weir_address_port(&got->address), 8080);
	assert_int_equal(got->networks.count, 1);
	assert_string_equal(got->mapping.text, "x");
	assert_int_equal(got->list.count, 2);
	assert_string_equal(got->list.items[1].text, "b");
	end_reading(&reading);
}

static const struct {
	const char *text;
	const char *problem; /* a part of the first */
} refused[] = {
        {"text:\n", "'text' has no value"},
        {"text: ~\n", "'text' has no value"},
        {"text: [a]\n", "'text' must be one value, not a list"},
        {"text: {a: b}\n", "'text' must be one value, not a mapping"},
        {"text: \"a\\nb\"\n", "contains a line end or another control character"},
        {"flag: 1\n", "'flag' must be yes or no, not '1'"},
        {"number: 1\n", "'number' must be from 2 to 10, not 1"},
        {"number: 11\n", "'number' must be from 2 to 10, not 11"},
        {"number: -1\n", "'number' must be a whole number, not '-1'"},
        {"number: 0x10\n", "'number' must be a whole number"},
        {"number: 18446744073709551616\n", "'number' must be a whole number"},
        {"workers: none\n", "'workers' must be a whole number or auto, not 'none'"},
        {"size: 10X\n", "'size' must be a size such as 64K, 10M or 2G, not '10X'"},
        {"size: 99999999T\n", "'size' must be a size"},
        {"duration: 30\n", "'duration' must be a duration such as 500ms, 30s, 2m or 1h, not '30'"},
        {"duration: 1.5s\n", "'duration' must be a duration"},
        {"word: ALL\n", "'word' must be none, some or all, not 'ALL'"},
        {"flag: on\naddress: localhost:80\n", "'address' must be ADDRESS:PORT such as"},
        {"address: :80\n", "'address' is not used: it needs 'flag'"},
        {"networks: ::1\n", "'networks' must be a list such as [192.0.2.0/24"},
        {"networks: []\n", "'networks' must have 1 to 2 entries, not 0"},
        {"networks: [a]\n", "an entry of 'networks' must be a network such as"},
        {"mapping: {}\n", "an inner lacks 'text'"},
        {"mapping: x\n", "an inner must have lines of 'key: value', such as 'text: TEXT'"},
        {"list: {text: a}\n", "'list' must be a list"},
        {"list: [{text: a}, {text: a}, {text: a}, {text: a}]\n", "4 entries, and 3 are allowed"},
        {"numbr: 3\n", "there is no key 'numbr' in everything; did you mean 'number'?"},
        {"qqqqq: 3\n", "there is no key 'qqqqq' in everything"},
        {"flag: on\nflag: off\n", "'flag' is given a second time; the first is in line 1"},
        {"[a]: b\n", "a key is a name, not a list"},
        {"[]\n", "everything must have lines"},
        {"text: &a [*a]\n", "'text' must be one value"},
        {"mapping: &a {text: *a}\n", "'text' must be one value"},
        {"list: &a [*a, *a]\n", "an inner must have lines"},
        {"text: ${WEIR_TEST_NOT_SET}\n", "the environment has no variable 'WEIR_TEST_NOT_SET'"},
        {"text: ${A B}\n", "must be written as ${NAME}"},
        {"text: ${}\n", "must be written as ${NAME}"},
        {"text: ${1}\n", "must be written as ${NAME}"},
        {"text: ${A\n", "must be written as ${NAME}"},
        {"text: ${WEIR_TEST_EMPTY}\n", "'text' has no value"},
        {"text: ${WEIR_TEST_LINES}\n", "contains a line end"},
};

static void mistakes_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct reading reading;
		assert_int_not_equal(read_text(&reading, refused[i].text), 0);
		const char *text = reading.problems.items[0].text;
		if (!strstr(text, refused[i].problem))
			fail_msg("%s: not \"%s\" but \"%s\"", refused[i].text, refused[i].problem,
			        text);
		end_reading(&reading);
	}
}

/* Whatever is cut off, or put in: there is an end, and nothing is touched that must not be. */
static void broken_documents_end(void **state)
{
	static const char good[] =
	        "text: 'a'\nlist: [{text: \"b\"}]\nnetworks: ['::1']\nword: all\n";
	static const char signs[] = "\0\t\n :-?[]{},#&*!|>'\"%@`\xff\xc3";
	char text[sizeof good];
	struct reading reading;
	(void)state;
	for (size_t i = 0; i < sizeof good; i++) {
		memcpy(text, good, sizeof good);
		text[i] = 0;
		read_text(&reading, text);
		end_reading(&reading);
		for (size_t j = 0; i + 1 < sizeof good && j < sizeof signs; j++) {
			memcpy(text, good, sizeof good);
			text[i] = signs[j];
			read_text(&reading, text);
			end_reading(&reading);
		}
	}
}

/* Whichever allocation fails: it is a problem, or nothing was lost by it. */
static void without_memory_reading_fails(void **state)
{
	static const char text[] =
	        "text: a${WEIR_TEST_A}\nnetworks: ['::1', 192.0.2.0/24]\nfile: x\n"
	        "list: [{text: b}, {text: c}]\nmapping: {text: d}\n";
	bool failed = true;
	(void)state;
	for (unsigned good = 0; failed; good++) {
		struct reading reading;
		fail_allocation_after(good, false);
		size_t problems = read_text(&reading, text);
		failed = stop_failing_allocations();
		assert_int_equal(problems != 0, failed);
		end_reading(&reading);
	}
}

/* -- defaults, variables, printing ------------------------------------------------------------- */

static void defaults_are_stored(void **state)
{
	struct reading reading;
	(void)state;
	assert_int_equal(read_text(&reading, "flag: on\n"), 0);
	assert_string_equal(reading.got.text, "a text");
	assert_int_equal(reading.got.number, 3);
	assert_int_equal(reading.got.duration, 1500);
	assert_int_equal(reading.got.word, 1);
	assert_int_equal(reading.got.networks.count, 2);
	end_reading(&reading);
}

static void variables_are_replaced(void **state)
{
	static const struct {
		const char *text, *value;
	} cases[] = {
	        {"text: ${WEIR_TEST_A}\n", "one"},
	        {"text: a${WEIR_TEST_A}b${WEIR_TEST_A}\n", "aonebone"},
	        {"text: '${WEIR_TEST_A}'\n", "one"},
	        {"text: $${WEIR_TEST_A}\n", "${WEIR_TEST_A}"},
	        {"text: $WEIR_TEST_A\n", "$WEIR_TEST_A"},
	        {"text: $$x$\n", "$$x$"},
	        {"text: &a ${WEIR_TEST_NESTED}\nfile: /x\n", "${WEIR_TEST_A}"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reading reading;
		assert_int_equal(read_text(&reading, cases[i].text), 0);
		assert_string_equal(reading.got.text, cases[i].value);
		end_reading(&reading);
	}
}

static char *print_everything(const struct everything *value)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	assert_true(table_print(to, &everything, value));
	fclose(to);
	return text;
}

static void printed_values_are_read_again(void **state)
{
	static const char text[] = "text: \"null\"\nflag: yes\nsize: 3M\nduration: 90s\n"
	                           "address: '[::1]:80'\nworkers: auto\nnumber: 3\n"
	                           "mapping: {text: ' a: \"b\" $${x} \\'}\n"
	                           "list: [{text: '#'}, {text: 'y'}]\n";
	struct reading first, second;
	(void)state;
	assert_int_equal(read_text(&first, text), 0);
	char *printed = print_everything(&first.got);
	assert_int_equal(read_text(&second, printed), 0);
	char *again = print_everything(&second.got);
	assert_string_equal(printed, again);
	assert_non_null(strstr(printed, "\nsize: 3M\n"));
	assert_non_null(strstr(printed, "\nnumber: 3  # default\n"));
	assert_non_null(strstr(printed, "\nworkers: auto  # default\n"));
	assert_non_null(strstr(printed, "networks: [127.0.0.0/8, \"::1\"]  # default\n"));
	assert_non_null(strstr(printed, "# file: not set\n"));
	free(printed);
	free(again);
	end_reading(&first);
	end_reading(&second);
}

/* -- the rows of the program ------------------------------------------------------------------- */

/* Whether the documents can explain a missing key. */
static bool has_default(const struct key *key)
{
	return key->required || key->otherwise || key->preset_text || key->of || key->type->number;
}

static void check_rows(const struct section *section)
{
	for (const struct key *key = section->keys; key->name; key++) {
		size_t size = key->doc ? strlen(key->doc) : 0;
		char *preset = table_default_text(key);
		if (size == 0 || key->doc[size - 1] != '.')
			fail_msg("%s in %s: the documentation is no sentence", key->name,
			        section->what);
		if (!section->one_key && !has_default(key))
			fail_msg("%s in %s has no default", key->name, section->what);
		if (key->type == &type_word)
			assert_non_null(key->words);
		if (key->of)
			check_rows(key->of);
		assert_non_null(preset);
		free(preset);
	}
}

static void every_row_is_complete(void **state)
{
	(void)state;
	check_rows(&table_top);
}

/* One name has one meaning, and an option has one value. */
static void every_option_is_complete(void **state)
{
	(void)state;
	for (const struct verb *verb = cli_verbs; verb->name; verb++) {
		struct verb_option options[VERB_OPTIONS_MAX];
		size_t count = verb_options(verb, options);
		assert_in_range(count, 1, VERB_OPTIONS_MAX - 1);
		for (size_t i = 0; i < count; i++) {
			const struct key *key = options[i].key;
			assert_true(key->type->parse || key->type->item);
			for (size_t j = 0; j < i; j++)
				assert_string_not_equal(key->option, options[j].key->option);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(values_are_taken),
	        cmocka_unit_test(mistakes_are_told),
	        cmocka_unit_test(broken_documents_end),
	        cmocka_unit_test(without_memory_reading_fails),
	        cmocka_unit_test(defaults_are_stored),
	        cmocka_unit_test(variables_are_replaced),
	        cmocka_unit_test(printed_values_are_read_again),
	        cmocka_unit_test(every_row_is_complete),
	        cmocka_unit_test(every_option_is_complete),
	};
	setenv("WEIR_TEST_A", "one", 1);
	setenv("WEIR_TEST_NESTED", "${WEIR_TEST_A}", 1);
	setenv("WEIR_TEST_EMPTY", "", 1);
	setenv("WEIR_TEST_LINES", "a\nb", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
