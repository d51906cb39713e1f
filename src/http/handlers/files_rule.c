/*
 * The part of the file handler that the rules of a site call: the page for an error, and whether
 * there is something to serve for a path.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/sources.h>

#include "exchange.h"
#include "files.h"

/* -- pages for errors -------------------------------------------------------------------------- */

struct files_page {
	struct weir_lookup lookup;
	struct files *files;
	struct weir_http_exchange *exchange;
	const struct http_mime *mime;
	unsigned status;
};

_Static_assert(sizeof(struct files_page) <= WEIR_HTTP_SCRATCH, "must fit the scratch");

static void http_files_release_page(void *context)
{
	weir_file_release(context);
}

/* Conditions and ranges of the request were for another resource, so they are not looked at. */
static void http_files_on_page(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct files_page *page = WEIR_CONTAINER(lookup, struct files_page, lookup);
	struct weir_http_exchange *exchange = page->exchange;
	if (error || file->kind != WEIR_FILE_REGULAR) {
		weir_http_log_note(exchange, "error_page", WEIR_SPAN("missing"));
		weir_http_reply_error(exchange, page->status);
		return;
	}
	struct weir_producer *body =
	        file->content.data ? weir_produce_borrowed(file->content.data, (size_t)file->size)
	                           : weir_produce_shared_file(file->fd, 0, file->size, &file->seen);
	weir_http_add_field(exchange, "Content-Type", weir_span_of(page->mime->type));
	weir_http_lend_fields(
	        exchange, weir_span("", 0), http_files_release_page, weir_file_hold(file));
	weir_http_reply(exchange, page->status, body);
}

void http_files_reply_page(struct weir_http_handler *handler, struct weir_http_exchange *exchange,
        const char *path, unsigned status)
{
	struct files *files = WEIR_CONTAINER(handler, struct files, handler);
	struct files_page *page = weir_http_scratch(exchange);
	http_files_attach(files, exchange);
	page->files = files;
	page->exchange = exchange;
	page->status = status;
	page->mime = http_files_mime(files, weir_span_of(path));
	weir_tree_lookup(files->tree, &page->lookup, path + 1, http_files_on_page);
}

/* -- files that are tried ---------------------------------------------------------------------- */

static void http_files_probe_next(struct http_files_probe *probe);

static void http_files_probe_end(struct http_files_probe *probe, bool found)
{
	free(probe->directory);
	probe->directory = NULL;
	probe->done(probe, found);
}

static void http_files_on_probed(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct http_files_probe *probe = WEIR_CONTAINER(lookup, struct http_files_probe, lookup);
	if (error == 0 && file->kind == WEIR_FILE_REGULAR)
		http_files_probe_end(probe, true);
	else if (probe->directory)
		http_files_probe_next(probe);
	else
		http_files_probe_end(probe, false);
}

static void http_files_on_directory(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct http_files_probe *probe = WEIR_CONTAINER(lookup, struct http_files_probe, lookup);
	http_files_probe_end(probe, error == 0 && file->kind == WEIR_FILE_DIRECTORY);
}

/* Looks for the next index of a directory; behind the last, for the directory if it is listed. */
static void http_files_probe_next(struct http_files_probe *probe)
{
	struct weir_span name;
	char path[WEIR_PATH_MAX];
	weir_span_cut(&probe->index, '/', &name);
	if (name.size == 0 && probe->files->options.listing) {
		weir_tree_lookup(probe->files->tree, &probe->lookup, probe->directory,
		        http_files_on_directory);
		return;
	}
	int size = snprintf(path, sizeof path, "%s%s%.*s", probe->directory,
	        *probe->directory ? "/" : "", (int)name.size, name.data);
	if (name.size == 0 || (size_t)size >= sizeof path)
		http_files_probe_end(probe, false);
	else
		weir_tree_lookup(probe->files->tree, &probe->lookup, path, http_files_on_probed);
}

void http_files_probe(struct weir_http_handler *handler, struct http_files_probe *probe,
        const struct weir_http_path *path, const struct weir_http_exchange *exchange,
        http_files_probed_fn *done)
{
	struct files *files = WEIR_CONTAINER(handler, struct files, handler);
	http_files_attach(files, exchange);
	*probe = (struct http_files_probe){.done = done, .files = files};
	if (path->hidden && !files->options.hidden) {
		done(probe, false);
	} else if (!path->directory) {
		weir_tree_lookup(
		        files->tree, &probe->lookup, path->text.data, http_files_on_probed);
	} else {
		probe->index = weir_span_of(files->options.index);
		probe->directory = weir_span_copy(path->text);
		if (probe->directory)
			http_files_probe_next(probe);
		else
			done(probe, false);
	}
}
