/*
 * The keys of `rules` in a site, and those that a site shares with its rules. Invariant: when a
 * site was read, each of its rules has all settings, its own or the site's, so that a request needs
 * one rule alone.
 */
#include <string.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/limits.h>
#include <weir/open_file.h>

#include "config.h"
#include "table.h"
#include "table_rule.h"
#include "types.h"

/* -- rules ------------------------------------------------------------------------------------- */

#define KEYS_STRUCT config_rule
static const struct key rule_keys[] = {
#include "rule_keys.def"
#undef KEYS_MEMBER
#define KEYS_MEMBER settings.
#include "setting_keys.def"
#undef KEYS_MEMBER
#define KEYS_MEMBER
        {0},
};
#undef KEYS_STRUCT

static void rule_check_target(struct reader *reader, const struct node *node,
        const struct config_rule *rule, const char *name, const char *target)
{
	const struct node *at = node_find(node, name);
	const char *fault = NULL;
	if (!target)
		return;
	if (!rule->paths.count)
		fault = weir_http_target_fault(target, "/**");
	for (size_t i = 0; i < rule->paths.count && !fault; i++)
		fault = weir_http_target_fault(target, rule->paths.items[i]);
	if (strcmp(name, "redirect") != 0 && *target != '/' && strncmp(target, "$path", 5) != 0)
		fault = "it must begin with '/' or $path";
	if (fault)
		reader_problem_at(
		        reader, at, "'%s' is no target, '%.64s': %s", name, target, fault);
}

static void rule_check_redirect(
        struct reader *reader, const struct node *node, const struct config_rule *rule)
{
	const char *to = rule->redirect;
	uint64_t status = rule->status;
	rule_check_target(reader, node, rule, "redirect", to);
	if (status && !to && !rule->respond)
		reader_problem_at(reader, node_find(node, "status"),
		        "'status' is not used: it needs 'redirect' or 'respond'");
	if (to && strncmp(to, "//", 2) == 0)
		reader_problem_at(reader, node_find(node, "redirect"),
		        "'redirect' must not begin with '//': name the scheme, as https://");
	if (to && *to != '/' && strncmp(to, "$path", 5) != 0 && strncmp(to, "http://", 7) != 0 &&
	        strncmp(to, "https://", 8) != 0)
		reader_problem_at(reader, node_find(node, "redirect"),
		        "'redirect' must begin with http://, https://, / or $path");
	if (to && status && status != 301 && status != 302 && status != 303 && status != 307 &&
	        status != 308)
		reader_problem_at(reader, node_find(node, "status"),
		        "'status' must be 301, 302, 303, 307 or 308");
}

/* A rule has one of these at its end. */
static void rule_check_alone(struct reader *reader, const struct node *node)
{
	static const char *const names[] = {"redirect", "rewrite", "respond", "alias"};
	const char *first = NULL;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (node_find(node, names[i]) && first)
			reader_problem_at(reader, node_find(node, names[i]),
			        "'%s' and '%s' cannot both be given", first, names[i]);
		else if (node_find(node, names[i]))
			first = names[i];
	}
	if (node_find(node, "alias") && node_find(node, "try"))
		reader_problem_at(
		        reader, node_find(node, "try"), "'try' and 'alias' cannot both be given");
}

static void rule_check_alias(
        struct reader *reader, const struct node *node, const struct config_rule *rule)
{
	for (size_t i = 0; rule->alias && i < rule->paths.count; i++) {
		const char *path = rule->paths.items[i];
		size_t size = strlen(path);
		if (size < 3 || strcmp(path + size - 3, "/**") != 0)
			reader_problem_at(reader, node_find(node, "path"),
			        "with 'alias' a pattern must end in /**, unlike '%.64s'", path);
	}
}

/* RFC 8288 3: a link without its brackets is ignored by browsers. */
static void rule_check_hints(
        struct reader *reader, const struct node *node, const struct config_settings *settings)
{
	const struct node *list = node_find(node, "early-hints");
	for (size_t i = 0; list && i < settings->hints.count; i++) {
		const char *hint = settings->hints.items[i];
		if (*hint != '<' || !strchr(hint, '>'))
			reader_problem_at(reader, node_item(list, i),
			        "'early-hints' must be as </a.css>; rel=preload; as=style, not '%.64s'",
			        hint);
	}
}

static void rule_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_rule *rule = target;
	rule_check_alone(reader, node);
	rule_check_redirect(reader, node, rule);
	rule_check_target(reader, node, rule, "rewrite", rule->rewrite);
	for (size_t i = 0; i < rule->candidates.count; i++)
		rule_check_target(reader, node, rule, "try", rule->candidates.items[i]);
	rule_check_alias(reader, node, rule);
	rule_check_hints(reader, node, &rule->settings);
}

const struct section table_rule = {
        .what = "a rule",
        .keys = rule_keys,
        .size = sizeof(struct config_rule),
        .check = rule_check,
        .shared = "index",
        .doc = "The first rule whose `path` and `methods` fit a request holds for it, and no other "
               "one. A rule has the settings of its site, but for those that it has itself; `allow` "
               "and `deny` are such settings. Redirects are for paths that clients ask for, and not for "
               "rewritten ones.",
};

/* -- inheritance ------------------------------------------------------------------------------- */

