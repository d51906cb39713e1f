/* Zone files: what they say, and how mistakes are told; and a zone against a plain list of its names. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/dns_zone.h>
#include <weir/error.h>

#include "allocation.h"
#include "zone_builder.h"

#define START "$ORIGIN example.org.\n$TTL 1h\n@ SOA ns host 7 1 2 3 4\n@ NS ns\nns A 192.0.2.1\n"

static char directory[] = "/tmp/weir-zone-XXXXXX";
static char told[4096];

static void report(void *context, const char *path, unsigned line, const char *text)
{
	const char *slash = strrchr(path, '/');
	size_t used = strlen(told);
	(void)context;
	snprintf(told + used, sizeof told - used, "%s:%u: %s\n", slash ? slash + 1 : path, line,
	        text);
}

static const char *path_of(const char *name)
{
	static char path[100];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static void write_file(const char *name, const char *text, size_t size)
{
	FILE *file = fopen(path_of(name), "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static int load(struct weir_dns_zone **ret)
{
	struct weir_dns_name apex;
	told[0] = 0;
	assert_int_equal(weir_dns_name_parse(WEIR_SPAN("Example.org"), &apex), 0);
	return weir_dns_zone_load(path_of("zone"), &apex, report, NULL, ret);
}

static struct weir_dns_zone *load_text(const char *text)
{
	struct weir_dns_zone *zone = NULL;
	write_file("zone", text, strlen(text));
	int error = load(&zone);
	if (error)
		print_message("%s", told);
	assert_int_equal(error, 0);
	return zone;
}

static const struct dns_rrset *find(
        const struct weir_dns_zone *zone, const char *text, uint16_t type)
{
	struct weir_dns_name name;
	struct dns_key key;
	assert_int_equal(weir_dns_name_parse(weir_span_of(text), &name), 0);
	weir_dns_key_make(&key, name.wire, name.size, weir_dns_seed());
	const struct dns_node *node = weir_dns_zone_node(zone, &key, 0);
	return node ? weir_dns_node_rrset(zone, node, type) : NULL;
}

static bool has(const struct weir_dns_zone *zone, const char *text, uint16_t type, const char *data,
        size_t size)
{
	const struct dns_rrset *rrset = find(zone, text, type);
	const uint8_t *record = rrset ? weir_dns_rrset_records(rrset) : NULL;
	for (unsigned i = 0; rrset && i < rrset->count; i++, record = weir_dns_record_next(record))
		if (weir_dns_get16(record) == size && memcmp(record + 2, data, size) == 0)
			return true;
	return false;
}

static void everything_a_file_may_say(void **state)
{
	(void)state;
	static const char more[] = "@ A 192.0.2.7\n   A 192.0.2.8\n$ORIGIN deep\nx A 192.0.2.9\n";
	write_file("more", more, sizeof more - 1);
	struct weir_dns_zone *zone =
	        load_text(START "www 300 IN A 192.0.2.2 ; a comment ( with \" in it\n"
	                        "    in   5m AAAA 2001:db8::1\n"
	                        "multi TXT ( \"a;b\" ; comment )\n"
	                        "   \"c(d\"\n\n  e\\;f ) ; end\r\n"
	                        "$INCLUDE more sub\n"
	                        "    A 192.0.2.3\n"
	                        "$TTL 60\n$ORIGIN other\n"
	                        "@ MX 10 www.Example.org.\n"
	                        "odd TYPE777 \\# 3 ab cd ef\n"
	                        "dup A 192.0.2.4\ndup A 192.0.2.4\n"
	                        "last A 192.0.2.5");
	assert_true(has(zone, "www.example.org", WEIR_DNS_A, "\300\0\2\2", 4));
	assert_int_equal(weir_dns_rrset_ttl(find(zone, "www.example.org", WEIR_DNS_A)), 300);
	assert_int_equal(weir_dns_rrset_ttl(find(zone, "www.example.org", WEIR_DNS_AAAA)), 300);
	assert_int_equal(weir_dns_rrset_ttl(find(zone, "ns.example.org", WEIR_DNS_A)), 3600);
	assert_true(has(zone, "multi.example.org", WEIR_DNS_TXT, "\3a;b\3c(d\3e;f", 12));
	assert_true(has(zone, "sub.example.org", WEIR_DNS_A, "\300\0\2\7", 4));
	assert_true(has(zone, "sub.example.org", WEIR_DNS_A, "\300\0\2\10", 4));
	assert_true(has(zone, "x.deep.sub.example.org", WEIR_DNS_A, "\300\0\2\11", 4));
	/* Behind the file that was included, the owner before it counts. */
	assert_true(has(zone, "multi.example.org", WEIR_DNS_A, "\300\0\2\3", 4));
	assert_true(has(zone, "other.example.org", WEIR_DNS_MX, "\0\12\3www\7Example\3org", 19));
	assert_true(has(zone, "odd.other.example.org", 777, "\xab\xcd\xef", 3));
	assert_int_equal(find(zone, "dup.other.example.org", WEIR_DNS_A)->count, 1);
	assert_int_equal(weir_dns_rrset_ttl(find(zone, "dup.other.example.org", WEIR_DNS_A)), 60);
	assert_non_null(find(zone, "last.other.example.org", WEIR_DNS_A));
	struct weir_dns_zone_info info;
	weir_dns_zone_info(zone, &info);
	assert_int_equal(info.serial, 7);
	assert_int_equal(info.records, 14);
	assert_false(info.is_signed);
	weir_dns_zone_release(zone);
}

