/*
 * The file handler: the file that a path leads to.
 *
 *   path ─▶ lookup ─▶ regular file ─▶ (sibling x.gz?) ─▶ reply
 *                 └─▶ directory ─▶ slash missing: redirect; index ─▶ reply; listing; 403
 *
 * All lookups go through the tree. It answers at once for files in its cache, and later where the
 * disk must be read; meanwhile only this exchange waits.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/transformers.h>

#include "exchange.h"
#include "fields.h"
#include "files.h"
#include "rule.h"

/* One request under way, in the exchange's scratch. */
struct file_request {
	struct weir_lookup lookup;
	struct files *files;
	struct weir_http_exchange *exchange;
	struct weir_file *file; /* held while a sibling or an index is looked for */
	struct weir_span index; /* the index that is served, or looked for; empty: none */
	struct weir_span more;  /* the names behind it in the options */
	const struct file_sibling *siblings[FILE_SIBLINGS];
	uint8_t sibling; /* the next of them to be looked for */
	uint8_t sibling_count;
};

_Static_assert(sizeof(struct file_request) <= WEIR_HTTP_SCRATCH, "must fit the scratch");

static struct file_request *http_files_request_of(struct weir_lookup *lookup)
{
	return WEIR_CONTAINER(lookup, struct file_request, lookup);
}

void http_file_error(struct weir_http_exchange *exchange, int error)
{
	unsigned status = 500;
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
	case -ENAMETOOLONG:
	case -EXDEV: /* out of the root: such a path does not exist */
	case -ELOOP:
		status = 404;
		break;
	case -EACCES:
	case -EPERM:
		status = 403;
		break;
	case -EMFILE:
	case -ENFILE:
	case -EAGAIN:
	case -ENOMEM:
	case WEIR_E_LIMIT:
		status = 503;
		break;
	}
	weir_http_reply_error(exchange, status);
}

/* -- a regular file ---------------------------------------------------------------------------- */

static void http_files_expire(struct weir_timer *timer);

static void http_files_expire_later(struct files *files)
{
	weir_timer_start(
	        files->loop, &files->timer, WEIR_HTTP_COMPRESSED_IDLE_MS / 4, http_files_expire);
}

/* The timer runs while the cache is not empty, so that an idle server frees its memory. */
static void http_files_expire(struct weir_timer *timer)
{
	struct files *files = WEIR_CONTAINER(timer, struct files, timer);
	if (compressed_cache_expire(files->options.compressed_cache, weir_loop_now_ms(files->loop)))
		http_files_expire_later(files);
}

static void http_files_reply_file(
        struct file_request *request, struct weir_file *file, struct weir_span name)
{
	const struct weir_http_files_options *options = &request->files->options;
	struct file_note *note = file->note;
	if (!note)
		note = http_file_note(file, http_files_mime(request->files, name), options);
	if (!note) {
		weir_http_reply_error(request->exchange, 503);
		return;
	}
	/* Before the reply, since it may end the exchange and the handler. */
	if (note->cache && note->compressed && !weir_timer_running(&request->files->timer))
		http_files_expire_later(request->files);
	http_file_reply(request->exchange, file, note, options->compress, NULL, NULL);
}

/* Composes the path of the file: the request's path, or the index in that directory. */
static size_t http_files_served_path(
        const struct file_request *request, char *path, size_t room, const char *suffix)
{
	struct weir_span base = http_files_path(request->exchange), index = request->index;
	int size = snprintf(path, room, "%.*s%s%.*s%s", (int)base.size, base.data,
	        index.size && base.size ? "/" : "", (int)index.size, index.size ? index.data : "",
	        suffix);
	return size > 0 && (size_t)size < room ? (size_t)size : 0;
}

static void http_files_reply_sibling(struct file_request *request, struct weir_file *sibling,
        struct weir_span name, const char *coding)
{
	struct files *files = request->files;
	struct file_note *note =
	        http_file_note(sibling, http_mime_find(WEIR_SPAN("x.gz")), &files->options);
	if (note)
		http_file_reply(request->exchange, sibling, note, false,
		        http_files_mime(files, name), coding);
	else
		weir_http_reply_error(request->exchange, 503);
}

