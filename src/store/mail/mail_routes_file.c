/*
 * Parses aliases into a snapshot: spans of its text, and a hash table by key. Every line is parsed,
 * so that all mistakes are reported at once. Then each target is looked up, since an alias may be
 * defined below its use.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include <weir/error.h>
#include <weir/users.h>

#include "mail_routes_state.h"
#include "users_state.h"
#include "refcount.h"
#include "helper.h"

enum {
	KEY_MAX = 64 + 1 + 255,
	TEXT_MAX = 600 /* bytes of a report, with room for a key */
};

struct routes_parser {
	struct weir_mail_routes *routes;
	weir_mail_routes_report_fn *report;
	void *context;
	unsigned line;
	int error;
};

static void mail_routes_file_complain(
        struct routes_parser *parser, const char *text, struct weir_span about)
{
	char whole[TEXT_MAX];
	int shown = about.size < KEY_MAX ? (int)about.size : KEY_MAX;
	snprintf(whole, sizeof whole, "%s%.*s", text, shown, shown ? about.data : "");
	if (parser->report)
		parser->report(parser->context, parser->line, whole);
	if (!parser->error)
		parser->error = WEIR_E_SYNTAX;
}

/* -- lines ------------------------------------------------------------------------------------- */

static void mail_routes_file_add(
        struct routes_parser *parser, struct weir_span key, struct weir_span list)
{
	struct weir_mail_routes *routes = parser->routes;
	struct alias alias = {key, list, parser->line, 0};
	const struct alias *twin = mail_routes_alias(routes, key);
	size_t count = routes->table.size / sizeof alias;
	if (twin) {
		mail_routes_file_complain(parser, "duplicate alias: ", key);
		return;
	}
	if (count == WEIR_ALIASES_MAX) {
		mail_routes_file_complain(parser, "too many aliases", weir_span(NULL, 0));
		parser->error = WEIR_E_LIMIT;
		return;
	}
	int error = weir_buffer_append(&routes->table, &alias, sizeof alias, SIZE_MAX);
	if (error < 0) {
		parser->error = error;
		return;
	}
	uint32_t *bucket = mail_routes_bucket(routes, key);
	mail_routes_table(routes)[count].next = *bucket;
	*bucket = (uint32_t)count + 1;
}

static bool mail_routes_file_has_odd_bytes(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f)
			return true;
	return false;
}

static void mail_routes_file_parse_alias(struct routes_parser *parser, struct weir_span line)
{
	struct weir_span key, list = line, local, domain, rest, word;
	if (!weir_span_cut(&list, ':', &key)) {
		mail_routes_file_complain(parser, "no colon after the address", weir_span(NULL, 0));
		return;
	}
	key = weir_span_trim(key);
	rest = list;
	if (!key.size || key.size > KEY_MAX || mail_routes_file_has_odd_bytes(key))
		mail_routes_file_complain(parser, "not an address or a name: ", key);
	else if (mail_routes_split(key, &local, &domain) &&
	         !weir_mail_routes_is_local(parser->routes, domain))
		mail_routes_file_complain(parser, "not a local domain: ", domain);
	else if (!mail_routes_next(&rest, &word))
		mail_routes_file_complain(parser, "alias without a target: ", key);
	else {
		/* The text belongs to the snapshot and may be changed. */
		mail_routes_fold(key, (char *)(uintptr_t)key.data, key.size);
		mail_routes_file_add(parser, key, list);
	}
}

static void mail_routes_file_parse(struct routes_parser *parser)
{
	struct weir_span left = weir_buffer_span(&parser->routes->text), line;
	while (left.size && (!parser->error || parser->error == WEIR_E_SYNTAX)) {
		weir_span_cut(&left, '\n', &line);
		parser->line++;
		if (line.size && line.data[line.size - 1] == '\r')
			line.size--;
		line = weir_span_trim(line);
		if (line.size && line.data[0] != '#')
			mail_routes_file_parse_alias(parser, line);
	}
}

/* Checks that each target leads to a mailbox or a remote address. */
static void mail_routes_file_follow(struct routes_parser *parser)
{
	const struct weir_mail_routes *routes = parser->routes;
	size_t count = routes->table.size / sizeof(struct alias);
	for (size_t i = 0; i < count; i++) {
		const struct alias *alias = &mail_routes_table(routes)[i];
		struct weir_span list = alias->list, word, local, domain;
		parser->line = alias->line;
		while (mail_routes_next(&list, &word)) {
			bool split = mail_routes_split(word, &local, &domain);
			if (mail_routes_file_has_odd_bytes(word) ||
			        (split && (!local.size || !domain.size)) || word.size > KEY_MAX) {
				mail_routes_file_complain(
				        parser, "not a user or an address: ", word);
				continue;
			}
			int error = mail_routes_check(routes, alias, word);
			if (error == WEIR_E_LIMIT)
				mail_routes_file_complain(parser,
				        "aliases nested too deep, or too many targets: ", word);
			else if (error == -ELOOP)
				mail_routes_file_complain(
				        parser, "alias loop without a mailbox: ", word);
			else if (error < 0)
				mail_routes_file_complain(parser, "no such user or alias: ", word);
		}
	}
}

