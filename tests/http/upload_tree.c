/* See the header. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <weir/http_files.h>
#include <weir/tree.h>
#include "upload_tree.h"

static void make_file(const struct upload_tree *tree, const char *path)
{
	int fd = openat(tree->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "old", 3), 3);
	close(fd);
}

static struct weir_tree *open_tree(const struct upload_tree *tree)
{
	struct weir_tree *ret;
	assert_int_equal(weir_tree_open(NULL, tree->root, NULL, &ret), 0);
	return ret;
}

void upload_tree_start(struct upload_tree *tree, struct weir_loop *loop)
{
	struct weir_http_files_options files;
	struct weir_http_upload_options uploads, defaults;
	weir_http_files_options_init(&files);
	weir_http_upload_options_init(&defaults);
	assert_false(defaults.put || defaults.remove || defaults.forms || defaults.mode);
	uploads = tree->options;
	if (!uploads.max_size)
		uploads.max_size = defaults.max_size;
	if (!uploads.prefix)
		uploads.prefix = defaults.prefix;
	strcpy(tree->root, "upload-XXXXXX");
	assert_non_null(mkdtemp(tree->root));
	tree->fd = open(tree->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(tree->fd, "dir", 0755), 0);
	make_file(tree, "file");
	make_file(tree, "dir/file");
	make_file(tree, ".hidden");
	assert_int_equal(symlinkat("/tmp", tree->fd, "out"), 0);
	assert_int_equal(symlinkat("nowhere", tree->fd, "dangling"), 0);
	web_start(&tree->web, loop,
	        web_chain(weir_http_upload_create(open_tree(tree), &uploads),
	                weir_http_files_create(open_tree(tree), &files)));
}

static void remove_below(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fdopendir(fd);
	assert_non_null(directory);
	for (struct dirent *entry; (entry = readdir(directory));) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (strncmp(name, ".weir-", 6) == 0)
			fail_msg("%s was left in %s", name, path);
		if (unlinkat(fd, name, 0) < 0)
			remove_below(fd, name);
	}
	closedir(directory);
	assert_int_equal(unlinkat(at, path, AT_REMOVEDIR), 0);
}

void upload_tree_stop(struct upload_tree *tree)
{
	web_stop(&tree->web);
	close(tree->fd);
	remove_below(AT_FDCWD, tree->root);
}

const char *upload_tree_ask(struct upload_tree *tree, const char *request)
{
	return web_ask(&tree->web, request);
}

bool upload_tree_holds(const struct upload_tree *tree, const char *path, const char *content)
{
	char buffer[4096];
	int fd = openat(tree->fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return !content;
	ssize_t size = read(fd, buffer, sizeof buffer);
	close(fd);
	return content && size == (ssize_t)strlen(content) &&
	       memcmp(buffer, content, strlen(content)) == 0;
}

unsigned upload_tree_count(const struct upload_tree *tree)
{
	unsigned count = 0;
	DIR *directory = fdopendir(openat(tree->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count - 2;
}

int upload_tree_setup(void **state)
{
	struct weir_loop *loop;
	int error = weir_loop_create(&loop);
	*state = loop;
	return error;
}

int upload_tree_teardown(void **state)
{
	weir_loop_destroy(*state);
	return 0;
}
