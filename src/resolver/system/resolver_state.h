/*
 * The resolver's state, for resolver*.c only.
 *
 *   resolver.c           the resolver, and each lookup's beginning and end
 *   resolver_files.c     /etc/resolv.conf and /etc/hosts, read again when they have changed
 *   resolver_alias.c     one question, with the CNAME records that lead to its answer
 *   resolver_address.c   addresses: literals, hosts, A and AAAA, searched domains
 *   resolver_records.c   names of addresses, MX, SRV, TXT
 */
#ifndef WEIR_RESOLVER_STATE_H
#define WEIR_RESOLVER_STATE_H

#include <weir/dns_lookup.h>
#include <weir/dns_upstreams.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/loop.h>
#include <weir/resolver.h>

#include "hosts.h"
#include "helper.h"
#include "resolv_conf.h"

struct weir_resolver {
	struct weir_loop *loop;
	struct weir_dns_upstreams *upstreams; /* its own, or NULL */
	struct weir_dns_lookups *lookups;
	bool lookups_owned;
	struct weir_list begun;   /* lookups that are being asked, or about to be */
	struct weir_list waiting; /* lookups that wait until the files have been checked */
	unsigned count;
	struct random_pool random;
	struct hosts *hosts;
	struct resolv_conf conf;
	struct resolver_look *look; /* at the files: what reads them */
	bool looking;               /* the files are being checked */
	int64_t looked_ms;
};

/* A question that is followed to its answer. */
struct resolver_chain {
	struct weir_resolving *resolving;
	struct weir_dns_question question;
	struct weir_dns_lookup *lookup; /* NULL: nothing is asked */
	unsigned hops;
};

/* The result of a question: records of one type, all of the name at the end of the chain. */
struct resolver_answer {
	struct weir_span reply;
	struct weir_dns_name owner;
	uint16_t type;
	size_t at;     /* in the reply */
	unsigned left; /* records of the section */
};

struct resolving_kind {
	/* Begins, from the loop; may end it. */
	void (*start)(struct weir_resolving *resolving);
	/* A chain is over, with records or an error; may end it. */
	void (*done)(struct weir_resolving *resolving, int error, struct resolver_answer *answer);
};

struct weir_resolving {
	struct weir_list link;
	struct weir_resolver *resolver;
	const struct resolving_kind *kind;
	weir_on_resolved *resolved;
	void *context;
	struct weir_task start;
	int error; /* that it begins, and ends, with */
	unsigned flags;
	uint16_t port;
	struct weir_dns_name name;   /* that was asked for */
	struct weir_address address; /* the address to be looked up instead of a name */
	uint16_t type;
	unsigned candidate; /* of the domains searched */
	bool no_data;       /* some candidate was there */
	bool absolute;      /* nothing is searched */
	struct resolver_chain chains[2];
	unsigned pending; /* of them */
	int worst;        /* of how they ended */
	size_t address_count;
	struct weir_address addresses[WEIR_RESOLVED_MAX];
};

/* -- resolver.c -------------------------------------------------------------------------------- */

/* Creates a lookup, which begins in a task. Returns 0, WEIR_E_LIMIT or -ENOMEM. */
int resolver_resolving_create(struct weir_resolver *resolver, const struct resolving_kind *kind,
        weir_on_resolved *resolved, void *context, struct weir_resolving **ret);

/* Calls back and frees the lookup; from the loop only. */
void resolver_resolving_end(struct weir_resolving *resolving, const struct weir_resolved *resolved);
void resolver_resolving_fail(struct weir_resolving *resolving, int error);

/* Starts the lookups that waited for the files. */
void resolver_begin_waiting(struct weir_resolver *resolver);

/* -- resolver_files.c -------------------------------------------------------------------------- */

/* Reads both files at once; `conf` is not read if it is NULL. Returns 0 or -ENOMEM. */
int resolver_read_files(struct weir_resolver *resolver, const char *conf, const char *hosts);

/*
 * Starts a check of the files if it is time. Returns true if lookups must wait for
 * resolver_begin_waiting.
 */
bool resolver_looks(struct weir_resolver *resolver);
void resolver_forget_files(struct weir_resolver *resolver);

/* The upstreams that the files configure. */
struct weir_dns_upstreams_options resolver_upstreams(const struct resolv_conf *conf);

/* -- resolver_alias.c -------------------------------------------------------------------------- */

/* Starts a chain; kind->done is called from the loop. Returns 0 or an error. */
int resolver_chain_start(struct resolver_chain *chain, struct weir_resolving *resolving,
        const struct weir_dns_name *name, unsigned type);
void resolver_chain_stop(struct resolver_chain *chain);

/* Takes the next record. Returns false if there is none. */
bool dns_answer_next(struct resolver_answer *answer, struct weir_dns_record *ret);

#endif
