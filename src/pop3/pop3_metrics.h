/* The cells of each POP3 listener, on each loop. */
#ifndef WEIR_POP3_METRICS_H
#define WEIR_POP3_METRICS_H

#include <weir/metrics.h>
#include <weir/pop3.h>

enum {
	POP3_METRICS_VERBS = 18, /* the rows of the table of verbs, and unknown ones */
	POP3_METRICS_EVENTS = WEIR_POP3_LOGOUT + 1,
};

struct pop3_cells {
	uint64_t commands[POP3_METRICS_VERBS][2]; /* refused at once, carried out */
	uint64_t replies[2];                      /* -ERR, +OK */
	uint64_t events[POP3_METRICS_EVENTS];
	uint64_t retrieved;
	uint64_t retrieved_bytes;
	uint64_t removed;
	uint64_t session_ms[WEIR_METRIC_HISTOGRAM_CELLS];
};

/* Returns NULL without memory. */
struct pop3_cells *pop3_metrics(struct weir_loop *loop, const struct weir_pop3_options *options);

#endif
