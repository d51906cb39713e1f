/*
 * Rules from the inside:
 *
 *   pattern.c      patterns of paths, and targets
 *   rules.c        the table, and its compilation
 *   rule_check.c   what a request has to pass
 *   rule_act.c     redirects, rewriting, fixed replies, other directories, files that are tried
 *   rule_reply.c   changes of a reply: fields, CORS, pages for errors
 *
 * A table is compiled once, and immutable from then on. An exchange has a pointer to its rule from
 * the check to its end; the set of sites that it holds has the table.
 */
#ifndef HTTP_RULES_STATE_H
#define HTTP_RULES_STATE_H

#include <weir/http_rules.h>

#include "pattern.h"
#include "refcount.h"

struct http_rules;

/* One line of a change. */
struct rule_change {
	enum {
		RULE_REMOVE,
		RULE_SET,
		RULE_ADD,
	} kind;
	struct weir_span name;
	struct weir_span line;                   /* with its CRLF; of RULE_REMOVE: empty */
	const struct weir_http_field_change *of; /* when it is made */
	bool secure;                             /* over TLS alone */
};

struct http_rule {
	struct weir_http_rule options; /* as they were given */
	struct http_rules *rules;
	struct http_pattern *patterns; /* of options.paths */
	struct rule_change *changes;
	size_t change_count;
	bool open_to_all; /* CORS for the origin "*" */
};

struct http_rules {
	struct weir_http_handler check;
	struct weir_http_handler act;
	struct local_refcount references; /* one of each handler */
	struct weir_http_handler *files;
	struct weir_rates *rates;
	size_t count;
	struct http_rule items[];
};

/* Finds the rule of the request's path and method; NULL: none. */
const struct http_rule *http_rules_find(
        const struct http_rules *rules, const struct weir_http_exchange *exchange);

/* Finds what the pattern that has matched the path has captured. */
void http_rule_capture(const struct http_rule *rule, const struct weir_http_exchange *exchange,
        struct http_captures *ret);

/* The files of a rule's paths; NULL: there are none. */
struct weir_http_handler *http_rule_files(const struct http_rule *rule);

void http_rule_check(struct weir_http_handler *handler, struct weir_http_exchange *exchange);
void http_rule_act(struct weir_http_handler *handler, struct weir_http_exchange *exchange);

/* Takes from a rate. Returns whether the request may go on; otherwise the reply was made. */
bool http_rule_take_rate(const struct http_rule *rule, struct weir_http_exchange *exchange);

/* Returns the method that a preflight of CORS names; data is NULL: the request is none. */
struct weir_span http_rule_preflight_method(const struct weir_http_request *request);

/* Answers a preflight of CORS. Returns whether it was one. */
bool http_rule_answer_preflight(const struct http_rule *rule, struct weir_http_exchange *exchange);

#endif
