/*
 * The resolver: names to addresses and back, and what else DNS knows, asynchronously.
 *
 *   "mail.example.org" ─▶ a literal? ─▶ /etc/hosts ─▶ cache ─▶ upstreams ─▶ resolved(context, …)
 *
 * It is a client of servers that look names up for others (weir/dns_upstreams.h) with a cache
 * (weir/dns_lookup.h), set up by /etc/resolv.conf. Of that it knows nameserver (without one,
 * 127.0.0.1 is asked, as everywhere; [address]:port is another port than 53), search, domain, and the options timeout, attempts (multiplied,
 * they are the time a question may take), ndots and rotate. It does not know nsswitch.conf, nor the
 * host's own domain; names are ASCII (RFC 5890 A-labels); nothing is validated by DNSSEC.
 *
 * Both files are read at creation, and again when they have changed: a lookup that begins later than
 * WEIR_RESOLVER_LOOK_MS after the last look waits for another one.
 *
 * Names in results are absolute, without the last dot ("." is the root), in lower case, and with
 * what is not printable as \DDD; else whoever can register a name decides what stands there.
 *
 * Everything belongs to the loop's thread.
 */
#ifndef WEIR_RESOLVER_H
#define WEIR_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/span.h>

struct weir_dns_lookups;
struct weir_loop;
struct weir_resolver;
struct weir_resolving; /* something that is being looked up */

/* All zero: as the system is set up. Texts and arrays are copied. */
struct weir_resolver_options {
	const char *conf;  /* another /etc/resolv.conf */
	const char *hosts; /* another /etc/hosts; "": none */
	/*
	 * Looks up by these, which others may use as well and which must outlive the resolver; `conf`
	 * is not read then, and no domain is searched. NULL: it makes its own.
	 */
	struct weir_dns_lookups *lookups;
	size_t cache_bytes; /* of its own lookups; 0: WEIR_DNS_CACHE_BYTES */
};

/*
 * Reads the two files, which may block for a moment; one that is not there is empty. 0, -ENOMEM, an
 * errno of getrandom.
 */
WEIR_API int weir_resolver_create(struct weir_loop *loop,
        const struct weir_resolver_options *options, struct weir_resolver **ret);

/* What is under way is cancelled without its callback. NULL is allowed. Not from a callback. */
WEIR_API void weir_resolver_destroy(struct weir_resolver *resolver);

/* -- results ----------------------------------------------------------------------------------- */

struct weir_mx {
	uint16_t preference;
	const char *host;
};

struct weir_srv {
	uint16_t priority;
	uint16_t weight;
	uint16_t port;
	const char *host;
};

/*
 * What was found; valid during the callback, with all that it points to. `error`:
 *
 *   0           there is something, or `none` is set
 *   -ENOENT     there is no such name
 *   -ENODATA    the name is there, but nothing of what was asked for
 *   -EAGAIN     the servers failed, or did not answer; it may go better later
 *   WEIR_E_SYNTAX   it is not a name
 *   others      our own: -ENOMEM, -EMFILE, WEIR_E_LIMIT, …
 */
struct weir_resolved {
	int error;
	/*
	 * MX: mail is not taken here (RFC 7505, "null MX"). SRV: there is no such service (a target of
	 * ".", RFC 2782). The name says so itself; count is 0.
	 */
	bool none;
	size_t count; /* 1 to WEIR_RESOLVED_MAX; what is more is left out */
	union {
		/* With the port given. Those to which no route leads come last, else IPv6 first. */
		const struct weir_address *addresses;
		const char *const *names;      /* PTR */
		const struct weir_mx *mx;      /* by preference; those alike in random order */
		const struct weir_srv *srv;    /* in the order in which to try them (RFC 2782) */
		const struct weir_span *texts; /* TXT: the strings of a record joined to one */
	};
};

/* Called once, never from within the call that asks. All but destroying the resolver is allowed. */
typedef void weir_resolved(void *context, const struct weir_resolved *resolved);

/* A short text for an error of the above; never NULL, never freed. */
WEIR_API const char *weir_resolved_text(int error);

/* -- asking ------------------------------------------------------------------------------------ */

enum weir_resolve_flags {
	WEIR_RESOLVE_V4 = 1, /* neither of these: both */
	WEIR_RESOLVE_V6 = 2,
	WEIR_RESOLVE_ABSOLUTE = 4, /* as if it ended in a dot: no domain is searched */
};

/*
 * Each looks one thing up; *ret is valid until the callback returns, or it is cancelled. 0;
 * WEIR_E_LIMIT: WEIR_RESOLVINGS_MAX are under way; -ENOMEM; -EINVAL: an address of another family.
 * There is no callback then.
 */

/*
 * The addresses of a host: a literal (2001:db8::1, fe80::1%eth0), what /etc/hosts says,
 * localhost and what ends so, never what ends in invalid (RFC 6761 6.3, 6.4), or A and AAAA
 * records.
 */
WEIR_API int weir_resolve_addresses(struct weir_resolver *resolver, const char *host, uint16_t port,
        unsigned flags, weir_resolved *resolved, void *context, struct weir_resolving **ret);

/* The names of an address, by /etc/hosts or PTR records. Anyone may claim any name there. */
WEIR_API int weir_resolve_names(struct weir_resolver *resolver, const struct weir_address *address,
        weir_resolved *resolved, void *context, struct weir_resolving **ret);

/* -ENODATA: a domain without MX is its own mail host (RFC 5321 5.1). */
WEIR_API int weir_resolve_mx(struct weir_resolver *resolver, const char *domain,
        weir_resolved *resolved, void *context, struct weir_resolving **ret);

/* "_service._proto.domain". */
WEIR_API int weir_resolve_srv(struct weir_resolver *resolver, const char *name,
        weir_resolved *resolved, void *context, struct weir_resolving **ret);
WEIR_API int weir_resolve_txt(struct weir_resolver *resolver, const char *name,
        weir_resolved *resolved, void *context, struct weir_resolving **ret);

/* There will be no callback. NULL is allowed. Not from its own callback. */
WEIR_API void weir_resolving_cancel(struct weir_resolving *resolving);

#endif
