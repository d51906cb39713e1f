/*
 * The logs of one worker. Servers of several configurations may write to the same log for a while,
 * so each path is opened once, for as long as a server uses it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "log_file.h"
#include "resources.h"
#include "say.h"

static struct log_file *log_file_file_of(struct weir_list *link)
{
	return WEIR_CONTAINER(link, struct log_file, link);
}

static struct log_file *log_file_find(struct weir_list *logs, const char *path)
{
	for (struct weir_list *link = logs->next; link != logs; link = link->next)
		if (strcmp(log_file_file_of(link)->path, path) == 0)
			return log_file_file_of(link);
	return NULL;
}

static enum weir_log_format log_file_format;

void log_set_format(enum weir_log_format format)
{
	log_file_format = format;
}

static void log_file_failed(void *context, int error)
{
	const char *path = weir_log_path(context);
	if (error < 0)
		say("cannot write the log %s: %s; lines are lost until it can be written again",
		        path, weir_error_text(error));
	else
		say("the log %s can be written again", path);
}

int log_create(struct weir_loop *loop, const char *user, const char *path, struct weir_log **ret)
{
	int fd = resources_open_log(user, path);
	int error = fd < 0 ? fd : weir_log_adopt(loop, path, fd, resources_reopen_log, ret);
	if (error == -ELOOP)
		say("cannot write the log %s: it is a symbolic link, or below one, that may be another "
		    "user's; name the file itself",
		        path);
	else if (error == -EPERM)
		say("cannot write the log %s: the file belongs to another user, or has a second name; "
		    "remove it, or name another",
		        path);
	else if (error < 0)
		say("cannot write the log %s: %s", path, weir_error_text(error));
	if (error < 0)
		return error;
	weir_log_set_format(*ret, log_file_format);
	weir_log_on_failure(*ret, log_file_failed, *ret);
	return 0;
}

int log_file_open(struct weir_list *logs, struct weir_loop *loop, const char *user,
        const char *path, struct log_file **ret)
{
	struct log_file *file = log_file_find(logs, path);
	*ret = file;
	if (file) {
		weir_log_set_format(file->log, log_file_format);
		return 0;
	}
	file = calloc(1, sizeof *file);
	if (!file || !(file->path = strdup(path))) {
		free(file);
		return -ENOMEM;
	}
	int error = log_create(loop, user, path, &file->log);
	if (error < 0) {
		free(file->path);
		free(file);
		return error;
	}
	weir_list_append(logs, &file->link);
	*ret = file;
	return 0;
}

void log_files_reopen(struct weir_list *logs)
{
	for (struct weir_list *link = logs->next; link != logs; link = link->next) {
		struct log_file *file = log_file_file_of(link);
		int error = weir_log_reopen(file->log);
		if (error < 0)
			say("cannot reopen the log %s: %s; logging goes on in the old file",
			        file->path, weir_error_text(error));
	}
}

void log_files_close(struct weir_list *logs, bool all)
{
	for (struct weir_list *link = logs->next, *next; link != logs; link = next) {
		struct log_file *file = log_file_file_of(link);
		next = link->next;
		if (file->users && !all)
			continue;
		weir_list_remove(link);
		weir_log_destroy(file->log);
		free(file->path);
		free(file);
	}
}
