/*
 * guard list, guard clear. The guard is shared by all loops and has a lock of its own, so that the
 * main thread may ask it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/database_guard.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/network.h>
#include <weir/sasl_guard.h>

#include "admin_guard.h"

struct admin_guard_listing {
	struct weir_guard_entry *items; /* WEIR_GUARD_ADDRESSES_MAX of them */
	size_t count;
};

static void admin_guard_collect(void *context, const struct weir_guard_entry *entry)
{
	struct admin_guard_listing *listing = context;
	if (listing->count < WEIR_GUARD_ADDRESSES_MAX)
		listing->items[listing->count++] = *entry;
}

/* Most wrong passwords first, then by address. */
static int admin_guard_compare(const void *a, const void *b)
{
	const struct weir_guard_entry *one = a, *other = b;
	if (one->count != other->count)
		return one->count < other->count ? 1 : -1;
	return memcmp(one->network.address, other->network.address, sizeof one->network.address);
}

static void admin_guard_list(void *context, struct admin_request *request)
{
	const struct admin_guard *commands = context;
	struct admin_guard_listing listing = {
	        .items = calloc(WEIR_GUARD_ADDRESSES_MAX, sizeof *listing.items)};
	if (!listing.items) {
		admin_error(request, "there is no memory");
		return;
	}
	weir_guard_each(
	        commands->guard, weir_loop_now_ms(commands->loop), admin_guard_collect, &listing);
	qsort(listing.items, listing.count, sizeof *listing.items, admin_guard_compare);
	if (listing.count)
		admin_print(request, "%-43s  %5s  %9s", "NETWORK", "WRONG", "DELAY");
	for (size_t i = 0; i < listing.count; i++) {
		char network[WEIR_NETWORK_TEXT_MAX];
		const struct weir_guard_entry *entry = &listing.items[i];
		weir_network_format(&entry->network, network);
		admin_print(request, "%-43s  %5u  %6" PRIu32 " ms", network, entry->count,
		        entry->delay_ms);
	}
	admin_print(request, "%zu network%s with wrong passwords", listing.count,
	        listing.count == 1 ? "" : "s");
	free(listing.items);
	admin_ok(request);
}

/* An argument that can be read as an address or a network is one, even if a user has that name. */
static void admin_guard_clear(void *context, struct admin_request *request)
{
	const struct admin_guard *commands = context;
	struct weir_network network;
	if (request->count) {
		struct weir_span word = weir_span_of(request->arguments[0]);
		if (weir_network_parse(word, &network) < 0) {
			size_t networks = weir_guard_clear_user(commands->guard, word);
			admin_print(request,
			        "cleared the wrong passwords of the user at %zu network%s",
			        networks, networks == 1 ? "" : "s");
			admin_ok(request);
			return;
		}
	}
	const struct weir_network *cleared_network = request->count ? &network : NULL;
	size_t cleared = *commands->shared
	                         ? weir_database_guard_clear(*commands->shared, cleared_network)
	                         : weir_guard_clear(commands->guard, cleared_network);
	admin_print(request, "cleared %zu network%s", cleared, cleared == 1 ? "" : "s");
	admin_ok(request);
}

void admin_guard_init(struct admin_guard *commands, struct weir_guard *guard,
        struct weir_loop *loop, struct weir_database_guard *const *shared)
{
	static const struct admin_command list[] = {
	        {"guard list", "",
	                "lists the networks that have sent wrong passwords, and how long their "
	                "last answer was delayed",
	                0, 0, admin_guard_list},
	        {"guard clear", "[ADDRESS|NETWORK|USER]",
	                "forgets wrong passwords: of an address or network, of a user, or all", 0,
	                1, admin_guard_clear},
	        {0},
	};
	*commands = (struct admin_guard){
	        .table = {.commands = list}, .guard = guard, .loop = loop, .shared = shared};
	commands->table.context = commands;
}
