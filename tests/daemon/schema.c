/* The schema and its readers: each kind of value, what is taken and what is refused, and that no
 * document, however it is tangled, is read for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "document.h"
#include "kinds.h"
#include "schema.h"

struct inner {
	const char *text;
};

struct everything {
	const char *text;
	const char *prefix;
	const char *file;
	bool flag;
	uint64_t number;
	uint64_t workers;
	uint64_t size;
	uint64_t duration;
	unsigned word;
	struct weir_address address;
	struct config_listener listener;
	const char *fields;
	struct inner mapping;
	struct {
		struct inner *items;
		size_t count;
	} list;
};

#define AT(member) offsetof(struct everything, member)

static const struct key inner_keys[] = {
        {"text", KEY_TEXT, offsetof(struct inner, text), .required = true}, {0}};
static const struct schema inner = {"an inner", inner_keys, sizeof(struct inner), NULL, NULL};
static const char *const words[] = {"none", "some", "all", NULL};

static const struct key keys[] = {
        {"text", KEY_TEXT, AT(text)},
        {"prefix", KEY_PREFIX, AT(prefix)},
        {"file", KEY_FILE, AT(file)},
        {"flag", KEY_FLAG, AT(flag)},
        {"number", KEY_NUMBER, AT(number), .min = 2, .max = 10},
        {"workers", KEY_WORKERS, AT(workers), .min = 1, .max = 64},
        {"size", KEY_SIZE, AT(size), .min = 1, .max = UINT64_MAX},
        {"duration", KEY_DURATION, AT(duration), .min = 1, .max = UINT64_MAX},
        {"word", KEY_WORD, AT(word), .words = words},
        {"address", KEY_ADDRESS, AT(address)},
        {"http", KEY_LISTENER, AT(listener)},
        {"https", KEY_LISTENER, AT(listener)},
        {"fields", KEY_FIELDS, AT(fields)},
        {"mapping", KEY_MAPPING, AT(mapping), .of = &inner},
        {"list", KEY_LIST, AT(list), .of = &inner, .max = 3},
        {0},
};
static const struct schema everything = {"everything", keys, sizeof(struct everything), NULL, NULL};

struct reading {
	struct problems problems;
	struct config *config;
	struct everything got;
};

/* The number of problems. */
static size_t read_text(struct reading *reading, const char *text)
{
	yaml_document_t document;
	*reading = (struct reading){.problems = {.file = "test"}, .config = config_create()};
	assert_non_null(reading->config);
	if (document_load(
	            &reading->problems, (const unsigned char *)text, strlen(text), &document)) {
		struct reader reader = {
		        &document, reading->config, &reading->problems, "/etc/test", NULL};
		schema_read(&reader, yaml_document_get_root_node(&document), &everything,
		        &reading->got);
		yaml_document_delete(&document);
	}
	return reading->problems.count;
}

static void end_reading(struct reading *reading)
{
	problems_free(&reading->problems);
	config_release(reading->config);
}

static void values_are_taken(void **state)
{
	static const char text[] = "text: some words\n"
	                           "prefix: /a/b/\n"
	                           "file: key.pem\n"
	                           "flag: on\n"
	                           "number: 10\n"
	                           "workers: 3\n"
	                           "size: 3M\n"
	                           "duration: 2m\n"
	                           "word: all\n"
	                           "address: \"[::1]:8080\"\n"
	                           "https: :443\n"
	                           "fields: {X-A: b, X-C: d e}\n"
	                           "mapping: {text: x}\n"
	                           "list: [{text: a}, {text: b}]\n";
	struct reading reading;
	(void)state;
	assert_int_equal(read_text(&reading, text), 0);
	const struct everything *got = &reading.got;
	assert_string_equal(got->text, "some words");
	assert_string_equal(got->prefix, "a/b");
	assert_string_equal(got->file, "/etc/test/key.pem");
	assert_true(got->flag);
	assert_int_equal(got->number, 10);
	assert_int_equal(got->workers, 3);
	assert_int_equal(got->size, 3 << 20);
	assert_int_equal(got->duration, 120000);
	assert_int_equal(got->word, 2);
	assert_int_equal(weir_address_port(&got->address), 8080);
	assert_ptr_equal(got->listener.kind, kind_find("https"));
	assert_int_equal(weir_address_port(&got->listener.address), 443);
	assert_string_equal(got->fields, "X-A: b\r\nX-C: d e\r\n");
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
        {"text: [a]\n", "'text' wants one value, not a list"},
        {"text: {a: b}\n", "'text' wants one value, not a mapping"},
        {"text: \"a\\nb\"\n", "a line end or another control character"},
        {"prefix: a/../b\n", "'prefix' is a path in the site"},
        {"prefix: a//b\n", "'prefix' is a path in the site"},
        {"flag: 1\n", "'flag' is true or false, not '1'"},
        {"number: 1\n", "'number' is too small: 2 to 10"},
        {"number: 11\n", "'number' is too large: 2 to 10"},
        {"number: -1\n", "'number' wants a whole number"},
        {"number: 0x10\n", "'number' wants a whole number"},
        {"number: 18446744073709551616\n", "'number' wants a whole number"},
        {"workers: none\n", "'workers' wants a whole number or auto"},
        {"size: 10X\n", "'size' wants a size"},
        {"size: 99999999T\n", "'size' wants a size"},
        {"duration: 30\n", "'duration' wants a time"},
        {"duration: 1.5s\n", "'duration' wants a time"},
        {"word: ALL\n", "'word' is none, some or all, not 'ALL'"},
        {"address: localhost:80\n", "'address' wants ADDRESS:PORT"},
        {"http: 80\n", "'http' wants ADDRESS:PORT"},
        {"http: :80\nhttps: :443\n", "has one for 'http' already"},
        {"fields: {\"a b\": c}\n", "no name of a field"},
        {"fields: {Date: c}\n", "made by the server itself"},
        {"mapping: {}\n", "an inner lacks 'text'"},
        {"mapping: x\n", "an inner is made of 'key: value' lines, and 'text' is one"},
        {"list: {text: a}\n", "'list' wants a list"},
        {"list: [{text: a}, {text: a}, {text: a}, {text: a}]\n", "4 entries, and 3 are allowed"},
        {"numbr: 3\n", "there is no key 'numbr' in everything; did you mean 'number'?"},
        {"qqqqq: 3\n", "there is no key 'qqqqq' in everything"},
        {"flag: on\nflag: off\n", "'flag' stands here a second time; the first is in line 1"},
        {"[a]: b\n", "a key is a name, not a list"},
        {"[]\n", "everything is made of"},
        {"text: &a [*a]\n", "'text' wants one value"},
        {"mapping: &a {text: *a}\n", "'text' wants one value"},
        {"list: &a [*a, *a]\n", "an inner is made of"},
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
	static const char good[] = "text: 'a'\nlist: [{text: \"b\"}]\nfields: {A: b}\nword: all\n";
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(values_are_taken),
	        cmocka_unit_test(mistakes_are_told),
	        cmocka_unit_test(broken_documents_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
