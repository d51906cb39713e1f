/*
 * A generator of a directory's lines. It holds one batch of entries, so that memory does not
 * depend on the size of the directory, and the first lines are sent at once. A line that does not
 * fit into the output is saved until there is room.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/limits.h>
#include <weir/sources.h>

#include "listing.h"

struct ftp_list {
	struct weir_directory *directory;
	struct weir_producer *producer;
	struct ftp_entry_style style;
	bool hidden;
	bool waiting; /* for a batch */
	bool failed;
	bool ended; /* there are no more batches */
	const struct weir_directory_entry *entries;
	size_t count;
	size_t next;
	/* a line that did not fit into the output */
	size_t line_size;
	size_t line_put;
	size_t line_room;
	char *line;
	char prefix[]; /* the style's */
};

static void ftp_list_on_close(void *context, enum weir_close_reason why)
{
	struct ftp_list *list = context;
	(void)why;
	weir_directory_close(list->directory);
	free(list->line);
	free(list);
}

static void ftp_list_on_batch(
        void *context, int error, const struct weir_directory_entry *entries, size_t count)
{
	struct ftp_list *list = context;
	list->waiting = false;
	list->entries = entries;
	list->count = count;
	list->next = 0;
	list->failed = error < 0;
	list->ended = count == 0;
	weir_wake(list->producer);
}

/* Writes the rest of the line. Returns whether all of it has been written. */
static bool ftp_list_put_line(struct ftp_list *list, struct weir_output *out)
{
	size_t left = list->line_size - list->line_put;
	if (left)
		list->line_put += weir_output_copy(out, list->line + list->line_put, left);
	return list->line_put == list->line_size;
}

static void ftp_list_next_line(struct ftp_list *list)
{
	struct weir_directory_entry entry = list->entries[list->next++];
	if (entry.target && !ftp_path_shows_target(entry.target, list->hidden))
		entry.target = NULL;
	list->line_put = 0;
	list->line_size = list->style.write(&list->style, &entry, list->line, list->line_room);
}

static enum weir_more ftp_list_more(void *context, struct weir_output *out)
{
	struct ftp_list *list = context;
	while (weir_output_room(out)) {
		if (!ftp_list_put_line(list, out))
			return WEIR_MORE;
		if (list->waiting)
			return WEIR_WAIT;
		if (list->failed)
			return WEIR_FAILED;
		if (list->ended)
			return WEIR_DONE;
		if (list->next < list->count) {
			ftp_list_next_line(list);
			continue;
		}
		list->waiting = true;
		weir_directory_next(list->directory, ftp_list_on_batch, list);
	}
	return WEIR_MORE;
}

struct weir_producer *ftp_list(struct weir_loop *loop, const struct weir_file *directory,
        const struct ftp_entry_style *style, const struct ftp_list_filter *filter)
{
	struct weir_directory_options options;
	weir_directory_options_init(&options);
	options.details = style->write != ftp_entry_name;
	options.sort_max = WEIR_DIRECTORY_SORT_MAX;
	options.tree = filter->tree;
	options.path = filter->path;
	options.links = style->links;
	options.pattern = filter->pattern;
	options.shown = filter->hidden ? ftp_path_shows_all : ftp_path_shows_plain;
	bool paths = filter->pattern && strchr(filter->pattern, '/');
	size_t prefix = style->prefix ? strlen(style->prefix) + 1 : 0;
	struct ftp_list *list = calloc(1, sizeof *list + prefix);
	if (!list)
		return NULL;
	list->style = *style;
	list->hidden = filter->hidden;
	if (prefix)
		list->style.prefix = memcpy(list->prefix, style->prefix, prefix);
	list->line_room = FTP_ENTRY_MAX + prefix + (paths ? 2 * WEIR_PATH_MAX : 0);
	list->line = malloc(list->line_room);
	if (!list->line ||
	        weir_directory_open(loop, directory->fd, &options, &list->directory) < 0) {
		ftp_list_on_close(list, WEIR_CLOSE_FAILED);
		return NULL;
	}
	/* If there is no memory, weir_produce_generator closes the list. */
	struct weir_producer *producer =
	        weir_produce_generator(ftp_list_more, ftp_list_on_close, list);
	if (producer)
		list->producer = producer;
	return producer;
}

void ftp_entry_of_status(const struct stat *status, enum weir_file_kind kind, const char *name,
        struct weir_directory_entry *ret)
{
	*ret = (struct weir_directory_entry){
	        .name = name,
	        .kind = kind,
	        .size = (uint64_t)status->st_size,
	        .mtime = status->st_mtim,
	        .mode = status->st_mode,
	        .links = status->st_nlink,
	        .inode = status->st_ino,
	        .device = status->st_dev,
	};
}

int ftp_entry_of(const struct weir_file *file, const char *name, struct weir_directory_entry *ret)
{
	struct stat status;
	if (fstat(file->fd, &status) < 0)
		return -errno;
	ftp_entry_of_status(&status, file->kind, name, ret);
	return 0;
}
