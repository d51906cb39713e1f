/* From the bytes of a YAML file to nodes, and the memory in which they live. */
#ifndef DAEMON_DOCUMENT_H
#define DAEMON_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "problems.h"

/* -- memory ------------------------------------------------------------------------------------ */

/*
 * Memory that is freed all at once: what a configuration, or the reading of one, is made of.
 *
 *   struct memory memory = {0};
 *   char *text = memory_copy(&memory, "a", 1);
 *   memory_free(&memory);
 */
struct memory_block;

/* All zero at first. */
struct memory {
	struct memory_block *blocks;
};

/*
 * Both return NULL if there is no memory. The memory of the first is zero; a copy ends with a NUL.
 */
void *memory_alloc(struct memory *memory, size_t size);
char *memory_copy(struct memory *memory, const char *text, size_t size);

/* Frees everything; the struct can be used again. */
void memory_free(struct memory *memory);

/* -- nodes ------------------------------------------------------------------------------------- */

/*
 * A node knows the file, line and column that it comes from, and in values the variables of the
 * environment are replaced:
 *
 *   ${NAME}    the value of the variable NAME; an error if there is none
 *   $${        the two characters ${
 *
 * Nodes are those of the file, also where an alias names one: nodes may be shared, and a list may
 * contain itself. Readers must bound their depth on their own.
 */

/* How deep lists and mappings may be nested; the configuration's own depth is 6. */
enum {
	DOCUMENT_DEPTH_MAX = 32
};

/* A file that nodes come from. */
struct source {
	const char *path;      /* for messages */
	const char *directory; /* absolute: relative paths of the file's values start here */
	unsigned order;        /* the first file is 0 */
};

enum node_type {
	NODE_SCALAR,
	NODE_LIST,
	NODE_MAPPING,
};

struct node_pair {
	struct node *key;
	struct node *value;
};

struct node {
	enum node_type type;
	bool plain;  /* a scalar without quotes */
	bool broken; /* its variables could not be replaced, which is a problem already */
	bool visited;
	const struct source *source;
	size_t line;
	size_t column;
	size_t count;     /* bytes of a scalar, items of a list, pairs of a mapping */
	const char *text; /* of a scalar; a NUL follows */
	struct node **items;
	struct node_pair *pairs;
};

/*
 * Returns true and the root of the document, which lives in `memory`; NULL for a file without keys.
 * Returns false if the file is not good; the reason was added to `problems`.
 */
bool document_load(struct problems *problems, struct memory *memory, const struct source *source,
        const unsigned char *data, size_t size, struct node **ret_root);

struct location node_location(const struct node *node);

/* Whether it is a scalar without a value: nothing, ~ or null. */
bool node_is_empty(const struct node *node);

/* The value of a key in a mapping; NULL: there is none, or `mapping` is no mapping, or NULL. */
struct node *node_find(const struct node *mapping, const char *name);

/* The item of a list; NULL: there is none, or `list` is no list, or NULL. */
struct node *node_item(const struct node *list, size_t index);

/*
 * Adds the pairs of the mapping `from` to `into`. Where both have a key, lists are joined, mappings
 * merged, and what is neither stays twice. Returns false without memory.
 */
bool node_merge(struct memory *memory, struct node *into, struct node *from);

#endif
