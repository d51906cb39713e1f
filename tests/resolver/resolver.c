/* The resolver, asking a server that knows a handful of names, set up by files of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/resolver.h>

#include "allocation.h"
#include "clock.h"
#include "fake_upstream.h"
#include "peer.h"

static struct weir_loop *loop;
static struct fake fake, other;
static struct weir_resolver *resolver;
static char directory[64], conf_path[128], hosts_path[128];
static char asked[1024]; /* the names that the server was asked for, with a space behind each */

/* -- the server -------------------------------------------------------------------------------- */

#define DATA(bytes) bytes, sizeof bytes - 1

static const struct known {
	const char *name;
	uint16_t type;
	const char *data;
	size_t size;
} knowns[] = {
        {"v4.example", WEIR_DNS_A, DATA("\xc0\0\2\1")},
        {"v4.example", WEIR_DNS_A, DATA("\xc0\0\2\2")},
        {"v6.example", WEIR_DNS_AAAA, DATA("\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1")},
        {"both.example", WEIR_DNS_A, DATA("\x7f\0\0\2")},
        {"both.example", WEIR_DNS_AAAA, DATA("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1")},
        {"empty.example", WEIR_DNS_TXT, DATA("\0")},
        {"alias.example", WEIR_DNS_CNAME, DATA("\3two\7example\0")},
        {"two.example", WEIR_DNS_CNAME, DATA("\2v4\7example\0")},
        {"loop.example", WEIR_DNS_CNAME, DATA("\4loop\7example\0")},
        {"nowhere.example", WEIR_DNS_CNAME, DATA("\4gone\7example\0")},
        {"hidden.example", WEIR_DNS_CNAME, DATA("\5empty\7example\0")},
        {"host.one.example", WEIR_DNS_A, DATA("\1\1\1\1")},
        {"host.two.example", WEIR_DNS_A, DATA("\2\2\2\2")},
        {"only.two.example", WEIR_DNS_A, DATA("\2\2\2\3")},
        {"a.dot", WEIR_DNS_A, DATA("\3\3\3\3")},
        {"a.dot.one.example", WEIR_DNS_A, DATA("\4\4\4\4")},
        {"mail.example", WEIR_DNS_MX, DATA("\0\x14\4back\7Example\0")},
        {"mail.example", WEIR_DNS_MX, DATA("\0\x0a\4main\7example\0")},
        {"mail.example", WEIR_DNS_MX, DATA("\0\x0a\5main2\7example\0")},
        {"mail.example", WEIR_DNS_MX, DATA("\1\0\4last\7example\0")},
        {"nomail.example", WEIR_DNS_MX, DATA("\0\0\0")},
        {"oddmail.example", WEIR_DNS_MX, DATA("\0\0\0")},
        {"oddmail.example", WEIR_DNS_MX, DATA("\0\5\4main\7example\0")},
        {"_s._tcp.example", WEIR_DNS_SRV, DATA("\0\2\0\0\0\x19\1c\7example\0")},
        {"_s._tcp.example", WEIR_DNS_SRV, DATA("\0\1\0\x01\0\x1a\1a\7example\0")},
        {"_s._tcp.example", WEIR_DNS_SRV, DATA("\0\1\0\x03\0\x1b\1b\7example\0")},
        {"_no._tcp.example", WEIR_DNS_SRV, DATA("\0\0\0\0\0\0\0")},
        {"text.example", WEIR_DNS_TXT, DATA("\3one\0\4 two")},
        {"text.example", WEIR_DNS_TXT, DATA("\0")},
        {"1.2.0.192.in-addr.arpa", WEIR_DNS_PTR, DATA("\5a b.c\7EXAMPLE\0")},
        {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", WEIR_DNS_PTR,
                DATA("\2v6\7example\0")},
};

/* Only servers with `joined` add the records of an alias's target. */
static bool joined;

