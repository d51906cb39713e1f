/* top: the connections that lead a survey (survey.h), a line each. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin_top.h"
#include "service.h"
#include "survey.h"

enum {
	TOP_SHOWN = 20, /* if no number is given */
};

static const char *const top_orders[] = {
        [SURVEY_QUIET] = "quiet", [SURVEY_SENT] = "sent", [SURVEY_REPLIES] = "replies"};

enum {
	TOP_ORDERS = sizeof top_orders / sizeof *top_orders
};

static void admin_top_print(struct admin_request *request, const struct survey_item *item)
{
	char id[40], peer[WEIR_ADDRESS_TEXT_MAX];
	snprintf(id, sizeof id, "%u.%d.%" PRIu32, item->worker, item->ref.fd, item->ref.generation);
	weir_address_format(&item->peer, peer);
	admin_print(request,
	        "%-12s  %-11s  %-21s  %-15s  %6" PRIu32 ".%" PRIu32 " s  %7u  %12" PRIu64
	        "  %9u  %s",
	        id, item->type->name, peer, item->waits_for, item->quiet_ms / 1000,
	        item->quiet_ms % 1000 / 100, item->replies, item->sent, item->unsent,
	        item->secure ? "tls" : "");
}

/* The order is the first argument, which was checked. */
static void admin_top_done(void *context, const struct connection_survey *survey)
{
	struct admin_request *request = context;
	uint64_t total = survey->counts.connections;
	admin_print(request, "%" PRIu64 " connection%s, by %s", total, total == 1 ? "" : "s",
	        request->count ? request->arguments[0] : top_orders[SURVEY_QUIET]);
	admin_print(request, "%-12s  %-11s  %-21s  %-15s  %10s  %7s  %12s  %9s  %s", "ID",
	        "LISTENER", "PEER", "WAITS FOR", "SINCE", "REPLIES", "SENT", "UNSENT", "TLS");
	for (size_t i = 0; i < survey->count; i++)
		admin_top_print(request, &survey->items[i]);
	admin_ok(request);
}

static bool admin_top_parse(
        struct admin_request *request, enum survey_order *ret_order, uint64_t *ret_shown)
{
	unsigned order = 0;
	if (request->count > 0) {
		while (order < TOP_ORDERS && strcmp(request->arguments[0], top_orders[order]) != 0)
			order++;
		if (order == TOP_ORDERS) {
			admin_error(request, "'%.64s' is not an order: quiet, sent or replies",
			        request->arguments[0]);
			return false;
		}
	}
	if (request->count > 1 &&
	        (weir_span_number(weir_span_of(request->arguments[1]), 10, ret_shown) < 0 ||
	                *ret_shown < 1 || *ret_shown > SURVEY_SHOWN_MAX)) {
		admin_error(request, "'%.64s' is not a number from 1 to %d", request->arguments[1],
		        SURVEY_SHOWN_MAX);
		return false;
	}
	*ret_order = (enum survey_order)order;
	return true;
}

static void admin_top_ask(void *context, struct admin_request *request)
{
	const struct admin_top *commands = context;
	unsigned workers = *commands->worker_count;
	enum survey_order order;
	uint64_t shown = TOP_SHOWN;
	if (!admin_top_parse(request, &order, &shown))
		return;
	if (!workers)
		admin_error(request, "the daemon is ending");
	else if (survey_start(commands->workers, workers, order, (size_t)shown, admin_top_done,
	                 request) < 0)
		admin_error(request, "there is no memory");
}

void admin_top_init(
        struct admin_top *commands, struct worker *const *workers, const unsigned *worker_count)
{
	static const struct admin_command list[] = {
	        {"top", "[quiet|sent|replies] [NUMBER]",
	                "shows the connections that lead in an order: what each waits for, since "
	                "when, bytes",
	                0, 2, admin_top_ask},
	        {0},
	};
	*commands = (struct admin_top){
	        .table = {.commands = list}, .workers = workers, .worker_count = worker_count};
	commands->table.context = commands;
}
