/*
 * Copies on disk. Invariant: the path names the whole old or the whole new copy, also after a
 * crash: the new one is on the disk before it gets the name. Two processes may write one copy at a
 * time: the temporary file has the number of the process in its name, and its writer has a lock on
 * it. So a temporary file that nobody has locked was left by a crash.
 */
#include <weir/database_copy.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

#include <weir/error.h>

#include "helper.h"

#define COPY_MAGIC "weir-snapshot 2 "
#define COPY_TEMPORARY ".new-" /* the number of the process follows */

enum {
	COPY_SUM = 8, /* characters */
	COPY_CREATE_TRIES = 3
};

/* Of the head, up to the sum, and the text. */
static unsigned long copy_sum(struct weir_span head, struct weir_span text)
{
	/* A text has less bytes than uInt counts: WEIR_DATABASE_ZONE_BYTES at most. */
	unsigned long sum =
	        crc32(crc32(0, NULL, 0), (const unsigned char *)head.data, (unsigned)head.size);
	return text.size ? crc32(sum, (const unsigned char *)text.data, (unsigned)text.size) : sum;
}

/* -- writing ----------------------------------------------------------------------------------- */

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

/* Some file systems have no locks: files that a crash leaves there stay. */
static bool copy_lock(int fd)
{
	struct stat status;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno != EWOULDBLOCK;
	/* A sweep may have come first, and removed it. */
	return fstat(fd, &status) == 0 && status.st_nlink > 0;
}

/* A file that a crash has left goes first, so that the mode is that of a new file. */
static int copy_create(const char *temporary)
{
	for (unsigned i = 0; i < COPY_CREATE_TRIES; i++) {
		if (unlink(temporary) < 0 && errno != ENOENT)
			return -errno;
		int fd =
		        open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		if (copy_lock(fd))
			return fd;
		close(fd);
	}
	return -EAGAIN;
}

static int copy_fill(int fd, struct weir_span head, struct weir_span text)
{
	int error = copy_write_all(fd, head);
	if (error == 0)
		error = copy_write_all(fd, text);
	return error == 0 && fsync(fd) < 0 ? -errno : error;
}

int weir_database_copy_write(
        const char *path, const char *name, int64_t version, struct weir_span text)
{
	char temporary[PATH_MAX], head[WEIR_DATABASE_COPY_HEAD];
	if (snprintf(temporary, sizeof temporary, "%s" COPY_TEMPORARY "%ld", path,
	            (long)getpid()) >= (int)sizeof temporary)
		return -ENAMETOOLONG;
	int size = snprintf(
	        head, sizeof head, COPY_MAGIC "%s %" PRId64 " %zu ", name, version, text.size);
	if (size + COPY_SUM + 1 >= (int)sizeof head)
		return -ENAMETOOLONG;
	size += snprintf(head + size, COPY_SUM + 2, "%08lx\n",
	        copy_sum(weir_span(head, (size_t)size), text));
	int fd = copy_create(temporary);
	if (fd < 0)
		return fd;
	int error = copy_fill(fd, weir_span(head, (size_t)size), text);
	if (error == 0 && rename(temporary, path) < 0)
		error = -errno;
	if (error < 0)
		unlink(temporary);
	close(fd);
	return error < 0 ? error : copy_sync_directory(path);
}

int weir_database_copy_confirm(const char *path)
{
	return utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* -- reading ----------------------------------------------------------------------------------- */

static bool copy_parse_version(struct weir_span text, int64_t *ret)
{
	uint64_t number;
	bool minus = text.size && text.data[0] == '-';
	if (weir_span_number(weir_span_skip(text, minus), 10, &number) < 0 || number > INT64_MAX)
		return false;
	*ret = minus ? -(int64_t)number : (int64_t)number;
	return true;
}

int weir_database_copy_parse(
        struct weir_span copy, const char *name, int64_t *ret_version, struct weir_span *ret_text)
{
	struct weir_span head, parts[3], magic = WEIR_SPAN(COPY_MAGIC);
	uint64_t size, sum;
	const char *begin = copy.data;
	if (!weir_span_starts(copy, magic) || !weir_span_cut(&copy, '\n', &head) ||
	        head.size >= WEIR_DATABASE_COPY_HEAD)
		return -EBADMSG;
	head = weir_span_skip(head, magic.size);
	for (unsigned i = 0; i < 3; i++)
		weir_span_cut(&head, ' ', &parts[i]);
	if (!weir_span_equal(parts[0], weir_span_of(name)) ||
	        !copy_parse_version(parts[1], ret_version) ||
	        weir_span_number(parts[2], 10, &size) < 0 || size != copy.size ||
	        head.size != COPY_SUM || weir_span_number(head, 16, &sum) < 0 ||
	        sum != copy_sum(weir_span(begin, (size_t)(head.data - begin)), copy))
		return -EBADMSG;
	*ret_text = copy;
	return 0;
}

static int64_t copy_age_ms(const struct stat *status)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	int64_t ms = (now.tv_sec - status->st_mtim.tv_sec) * 1000 +
	             (now.tv_nsec - status->st_mtim.tv_nsec) / 1000000;
	return max_of(ms, (int64_t)0);
}

