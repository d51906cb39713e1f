/*
 * The handler of FastCGI: it finds what the application is to run, and passes the request on as the
 * proxy does.
 *
 *   /shop/cart.php/3 ─▶ the first segment that ends in the extension and is a file: run it
 *   /shop/           ─▶ a directory with an index: run that
 *   /a.css           ─▶ a file: the next handler
 *   /about           ─▶ no file: run `script`, or the next handler
 *
 * Invariant: the application gets only scripts that are regular files beneath the root, and whose
 * names end in the extension. PHP would search for others by itself: of /avatar.jpg/x.php it runs
 * avatar.jpg, unless that is forbidden to it. No source of a script reaches the next handler.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/http_fastcgi.h>
#include <weir/tree.h>

#include "exchange.h"
#include "files.h"
#include "path.h"
#include "proxy_state.h"

struct fastcgi {
	struct proxy proxy;
	struct weir_http_fastcgi_options
	        options; /* its texts are those below; the tree is its own */
	char *extension, *index, *script;
	char **never;
	bool attached; /* the tree has its loop */
};

/* A request whose script is looked for, in the exchange's scratch. */
struct fastcgi_search {
	struct weir_lookup lookup;
	struct fastcgi *fastcgi;
	struct weir_http_exchange *exchange;
	size_t end; /* of the segment that is looked up, in the path */
};

_Static_assert(sizeof(struct fastcgi_search) <= WEIR_HTTP_SCRATCH, "must fit the scratch");

static struct fastcgi *fastcgi_of(struct weir_http_handler *handler)
{
	return WEIR_CONTAINER(handler, struct fastcgi, proxy.handler);
}

static struct fastcgi_search *fastcgi_search_of(struct weir_lookup *lookup)
{
	return WEIR_CONTAINER(lookup, struct fastcgi_search, lookup);
}

/* -- the end of a search ----------------------------------------------------------------------- */

/* Starts the request with the script "/" and `path`, of which the first `end` bytes are its name. */
static void fastcgi_run(struct fastcgi *fastcgi, struct weir_http_exchange *exchange,
        struct weir_span path, size_t end, bool slash)
{
	struct proxy_script script = {.name_size = end ? end + 1 : 0};
	int error = weir_buffer_format(
	        &script.text, SIZE_MAX, "/%.*s%s", (int)path.size, path.data, slash ? "/" : "");
	if (!error) {
		http_proxy_start(&fastcgi->proxy, exchange, &script);
		return;
	}
	weir_buffer_finish(&script.text);
	weir_http_reply_error(exchange, 500);
}

/* The path of the request names the script by its first `end` bytes. */
static void fastcgi_run_path(
        struct fastcgi *fastcgi, struct weir_http_exchange *exchange, size_t end)
{
	struct weir_span path = weir_http_path(exchange);
	fastcgi_run(
	        fastcgi, exchange, path, end, path.size && weir_http_path_is_directory(exchange));
}

static void fastcgi_pass_on(struct fastcgi_search *search)
{
	weir_http_next(&search->fastcgi->proxy.handler, search->exchange);
}

static bool fastcgi_is_absent(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -ENAMETOOLONG || error == -EXDEV ||
	       error == -ELOOP;
}

/* -- scripts that the path does not name ------------------------------------------------------- */

static void fastcgi_on_script(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct fastcgi_search *search = fastcgi_search_of(lookup);
	if (!error && file->kind == WEIR_FILE_REGULAR)
		fastcgi_run(search->fastcgi, search->exchange,
		        weir_span_of(search->fastcgi->script), strlen(search->fastcgi->script),
		        false);
	else
		http_file_error(search->exchange, error ? error : -ENOENT);
}

/* The path names no file: the script for all others, if there is one. */
static void fastcgi_run_script(struct fastcgi_search *search)
{
	struct fastcgi *fastcgi = search->fastcgi;
	if (fastcgi->script)
		weir_tree_lookup(
		        fastcgi->options.tree, &search->lookup, fastcgi->script, fastcgi_on_script);
	else
		fastcgi_pass_on(search);
}

/* Composes the path of the index in the directory. Returns its size; 0: too long. */
static size_t fastcgi_index_path(const struct fastcgi_search *search, char path[WEIR_PATH_MAX])
{
	struct weir_span base = weir_http_path(search->exchange);
	int size = snprintf(path, WEIR_PATH_MAX, "%.*s%s%s", (int)base.size, base.data,
	        base.size ? "/" : "", search->fastcgi->index);
	return size < WEIR_PATH_MAX ? (size_t)size : 0;
}

