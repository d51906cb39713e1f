/*
 * A DNS server for tests: the library's, on 127.0.0.1 and any port, which it prints. A line
 * "reload" on its input reads the zones again, the end of the input ends it.
 *
 *   dns-serve [--transfer NETWORK] [--key NAME:ALGORITHM:SECRET] [--notify ADDRESS] [--rrl RATE]
 *             [--listen ADDRESS] [--cert CHAIN --cert-key KEY] [--intervals SECONDS]
 *             [--secondary ZONE=FILE=PRIMARY[,PRIMARY …]] [--forward ADDRESS] …
 *             [--recursion NETWORK] [--cache BYTES] [--trust-ad 1] ZONE=FILE …
 *
 * A secondary's FILE is the file in which it is saved, or empty. The timers of its SOA record are
 * at least SECONDS. With --key its requests are signed. Names in none of the zones are asked of the
 * servers after --forward, in this order. A line "counters" prints the counters of the cache.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/base64.h>
#include <weir/dns_secondary.h>
#include <weir/dns_upstreams.h>
#include <weir/error.h>
#include <weir/loop.h>
#include <weir/tls.h>

enum {
	ZONES_MAX = 64,
	PRIMARIES_MAX = 4,
	FORWARD_MAX = 4
};

static struct {
	struct weir_loop *loop;
	struct weir_dns_server *server;
	struct weir_watch input;
	struct weir_dns_options options;
	struct weir_dns_policy policy;
	struct weir_network network;
	struct weir_dns_tsig_key key;
	struct weir_address notify;
	struct weir_tls_certificate certificate;
	struct weir_address forward[FORWARD_MAX];
	unsigned forward_count;
	struct weir_network recursion;
	size_t cache_bytes;
	struct weir_dns_upstreams *upstreams;
	struct weir_dns_lookups *lookups;
	char *zones[ZONES_MAX];
	size_t zone_count;
	struct weir_dns_secondaries *secondaries;
	struct weir_dns_secondary_options from[ZONES_MAX];
	struct weir_address primaries[ZONES_MAX][PRIMARIES_MAX];
	size_t secondary_count;
	struct weir_dns_zones *served;
	unsigned interval_s;
} test;

static void die(const char *what)
{
	fprintf(stderr, "dns-serve: %s\n", what);
	exit(1);
}

static void report(void *context, const char *path, unsigned line, const char *text)
{
	(void)context;
	fprintf(stderr, "%s:%u: %s\n", path, line, text);
}

static void log_event(void *context, const struct weir_dns_event *event)
{
	static const char *const names[] = {"transferred", "transfer failed", "transfer refused",
	        "notified", "notify failed", "restored", "fetched", "fetch failed", "expired",
	        "keep failed"};
	char name[WEIR_DNS_TEXT_MAX];
	(void)context;
	weir_dns_name_format(event->zone, name);
	printf("%s %s %u", names[event->kind], name, event->serial);
	printf(event->why ? " %u %s\n" : "\n", event->rcode, event->why);
	fflush(stdout);
}

/* The zones of files; the versions before them are what they follow. */
static int load_zones(struct weir_dns_zone_entry *entries, size_t *count)
{
	int error = 0;
	for (; *count < test.zone_count && error == 0; ++*count) {
		struct weir_span file = weir_span_of(test.zones[*count]), name;
		struct weir_dns_zone_entry *entry = &entries[*count];
		struct weir_dns_name apex;
		*entry = (struct weir_dns_zone_entry){.policy = test.policy};
		if (!weir_span_cut(&file, '=', &name) || weir_dns_name_parse(name, &apex) < 0)
			die("ZONE=FILE");
		error = weir_dns_zone_load(file.data, &apex, report, NULL, &entry->zone);
		const struct weir_dns_zone_entry *old =
		        test.served ? weir_dns_zones_find(test.served, &apex) : NULL;
		if (error == 0 && old)
			weir_dns_zone_follow(entry->zone, old->zone);
	}
	return error;
}

/* Without `again` the zones of files are those that are served already. */
static struct weir_dns_zones *load(bool again)
{
	struct weir_dns_zone_entry entries[2 * ZONES_MAX] = {0};
	struct weir_dns_zones *zones = NULL;
	size_t count = 0;
	int error = 0;
	if (again)
		error = load_zones(entries, &count);
	for (; !again && count < test.zone_count; count++) {
		entries[count] = *weir_dns_zones_entry(test.served, count);
		weir_dns_zone_hold(entries[count].zone);
	}
	for (size_t i = 0; i < test.secondary_count && error == 0; i++, count++) {
		struct weir_dns_zone *zone =
		        weir_dns_secondaries_zone(test.secondaries, &test.from[i].name);
		entries[count] = (struct weir_dns_zone_entry){.policy = test.policy};
		entries[count].zone = weir_dns_zone_hold(zone);
	}
	if (error == 0)
		error = weir_dns_zones_create(entries, count, &zones);
	for (size_t i = 0; i < count; i++)
		weir_dns_zone_release(entries[i].zone);
	return zones;
}

