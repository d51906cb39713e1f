/* Messages: queries read strictly, records written so that ldns reads the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include <weir/dns_message.h>

#include "drain.h"

/* -- queries ----------------------------------------------------------------------------------- */

#define HEADER(flags, qd, an, ns, ar) "\x12\x34" flags "\0" qd "\0" an "\0" ns "\0" ar
#define QUESTION "\3www\7example\3org\0\0\1\0\1"
#define OPT(version, options_size) "\0\0\x29\x04\xd0\0" version "\x80\0\0" options_size
#define TSIG "\0\0\xfa\0\xff\0\0\0\0\0\0"

struct wanted {
	const char *bytes;
	size_t size;
	int rcode;
};

#define WANTED(literal, rcode)                                                                     \
	{                                                                                          \
		literal, sizeof literal - 1, rcode                                                 \
	}

static int query_read(const char *bytes, size_t size, struct weir_dns_query *ret)
{
	char *copy = malloc(size ? size : 1);
	assert_non_null(copy);
	memcpy(copy, bytes, size);
	int rcode = weir_dns_query_read(weir_span(copy, size), ret);
	free(copy);
	return rcode;
}

static void queries_are_read_strictly(void **state)
{
	static const struct wanted cases[] = {
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\0") QUESTION, WEIR_DNS_NOERROR),
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\1") QUESTION OPT("\0", "\0"),
	                WEIR_DNS_NOERROR),
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\1") QUESTION OPT("\0", "\4") "\0\3\0\0",
	                WEIR_DNS_NOERROR),
	        WANTED(HEADER("\0\0", "\0", "\0", "\0", "\1") OPT("\0", "\0"), WEIR_DNS_NOERROR),
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\2") QUESTION OPT("\0", "\0") TSIG,
	                WEIR_DNS_NOERROR),
	        WANTED(HEADER("\x20\0", "\1", "\1", "\0", "\0") QUESTION TSIG, WEIR_DNS_NOERROR),
	        /* an answer is not answered */
	        WANTED(HEADER("\x80\0", "\1", "\0", "\0", "\0") QUESTION, -1),
	        WANTED("\x12\x34\0\0\0\0\0\0\0\0\0", -1),
	        /* other opcodes */
	        WANTED(HEADER("\x10\0", "\1", "\0", "\0", "\0") QUESTION, WEIR_DNS_NOTIMP),
	        WANTED(HEADER("\x28\0", "\1", "\0", "\0", "\0") QUESTION, WEIR_DNS_NOTIMP),
	        /* another version of EDNS */
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\1") QUESTION OPT("\1", "\0"),
	                WEIR_DNS_BADVERS),
	        /* counts that do not fit the opcode or the bytes */
	        WANTED(HEADER("\0\0", "\2", "\0", "\0", "\0") QUESTION QUESTION, WEIR_DNS_FORMERR),
	        WANTED(HEADER("\0\0", "\1", "\1", "\0", "\0") QUESTION TSIG, WEIR_DNS_FORMERR),
	        WANTED(HEADER("\0\0", "\1", "\0", "\1", "\0") QUESTION TSIG, WEIR_DNS_FORMERR),
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\1") QUESTION, WEIR_DNS_FORMERR),
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\0") QUESTION "x", WEIR_DNS_FORMERR),
	        /* TC in a query is ignored */
	        WANTED(HEADER("\2\0", "\1", "\0", "\0", "\0") QUESTION, WEIR_DNS_NOERROR),
	        /* more additional records than OPT and TSIG need */
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\3")
	                        QUESTION OPT("\0", "\0") "\0\0\1\0\1\0\0\0\0\0\0" TSIG,
	                WEIR_DNS_FORMERR),
	        /* OPT twice, with an owner, with options that do not add up */
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\2") QUESTION OPT("\0", "\0")
	                        OPT("\0", "\0"),
	                WEIR_DNS_FORMERR),
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\1") QUESTION "\1a" OPT("\0", "\0"),
	                WEIR_DNS_FORMERR),
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\1") QUESTION OPT("\0", "\3") "\0\3\0",
	                WEIR_DNS_FORMERR),
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\1") QUESTION OPT("\0", "\4") "\0\3\0\1",
	                WEIR_DNS_FORMERR),
	        /* TSIG before another record */
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\2") QUESTION TSIG OPT("\0", "\0"),
	                WEIR_DNS_FORMERR),
	        /* a pointer in the question can only lead into the header */
	        WANTED(HEADER("\0\0", "\1", "\0", "\0", "\0") "\1a\xc0\2\0\1\0\1",
	                WEIR_DNS_FORMERR),
	};
	struct weir_dns_query query;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(query_read(cases[i].bytes, cases[i].size, &query), cases[i].rcode);
}

