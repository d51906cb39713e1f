/* "Did you mean": which of some names is nearest to a mistyped one. */
#ifndef DAEMON_SUGGEST_H
#define DAEMON_SUGGEST_H

#include <stddef.h>

/* All zero at first; `name` stays NULL if no name is near. */
struct suggestion {
	const char *name;
	size_t distance;
};

/* Offers a candidate for the typed name; the struct has the best one so far. */
void suggest(struct suggestion *best, const char *typed, const char *candidate);

/* Returns how many letters are added, missing, changed or swapped. Both names have up to 63. */
size_t suggest_distance(const char *a, const char *b);

#endif