/* Both tables have the settings in one order, from `index` to the end of a rule's table. */
static const struct key *rule_first_setting(const struct section *section)
{
	const struct key *key = section->keys;
	while (strcmp(key->name, "index") != 0)
		key++;
	return key;
}

static size_t rule_size_of(const struct key *key)
{
	return key->type == &type_section ? key->of->size : key->type->size;
}

/* The changes of a site are made in addition to those of a rule, see site_rules.c. */
static bool rule_inherits(const struct node *node, const char *name)
{
	return strcmp(name, "fields") != 0 && !node_find(node, name);
}

static void rule_inherit(struct config_rule *rule, const struct node *node,
        const struct section *of, const struct config_site *site)
{
	const struct key *own = rule_first_setting(&table_rule);
	const struct key *key = rule_first_setting(of);
	for (; own->name; key++, own++)
		if (rule_inherits(node, key->name))
			memcpy((char *)rule + own->offset, (const char *)site + key->offset,
			        rule_size_of(own));
}

static int rule_read_file(const char *path, struct weir_buffer *buffer)
{
	int fd = weir_open_file(path);
	if (fd < 0)
		return fd;
	int error = weir_buffer_read(buffer, fd, CONFIG_TEMPLATE_MAX);
	close(fd);
	return error;
}

/* Loads the page of listings. NULL: there is none, or it was made a problem. */
static const char *rule_load_template(
        struct reader *reader, const struct node *node, const char *path)
{
	const struct node *at = node_find(node, "listing-template");
	struct weir_buffer buffer = {0};
	const char *text = NULL;
	if (!path || reader_leaves(reader, at, path))
		return NULL;
	int error = rule_read_file(path, &buffer);
	if (error == 0)
		text = reader_copy(reader, buffer.size ? buffer.data : "", buffer.size);
	if (error < 0)
		reader_problem_at(reader, at, "%s: %s", path, weir_error_text(error));
	else if (text && !strstr(text, "$rows"))
		reader_problem_at(reader, at,
		        "%s has no $rows, where the entries of a directory are put", path);
	weir_buffer_finish(&buffer);
	return text;
}

static bool rule_has_types(const struct config_rule *rule, const struct config_site *site)
{
	return rule->settings.types.items != site->settings.types.items ||
	       rule->settings.compress_types.items != site->settings.compress_types.items;
}

static void rule_complete(struct config_rule *rule, const struct node *node,
        const struct section *of, const struct config_site *site)
{
	rule_inherit(rule, node, of, site);
	rule->own_files = rule->alias || strcmp(rule->settings.index, site->settings.index) != 0 ||
	                  rule->settings.listing != site->settings.listing ||
	                  rule->settings.hidden != site->settings.hidden ||
	                  rule->settings.compress != site->settings.compress ||
	                  rule->settings.siblings != site->settings.siblings ||
	                  rule->settings.zstd != site->settings.zstd ||
	                  rule->settings.compress_level != site->settings.compress_level ||
	                  rule_has_types(rule, site) ||
	                  rule->settings.template_path != site->settings.template_path;
}

static void rule_name(
        struct reader *reader, struct config_rule *rule, const char *site, size_t number)
{
	char text[300];
	int size = snprintf(text, sizeof text, "%.250s %s%zu", site, number ? "rule " : "", number);
	if (!number)
		size -= 2;
	rule->name = reader_copy(reader, text, (size_t)size);
}

/* Whether the site needs a rule for the paths that no rule is for. */
static bool rule_is_needed(const struct config_site *site)
{
	return site->rules.count || site->settings.changes.count || site->settings.errors.count ||
	       site->settings.allow.count || site->settings.deny.count ||
	       site->settings.certificate || site->settings.rate.present ||
	       site->settings.cors.present || site->settings.hints.count ||
	       site->settings.body_max < 1ull << 50 || site->settings.head_max < WEIR_HTTP_HEAD_MAX;
}

void table_complete_rules(struct reader *reader, const struct node *node, const struct section *of,
        struct config_site *site)
{
	const struct node *list = node_find(node, "rules");
	const char *name = site->names.count ? site->names.items[0] : "-";
	site->settings.template = rule_load_template(reader, node, site->settings.template_path);
	rule_check_hints(reader, node, &site->settings);
	for (size_t i = 0; i < site->rules.count; i++) {
		struct config_rule *rule = &site->rules.items[i];
		rule_complete(rule, node_item(list, i), of, site);
		rule_name(reader, rule, name, i + 1);
		rule->settings.template =
		        rule->settings.template_path == site->settings.template_path
		                ? site->settings.template
		                : rule_load_template(
		                          reader, node_item(list, i), rule->settings.template_path);
		if (!rule->name)
			return;
		if (rule->candidates.count && !site->root)
			reader_problem_at(reader, node_find(node_item(list, i), "try"),
			        "'try' needs 'root' of the site: the directory with the files");
	}
	if (!rule_is_needed(site))
		return;
	site->whole = reader_alloc(reader, sizeof *site->whole);
	if (!site->whole || !section_init(reader, &table_rule, site->whole))
		return;
	rule_complete(site->whole, NULL, of, site);
	rule_name(reader, site->whole, name, 0);
	if (site->settings.errors.count && !site->root)
		reader_problem_at(reader, node_find(node, "errors"),
		        "'errors' needs 'root': the directory with the pages");
}
