/*
 * Preconditions of changes: the file that is there is looked up and the request's conditions held
 * against it. They hold for the moment of the look only; who writes looks again just before.
 */
#include <errno.h>

#include <weir/loop.h>

#include "conditional.h"
#include "etag.h"
#include "upload.h"

bool weir_http_upload_is_conditional(const struct weir_http_request *request)
{
	return request->first[WEIR_HTTP_IF_MATCH] || request->first[WEIR_HTTP_IF_NONE_MATCH] ||
	       request->first[WEIR_HTTP_IF_UNMODIFIED_SINCE];
}

static unsigned check(struct weir_http_exchange *exchange, const struct weir_file *file)
{
	struct weir_http_validators validators = {.exists = file};
	char etag[WEIR_HTTP_ETAG_MAX];
	if (file) {
		validators.has_modified = true;
		validators.modified = file->mtime.tv_sec;
		validators.etag = weir_span(etag, weir_http_etag_format(file, etag));
	}
	return (unsigned)weir_http_conditional_check(weir_http_request(exchange), &validators,
	        weir_loop_wall_s(weir_http_loop(exchange)));
}

static void on_found(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct upload_condition *condition =
	        WEIR_CONTAINER(lookup, struct upload_condition, lookup);
	unsigned status = 0;
	if (error < 0 && error != -ENOENT)
		status = weir_http_upload_status(error);
	else if (file && file->kind == WEIR_FILE_DIRECTORY)
		status = 405;
	else
		status = check(condition->exchange, file);
	condition->done(condition, status, file);
}

void weir_http_upload_check(struct upload_condition *condition, struct weir_tree *tree,
        struct weir_http_exchange *exchange,
        void (*done)(struct upload_condition *condition, unsigned status, bool exists))
{
	condition->exchange = exchange;
	condition->done = done;
	weir_tree_lookup(tree, &condition->lookup, weir_http_path(exchange).data, on_found);
}
