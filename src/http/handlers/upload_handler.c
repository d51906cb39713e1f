/*
 * The upload handler: the requests that it matches, and its refusals. Names that begin with a dot
 * can be neither written nor removed, since the store's temporary files are among them. Left out:
 * making directories, and partial PUT (RFC 9110 14.5), which cannot be done safely.
 *
 * Preconditions: the existing file is looked up and compared with the conditions of the request
 * before the body is received, to spare the client a body in vain. The comparison that counts is
 * http_upload_holds, which the store calls in one step with the change.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <weir/error.h>
#include <weir/limits.h>
#include <weir/list.h>
#include <weir/tree.h>
#include <weir/upload.h>

#include "exchange.h"
#include "fields.h"
#include "path.h"
#include "upload_handler.h"

/* -- refusals ---------------------------------------------------------------------------------- */

unsigned http_upload_status(int error)
{
	switch (error) {
	case -ENODATA:
		return 400;
	case -EACCES:
	case -EPERM:
	case -EROFS:
	case -EXDEV:
	case -ELOOP:
		return 403;
	case -EISDIR:
		return 405;
	case -ENOENT:
	case -ENOTDIR:
		return 409;
	case -EEXIST:
	case -ECANCELED: /* of http_upload_holds */
		return 412;
	case -EFBIG:
		return 413;
	case -ENAMETOOLONG:
		return 414;
	case -EAGAIN:
	case -EMFILE:
	case -ENFILE:
	case WEIR_E_LIMIT: /* too much work waits */
		return 503;
	case -ENOSPC:
	case -EDQUOT:
		return 507;
	default:
		return 500;
	}
}

void http_upload_refuse(struct weir_http_exchange *exchange, unsigned status)
{
	weir_http_discard(exchange);
	/* Forms are posted to directories only, and PUT is for files only. */
	if (status == 405)
		weir_http_allow(exchange, weir_http_request(exchange)->method == WEIR_HTTP_POST
		                                  ? WEIR_HTTP_TARGET_FILE
		                                  : WEIR_HTTP_TARGET_DIRECTORY);
	if (status == 503)
		weir_http_add_field(exchange, "Retry-After", WEIR_SPAN("1"));
	weir_http_reply_error(exchange, status);
}

/* -- preconditions ----------------------------------------------------------------------------- */

bool http_upload_is_conditional(const struct weir_http_request *request)
{
	return request->first[WEIR_HTTP_IF_MATCH] || request->first[WEIR_HTTP_IF_NONE_MATCH] ||
	       request->first[WEIR_HTTP_IF_UNMODIFIED_SINCE];
}

static unsigned http_upload_condition_check(
        struct weir_http_exchange *exchange, const struct weir_file *file)
{
	struct http_validators validators = {.exists = file};
	char etag[WEIR_HTTP_ETAG_MAX];
	if (file) {
		validators.has_modified = true;
		validators.modified = file->mtime.tv_sec;
		validators.etag = weir_span(etag, http_etag_format(file, etag));
	}
	return (unsigned)http_conditional_check(
	        weir_http_request(exchange), &validators, time(NULL));
}

/*
 * On the work pool: the request was copied before, and does not change
 * (http_exchange_copy_request_now).
 */
int http_upload_holds(void *context, const struct stat *there)
{
	struct weir_file file = {0};
	if (there) {
		file.size = (uint64_t)there->st_size;
		file.mtime = there->st_mtim;
	}
	return http_upload_condition_check(context, there ? &file : NULL) ? -ECANCELED : 0;
}

static void http_upload_condition_on_found(
        struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct upload_condition *condition =
	        WEIR_CONTAINER(lookup, struct upload_condition, lookup);
	unsigned status = 0;
	/* A dangling link, or one out of the root, is replaced like any other link. */
	if (error < 0 && error != -ENOENT && error != -EXDEV && error != -ELOOP)
		status = http_upload_status(error);
	else if (file && file->kind == WEIR_FILE_DIRECTORY)
		status = 405;
	else
		status = http_upload_condition_check(condition->exchange, file);
	condition->done(condition, status, file);
}

void http_upload_check(struct upload_condition *condition, struct weir_tree *tree,
        struct weir_http_exchange *exchange,
        void (*done)(struct upload_condition *condition, unsigned status, bool exists))
{
	condition->exchange = exchange;
	condition->done = done;
	weir_tree_lookup(tree, &condition->lookup, weir_http_path(exchange).data,
	        http_upload_condition_on_found);
}

/* -- DELETE ------------------------------------------------------------------------------------ */

/* A file is removed, and its directory synced, before the 204. Directories are not removed. */
struct upload_removal {
	struct http_upload *handler;
	struct weir_http_exchange *exchange;
	struct upload_condition condition;
	struct weir_change change;
};

static void http_upload_delete_finish(struct upload_removal *removal, unsigned status)
{
	struct weir_http_exchange *exchange = removal->exchange;
	free(removal);
	if (status == 204)
		weir_http_reply_empty(exchange, 204);
	else
		http_upload_refuse(exchange, status);
}

static void http_upload_delete_on_removed(struct weir_change *change, int error)
{
	struct upload_removal *removal = WEIR_CONTAINER(change, struct upload_removal, change);
	if (error == 0)
		http_upload_delete_finish(removal, 204);
	else if (error == -ENOENT || error == -ENOTDIR)
		http_upload_delete_finish(removal, 404);
	else
		http_upload_delete_finish(removal, http_upload_status(error));
}