static void fastcgi_on_index(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct fastcgi_search *search = fastcgi_search_of(lookup);
	char path[WEIR_PATH_MAX];
	size_t size = fastcgi_index_path(search, path);
	if (!error && file->kind == WEIR_FILE_REGULAR)
		fastcgi_run(search->fastcgi, search->exchange, weir_span(path, size), size, false);
	else
		fastcgi_pass_on(search);
}

static void fastcgi_on_target(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct fastcgi_search *search = fastcgi_search_of(lookup);
	struct weir_http_exchange *exchange = search->exchange;
	char path[WEIR_PATH_MAX];
	bool directory = !error && file->kind == WEIR_FILE_DIRECTORY;
	/* Without its slash the next handler redirects to it. */
	bool slash = weir_http_path_is_directory(exchange) || !weir_http_path(exchange).size;
	if (directory && slash && search->fastcgi->index && fastcgi_index_path(search, path))
		weir_tree_lookup(
		        search->fastcgi->options.tree, &search->lookup, path, fastcgi_on_index);
	else if (!error || !fastcgi_is_absent(error))
		fastcgi_pass_on(search);
	else
		fastcgi_run_script(search);
}

/* -- scripts that the path names --------------------------------------------------------------- */

/* Returns the end of the first segment behind `from` that is the name of a script; 0: none is. */
static size_t fastcgi_next_script(const struct fastcgi *fastcgi, struct weir_span path, size_t from)
{
	struct weir_span extension = weir_span_of(fastcgi->extension);
	for (size_t start = from; start < path.size;) {
		const char *slash = memchr(path.data + start, '/', path.size - start);
		size_t end = slash ? (size_t)(slash - path.data) : path.size;
		if (end - start > extension.size && memcmp(path.data + end - extension.size,
		                                            extension.data, extension.size) == 0)
			return end;
		start = end + 1;
	}
	return 0;
}

static void fastcgi_look_up(struct fastcgi_search *search);

static void fastcgi_on_named(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct fastcgi_search *search = fastcgi_search_of(lookup);
	if (!error && file->kind == WEIR_FILE_REGULAR)
		fastcgi_run_path(search->fastcgi, search->exchange, search->end);
	else if (!error)
		fastcgi_look_up(search);
	else if (fastcgi_is_absent(error) && search->fastcgi->script)
		fastcgi_run_script(search);
	else
		http_file_error(search->exchange, error);
}

/* Looks for the next script in the path, or for what it names as a whole. */
static void fastcgi_look_up(struct fastcgi_search *search)
{
	struct fastcgi *fastcgi = search->fastcgi;
	struct weir_span path = weir_http_path(search->exchange);
	char name[WEIR_HTTP_TARGET_MAX + 1];
	search->end = fastcgi_next_script(fastcgi, path, search->end);
	if (search->end) {
		text_copy_span(name, sizeof name, weir_span(path.data, search->end));
		weir_tree_lookup(fastcgi->options.tree, &search->lookup, name, fastcgi_on_named);
	} else if (fastcgi->script || fastcgi->index) {
		weir_tree_lookup(
		        fastcgi->options.tree, &search->lookup, path.data, fastcgi_on_target);
	} else {
		fastcgi_pass_on(search);
	}
}

/* -- the handler ------------------------------------------------------------------------------- */

static bool fastcgi_is_never(const struct fastcgi *fastcgi, struct weir_span path)
{
	for (size_t i = 0; i < fastcgi->options.never_count; i++)
		if (http_path_below(path, weir_span_of(fastcgi->never[i])))
			return true;
	return false;
}

static void fastcgi_search(struct fastcgi *fastcgi, struct weir_http_exchange *exchange)
{
	struct fastcgi_search *search = weir_http_scratch(exchange);
	struct weir_span path = weir_http_path(exchange);
	*search = (struct fastcgi_search){.fastcgi = fastcgi, .exchange = exchange};
	if (!fastcgi->attached)
		weir_tree_attach(fastcgi->options.tree, weir_http_loop(exchange));
	fastcgi->attached = true;
	bool names = fastcgi_next_script(fastcgi, path, 0);
	if (!fastcgi_is_never(fastcgi, path) &&
	        (fastcgi->options.hidden || !weir_http_path_is_hidden(exchange)))
		fastcgi_look_up(search);
	else if (names)
		weir_http_reply_error(exchange, 404);
	else
		fastcgi_pass_on(search);
}

