/* The metrics of FTP. */
#include "ftp_metrics.h"

/* In the order of the table in verbs.c. */
static const char *const ftp_metrics_verbs[FTP_METRICS_VERBS] = {"ABOR", "ACCT", "ALLO", "APPE",
        "AUTH", "CCC", "CDUP", "CLNT", "CWD", "DELE", "EPRT", "EPSV", "FEAT", "HELP", "HOST",
        "LANG", "LIST", "MDTM", "MFMT", "MKD", "MLSD", "MLST", "MODE", "NLST", "NOOP", "OPTS",
        "PASS", "PASV", "PBSZ", "PORT", "PROT", "PWD", "QUIT", "REIN", "REST", "RETR", "RMD",
        "RNFR", "RNTO", "SITE", "SIZE", "SMNT", "STAT", "STOR", "STOU", "STRU", "SYST", "TYPE",
        "USER", "XCUP", "XCWD", "XMKD", "XPWD", "XRMD", "unknown"};
static const char *const ftp_metrics_outcomes[] = {"refused", "accepted"};
static const char *const ftp_metrics_results[] = {"failed", "done"};
static const char *const ftp_metrics_kinds[FTP_METRICS_EVENTS] = {
        [WEIR_FTP_LOGIN] = "login",
        [WEIR_FTP_LOGOUT] = "logout",
        [WEIR_FTP_SENT] = "sent",
        [WEIR_FTP_RECEIVED] = "received",
        [WEIR_FTP_LISTED] = "listed",
        [WEIR_FTP_CHANGED] = "changed",
        [WEIR_FTP_HOME] = "home",
};

static const struct weir_metric_label ftp_metrics_verb = {
        "command", ftp_metrics_verbs, FTP_METRICS_VERBS};
static const struct weir_metric_label ftp_metrics_outcome = {"result", ftp_metrics_outcomes, 2};
static const struct weir_metric_label ftp_metrics_event = {
        "event", ftp_metrics_kinds, FTP_METRICS_EVENTS};
static const struct weir_metric_label ftp_metrics_result = {"result", ftp_metrics_results, 2};

static const struct weir_metric ftp_metrics_rows[] = {
        {.name = "weir_ftp_commands_total",
                .help = "Commands; refused: unknown, not allowed or without their argument",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct ftp_cells, commands),
                .labels = {&ftp_metrics_verb, &ftp_metrics_outcome}},
        {.name = "weir_ftp_events_total",
                .help = "Logins, ends of sessions, transfers, listings, changes, homes",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct ftp_cells, events),
                .labels = {&ftp_metrics_event, &ftp_metrics_result}},
        {.name = "weir_ftp_sent_bytes_total",
                .help = "Bytes of files and listings sent on data connections",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct ftp_cells, sent)},
        {.name = "weir_ftp_received_bytes_total",
                .help = "Bytes of files received on data connections",
                .type = WEIR_METRIC_COUNTER,
                .cell = WEIR_METRIC_CELL(struct ftp_cells, received)},
        {.name = "weir_ftp_transfer_duration_seconds",
                .help = "Time of a transfer",
                .type = WEIR_METRIC_HISTOGRAM,
                .unit = WEIR_METRIC_MILLISECONDS,
                .cell = WEIR_METRIC_CELL(struct ftp_cells, transfer_ms)},
        {0},
};

static const struct weir_metric_table ftp_metrics_table = {
        .metrics = ftp_metrics_rows,
        .size = sizeof(struct ftp_cells),
        .labels = {"listener"},
};

struct ftp_cells *ftp_metrics(struct weir_loop *loop, const struct weir_ftp_options *options)
{
	const char *name = options->listener.name;
	return weir_metrics_set(
	        loop, &ftp_metrics_table, (const char *[]){name ? name : "ftp", ""});
}

void ftp_metrics_count(struct ftp_cells *cells, const struct weir_ftp_event *event)
{
	bool transfer = event->kind == WEIR_FTP_SENT || event->kind == WEIR_FTP_RECEIVED ||
	                event->kind == WEIR_FTP_LISTED;
	weir_metric_add(&cells->events[event->kind][event->error == 0], 1);
	if (!transfer)
		return;
	weir_metric_add(
	        event->kind == WEIR_FTP_RECEIVED ? &cells->received : &cells->sent, event->bytes);
	weir_metric_observe_ms(cells->transfer_ms, (int64_t)event->time_ms);
}