static void http_upload_delete_remove_file(struct upload_removal *removal)
{
	struct weir_tree *tree = removal->handler->tree;
	struct weir_http_exchange *exchange = removal->exchange;
	bool conditional = http_upload_is_conditional(weir_http_request(exchange));
	if (conditional && http_exchange_copy_request_now(exchange) < 0) {
		http_upload_delete_finish(removal, 503);
		return;
	}
	const char *path = weir_http_path(exchange).data;
	if (conditional)
		weir_tree_remove_if(tree, &removal->change, path, http_upload_holds, exchange,
		        http_upload_delete_on_removed);
	else
		weir_tree_remove(tree, &removal->change, path, http_upload_delete_on_removed);
}

static void http_upload_delete_on_checked(
        struct upload_condition *condition, unsigned status, bool exists)
{
	struct upload_removal *removal =
	        WEIR_CONTAINER(condition, struct upload_removal, condition);
	(void)exists;
	if (status)
		http_upload_delete_finish(removal, status == 409 ? 404 : status);
	else
		http_upload_delete_remove_file(removal);
}

static void http_upload_delete(struct http_upload *upload, struct weir_http_exchange *exchange)
{
	unsigned status = weir_http_path_is_hidden(exchange)      ? 404
	                  : weir_http_path_is_directory(exchange) ? 405
	                                                          : 0;
	struct upload_removal *removal = status ? NULL : calloc(1, sizeof *removal);
	if (!removal) {
		http_upload_refuse(exchange, status ? status : 500);
		return;
	}
	removal->handler = upload;
	removal->exchange = exchange;
	/*
	 * A file need not be readable to be removed: it is opened only for a condition.
	 */
	if (http_upload_is_conditional(weir_http_request(exchange)))
		http_upload_check(
		        &removal->condition, upload->tree, exchange, http_upload_delete_on_checked);
	else
		http_upload_delete_remove_file(removal);
}

/* -- the handler ------------------------------------------------------------------------------- */

static bool http_upload_allows(const struct http_upload *upload, enum weir_http_method method)
{
	switch (method) {
	case WEIR_HTTP_PUT:
		return upload->put;
	case WEIR_HTTP_DELETE:
		return upload->remove;
	case WEIR_HTTP_POST:
		return upload->forms;
	default:
		return false;
	}
}

static bool http_upload_match(
        const struct weir_http_handler *handler, const struct weir_http_exchange *exchange)
{
	const struct http_upload *upload = WEIR_CONTAINER(handler, struct http_upload, handler);
	return http_upload_allows(upload, weir_http_request(exchange)->method) &&
	       http_path_below(weir_http_path(exchange), upload->prefix);
}

static unsigned http_upload_methods(const struct weir_http_handler *handler,
        const struct weir_http_exchange *exchange, enum weir_http_target target)
{
	const struct http_upload *upload = WEIR_CONTAINER(handler, struct http_upload, handler);
	unsigned methods = 0;
	if (target != WEIR_HTTP_TARGET_SITE &&
	        (weir_http_path_is_hidden(exchange) ||
	                !http_path_below(weir_http_path(exchange), upload->prefix)))
		return 0;
	if (target != WEIR_HTTP_TARGET_DIRECTORY) {
		methods |= upload->put ? 1u << WEIR_HTTP_PUT : 0;
		methods |= upload->remove ? 1u << WEIR_HTTP_DELETE : 0;
	}
	if (target != WEIR_HTTP_TARGET_FILE)
		methods |= upload->forms ? 1u << WEIR_HTTP_POST : 0;
	return methods;
}

static void http_upload_handle(
        struct weir_http_handler *handler, struct weir_http_exchange *exchange)
{
	struct http_upload *upload = WEIR_CONTAINER(handler, struct http_upload, handler);
	enum weir_http_method method = weir_http_request(exchange)->method;
	if (!upload->attached)
		weir_tree_attach(upload->tree, weir_http_loop(exchange));
	upload->attached = true;
	if (method == WEIR_HTTP_DELETE)
		http_upload_delete(upload, exchange);
	else if (weir_http_request(exchange)->length > upload->size_max)
		http_upload_refuse(exchange, 413);
	else if (method == WEIR_HTTP_PUT)
		http_upload_put(upload, exchange);
	else
		http_upload_form(upload, exchange);
}

static void http_upload_destroy(struct weir_http_handler *handler)
{
	struct http_upload *upload = WEIR_CONTAINER(handler, struct http_upload, handler);
	weir_tree_close(upload->tree);
	free(upload);
}

void weir_http_upload_options_init(struct weir_http_upload_options *options)
{
	*options =
	        (struct weir_http_upload_options){.prefix = "", .max_size = WEIR_HTTP_UPLOAD_MAX};
}

struct weir_http_handler *weir_http_upload_create(
        struct weir_tree *tree, const struct weir_http_upload_options *options)
{
	static const struct weir_http_handler_type type = {"upload", http_upload_match,
	        http_upload_handle, http_upload_destroy, http_upload_methods};
	size_t size = strlen(options->prefix);
	struct http_upload *upload = tree ? malloc(sizeof *upload + size) : NULL;
	if (!upload) {
		weir_tree_close(tree);
		return NULL;
	}
	*upload = (struct http_upload){
	        .handler.type = &type,
	        .tree = tree,
	        .size_max = options->max_size,
	        .mode = options->mode & 0777,
	        .put = options->put,
	        .remove = options->remove,
	        .forms = options->forms,
	        .prefix = weir_span(upload->text, size),
	};
	if (size)
		memcpy(upload->text, options->prefix, size);
	return &upload->handler;
}
