/*
 * The resolver: looks up addresses, names, MX, SRV and TXT records, asynchronously.
 *
 *   "mail.example.org" ─▶ a literal? ─▶ /etc/hosts ─▶ cache ─▶ upstreams ─▶ resolved(context, …)
 *
 * It forwards questions to upstream servers (weir/dns_upstreams.h) and has a cache
 * (weir/dns_lookup.h). Of /etc/resolv.conf it reads `nameserver`, `search`, `domain`, and the
 * options `timeout`, `attempts`, `ndots` and `rotate`:
 *
 * - A nameserver may have a port, as [address]:port. Without any, 127.0.0.1 is asked.
 * - The time that a question may take is the timeout times the attempts.
 *
 * It reads neither nsswitch.conf nor the host's own domain. Names are ASCII (RFC 5890 A-labels).
 * Nothing is validated by DNSSEC.
 *
 * Both files are read at creation, and again when they have changed. They are checked at most once
 * in WEIR_RESOLVER_LOOK_MS; a lookup waits for the check that it causes.
 *
 * Names in results are absolute and in lower case, without the last dot ("." is the root). Bytes
 * that are not printable are written as \DDD, since the owner of a domain may put any byte there.
 *
 * All functions belong to the loop's thread.
 */
#ifndef WEIR_RESOLVER_H
#define WEIR_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>
#include <weir/api.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_dns_lookups;
struct weir_loop;
struct weir_resolver;
struct weir_resolving; /* a lookup under way */

/* Begin with weir_resolver_options_init. Texts are copied. */
struct weir_resolver_options {
	const char *conf;  /* path of this file; /etc/resolv.conf */
	const char *hosts; /* path of this file; /etc/hosts; NULL: none */
	/*
	 * Lookups to be used, which may be shared and must outlive the resolver. `conf` is not read
	 * then, and no domain is searched. NULL, the default: the resolver creates its own.
	 */
	struct weir_dns_lookups *lookups;
	size_t cache_bytes; /* of its own lookups; WEIR_DNS_CACHE_BYTES */
};

/* Sets every member to its default: the configuration of the system. */
WEIR_API void weir_resolver_options_init(struct weir_resolver_options *options);

/*
 * Reads the two files, which may block for a moment. A missing file counts as empty. Returns 0;
 * -EINVAL if an option has a value that cannot work, for example because the struct was not
 * initialised; -ENOMEM, or an errno of getrandom.
 */
WEIR_API int weir_resolver_create(struct weir_loop *loop,
        const struct weir_resolver_options *options, struct weir_resolver **ret);

/*
 * Cancels all lookups without their callbacks. NULL is allowed. Must not be called from a callback.
 */
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
 * A result, valid during the callback with all that it points to. `error`:
 *
 *   0               there are records, or `none` is set
 *   -ENOENT         the name does not exist
 *   -ENODATA        the name exists, but has no records of this type
 *   -EAGAIN         the servers failed or did not answer; a later attempt may succeed
 *   WEIR_E_SYNTAX   the argument is not a name
 *   others          errors of this host: -ENOMEM, -EMFILE, WEIR_E_LIMIT …
 */
struct weir_resolved {
	int error;
	/*
	 * MX: the domain accepts no mail (RFC 7505, "null MX"). SRV: the service is not provided (a
	 * target of ".", RFC 2782). `count` is 0 then.
	 */
	bool none;
	size_t count; /* 1 to WEIR_RESOLVED_MAX; further ones are left out */
	union {
		/* With the given port. IPv6 comes first, addresses without a route last. */
		const struct weir_address *addresses;
		const char *const *names;      /* PTR */
		const struct weir_mx *mx;      /* by preference; equal ones in random order */
		const struct weir_srv *srv;    /* in the order in which to try them (RFC 2782) */
		const struct weir_span *texts; /* TXT: the strings of a record joined to one */
	};
};

/* Called once, never from within the call that asks. It may call all functions but destroy. */
typedef void weir_resolved_fn(void *context, const struct weir_resolved *resolved);

/* A short text for an error listed above; never NULL, never to be freed. */
WEIR_API const char *weir_resolved_text(int error);

/* -- asking ------------------------------------------------------------------------------------ */

enum weir_resolve_flags {
	WEIR_RESOLVE_V4 = 1, /* neither V4 nor V6: both */
	WEIR_RESOLVE_V6 = 2,
	WEIR_RESOLVE_ABSOLUTE = 4, /* as if the name ended in a dot: no domain is searched */
};

/*
 * Each of these starts a lookup; *ret is valid until the callback returns, or until it is
 * cancelled. They return 0, WEIR_E_LIMIT if WEIR_RESOLVINGS_MAX are under way, -ENOMEM, or -EINVAL
 * for an address of another family. The callback is called only after 0.
 */

/*
 * The addresses of a host. It may be a literal (2001:db8::1, fe80::1%eth0), a name in /etc/hosts,
 * or a name with A or AAAA records. Names that end in localhost are this host, and names that end
 * in invalid do not exist (RFC 6761 6.3, 6.4).
 */
WEIR_API int weir_resolve_addresses(struct weir_resolver *resolver, const char *host, uint16_t port,
        unsigned flags, weir_resolved_fn *resolved, void *context, struct weir_resolving **ret);

/*
 * The names of an address, by /etc/hosts or PTR records. The owner of an address may claim any
 * name.
 */
WEIR_API int weir_resolve_names(struct weir_resolver *resolver, const struct weir_address *address,
        weir_resolved_fn *resolved, void *context, struct weir_resolving **ret);

/* After -ENODATA, the domain is its own mail host (RFC 5321 5.1). */
WEIR_API int weir_resolve_mx(struct weir_resolver *resolver, const char *domain,
        weir_resolved_fn *resolved, void *context, struct weir_resolving **ret);

/* `name` is "_service._proto.domain". */
WEIR_API int weir_resolve_srv(struct weir_resolver *resolver, const char *name,
        weir_resolved_fn *resolved, void *context, struct weir_resolving **ret);
WEIR_API int weir_resolve_txt(struct weir_resolver *resolver, const char *name,
        weir_resolved_fn *resolved, void *context, struct weir_resolving **ret);

/* The callback will not be called. NULL is allowed. Must not be called from that callback. */
WEIR_API void weir_resolving_cancel(struct weir_resolving *resolving);

WEIR_C_END

#endif
