/*
 * Where mail for an address goes: to the mailbox of a user, to other addresses, elsewhere.
 *
 *   # local@domain: who[, who]…        who is a user, another alias, or an address
 *   sales@example.org: alice, bob@elsewhere.example
 *   webmaster: alice                   in all local domains
 *   @example.net: bob                  whatever else is at that domain
 *
 * An address at a local domain is looked up as, the first that there is:
 *   1. the alias `local@domain`, then the alias `local`;
 *   2. the user `local@domain`, then the user `local`;
 *   3. the same without what follows the separator (`alice+shop`), if there is one;
 *   4. `postmaster` and `abuse` (RFC 5321 4.5.1, RFC 2142): the user of the options, or the first;
 *   5. the catch-all `@domain`.
 * What an alias stands for is looked up again, WEIR_ALIAS_DEPTH_MAX deep; an alias that names
 * itself there means the user of that name. Upper and lower case are alike in all of it, but for
 * users' names, which are taken as they are written and then in lower case.
 *
 * A snapshot is immutable and counted: a reload makes a new one. Any thread may hold, ask, release.
 */
#ifndef WEIR_MAIL_ROUTES_H
#define WEIR_MAIL_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/api.h>
#include <weir/span.h>

struct weir_mail_routes;
struct weir_users;

struct weir_mail_routes_options {
	const char *const *domains; /* the local ones, up to NULL; the first is for <postmaster> */
	struct weir_users *users;   /* held; NULL: there are none */
	const char *postmaster;     /* a user, or NULL: the first of the users */
	char separator;             /* of subaddresses, as '+'; 0: there are none */
};

/*
 * Reads the aliases; blocks. `path` may be NULL: no aliases. Mistakes and errors as weir_users_load
 * has them; a user that an alias names and that does not exist is a mistake, as is one that leads
 * round in a circle to nobody. Mistakes of the options are told with line 0.
 */
WEIR_API int weir_mail_routes_load(const char *path, const struct weir_mail_routes_options *options,
        void (*report)(void *context, unsigned line, const char *text), void *context,
        struct weir_mail_routes **ret);

/* The same from memory, which is copied. */
WEIR_API int weir_mail_routes_parse(struct weir_span text,
        const struct weir_mail_routes_options *options,
        void (*report)(void *context, unsigned line, const char *text), void *context,
        struct weir_mail_routes **ret);

WEIR_API struct weir_mail_routes *weir_mail_routes_hold(struct weir_mail_routes *routes);

/* NULL is allowed. */
WEIR_API void weir_mail_routes_release(struct weir_mail_routes *routes);

/* Whether mail for this domain is ours. */
WEIR_API bool weir_mail_routes_is_local(
        const struct weir_mail_routes *routes, struct weir_span domain);

/* One place that mail goes to: spans of the snapshot's, or of what was asked. */
struct weir_mail_target {
	struct weir_span user;    /* whose mailbox; empty: elsewhere */
	struct weir_span address; /* elsewhere: local@domain; here: empty */
};

/*
 * Where mail for local@domain (the local part without quotes; the domain empty for <postmaster>)
 * goes: `found(context, target)` once for each place, and its negative answer ends the search. The
 * same place may be found twice.
 *
 * 0; -ENOENT: a local domain, and nobody there; -EXDEV: the domain is not local (nothing is found
 * then); WEIR_E_LIMIT: more than WEIR_ALIAS_TARGETS_MAX places; or what found() has answered.
 */
WEIR_API int weir_mail_routes_find(const struct weir_mail_routes *routes, struct weir_span local,
        struct weir_span domain, int (*found)(void *context, const struct weir_mail_target *target),
        void *context);

/* Whether mail for local@domain reaches the user: so that it may be sent as from there. */
WEIR_API bool weir_mail_routes_belongs(const struct weir_mail_routes *routes,
        struct weir_span local, struct weir_span domain, struct weir_span user);

#endif
