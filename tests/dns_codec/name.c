/* Names: wire form, text, order, compression's pointers; and ldns as the model for their text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include <weir/dns_name.h>
#include <weir/error.h>
#include <weir/limits.h>

static struct weir_dns_name name_of(const char *text)
{
	struct weir_dns_name name;
	assert_int_equal(weir_dns_name_parse(weir_span_of(text), &name), 0);
	return name;
}

/* In a block of exactly its size, so that a sanitizer sees a read beyond it. */
static int read_at(const void *data, size_t size, size_t *at, struct weir_dns_name *ret)
{
	char *copy = malloc(size ? size : 1);
	assert_non_null(copy);
	memcpy(copy, data, size);
	int error = weir_dns_name_read(weir_span(copy, size), at, ret);
	free(copy);
	return error;
}

static void a_name_is_read_up_to_its_root(void **state)
{
	static const char wire[] = "xx\3www\7Example\3org\0yy";
	struct weir_dns_name name;
	char text[WEIR_DNS_TEXT_MAX];
	size_t at = 2;
	(void)state;
	assert_int_equal(read_at(wire, sizeof wire - 1, &at, &name), 0);
	assert_int_equal(at, 19);
	assert_int_equal(name.size, 17);
	assert_int_equal(name.labels, 3);
	assert_int_equal(weir_dns_name_format(&name, text), 16);
	assert_string_equal(text, "www.Example.org.");
	/* None of its beginnings is a name, wherever it is cut. */
	for (size_t size = 0; size < 19; size++) {
		at = 2;
		assert_int_equal(read_at(wire, size, &at, &name), WEIR_E_SYNTAX);
		assert_int_equal(at, 2);
	}
}

static void a_name_has_a_bounded_number_of_pointers(void **state)
{
	uint8_t bytes[3 + 2 * (WEIR_DNS_POINTERS_MAX + 1)] = {1, 'a', 0};
	struct weir_dns_name name;
	(void)state;
	for (unsigned i = 0; i <= WEIR_DNS_POINTERS_MAX; i++) {
		bytes[3 + 2 * i] = 0xc0;
		bytes[4 + 2 * i] = (uint8_t)(i ? 1 + 2 * i : 0);
	}
	size_t at = sizeof bytes - 4;
	assert_int_equal(read_at(bytes, sizeof bytes, &at, &name), 0);
	assert_int_equal(name.size, 3);
	assert_int_equal(at, sizeof bytes - 2);
	assert_int_equal(read_at(bytes, sizeof bytes, &at, &name), WEIR_E_SYNTAX);
}

/* Letters in every place of a word, and the bytes on both sides of them. */
static void names_are_equal_without_regard_to_case_alone(void **state)
{
	(void)state;
	for (unsigned size = 1; size <= WEIR_DNS_LABEL_MAX; size++)
		for (unsigned byte = 0; byte < 256; byte++) {
			struct weir_dns_name a = {.size = (uint8_t)(size + 2), .labels = 1}, b;
			a.wire[0] = (uint8_t)size;
			memset(a.wire + 1, 'm', size);
			a.wire[size + 1] = 0;
			b = a;
			a.wire[size] = (uint8_t)byte;
			b.wire[size] = (uint8_t)(byte ^ 0x20);
			bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
			assert_int_equal(weir_dns_name_equal(&a, &b), letter);
			assert_true(weir_dns_name_equal(&a, &a));
		}
}

