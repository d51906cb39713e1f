/*
 * Makes the rules of a site from its configuration. Texts and networks are borrowed from it, and it
 * lives as long as the site.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/http_auth.h>
#include <weir/http_rules.h>

#include "service_http.h"
#include "site_auths.h"

/* Appends changes; returns their end. */
static struct weir_http_field_change *site_rules_put_changes(
        const struct config_change *from, size_t count, struct weir_http_field_change *to)
{
	for (size_t i = 0; i < count; i++)
		*to++ = (struct weir_http_field_change){
		        .set = from[i].set,
		        .add = from[i].add,
		        .remove = from[i].remove.items,
		        .remove_count = from[i].remove.count,
		        .statuses = from[i].statuses.items,
		        .status_count = from[i].statuses.count,
		        .always = from[i].always,
		        .types = from[i].types.items,
		        .type_count = from[i].types.count,
		};
	return to;
}

static struct weir_http_cors site_rules_cors(const struct config_cors *cors)
{
	return (struct weir_http_cors){
	        .origins = cors->origins.items,
	        .origin_count = cors->origins.count,
	        .methods = cors->methods,
	        .fields = cors->fields,
	        .expose = cors->expose,
	        .credentials = cors->credentials,
	        .max_age_s = (uint32_t)(cors->max_age_ms / 1000),
	};
}

static void site_rules_set_end(const struct config_rule *from, struct weir_http_rule *to)
{
	to->candidates = from->candidates.items;
	to->candidate_count = from->candidates.count;
	to->redirect = from->redirect;
	to->redirect_status = from->status ? (unsigned)from->status : 301;
	to->rewrite = from->rewrite;
	if (from->respond)
		to->respond = (struct weir_http_fixed_reply){
		        .status = from->status ? (unsigned)from->status : 200,
		        .type = from->respond_type ? from->respond_type
		                                   : "text/plain; charset=utf-8",
		        .text = from->respond,
		};
	to->alias = from->alias;
}

static void site_rules_set(const struct site_rules_options *options, const struct config_rule *from,
        struct weir_http_rule *to)
{
	static const char *const all[] = {"/**"};
	*to = (struct weir_http_rule){
	        .name = from->name,
	        .paths = from->paths.count ? from->paths.items : all,
	        .path_count = from->paths.count ? from->paths.count : 1,
	        .methods = from->methods,
	        .allow = from->settings.allow.items,
	        .allow_count = from->settings.allow.count,
	        .deny = from->settings.deny.items,
	        .deny_count = from->settings.deny.count,
	        .certificate = from->settings.certificate,
	        .clients_ca = options->site->clients_ca ? options->site->clients_ca
	                                                : options->config->tls.clients_ca,
	        .rate = {(uint32_t)from->settings.rate.a_second,
	                (uint32_t)from->settings.rate.burst,
	                (uint32_t)(from->settings.rate.period_ms / 1000)},
	        .rate_by = from->settings.rate.by,
	        .rate_field = from->settings.rate.field,
	        .body_max = from->settings.body_max,
	        .head_max =
	                from->settings.head_max < WEIR_HTTP_HEAD_MAX ? from->settings.head_max : 0,
	        .errors = from->settings.errors.items,
	        .error_count = from->settings.errors.count,
	        .cors = site_rules_cors(&from->settings.cors),
	        .hints = from->settings.hints.items,
	        .hint_count = from->settings.hints.count,
	};
	site_rules_set_end(from, to);
}

static int site_rules_add_auth(const struct site_rules_options *options,
        const struct config_rule *from, struct weir_http_rule *to)
{
	const struct site_auth auth = {
	        from->auth.users_path, &from->auth.users, from->auth.realm, ""};
	if (!from->auth.present)
		return 0;
	return site_auths_create(options->auths, &auth, &to->basic);
}

/* Without its keys a rule must not serve anybody. */
static int site_rules_add_bearer(const struct config_bearer *from, struct weir_http_rule *to)
{
	struct weir_http_bearer_options bearer;
	if (!from->present)
		return 0;
	if (!from->keys)
		return -EINVAL;
	weir_http_bearer_options_init(&bearer);
	bearer.keys = from->keys;
	bearer.realm = from->realm;
	bearer.issuer = from->issuer;
	bearer.audience = from->audience;
	bearer.user = from->user;
	bearer.leeway_s = (int64_t)from->leeway_ms / 1000;
	to->bearer = weir_http_bearer_create(&bearer);
	return to->bearer ? 0 : -ENOMEM;
}

/* Makes the handlers that a rule owns. Returns 0 or a negative errno. */
static int site_rules_add_handlers(const struct site_rules_options *options,
        struct config_rule *from, struct weir_http_rule *to)
{
	int error = site_rules_add_auth(options, from, to);
	if (!error)
		error = site_rules_add_bearer(&from->bearer, to);
	if (!error && from->own_files && (from->alias || options->site->root))
		error = site_files_create(options, from, &to->files);
	return error;
}

/* The rules of a site, and what they borrow until they were made. */
struct site_rules {
	struct weir_http_rule *rules;
	struct weir_http_field_change *changes;
	size_t count;
};

static int site_rules_fill(const struct site_rules_options *options, struct site_rules *made)
{
	struct config_site *site = options->site;
	struct weir_http_field_change *changes = made->changes;
	int error = 0;
	for (; made->count < site->rules.count + 1 && !error; made->count++) {
		struct config_rule *from = made->count < site->rules.count
		                                   ? &site->rules.items[made->count]
		                                   : site->whole;
		struct weir_http_rule *to = &made->rules[made->count];
		site_rules_set(options, from, to);
		to->changes = changes;
		changes = site_rules_put_changes(
		        site->settings.changes.items, site->settings.changes.count, changes);
		changes = site_rules_put_changes(
		        from->settings.changes.items, from->settings.changes.count, changes);
		to->change_count = (size_t)(changes - to->changes);
		error = site_rules_add_handlers(options, from, to);
	}
	return error;
}

static size_t site_rules_count_changes(const struct config_site *site)
{
	size_t count = site->settings.changes.count * (site->rules.count + 1);
	for (size_t i = 0; i < site->rules.count; i++)
		count += site->rules.items[i].settings.changes.count;
	return count;
}

int site_rules_create(const struct site_rules_options *options, struct site_rule_handlers *ret)
{
	struct config_site *site = options->site;
	struct site_rules made = {0};
	*ret = (struct site_rule_handlers){0};
	if (!site->whole)
		return 0;
	made.rules = calloc(site->rules.count + 1, sizeof *made.rules);
	ret->changes = calloc(site_rules_count_changes(site) + 1, sizeof *made.changes);
	made.changes = ret->changes;
	int error = made.rules && made.changes ? site_rules_fill(options, &made) : -ENOMEM;
	const struct weir_http_rules_options rules = {
	        .rules = made.rules,
	        .count = made.count,
	        .files = options->files,
	        .rates = options->config->rates,
	};
	if (!error)
		error = weir_http_rules_create(&rules, &ret->check, &ret->act);
	else
		for (size_t i = 0; i < made.count; i++) {
			weir_http_handlers_destroy(made.rules[i].basic);
			weir_http_handlers_destroy(made.rules[i].bearer);
			weir_http_handlers_destroy(made.rules[i].files);
		}
	free(made.rules);
	return error;
}
