/* "Did you mean": which of some names is nearest to a mistyped one. */
#ifndef DAEMON_SUGGEST_H
#define DAEMON_SUGGEST_H

#include <stddef.h>

/* All zero at first; name stays NULL when nothing is near. */
struct suggestion {
	const char *name;
	size_t distance;
};

/* Offers a candidate for what was typed; the best so far is kept. */
void suggest(struct suggestion *best, const char *typed, const char *candidate);

/* Letters put in, left out, changed, or swapped with their neighbour. Both up to 63 letters. */
size_t suggest_distance(const char *a, const char *b);

#endif
