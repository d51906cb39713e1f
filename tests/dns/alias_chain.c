/*
 * Chains that leave the zones of a server: what is behind them comes from an upstream that is the
 * test.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "allocation.h"
#include "dns_codec.h"
#include "dns_reply.h"
#include "forwarding.h"

static const char zone_text[] = "$TTL 300\n"
                                "@ IN SOA ns.own. h.own. 1 3600 600 86400 60\n"
                                "@ IN NS ns.own.\n"
                                "host IN A 192.0.2.9\n"
                                "www IN CNAME a.x.\n"
                                "twice IN CNAME www\n"
                                "*.wild IN CNAME A.x.\n"
                                "tree IN DNAME x.\n"
                                "home IN CNAME localhost.\n"
                                "bad IN CNAME a.b.invalid.\n"
                                "lost IN CNAME www.absent.\n"
                                "back IN CNAME out.x.\n"
                                "out IN CNAME a.x.\n"
                                "cut IN NS ns.cut\n"
                                "ns.cut IN A 192.0.2.8\n"
                                "down IN CNAME www.cut\n"
                                "l IN CNAME l.x.\n"
                                "n00 IN CNAME n01.x.\n"
                                "$GENERATE 1-19 n${0,2} IN CNAME n${1,2}.x.\n"
                                "n20 IN A 192.0.2.20\n";

static struct weir_dns_zone *load_own(void)
{
	char path[] = "/tmp/weir-chase-XXXXXX";
	struct weir_dns_name apex;
	struct weir_dns_zone *zone;
	int file = mkstemp(path);
	assert_int_equal(
	        write(file, zone_text, sizeof zone_text - 1), (ssize_t)sizeof zone_text - 1);
	close(file);
	weir_dns_name_parse(WEIR_SPAN("own"), &apex);
	assert_int_equal(weir_dns_zone_load(path, &apex, NULL, NULL, &zone), 0);
	unlink(path);
	return zone;
}

/* The zone "own", and "absent", which has not come yet. */
static int open_with(struct weir_dns_options options)
{
	struct weir_dns_zone_entry entries[2] = {{.zone = load_own()}};
	struct weir_dns_name absent;
	weir_dns_name_parse(WEIR_SPAN("absent"), &absent);
	if (weir_dns_zone_create_placeholder(&absent, WEIR_DNS_EDE_NOT_READY, &entries[1].zone) <
	                0 ||
	        weir_dns_zones_create(entries, 2, &options.zones) < 0)
		return -1;
	weir_dns_zone_release(entries[0].zone);
	weir_dns_zone_release(entries[1].zone);
	return forwarding_open(options, WEIR_DNS_ASKS_MAX);
}

static int set_up(void **state)
{
	struct weir_dns_options options = default_options();
	(void)state;
	options.responder.recursion.trust_ad = true;
	return open_with(options);
}

static int tear_down(void **state)
{
	(void)state;
	forwarding_close();
	return forwarding.asker.open ? -1 : 0;
}

#define AA WEIR_DNS_AA
#define WWW "an www.own. 300 CNAME a.x.\n"

static void answer(int error, struct weir_span reply)
{
	asker_answer(&forwarding.asker, error, reply);
}

/* -- answers ----------------------------------------------------------------------------------- */

static void followed_to_the_end(void **state)
{
	(void)state;
	ask("www.own. A", RD, 1);
	assert_int_equal(received().size, 0);
	const struct weir_dns_question *asked = &forwarding.asker.asks[0].question;
	struct weir_dns_question target = question_of("a.x. A");
	assert_true(weir_dns_name_equal(&asked->name, &target.name));
	assert_int_equal(asked->type, WEIR_DNS_A);
	assert_int_equal(forwarding.asker.asks[0].flags, 0);
	answer(0, REPLY("a.x. A", "", "an a.x. 100 CNAME b.y.", "an b.y. 50 A 192.0.2.1"));
	expect(1, ANSWERED | AA, WWW "an a.x. 100 CNAME b.y.\nan b.y. 50 A 192.0.2.1\n");
	/* From the cache. */
	ask("www.own. A", RD | EDNS, 2);
	expect(2, ANSWERED | AA,
	        WWW "an a.x. 100 CNAME b.y.\nan b.y. 50 A 192.0.2.1\nad . 0 OPT \n");
	ask("twice.own. A", RD, 3);
	expect(3, ANSWERED | AA,
	        "an twice.own. 300 CNAME www.own.\n" WWW
	        "an a.x. 100 CNAME b.y.\nan b.y. 50 A 192.0.2.1\n");
	assert_int_equal(forwarding.asker.count, 1);
	/* Names that do not lead out of the zone are answered as before. */
	ask("host.own. A", RD, 4);
	expect(4, ANSWERED | AA, "an host.own. 300 A 192.0.2.9\n");
	ask("www.own. CNAME", RD, 5);
	expect(5, ANSWERED | AA, WWW);
	assert_int_equal(forwarding.asker.count, 1);
}

