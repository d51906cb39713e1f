/*
 * The table of rules, made once: patterns are parsed, and the lines of changes cut, so that a
 * request costs one walk over the patterns and a reply one over the changes of its rule. A site
 * without rules has no table.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "exchange.h"
#include "rule.h"
#include "rules_state.h"
#include "syntax.h"

/* -- look-up ----------------------------------------------------------------------------------- */

/* A preflight is about the method that it names: the rule for that one answers it. */
static enum weir_http_method http_rule_preflight_is_for(
        const struct http_rule *rule, const struct weir_http_request *request)
{
	struct weir_span name = http_rule_preflight_method(request);
	return name.data && rule->options.cors.origin_count ? http_method_find(name.data, name.size)
	                                                    : request->method;
}

static bool http_rule_has_method(
        const struct http_rule *rule, const struct weir_http_exchange *exchange)
{
	unsigned methods = rule->options.methods;
	if (methods == 0)
		return true;
	const struct weir_http_request *request = exchange->handling->request;
	enum weir_http_method method = http_rule_preflight_is_for(rule, request);
	return methods & 1u << request->method || methods & 1u << method ||
	       (method == WEIR_HTTP_HEAD && methods & 1u << WEIR_HTTP_GET);
}

static bool http_rule_matches(const struct http_rule *rule,
        const struct weir_http_exchange *exchange, struct http_captures *captures)
{
	for (size_t i = 0; i < rule->options.path_count; i++)
		if (http_pattern_match(&rule->patterns[i], exchange->handling->path.text, captures))
			return true;
	return false;
}

const struct http_rule *http_rules_find(
        const struct http_rules *rules, const struct weir_http_exchange *exchange)
{
	for (size_t i = 0; i < rules->count; i++)
		if (http_rule_has_method(&rules->items[i], exchange) &&
		        http_rule_matches(&rules->items[i], exchange, NULL))
			return &rules->items[i];
	return NULL;
}

void http_rule_capture(const struct http_rule *rule, const struct weir_http_exchange *exchange,
        struct http_captures *ret)
{
	ret->count = 0;
	http_rule_matches(rule, exchange, ret);
}

struct weir_http_handler *http_rule_files(const struct http_rule *rule)
{
	return rule->options.files ? rule->options.files : rule->rules->files;
}

struct weir_http_handler *http_rule_files_of(const struct weir_http_exchange *exchange)
{
	return exchange->handling->rule->options.files;
}

/* -- compilation ------------------------------------------------------------------------------- */

const char *weir_http_pattern_fault(const char *pattern)
{
	struct http_pattern parsed;
	return http_pattern_parse(weir_span_of(pattern), &parsed);
}

const char *weir_http_target_fault(const char *target, const char *pattern)
{
	struct http_pattern parsed;
	const char *fault = http_pattern_parse(weir_span_of(pattern), &parsed);
	return fault ? fault
	             : http_target_fault(weir_span_of(target), http_pattern_captures(&parsed));
}

static int http_rules_parse(struct http_rule *rule)
{
	const struct weir_http_rule *options = &rule->options;
	rule->patterns = calloc(options->path_count + 1, sizeof *rule->patterns);
	if (!rule->patterns)
		return -ENOMEM;
	for (size_t i = 0; i < options->path_count; i++) {
		const char *path = options->paths[i];
		bool good =
		        !http_pattern_parse(weir_span_of(path), &rule->patterns[i]) &&
		        (!options->redirect || !weir_http_target_fault(options->redirect, path)) &&
		        (!options->rewrite || !weir_http_target_fault(options->rewrite, path));
		for (size_t j = 0; j < options->candidate_count; j++)
			good &= !weir_http_target_fault(options->candidates[j], path);
		if (!good)
			return WEIR_E_SYNTAX;
	}
	return 0;
}

static size_t http_rules_count_lines(const char *lines)
{
	size_t count = 0;
	for (; lines && *lines; lines++)
		count += *lines == '\n';
	return count;
}

static void http_rules_add_change(struct http_rule *rule, unsigned kind,
        const struct weir_http_field_change *of, struct weir_span name, struct weir_span line)
{
	bool secure = weir_span_equal_nocase(name, WEIR_SPAN("Strict-Transport-Security"));
	rule->changes[rule->change_count++] = (struct rule_change){
	        .kind = kind, .name = name, .line = line, .of = of, .secure = secure};
}

