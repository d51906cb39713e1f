/*
 * Zone files: their content, the reports of mistakes, and a zone beside a plain list of its names.
 */
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
#include <ldns/ldns.h>

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
	dns_key_make(&key, name.wire, name.size, dns_seed());
	const struct dns_node *node = dns_zone_node(zone, &key, 0);
	return node ? dns_node_rrset(zone, node, type) : NULL;
}

static bool has(const struct weir_dns_zone *zone, const char *text, uint16_t type, const char *data,
        size_t size)
{
	const struct dns_rrset *rrset = find(zone, text, type);
	const uint8_t *record = rrset ? dns_rrset_records(rrset) : NULL;
	for (unsigned i = 0; rrset && i < rrset->count; i++, record = dns_record_next(record))
		if (dns_get16(record) == size && memcmp(record + 2, data, size) == 0)
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
	assert_int_equal(dns_rrset_ttl(find(zone, "www.example.org", WEIR_DNS_A)), 300);
	assert_int_equal(dns_rrset_ttl(find(zone, "www.example.org", WEIR_DNS_AAAA)), 300);
	assert_int_equal(dns_rrset_ttl(find(zone, "ns.example.org", WEIR_DNS_A)), 3600);
	assert_true(has(zone, "multi.example.org", WEIR_DNS_TXT, "\3a;b\3c(d\3e;f", 12));
	assert_true(has(zone, "sub.example.org", WEIR_DNS_A, "\300\0\2\7", 4));
	assert_true(has(zone, "sub.example.org", WEIR_DNS_A, "\300\0\2\10", 4));
	assert_true(has(zone, "x.deep.sub.example.org", WEIR_DNS_A, "\300\0\2\11", 4));
	/* Behind the file that was included, the owner before it counts. */
	assert_true(has(zone, "multi.example.org", WEIR_DNS_A, "\300\0\2\3", 4));
	assert_true(has(zone, "other.example.org", WEIR_DNS_MX, "\0\12\3www\7Example\3org", 19));
	assert_true(has(zone, "odd.other.example.org", 777, "\xab\xcd\xef", 3));
	assert_int_equal(find(zone, "dup.other.example.org", WEIR_DNS_A)->count, 1);
	assert_int_equal(dns_rrset_ttl(find(zone, "dup.other.example.org", WEIR_DNS_A)), 60);
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
	        {"@ NS a\n", "zone:1: the record has no TTL"},
	        {"@ TYPE6=5 \\# 0\n", "zone:1: 'TYPE6=5' is not a known type"},
	        {"@ TYPE6 \\# 4 01020304\n", "zone:1: the data is not valid"},
	        {START "@ SOA ns host 8 1 2 3 4\n", "zone:0: the zone has more than one SOA"},
	        {START "a SOA ns host 8 1 2 3 4\n", "zone:6: a.example.org. has a SOA record"},
	        {START "a A 192.0.2.256\n", "zone:6: "},
	        {START "a A\n", "zone:6: "},
	        {START "a NOTATYPE x\n", "zone:6: "},
	        {START "a CH A 192.0.2.1\n", "zone:6: the class must be IN"},
	        {START "a.example.net. A 192.0.2.1\n", "zone:6: the name is not in the zone"},
	        {START "\n\na CNAME b\na A 192.0.2.1\n", "zone:8: a.example.org. has a CNAME"},
	        {START "a CNAME b\na CNAME c\n", "zone:7: a.example.org. has more than one CNAME"},
	        {START "a DNAME b\na DNAME c\n", "zone:6: a.example.org. has more than one DNAME"},
	        {START "a TXT ( b\n c\n", "zone:6: a parenthesis is not closed"},
	        {START "a TXT b )\n", "zone:6: a closing parenthesis"},
	        {START "a TXT \"b\nc\"\n", "zone:6: a quote does not end"},
	        {START "$TTL x\n", "zone:6: $TTL must be"},
	        {START "$TTL 1 2\n", "zone:6: too many words"},
	        {START "$ORIGIN\n", "zone:6: $ORIGIN must be"},
	        {START "$GENERATE 1-2 a A 1\n", "zone:6: "},
	        {START "$GENERATE\n", "zone:6: $GENERATE needs a range"},
	        {START "$GENERATE 2-1 a A 192.0.2.$\n", "zone:6: $GENERATE needs a range"},
	        {START "$GENERATE 1-2/0 a A 192.0.2.$\n", "zone:6: $GENERATE needs a range"},
	        {START "$GENERATE 1-2x a A 192.0.2.$\n", "zone:6: $GENERATE needs a range"},
	        {START "$GENERATE 1-99999999999 a$ A 192.0.2.1\n", "zone:6: $GENERATE needs a"},
	        {START "$GENERATE 1-2 \n", "zone:6: $GENERATE needs a record"},
	        {START "$GENERATE 0-1048576 a$ A 192.0.2.1\n", "zone:6: $GENERATE makes too many"},
	        {START "$GENERATE 1-2 a${0,3,y} A 192.0.2.$\n", "zone:6: $GENERATE has a $"},
	        {START "$GENERATE 1-2 a${0,256,d} A 192.0.2.$\n", "zone:6: $GENERATE has a $"},
	        {START "$GENERATE 1-2 a${-2} A 192.0.2.$\n", "zone:6: $GENERATE has a $"},
	        {START "$GENERATE 1-2 a${1 A 192.0.2.$\n", "zone:6: $GENERATE has a $"},
	        {START "$GENERATE 254-256 a$ A 192.0.2.$\n", "zone:6: "},
	        {START "$INCLUDE nothing\n", "zone:6: No such file"},
	        {START "$INCLUDE zone\n", "zone:6: too many files"},
	        {START "a TYPE0 \\# 0\n", "zone:6: "},
	        {START "a ANY \\# 0\n", "zone:6: "},
	        {START "a TYPE9 \\# 0 a\n", "zone:6: the data does not have the size"},
	        {START "a TYPE1234 \\# 2 abc\n", "zone:6: the data does not have the size"},
	        {START "a TYPE1234 \\# 2 abcde\n", "zone:6: the data does not have the size"},
	        {START "a TYPE1234 \\# 2 abgd\n", "zone:6: the data does not have the size"},
	        {START "a TYPE1234 \\# x ab\n", "zone:6: the data does not have the size"},
	        {START "a TYPE2 \\# 2 abcd\n", "zone:6: the data is not valid for the type"},
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

/* Each of these was once served as another value, or as bytes that clients cannot read. */
static void a_value_outside_of_its_range_is_refused(void **state)
{
	static const char *const records[] = {
	        "a SRV 1 2 99999 b",
	        "a SRV 1 65536 3 b",
	        "a SRV -1 2 3 b",
	        "a SRV 1 2 b",
	        "a MX 70000 b",
	        "a MX 1 b c",
	        "a MX ten b",
	        "a CAA 256 issue \"x\"",
	        "a CAA 0 is-sue \"x\"",
	        "a TYPE99999 \\# 0",
	        "a TYPE65536 \\# 0",
	        "a 4294967297 A 192.0.2.1",
	        "a 2147483648 A 192.0.2.1",
	        "a 99999w A 192.0.2.1",
	        "a 1x A 192.0.2.1",
	        "a A 192.0.2.1 192.0.2.2",
	        "a A 192.0.2",
	        "a A 192.0.2.01x",
	        "a AAAA 2001:db8::g",
	        "a AAAA 192.0.2.1",
	        "a NS b..c",
	        "a NS \\300",
	        "a LOC 91 N 0 E 0m",
	        "a LOC 90 0 0.001 N 0 E 0m",
	        "a LOC 1 N 181 E 0m",
	        "a LOC 1 60 N 1 E 0m",
	        "a LOC 1 N 1 E -100001m",
	        "a LOC 1 N 1 E 42849673m",
	        "a LOC 1 N 1 E 0m 90000001m",
	        "a LOC 1 E 1 N 0m",
	        "a HTTPS 1 . mandatory=alpn",
	        "a HTTPS 1 . mandatory=mandatory",
	        "a SVCB 1 . port=1 port=2",
	        "a SVCB 1 . port=65536",
	        "a SVCB 1 . key65535=a",
	        "a SVCB 65536 .",
	        "a SVCB 1 . alpn=",
	        "a SVCB 1 . alpn=h2,,h3",
	        "a SVCB 1 . no-default-alpn",
	        "a SVCB 1 . no-default-alpn=x alpn=h2",
	        "a SVCB 1 . ipv4hint=192.0.2",
	        "a SVCB 1 . ipv4hint=192.0.2.1,",
	        "a SVCB 1 . ipv6hint=192.0.2.1",
	        "a SVCB 1 . ech=x",
	        "a SVCB 1 . what=x",
	        "a SVCB 1 . key01=x",
	        "a SVCB \\# 3 000100 00",
	        "a SVCB \\# 15 000100 0003000200010003000200 01",
	        "a DS 65536 13 2 00",
	        "a DS 1 256 2 00",
	        "a DS 1 13 2 0011",
	        "a DS 1 NOALG 2 00",
	        "a DS 1 13 2 0g",
	        "a DNSKEY 65536 3 13 AAAA",
	        "a DNSKEY 256 256 13 AAAA",
	        "a DNSKEY 256 3 13 AAA",
	        "a DNSKEY 256 3 13 A-A=",
	        "a TLSA 256 1 1 00",
	        "a TLSA 3 1 1 0",
	        "a SSHFP 1 1 0011",
	        "a SSHFP 256 1 0011",
	        "a NAPTR 65536 1 \"\" \"\" \"\" .",
	        "a NAPTR 1 1 \"\" \"\" .",
	        "a CERT 65536 1 1 AAAA",
	        "a CERT PKIX 1 999 AAAA",
	        "a URI 1 65536 \"x\"",
	        "a URI 1 1 \"\"",
	        "a KX 65536 b",
	        "a AFSDB 65536 b",
	        "a NSEC b A NOTYPE",
	        "a NSEC b TYPE70000",
	        "a RRSIG A 13 300 300 20300101000000 20200101000000 1 b AAAA",
	        "a RRSIG A 13 3 4294967296 20300101000000 20200101000000 1 b AAAA",
	        "a RRSIG A 13 3 300 20301301000000 20200101000000 1 b AAAA",
	        "a RRSIG A 13 3 300 20300101000000 20200101000000 65536 b AAAA",
	        "@ NSEC3PARAM 256 0 0 -",
	        "@ NSEC3PARAM 1 0 65536 -",
	        "@ NSEC3PARAM 1 0 1 abc",
	        "a EUI48 00-11-22-33-44",
	        "a EUI48 0-11-22-33-44-55",
	        "a NID 65536 0:0:0:1",
	        "a NID 1 0:0:0:10000",
	        "a L32 1 192.0.2",
	        "a APL 1:192.0.2.0/33",
	        "a APL 3:0/0",
	        "a IPSECKEY 256 1 2 192.0.2.1 AAAA",
	        "a IPSECKEY 1 4 2 . AAAA",
	        "a IPSECKEY 1 1 2 . AAAA",
	        "a HIP 256 0011 AAAA",
	        "a CSYNC 4294967296 1 A",
	        "a ZONEMD 1 1 1 0011",
	        "a TXT \"\\300\"",
	        "a TXT \\25",
	        "a WKS 192.0.2.1 tcp 99999",
	        "a A \\# 3 c00002",
	        "a MX \\# 2 0001",
	        "a TXT \\# 2 0561",
	        "a CAA \\# 2 0005",
	        "a TXT aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	(void)state;
	for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
		struct weir_dns_zone *zone = NULL;
		char text[1000];
		int size = snprintf(text, sizeof text, START "%s\n", records[i]);
		write_file("zone", text, (size_t)size);
		if (load(&zone) != WEIR_E_SYNTAX)
			fail_msg("%s is taken", records[i]);
		if (strncmp(told, "zone:6: ", 8) != 0)
			fail_msg("%s\nis told as %s", records[i], told);
	}
}

/* ldns's reading of a record is the model for ours. */
static void data_is_what_ldns_makes_of_it(void **state)
{
	static const char *const records[] = {
	        "A 192.0.2.1",
	        "AAAA 2001:db8::1",
	        "AAAA ::ffff:192.0.2.1",
	        "NS B.c",
	        "NS \\098.c.",
	        "MX 65535 @",
	        "SRV 0 65535 1 .",
	        "TXT a \"b c\" \"\" \\\"d",
	        "TXT \"\\001\\255\"",
	        "HINFO \"a b\" c",
	        "RP a b.",
	        "AFSDB 1 b",
	        "PX 1 a b",
	        "X25 123456",
	        "LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
	        "LOC 42 21 54 S 71 06 18 W 24m 30m",
	        "LOC 1 N 2 E 3",

	        "NAPTR 1 2 \"u\" \"E2U\" \"!^.*$!x!\" .",
	        "KX 1 b",
	        "DNAME b",
	        "CERT PKIX 1 8 AAECAw==",
	        "DS 60485 5 1 2BB183AF5F22588179A53B0A 98631FAD1A292118",
	        "DS 1 ECDSAP256SHA256 9 00",
	        "SSHFP 2 9 123456789abc",
	        "DNSKEY 256 3 RSASHA256 AQPSKmyn fzW4kyBv 015MUG2D eIQ3Cbl+BBZH4b/0PY1kxkmvHjcZc8nokfzj31GajIQKY+5C",
	        "SIG A 5 3 86400 20030322173103 20030220173103 2642 example.com. oJB1W6WN",
	        "NSEC b A MX RRSIG NSEC TYPE1234",
	        "NSEC3PARAM 1 0 12 aabbccdd",
	        "NSEC3PARAM 1 0 0 -",
	        "TLSA 3 1 1 00aa 11",
	        "DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
	        "SPF \"v=spf1\"",
	        "CAA 128 issue \"ca.example; x=y\"",
	        "CAA 0 iodef \"mailto:a\"",
	        "EUI48 00-00-5e-00-53-2a",
	        "EUI64 00-00-5e-ef-10-00-00-2a",
	        "NID 10 0014:4fff:ff20:ee64",
	        "L32 10 10.1.2.0",
	        "L64 10 2001:0DB8:1140:1000",
	        "LP 10 b",
	        "URI 10 1 \"ftp://ftp.example/pub\"",
	        "CDS 0 0 0 00",
	        "CDNSKEY 0 3 0 AA==",
	        "OPENPGPKEY AAEC",
	        "CSYNC 66 3 A NS AAAA",
	        "APL 1:192.168.32.0/21 !1:192.168.38.0/28 2:fe80::/10",
	        "IPSECKEY 10 1 2 192.0.2.38 AQNRU3mG",
	        "IPSECKEY 10 0 2 . AQNRU3mG",
	        "IPSECKEY 10 3 2 b. AQNRU3mG",
	        "HIP 2 200100107B1A74DF365639CC39F1D578 AwEAAbdx a.example. b.example.",
	        "SVCB 0 b.",
	        "SVCB 16 b alpn=h2,h3 port=443 ipv4hint=192.0.2.1,192.0.2.2",
	        "HTTPS 1 . ipv6hint=2001:db8::1 alpn=h2 no-default-alpn mandatory=alpn,ipv6hint",
	        "HTTPS 1 . key667=hello",
	        "ZONEMD 1 2 240 00",
	};
	ldns_rdf *origin = ldns_dname_new_frm_str("example.org.");
	(void)state;
	for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
		char line[400];
		uint8_t data[1000];
		size_t size = 0;
		ldns_rr *rr = NULL;
		snprintf(line, sizeof line, "a 300 IN %s", records[i]);
		if (ldns_rr_new_frm_str(&rr, line, 0, origin, NULL) != LDNS_STATUS_OK)
			fail_msg("ldns does not read %s", records[i]);
		for (size_t k = 0; k < ldns_rr_rd_count(rr); k++) {
			const ldns_rdf *part = ldns_rr_rdf(rr, k);
			memcpy(data + size, ldns_rdf_data(part), ldns_rdf_size(part));
			size += ldns_rdf_size(part);
		}
		snprintf(line, sizeof line, "%sa %s\n", START, records[i]);
		struct weir_dns_zone *zone = load_text(line);
		if (!has(zone, "a.example.org", (uint16_t)ldns_rr_get_type(rr), (char *)data, size))
			fail_msg("%s is other data", records[i]);
		weir_dns_zone_release(zone);
		/* The bytes themselves are taken, too. */
		int at = snprintf(line, sizeof line, "%sa TYPE%u \\# %zu ", START,
		        (unsigned)ldns_rr_get_type(rr), size);
		for (size_t k = 0; k < size; k++)
			at += snprintf(line + at, sizeof line - (size_t)at, "%02x", data[k]);
		snprintf(line + at, sizeof line - (size_t)at, "\n");
		weir_dns_zone_release(load_text(line));
		ldns_rr_free(rr);
	}
	ldns_rdf_deep_free(origin);
}

