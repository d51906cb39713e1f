/* An upload in a test: the results of its callbacks, and functions that wait for them. */
#ifndef WEIR_TEST_SENT_H
#define WEIR_TEST_SENT_H

#include "scratch.h"

#include <weir/tree.h>
#include <weir/upload.h>

struct sent {
	struct weir_upload *upload;
	int ready; /* calls */
	int ready_error;
	int done;
	int error;
	bool created;
};

static struct weir_tree *tree;

static inline void on_ready(void *context, int error)
{
	struct sent *sent = context;
	sent->ready++;
	sent->ready_error = error;
}

static inline void on_committed(void *context, int error, bool created)
{
	struct sent *sent = context;
	sent->done++;
	sent->error = error;
	sent->created = created;
}

static inline int begin(struct sent *sent, const char *path, struct weir_upload_options options)
{
	struct weir_upload_options defaults;
	weir_upload_options_init(&defaults);
	assert_true(
	        !defaults.size_max && !defaults.size_known && !defaults.mode && !defaults.check);
	if (!options.size_max)
		options.size_max = 1 << 30;
	memset(sent, 0, sizeof *sent);
	return weir_upload_begin(tree, path, &options, on_ready, sent, &sent->upload);
}

static inline int commit(struct sent *sent)
{
	weir_upload_commit(sent->upload, on_committed, sent);
	assert_int_equal(sent->done, 0);
	turn_until(&sent->done, 1);
	return sent->error;
}

static inline int send_text(
        struct sent *sent, const char *path, const char *text, struct weir_upload_options options)
{
	int error = begin(sent, path, options);
	if (error < 0)
		return error;
	error = weir_upload_write(sent->upload, weir_span_of(text));
	if (error < 0) {
		weir_upload_abort(sent->upload);
		return error;
	}
	return commit(sent);
}

#endif
