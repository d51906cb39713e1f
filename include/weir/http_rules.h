/*
 * Rules: what holds for the requests of a site, by their paths.
 *
 *   request ──▶ check ──▶ (handlers: passwords, forward authentication) ──▶ act ──▶ files, proxies
 *               access, rate, limits, CORS                                  redirect, rewrite, try
 *   reply ◀── the rule's changes of fields, and its pages for errors ◀──────────────────┘
 *
 * The first rule of the table that matches the path and the method is the request's. A path is
 * normalized before it is looked up, so that a rule cannot be got round by escapes, dots or
 * repeated slashes; and the case of letters is ignored. In a pattern, one star is a part of a
 * segment, and two as a segment are any number of segments.
 *
 * A path that a rule rewrites passes the whole chain of the site again. So it is checked like one
 * that a client has asked for. Redirects are for paths that clients have asked for alone.
 *
 * All text is borrowed, and must outlive the handlers.
 */
#ifndef WEIR_HTTP_RULES_H
#define WEIR_HTTP_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/api.h>
#include <weir/http.h>
#include <weir/network.h>
#include <weir/rates.h>

WEIR_C_BEGIN

/* -- the parts of a rule ----------------------------------------------------------------------- */

/* Statuses from `first` to `last`. */
struct weir_http_statuses {
	uint16_t first;
	uint16_t last;
};

/*
 * A change of the fields of replies, also of those with the reply of another server. `remove` is
 * applied first, then `set`, then `add`. Strict-Transport-Security is left out of replies in clear
 * (RFC 6797 7.2).
 */
struct weir_http_field_change {
	const char *set; /* whole lines that replace those of their names ("A: b\r\n"), or NULL */
	const char *add; /* whole lines, or NULL */
	const char *const *remove; /* names */
	size_t remove_count;
	const struct weir_http_statuses *statuses; /* of replies; none: from 200 to 399 */
	size_t status_count;
	bool always; /* all statuses, without `statuses` */
	const char *const
	        *types; /* media types of replies, or families, which end in a star; none: all */
	size_t type_count;
};

/* The page for errors of some statuses: a file of the site, such as /404.html. */
struct weir_http_error_page {
	struct weir_http_statuses statuses; /* from 400 to 599 */
	const char *path;
};

/* Cross-origin requests (the Fetch standard). Preflights are answered by the rule. */
struct weir_http_cors {
	const char *const *origins; /* "https://a.example", or "*" alone; none: no CORS */
	size_t origin_count;
	const char *methods; /* "GET, HEAD, POST": of preflights */
	const char *fields;  /* that requests may have, or NULL */
	const char *expose;  /* fields that scripts may read, or NULL */
	bool credentials;    /* not with "*" */
	uint32_t max_age_s;  /* of a preflight */
};

/* The property by which the requests of a rate are counted. */
enum weir_http_rate_by {
	WEIR_HTTP_RATE_ADDRESS,
	WEIR_HTTP_RATE_USER,  /* the address where there is none */
	WEIR_HTTP_RATE_FIELD, /* the value of a field; the address where there is none */
};

/* A fixed reply. */
struct weir_http_fixed_reply {
	unsigned status; /* 0: none */
	const char *type;
	const char *text;
};

/*
 * `redirect`, `rewrite` and `candidates` are targets. In a target, $1 to $9 are the parts that the
 * wildcards of the pattern match, $path is the path, $host the host, and $$ a dollar sign.
 */
struct weir_http_rule {
	const char *name;         /* for the log, and for rates; not NULL */
	const char *const *paths; /* patterns */
	size_t path_count;
	unsigned methods; /* bits 1 << enum weir_http_method; 0: all. GET is HEAD, too */

	/* 403. As in weir/policy.h. */
	const struct weir_network *allow;
	size_t allow_count;
	const struct weir_network *deny;
	size_t deny_count;
	bool certificate; /* only clients with a verified certificate: 403 */
	/*
	 * Of this authority, a path of weir_tls_options; NULL: any. A client that has connected for
	 * a name with another one gets a 421.
	 */
	const char *clients_ca;

	/* 429 with Retry-After. */
	struct weir_rate rate;
	enum weir_http_rate_by rate_by;
	const char *rate_field;

	uint64_t body_max; /* bytes of a body: 413; UINT64_MAX: any */
	size_t head_max;   /* bytes of a head: 431; 0: any */

	/* Handlers that admit a request, or reply; taken. NULL: none. Either one may admit it. */
	struct weir_http_handler *basic;
	struct weir_http_handler *bearer;

	const struct weir_http_field_change *changes;
	size_t change_count;
	const struct weir_http_error_page *errors;
	size_t error_count;
	struct weir_http_cors cors;
	const char *const *hints; /* values of Link that are sent with 103 before a reply to GET */
	size_t hint_count;

	/*
	 * Paths of which the first that is there is served: a file; or, with a slash at its end, a
	 * directory that has an index or is listed. Requests that write are not tried.
	 */
	const char *const *candidates;
	size_t candidate_count;
	/* If none of these is there, at most one of the three; else the request goes on. */
	const char *redirect;
	unsigned redirect_status;
	const char *rewrite; /* not of a path that this rule has rewritten */
	struct weir_http_fixed_reply respond;

	/* The file handler (weir/http_files.h) of the rule's paths, taken; NULL: the site's. */
	struct weir_http_handler *files;
	/* `files` is for what `**` stands for alone, and nothing of the site is behind it. */
	bool alias;
};

struct weir_http_rules_options {
	const struct weir_http_rule *rules;
	size_t count;
	struct weir_http_handler *files; /* of the site, later in its chain; NULL: it has none */
	struct weir_rates *rates;        /* held; NULL: no rates */
};

/*
 * Returns NULL if the text is a good pattern, or target of a rule with this pattern; else why not:
 * the rest of a sentence.
 */
WEIR_API const char *weir_http_pattern_fault(const char *pattern);
WEIR_API const char *weir_http_target_fault(const char *target, const char *pattern);

/*
 * Makes the two handlers of the rules. `check` must be before, and `act` behind the handlers that
 * ask for passwords. The handlers in the rules are taken in any case. Returns 0, -ENOMEM, or
 * WEIR_E_SYNTAX if a pattern or target is malformed.
 */
WEIR_API int weir_http_rules_create(const struct weir_http_rules_options *options,
        struct weir_http_handler **ret_check, struct weir_http_handler **ret_act);

WEIR_C_END

#endif