static void a_query_cut_anywhere_is_refused(void **state)
{
	static const char bytes[] =
	        HEADER("\1\0", "\1", "\0", "\0", "\2") QUESTION OPT("\0", "\4") "\0\3\0\0" TSIG;
	struct weir_dns_query query;
	(void)state;
	for (size_t size = 0; size < sizeof bytes - 1; size++)
		assert_int_equal(
		        query_read(bytes, size, &query), size < 12 ? -1 : WEIR_DNS_FORMERR);
	assert_int_equal(query_read(bytes, sizeof bytes - 1, &query), WEIR_DNS_NOERROR);
	assert_int_equal(query.header.id, 0x1234);
	assert_int_equal(query.question_end, 33);
	assert_int_equal(query.question.type, WEIR_DNS_A);
	assert_int_equal(query.question.rr_class, WEIR_DNS_IN);
	assert_int_equal(query.tsig, sizeof bytes - 1 - 11);
	assert_true(query.edns.present && query.edns.dnssec);
	assert_int_equal(query.edns.size, 1232);
}

/* -- what is written --------------------------------------------------------------------------- */

static void put_text(struct weir_dns_writer *writer, const char *text, bool *ret_fits)
{
	ldns_rr *rr;
	uint8_t rdata[1024];
	size_t size = 0;
	assert_int_equal(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL), LDNS_STATUS_OK);
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		memcpy(rdata + size, ldns_rdf_data(ldns_rr_rdf(rr, i)),
		        ldns_rdf_size(ldns_rr_rdf(rr, i)));
		size += ldns_rdf_size(ldns_rr_rdf(rr, i));
	}
	*ret_fits = weir_dns_put_record(writer, WEIR_DNS_ANSWER, ldns_rdf_data(ldns_rr_owner(rr)),
	        (uint16_t)ldns_rr_get_type(rr), WEIR_DNS_IN, ldns_rr_ttl(rr),
	        weir_span(rdata, size));
	ldns_rr_free(rr);
}

static const char *const records[] = {
        "www.example.org. 300 IN A 192.0.2.1",
        "example.org. 300 IN SOA ns.example.org. mail.ns.example.org. 1 2 3 4 5",
        "Example.ORG. 300 IN MX 10 a.mail.example.org.",
        "b.mail.example.org. 300 IN SRV 1 2 3 a.mail.example.org.",
        "example.org. 1 IN DNAME example.net.",
        "example.net. 1 IN TXT \"one\" \"two\"",
        ". 1 IN NS a.root-servers.net.",
        "x.y.example.net. 1 IN CNAME y.example.net.",
};

#define RECORDS (sizeof records / sizeof *records)

