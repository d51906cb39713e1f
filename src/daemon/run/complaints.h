/*
 * Complaints that clients can provoke: so many are said in a while, and then how many there were
 * besides, so that nobody can fill a disk with them.
 */
#ifndef DAEMON_COMPLAINTS_H
#define DAEMON_COMPLAINTS_H

#include <stdbool.h>

#include <weir/loop.h>

enum {
	COMPLAINTS_PERIOD_S = 10,
	COMPLAINTS_MAX = 20, /* said in a period */
};

struct complaints {
	struct weir_loop *loop;
	struct weir_timer timer; /* runs while there was one in this period */
	const char *what;        /* "TLS handshakes that failed" */
	unsigned said;
	unsigned unsaid;
};

void complaints_init(struct complaints *complaints, struct weir_loop *loop, const char *what);

/* Whether one more may be said now; if not, it is counted. */
bool complaints_allow(struct complaints *complaints);

/* Tells what was not told yet. */
void complaints_end(struct complaints *complaints);

#endif
