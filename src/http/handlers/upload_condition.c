/*
 * Preconditions of changes: the file that is there is looked up and the request's conditions held
 * against it. The look only spares the client a body in vain. What counts is the answer of
 * http_upload_holds, which the store asks for in one step with the change.
 */
#include <errno.h>

#include <sys/stat.h>
#include <time.h>

#include <weir/tree.h>

#include "conditional.h"
#include "etag.h"
#include "upload_handler.h"

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

/* On the work pool: the request was copied before, and does not change (http_exchange_keep_now). */
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
	/* A link that leads nowhere, or out of the root, is replaced like any other. */
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