static void records_are_read_back_by_ldns(void **state)
{
	uint8_t bytes[512];
	struct weir_dns_writer writer;
	ldns_pkt *packet;
	bool fits;
	(void)state;
	weir_dns_writer_init(&writer, bytes, sizeof bytes);
	assert_true(weir_dns_put_question(&writer, weir_span(QUESTION, sizeof QUESTION - 1)));
	for (size_t i = 0; i < RECORDS; i++) {
		put_text(&writer, records[i], &fits);
		assert_true(fits);
	}
	assert_true(weir_dns_put_opt(
	        &writer, 1232, WEIR_DNS_BADVERS, true, weir_span("\0\3\0\2ab", 6)));
	size_t size = weir_dns_writer_finish(&writer, 7, WEIR_DNS_QR | WEIR_DNS_AA);
	assert_int_equal(ldns_wire2pkt(&packet, bytes, size), LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt_id(packet), 7);
	assert_int_equal(ldns_pkt_edns_extended_rcode(packet), 1);
	assert_true(ldns_pkt_edns_do(packet));
	assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(packet)), RECORDS);
	for (size_t i = 0; i < RECORDS; i++) {
		ldns_rr *rr;
		assert_int_equal(
		        ldns_rr_new_frm_str(&rr, records[i], 0, NULL, NULL), LDNS_STATUS_OK);
		assert_int_equal(
		        ldns_rr_compare(rr, ldns_rr_list_rr(ldns_pkt_answer(packet), i)), 0);
		ldns_rr_free(rr);
	}
	ldns_pkt_free(packet);
	/*
	 * "www.example.org" is a pointer; of the SOA's names only "ns" and "mail" are written out.
	 */
	assert_memory_equal(bytes + 33, "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1", 16);
	assert_memory_equal(bytes + 49, "\xc0\x10\0\6", 4);
	assert_memory_equal(bytes + 61, "\2ns\xc0\x10\4mail\xc0\x3d", 12);
}

/* Whatever the limit, a message holds whole records, and what follows a cut is right. */
static void a_record_fits_whole_or_not_at_all(void **state)
{
	(void)state;
	for (size_t limit = 33; limit < 330; limit++) {
		uint8_t *bytes = malloc(limit);
		struct weir_dns_writer writer;
		unsigned put = 0;
		ldns_pkt *packet;
		assert_non_null(bytes);
		weir_dns_writer_init(&writer, bytes, limit);
		assert_true(
		        weir_dns_put_question(&writer, weir_span(QUESTION, sizeof QUESTION - 1)));
		for (size_t i = 0; i < RECORDS * 2; i++) {
			bool fits;
			size_t before = writer.size;
			put_text(&writer, records[i % RECORDS], &fits);
			put += fits;
			assert_int_equal(fits, writer.size != before);
		}
		size_t size = weir_dns_writer_finish(&writer, 7, WEIR_DNS_QR);
		assert_int_equal(ldns_wire2pkt(&packet, bytes, size), LDNS_STATUS_OK);
		assert_int_equal(ldns_rr_list_rr_count(ldns_pkt_answer(packet)), put);
		for (size_t i = 0; i < put; i++) {
			char *text = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_answer(packet), i));
			assert_non_null(text);
			assert_true(strstr(text, "example") || strstr(text, "root-servers"));
			free(text);
		}
		ldns_pkt_free(packet);
		free(bytes);
	}
}

/* The pointers that a reader follows for the name at `at`. */
static unsigned pointers_of(const uint8_t *bytes, size_t at)
{
	unsigned count = 0;
	while (bytes[at]) {
		bool points = bytes[at] >= 0xc0;
		count += points;
		at = points ? (size_t)(bytes[at] & 0x3f) << 8 | bytes[at + 1] : at + bytes[at] + 1u;
	}
	return count;
}

static void nested_names_are_compressed_by_two_pointers_at_most(void **state)
{
	static uint8_t bytes[WEIR_DNS_MESSAGE_MAX];
	struct weir_dns_writer writer;
	struct weir_dns_name name, again;
	unsigned twice = 0;
	(void)state;
	weir_dns_writer_init(&writer, bytes, sizeof bytes);
	weir_dns_name_parse(WEIR_SPAN("example."), &name);
	for (unsigned i = 0; i < 100; i++) {
		size_t at = writer.size, end = at;
		assert_true(weir_dns_put_name(&writer, name.wire));
		assert_in_range(pointers_of(bytes, at), 0, 2);
		twice += pointers_of(bytes, at) == 2;
		assert_int_equal(
		        weir_dns_name_read(weir_span(bytes, writer.size), &end, &again), 0);
		assert_true(weir_dns_name_equal(&name, &again));
		/* Each name is the one before with a label in front. */
		memmove(name.wire + 2, name.wire, name.size);
		name.wire[0] = 1;
		name.wire[1] = (uint8_t)('a' + i % 26);
		name.size = (uint8_t)(name.size + 2);
		name.labels++;
	}
	assert_in_range(twice, 90, 98);
}

