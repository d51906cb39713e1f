/* The metrics of POP3. */
#include "pop3_metrics.h"

/* In the order of the table in session.c. */
static const char *const pop3_metrics_verbs[POP3_METRICS_VERBS] = {"APOP", "AUTH", "CAPA", "DELE",
        "LANG", "LIST", "NOOP", "PASS", "QUIT", "RETR", "RSET", "STAT", "STLS", "TOP", "UIDL",
        "USER", "UTF8", "unknown"};
static const char *const pop3_metrics_outcomes[] = {"refused", "accepted"};
static const char *const pop3_metrics_statuses[] = {"error", "ok"};
static const char *const pop3_metrics_kinds[POP3_METRICS_EVENTS] = {
        [WEIR_POP3_LOGIN] = "login",
        [WEIR_POP3_DENIED] = "denied",
        [WEIR_POP3_LOGOUT] = "logout",
};

static const struct weir_metric_label pop3_metrics_verb = {
        "command", pop3_metrics_verbs, POP3_METRICS_VERBS};
static const struct weir_metric_label pop3_metrics_outcome = {"result", pop3_metrics_outcomes, 2};
static const struct weir_metric_label pop3_metrics_status = {"status", pop3_metrics_statuses, 2};
static const struct weir_metric_label pop3_metrics_event = {
        "event", pop3_metrics_kinds, POP3_METRICS_EVENTS};

static const struct weir_metric pop3_metrics_rows[] = {
        {.name = "weir_pop3_commands_total",
                .help = "Commands; refused: by syntax or state, before they were carried out",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct pop3_cells, commands),
                .labels = {&pop3_metrics_verb, &pop3_metrics_outcome}},
        {.name = "weir_pop3_replies_total",
                .help = "Replies of one line, by status",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct pop3_cells, replies),
                .labels = {&pop3_metrics_status}},
        {.name = "weir_pop3_events_total",
                .help = "Logins, failed logins and ends of sessions",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct pop3_cells, events),
                .labels = {&pop3_metrics_event}},
        {.name = "weir_pop3_retrieved_messages_total",
                .help = "Messages sent whole, of sessions that have ended",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct pop3_cells, retrieved)},
        {.name = "weir_pop3_retrieved_bytes_total",
                .help = "Bytes of these messages",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct pop3_cells, retrieved_bytes)},
        {.name = "weir_pop3_removed_messages_total",
                .help = "Messages removed by clients",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct pop3_cells, removed)},
        {.name = "weir_pop3_session_duration_seconds",
                .help = "Time from a login until the end of its session",
                .type = WEIR_METRIC_HISTOGRAM,
                .unit = WEIR_METRIC_MILLISECONDS,
                .cell = WEIR_METRIC_CELL(struct pop3_cells, session_ms)},
        {0},
};

static const struct weir_metric_table pop3_metrics_table = {
        .metrics = pop3_metrics_rows,
        .size = sizeof(struct pop3_cells),
        .labels = {"listener"},
};

struct pop3_cells *pop3_metrics(struct weir_loop *loop, const struct weir_pop3_options *options)
{
	const char *name = options->listener.name;
	return weir_metrics_set(
	        loop, &pop3_metrics_table, (const char *[]){name ? name : "pop3", ""});
}