static void ours_alone_without_rd(void **state)
{
	(void)state;
	ask("www.own. A", 0, 1);
	expect(1, WEIR_DNS_QR | WEIR_DNS_RA | AA, WWW);
	ask("lost.own. A", 0, 2);
	expect(2, WEIR_DNS_QR | WEIR_DNS_RA | AA, "an lost.own. 300 CNAME www.absent.\n");
	assert_int_equal(forwarding.asker.count, 0);
}

static int set_up_prohibiting(void **state)
{
	static struct weir_network network;
	struct weir_dns_options options = default_options();
	(void)state;
	weir_network_parse(WEIR_SPAN("192.0.2.0/24"), &network);
	options.responder.recursion.networks = &network;
	options.responder.recursion.network_count = 1;
	return open_with(options);
}

static void ours_alone_for_others(void **state)
{
	(void)state;
	ask("www.own. A", RD, 1);
	expect(1, WEIR_DNS_QR | RD | AA, WWW);
	assert_int_equal(forwarding.asker.count, 0);
}

static void by_dname_and_wildcard(void **state)
{
	(void)state;
	ask("a.tree.own. A", RD, 1);
	answer(0, REPLY("a.x. A", "", ANSWER));
	expect(1, ANSWERED | AA,
	        "an tree.own. 300 DNAME x.\nan a.tree.own. 300 CNAME a.x.\n" ANSWER "\n");
	/* As the zone writes it. */
	ask("q.wild.own. A", RD, 2);
	expect(2, ANSWERED | AA, "an q.wild.own. 300 CNAME A.x.\nan A.x. 100 A 192.0.2.1\n");
	assert_int_equal(forwarding.asker.count, 1);
}

static void signatures(void **state)
{
	(void)state;
	ask("www.own. A", RD | DO | CD, 1);
	assert_int_equal(forwarding.asker.asks[0].flags,
	        WEIR_DNS_ASK_DNSSEC | WEIR_DNS_ASK_CHECKING_DISABLED);
	answer(0, REPLY("a.x. A", "ad", ANSWER, "an a.x. 100 RRSIG A"));
	/* AD would speak for what nobody has looked at, too. */
	expect(1, ANSWERED | AA | CD, WWW ANSWER "\nan a.x. 100 RRSIG 1\nad . 32768 OPT \n");
	ask("www.own. A", RD | DO, 2);
	answer(0, REPLY("a.x. A", "NXDOMAIN", "au x. 300 SOA 60", "au x. 300 RRSIG SOA",
	                  "au x. 60 NSEC b.x.", "au x. 60 RRSIG NSEC"));
	expect(2, ANSWERED | AA | WEIR_DNS_NXDOMAIN,
	        WWW "au x. 60 SOA 60\nau x. 300 RRSIG 6\nau x. 60 NSEC b.x.\n"
	            "au x. 60 RRSIG 47\nad . 32768 OPT \n");
}

static void nothing_there(void **state)
{
	(void)state;
	ask("www.own. A", RD, 1);
	answer(0, REPLY("a.x. A", "NXDOMAIN", "au x. 300 SOA 60"));
	expect(1, ANSWERED | AA | WEIR_DNS_NXDOMAIN, WWW "au x. 60 SOA 60\n");
	ask("www.own. TXT", RD, 2);
	answer(0, REPLY("a.x. TXT", "", "au x. 300 SOA 60"));
	expect(2, ANSWERED | AA, WWW "au x. 60 SOA 60\n");
}