/* O_NONBLOCK: somebody may have put a pipe there. */
static int copy_open(const char *path, int64_t *ret_age_ms)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	int error = fstat(fd, &status) < 0 ? -errno : 0;
	if (error == 0 && (!S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
	                          (status.st_mode & (S_IRWXG | S_IRWXO))))
		error = -EPERM;
	if (error < 0) {
		close(fd);
		return error;
	}
	*ret_age_ms = copy_age_ms(&status);
	return fd;
}

int weir_database_copy_read(const char *path, const char *name, size_t bytes_max,
        struct weir_database_copy_info *ret, struct weir_buffer *ret_text)
{
	struct weir_database_copy_info info;
	struct weir_span text;
	int fd = copy_open(path, &info.age_ms);
	if (fd < 0)
		return fd;
	int error = weir_buffer_read(ret_text, fd, bytes_max + WEIR_DATABASE_COPY_HEAD);
	close(fd);
	if (error == 0)
		error = weir_database_copy_parse(
		        weir_buffer_span(ret_text), name, &info.version, &text);
	if (error == 0 && text.size > bytes_max)
		error = WEIR_E_LIMIT;
	if (error < 0)
		return error;
	weir_buffer_consume(ret_text, ret_text->size - text.size);
	*ret = info;
	return 0;
}

const char *weir_database_copy_text(int error)
{
	return error == -EBADMSG ? "it is damaged, or no copy of this kind"
	       : error == -EPERM ? "it must be a file of the server's user, with mode 0600"
	                         : weir_error_text(error);
}

/* -- reports ----------------------------------------------------------------------------------- */

static void copy_warn(const struct weir_database_copy_reports *reports, const char *text)
{
	if (reports->warn)
		reports->warn(reports->context, text);
}

void weir_database_copy_written(
        struct weir_database_copy_reports *reports, const char *path, int error, size_t left_out)
{
	char text[WEIR_POSTGRES_WHY_MAX];
	if (error && !reports->failing) {
		snprintf(text, sizeof text, "cannot write the copy %.160s: %.60s", path,
		        weir_error_text(error));
		copy_warn(reports, text);
	}
	reports->failing = error;
	if (left_out && !reports->lacks) {
		snprintf(text, sizeof text,
		        "the copy %.120s lacks %zu secret%s that the database has in clear: set "
		        "'secret-key-file'",
		        path, left_out, left_out == 1 ? "" : "s");
		copy_warn(reports, text);
	}
	reports->lacks = left_out;
}

void weir_database_copy_ignored(
        const struct weir_database_copy_reports *reports, const char *path, const char *why)
{
	char text[WEIR_POSTGRES_WHY_MAX];
	snprintf(text, sizeof text, "the copy %.120s is ignored: %.100s", path, why);
	copy_warn(reports, text);
}

/* -- copies that are no longer wanted ---------------------------------------------------------- */

int weir_database_copies_sweep(const char *directory, const char *beginning,
        bool (*wanted)(void *context, const char *name), void *context)
{
	DIR *stream = opendir(directory);
	const struct dirent *entry;
	int error = 0;
	if (!stream)
		return -errno;
	while ((entry = readdir(stream)))
		if (strncmp(entry->d_name, beginning, strlen(beginning)) == 0 &&
		        !wanted(context, entry->d_name) &&
		        unlinkat(dirfd(stream), entry->d_name, 0) < 0 && errno != ENOENT)
			error = -errno;
	closedir(stream);
	return error;
}

static bool copy_is_temporary(const char *name)
{
	const char *number = strstr(name, COPY_TEMPORARY);
	if (!number || number == name)
		return false;
	number += sizeof COPY_TEMPORARY - 1;
	return *number && number[strspn(number, "0123456789")] == 0;
}

/* Removes the file if no process has it locked. */
static int copy_clean_file(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	int error = 0;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		error = errno == EWOULDBLOCK ? 0 : -errno;
	else if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
		error = -errno;
	close(fd);
	return error;
}

int weir_database_copies_clean(const char *directory)
{
	DIR *stream = opendir(directory);
	const struct dirent *entry;
	int first_error = 0;
	if (!stream)
		return -errno;
	while ((entry = readdir(stream))) {
		int error = copy_is_temporary(entry->d_name)
		                    ? copy_clean_file(dirfd(stream), entry->d_name)
		                    : 0;
		first_error = first_error ? first_error : error;
	}
	closedir(stream);
	return first_error;
}
