/* A lookup in a test: what was answered, and the steps that wait. */
#ifndef WEIR_TEST_ASKED_H
#define WEIR_TEST_ASKED_H

#include "scratch.h"

#include <weir/tree.h>

struct asked {
	struct weir_lookup lookup;
	int answers;
	int error;
	struct weir_file *file; /* held */
};

static inline void on_done(struct weir_lookup *lookup, int error, struct weir_file *file)
{
	struct asked *asked = WEIR_CONTAINER(lookup, struct asked, lookup);
	asked->answers++;
	asked->error = error;
	asked->file = file ? weir_file_hold(file) : NULL;
	assert_true(file ? error == 0 : error < 0);
}

static inline void forget_file(struct asked *asked)
{
	weir_file_release(asked->file);
	asked->file = NULL;
}

static inline int ask(struct weir_tree *tree, struct asked *asked, const char *path)
{
	memset(asked, 0, sizeof *asked);
	weir_tree_lookup(tree, &asked->lookup, path, on_done);
	turn_until(&asked->answers, 1);
	return asked->error;
}

static inline int error_of(struct weir_tree *tree, const char *path)
{
	struct asked asked;
	ask(tree, &asked, path);
	forget_file(&asked);
	return asked.error;
}

static inline struct weir_tree *open_tree(const struct weir_tree_options *options)
{
	struct weir_tree *tree = NULL;
	assert_int_equal(weir_tree_open(loop, scratch, options, &tree), 0);
	return tree;
}

#endif
