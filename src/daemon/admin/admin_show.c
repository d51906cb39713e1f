/* status: the page of status.c, line by line. */
#include <string.h>

#include "admin_show.h"
#include "config.h"
#include "daemon_metrics.h"
#include "daemon_status.h"
#include "metrics_read.h"
#include "worker.h"

static void admin_show_lines(struct admin_request *request, const struct weir_buffer *text)
{
	struct weir_span rest = weir_span(text->data, text->size), line;
	while (rest.size) {
		weir_span_cut(&rest, '\n', &line);
		admin_print(request, "%.*s", (int)line.size, line.data);
	}
}

static void admin_show_status(void *context, struct admin_request *request)
{
	const struct admin_show *commands = context;
	struct weir_loop *loops[CONFIG_WORKERS_MAX + 1];
	struct metrics_reader reader = {loops, 0};
	struct weir_buffer text = {0};
	bool json = request->count > 0;
	if (json && strcmp(request->arguments[0], "json") != 0) {
		admin_error(request, "'%.64s' is not a format; 'status json' prints JSON",
		        request->arguments[0]);
		return;
	}
	reader.count = worker_loops(
	        commands->workers, *commands->metrics->workers, commands->metrics->loop, loops);
	int error =
	        status_write(commands->metrics, &reader, json ? STATUS_JSON : STATUS_TEXT, &text);
	if (error == 0) {
		admin_show_lines(request, &text);
		admin_ok(request);
	} else {
		admin_error(request, "there is no memory");
	}
	weir_buffer_finish(&text);
}

void admin_show_init(struct admin_show *commands, const struct daemon_metrics *metrics,
        struct worker *const *workers)
{
	static const struct admin_command list[] = {
	        {"status", "[json]",
	                "shows on one page what the daemon serves, has served and waits for", 0, 1,
	                admin_show_status},
	        {0},
	};
	*commands = (struct admin_show){
	        .table = {.commands = list}, .metrics = metrics, .workers = workers};
	commands->table.context = commands;
}