static void http_files_try_sibling(struct file_request *request);

static void http_files_on_sibling(struct weir_lookup *lookup, int error, struct weir_file *sibling)
{
	struct file_request *request = http_files_request_of(lookup);
	struct weir_file *file = request->file;
	const struct file_sibling *kind = request->siblings[request->sibling - 1];
	char path[WEIR_PATH_MAX];
	/* An older sibling is out of date. */
	if (error || sibling->kind != WEIR_FILE_REGULAR ||
	        sibling->mtime.tv_sec < file->mtime.tv_sec ||
	        !http_sibling_can_be_sent(kind, sibling)) {
		http_files_try_sibling(request);
		return;
	}
	size_t size = http_files_served_path(request, path, sizeof path, "");
	http_files_reply_sibling(request, sibling, weir_span(path, size), kind->coding);
	weir_file_release(file);
}

/* Looks for the next sibling; behind the last, replies with the file itself. */
static void http_files_try_sibling(struct file_request *request)
{
	struct weir_file *file = request->file;
	char path[WEIR_PATH_MAX];
	if (request->sibling < request->sibling_count &&
	        http_files_served_path(
	                request, path, sizeof path, request->siblings[request->sibling]->suffix)) {
		request->sibling++;
		weir_tree_probe(
		        request->files->tree, &request->lookup, path, http_files_on_sibling);
		return;
	}
	size_t size = http_files_served_path(request, path, sizeof path, "");
	http_files_reply_file(request, file, weir_span(path, size));
	weir_file_release(file);
}

/* Whether siblings of the file are looked for. */
static bool http_files_has_siblings(
        const struct files *files, const struct weir_file *file, struct weir_span name)
{
	const struct file_note *note = file->note;
	if (!files->options.siblings)
		return false;
	return note ? note->compressible
	            : http_files_compresses(&files->options, http_files_mime(files, name));
}

static void http_files_serve(struct file_request *request, struct weir_file *file)
{
	const struct weir_http_request *head = request->exchange->handling->request;
	char path[WEIR_PATH_MAX];
	struct weir_span name = http_files_path(request->exchange);
	if (request->index.size)
		name = weir_span(path, http_files_served_path(request, path, sizeof path, ""));
	request->sibling = 0;
	request->sibling_count = 0;
	if (head->first[WEIR_HTTP_ACCEPT_ENCODING] &&
	        http_files_has_siblings(request->files, file, name))
		request->sibling_count = (uint8_t)http_siblings_choose(head, request->siblings);
	if (request->sibling_count == 0) {
		http_files_reply_file(request, file, name);
		return;
	}
	request->file = weir_file_hold(file);
	http_files_try_sibling(request);
}

/* -- a directory ------------------------------------------------------------------------------- */

/* Relative links in the page are right only if the client's URL ends in a slash. */
static void http_files_redirect_to_slash(struct weir_http_exchange *exchange)
{
	const struct weir_http_request *request = weir_http_request(exchange);
	char location[WEIR_PATH_MAX * 3];
	int size = snprintf(location, sizeof location, "%.*s/%s%.*s", (int)request->path.size,
	        request->path.data, request->has_query ? "?" : "", (int)request->query.size,
	        request->query.data ? request->query.data : "");
	/* "//host" would be the URL of another site. */
	const char *start = location;
	while (start[0] == '/' && start[1] == '/')
		start++;
	if (size < 0 || (size_t)size >= sizeof location) {
		weir_http_reply_error(exchange, 414);
		return;
	}
	weir_http_add_field(exchange, "Location", weir_span_of(start));
	weir_http_reply_error(exchange, 301);
}

static void http_files_reply_directory(struct file_request *request, struct weir_file *directory)
{
	if (request->files->options.listing)
		http_listing_reply(request->exchange, request->files, directory);
	else
		weir_http_reply_error(request->exchange, 403);
}

static void http_files_try_index(struct file_request *request);