/* -- options ----------------------------------------------------------------------------------- */

static int mail_routes_file_copy_domains(struct routes_parser *parser, const char *const *domains)
{
	struct weir_buffer *buffer = &parser->routes->domains;
	for (; domains && *domains; domains++) {
		size_t at = buffer->size, size = strlen(*domains) + 1;
		int error = weir_buffer_append(buffer, *domains, size, SIZE_MAX);
		if (error < 0)
			return error;
		mail_routes_fold(weir_span(buffer->data + at, size), buffer->data + at, size);
	}
	return 0;
}

static int mail_routes_file_copy_postmaster(struct routes_parser *parser, const char *name)
{
	struct weir_mail_routes *routes = parser->routes;
	const struct user *first = routes->users && weir_users_count(routes->users)
	                                   ? users_table(routes->users)
	                                   : NULL;
	if (!name) {
		routes->postmaster = first ? first->name : weir_span(NULL, 0);
		return 0;
	}
	if (!mail_routes_user(routes, weir_span_of(name), &routes->postmaster))
		mail_routes_file_complain(parser, "postmaster is not a user: ", weir_span_of(name));
	return 0;
}

static int mail_routes_file_make_buckets(struct weir_mail_routes *routes)
{
	struct weir_span left = weir_buffer_span(&routes->text), line;
	uint32_t lines = 1, count = 16;
	while (lines < WEIR_ALIASES_MAX && weir_span_cut(&left, '\n', &line))
		lines++;
	while (count < lines)
		count *= 2;
	routes->buckets = calloc(count, sizeof *routes->buckets);
	routes->mask = count - 1;
	return routes->buckets ? 0 : -ENOMEM;
}

/* -- the file --------------------------------------------------------------------------------- */

static int mail_routes_file_fill(
        struct routes_parser *parser, const struct weir_mail_routes_options *options)
{
	struct weir_mail_routes *routes = parser->routes;
	if (getrandom(&routes->key, sizeof routes->key, 0) != sizeof routes->key)
		return -EIO;
	if (options->users)
		routes->users = weir_users_hold(options->users);
	routes->separator = options->separator;
	int error = mail_routes_file_copy_domains(parser, options->domains);
	if (error == 0)
		error = mail_routes_file_copy_postmaster(parser, options->postmaster);
	if (error == 0)
		error = mail_routes_file_make_buckets(routes);
	if (error < 0)
		return error;
	mail_routes_file_parse(parser);
	if (!parser->error)
		mail_routes_file_follow(parser);
	return parser->error;
}

/* Takes over the text, also on failure. */
static int mail_routes_file_make(struct weir_buffer *text,
        const struct weir_mail_routes_options *options, weir_mail_routes_report_fn *report,
        void *context, struct weir_mail_routes **ret)
{
	struct weir_mail_routes *routes = calloc(1, sizeof *routes);
	if (!routes) {
		weir_buffer_finish(text);
		return -ENOMEM;
	}
	struct routes_parser parser = {.routes = routes, .report = report, .context = context};
	refcount_init(&routes->references);
	routes->text = *text;
	int error = mail_routes_file_fill(&parser, options);
	if (error < 0)
		weir_mail_routes_release(routes);
	else
		*ret = routes;
	return error;
}

void weir_mail_routes_options_init(struct weir_mail_routes_options *options)
{
	*options = (struct weir_mail_routes_options){0};
}

int weir_mail_routes_parse(struct weir_span text, const struct weir_mail_routes_options *options,
        weir_mail_routes_report_fn *report, void *context, struct weir_mail_routes **ret)
{
	struct weir_buffer copy = {0};
	int error = weir_buffer_append(&copy, text.data, text.size, WEIR_ALIASES_FILE_MAX);
	return error < 0 ? error : mail_routes_file_make(&copy, options, report, context, ret);
}

int weir_mail_routes_load(const char *path, const struct weir_mail_routes_options *options,
        weir_mail_routes_report_fn *report, void *context, struct weir_mail_routes **ret)
{
	struct weir_buffer text = {0};
	int error = path ? file_read_path(path, WEIR_ALIASES_FILE_MAX, &text) : 0;
	if (error == 0)
		return mail_routes_file_make(&text, options, report, context, ret);
	if (report)
		report(context, 0, weir_error_text(error));
	return error;
}