static void fastcgi_handle(struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	struct fastcgi *fastcgi = fastcgi_of(handler);
	/* Without scripts the application itself is the script. */
	if (fastcgi->options.tree)
		fastcgi_search(fastcgi, exchange);
	else
		fastcgi_run_path(fastcgi, exchange, strlen(fastcgi->proxy.prefix));
}

static void fastcgi_destroy(struct weir_http_handler *handler)
{
	struct fastcgi *fastcgi = fastcgi_of(handler);
	for (size_t i = 0; fastcgi->never && i < fastcgi->options.never_count; i++)
		free(fastcgi->never[i]);
	http_proxy_finish(&fastcgi->proxy);
	weir_tree_close(fastcgi->options.tree);
	free(fastcgi->proxy.application_root);
	free(fastcgi->extension);
	free(fastcgi->index);
	free(fastcgi->script);
	free(fastcgi->never);
	free(fastcgi);
}

void weir_http_fastcgi_options_init(struct weir_http_fastcgi_options *options)
{
	*options = (struct weir_http_fastcgi_options){.prefix = "",
	        .extension = ".php",
	        .index = "index.php",
	        .request_id = true,
	        .body_max = UINT64_MAX,
	        .zstd = true,
	        .compress_level = WEIR_COMPRESS_LEVEL_MIN};
}

/* Returns false without memory. */
static bool fastcgi_copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static bool fastcgi_copy_never(
        struct fastcgi *fastcgi, const struct weir_http_fastcgi_options *options)
{
	bool copied = true;
	fastcgi->never = calloc(options->never_count + 1, sizeof *fastcgi->never);
	for (size_t i = 0; i < options->never_count && copied && fastcgi->never; i++)
		copied = fastcgi_copy_text(&fastcgi->never[i], options->never[i]);
	return copied && fastcgi->never;
}

/* A '/' at the end of the root would be doubled. */
static bool fastcgi_copy_root(
        struct fastcgi *fastcgi, const struct weir_http_fastcgi_options *options)
{
	char **root = &fastcgi->proxy.application_root;
	bool copied = fastcgi_copy_text(root, options->tree ? options->root : NULL);
	size_t size = *root ? strlen(*root) : 0;
	while (size && (*root)[size - 1] == '/')
		(*root)[--size] = 0;
	return copied;
}

static bool fastcgi_copy(struct fastcgi *fastcgi, const struct weir_http_fastcgi_options *options)
{
	struct weir_http_proxy_options proxy;
	weir_http_proxy_options_init(&proxy);
	proxy.upstreams = options->upstreams;
	proxy.prefix = options->prefix;
	proxy.forwarded = WEIR_HTTP_FORWARDED_OFF;
	proxy.trusted = options->trusted;
	proxy.trusted_count = options->trusted_count;
	proxy.via = false;
	proxy.request_id = options->request_id;
	proxy.body_max = options->body_max;
	proxy.abort_on_close = options->abort_on_close;
	proxy.compress = options->compress;
	proxy.compress_types = options->compress_types;
	proxy.compress_type_count = options->compress_type_count;
	proxy.zstd = options->zstd;
	proxy.compress_level = options->compress_level;
	return http_proxy_init(&fastcgi->proxy, &proxy) && fastcgi_copy_root(fastcgi, options) &&
	       fastcgi_copy_text(&fastcgi->extension, options->extension) &&
	       fastcgi_copy_text(&fastcgi->index, options->index) &&
	       fastcgi_copy_text(&fastcgi->script, options->script) &&
	       fastcgi_copy_never(fastcgi, options);
}

static bool fastcgi_options_are_good(const struct weir_http_fastcgi_options *options)
{
	return options->upstreams && options->upstreams->options.fastcgi &&
	       (!options->tree || (options->root && options->extension && *options->extension));
}

struct weir_http_handler *weir_http_fastcgi_create(const struct weir_http_fastcgi_options *options)
{
	static const struct weir_http_handler_type type = {.name = "fastcgi",
	        .match = http_proxy_match,
	        .handle = fastcgi_handle,
	        .destroy = fastcgi_destroy,
	        .methods = http_proxy_methods};
	struct fastcgi *fastcgi =
	        fastcgi_options_are_good(options) ? calloc(1, sizeof *fastcgi) : NULL;
	if (!fastcgi) {
		weir_tree_close(options->tree);
		return NULL;
	}
	fastcgi->proxy.handler.type = &type;
	fastcgi->options = *options;
	if (!fastcgi_copy(fastcgi, options)) {
		fastcgi_destroy(&fastcgi->proxy.handler);
		return NULL;
	}
	return &fastcgi->proxy.handler;
}