static void our_own_data_wins_where_a_chain_comes_back(void **state)
{
	(void)state;
	ask("back.own. A", RD, 1);
	answer(0, REPLY("out.x. A", "", "an out.x. 100 CNAME host.own.",
	                  "an host.own. 100 A 203.0.113.1"));
	expect(1, ANSWERED | AA,
	        "an back.own. 300 CNAME out.x.\nan out.x. 100 CNAME host.own.\n"
	        "an host.own. 300 A 192.0.2.9\n");
	/* A chain that begins elsewhere, late and from the cache; our zone has no such name. */
	ask("p.x. A", RD, 2);
	answer(0, REPLY("p.x. A", "ad", "an p.x. 100 CNAME q.x.", "an host.own. 9 A 203.0.113.1",
	                  "an q.x. 90 CNAME host.own."));
	static const char wanted[] = "an p.x. 100 CNAME q.x.\nan q.x. 90 CNAME host.own.\n"
	                             "an host.own. 300 A 192.0.2.9\n";
	expect(2, ANSWERED, wanted);
	ask("p.x. A", RD | WEIR_DNS_AD, 3);
	expect(3, ANSWERED | 0, wanted);
	ask("n.x. A", RD, 4);
	answer(0, REPLY("n.x. A", "", "an n.x. 100 CNAME no.own.", "an no.own. 9 A 203.0.113.1"));
	expect(4, ANSWERED | WEIR_DNS_NXDOMAIN, "an n.x. 100 CNAME no.own.\nau own. 60 SOA 60\n");
	/* The aliases themselves are the upstream's. */
	ask("p.x. CNAME", RD, 5);
	answer(0, REPLY("p.x. CNAME", "", "an p.x. 100 CNAME host.own."));
	expect(5, ANSWERED, "an p.x. 100 CNAME host.own.\n");
	assert_int_equal(forwarding.asker.count, 4);
}

static void a_chain_that_leaves_our_zones_twice_is_whole(void **state)
{
	static const char wanted[] = "an back.own. 300 CNAME out.x.\nan out.x. 100 CNAME out.own.\n"
	                             "an out.own. 300 CNAME a.x.\nan a.x. 100 A 192.0.2.1\n";
	(void)state;
	ask("back.own. A", RD, 1);
	answer(0, REPLY("out.x. A", "", "an out.x. 100 CNAME out.own.",
	                  "an out.own. 9 A 203.0.113.1"));
	assert_int_equal(received().size, 0);
	struct weir_dns_question target = question_of("a.x. A");
	assert_true(weir_dns_name_equal(&forwarding.asker.asks[0].question.name, &target.name));
	answer(0, REPLY("a.x. A", "", ANSWER));
	expect(1, ANSWERED | AA, wanted);
	/* From the cache, and from there in part. */
	ask("back.own. A", RD, 2);
	expect(2, ANSWERED | AA, wanted);
	ask("r.x. A", RD, 3);
	answer(0,
	        REPLY("r.x. A", "ad", "an r.x. 100 CNAME out.own.", "an out.own. 9 A 203.0.113.1"));
	expect(3, ANSWERED, "an r.x. 100 CNAME out.own.\nan out.own. 300 CNAME a.x.\n" ANSWER "\n");
	assert_int_equal(forwarding.asker.count, 3);
	/* Its end is a failure, or nothing. */
	ask("back.own. TXT", RD | EDNS, 4);
	answer(0, REPLY("out.x. TXT", "", "an out.x. 100 CNAME out.own."));
	answer(-ETIMEDOUT, WEIR_SPAN(""));
	struct weir_span reply = received();
	assert_int_equal(word(reply, 2), ANSWERED | WEIR_DNS_SERVFAIL);
	assert_int_equal(word(reply, 6), 0);
	assert_int_equal(error_of(reply), WEIR_DNS_EDE_NO_REACHABLE_AUTHORITY);
	ask("back.own. MX", RD, 5);
	answer(0, REPLY("out.x. MX", "", "an out.x. 100 CNAME out.own."));
	answer(0, REPLY("a.x. MX", "NXDOMAIN", "au x. 300 SOA 60"));
	expect(5, ANSWERED | AA | WEIR_DNS_NXDOMAIN,
	        "an back.own. 300 CNAME out.x.\nan out.x. 100 CNAME out.own.\n"
	        "an out.own. 300 CNAME a.x.\nau x. 60 SOA 60\n");
}