static void http_rules_add_lines(struct http_rule *rule, unsigned kind,
        const struct weir_http_field_change *of, const char *lines)
{
	struct weir_span rest = weir_span_of(lines ? lines : ""), line, name;
	while (rest.size) {
		const char *start = rest.data;
		weir_span_cut(&rest, '\n', &line);
		struct weir_span cut = line;
		weir_span_cut(&cut, ':', &name);
		http_rules_add_change(rule, kind, of, name, weir_span(start, line.size + 1));
	}
}

static int http_rules_add_changes(struct http_rule *rule)
{
	const struct weir_http_rule *options = &rule->options;
	size_t count = 1;
	for (size_t i = 0; i < options->change_count; i++)
		count += options->changes[i].remove_count +
		         http_rules_count_lines(options->changes[i].set) +
		         http_rules_count_lines(options->changes[i].add);
	rule->changes = calloc(count, sizeof *rule->changes);
	if (!rule->changes)
		return -ENOMEM;
	for (size_t i = 0; i < options->change_count; i++) {
		const struct weir_http_field_change *change = &options->changes[i];
		for (size_t j = 0; j < change->remove_count; j++)
			http_rules_add_change(rule, RULE_REMOVE, change,
			        weir_span_of(change->remove[j]), weir_span("", 0));
		http_rules_add_lines(rule, RULE_SET, change, change->set);
		http_rules_add_lines(rule, RULE_ADD, change, change->add);
	}
	return 0;
}

static int http_rules_compile(struct http_rule *rule)
{
	const struct weir_http_cors *cors = &rule->options.cors;
	int error = http_rules_parse(rule);
	if (!error)
		error = http_rules_add_changes(rule);
	for (size_t i = 0; i < cors->origin_count; i++)
		rule->open_to_all |= strcmp(cors->origins[i], "*") == 0;
	return error;
}

/* -- life -------------------------------------------------------------------------------------- */

static void http_rules_free(struct http_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		struct http_rule *rule = &rules->items[i];
		free(rule->patterns);
		free(rule->changes);
		if (rule->options.basic)
			rule->options.basic->type->destroy(rule->options.basic);
		if (rule->options.bearer)
			rule->options.bearer->type->destroy(rule->options.bearer);
		if (rule->options.files)
			rule->options.files->type->destroy(rule->options.files);
	}
	weir_rates_release(rules->rates);
	free(rules);
}

static void http_rules_release(struct http_rules *rules)
{
	if (local_refcount_release(&rules->references))
		http_rules_free(rules);
}

static void http_rules_destroy_check(struct weir_http_handler *handler)
{
	http_rules_release(WEIR_CONTAINER(handler, struct http_rules, check));
}

static void http_rules_destroy_act(struct weir_http_handler *handler)
{
	http_rules_release(WEIR_CONTAINER(handler, struct http_rules, act));
}

/* Frees what a table that could not be allocated would have taken. */
static void http_rules_drop(const struct weir_http_rules_options *options)
{
	for (size_t i = 0; i < options->count; i++) {
		weir_http_handlers_destroy(options->rules[i].basic);
		weir_http_handlers_destroy(options->rules[i].bearer);
		weir_http_handlers_destroy(options->rules[i].files);
	}
}

/* The asterisk form, and CONNECT, have no path. */
static bool http_rules_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	(void)handler;
	return weir_span_starts(exchange->handling->request->path, WEIR_SPAN("/"));
}

int weir_http_rules_create(const struct weir_http_rules_options *options,
        struct weir_http_handler **ret_check, struct weir_http_handler **ret_act)
{
	static const struct weir_http_handler_type check = {.name = "rules",
	        .match = http_rules_match,
	        .handle = http_rule_check,
	        .destroy = http_rules_destroy_check};
	static const struct weir_http_handler_type act = {.name = "rules-act",
	        .match = http_rules_match,
	        .handle = http_rule_act,
	        .destroy = http_rules_destroy_act};
	struct http_rules *rules =
	        calloc(1, sizeof *rules + options->count * sizeof rules->items[0]);
	if (!rules) {
		http_rules_drop(options);
		return -ENOMEM;
	}
	rules->check.type = &check;
	rules->act.type = &act;
	local_refcount_init(&rules->references);
	local_refcount_hold(&rules->references);
	rules->files = options->files;
	rules->rates = weir_rates_hold(options->rates);
	rules->count = options->count;
	int error = 0;
	for (size_t i = 0; i < options->count; i++) {
		struct http_rule *rule = &rules->items[i];
		rule->options = options->rules[i];
		rule->rules = rules;
		if (!error)
			error = http_rules_compile(rule);
	}
	if (error) {
		http_rules_free(rules);
		return error;
	}
	*ret_check = &rules->check;
	*ret_act = &rules->act;
	return 0;
}
