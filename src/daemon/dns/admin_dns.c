/*
 * zones, cache, cache list, cache flush. The set of zones and the cache may be read by any thread,
 * so that no worker is asked.
 */
#include <inttypes.h>

#include <weir/dns_lookup.h>
#include <weir/dns_zone.h>
#include <weir/loop.h>

#include "admin_dns.h"
#include "dns_stored.h"
#include "service_dns.h"

enum {
	ADMIN_DNS_ZONES_MAX = 5000, /* in one listing; so many fit a reply */
	ADMIN_DNS_ENTRIES_MAX = 5000,
};

/* Reads an argument as a name. Returns false if it is none, after the request was ended. */
static bool admin_dns_name(
        struct admin_request *request, const char *word, struct weir_dns_name *ret)
{
	if (weir_dns_name_parse(weir_span_of(word), ret) == 0) {
		weir_dns_name_lower(ret);
		return true;
	}
	admin_error(request, "'%.64s' is not a domain name", word);
	return false;
}

/* -- zones ------------------------------------------------------------------------------------- */

static void admin_dns_print_zone(
        struct admin_request *request, const struct weir_dns_zone_info *info, int64_t now_s)
{
	char name[WEIR_DNS_TEXT_MAX];
	weir_dns_name_format(&info->name, name);
	if (info->unavailable)
		admin_print(request, "%-40s  unavailable", name);
	else
		admin_print(request, "%-40s  %10" PRIu32 "  %8" PRIu32 "  %8" PRId64 " s  %s", name,
		        info->serial, info->records, now_s - info->made_s,
		        info->nsec3       ? "NSEC3"
		        : info->is_signed ? "NSEC"
		                          : "unsigned");
}

static void admin_dns_print_zones(
        struct admin_request *request, struct weir_dns_zones *zones, int64_t now_s)
{
	size_t count = weir_dns_zones_count(zones);
	if (count)
		admin_print(request, "%-40s  %10s  %8s  %10s  %s", "ZONE", "SERIAL", "RECORDS",
		        "LOADED", "SIGNED");
	for (size_t i = 0; i < count && i < ADMIN_DNS_ZONES_MAX; i++) {
		struct weir_dns_zone_info info;
		weir_dns_zone_info(weir_dns_zones_entry(zones, i)->zone, &info);
		admin_dns_print_zone(request, &info, now_s);
	}
	if (count > ADMIN_DNS_ZONES_MAX)
		admin_print(
		        request, "and %zu more, which are not shown", count - ADMIN_DNS_ZONES_MAX);
	admin_print(request, "%zu zone%s", count, count == 1 ? "" : "s");
}

static void admin_dns_print_problem(void *context, const char *zone, const char *why)
{
	admin_print(context, "%s in the database: %s", zone, why);
}

static void admin_dns_zones(void *context, struct admin_request *request)
{
	const struct admin_dns *commands = context;
	struct weir_dns_name name;
	if (request->count && !admin_dns_name(request, request->arguments[0], &name))
		return;
	if (!*commands->shared) {
		admin_error(request, "the daemon is ending");
		return;
	}
	struct weir_dns_zones *zones = dns_shared_zones(*commands->shared);
	int64_t now_s = weir_loop_wall_s(commands->loop);
	const struct weir_dns_zone_entry *entry =
	        request->count ? weir_dns_zones_find(zones, &name) : NULL;
	if (!request->count) {
		admin_dns_print_zones(request, zones, now_s);
		dns_stored_problems(
		        dns_shared_stored(*commands->shared), admin_dns_print_problem, request);
		admin_ok(request);
	} else if (!entry) {
		admin_error(request, "there is no zone '%.64s'", request->arguments[0]);
	} else {
		struct weir_dns_zone_info info;
		weir_dns_zone_info(entry->zone, &info);
		admin_dns_print_zone(request, &info, now_s);
		admin_ok(request);
	}
	weir_dns_zones_release(zones);
}

/* -- the cache --------------------------------------------------------------------------------- */

