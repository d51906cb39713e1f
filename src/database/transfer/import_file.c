/* The file of a message in a Maildir. See import_file.h. */
#include "import_file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

static unsigned import_file_count_digits(const char *text)
{
	unsigned count = 0;
	while (isdigit((unsigned char)text[count]))
		count++;
	return count;
}

bool import_file_parse_time(struct weir_span unique, int64_t *ret_us)
{
	char text[40];
	if (unique.size >= sizeof text)
		unique.size = sizeof text - 1;
	memcpy(text, unique.data, unique.size);
	text[unique.size] = 0;
	unsigned seconds = import_file_count_digits(text);
	if (seconds < 9 || seconds > 11 || strncmp(text + seconds, ".M", 2) != 0)
		return false;
	unsigned fraction = import_file_count_digits(text + seconds + 2);
	if (fraction < 1 || fraction > 6 || text[seconds + 2 + fraction] != 'P')
		return false;
	*ret_us = strtoll(text, NULL, 10) * 1000000 + strtoll(text + seconds + 2, NULL, 10);
	return true;
}

int import_file_open(int directory, const struct maildir_message *message)
{
	const uint64_t flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
	char path[NAME_MAX + 8];
	snprintf(path, sizeof path, "%s/%s", message->flags & MESSAGE_CUR ? "cur" : "new",
	        message->name);
	int fd = maildir_open_beneath(directory, path, flags, false);
	if (fd != -ENOENT)
		return fd;
	struct maildir_list now = {0};
	struct maildir_message renamed = {0};
	int error = maildir_list_read(&now, directory);
	if (error == 0)
		error = maildir_list_find(&now, message->unique, &renamed);
	if (error == 0) {
		snprintf(path, sizeof path, "%s/%s", renamed.flags & MESSAGE_CUR ? "cur" : "new",
		        renamed.name);
		error = maildir_open_beneath(directory, path, flags, false);
	}
	maildir_list_free(&now);
	return error;
}

uint64_t import_file_count(int root, const char *user, const char *part)
{
	char path[WEIR_USER_NAME_MAX + 8];
	uint64_t count = 0;
	snprintf(path, sizeof path, "%s/%s", user, part);
	int fd = maildir_open_beneath(root, path, O_RDONLY | O_DIRECTORY, false);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	if (!directory) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	for (const struct dirent *entry; (entry = readdir(directory));)
		count += maildir_is_message(fd, entry);
	closedir(directory);
	return count;
}

const char *import_file_list(
        int root, const char *user, int *ret_directory, struct maildir_list *list)
{
	*ret_directory = maildir_open_beneath(root, user, O_RDONLY | O_DIRECTORY, false);
	if (*ret_directory < 0)
		return weir_error_text(*ret_directory);
	int error = maildir_list_read(list, *ret_directory);
	if (error == -ENOENT)
		return "it is no Maildir: there is no new/ or cur/ in it";
	return error < 0 ? weir_error_text(error) : NULL;
}
