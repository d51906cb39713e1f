/*
 * A rate limit for messages that clients can provoke, so that no client can fill the disk: the
 * first ones of a period are reported, the others are counted, and their number is reported at its
 * end.
 */
#ifndef DAEMON_COMPLAINTS_H
#define DAEMON_COMPLAINTS_H

#include <stdbool.h>

#include <weir/loop.h>

enum {
	COMPLAINTS_PERIOD_S = 10,
	COMPLAINTS_MAX = 20, /* reported in a period */
};

struct complaints {
	struct weir_loop *loop;
	struct weir_timer timer; /* runs during a period that had one */
	const char *what;        /* "TLS handshakes that failed" */
	unsigned reported;
	unsigned suppressed;
};

void complaints_init(struct complaints *complaints, struct weir_loop *loop, const char *what);

/* Whether one more may be reported now; if not, it is counted. */
bool complaints_allow(struct complaints *complaints);

/* Reports the number of those that were counted. */
void complaints_end(struct complaints *complaints);

#endif