static void pointers_lead_back_only(void **state)
{
	static const struct {
		const char *bytes;
		size_t size, at, end; /* end 0: refused */
		const char *text;
	} cases[] = {
	        {"\1a\0\1b\xc0\0", 7, 3, 7, "b.a."},
	        {"\1a\0\xc0\0", 5, 3, 5, "a."},
	        {"\1a\0\1b\xc0\0\1c\xc0\3", 11, 7, 11, "c.b.a."},
	        {"\1a\xc0\0", 4, 0, 0, NULL},          /* to itself */
	        {"\xc0\0", 2, 0, 0, NULL},             /* to itself, at once */
	        {"\xc0\2\1a\0", 5, 0, 0, NULL},        /* ahead */
	        {"\1a\xc0\4\1b\xc0\0", 8, 4, 0, NULL}, /* in a ring */
	        {"\1a\0\xc0\3", 5, 3, 0, NULL},        /* to the pointer */
	        {"\1a\0\xc0", 4, 3, 0, NULL},          /* half a pointer */
	        {"\1a\0\xff\xff", 5, 3, 0, NULL},      /* beyond */
	        {"\1a\0\x40\0\0", 6, 3, 0, NULL},      /* the reserved kinds of label */
	        {"\1a\0\x80\0\0", 6, 3, 0, NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir_dns_name name;
		char text[WEIR_DNS_TEXT_MAX];
		size_t at = cases[i].at;
		int error = read_at(cases[i].bytes, cases[i].size, &at, &name);
		assert_int_equal(error, cases[i].end ? 0 : WEIR_E_SYNTAX);
		if (error)
			continue;
		assert_int_equal(at, cases[i].end);
		weir_dns_name_format(&name, text);
		assert_string_equal(text, cases[i].text);
	}
}

/* `labels` of `size` bytes, then the root: the size of the whole. */
static size_t fill(uint8_t *wire, unsigned labels, unsigned size)
{
	size_t at = 0;
	for (unsigned i = 0; i < labels; i++) {
		wire[at++] = (uint8_t)size;
		memset(wire + at, 'a', size);
		at += size;
	}
	wire[at++] = 0;
	return at;
}

static void a_name_has_255_bytes_at_most(void **state)
{
	uint8_t wire[600];
	struct weir_dns_name name;
	size_t at = 0, size = fill(wire, 127, 1);
	(void)state;
	assert_int_equal(size, 255);
	assert_int_equal(read_at(wire, size, &at, &name), 0);
	assert_int_equal(name.labels, 127);
	assert_int_equal(weir_dns_name_set(weir_span(wire, size), &name), 0);
	size = fill(wire, 128, 1);
	at = 0;
	assert_int_equal(read_at(wire, size, &at, &name), WEIR_E_SYNTAX);
	size = fill(wire, 4, 63);
	at = 0;
	assert_int_equal(read_at(wire, size, &at, &name), WEIR_E_SYNTAX);
	/* 255 bytes in two parts, then 256. */
	for (unsigned more = 0; more < 2; more++) {
		size = fill(wire, 126, 1);
		wire[size] = (uint8_t)(1 + more);
		memset(wire + size + 1, 'b', 2);
		memcpy(wire + size + 2 + more, "\xc0\0", 2);
		at = size;
		assert_int_equal(
		        read_at(wire, size + 4 + more, &at, &name), more ? WEIR_E_SYNTAX : 0);
	}
}

static void set_takes_no_pointer_and_nothing_behind(void **state)
{
	struct weir_dns_name name;
	(void)state;
	assert_int_equal(weir_dns_name_set(weir_span("\1a\0", 3), &name), 0);
	assert_int_equal(weir_dns_name_set(weir_span("\1a\0\0", 4), &name), WEIR_E_SYNTAX);
	assert_int_equal(weir_dns_name_set(weir_span("\1a", 2), &name), WEIR_E_SYNTAX);
	assert_int_equal(weir_dns_name_set(weir_span("\1a\xc0\0", 4), &name), WEIR_E_SYNTAX);
	assert_int_equal(weir_dns_name_set(weir_span("", 0), &name), WEIR_E_SYNTAX);
}

static void text_is_read_strictly(void **state)
{
	static const char *const bad[] = {"", "..", ".a", "a..b", "a\\", "a\\1", "a\\12", "a\\256",
	        "a\\1x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	struct weir_dns_name name;
	char text[WEIR_DNS_TEXT_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(weir_dns_name_parse(weir_span_of(bad[i]), &name), WEIR_E_SYNTAX);
	name = name_of(".");
	assert_int_equal(name.size, 1);
	assert_int_equal(weir_dns_name_format(&name, text), 1);
	assert_string_equal(text, ".");
	name = name_of("a\\.b\\000\\032.c");
	assert_int_equal(name.labels, 2);
	assert_memory_equal(name.wire, "\5a.b\0 \1c\0", 9);
	weir_dns_name_format(&name, text);
	assert_string_equal(text, "a\\.b\\000\\032.c.");
}

/* The order of RFC 4034 6.1, its own example. */
static void names_have_an_order(void **state)
{
	static const char *const ordered[] = {"example", "a.example", "yljkjljk.a.example",
	        "Z.a.example", "zABC.a.EXAMPLE", "z.example", "\\001.z.example", "*.z.example",
	        "\\200.z.example"};
	(void)state;
	for (size_t i = 0; i < sizeof ordered / sizeof *ordered; i++)
		for (size_t j = 0; j < sizeof ordered / sizeof *ordered; j++) {
			struct weir_dns_name a = name_of(ordered[i]), b = name_of(ordered[j]);
			int order = weir_dns_name_compare(&a, &b);
			assert_int_equal(order < 0, i < j);
			assert_int_equal(order > 0, i > j);
			assert_int_equal(weir_dns_name_equal(&a, &b), i == j);
			weir_dns_name_lower(&a);
			assert_int_equal(weir_dns_name_compare(&a, &b) < 0, i < j);
		}
}

static void beneath_is_by_labels(void **state)
{
	struct weir_dns_name zone = name_of("Example.org"), root = name_of(".");
	struct weir_dns_name in = name_of("a.eXample.ORG"), out = name_of("anexample.org");
	(void)state;
	assert_true(weir_dns_name_beneath(&in, &zone));
	assert_true(weir_dns_name_beneath(&zone, &zone));
	assert_false(weir_dns_name_beneath(&zone, &in));
	assert_false(weir_dns_name_beneath(&out, &zone));
	assert_true(weir_dns_name_beneath(&out, &root));
}

static void text_and_order_are_as_with_ldns(void **state)
{
	struct weir_dns_name before = name_of(".");
	unsigned seed = 7;
	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		struct weir_dns_name name = {0}, again;
		char text[WEIR_DNS_TEXT_MAX];
		unsigned labels = (unsigned)rand_r(&seed) % 6;
		uint8_t *to = name.wire;
		for (unsigned i = 0; i < labels; i++) {
			*to = (uint8_t)(1 + rand_r(&seed) % 3);
			for (unsigned k = 1; k <= *to; k++)
				to[k] = (uint8_t)(rand_r(&seed) % 3 ? rand_r(&seed)
				                                    : "aAbB"[rand_r(&seed) % 4]);
			to += *to + 1u;
		}
		*to++ = 0;
		assert_int_equal(
		        weir_dns_name_set(weir_span(name.wire, (size_t)(to - name.wire)), &name),
		        0);
		weir_dns_name_format(&name, text);
		assert_int_equal(weir_dns_name_parse(weir_span_of(text), &again), 0);
		assert_int_equal(again.size, name.size);
		assert_memory_equal(again.wire, name.wire, name.size);
		ldns_rdf *theirs = ldns_dname_new_frm_str(text);
		ldns_rdf *last = ldns_dname_new_frm_data(before.size, before.wire);
		assert_non_null(theirs);
		assert_int_equal(ldns_rdf_size(theirs), name.size);
		assert_memory_equal(ldns_rdf_data(theirs), name.wire, name.size);
		int order = ldns_dname_compare(last, theirs);
		int ours = weir_dns_name_compare(&before, &name);
		assert_int_equal(order < 0, ours < 0);
		assert_int_equal(order > 0, ours > 0);
		ldns_rdf_deep_free(theirs);
		ldns_rdf_deep_free(last);
		before = name;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_name_is_read_up_to_its_root),
	        cmocka_unit_test(a_name_has_a_bounded_number_of_pointers),
	        cmocka_unit_test(names_are_equal_without_regard_to_case_alone),
	        cmocka_unit_test(pointers_lead_back_only),
	        cmocka_unit_test(a_name_has_255_bytes_at_most),
	        cmocka_unit_test(set_takes_no_pointer_and_nothing_behind),
	        cmocka_unit_test(text_is_read_strictly),
	        cmocka_unit_test(names_have_an_order),
	        cmocka_unit_test(beneath_is_by_labels),
	        cmocka_unit_test(text_and_order_are_as_with_ldns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