static void mistakes_are_told_with_their_line(void **state)
{
	static const struct {
		const char *text;
		const char *told; /* the beginning */
	} cases[] = {
	        {"", "zone:0: the zone has no records"},
	        {"$TTL 1\n0p9mhaveqvm6t7vbl5lop2u3t2rp3tom NSEC3 1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A\n",
	                "zone:0: the zone has no records"},
	        {START "@ NSEC3PARAM 1 0 501 -\n", "zone:0: too many iterations of NSEC3"},
	        {START "x NSEC3 1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A\n",
	                "zone:6: x.example.org. is not the hash of a name"},
	        {START "a NS \\# 3 036162\n", "zone:6: "},
	        {"$TTL 1\na A 192.0.2.1\n", "zone:0: the zone has no SOA record"},
	        {"$TTL 1\n@ SOA a b 1 2 3 4 5\n", "zone:0: the zone has no NS records"},
	        {"@ NS a\n", "zone:1: no TTL"},
	        {"@ TYPE6=5 \\# 0\n", "zone:1: no TTL"},
	        {"@ TYPE6 \\# 4 01020304\n", "zone:1: no TTL"},
	        {START "@ SOA ns host 8 1 2 3 4\n", "zone:0: the zone has more than one SOA"},
	        {START "a SOA ns host 8 1 2 3 4\n", "zone:6: a.example.org. has a SOA record"},
	        {START "a A 192.0.2.256\n", "zone:6: "},
	        {START "a A\n", "zone:6: "},
	        {START "a NOTATYPE x\n", "zone:6: "},
	        {START "a CH A 192.0.2.1\n", "zone:6: a class that is not IN"},
	        {START "a.example.net. A 192.0.2.1\n", "zone:6: the name is not in the zone"},
	        {START "\n\na CNAME b\na A 192.0.2.1\n", "zone:8: a.example.org. has a CNAME"},
	        {START "a CNAME b\na CNAME c\n", "zone:7: a.example.org. has more than one CNAME"},
	        {START "a DNAME b\na DNAME c\n", "zone:6: a.example.org. has more than one DNAME"},
	        {START "a TXT ( b\n c\n", "zone:6: a parenthesis that is not closed"},
	        {START "a TXT b )\n", "zone:6: a closing parenthesis"},
	        {START "a TXT \"b\nc\"\n", "zone:6: a quote that does not end"},
	        {START "$TTL x\n", "zone:6: $TTL wants"},
	        {START "$TTL 1 2\n", "zone:6: too many words"},
	        {START "$ORIGIN\n", "zone:6: $ORIGIN wants"},
	        {START "$GENERATE 1-2 a A 1\n", "zone:6: "},
	        {START "$GENERATE\n", "zone:6: $GENERATE wants a range"},
	        {START "$GENERATE 2-1 a A 192.0.2.$\n", "zone:6: $GENERATE wants a range"},
	        {START "$GENERATE 1-2/0 a A 192.0.2.$\n", "zone:6: $GENERATE wants a range"},
	        {START "$GENERATE 1-2x a A 192.0.2.$\n", "zone:6: $GENERATE wants a range"},
	        {START "$GENERATE 1-99999999999 a$ A 192.0.2.1\n", "zone:6: $GENERATE wants a"},
	        {START "$GENERATE 1-2 \n", "zone:6: $GENERATE wants a record"},
	        {START "$GENERATE 0-1048576 a$ A 192.0.2.1\n", "zone:6: $GENERATE of too many"},
	        {START "$GENERATE 1-2 a${0,3,y} A 192.0.2.$\n", "zone:6: $GENERATE with a sign"},
	        {START "$GENERATE 1-2 a${0,256,d} A 192.0.2.$\n", "zone:6: $GENERATE with a sign"},
	        {START "$GENERATE 1-2 a${-2} A 192.0.2.$\n", "zone:6: $GENERATE with a sign"},
	        {START "$GENERATE 1-2 a${1 A 192.0.2.$\n", "zone:6: $GENERATE with a sign"},
	        {START "$GENERATE 254-256 a$ A 192.0.2.$\n", "zone:6: "},
	        {START "$INCLUDE nothing\n", "zone:6: No such file"},
	        {START "$INCLUDE zone\n", "zone:6: too many files"},
	        {START "a TYPE0 \\# 0\n", "zone:6: "},
	        {START "a ANY \\# 0\n", "zone:6: "},
	        {START "a TYPE9 \\# 0 a\n", "zone:6: data that is not"},
	        {START "a TYPE1234 \\# 2 abc\n", "zone:6: data that is not"},
	        {START "a TYPE1234 \\# 2 abcde\n", "zone:6: data that is not"},
	        {START "a TYPE1234 \\# 2 abgd\n", "zone:6: data that is not"},
	        {START "a TYPE1234 \\# x ab\n", "zone:6: data that is not"},
	        {START "a TYPE2 \\# 2 abcd\n", "zone:6: the data is not what the type wants"},
	        {START "a A 1.2.3\nb A 192.0.2.1\nc A x\n", "zone:6: "},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir_dns_zone *zone = NULL;
		write_file("zone", cases[i].text, strlen(cases[i].text));
		assert_int_equal(load(&zone), WEIR_E_SYNTAX);
		assert_null(zone);
		if (strncmp(told, cases[i].told, strlen(cases[i].told)) != 0)
			fail_msg("%s\nis told as %s", cases[i].text, told);
	}
	assert_non_null(strstr(told, "zone:8: "));
}