static int put_known(
        struct weir_dns_writer *writer, const struct weir_dns_name *name, unsigned type)
{
	int rcode = WEIR_DNS_NXDOMAIN;
	struct weir_dns_name known;
	for (unsigned i = 0; i < sizeof knowns / sizeof knowns[0]; i++) {
		assert_int_equal(weir_dns_name_parse(weir_span_of(knowns[i].name), &known), 0);
		if (!weir_dns_name_equal(&known, name))
			continue;
		rcode = WEIR_DNS_NOERROR;
		if (knowns[i].type != type && knowns[i].type != WEIR_DNS_CNAME)
			continue;
		weir_dns_put_record(writer, WEIR_DNS_ANSWER, name->wire, knowns[i].type,
		        WEIR_DNS_IN, 300, weir_span(knowns[i].data, knowns[i].size));
		if (knowns[i].type == WEIR_DNS_CNAME && joined) {
			assert_int_equal(weir_dns_name_set(
			                         weir_span(knowns[i].data, knowns[i].size), &known),
			        0);
			return put_known(writer, &known, type);
		}
	}
	return rcode;
}

/* n0 is n1 is n2 … without an end. */
static void put_next(struct weir_dns_writer *writer, const struct weir_dns_name *name)
{
	struct weir_dns_name next;
	char text[WEIR_DNS_TEXT_MAX];
	weir_dns_name_format(name, text);
	int number = atoi(text + 1);
	snprintf(text, sizeof text, "n%d.endless", number + 1);
	assert_int_equal(weir_dns_name_parse(weir_span_of(text), &next), 0);
	weir_dns_put_record(writer, WEIR_DNS_ANSWER, name->wire, WEIR_DNS_CNAME, WEIR_DNS_IN, 300,
	        weir_span(next.wire, next.size));
}

static int answer(struct weir_dns_writer *writer, const struct weir_dns_question *question)
{
	char text[WEIR_DNS_TEXT_MAX];
	struct weir_dns_name lower = question->name;
	weir_dns_name_lower(&lower);
	size_t size = weir_dns_name_format(&lower, text);
	if (question->type != WEIR_DNS_AAAA && strlen(asked) + size + 2 < sizeof asked)
		strcat(strcat(asked, text), " ");
	if (size > 9 && strcmp(text + size - 9, ".endless.") == 0) {
		put_next(writer, &question->name);
		return WEIR_DNS_NOERROR;
	}
	return put_known(writer, &question->name, question->type);
}

/* -- results ----------------------------------------------------------------------------------- */

static struct result {
	struct weir_resolving *resolving;
	int calls;
	int error;
	bool none;
	size_t count;
	char text[1024]; /* all that was found, with a space between */
} results[8];

static void append(struct result *result, const char *text)
{
	size_t at = strlen(result->text);
	snprintf(result->text + at, sizeof result->text - at, "%s%s", at ? " " : "", text);
}

static void take(struct result *result, const struct weir_resolved *resolved)
{
	result->calls++;
	result->resolving = NULL;
	result->error = resolved->error;
	result->none = resolved->none;
	result->count = resolved->count;
}

static void on_addresses(void *context, const struct weir_resolved *resolved)
{
	char text[WEIR_ADDRESS_TEXT_MAX];
	take(context, resolved);
	for (size_t i = 0; i < resolved->count; i++) {
		weir_address_format(&resolved->addresses[i], text);
		append(context, text);
	}
}

static void on_names(void *context, const struct weir_resolved *resolved)
{
	take(context, resolved);
	for (size_t i = 0; i < resolved->count; i++)
		append(context, resolved->names[i]);
}

static void on_mx(void *context, const struct weir_resolved *resolved)
{
	char text[300];
	take(context, resolved);
	for (size_t i = 0; i < resolved->count; i++) {
		snprintf(text, sizeof text, "%u:%s", resolved->mx[i].preference,
		        resolved->mx[i].host);
		append(context, text);
	}
}

static void on_srv(void *context, const struct weir_resolved *resolved)
{
	char text[300];
	take(context, resolved);
	for (size_t i = 0; i < resolved->count; i++) {
		snprintf(text, sizeof text, "%u:%s:%u", resolved->srv[i].priority,
		        resolved->srv[i].host, resolved->srv[i].port);
		append(context, text);
	}
}

