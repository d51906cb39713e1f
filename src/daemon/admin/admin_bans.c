/*
 * ban list, ban add, ban clear. The list of bans is shared by all loops and has a lock of its own,
 * so that the main thread may use it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/bans.h>
#include <weir/loop.h>

#include "admin_bans.h"

/* The longest ban, which the key `ban-time` has, too. */
#define BAN_MAX_S (30 * 24 * 60 * 60)

static void admin_bans_list(void *context, struct admin_request *request)
{
	const struct admin_bans *commands = context;
	int64_t now_ms = weir_loop_now_ms(commands->loop);
	struct weir_ban *bans = calloc(WEIR_BANS_MAX, sizeof *bans);
	if (!bans) {
		admin_error(request, "there is no memory");
		return;
	}
	size_t count = weir_bans_list(commands->bans, bans, WEIR_BANS_MAX, now_ms);
	if (count)
		admin_print(request, "%-43s  %10s", "NETWORK", "ENDS IN");
	for (size_t i = 0; i < count; i++) {
		char network[WEIR_NETWORK_TEXT_MAX];
		weir_network_format(&bans[i].network, network);
		admin_print(request, "%-43s  %8" PRId64 " s", network,
		        (bans[i].until_ms - now_ms + 999) / 1000);
	}
	admin_print(request, "%zu ban%s", count, count == 1 ? "" : "s");
	free(bans);
	admin_ok(request);
}

/* Reads 90, 90s, 15m, 2h or 7d. Returns the seconds; 0 if it is wrong or too long. */
static uint64_t admin_bans_parse_time(struct weir_span text)
{
	static const struct {
		char letter;
		uint32_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 60 * 60}, {'d', 24 * 60 * 60}};
	uint64_t number, unit = 1;
	for (size_t i = 0; i < sizeof units / sizeof *units && text.size; i++) {
		if (text.data[text.size - 1] != units[i].letter)
			continue;
		unit = units[i].seconds;
		text.size--;
		break;
	}
	if (weir_span_number(text, 10, &number) < 0 || number > BAN_MAX_S / unit)
		return 0;
	return number * unit;
}

static void admin_bans_add(void *context, struct admin_request *request)
{
	const struct admin_bans *commands = context;
	int64_t now_ms = weir_loop_now_ms(commands->loop);
	struct weir_network network;
	uint64_t seconds = admin_bans_parse_time(weir_span_of(request->arguments[1]));
	if (weir_network_parse(weir_span_of(request->arguments[0]), &network) < 0)
		admin_error(request, "'%s' must be a network such as 192.0.2.0/24 or 2001:db8::/32",
		        request->arguments[0]);
	else if (seconds == 0)
		admin_error(request, "'%s' must be a time such as 90s, 15m, 2h or 7d, 30d at most",
		        request->arguments[1]);
	else if (weir_bans_add(commands->bans, &network, now_ms + (int64_t)seconds * 1000, now_ms) <
	         0)
		admin_error(request, "there are %d bans already", WEIR_BANS_MAX);
	else
		admin_ok(request);
}

static void admin_bans_clear(void *context, struct admin_request *request)
{
	const struct admin_bans *commands = context;
	struct weir_network network;
	if (request->count &&
	        weir_network_parse(weir_span_of(request->arguments[0]), &network) < 0) {
		admin_error(request, "'%s' must be a network such as 192.0.2.0/24 or 2001:db8::/32",
		        request->arguments[0]);
		return;
	}
	size_t cleared = weir_bans_clear(
	        commands->bans, request->count ? &network : NULL, weir_loop_now_ms(commands->loop));
	admin_print(request, "ended %zu ban%s", cleared, cleared == 1 ? "" : "s");
	admin_ok(request);
}

void admin_bans_init(struct admin_bans *commands, struct weir_bans *bans, struct weir_loop *loop)
{
	static const struct admin_command list[] = {
	        {"ban list", "", "lists the networks that are banned, and when each ban ends", 0, 0,
	                admin_bans_list},
	        {"ban add", "NETWORK TIME",
	                "bans a network from all listeners for a time such as 15m; open connections "
	                "stay",
	                2, 2, admin_bans_add},
	        {"ban clear", "[NETWORK]",
	                "ends the ban of a network, as it is listed, or all bans", 0, 1,
	                admin_bans_clear},
	        {0},
	};
	*commands = (struct admin_bans){.table = {.commands = list}, .bans = bans, .loop = loop};
	commands->table.context = commands;
}