/* The first answer is not in the cache when the second one has come. */
static void a_chain_of_answers_that_may_not_be_remembered_is_whole(void **state)
{
	(void)state;
	ask("back.own. A", RD, 1);
	answer(0, REPLY("out.x. A", "", "an out.x. 0 CNAME out.own."));
	answer(0, REPLY("a.x. A", "", "an a.x. 0 A 192.0.2.1"));
	expect(1, ANSWERED | AA,
	        "an back.own. 300 CNAME out.x.\nan out.x. 0 CNAME out.own.\n"
	        "an out.own. 300 CNAME a.x.\nan a.x. 0 A 192.0.2.1\n");
	assert_int_equal(forwarding.asker.count, 2);
	/*
	 * Nor when there is no memory for it; then it is asked for again, a bounded number of
	 * times.
	 */
	ask("back.own. A", RD, 2);
	for (unsigned i = 0; i < 100 && forwarding.asker.open; i++) {
		struct weir_dns_question out = question_of("out.x. A");
		bool first = false;
		for (unsigned j = 0; j < ASKS_MAX; j++)
			first |= forwarding.asker.asks[j].open &&
			         weir_dns_name_equal(
			                 &forwarding.asker.asks[j].question.name, &out.name);
		fail_allocation_after(2, true);
		answer(0, first ? REPLY("out.x. A", "", "an out.x. 0 CNAME out.own.")
		                : REPLY("a.x. A", "", "an a.x. 0 A 192.0.2.1"));
		stop_failing_allocations();
	}
	assert_int_equal(forwarding.asker.open, 0);
	assert_true(forwarding.asker.count < 30);
	assert_true(received().size > 0);
}

/* Answers l.x. and n1.x. and so on by an alias for what has the same name in our zone. */
static void answer_by_an_alias(void)
{
	for (unsigned i = 0; i < ASKS_MAX; i++) {
		struct asked *open = &forwarding.asker.asks[i];
		char label[64] = "", question[80], line[160], end[128];
		if (!open->open)
			continue;
		memcpy(label, open->question.name.wire + 1, open->question.name.wire[0]);
		snprintf(question, sizeof question, "%s.x. A", label);
		snprintf(line, sizeof line, "an %s.x. 100 CNAME %s.own.", label, label);
		snprintf(end, sizeof end, "an %s.own. 100 A 203.0.113.1", label);
		open->open = false;
		forwarding.asker.open--;
		open->answered(open->context, 0, REPLY(question, "", line, end));
		return;
	}
}

static void a_chain_that_goes_round_or_is_too_long_fails(void **state)
{
	(void)state;
	ask("l.own. A", RD, 1);
	answer_by_an_alias();
	struct weir_span reply = received();
	assert_int_equal(word(reply, 2), ANSWERED | WEIR_DNS_SERVFAIL);
	assert_int_equal(word(reply, 6), 0);
	assert_int_equal(forwarding.asker.count, 1);
	ask("n00.own. A", RD | EDNS, 2);
	for (unsigned i = 0; i < 30; i++)
		answer_by_an_alias();
	reply = received();
	assert_int_equal(word(reply, 2), ANSWERED | WEIR_DNS_SERVFAIL);
	assert_int_equal(forwarding.asker.count, 1 + WEIR_DNS_CHAIN_MAX);
	/* From n04 on there are 16 aliases of ours. */
	ask("n04.own. A", RD | EDNS, 3);
	for (unsigned i = 0; i < 4; i++)
		answer_by_an_alias();
	reply = received();
	assert_int_equal(word(reply, 2), ANSWERED | AA);
	assert_int_equal(word(reply, 6), 2 * WEIR_DNS_CHAIN_MAX + 1);
}

static void a_chain_that_comes_to_an_absent_zone_fails(void **state)
{
	(void)state;
	ask("s.x. A", RD | EDNS, 2);
	answer(0,
	        REPLY("s.x. A", "", "an s.x. 100 CNAME a.absent.", "an a.absent. 9 A 203.0.113.1"));
	struct weir_span reply = received();
	assert_int_equal(word(reply, 2), ANSWERED | WEIR_DNS_SERVFAIL);
	assert_int_equal(error_of(reply), WEIR_DNS_EDE_NOT_READY);
}