static void serve(struct weir_dns_zones *zones)
{
	if (!zones)
		return;
	weir_dns_zones_release(test.served);
	test.served = zones;
	if (test.server)
		weir_dns_set_zones(test.server, zones);
}

static void on_changed(void *context)
{
	(void)context;
	serve(load(false));
}

static void print_counters(void)
{
	const struct weir_dns_lookups_counters *counters = weir_dns_lookups_counters(test.lookups);
	struct weir_dns_cache_counters cache;
	weir_dns_cache_counters(weir_dns_lookups_cache(test.lookups), &cache);
	printf("hits %lu asks %lu stale %lu failures %lu entries %lu bytes %lu\n",
	        (unsigned long)counters->hits, (unsigned long)counters->asks,
	        (unsigned long)counters->stale, (unsigned long)counters->failures,
	        (unsigned long)cache.entries, (unsigned long)cache.bytes);
	fflush(stdout);
}

static void on_input(struct weir_watch *watch, unsigned events)
{
	char text[64];
	(void)watch, (void)events;
	if (read(STDIN_FILENO, text, sizeof text) <= 0) {
		weir_loop_stop(test.loop);
		return;
	}
	if (text[0] == 'c' && test.lookups) {
		print_counters();
		return;
	}
	struct weir_dns_zones *zones = load(true);
	serve(zones);
	printf("%s\n", zones ? "reloaded" : "refused");
	fflush(stdout);
}

static void set_key(char *text)
{
	char *algorithm = strchr(text, ':'),
	     *secret = algorithm ? strchr(algorithm + 1, ':') : NULL;
	size_t size;
	if (!secret)
		die("--key NAME:ALGORITHM:SECRET");
	*algorithm++ = *secret++ = 0;
	if (weir_base64_decode(weir_span_of(secret), (char *)test.key.secret,
	            sizeof test.key.secret, &size) < 0 ||
	        weir_dns_name_parse(weir_span_of(text), &test.key.name) < 0 ||
	        !weir_dns_tsig_algorithm(weir_span_of(algorithm), &test.key.algorithm))
		die("--key");
	test.key.secret_size = (uint8_t)size;
	if (weir_dns_keys_create(&test.key, 1, &test.options.responder.keys) < 0)
		die("--key");
	test.policy.keys = &test.key.name;
	test.policy.key_count = 1;
}

static void add_secondary(char *text)
{
	struct weir_dns_secondary_options *from = &test.from[test.secondary_count];
	char *path = strchr(text, '='), *primaries = path ? strchr(path + 1, '=') : NULL;
	if (!primaries || test.secondary_count == ZONES_MAX)
		die("--secondary ZONE=FILE=PRIMARY");
	*path++ = *primaries++ = 0;
	struct weir_span left = weir_span_of(primaries), one;
	weir_dns_secondary_options_init(from);
	from->primaries = test.primaries[test.secondary_count++];
	from->path = *path ? path : NULL;
	if (weir_dns_name_parse(weir_span_of(text), &from->name) < 0)
		die("--secondary");
	for (bool more = true; more && from->primary_count < PRIMARIES_MAX;) {
		more = weir_span_cut(&left, ',', &one);
		struct weir_address *to =
		        &test.primaries[test.secondary_count - 1][from->primary_count++];
		if (weir_address_parse(one, to) < 0)
			die("--secondary");
	}
}

static unsigned on_notify(void *context, const struct weir_dns_name *zone,
        const struct weir_address *peer, const struct weir_dns_tsig *tsig)
{
	(void)context;
	return weir_dns_secondaries_notified(test.secondaries, zone, peer, tsig);
}

static void start_secondaries(void)
{
	struct weir_dns_secondaries_options options;
	weir_dns_secondaries_options_init(&options);
	options.changed = on_changed;
	options.log = log_event;
	for (size_t i = 0; i < test.secondary_count; i++) {
		test.from[i].key = test.key.secret_size ? &test.key : NULL;
		if (test.interval_s)
			test.from[i].refresh_min_s = test.from[i].retry_min_s = test.interval_s;
	}
	if (weir_dns_secondaries_create(test.loop, &options, &test.secondaries) < 0 ||
	        weir_dns_secondaries_set(test.secondaries, test.from, test.secondary_count, true) <
	                0)
		die("secondaries");
	test.options.responder.notified = test.secondary_count ? on_notify : NULL;
}