/* Returns NULL if nothing was looked up yet, after the request was ended. */
static struct weir_dns_cache *admin_dns_find_cache(
        const struct admin_dns *commands, struct admin_request *request)
{
	struct weir_dns_cache *cache =
	        *commands->shared ? dns_shared_cache_in_use(*commands->shared) : NULL;
	if (!cache)
		admin_error(request, "nothing is looked up: the configuration has no 'forward'");
	return cache;
}

static void admin_dns_cache(void *context, struct admin_request *request)
{
	struct weir_dns_cache_counters counters;
	struct weir_dns_cache *cache = admin_dns_find_cache(context, request);
	if (!cache)
		return;
	weir_dns_cache_counters(cache, &counters);
	weir_dns_cache_release(cache);
	admin_print(request, "%" PRIu64 " answers, %" PRIu64 " bytes, %" PRIu64 " evicted",
	        counters.entries, counters.bytes, counters.evicted);
	admin_ok(request);
}

struct admin_dns_listing {
	struct admin_request *request;
	size_t count;
};

static bool admin_dns_print_cached(void *context, const struct weir_dns_cached *cached)
{
	struct admin_dns_listing *listing = context;
	char name[WEIR_DNS_TEXT_MAX];
	if (listing->count == ADMIN_DNS_ENTRIES_MAX) {
		admin_print(listing->request, "and more, which are not shown");
		return false;
	}
	weir_dns_name_format(&cached->name, name);
	admin_print(listing->request, "%-40s  TYPE%-5u  %5u  %8" PRId64 " s  %6zu", name,
	        cached->type, cached->rcode, cached->left_s, cached->bytes);
	listing->count++;
	return true;
}

static void admin_dns_cache_list(void *context, struct admin_request *request)
{
	const struct admin_dns *commands = context;
	struct admin_dns_listing listing = {.request = request};
	struct weir_dns_name name;
	if (request->count && !admin_dns_name(request, request->arguments[0], &name))
		return;
	struct weir_dns_cache *cache = admin_dns_find_cache(commands, request);
	if (!cache)
		return;
	admin_print(request, "%-40s  %-9s  %5s  %10s  %6s", "NAME", "TYPE", "RCODE", "EXPIRES",
	        "BYTES");
	weir_dns_cache_each(cache, request->count ? &name : NULL,
	        (uint32_t)(weir_loop_now_ms(commands->loop) / 1000), admin_dns_print_cached,
	        &listing);
	weir_dns_cache_release(cache);
	admin_print(request, "%zu answer%s", listing.count, listing.count == 1 ? "" : "s");
	admin_ok(request);
}

static void admin_dns_cache_flush(void *context, struct admin_request *request)
{
	const struct admin_dns *commands = context;
	struct weir_dns_name name;
	if (request->count && !admin_dns_name(request, request->arguments[0], &name))
		return;
	struct weir_dns_cache *cache = admin_dns_find_cache(commands, request);
	if (!cache)
		return;
	size_t count = weir_dns_cache_flush(cache, request->count ? &name : NULL);
	weir_dns_cache_release(cache);
	admin_print(request, "removed %zu answer%s", count, count == 1 ? "" : "s");
	admin_ok(request);
}

void admin_dns_init(
        struct admin_dns *commands, struct dns_shared *const *shared, struct weir_loop *loop)
{
	static const struct admin_command list[] = {
	        {"zones", "[ZONE]", "lists the zones with serials and ages, or shows one", 0, 1,
	                admin_dns_zones},
	        {"cache", "", "shows the size of the DNS cache", 0, 0, admin_dns_cache},
	        {"cache list", "[NAME]",
	                "lists the answers in the DNS cache: all, or those for a name and below it",
	                0, 1, admin_dns_cache_list},
	        {"cache flush", "[NAME]",
	                "removes answers from the DNS cache: all, or those for a name and below it",
	                0, 1, admin_dns_cache_flush},
	        {0},
	};
	*commands = (struct admin_dns){.table = {.commands = list}, .shared = shared, .loop = loop};
	commands->table.context = commands;
}