static void below_a_delegation_a_recursive_query_is_looked_up(void **state)
{
	(void)state;
	ask("www.cut.own. A", RD, 1);
	answer(0, REPLY("www.cut.own. A", "", "an www.cut.own. 50 A 198.51.100.1"));
	expect(1, ANSWERED, "an www.cut.own. 50 A 198.51.100.1\n");
	ask("down.own. A", RD, 2);
	expect(2, ANSWERED | AA,
	        "an down.own. 300 CNAME www.cut.own.\nan www.cut.own. 50 A 198.51.100.1\n");
	assert_int_equal(forwarding.asker.count, 1);
	/* An alias that stays below the cut is the upstream's, too. */
	ask("ftp.cut.own. A", RD, 4);
	answer(0, REPLY("ftp.cut.own. A", "", "an ftp.cut.own. 50 CNAME f.cut.own.",
	                  "an f.cut.own. 50 A 198.51.100.2"));
	expect(4, ANSWERED,
	        "an ftp.cut.own. 50 CNAME f.cut.own.\nan f.cut.own. 50 A 198.51.100.2\n");
	assert_int_equal(forwarding.asker.count, 2);
	/* A query that wants no lookup is referred. */
	ask("www.cut.own. A", 0, 3);
	expect(3, WEIR_DNS_QR | WEIR_DNS_RA,
	        "au cut.own. 300 NS ns.cut.own.\nad ns.cut.own. 300 A 192.0.2.8\n");
	assert_int_equal(forwarding.asker.count, 2);
}

static void names_that_stay_here(void **state)
{
	(void)state;
	ask("home.own. A", RD, 1);
	expect(1, ANSWERED | AA,
	        "an home.own. 300 CNAME localhost.\nan localhost. 10800 A 127.0.0.1\n");
	ask("bad.own. A", RD, 2);
	expect(2, ANSWERED | AA | WEIR_DNS_NXDOMAIN,
	        "an bad.own. 300 CNAME a.b.invalid.\nau invalid. 10800 SOA 10800\n");
	assert_int_equal(forwarding.asker.count, 0);
}

/* -- failures ---------------------------------------------------------------------------------- */

static void expect_failure(int error)
{
	struct weir_span reply = received();
	assert_int_equal(word(reply, 2), ANSWERED | WEIR_DNS_SERVFAIL);
	assert_int_equal(word(reply, 6) + word(reply, 8), 0);
	assert_int_equal(error_of(reply), error);
}

static void failures(void **state)
{
	(void)state;
	ask("www.own. A", RD | EDNS, 1);
	answer(-ETIMEDOUT, WEIR_SPAN(""));
	expect_failure(WEIR_DNS_EDE_NO_REACHABLE_AUTHORITY);
	ask("www.own. A", RD | EDNS, 2);
	expect_failure(WEIR_DNS_EDE_NO_REACHABLE_AUTHORITY);
	ask("lost.own. A", RD | EDNS, 3);
	expect_failure(WEIR_DNS_EDE_NOT_READY);
	forwarding.asker.error = -ENETDOWN;
	ask("www.own. TXT", RD | EDNS, 4);
	expect_failure(WEIR_DNS_EDE_NOT_READY);
	/* The proof that a wildcard was right goes with it. */
	ask("q.wild.own. TXT", RD | DO, 5);
	expect_failure(WEIR_DNS_EDE_NOT_READY);
}

static void what_does_not_fit(void **state)
{
	(void)state;
	ask("www.own. A", RD, 1);
	answer(0, large_reply());
	expect(1, ANSWERED | AA | WEIR_DNS_TC, WWW);
	ask("www.own. A", RD | EDNS, 2);
	expect(2, ANSWERED | AA | WEIR_DNS_TC, WWW "ad . 0 OPT \n");
	struct peer peer = connect_peer();
	tcp_ask(&peer, "www.own. A", 3);
	assert_true(peer_read(&peer, 12));
	assert_int_equal(dns_get16((const uint8_t *)peer.got.data + 4), ANSWERED | AA);
	assert_int_equal(dns_get16((const uint8_t *)peer.got.data + 8), 201);
	assert_int_equal(tcp_next(&peer), 3);
	peer_close(&peer);
	assert_int_equal(forwarding.asker.count, 1);
}

/* Each size of datagram: it is whole, or cut where it may be. */
static void in_any_room(void **state)
{
	static const char txt[] = "an a.x. 100 TXT "
	                          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
	uint8_t query[512];
	bool cut = false, whole = false;
	(void)state;
	ask("www.own. TXT", RD, 1);
	answer(0, REPLY("a.x. TXT", "", txt, txt, txt, txt, txt, txt, txt));
	received();
	for (unsigned room = 512; room < 640; room++) {
		struct weir_dns_header header;
		size_t size = put_query(query, "www.own. TXT", RD | EDNS, 1);
		dns_put16(query + size - 8, room);
		assert_int_equal(send(forwarding.udp, query, size, 0), size);
		struct weir_span reply = received();
		assert_true(reply.size && reply.size <= room);
		assert_true(weir_dns_header_read(reply, &header));
		cut |= header.flags & WEIR_DNS_TC;
		whole |= !(header.flags & WEIR_DNS_TC);
		assert_int_equal(
		        header.counts[WEIR_DNS_ANSWER], header.flags & WEIR_DNS_TC ? 1 : 8);
		lines_of(reply);
	}
	assert_true(cut && whole);
}

