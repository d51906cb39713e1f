/* The file trees of a site and of its rules, and the handlers of their files. */
#include <errno.h>

#include <weir/http_files.h>
#include <weir/tree.h>

#include "say.h"
#include "service_http.h"

static void site_files_on_root(void *context, int error)
{
	struct config_site *config = context;
	say_root(config->root, &config->root_lost, error);
}

static void site_files_on_alias(void *context, int error)
{
	struct config_rule *rule = context;
	say_root(rule->alias, &rule->root_lost, error);
}

static int site_files_open_tree(const char *root, void (*walked)(void *context, int error),
        void *context, unsigned entries_max, struct weir_tree **ret)
{
	struct weir_tree_options options;
	weir_tree_options_init(&options);
	options.entries_max = entries_max;
	options.root_walked = walked;
	options.context = context;
	return weir_tree_open(NULL, root, &options, ret);
}

int site_files_open(struct config_site *config, unsigned entries_max, struct weir_tree **ret)
{
	return site_files_open_tree(config->root, site_files_on_root, config, entries_max, ret);
}

static int site_files_open_alias(
        struct config_rule *rule, unsigned entries_max, struct weir_tree **ret)
{
	return site_files_open_tree(rule->alias, site_files_on_alias, rule, entries_max, ret);
}

static void site_files_set(
        struct weir_http_files_options *options, const struct config_settings *from)
{
	options->index = from->index;
	options->listing = from->listing;
	options->hidden = from->hidden;
	options->compress = from->compress;
	options->zstd = from->zstd;
	options->compress_level = (unsigned)from->compress_level;
	options->siblings = from->siblings;
	options->compress_types = from->compress_types.items;
	options->compress_type_count = from->compress_types.count;
	options->types = from->types.items;
	options->type_count = from->types.count;
	options->listing_template = from->template;
}

int site_files_create(const struct site_rules_options *options, struct config_rule *rule,
        struct weir_http_handler **ret)
{
	struct weir_tree *tree;
	struct weir_http_files_options files;
	int error = rule && rule->alias
	                    ? site_files_open_alias(rule, options->tree_entries_max, &tree)
	                    : site_files_open(options->site, options->tree_entries_max, &tree);
	if (error < 0)
		return error;
	weir_http_files_options_init(&files);
	site_files_set(&files, rule ? &rule->settings : &options->site->settings);
	files.compressed_cache = options->config->compressed_cache;
	*ret = weir_http_files_create(tree, &files);
	return *ret ? 0 : -ENOMEM;
}
