/*
 * The part of rules (rules/rules_state.h) that replies call. They are called only if
 * exchange->rule is not NULL.
 */
#ifndef HTTP_RULE_H
#define HTTP_RULE_H

#include <stdbool.h>

#include <weir/http.h>

struct http_rule;

/*
 * Whether the rule has a page for this status. If so, the reply is made in a later turn: the caller
 * must not reply. The fields of the reply so far are dropped, but for those that a client needs
 * beside the status.
 */
bool http_rule_replaces(struct weir_http_exchange *exchange, unsigned status);

/*
 * Applies the rule's changes to the fields of a reply. Returns 0, or a negative error: the reply
 * must not be sent.
 */
int http_rule_finish_fields(struct weir_http_exchange *exchange, unsigned status);

/* The bound on the body of a request. */
uint64_t http_rule_body_max(const struct weir_http_exchange *exchange);

/* The file handler that is the rule's own; NULL: it has that of the site. */
struct weir_http_handler *http_rule_files_of(const struct weir_http_exchange *exchange);

#endif
