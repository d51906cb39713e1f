/* The metrics of SMTP. */
#include "smtp_metrics.h"

/* In the order of the table in verbs.c. */
static const char *const smtp_metrics_verbs[SMTP_METRICS_VERBS] = {"MAIL", "RCPT", "DATA", "BDAT",
        "RSET", "EHLO", "HELO", "LHLO", "STARTTLS", "AUTH", "NOOP", "VRFY", "EXPN", "HELP", "QUIT",
        "unknown"};
static const char *const smtp_metrics_outcomes[] = {"refused", "accepted"};
static const char *const smtp_metrics_classes[SMTP_METRICS_CLASSES] = {
        "other", "1xx", "2xx", "3xx", "4xx", "5xx"};
static const char *const smtp_metrics_kinds[SMTP_METRICS_EVENTS] = {
        [WEIR_SMTP_ACCEPTED] = "accepted",
        [WEIR_SMTP_FAILED] = "failed",
        [WEIR_SMTP_REFUSED] = "refused",
        [WEIR_SMTP_LOGIN] = "login",
        [WEIR_SMTP_DENIED] = "denied",
};

static const struct weir_metric_label smtp_metrics_verb = {
        "command", smtp_metrics_verbs, SMTP_METRICS_VERBS};
static const struct weir_metric_label smtp_metrics_outcome = {"result", smtp_metrics_outcomes, 2};
static const struct weir_metric_label smtp_metrics_class = {
        "code", smtp_metrics_classes, SMTP_METRICS_CLASSES};
static const struct weir_metric_label smtp_metrics_event = {
        "event", smtp_metrics_kinds, SMTP_METRICS_EVENTS};

static const struct weir_metric smtp_metrics_rows[] = {
        {.name = "weir_smtp_commands_total",
                .help = "Commands; refused: by syntax or order, before they were carried out",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct smtp_cells, commands),
                .labels = {&smtp_metrics_verb, &smtp_metrics_outcome}},
        {.name = "weir_smtp_replies_total",
                .help = "Replies by the first digit of their code, without those to messages",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct smtp_cells, replies),
                .labels = {&smtp_metrics_class}},
        {.name = "weir_smtp_events_total",
                .help = "Messages accepted, failed and refused; logins and wrong passwords",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct smtp_cells, events),
                .labels = {&smtp_metrics_event}},
        {.name = "weir_smtp_accepted_bytes_total",
                .help = "Bytes of messages accepted",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct smtp_cells, message_bytes)},
        {.name = "weir_smtp_message_duration_seconds",
                .help = "Time from the end of a message until its reply, when it is safe",
                .type = WEIR_METRIC_HISTOGRAM,
                .unit = WEIR_METRIC_MILLISECONDS,
                .cell = WEIR_METRIC_CELL(struct smtp_cells, message_ms)},
        {0},
};

static const struct weir_metric_table smtp_metrics_table = {
        .metrics = smtp_metrics_rows,
        .size = sizeof(struct smtp_cells),
        .labels = {"listener"},
};

struct smtp_cells *smtp_metrics(struct weir_loop *loop, const struct weir_smtp_options *options)
{
	const char *name = options->listener.name;
	return weir_metrics_set(
	        loop, &smtp_metrics_table, (const char *[]){name ? name : "smtp", ""});
}