static void http_files_on_index(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct file_request *request = http_files_request_of(lookup);
	struct weir_file *directory = request->file;
	/* cppcheck-suppress nullPointer; it is there if there is no error */
	if (error == 0 && file->kind == WEIR_FILE_REGULAR) {
		http_files_serve(request, file);
	} else if (error && error != -ENOENT && error != -ENOTDIR) {
		http_file_error(request->exchange, error);
	} else {
		http_files_try_index(request);
		return;
	}
	weir_file_release(directory);
}

/* Looks for the next index; behind the last, lists the directory. */
static void http_files_try_index(struct file_request *request)
{
	struct weir_file *directory = request->file;
	char path[WEIR_PATH_MAX];
	weir_span_cut(&request->more, '/', &request->index);
	if (request->index.size == 0) {
		http_files_reply_directory(request, directory);
	} else if (!http_files_served_path(request, path, sizeof path, "")) {
		weir_http_reply_error(request->exchange, 404);
	} else {
		weir_tree_lookup(request->files->tree, &request->lookup, path, http_files_on_index);
		return;
	}
	weir_file_release(directory);
}

static void http_files_serve_directory(struct file_request *request, struct weir_file *directory)
{
	struct weir_http_exchange *exchange = request->exchange;
	if (weir_http_path(exchange).size && !weir_http_path_is_directory(exchange)) {
		http_files_redirect_to_slash(exchange);
		return;
	}
	request->file = weir_file_hold(directory);
	request->more = weir_span_of(request->files->options.index);
	http_files_try_index(request);
}

/* -- the handler ------------------------------------------------------------------------------- */

static void http_files_on_found(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct file_request *request = http_files_request_of(lookup);
	if (error)
		http_file_error(request->exchange, error);
	else if (file->kind == WEIR_FILE_DIRECTORY)
		http_files_serve_directory(request, file);
	else if (weir_http_path_is_directory(request->exchange))
		weir_http_reply_error(request->exchange, 404);
	else
		http_files_serve(request, file);
}

static void http_files_reply_allowed(
        struct weir_http_exchange *exchange, enum weir_http_target target)
{
	enum weir_http_method method = weir_http_request(exchange)->method;
	weir_http_allow(exchange, target);
	if (method == WEIR_HTTP_OPTIONS)
		weir_http_reply_empty(exchange, 204);
	else if (method == WEIR_HTTP_OTHER || method == WEIR_HTTP_TRACE)
		weir_http_reply_error(exchange, 501);
	else
		weir_http_reply_error(exchange, 405);
}

/* For methods other than GET and HEAD: the allowed ones depend on the type of the target. */
static void http_files_on_target(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	(void)error;
	http_files_reply_allowed(http_files_request_of(lookup)->exchange,
	        file && file->kind == WEIR_FILE_DIRECTORY ? WEIR_HTTP_TARGET_DIRECTORY
	                                                  : WEIR_HTTP_TARGET_FILE);
}

static unsigned http_files_methods(const struct weir_http_handler *handler,
        const struct weir_http_exchange *exchange, enum weir_http_target target)
{
	(void)handler;
	(void)exchange;
	(void)target;
	return 1u << WEIR_HTTP_GET | 1u << WEIR_HTTP_HEAD | 1u << WEIR_HTTP_OPTIONS;
}

void http_files_attach(struct files *files, const struct weir_http_exchange *exchange)
{
	if (files->loop)
		return;
	files->loop = weir_http_loop(exchange);
	weir_tree_attach(files->tree, files->loop);
}

struct weir_span http_files_path(const struct weir_http_exchange *exchange)
{
	struct weir_span path = exchange->handling->path.text;
	for (unsigned i = 0; i < exchange->handling->skip && path.size; i++) {
		while (path.size && *path.data != '/')
			path = weir_span_skip(path, 1);
		path = weir_span_skip(path, path.size ? 1 : 0);
	}
	return path;
}

const struct http_mime *http_files_mime(const struct files *files, struct weir_span name)
{
	for (size_t i = 0; i < files->options.type_count; i++)
		if (http_mime_has_extension(name, files->types[i].extension))
			return &files->types[i];
	return http_mime_find(name);
}