static void data_below_a_dname_is_refused(void **state)
{
	struct weir_dns_zone *zone = NULL;
	static const char text[] = START "x.y.d A 192.0.2.1\nd DNAME b\nd A 192.0.2.2\n";
	(void)state;
	write_file("zone", text, sizeof text - 1);
	assert_int_equal(load(&zone), WEIR_E_SYNTAX);
	assert_string_equal(told, "zone:6: x.y.d.example.org. has data below a DNAME record\n");
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
	assert_non_null(strstr(told, "zone:6: the line is too long, or has a NUL byte"));
	memset(text, 'a', sizeof text);
	write_file("zone", text, sizeof text);
	assert_int_equal(load(&zone), WEIR_E_SYNTAX);
	assert_non_null(strstr(told, "zone:1: the line is too long"));
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
	assert_int_equal(dns_builder_init(&builder, &apex), 0);
	static const char soa[] = "\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	dns_builder_add(&builder, &apex, WEIR_DNS_SOA, 1, weir_span(soa, 22), 0);
	dns_builder_add(&builder, &apex, WEIR_DNS_NS, 1, weir_span("", 1), 0);
	for (unsigned i = 0; i < 4000; i++) {
		struct weir_dns_name name = random_name(&seed);
		assert_int_equal(
		        dns_builder_add(&builder, &name, WEIR_DNS_A, 1, weir_span(&i, sizeof i), 0),
		        0);
		for (; name.labels >= 2; name = parent_of(name))
			list[count++] = name;
	}
	list[count++] = apex;
	qsort(list, count, sizeof *list, compare_names);
	for (size_t i = 0; i < count; i++)
		if (!kept || !weir_dns_name_equal(&list[kept - 1], &list[i]))
			list[kept++] = list[i];
	assert_int_equal(dns_builder_finish(&builder, NULL, NULL, &zone), 0);
	dns_builder_free(&builder);
	assert_int_equal(zone->node_count, kept);
	for (uint32_t i = 0; i < kept; i++) {
		const struct dns_node *node = &zone->nodes[i];
		struct dns_key key;
		unsigned skip;
		assert_int_equal(node->name_size, list[i].size);
		assert_memory_equal(dns_node_name(zone, node), list[i].wire, list[i].size);
		dns_key_make(&key, list[i].wire, list[i].size, dns_seed());
		assert_ptr_equal(dns_zone_closest(zone, &key, &skip), node);
		assert_int_equal(skip, 0);
		assert_ptr_equal(dns_zone_before(zone, list[i].wire), node);
		if (i)
			assert_true(node->parent < i);
	}
	/* Names that do not exist: the closest encloser, and the name before. */
	for (unsigned i = 0; i < 4000; i++) {
		struct weir_dns_name name = random_name(&seed), above = name;
		struct dns_key key;
		unsigned skip, missing = 0;
		dns_key_make(&key, name.wire, name.size, dns_seed());
		const struct dns_node *node = dns_zone_closest(zone, &key, &skip);
		while (!bsearch(&above, list, kept, sizeof *list, compare_names)) {
			above = parent_of(above);
			missing++;
		}
		assert_int_equal(skip, missing);
		assert_memory_equal(dns_node_name(zone, node), above.wire, above.size);
		size_t before = 0;
		while (before + 1 < kept && compare_names(&list[before + 1], &name) <= 0)
			before++;
		assert_ptr_equal(dns_zone_before(zone, name.wire), &zone->nodes[before]);
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

/* As a zone of a database is read. */
static void a_text_in_memory(void **state)
{
	struct weir_dns_zone *zone = NULL;
	struct weir_dns_name apex;
	char *text = NULL;
	size_t size = 0;
	(void)state;
	assert_int_equal(weir_dns_name_parse(WEIR_SPAN("Example.org"), &apex), 0);
	struct weir_dns_zone *whole = load_text(START "www A 192.0.2.1\n");
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	assert_int_equal(weir_dns_zone_write(whole, stream), 0);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(
	        weir_dns_zone_parse(weir_span(text, size), "it", &apex, report, NULL, &zone), 0);
	assert_true(weir_dns_zone_equal(zone, whole));
	weir_dns_zone_release(zone);
	weir_dns_zone_release(whole);
	free(text);

	static const char includes[] = START "$INCLUDE zone\n";
	told[0] = 0;
	assert_int_equal(
	        weir_dns_zone_parse(weir_span_of(includes), "it", &apex, report, NULL, &zone),
	        WEIR_E_SYNTAX);
	assert_non_null(strstr(told, "it:6: $INCLUDE is for files only"));
	told[0] = 0;
	assert_int_equal(weir_dns_zone_parse(WEIR_SPAN(""), "it", &apex, report, NULL, &zone),
	        WEIR_E_SYNTAX);
	assert_non_null(strstr(told, "it:0: "));
	for (unsigned good = 0;; good++) {
		fail_allocation_after(good, false);
		int error = weir_dns_zone_parse(WEIR_SPAN(START), "it", &apex, report, NULL, &zone);
		if (!stop_failing_allocations()) {
			assert_int_equal(error, 0);
			break;
		}
		assert_true(error < 0);
	}
	weir_dns_zone_release(zone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(everything_a_file_may_say),
	        cmocka_unit_test(mistakes_are_told_with_their_line),
	        cmocka_unit_test(a_value_outside_of_its_range_is_refused),
	        cmocka_unit_test(data_is_what_ldns_makes_of_it),
	        cmocka_unit_test(data_below_a_dname_is_refused),
	        cmocka_unit_test(generated_records),
	        cmocka_unit_test(files_that_are_none),
	        cmocka_unit_test(without_memory_there_is_no_zone),
	        cmocka_unit_test(a_text_in_memory),
	        cmocka_unit_test(names_stand_in_order_with_all_above_them),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
