/* The keys of `fastcgi` in a site, and its rules: where clients can write, nothing is run. */
#include <string.h>

#include <weir/limits.h>

#include "config.h"
#include "table.h"
#include "types.h"

static const struct type type_prefixes = {
        .what = "a list of paths such as [/uploads, /files]",
        .argument = "[PATH, ...]",
        .size = sizeof(struct list),
        .item = &type_prefix,
        .print = type_print_list,
};

#define KEYS_STRUCT config_fastcgi
static const struct key fastcgi_keys[] = {
#include "fastcgi_keys.def"
#include "coding_keys.def"
        {0},
};
#undef KEYS_STRUCT

bool config_fastcgi_has_scripts(const struct config_fastcgi *fastcgi)
{
	return fastcgi->extension && *fastcgi->extension;
}

static void fastcgi_check_unused(
        struct reader *reader, const struct node *node, const struct config_fastcgi *fastcgi)
{
	static const char *const names[] = {"index", "script", "never", "application-root"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!config_fastcgi_has_scripts(fastcgi) && node_find(node, names[i]))
			reader_problem_at(reader, node_find(node, names[i]),
			        "'%s' is not used: there are no scripts with 'extension: off'",
			        names[i]);
}

static void fastcgi_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_fastcgi *fastcgi = target;
	fastcgi_check_unused(reader, node, fastcgi);
	if (fastcgi->extension && strchr(fastcgi->extension, '/'))
		reader_problem_at(reader, node_find(node, "extension"),
		        "'extension' must be the end of a name such as .php, not '%.64s'",
		        fastcgi->extension);
	if (fastcgi->index && strchr(fastcgi->index, '/'))
		reader_problem_at(reader, node_find(node, "index"),
		        "'index' must be the name of a file, without '/', or off");
	if (fastcgi->application_root && *fastcgi->application_root != '/')
		reader_problem_at(reader, node_find(node, "application-root"),
		        "'application-root' must begin with '/', not be '%.64s'",
		        fastcgi->application_root);
}

const struct section table_fastcgi = {
        .what = "an entry of fastcgi",
        .keys = fastcgi_keys,
        .size = sizeof(struct config_fastcgi),
        .check = fastcgi_check,
        .doc = "Paths whose requests are answered by an application that speaks FastCGI, such as "
               "php-fpm. Bodies pass as they come, in both directions; a request with a body needs "
               "a Content-Length.",
};

/* -- the rules of a site ----------------------------------------------------------------------- */

static bool fastcgi_is_below(const char *path, const char *prefix)
{
	size_t size = strlen(prefix);
	return strncmp(path, prefix, size) == 0 && (!size || !path[size] || path[size] == '/');
}

/* Whether scripts that clients upload to `prefix` would be run. */
static bool fastcgi_runs_uploads(const struct config_fastcgi *fastcgi, const char *prefix)
{
	bool overlap =
	        fastcgi_is_below(prefix, fastcgi->path) || fastcgi_is_below(fastcgi->path, prefix);
	for (size_t i = 0; i < fastcgi->never.count; i++)
		if (fastcgi_is_below(prefix, fastcgi->never.items[i]))
			return false;
	return overlap && config_fastcgi_has_scripts(fastcgi);
}

void table_fastcgi_check_site(
        struct reader *reader, const struct node *site_node, const struct config_site *site)
{
	const struct node *list = node_find(site_node, "fastcgi");
	const char *prefix = site->uploads.prefix ? site->uploads.prefix : "";
	for (size_t i = 0; i < site->fastcgi.count; i++) {
		const struct config_fastcgi *fastcgi = &site->fastcgi.items[i];
		const struct node *item = node_item(list, i);
		if (config_fastcgi_has_scripts(fastcgi) && !site->root)
			reader_problem_at(reader, item,
			        "'fastcgi' needs 'root' of the site, where the scripts are, or "
			        "'extension: off'");
		if (site->uploads.present && fastcgi->path && fastcgi_runs_uploads(fastcgi, prefix))
			reader_problem_at(reader, item,
			        "clients could upload scripts to '/%.64s' and run them: add that path "
			        "to 'never'",
			        prefix);
	}
}
