/* The cells of each SMTP listener, on each loop. */
#ifndef WEIR_SMTP_METRICS_H
#define WEIR_SMTP_METRICS_H

#include <weir/metrics.h>
#include <weir/smtp.h>

enum {
	SMTP_METRICS_VERBS = 16, /* the rows of the table of verbs, and unknown ones */
	SMTP_METRICS_CLASSES = 6,
	SMTP_METRICS_EVENTS = WEIR_SMTP_DENIED + 1,
};

struct smtp_cells {
	uint64_t commands[SMTP_METRICS_VERBS][2]; /* refused at once, carried out */
	uint64_t replies[SMTP_METRICS_CLASSES];   /* by the first digit */
	uint64_t events[SMTP_METRICS_EVENTS];
	uint64_t message_bytes;
	uint64_t message_ms[WEIR_METRIC_HISTOGRAM_CELLS];
};

/* Returns NULL without memory. */
struct smtp_cells *smtp_metrics(struct weir_loop *loop, const struct weir_smtp_options *options);

#endif
