/* Accepting replies: the records of the chain, and no others; never more than there were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <weir/error.h>
#include <weir/limits.h>

#include "cache.h"
#include "dns_codec.h"
#include "dns_reply.h"

static uint8_t message[WEIR_DNS_MESSAGE_MAX];
static const struct dns_ttl_bounds bounds = {.max_s = 86400, .negative_max_s = 3600};

static int accept_with(const char *question, unsigned flags, struct weir_span reply,
        const struct dns_ttl_bounds *with, struct dns_accepted *ret)
{
	struct weir_dns_question asked = question_of(question);
	/* In a block of its own, so that reading beyond it is seen. */
	char *copy = malloc(reply.size ? reply.size : 1);
	assert_non_null(copy);
	memcpy(copy, reply.data, reply.size);
	int error = dns_accept(weir_span(copy, reply.size), &asked, flags, with, message, ret);
	free(copy);
	return error;
}

static const char *accepted_lines(const struct dns_accepted *accepted)
{
	return lines_of(weir_span(accepted->message, accepted->size));
}

struct sample {
	const char *question;
	const char *flags;
	const char *lines[12];
	unsigned asked; /* DO, CD */
	const char *wanted;
	uint32_t ttl_s;
	unsigned rcode;
};

static void only_what_belongs_to_it(void **state)
{
	static const struct sample samples[] = {
	        {"a.example. A", "",
	                {"an a.example. 300 A 192.0.2.1", "an a.example. 60 A 192.0.2.2"}, 0,
	                "an a.example. 300 A 192.0.2.1\nan a.example. 60 A 192.0.2.2\n", 60, 0},
	        /* another name, another type, other sections */
	        {"a.example. A", "",
	                {"an a.example. 300 A 192.0.2.1", "an victim.example. 9 A 192.0.2.66",
	                        "an a.example. 9 TXT no", "au example. 9 NS evil.example.",
	                        "au example. 9 SOA 5", "ad evil.example. 9 A 192.0.2.66"},
	                0, "an a.example. 300 A 192.0.2.1\n", 300, 0},
	        /* chains, also in another order; what hangs on none of it */
	        {"a.example. A", "",
	                {"an c.example. 50 A 192.0.2.3", "an b.example. 70 CNAME c.example.",
	                        "an a.example. 60 CNAME b.example.",
	                        "an x.example. 1 CNAME y.example.", "an y.example. 1 A 192.0.2.66"},
	                0,
	                "an c.example. 50 A 192.0.2.3\nan b.example. 70 CNAME c.example.\n"
	                "an a.example. 60 CNAME b.example.\n",
	                50, 0},
	        {"a.example. CNAME", "",
	                {"an a.example. 60 CNAME b.example.", "an b.example. 60 CNAME c.example."},
	                0, "an a.example. 60 CNAME b.example.\n", 60, 0},
	        /* a ring: it ends */
	        {"a.example. A", "",
	                {"an a.example. 60 CNAME b.example.", "an b.example. 60 CNAME a.example."},
	                0, "an a.example. 60 CNAME b.example.\nan b.example. 60 CNAME a.example.\n",
	                0, 0},
	        {"x.a.example. A", "",
	                {"an a.example. 60 DNAME b.example.",
	                        "an x.a.example. 60 CNAME x.b.example.",
	                        "an x.b.example. 60 A 192.0.2.1",
	                        "an other.example. 60 DNAME b.example."},
	                0,
	                "an a.example. 60 DNAME b.example.\nan x.a.example. 60 CNAME x.b.example.\n"
	                "an x.b.example. 60 A 192.0.2.1\n",
	                60, 0},
	        /* a negative answer: the time in the SOA record */
	        {"a.example. A", "NXDOMAIN", {"au example. 300 SOA 20"}, 0,
	                "au example. 20 SOA 20\n", 20, WEIR_DNS_NXDOMAIN},
	        {"a.example. A", "", {"au example. 10 SOA 20"}, 0, "au example. 10 SOA 20\n", 10,
	                0},
	        {"a.example. A", "", {"au example. 99999 SOA 99999"}, 0,
	                "au example. 3600 SOA 99999\n", 3600, 0},
	        {"a.example. A", "NXDOMAIN",
	                {"an a.example. 5 CNAME b.other.", "au other. 300 SOA 20"}, 0,
	                "an a.example. 5 CNAME b.other.\nau other. 20 SOA 20\n", 5,
	                WEIR_DNS_NXDOMAIN},
	        /* a SOA of elsewhere, none, a referral: not remembered */
	        {"a.example. A", "NXDOMAIN", {"au other. 300 SOA 20"}, 0, "", 0, WEIR_DNS_NXDOMAIN},
	        {"a.example. A", "", {NULL}, 0, "", 0, 0},
	        {"a.example. A", "", {"au example. 300 NS ns.example."}, 0, "", 0, 0},
	        /* with DO, signatures and proofs */
	        {"a.example. A", "",
	                {"an a.example. 300 A 192.0.2.1", "an a.example. 300 RRSIG A",
	                        "an a.example. 300 RRSIG TXT", "au b.example. 100 NSEC c.example.",
	                        "au b.example. 100 RRSIG NSEC", "au example. 300 RRSIG NS"},
	                WEIR_DNS_ASK_DNSSEC,
	                "an a.example. 300 A 192.0.2.1\nan a.example. 300 RRSIG 1\n"
	                "au b.example. 100 NSEC c.example.\nau b.example. 100 RRSIG 47\n",
	                100, 0},
	        {"a.example. A", "",
	                {"an a.example. 300 A 192.0.2.1", "an a.example. 300 RRSIG A",
	                        "au b.example. 100 NSEC c.example."},
	                0, "an a.example. 300 A 192.0.2.1\n", 300, 0},
	        {"a.example. RRSIG", "", {"an a.example. 300 RRSIG A"}, 0,
	                "an a.example. 300 RRSIG 1\n", 300, 0},
	        /* TTLs that are none, or too long */
	        {"a.example. A", "", {"an a.example. 0 A 192.0.2.1"}, 0,
	                "an a.example. 0 A 192.0.2.1\n", 0, 0},
	        {"a.example. A", "", {"an a.example. 2147483648 A 192.0.2.1"}, 0,
	                "an a.example. 0 A 192.0.2.1\n", 0, 0},
	        {"a.example. A", "", {"an a.example. 100000 A 192.0.2.1"}, 0,
	                "an a.example. 86400 A 192.0.2.1\n", 86400, 0},
	        /* no answer */
	        {"a.example. A", "REFUSED", {"an a.example. 300 A 192.0.2.1"}, 0, "",
	                WEIR_DNS_FAILURE_S, WEIR_DNS_SERVFAIL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		const struct sample *sample = &samples[i];
		struct dns_accepted accepted;
		struct weir_span reply = reply_of(sample->question, sample->flags, sample->lines);
		assert_int_equal(
		        accept_with(sample->question, sample->asked, reply, &bounds, &accepted), 0);
		assert_string_equal(accepted_lines(&accepted), sample->wanted);
		assert_int_equal(accepted.ttl_s, sample->ttl_s);
		assert_int_equal(accepted.info.rcode, sample->rcode);
	}
}

static void the_least_ttl(void **state)
{
	const struct dns_ttl_bounds with = {.min_s = 30, .max_s = 86400, .negative_max_s = 20};
	struct dns_accepted accepted;
	(void)state;
	assert_int_equal(
	        accept_with("a. A", 0, REPLY("a. A", "", "an a. 5 A 192.0.2.1"), &with, &accepted),
	        0);
	assert_int_equal(accepted.ttl_s, 30);
	assert_int_equal(
	        accept_with("a. A", 0, REPLY("a. A", "", "au . 5 SOA 1"), &with, &accepted), 0);
	assert_int_equal(accepted.ttl_s, 20);
}

static void what_it_says_beside(void **state)
{
	struct dns_accepted accepted;
	(void)state;
	struct weir_span reply = REPLY("a. A", "ad", "an a. 5 A 192.0.2.1", "ad . 0 OPT 3");
	assert_int_equal(accept_with("a. A", 0, reply, &bounds, &accepted), 0);
	assert_true(accepted.info.authenticated);
	assert_int_equal(accepted.info.extended_error, 3);
	assert_int_equal(accept_with("a. A", 0, REPLY("a. A", "SERVFAIL", "ad . 0 OPT 6"), &bounds,
	                         &accepted),
	        0);
	assert_false(accepted.info.authenticated);
	assert_int_equal(accepted.info.extended_error, 6);
}

static void replies_to_something_else(void **state)
{
	struct dns_accepted accepted;
	struct weir_span reply = REPLY("a. A", "", "an a. 5 A 192.0.2.1");
	(void)state;
	assert_int_equal(accept_with("A. A", 0, reply, &bounds, &accepted), 0);
	assert_true(accept_with("b. A", 0, reply, &bounds, &accepted) < 0);
	assert_true(accept_with("a. TXT", 0, reply, &bounds, &accepted) < 0);
	assert_true(accept_with("a. A", 0, REPLY("a. A", "tc", "an a. 5 A 192.0.2.1"), &bounds,
	                    &accepted) < 0);
	assert_true(accept_with("a. A", 0, REPLY("a. A", "", "ad . 0 OPT 3", "ad . 0 OPT 3"),
	                    &bounds, &accepted) < 0);
}

/* Cut anywhere, or with any byte changed, it is refused or taken, but never read beyond. */
static void broken_everywhere(void **state)
{
	static const char *const lines[] = {"an a.example. 60 CNAME b.example.",
	        "an b.example. 60 MX c.example.", "au example. 60 SOA 20",
	        "au example. 60 RRSIG SOA", "ad . 0 OPT 3", NULL};
	struct weir_span whole = reply_of("a.example. MX", "ad", lines);
	struct dns_accepted accepted;
	uint8_t copy[512];
	(void)state;
	assert_true(whole.size <= sizeof copy);
	for (size_t i = 0; i < whole.size; i++)
		assert_true(accept_with("a.example. MX", 1, weir_span(whole.data, i), &bounds,
		                    &accepted) < 0);
	for (size_t i = 0; i < whole.size; i++)
		for (unsigned value = 0; value < 256; value++) {
			memcpy(copy, whole.data, whole.size);
			copy[i] = (uint8_t)value;
			if (accept_with("a.example. MX", 1, weir_span(copy, whole.size), &bounds,
			            &accepted) == 0)
				accepted_lines(&accepted);
		}
}

/* Rdata whose names are compressed, or end where they must not. */
static void names_in_rdata(void **state)
{
	static const char good[] = "\0\0\x80\0\0\1\0\1\0\0\0\0\1a\0\0\2\0\1"
	                           "\xc0\x0c\0\2\0\1\0\0\0\x3c\0\4\1n\xc0\x0c";
	static const char beyond[] = "\0\0\x80\0\0\1\0\2\0\0\0\0\1a\0\0\2\0\1"
	                             "\xc0\x0c\0\2\0\1\0\0\0\x3c\0\2\1n"
	                             "\xc0\x0c\0\2\0\1\0\0\0\x3c\0\2\xc0\x0c";
	static const char behind[] = "\0\0\x80\0\0\1\0\1\0\0\0\0\1a\0\0\2\0\1"
	                             "\xc0\x0c\0\2\0\1\0\0\0\x3c\0\3\xc0\x0c\0";
	struct dns_accepted accepted;
	(void)state;
	assert_int_equal(
	        accept_with("a. NS", 0, weir_span(good, sizeof good - 1), &bounds, &accepted), 0);
	assert_string_equal(accepted_lines(&accepted), "an a. 60 NS n.a.\n");
	assert_true(accept_with("a. NS", 0, weir_span(beyond, sizeof beyond - 1), &bounds,
	                    &accepted) < 0);
	assert_true(accept_with("a. NS", 0, weir_span(behind, sizeof behind - 1), &bounds,
	                    &accepted) < 0);
}

/* So many aliases, and an address at the end. */
static size_t long_chain(uint8_t *reply, unsigned aliases)
{
	struct weir_dns_writer writer;
	struct weir_dns_name name, next;
	char text[32];
	weir_dns_writer_init(&writer, reply, WEIR_DNS_MESSAGE_MAX);
	weir_dns_name_parse(WEIR_SPAN("a0.x."), &name);
	weir_dns_put_bytes(&writer, name.wire, name.size);
	weir_dns_put_bytes(&writer, "\0\1\0\1", 4);
	for (unsigned i = 1; i <= aliases; i++, name = next) {
		snprintf(text, sizeof text, "a%u.x.", i);
		weir_dns_name_parse(weir_span_of(text), &next);
		weir_dns_put_record(&writer, WEIR_DNS_ANSWER, name.wire, WEIR_DNS_CNAME,
		        WEIR_DNS_IN, 60, weir_span(next.wire, next.size));
	}
	weir_dns_put_record(&writer, WEIR_DNS_ANSWER, name.wire, WEIR_DNS_A, WEIR_DNS_IN, 60,
	        weir_span("\300\0\2\1", 4));
	writer.counts[WEIR_DNS_QUESTION] = 1;
	return weir_dns_writer_finish(&writer, 1, WEIR_DNS_QR);
}

static void a_chain_is_taken_whole_or_is_a_failure(void **state)
{
	static uint8_t reply[WEIR_DNS_MESSAGE_MAX];
	struct weir_dns_question question = question_of("a0.x. A");
	struct dns_accepted accepted;
	(void)state;
	for (unsigned aliases = 1; aliases < 40; aliases++) {
		size_t size = long_chain(reply, aliases);
		assert_int_equal(dns_accept(weir_span(reply, size), &question, 0, &bounds, message,
		                         &accepted),
		        0);
		bool whole = aliases <= WEIR_DNS_CHAIN_MAX;
		assert_int_equal(accepted.answers, whole ? aliases + 1 : 0);
		assert_int_equal(accepted.info.rcode, whole ? WEIR_DNS_NOERROR : WEIR_DNS_SERVFAIL);
	}
}

/* Each record costs 16 bytes, and its owner a name of 127 labels behind 60 pointers. */
static size_t costly_reply(uint8_t *reply)
{
	struct weir_dns_writer writer;
	size_t at, count = 0;
	weir_dns_writer_init(&writer, reply, WEIR_DNS_MESSAGE_MAX);
	for (unsigned i = 0; i < WEIR_DNS_LABELS_MAX; i++)
		weir_dns_put_bytes(&writer, "\1a", 2);
	weir_dns_put_bytes(&writer, "\0\0\1\0\1", 5);
	/* An answer whose data is a chain of pointers. */
	weir_dns_put_bytes(&writer, "\xc0\x0c\0\x63\0\1\0\0\1\0\0\x78\xc0\x0c", 14);
	for (unsigned i = 0; i < 59; i++) {
		uint8_t pointer[2];
		dns_put16(pointer, 0xc000 | (unsigned)(writer.size - 2));
		weir_dns_put_bytes(&writer, pointer, sizeof pointer);
	}
	at = writer.size - 2;
	while (WEIR_DNS_MESSAGE_MAX - writer.size >= 16) {
		uint8_t pointer[2];
		dns_put16(pointer, 0xc000 | (unsigned)at);
		weir_dns_put_bytes(&writer, pointer, sizeof pointer);
		weir_dns_put_bytes(&writer, "\0\1\0\1\0\0\1\0\0\4\xc0\0\2\1", 14);
		count++;
	}
	writer.counts[WEIR_DNS_QUESTION] = 1;
	writer.counts[WEIR_DNS_ANSWER] = (uint16_t)(count + 1);
	return weir_dns_writer_finish(&writer, 1, WEIR_DNS_QR);
}

static void a_reply_whose_names_cost_too_many_steps_is_refused(void **state)
{
	static uint8_t reply[WEIR_DNS_MESSAGE_MAX];
	struct weir_dns_question question;
	struct dns_accepted accepted;
	size_t size = costly_reply(reply), at = WEIR_DNS_HEADER_SIZE;
	(void)state;
	assert_int_equal(weir_dns_question_read(weir_span(reply, size), &at, &question), 0);
	uint64_t before = dns_name_steps;
	assert_int_equal(
	        dns_accept(weir_span(reply, size), &question, 0, &bounds, message, &accepted),
	        WEIR_E_SYNTAX);
	assert_true(dns_name_steps - before <= 3 * dns_name_steps_max(size) + 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(only_what_belongs_to_it),
	        cmocka_unit_test(the_least_ttl),
	        cmocka_unit_test(what_it_says_beside),
	        cmocka_unit_test(replies_to_something_else),
	        cmocka_unit_test(broken_everywhere),
	        cmocka_unit_test(names_in_rdata),
	        cmocka_unit_test(a_chain_is_taken_whole_or_is_a_failure),
	        cmocka_unit_test(a_reply_whose_names_cost_too_many_steps_is_refused),
	};
	return cmocka_run_group_tests_name("resolver/reply_accept", tests, NULL, NULL);
}