static void on_txt(void *context, const struct weir_resolved *resolved)
{
	char text[300];
	take(context, resolved);
	for (size_t i = 0; i < resolved->count; i++) {
		snprintf(text, sizeof text, "\"%.*s\"", (int)resolved->texts[i].size,
		        resolved->texts[i].data);
		append(context, text);
	}
}

/* -- set up ------------------------------------------------------------------------------------ */

static void write_file(const char *path, const char *text)
{
	char next[160];
	snprintf(next, sizeof next, "%s.new", path);
	FILE *file = fopen(next, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(next, path), 0);
}

static void write_conf(const struct fake *server, const char *more)
{
	char text[512];
	snprintf(text, sizeof text, "nameserver [127.0.0.1]:%u\n%s\n",
	        weir_address_port(&server->address), more);
	write_file(conf_path, text);
}

static void begin_with(const char *script, const char *conf)
{
	memset(results, 0, sizeof results);
	asked[0] = 0;
	joined = false;
	fake_start(&fake, loop, script);
	fake_start(&other, loop, "a");
	fake.answer = other.answer = answer;
	write_conf(&fake, conf);
	write_file(hosts_path, "192.0.2.9 known known.example\n::1 local6\n127.0.0.1 mixed\n"
	                       "::1 mixed\n192.0.2.7 seven\n");
	struct weir_resolver_options options;
	weir_resolver_options_init(&options);
	options.conf = conf_path;
	options.hosts = hosts_path;
	assert_int_equal(weir_resolver_create(loop, &options, &resolver), 0);
}

static void begin(const char *script)
{
	begin_with(script, "");
}

static void end(void)
{
	weir_resolver_destroy(resolver);
	resolver = NULL;
	fake_stop(&fake);
	fake_stop(&other);
	for (int i = 0; i < 3; i++)
		weir_loop_turn(loop, 0);
}

/* Time goes by. */
static void pass(int64_t ms)
{
	for (int i = 0; i < 5; i++)
		weir_loop_turn(loop, 1);
	clock_advance(ms);
	for (int i = 0; i < 5; i++)
		weir_loop_turn(loop, 1);
}

static struct result *wait_for(struct result *result)
{
	assert_int_equal(result->calls, 0);
	assert_true(TURN_UNTIL(loop, result->calls == 1));
	return result;
}

static struct result *addresses_of(const char *host, unsigned flags)
{
	struct result *result = &results[0];
	memset(result, 0, sizeof *result);
	assert_int_equal(weir_resolve_addresses(resolver, host, 25, flags, on_addresses, result,
	                         &result->resolving),
	        0);
	return wait_for(result);
}

typedef int resolve_function(struct weir_resolver *resolver, const char *name,
        weir_resolved_fn *resolved, void *context, struct weir_resolving **ret);

static struct result *look_up(
        resolve_function *resolve, weir_resolved_fn *resolved, const char *name)
{
	struct result *result = &results[0];
	memset(result, 0, sizeof *result);
	assert_int_equal(resolve(resolver, name, resolved, result, &result->resolving), 0);
	return wait_for(result);
}

static void assert_found(const struct result *result, const char *wanted)
{
	assert_int_equal(result->error, 0);
	assert_string_equal(result->text, wanted);
}

static void assert_failed(const struct result *result, int error)
{
	assert_int_equal(result->error, error);
	assert_int_equal(result->count, 0);
}

/* -- addresses --------------------------------------------------------------------------------- */

static void literals(void **state)
{
	(void)state;
	begin("a");
	assert_found(addresses_of("192.0.2.1", 0), "192.0.2.1:25");
	assert_found(addresses_of("2001:db8::1", 0), "[2001:db8::1]:25");
	assert_found(addresses_of("fe80::1%lo", 0), "[fe80::1]:25");
	assert_failed(addresses_of("192.0.2.1", WEIR_RESOLVE_V6), -ENODATA);
	assert_int_equal(fake.queries, 0);
	end();
}