static void files_that_are_none(void **state)
{
	static char text[2 * WEIR_DNS_LINE_MAX];
	struct weir_dns_zone *zone;
	(void)state;
	unlink(path_of("zone"));
	assert_int_equal(load(&zone), -ENOENT);
	write_file("zone", START "a TXT b\0c\n", sizeof START + 9);
	assert_int_equal(load(&zone), WEIR_E_SYNTAX);
	assert_non_null(strstr(told, "zone:6: a line that is too long, or has a NUL byte in it"));
	memset(text, 'a', sizeof text);
	write_file("zone", text, sizeof text);
	assert_int_equal(load(&zone), WEIR_E_SYNTAX);
	assert_non_null(strstr(told, "zone:1: a line that is too long"));
	memset(text, '\n', sizeof text);
	text[0] = '(';
	write_file("zone", text, sizeof text);
	assert_int_equal(load(&zone), WEIR_E_SYNTAX);
	assert_non_null(strstr(told, "too long"));
}

static void without_memory_there_is_no_zone(void **state)
{
	unsigned good = 0;
	bool failed = true;
	(void)state;
	write_file("zone", START "a.b.c A 192.0.2.1\nd TXT x\n", sizeof START + 25);
	for (; failed; good++) {
		struct weir_dns_zone *zone = NULL;
		fail_allocation_after(good, true);
		int error = load(&zone);
		failed = stop_failing_allocations();
		assert_int_equal(error, failed ? -ENOMEM : 0);
		weir_dns_zone_release(zone);
	}
	assert_true(good > 8);
}

