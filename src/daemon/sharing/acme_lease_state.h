/*
 * The lease by which front ends obtain certificates, as a front end shows it: a small file beside
 * the states of names (acme_state.h). The process that obtains certificates writes it, and servers
 * read it.
 */
#ifndef DAEMON_ACME_LEASE_STATE_H
#define DAEMON_ACME_LEASE_STATE_H

#include <stdint.h>

#include <weir/span.h>

struct acme_store;

struct acme_lease_state {
	int64_t until_s; /* this front end has it until then, unless it is renewed; 0: it has not */
	uint64_t takeovers; /* how often it was that of one that died, since the process began */
};

/* Returns 0 or WEIR_E_SYNTAX; `ret` is untouched then. */
int acme_lease_state_parse(struct weir_span text, struct acme_lease_state *ret);

/* Returns 0 or a negative errno. */
int acme_lease_state_write(const struct acme_lease_state *state, const struct acme_store *store);

/* Reads it in the directory of the store. Returns 0, WEIR_E_SYNTAX or a negative errno. */
int acme_lease_state_read(const char *directory, struct acme_lease_state *ret);

#endif