static void hosts_and_localhost(void **state)
{
	(void)state;
	begin("a");
	assert_found(addresses_of("known", 0), "192.0.2.9:25");
	assert_found(addresses_of("Known.Example.", 0), "192.0.2.9:25");
	assert_found(addresses_of("mixed", 0), "[::1]:25 127.0.0.1:25");
	assert_found(addresses_of("mixed", WEIR_RESOLVE_V4), "127.0.0.1:25");
	assert_found(addresses_of("localhost", 0), "[::1]:25 127.0.0.1:25");
	assert_found(addresses_of("a.LocalHost.", WEIR_RESOLVE_V4), "127.0.0.1:25");
	assert_failed(addresses_of("host.invalid", 0), -ENOENT);
	/* These names are never asked for, neither by themselves nor in a search domain. */
	asked[0] = 0;
	assert_failed(addresses_of("host.onion", 0), -ENOENT);
	assert_string_equal(asked, "");
	assert_int_equal(fake.queries, 0);
	end();
}

static void a_and_aaaa(void **state)
{
	(void)state;
	begin("a");
	assert_found(addresses_of("both.example", 0), "[::1]:25 127.0.0.2:25");
	assert_int_equal(fake.queries, 2);
	assert_found(addresses_of("BOTH.example.", WEIR_RESOLVE_V6), "[::1]:25");
	assert_int_equal(fake.queries, 2); /* the rest is in the cache */
	assert_found(addresses_of("v6.example", 0), "[2001:db8::1]:25");
	assert_int_equal(addresses_of("v4.example", 0)->count, 2);
	assert_failed(addresses_of("v6.example", WEIR_RESOLVE_V4), -ENODATA);
	end();
}

static void aliases(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		begin("a");
		joined = i;
		assert_int_equal(addresses_of("alias.example", 0)->count, 2);
		assert_failed(addresses_of("alias.example", WEIR_RESOLVE_V6), -ENODATA);
		assert_failed(addresses_of("nowhere.example", 0), -ENOENT);
		assert_failed(addresses_of("hidden.example", 0), -ENODATA);
		end();
	}
	begin("a");
	assert_true(addresses_of("loop.example", 0)->error < 0);
	assert_failed(addresses_of("n0.endless", 0), -EAGAIN);
	assert_true(fake.queries <= 2 * (WEIR_DNS_CHAIN_MAX + 2));
	end();
}

static void errors_are_told_apart(void **state)
{
	(void)state;
	begin("a");
	assert_failed(addresses_of("gone.example", 0), -ENOENT);
	assert_failed(addresses_of("empty.example", 0), -ENODATA);
	end();
	begin("s");
	assert_failed(addresses_of("v4.example", 0), -EAGAIN);
	end();
	begin("-");
	assert_int_equal(weir_resolve_txt(resolver, "text.example", on_txt, &results[1],
	                         &results[1].resolving),
	        0);
	for (int i = 0; i < 40 && !results[1].calls; i++)
		pass(500);
	assert_failed(&results[1], -EAGAIN);
	end();
	static const int codes[] = {-ENOENT, -ENODATA, -EAGAIN, WEIR_E_SYNTAX, -ENOMEM};
	for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++)
		assert_true(strlen(weir_resolved_text(codes[i])) > 0);
}

