/*
 * A directory of the test's own behind an upload handler and a file handler:
 *
 *   file  "old"        dir/file  "old"     .hidden  "old"
 *   out -> /tmp        dangling -> nowhere
 */
#ifndef WEIR_TEST_UPLOAD_TREE_H
#define WEIR_TEST_UPLOAD_TREE_H

#include <weir/http_upload.h>

#include "web.h"

#define UPLOAD_TREE_ENTRIES 5 /* in the root */

struct upload_tree {
	struct weir_http_upload_options
	        options; /* to be set before the start; 0 and NULL: the default */
	struct web web;
	char root[64];
	int fd;
};

void upload_tree_start(struct upload_tree *tree, struct weir_loop *loop);
/* Fails if an upload has left a file of its own. */
void upload_tree_stop(struct upload_tree *tree);

/* Sends a request whose reply is the last on its connection (see HOST). */
const char *upload_tree_ask(struct upload_tree *tree, const char *request);

/* Whether the path holds just this; NULL: whether it is not there. */
bool upload_tree_holds(const struct upload_tree *tree, const char *path, const char *content);
/* Entries in the root. */
unsigned upload_tree_count(const struct upload_tree *tree);

/* For the group: one loop, as *state. */
int upload_tree_setup(void **state);
int upload_tree_teardown(void **state);

#define HOST "Host: a\r\nConnection: close\r\n"
#define PUT(path, size) "PUT " path " HTTP/1.1\r\n" HOST "Content-Length: " size "\r\n"
#define DELETE(path) "DELETE " path " HTTP/1.1\r\n" HOST

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define THOUSAND HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED

#endif