bool http_files_compresses(
        const struct weir_http_files_options *options, const struct http_mime *mime)
{
	for (size_t i = 0; i < options->compress_type_count; i++)
		if (http_mime_matches(weir_span_of(mime->type), options->compress_types[i]))
			return true;
	return !options->compress_type_count && mime->compressible;
}

static void http_files_handle(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	struct weir_http_handler *own =
	        exchange->handling->rule ? http_rule_files_of(exchange) : NULL;
	struct files *files = WEIR_CONTAINER(own ? own : handler, struct files, handler);
	struct file_request *request = (void *)exchange->handling->scratch;
	const struct weir_http_request *head = exchange->handling->request;
	bool reads = head->method == WEIR_HTTP_GET || head->method == WEIR_HTTP_HEAD;
	if (!reads && !weir_span_starts(head->path, WEIR_SPAN("/"))) {
		http_files_reply_allowed(exchange, WEIR_HTTP_TARGET_SITE);
		return;
	}
	if (reads && weir_http_path_is_hidden(exchange) && !files->options.hidden) {
		weir_http_reply_error(exchange, 404);
		return;
	}
	http_files_attach(files, exchange);
	request->files = files;
	request->exchange = exchange;
	request->index = weir_span("", 0);
	weir_tree_lookup(files->tree, &request->lookup, http_files_path(exchange).data,
	        reads ? http_files_on_found : http_files_on_target);
}

static void http_files_destroy(struct weir_http_handler *handler)
{
	struct files *files = WEIR_CONTAINER(handler, struct files, handler);
	weir_timer_stop(&files->timer);
	weir_tree_close(files->tree);
	weir_http_compressed_cache_release(files->options.compressed_cache);
	free((char *)files->options.index);
	free((char *)files->options.fields);
	free((char *)files->options.listing_template);
	free(files->types);
	free(files);
}

void weir_http_files_options_init(struct weir_http_files_options *options)
{
	*options = (struct weir_http_files_options){
	        .index = "index.html",
	        .listing = true,
	        .compress = true,
	        .zstd = true,
	        .compress_level = WEIR_COMPRESS_LEVEL_MIN,
	        .siblings = true,
	};
}

/* Types and extensions are in one block behind the table. */
static bool http_files_copy_types(
        struct files *files, const struct weir_http_files_options *options)
{
	size_t size = options->type_count * sizeof *files->types;
	for (size_t i = 0; i < options->type_count; i++)
		size += strlen(options->types[i].extension) + strlen(options->types[i].type) + 2;
	files->types = calloc(1, size + 1);
	if (!files->types)
		return false;
	char *text = (char *)(files->types + options->type_count);
	for (size_t i = 0; i < options->type_count; i++) {
		const struct weir_http_type *from = &options->types[i];
		struct http_mime *to = &files->types[i];
		to->extension = strcpy(text, from->extension);
		text += strlen(text) + 1;
		to->type = strcpy(text, from->type);
		text += strlen(text) + 1;
		to->compressible = http_mime_is_text(from->type);
	}
	return true;
}

struct weir_http_handler *weir_http_files_create(
        struct weir_tree *tree, const struct weir_http_files_options *options)
{
	static const struct weir_http_handler_type type = {
	        "files", NULL, http_files_handle, http_files_destroy, http_files_methods};
	struct files *files = calloc(1, sizeof *files);
	if (!files) {
		weir_tree_close(tree);
		return NULL;
	}
	files->handler.type = &type;
	files->tree = tree;
	files->options = *options;
	files->options.index = strdup(options->index ? options->index : "");
	files->options.fields = strdup(options->fields ? options->fields : "");
	files->options.listing_template =
	        options->listing_template ? strdup(options->listing_template) : NULL;
	if (options->compressed_cache)
		weir_http_compressed_cache_hold(options->compressed_cache);
	if (!http_files_copy_types(files, options) || !files->options.index ||
	        !files->options.fields ||
	        (options->listing_template && !files->options.listing_template)) {
		http_files_destroy(&files->handler);
		return NULL;
	}
	return &files->handler;
}