static void what_is_no_name(void **state)
{
	static const char *const wrong[] = {"", ".", "..", "a..b", ".a", "a b", "a/b", "a\\b",
	        "1.2.3", "1.2.3.4.", "1.2.3.256", "0x7f.1.", "127.1", "a.example.1", "[::1]", "::g",
	        "1::2%lo", "m\xc3\xbcll.example",
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"};
	(void)state;
	begin("a");
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_failed(addresses_of(wrong[i], 0), WEIR_E_SYNTAX);
	assert_failed(look_up(weir_resolve_mx, on_mx, "a..b"), WEIR_E_SYNTAX);
	assert_int_equal(fake.queries, 0);
	end();
}

/* -- domains searched -------------------------------------------------------------------------- */

static void domains_are_searched(void **state)
{
	(void)state;
	begin_with("a", "search one.example two.example");
	assert_found(addresses_of("host", 0), "1.1.1.1:25");
	assert_found(addresses_of("only", 0), "2.2.2.3:25");
	assert_found(addresses_of("a.dot", 0), "3.3.3.3:25");
	assert_string_equal(asked, "host.one.example. only.one.example. only.two.example. a.dot. ");
	asked[0] = 0;
	assert_failed(addresses_of("none", 0), -ENOENT);
	assert_string_equal(asked, "none.one.example. none.two.example. none. ");
	asked[0] = 0;
	assert_failed(addresses_of("host.", 0), -ENOENT);
	assert_failed(addresses_of("only", WEIR_RESOLVE_ABSOLUTE), -ENOENT);
	assert_string_equal(asked, "host. only. ");
	end();
	begin_with("a", "search one.example two.example\noptions ndots:2");
	assert_found(addresses_of("a.dot", 0), "4.4.4.4:25");
	asked[0] = 0;
	assert_failed(addresses_of("x.y", 0), -ENOENT);
	assert_string_equal(asked, "x.y.one.example. x.y.two.example. x.y. ");
	asked[0] = 0;
	assert_failed(addresses_of("x.y.z", 0), -ENOENT);
	assert_string_equal(asked, "x.y.z. x.y.z.one.example. x.y.z.two.example. ");
	end();
}

/* It is there in one of them, without what was asked for. */
static void no_data_in_one_of_them(void **state)
{
	(void)state;
	begin_with("a", "search example");
	assert_failed(addresses_of("empty", 0), -ENODATA);
	end();
	begin_with("aaas", "search one.example example");
	assert_failed(addresses_of("v4", 0), -EAGAIN);
	end();
}

/* -- records ----------------------------------------------------------------------------------- */

static void mail_exchangers(void **state)
{
	bool first = false, second = false;
	(void)state;
	begin("a");
	for (int i = 0; i < 50; i++) {
		struct result *result = look_up(weir_resolve_mx, on_mx, "mail.example");
		bool one = strcmp(result->text, "10:main.example 10:main2.example 20:back.example "
		                                "256:last.example") == 0;
		bool two = strcmp(result->text, "10:main2.example 10:main.example 20:back.example "
		                                "256:last.example") == 0;
		assert_true(one || two);
		first |= one;
		second |= two;
	}
	assert_true(first && second);
	assert_int_equal(fake.queries, 1);
	struct result *result = look_up(weir_resolve_mx, on_mx, "nomail.example");
	assert_true(result->none);
	assert_int_equal(result->error, 0);
	assert_int_equal(result->count, 0);
	assert_found(look_up(weir_resolve_mx, on_mx, "oddmail.example"), "0:. 5:main.example");
	assert_failed(look_up(weir_resolve_mx, on_mx, "v4.example"), -ENODATA);
	assert_failed(look_up(weir_resolve_mx, on_mx, "gone.example"), -ENOENT);
	end();
}

/* b weighs three times what a does: first in 300 of 400, give or take what chance gives. */
static void services(void **state)
{
	int heavy = 0;
	(void)state;
	begin("a");
	for (int i = 0; i < 400; i++) {
		struct result *result = look_up(weir_resolve_srv, on_srv, "_s._tcp.example");
		bool b = strcmp(result->text, "1:b.example:27 1:a.example:26 2:c.example:25") == 0;
		if (!b)
			assert_found(result, "1:a.example:26 1:b.example:27 2:c.example:25");
		heavy += b;
	}
	/* With a sum of 4, RFC 2782's number is one of 0 to 4: three fifths, from 1 on to b. */
	assert_in_range(heavy, 190, 340);
	assert_true(look_up(weir_resolve_srv, on_srv, "_no._tcp.example")->none);
	end();
}

static void texts_and_names(void **state)
{
	struct weir_address v4 = {.v4 = {.sin_family = AF_INET}};
	struct weir_address v6 = {.v6 = {.sin6_family = AF_INET6}};
	struct weir_address wrong = {.any = {.sa_family = AF_UNIX}};
	struct weir_address *asked_for[] = {&v4, &v6, &v6, &v4};
	static const char *const wanted[] = {
	        "a\\032b\\.c.example", "v6.example", "a\\032b\\.c.example", "known known.example"};
	(void)state;
	begin("a");
	struct result *result = look_up(weir_resolve_txt, on_txt, "text.example");
	assert_int_equal(result->count, 2);
	assert_non_null(strstr(result->text, "\"one two\""));
	assert_non_null(strstr(result->text, "\"\""));
	for (unsigned i = 0; i < 4; i++) {
		v4.v4.sin_addr.s_addr = htonl(i == 3 ? 0xc0000209 : 0xc0000201);
		memcpy(&v6.v6.sin6_addr,
		        i == 1 ? "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
		               : "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1",
		        16);
		memset(&results[0], 0, sizeof results[0]);
		assert_int_equal(weir_resolve_names(resolver, asked_for[i], on_names, &results[0],
		                         &results[0].resolving),
		        0);
		assert_found(wait_for(&results[0]), wanted[i]);
	}
	assert_int_equal(
	        weir_resolve_names(resolver, &wrong, on_names, &results[0], &results[0].resolving),
	        -EINVAL);
	end();
}

/* -- the files change -------------------------------------------------------------------------- */

static void hosts_are_read_again(void **state)
{
	(void)state;
	begin("a");
	assert_found(addresses_of("seven", 0), "192.0.2.7:25");
	write_file(hosts_path, "192.0.2.8 seven\n");
	assert_found(addresses_of("seven", 0), "192.0.2.7:25");
	clock_advance(WEIR_RESOLVER_LOOK_MS);
	weir_loop_turn(loop, 0);
	assert_found(addresses_of("seven", 0), "192.0.2.8:25");
	unlink(hosts_path);
	clock_advance(WEIR_RESOLVER_LOOK_MS);
	weir_loop_turn(loop, 0);
	assert_failed(addresses_of("seven", 0), -ENOENT);
	end();
}

/* The first server is silent; another one takes its place while the question is under way. */
static void servers_change(void **state)
{
	(void)state;
	begin("-");
	assert_int_equal(weir_resolve_addresses(resolver, "v4.example", 25, 0, on_addresses,
	                         &results[1], &results[1].resolving),
	        0);
	pass(0);
	write_conf(&other, "");
	pass(WEIR_RESOLVER_LOOK_MS);
	addresses_of("known", 0);
	assert_int_equal(wait_for(&results[1])->count, 2);
	end();
}

/* -- ends and limits --------------------------------------------------------------------------- */

static int ask(struct result *result, const char *host)
{
	return weir_resolve_addresses(
	        resolver, host, 25, 0, on_addresses, result, &result->resolving);
}

static void cancelled(void **state)
{
	static const char *const hosts[] = {"v4.example", "known", "127.0.0.1", "a..b"};
	(void)state;
	for (int looks = 0; looks < 2; looks++)
		for (int turns = 0; turns < 4; turns++) {
			begin("-");
			clock_advance(looks ? WEIR_RESOLVER_LOOK_MS : 0);
			weir_loop_turn(loop, 0);
			for (int i = 0; i < 4; i++)
				assert_int_equal(ask(&results[i], hosts[i]), 0);
			for (int i = 0; i < turns; i++)
				weir_loop_turn(loop, 0);
			for (int i = 0; i < 3; i++)
				weir_resolving_cancel(results[i].resolving);
			/* The last one goes with the resolver, if it is not over. */
			int before = results[0].calls + results[1].calls + results[2].calls +
			             results[3].calls;
			end();
			assert_int_equal(results[0].calls + results[1].calls + results[2].calls +
			                         results[3].calls,
			        before);
		}
	weir_resolving_cancel(NULL);
	weir_resolver_destroy(NULL);
}

static void no_more_than_so_many(void **state)
{
	(void)state;
	begin("-");
	for (int i = 0; i < WEIR_RESOLVINGS_MAX; i++)
		assert_int_equal(ask(&results[1], "v4.example"), 0);
	assert_int_equal(ask(&results[1], "v4.example"), WEIR_E_LIMIT);
	end();
}

static void on_again(void *context, const struct weir_resolved *resolved)
{
	(void)resolved;
	struct result *result = context;
	assert_int_equal(ask(&result[1], "v6.example"), 0);
	weir_resolving_cancel(result[2].resolving);
	result->calls++;
}

static void callbacks_ask_and_cancel(void **state)
{
	(void)state;
	begin("a");
	assert_int_equal(weir_resolve_mx(resolver, "mail.example", on_again, &results[0],
	                         &results[0].resolving),
	        0);
	assert_int_equal(weir_resolve_mx(resolver, "mail.example", on_mx, &results[2],
	                         &results[2].resolving),
	        0);
	assert_found(wait_for(&results[1]), "[2001:db8::1]:25");
	assert_int_equal(results[0].calls, 1);
	assert_int_equal(results[2].calls, 0);
	end();
}

static void memory_fails(void **state)
{
	static const struct {
		resolve_function *resolve;
		weir_resolved_fn *resolved;
		const char *name;
	} kinds[] = {
	        {weir_resolve_mx, on_mx, "mail.example"},
	        {weir_resolve_srv, on_srv, "_s._tcp.example"},
	        {weir_resolve_txt, on_txt, "text.example"},
	};
	(void)state;
	for (unsigned kind = 0; kind < 3; kind++)
		for (unsigned good = 0; good < 12; good++) {
			begin("a");
			fail_allocation_after(good, false);
			int error = kinds[kind].resolve(resolver, kinds[kind].name,
			        kinds[kind].resolved, &results[0], &results[0].resolving);
			if (error == 0)
				wait_for(&results[0]);
			stop_failing_allocations();
			if (error == 0 && results[0].error == 0)
				assert_true(results[0].count >= 2);
			end();
		}
	begin("a");
	end();
	struct weir_resolver_options options;
	weir_resolver_options_init(&options);
	options.conf = conf_path;
	options.hosts = hosts_path;
	struct weir_resolver_options wrong = {.conf = conf_path};
	assert_int_equal(weir_resolver_create(loop, &wrong, &resolver), -EINVAL);
	weir_resolver_options_init(&wrong);
	wrong.conf = NULL;
	assert_int_equal(weir_resolver_create(loop, &wrong, &resolver), -EINVAL);
	for (unsigned good = 0; good < 30; good++) {
		fail_allocation_after(good, false);
		int error = weir_resolver_create(loop, &options, &resolver);
		if (!stop_failing_allocations())
			good = 30;
		if (error == 0)
			weir_resolver_destroy(resolver);
		else
			assert_int_equal(error, -ENOMEM);
	}
}

/* -- all --------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/weir-resolver-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(conf_path, sizeof conf_path, "%s/resolv.conf", directory);
	snprintf(hosts_path, sizeof hosts_path, "%s/hosts", directory);
	return weir_loop_create(&loop);
}

static int tear_down(void **state)
{
	(void)state;
	weir_loop_destroy(loop);
	unlink(conf_path);
	unlink(hosts_path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(literals),
	        cmocka_unit_test(hosts_and_localhost),
	        cmocka_unit_test(a_and_aaaa),
	        cmocka_unit_test(aliases),
	        cmocka_unit_test(errors_are_told_apart),
	        cmocka_unit_test(what_is_no_name),
	        cmocka_unit_test(domains_are_searched),
	        cmocka_unit_test(no_data_in_one_of_them),
	        cmocka_unit_test(mail_exchangers),
	        cmocka_unit_test(services),
	        cmocka_unit_test(texts_and_names),
	        cmocka_unit_test(hosts_are_read_again),
	        cmocka_unit_test(servers_change),
	        cmocka_unit_test(cancelled),
	        cmocka_unit_test(no_more_than_so_many),
	        cmocka_unit_test(callbacks_ask_and_cancel),
	        cmocka_unit_test(memory_fails),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
