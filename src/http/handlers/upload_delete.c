/*
 * DELETE: a file is removed, and its directory synced, before the 204. Directories are not removed.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/list.h>
#include <weir/upload.h>

#include "exchange.h"
#include "upload_handler.h"

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

void http_upload_delete(struct http_upload *upload, struct weir_http_exchange *exchange)
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
