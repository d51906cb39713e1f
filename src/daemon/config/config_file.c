/*
 * Reads weir.yaml and the files that it includes into one tree of nodes, and the tree along the
 * table. Invariant: no file is read twice, and their number, depth and size are bounded, so that
 * files that include each other come to an end.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/error.h>

#include "config.h"
#include "config_dns.h"
#include "document.h"
#include "say.h"
#include "sources.h"
#include "table.h"
#include "types.h"

/* -- one file ---------------------------------------------------------------------------------- */

/* Appends a whole file to the empty buffer, which the caller frees in any case. */
static int config_file_read_all(
        const char *path, struct stat *ret_status, struct weir_buffer *buffer)
{
	static ino_t replayed;
	int error;
	/* The master has looked for files that are included twice. */
	if (sources_text(path, buffer, &error)) {
		ret_status->st_ino = ++replayed;
		return error;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	error = weir_buffer_read(buffer, fd, CONFIG_FILE_MAX);
	if (error == WEIR_E_LIMIT)
		error = -EFBIG;
	if (error == 0 && fstat(fd, ret_status) < 0)
		error = -errno;
	close(fd);
	if (error == 0)
		sources_add_text(path, weir_buffer_span(buffer));
	return error;
}

/* -- all files --------------------------------------------------------------------------------- */

/* A configuration while its files are being read. */
struct loading {
	struct problems *problems;
	struct memory *memory; /* of nodes and sources */
	unsigned count;        /* of files */
	struct {
		dev_t device;
		ino_t inode;
	} files[CONFIG_INCLUDE_FILES_MAX];
};

static struct node *config_file_load(
        struct loading *loading, const char *path, const struct node *from, unsigned depth);

/* Reports what is wrong with a file, at the node that includes it if one does. */
static void config_file_report(
        struct loading *loading, const char *path, const struct node *from, const char *text)
{
	if (from)
		problems_add(loading->problems, node_location(from), "%s: %s", path, text);
	else
		problems_add(loading->problems, (struct location){0}, "%s", text);
}

/* Returns the part of a path before its last slash; NULL without memory. */
static char *config_file_directory(struct memory *memory, const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return memory_copy(memory, ".", 1);
	return memory_copy(memory, path, slash == path ? 1 : (size_t)(slash - path));
}

/* Returns NULL and an error. */
static struct source *config_file_source(struct loading *loading, const char *path, int *ret_error)
{
	struct source *source = memory_alloc(loading->memory, sizeof *source);
	char *directory = config_file_directory(loading->memory, path);
	char *absolute = directory ? sources_real_path(directory) : NULL;
	*ret_error = !source || !directory ? -ENOMEM : !absolute ? -errno : 0;
	if (*ret_error == 0) {
		source->path = memory_copy(loading->memory, path, strlen(path));
		source->directory = memory_copy(loading->memory, absolute, strlen(absolute));
		source->order = loading->count;
		if (!source->path || !source->directory)
			*ret_error = -ENOMEM;
	}
	free(absolute);
	return *ret_error < 0 ? NULL : source;
}

/* Remembers a file. Returns false if it was read before. */
static bool config_file_is_new(struct loading *loading, const struct stat *status)
{
	for (unsigned i = 0; i < loading->count; i++)
		if (loading->files[i].device == status->st_dev &&
		        loading->files[i].inode == status->st_ino)
			return false;
	loading->files[loading->count].device = status->st_dev;
	loading->files[loading->count].inode = status->st_ino;
	loading->count++;
	return true;
}

static void config_file_include_path(struct loading *loading, struct node *root,
        const struct node *from, const char *path, unsigned depth)
{
	if (loading->count == CONFIG_INCLUDE_FILES_MAX) {
		config_file_report(loading, path, from, "too many files are included");
		return;
	}
	struct node *other = config_file_load(loading, path, from, depth);
	if (other && other->type != NODE_MAPPING)
		problems_add(loading->problems, node_location(other),
		        "an included file must have lines of 'key: value'");
	else if (other && !node_merge(loading->memory, root, other))
		config_file_report(loading, path, from, "out of memory");
}

/* A pattern may match nothing; a name without a star must exist. */
static void config_file_include_pattern(
        struct loading *loading, struct node *root, const struct node *value, unsigned depth)
{
	char *directory = config_file_directory(loading->memory, value->source->path);
	size_t size = (directory ? strlen(directory) : 0) + value->count + 2;
	char *pattern = memory_alloc(loading->memory, size);
	glob_t found;
	if (!directory || !pattern) {
		config_file_report(loading, value->text, value, "out of memory");
		return;
	}
	if (value->text[0] == '/' || strcmp(directory, ".") == 0)
		snprintf(pattern, size, "%s", value->text);
	else
		snprintf(pattern, size, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory,
		        value->text);
	errno = 0;
	int error = sources_glob(pattern, &found);
	if (error == GLOB_ABORTED && errno == ENOENT)
		error = GLOB_NOMATCH;
	if (error == GLOB_NOSPACE)
		config_file_report(loading, pattern, value, "out of memory");
	else if (error == GLOB_ABORTED)
		config_file_report(loading, pattern, value, weir_error_text(-errno));
	else if (error == GLOB_NOMATCH && !strpbrk(pattern, "*?["))
		config_file_report(loading, pattern, value, weir_error_text(-ENOENT));
	for (size_t i = 0; error == 0 && i < found.gl_pathc; i++)
		config_file_include_path(loading, root, value, found.gl_pathv[i], depth);
	if (error == 0)
		globfree(&found);
}

static void config_file_include_value(
        struct loading *loading, struct node *root, struct node *value, unsigned depth)
{
	if (value->type != NODE_SCALAR || node_is_empty(value))
		problems_add(loading->problems, node_location(value),
		        "'include' must be a pattern such as conf.d/*.yaml, or a list of these");
	else if (!value->broken)
		config_file_include_pattern(loading, root, value, depth);
}

/* The own keys come first: files are merged in the order in which they are included. */
static void config_file_include(struct loading *loading, struct node *root, unsigned depth)
{
	struct node *value = node_find(root, "include");
	if (!value)
		return;
	if (depth == CONFIG_INCLUDE_DEPTH_MAX) {
		problems_add(loading->problems, node_location(value),
		        "files include each other deeper than %d", CONFIG_INCLUDE_DEPTH_MAX);
		return;
	}
	if (value->type != NODE_LIST) {
		config_file_include_value(loading, root, value, depth);
		return;
	}
	for (size_t i = 0; i < value->count; i++)
		config_file_include_value(loading, root, value->items[i], depth);
}

/* Removes the key `include` of an included file, which is not merged. */
static void config_file_drop_include(struct node *root)
{
	size_t left = 0;
	for (size_t i = 0; i < root->count && root->type == NODE_MAPPING; i++) {
		const struct node *key = root->pairs[i].key;
		if (key->type != NODE_SCALAR || strcmp(key->text, "include") != 0)
			root->pairs[left++] = root->pairs[i];
	}
	if (root->type == NODE_MAPPING)
		root->count = left;
}

/* `from` is the node that includes the file, or NULL. Returns NULL if there is nothing to read. */
static struct node *config_file_load(
        struct loading *loading, const char *path, const struct node *from, unsigned depth)
{
	struct weir_buffer text = {0};
	struct stat status = {0};
	struct node *root = NULL;
	int error;
	struct source *source = config_file_source(loading, path, &error);
	if (error == 0)
		error = config_file_read_all(path, &status, &text);
	if (error < 0) {
		weir_buffer_finish(&text);
		config_file_report(loading, path, from, weir_error_text(error));
		return NULL;
	}
	bool good = config_file_is_new(loading, &status);
	if (!good)
		config_file_report(loading, path, from, "the file is included a second time");
	good = good && document_load(loading->problems, loading->memory, source,
	                       (const unsigned char *)text.data, text.size, &root);
	weir_buffer_finish(&text);
	if (good && !root && !from)
		config_file_report(loading, path, from, "the file has no keys; it needs 'sites'");
	if (!good || !root)
		return NULL;
	config_file_include(loading, root, depth + 1);
	if (from)
		config_file_drop_include(root);
	return root;
}

/* -- the configuration ------------------------------------------------------------------------- */

struct config *config_file_default(void)
{
	struct config *config = config_create();
	if (!config)
		return NULL;
	struct problems problems = {.file = ""};
	struct reader reader = {.memory = &config->memory, .problems = &problems, .directory = "/"};
	config_on_release(config, config_dns_release);
	bool good = section_init(&reader, &table_top, config);
	problems_free(&problems);
	if (good)
		return config;
	config_release(config);
	return NULL;
}

static void config_file_parse(struct config *config, struct problems *problems,
        const struct config *previous, struct loading *loading)
{
	struct node *root = config_file_load(loading, problems->file, NULL, 0);
	struct reader reader = {
	        .memory = &config->memory,
	        .problems = problems,
	        .config = config,
	        .previous = previous,
	};
	if (root)
		section_read(&reader, root, &table_top, config);
}

struct config *config_file_read(struct problems *problems, const struct config *previous)
{
	struct memory memory = {0};
	struct loading *loading = memory_alloc(&memory, sizeof *loading);
	struct config *config = loading ? config_file_default() : NULL;
	if (config) {
		*loading = (struct loading){.problems = problems, .memory = &memory};
		config_file_parse(config, problems, previous, loading);
	} else {
		problems_add(problems, (struct location){0}, "out of memory");
	}
	memory_free(&memory);
	if (problems->count == 0)
		return config;
	config_release(config);
	return NULL;
}

char *config_file_text(const char *path, const char *name)
{
	struct memory memory = {0};
	struct problems problems = {.file = path};
	struct source source = {.path = path, .directory = "/"};
	struct weir_buffer text = {0};
	struct stat status;
	struct node *root = NULL;
	if (config_file_read_all(path, &status, &text) == 0)
		document_load(&problems, &memory, &source, (const unsigned char *)text.data,
		        text.size, &root);
	const struct node *value = node_find(root, name);
	bool good = value && value->type == NODE_SCALAR && !value->broken;
	char *copy = good ? strdup(value->text) : NULL;
	weir_buffer_finish(&text);
	problems_free(&problems);
	memory_free(&memory);
	return copy;
}

int config_file_set_root(struct config *config, const char *root)
{
	struct config_site *site = config_alloc(config, sizeof *site);
	const char *copy = config_copy(config, root, strlen(root));
	struct problems problems = {.file = ""};
	struct reader reader = {.memory = &config->memory, .problems = &problems, .directory = "/"};
	bool good = site && copy && section_init(&reader, &table_site, site);
	problems_free(&problems);
	if (!good)
		return -ENOMEM;
	config_release_users(config);
	site->root = copy;
	config->sites.items = site;
	config->sites.count = 1;
	return 0;
}