static void many_names_fill_the_table_and_no_more(void **state)
{
	static uint8_t bytes[WEIR_DNS_MESSAGE_MAX];
	struct weir_dns_writer writer;
	ldns_pkt *packet;
	bool fits = true;
	unsigned count = 0;
	(void)state;
	weir_dns_writer_init(&writer, bytes, sizeof bytes);
	while (fits) {
		char text[100];
		snprintf(text, sizeof text, "a%u.b%u.example. 1 IN NS ns%u.c%u.example.", count,
		        count % 300, count, count % 100);
		put_text(&writer, text, &fits);
		count += fits;
	}
	size_t size = weir_dns_writer_finish(&writer, 1, WEIR_DNS_QR);
	assert_true(size > 65000);
	assert_int_equal(ldns_wire2pkt(&packet, bytes, size), LDNS_STATUS_OK);
	for (unsigned i = 0; i < count; i++) {
		char text[100];
		ldns_rr *rr;
		snprintf(text, sizeof text, "a%u.b%u.example. 1 IN NS ns%u.c%u.example.", i,
		        i % 300, i, i % 100);
		assert_int_equal(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL), LDNS_STATUS_OK);
		assert_int_equal(
		        ldns_rr_compare(rr, ldns_rr_list_rr(ldns_pkt_answer(packet), i)), 0);
		ldns_rr_free(rr);
	}
	ldns_pkt_free(packet);
}

/* The name of a question is compressed as any other one, though it comes into the table later. */
static void names_of_questions_are_compressed_as_others(void **state)
{
	static const char *const names[] = {".", "org.", "example.org.", "EXAMPLE.org.",
	        "www.example.org.", "www.Example.org.", "a.www.example.org.", "example.net.",
	        "www.example.net."};
	enum {
		NAMES = sizeof names / sizeof *names
	};
	uint8_t bytes[2][300], question[WEIR_DNS_NAME_MAX + 4] = {0};
	struct dice dice = {1};
	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct weir_dns_writer writers[2];
		struct weir_dns_name name;
		size_t limit = 40 + dice_throw(&dice, 200);
		weir_dns_name_parse(weir_span_of(names[dice_throw(&dice, NAMES)]), &name);
		memcpy(question, name.wire, name.size);
		memset(question + name.size, 0, 4);
		weir_dns_writer_init(&writers[0], bytes[0], limit);
		weir_dns_writer_init(&writers[1], bytes[1], limit);
		assert_true(weir_dns_put_question(
		        &writers[0], weir_span((char *)question, name.size + 4u)));
		assert_true(weir_dns_put_name(&writers[1], name.wire));
		assert_true(weir_dns_put_bytes(&writers[1], question + name.size, 4));
		size_t cut = writers[0].size;
		for (unsigned j = 0; j < 12; j++) {
			weir_dns_name_parse(weir_span_of(names[dice_throw(&dice, NAMES)]), &name);
			if (dice_throw(&dice, 5) == 0)
				cut = dice_throw(&dice, 9) == 0 ? WEIR_DNS_HEADER_SIZE
				                                : writers[0].size;
			bool back = dice_throw(&dice, 6) == 0;
			for (unsigned k = 0; k < 2 && back; k++)
				weir_dns_writer_cut(&writers[k], cut, WEIR_DNS_ANSWER, 0);
			assert_int_equal(weir_dns_put_name(&writers[0], name.wire),
			        weir_dns_put_name(&writers[1], name.wire));
			cut = cut < writers[0].size ? cut : writers[0].size;
			assert_int_equal(writers[0].size, writers[1].size);
			assert_memory_equal(bytes[0] + WEIR_DNS_HEADER_SIZE,
			        bytes[1] + WEIR_DNS_HEADER_SIZE,
			        writers[0].size - WEIR_DNS_HEADER_SIZE);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(queries_are_read_strictly),
	        cmocka_unit_test(a_query_cut_anywhere_is_refused),
	        cmocka_unit_test(records_are_read_back_by_ldns),
	        cmocka_unit_test(a_record_fits_whole_or_not_at_all),
	        cmocka_unit_test(nested_names_are_compressed_by_two_pointers_at_most),
	        cmocka_unit_test(many_names_fill_the_table_and_no_more),
	        cmocka_unit_test(names_of_questions_are_compressed_as_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