static void set_option(const char *name, char *value)
{
	struct weir_span text = weir_span_of(value);
	if (strcmp(name, "--transfer") == 0 && weir_network_parse(text, &test.network) == 0) {
		test.policy.networks = &test.network;
		test.policy.network_count = 1;
	} else if (strcmp(name, "--notify") == 0 && weir_address_parse(text, &test.notify) == 0) {
		test.policy.notify = &test.notify;
		test.policy.notify_count = 1;
		test.options.notifies = true;
	} else if (strcmp(name, "--listen") == 0 &&
	           weir_address_parse(text, &test.options.listener.address) == 0) {
	} else if (strcmp(name, "--secondary") == 0) {
		add_secondary(value);
	} else if (strcmp(name, "--intervals") == 0) {
		test.interval_s = (unsigned)atoi(value);
	} else if (strcmp(name, "--forward") == 0 && test.forward_count < FORWARD_MAX &&
	           weir_address_parse(text, &test.forward[test.forward_count]) == 0) {
		test.forward_count++;
	} else if (strcmp(name, "--recursion") == 0 &&
	           weir_network_parse(text, &test.recursion) == 0) {
		test.options.responder.recursion.networks = &test.recursion;
		test.options.responder.recursion.network_count = 1;
	} else if (strcmp(name, "--cache") == 0) {
		test.cache_bytes = strtoul(value, NULL, 10);
	} else if (strcmp(name, "--trust-ad") == 0) {
		test.options.responder.recursion.trust_ad = true;
	} else if (strcmp(name, "--rrl") == 0) {
		test.options.rrl_rate = (unsigned)atoi(value);
	} else if (strcmp(name, "--cert") == 0) {
		test.certificate.chain = value;
	} else if (strcmp(name, "--cert-key") == 0) {
		test.certificate.key = value;
	} else if (strcmp(name, "--key") == 0) {
		set_key(value);
	} else {
		die(name);
	}
}

static int open_lookups(void)
{
	struct weir_dns_upstreams_options upstreams;
	struct weir_dns_lookups_options options;
	if (!test.forward_count)
		return 0;
	weir_dns_upstreams_options_init(&upstreams);
	upstreams.addresses = test.forward;
	upstreams.count = test.forward_count;
	upstreams.in_order = true;
	weir_dns_lookups_options_init(&options);
	if (test.cache_bytes)
		options.own_cache.bytes = test.cache_bytes;
	int error = weir_dns_upstreams_create(test.loop, &upstreams, &test.upstreams);
	options.upstreams = test.upstreams;
	if (error == 0)
		error = weir_dns_lookups_create(test.loop, &options, &test.lookups);
	test.options.responder.recursion.lookups = test.lookups;
	return error;
}

int main(int count, char **arguments)
{
	char address[WEIR_ADDRESS_TEXT_MAX];
	weir_dns_options_init(&test.options);
	weir_address_parse(WEIR_SPAN("127.0.0.1:0"), &test.options.listener.address);
	for (int i = 1; i < count; i++) {
		if (arguments[i][0] == '-' && i + 1 < count)
			set_option(arguments[i], arguments[i + 1]), i++;
		else if (test.zone_count < ZONES_MAX)
			test.zones[test.zone_count++] = arguments[i];
	}
	test.options.responder.nsid = WEIR_SPAN("weir-test");
	test.options.responder.version = "weir";
	test.options.responder.identity = "here";
	test.options.log = log_event;
	struct weir_tls_options tls;
	weir_tls_options_init(&tls);
	tls.certificates = &test.certificate;
	tls.count = 1;
	if (test.certificate.chain &&
	        weir_tls_server_create(&tls, NULL, NULL, &test.options.listener.tls) < 0)
		die("--cert");
	if (weir_loop_create(&test.loop) < 0)
		die("cannot start");
	start_secondaries();
	test.served = test.options.zones = load(true);
	if (!test.options.zones || open_lookups() < 0 ||
	        weir_dns_create(test.loop, &test.options, &test.server) < 0 ||
	        weir_watch_start(test.loop, &test.input, STDIN_FILENO, WEIR_READABLE, on_input) < 0)
		die("cannot start");
	weir_tls_release(test.options.listener.tls);
	weir_address_format(weir_server_address(weir_dns_listener(test.server)), address);
	printf("%s\n", address);
	fflush(stdout);
	int error = weir_loop_run(test.loop);
	weir_watch_cancel(test.loop, &test.input);
	weir_dns_destroy(test.server);
	weir_dns_lookups_destroy(test.lookups);
	weir_dns_upstreams_destroy(test.upstreams);
	weir_dns_secondaries_destroy(test.secondaries);
	weir_dns_zones_release(test.served);
	weir_dns_keys_release(test.options.responder.keys);
	weir_loop_turn(test.loop, 0);
	weir_loop_destroy(test.loop);
	return error ? 1 : 0;
}
