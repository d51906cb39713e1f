/*
 * The routes of mail: they map an address to mailboxes of users and to other addresses.
 *
 *   # local@domain: target[, target]…  a target is a user, another alias, or an address
 *   sales@example.org: alice, bob@elsewhere.example
 *   webmaster: alice                   in all local domains
 *   @example.net: bob                  all other addresses of that domain
 *
 * For an address at a local domain these are looked up, until one is found:
 *   1. the alias `local@domain`, then the alias `local`;
 *   2. the user `local@domain`, then the user `local`;
 *   3. both again without the separator and the text behind it (`alice+shop`);
 *   4. for `postmaster` and `abuse` (RFC 5321 4.5.1, RFC 2142): the options' user, or the first;
 *   5. the catch-all `@domain`.
 * Each target of an alias is looked up again, WEIR_ALIAS_DEPTH_MAX deep. An alias among its own
 * targets means the user of that name. Upper and lower case are alike, except in the names of
 * users: these are looked up as they are written, and then in lower case.
 *
 * A snapshot is immutable and counts its references; a reload makes a new one. Any thread may take
 * a reference, use the snapshot and release it.
 */
#ifndef WEIR_MAIL_ROUTES_H
#define WEIR_MAIL_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/api.h>
#include <weir/span.h>

WEIR_C_BEGIN

struct weir_mail_routes;
struct weir_users;

/* Begin with weir_mail_routes_options_init. */
struct weir_mail_routes_options {
	const char *const *domains; /* local domains, up to NULL; the first is for <postmaster> */
	struct weir_users *users;   /* referenced; NULL: there are no users */
	const char *postmaster;     /* a user; NULL: the first of the users */
	char separator;             /* of subaddresses, as '+'; 0: no subaddresses */
};

/* Sets every member to 0 or NULL. */
WEIR_API void weir_mail_routes_options_init(struct weir_mail_routes_options *options);

/* Reports a mistake: its line, or 0, and one sentence. */
typedef void weir_mail_routes_report_fn(void *context, unsigned line, const char *text);

/*
 * Reads the file of aliases. Blocks. With a `path` of NULL there are no aliases. Mistakes are
 * reported and errors returned as by weir_users_load. It is a mistake if a target does not exist,
 * or if an alias loop leads to no mailbox. Mistakes in the options are reported for line 0.
 */
WEIR_API int weir_mail_routes_load(const char *path, const struct weir_mail_routes_options *options,
        weir_mail_routes_report_fn *report, void *context, struct weir_mail_routes **ret);

/* Parses the text of such a file, which is copied. Returns as weir_mail_routes_load. */
WEIR_API int weir_mail_routes_parse(struct weir_span text,
        const struct weir_mail_routes_options *options, weir_mail_routes_report_fn *report,
        void *context, struct weir_mail_routes **ret);

WEIR_API struct weir_mail_routes *weir_mail_routes_hold(struct weir_mail_routes *routes);

/* NULL is allowed. */
WEIR_API void weir_mail_routes_release(struct weir_mail_routes *routes);

/* Whether the domain is local. */
WEIR_API bool weir_mail_routes_is_local(
        const struct weir_mail_routes *routes, struct weir_span domain);

/* One destination of an address. Its spans are of the snapshot or of the address looked up. */
struct weir_mail_target {
	struct weir_span user;    /* the owner of the mailbox; empty: the destination is remote */
	struct weir_span address; /* of a remote destination: local@domain; otherwise empty */
};

/* Gets a destination. A negative result ends the search. */
typedef int weir_mail_routes_found_fn(void *context, const struct weir_mail_target *target);

/*
 * Looks up local@domain: the local part without quotes, the domain empty for <postmaster>. Calls
 * `found` for each destination. A destination may be found twice.
 *
 * Returns 0; -ENOENT if the domain is local and has no such address; -EXDEV if the domain is not
 * local; WEIR_E_LIMIT if there are more than WEIR_ALIAS_TARGETS_MAX destinations; or the negative
 * result of found().
 */
WEIR_API int weir_mail_routes_find(const struct weir_mail_routes *routes, struct weir_span local,
        struct weir_span domain, weir_mail_routes_found_fn *found, void *context);

/* Whether mail for local@domain reaches the user, who may therefore send with that address. */
WEIR_API bool weir_mail_routes_belongs(const struct weir_mail_routes *routes,
        struct weir_span local, struct weir_span domain, struct weir_span user);

WEIR_C_END

#endif
