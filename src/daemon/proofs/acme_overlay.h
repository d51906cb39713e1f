/* The zones of a server process with the proofs of DNS-01 in them (acme_dns.h). */
#ifndef DAEMON_ACME_OVERLAY_H
#define DAEMON_ACME_OVERLAY_H

#include <stdbool.h>

#include <weir/dns_zone.h>

#include "config.h"

enum {
	ACME_OVERLAY_LOOK_MS = 500,  /* between two looks at the folder */
	ACME_OVERLAY_TEXTS_MAX = 64, /* proofs at a time */
};

/* All zero is an overlay without texts. */
struct acme_overlay {
	struct weir_dns_zone_text *texts;
	char *bytes; /* of the texts */
	size_t count;
	int64_t changed_ns[2];           /* when the two folders have changed */
	struct acme_overlay_zone *zones; /* that were made; a list */
};

/* Whether the configuration can have proofs of DNS-01. */
bool acme_overlay_wanted(const struct config *config);

/* Reads the proofs, if they have changed. Returns whether they have. */
bool acme_overlay_look(struct acme_overlay *overlay, const struct config *config);

/*
 * The zone with its proofs and its serial, which the overlay holds; or `zone` itself, if there are
 * none, or they cannot be added, which is reported.
 */
struct weir_dns_zone *acme_overlay_zone(
        struct acme_overlay *overlay, const struct config *config, struct weir_dns_zone *zone);

void acme_overlay_finish(struct acme_overlay *overlay);

#endif
