/* The cells of each FTP listener, on each loop. */
#ifndef WEIR_FTP_METRICS_H
#define WEIR_FTP_METRICS_H

#include <weir/ftp.h>
#include <weir/metrics.h>

enum {
	FTP_METRICS_VERBS = 55, /* the rows of the table of verbs, and unknown ones */
	FTP_METRICS_EVENTS = WEIR_FTP_HOME + 1,
};

struct ftp_cells {
	uint64_t commands[FTP_METRICS_VERBS][2]; /* refused at once, carried out */
	uint64_t events[FTP_METRICS_EVENTS][2];  /* failed, done */
	uint64_t sent;
	uint64_t received;
	uint64_t transfer_ms[WEIR_METRIC_HISTOGRAM_CELLS];
};

/* Returns NULL without memory. */
struct ftp_cells *ftp_metrics(struct weir_loop *loop, const struct weir_ftp_options *options);

/* Counts an event of the log. */
void ftp_metrics_count(struct ftp_cells *cells, const struct weir_ftp_event *event);

#endif