/* -- order and ancestors, against a plain list ------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return weir_dns_name_compare(a, b);
}

static struct weir_dns_name random_name(unsigned *seed)
{
	static const uint8_t bytes[] = {0, 1, 2, 'a', 'b', 0xfd, 0xfe, 0xff};
	struct weir_dns_name name = {0};
	uint8_t *to = name.wire;
	for (unsigned labels = (unsigned)rand_r(seed) % 4; labels; labels--) {
		*to = (uint8_t)(1 + rand_r(seed) % 3);
		for (unsigned i = 1; i <= *to; i++)
			to[i] = bytes[(unsigned)rand_r(seed) % sizeof bytes];
		to += *to + 1u;
	}
	memcpy(to, "\7example\3org", 13);
	assert_int_equal(
	        weir_dns_name_set(weir_span(name.wire, (size_t)(to - name.wire) + 13), &name), 0);
	return name;
}

static struct weir_dns_name parent_of(struct weir_dns_name name)
{
	unsigned skip = name.wire[0] + 1u;
	memmove(name.wire, name.wire + skip, name.size - skip);
	name.size = (uint8_t)(name.size - skip);
	name.labels--;
	return name;
}

static void names_stand_in_order_with_all_above_them(void **state)
{
	static struct weir_dns_name list[20000];
	struct dns_builder builder;
	struct weir_dns_name apex;
	struct weir_dns_zone *zone = NULL;
	size_t count = 0, kept = 0;
	unsigned seed = 11;
	(void)state;
	weir_dns_name_parse(WEIR_SPAN("example.org"), &apex);
	assert_int_equal(weir_dns_builder_init(&builder, &apex), 0);
	static const char soa[] = "\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	weir_dns_builder_add(&builder, &apex, WEIR_DNS_SOA, 1, weir_span(soa, 22), 0);
	weir_dns_builder_add(&builder, &apex, WEIR_DNS_NS, 1, weir_span("", 1), 0);
	for (unsigned i = 0; i < 4000; i++) {
		struct weir_dns_name name = random_name(&seed);
		assert_int_equal(weir_dns_builder_add(&builder, &name, WEIR_DNS_A, 1,
		                         weir_span(&i, sizeof i), 0),
		        0);
		for (; name.labels >= 2; name = parent_of(name))
			list[count++] = name;
	}
	list[count++] = apex;
	qsort(list, count, sizeof *list, compare_names);
	for (size_t i = 0; i < count; i++)
		if (!kept || !weir_dns_name_equal(&list[kept - 1], &list[i]))
			list[kept++] = list[i];
	assert_int_equal(weir_dns_builder_finish(&builder, NULL, NULL, &zone), 0);
	weir_dns_builder_free(&builder);
	assert_int_equal(zone->node_count, kept);
	for (uint32_t i = 0; i < kept; i++) {
		const struct dns_node *node = &zone->nodes[i];
		struct dns_key key;
		unsigned skip;
		assert_int_equal(node->name_size, list[i].size);
		assert_memory_equal(weir_dns_node_name(zone, node), list[i].wire, list[i].size);
		weir_dns_key_make(&key, list[i].wire, list[i].size, weir_dns_seed());
		assert_ptr_equal(weir_dns_zone_closest(zone, &key, &skip), node);
		assert_int_equal(skip, 0);
		assert_ptr_equal(weir_dns_zone_before(zone, list[i].wire), node);
		if (i)
			assert_true(node->parent < i);
	}
	/* Names that are not there: what is closest, and what stands before. */
	for (unsigned i = 0; i < 4000; i++) {
		struct weir_dns_name name = random_name(&seed), above = name;
		struct dns_key key;
		unsigned skip, missing = 0;
		weir_dns_key_make(&key, name.wire, name.size, weir_dns_seed());
		const struct dns_node *node = weir_dns_zone_closest(zone, &key, &skip);
		while (!bsearch(&above, list, kept, sizeof *list, compare_names)) {
			above = parent_of(above);
			missing++;
		}
		assert_int_equal(skip, missing);
		assert_memory_equal(weir_dns_node_name(zone, node), above.wire, above.size);
		size_t before = 0;
		while (before + 1 < kept && compare_names(&list[before + 1], &name) <= 0)
			before++;
		assert_ptr_equal(weir_dns_zone_before(zone, name.wire), &zone->nodes[before]);
	}
	weir_dns_zone_release(zone);
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path_of("zone"));
	unlink(path_of("more"));
	return rmdir(directory);
}

static void generated_records(void **state)
{
	struct weir_dns_zone *zone = load_text(
	        START "$GENERATE 0-254/2 host-$ 60 IN A 192.0.2.$ ; even\n"
	              "$GENERATE 17-18 ${0,7,n}.r PTR h${-17,3,d}\n"
	              "$GENERATE 10-11 x${5,4,x}X${245,0,X}o${0,0,o} TXT \"a \\$ $$ $\"\n");
	struct weir_dns_zone_info info;
	(void)state;
	weir_dns_zone_info(zone, &info);
	assert_int_equal(info.records, 3 + 128 + 2 + 2);
	assert_true(has(zone, "host-0.example.org", WEIR_DNS_A, "\300\0\2\0", 4));
	assert_true(has(zone, "host-254.example.org", WEIR_DNS_A, "\300\0\2\376", 4));
	assert_null(find(zone, "host-1.example.org", WEIR_DNS_A));
	assert_true(has(zone, "1.1.0.0.r.example.org", WEIR_DNS_PTR, "\4h000\7example\3org\0", 18));
	assert_true(has(zone, "2.1.0.0.r.example.org", WEIR_DNS_PTR, "\4h001\7example\3org\0", 18));
	assert_true(has(zone, "x000fXFFo12.example.org", WEIR_DNS_TXT, "\10a $ $ 10", 9));
	assert_true(has(zone, "x0010X100o13.example.org", WEIR_DNS_TXT, "\10a $ $ 11", 9));
	weir_dns_zone_release(zone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(everything_a_file_may_say),
	        cmocka_unit_test(mistakes_are_told_with_their_line),
	        cmocka_unit_test(generated_records),
	        cmocka_unit_test(files_that_are_none),
	        cmocka_unit_test(without_memory_there_is_no_zone),
	        cmocka_unit_test(names_stand_in_order_with_all_above_them),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