static void without_memory(void **state)
{
	unsigned failed = 0;
	(void)state;
	for (unsigned good = 0; good < 6; good++) {
		fail_allocation_after(good, true);
		ask("www.own. A", RD | EDNS, (uint16_t)good);
		bool asked = forwarding.asker.open;
		if (asked)
			answer(-ETIMEDOUT, WEIR_SPAN(""));
		struct weir_span reply = received();
		failed += stop_failing_allocations();
		assert_int_equal(word(reply, 2), ANSWERED | WEIR_DNS_SERVFAIL);
		assert_int_equal(word(reply, 6), 0);
	}
	assert_true(failed > 1);
}

/* -- meanwhile --------------------------------------------------------------------------------- */

static void who_may_no_more(void **state)
{
	static struct weir_network network;
	const struct weir_dns_recursion others = {forwarding.lookups, &network, 1, false};
	(void)state;
	weir_network_parse(WEIR_SPAN("192.0.2.0/24"), &network);
	ask("www.own. A", RD, 1);
	assert_int_equal(
	        weir_dns_responder_set_recursion(weir_dns_responder(forwarding.server), &others),
	        0);
	answer(0, REPLY("a.x. A", "", ANSWER));
	expect(1, WEIR_DNS_QR | RD | AA, WWW);
}

/* He is answered by the zones that there were. */
static void zones_that_are_no_more(void **state)
{
	struct weir_dns_zones *none;
	(void)state;
	ask("www.own. A", RD, 1);
	assert_int_equal(weir_dns_zones_create(NULL, 0, &none), 0);
	weir_dns_set_zones(forwarding.server, none);
	weir_dns_zones_release(none);
	answer(0, REPLY("a.x. A", "", ANSWER));
	expect(1, ANSWERED | AA, WWW ANSWER "\n");
}

static void by_tcp_and_gone(void **state)
{
	struct peer peer = connect_peer();
	(void)state;
	tcp_ask(&peer, "www.own. A", 1);
	tcp_ask(&peer, "twice.own. TXT", 2);
	assert_int_equal(forwarding.asker.open, 2);
	answer_one("a.x. A");
	assert_int_equal(tcp_next(&peer), 1);
	peer_reset(&peer);
	for (unsigned i = 0; i < 10; i++)
		weir_loop_turn(forwarding.loop, 1);
	answer(-ETIMEDOUT, WEIR_SPAN(""));
}

static void destroyed_while_it_asks(void **state)
{
	(void)state;
	ask("www.own. A", RD, 1);
	weir_dns_destroy(forwarding.server);
	forwarding.server = NULL;
	answer(0, REPLY("a.x. A", "", ANSWER));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(followed_to_the_end),
	        TEST(ours_alone_without_rd),
	        cmocka_unit_test_setup_teardown(
	                ours_alone_for_others, set_up_prohibiting, tear_down),
	        TEST(by_dname_and_wildcard),
	        TEST(signatures),
	        TEST(nothing_there),
	        TEST(our_own_data_wins_where_a_chain_comes_back),
	        TEST(a_chain_that_leaves_our_zones_twice_is_whole),
	        TEST(a_chain_of_answers_that_may_not_be_remembered_is_whole),
	        TEST(a_chain_that_goes_round_or_is_too_long_fails),
	        TEST(a_chain_that_comes_to_an_absent_zone_fails),
	        TEST(below_a_delegation_a_recursive_query_is_looked_up),
	        TEST(names_that_stay_here),
	        TEST(failures),
	        TEST(what_does_not_fit),
	        TEST(in_any_room),
	        TEST(without_memory),
	        TEST(who_may_no_more),
	        TEST(zones_that_are_no_more),
	        TEST(by_tcp_and_gone),
	        TEST(destroyed_while_it_asks),
	};
	return cmocka_run_group_tests_name("dns/chase", tests, NULL, NULL);
}
