/*
 * Invariant: the path names the whole old or the whole new copy, also after a crash: the new one is
 * on the disk before it gets the name.
 */
#include "snapshot_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include <weir/limits.h>

#include "helper.h"

static unsigned long copy_sum(struct weir_span text)
{
	/* The text may have more bytes than uInt counts on some machine, not here. */
	return crc32(crc32(0, NULL, 0), (const unsigned char *)text.data, (unsigned)text.size);
}

static int copy_write_all(int fd, struct weir_span text)
{
	while (text.size) {
		ssize_t count = write(fd, text.data, text.size);
		if (count < 0 && errno != EINTR)
			return -errno;
		if (count > 0)
			text = weir_span_skip(text, (size_t)count);
	}
	return 0;
}

static int copy_sync_directory(const char *path)
{
	char directory[PATH_MAX];
	if (!text_copy(directory, sizeof directory, path))
		return -ENAMETOOLONG;
	int fd = open(dirname(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return error;
}

int snapshot_copy_write(const char *path, const char *name, int64_t version, struct weir_span text)
{
	char temporary[PATH_MAX], head[WEIR_DATABASE_COPY_HEAD];
	if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary)
		return -ENAMETOOLONG;
	int size = snprintf(head, sizeof head, "weir-snapshot 1 %s %" PRId64 " %zu %08lx\n", name,
	        version, text.size, copy_sum(text));
	if (size >= (int)sizeof head)
		return -ENAMETOOLONG;
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	int error = copy_write_all(fd, weir_span(head, (size_t)size));
	if (error == 0)
		error = copy_write_all(fd, text);
	if (error == 0 && fsync(fd) < 0)
		error = -errno;
	if (close(fd) < 0 && error == 0)
		error = -errno;
	if (error == 0 && rename(temporary, path) < 0)
		error = -errno;
	if (error < 0)
		unlink(temporary);
	return error < 0 ? error : copy_sync_directory(path);
}

/* Returns the size of the head, or -EBADMSG. */
static int copy_parse_head(
        struct weir_span all, const char *name, int64_t *ret_version, unsigned long *ret_sum)
{
	char head[WEIR_DATABASE_COPY_HEAD], found[WEIR_DATABASE_COPY_HEAD];
	const char *end = memchr(all.data, '\n', min_of(all.size, sizeof head - 1));
	size_t size;
	if (!end)
		return -EBADMSG;
	memcpy(head, all.data, (size_t)(end - all.data));
	head[end - all.data] = '\0';
	if (sscanf(head, "weir-snapshot 1 %100s %" SCNd64 " %zu %lx", found, ret_version, &size,
	            ret_sum) != 4 ||
	        strcmp(found, name) != 0 || size != all.size - (size_t)(end + 1 - all.data))
		return -EBADMSG;
	return (int)(end + 1 - all.data);
}

int snapshot_copy_read(const char *path, const char *name, size_t bytes_max, int64_t *ret_version,
        struct weir_buffer *ret_text)
{
	int64_t version;
	unsigned long sum;
	int error = file_read_whole(
	        AT_FDCWD, path, O_NOFOLLOW, bytes_max + WEIR_DATABASE_COPY_HEAD, ret_text);
	if (error < 0)
		return error;
	if (ret_text->size == 0)
		return -EBADMSG;
	int head = copy_parse_head(weir_buffer_span(ret_text), name, &version, &sum);
	if (head < 0)
		return head;
	weir_buffer_consume(ret_text, (size_t)head);
	if (copy_sum(weir_buffer_span(ret_text)) != sum)
		return -EBADMSG;
	*ret_version = version;
	return 0;
}
