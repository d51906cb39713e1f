/*
 * The helpers that are too long for their header. A read continues after an interruption, or when
 * it has returned fewer bytes. The rest of a block of random bits that is too short is not used.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/mman.h>
#include <unistd.h>

#include <weir/buffer.h>
#include <weir/error.h>
#include <weir/open_file.h>

#include "helper.h"

void memory_prefer_huge_pages(void *data, size_t size)
{
	if (!data || size < HUGE_PAGES_MIN)
		return;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	/* The last page may hold what is not ours. A kernel without huge pages refuses. */
	uintptr_t first = ((uintptr_t)data + page - 1) & ~(page - 1);
	uintptr_t end = ((uintptr_t)data + size) & ~(page - 1);
	madvise((void *)first, end - first, MADV_HUGEPAGE);
}

size_t text_utf8_size(struct weir_span text)
{
	uint8_t first = (uint8_t)*text.data;
	size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (first > 0xf4 || size > text.size)
		return 0;
	for (size_t i = 1; i < size; i++)
		if (((uint8_t)text.data[i] & 0xc0) != 0x80)
			return 0;
	uint8_t second = size > 1 ? (uint8_t)text.data[1] : 0;
	bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
	bool beyond = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
	return overlong || beyond ? 0 : size;
}

/* While its first byte is rarer than this, a place is looked for by that byte alone. */
enum {
	FIND_RARE = 16, /* bytes for each that begins it in vain */
	FIND_VAIN = 8,  /* that are not counted yet */
};

const char *bytes_find(struct weir_span bytes, struct weir_span wanted)
{
	const char *at = bytes.data;
	size_t left = bytes.size, vain = 0;
	while (left >= wanted.size &&
	        vain * FIND_RARE <= bytes.size - left + FIND_VAIN * FIND_RARE) {
		const char *found = memchr(at, wanted.data[0], left - wanted.size + 1);
		if (!found || memcmp(found, wanted.data, wanted.size) == 0)
			return found;
		left -= (size_t)(found + 1 - at);
		at = found + 1;
		vain++;
	}
	return left >= wanted.size ? memmem(at, left, wanted.data, wanted.size) : NULL;
}

int buffer_append_spans(
        struct weir_buffer *buffer, const struct weir_span *spans, size_t count, size_t limit)
{
	size_t size = 0;
	for (size_t i = 0; i < count; i++)
		if (__builtin_add_overflow(size, spans[i].size, &size))
			return WEIR_E_LIMIT;
	int error = weir_buffer_reserve(buffer, size, limit);
	if (error < 0)
		return error;
	for (size_t i = 0; i < count; i++) {
		if (spans[i].size)
			memcpy(buffer->data + buffer->size, spans[i].data, spans[i].size);
		buffer->size += spans[i].size;
	}
	return 0;
}

/* Closes the file. */
static int helper_read_whole(int fd, size_t limit, struct weir_buffer *ret)
{
	int error = weir_buffer_read(ret, fd, limit);
	close(fd);
	if (error < 0)
		weir_buffer_finish(ret);
	return error;
}

int file_read_whole(
        int directory, const char *path, int flags, size_t limit, struct weir_buffer *ret)
{
	int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | flags);
	return fd < 0 ? -errno : helper_read_whole(fd, limit, ret);
}

int file_read_path(const char *path, size_t limit, struct weir_buffer *ret)
{
	int fd = weir_open_file(path);
	return fd < 0 ? fd : helper_read_whole(fd, limit, ret);
}

int file_open_stream(const char *path, FILE **ret)
{
	int fd = weir_open_file(path);
	if (fd < 0)
		return fd;
	*ret = fdopen(fd, "r");
	if (*ret)
		return 0;
	int error = -errno;
	close(fd);
	return error;
}

int file_read_line(const char *path, char *text, size_t size)
{
	FILE *file;
	*text = 0;
	int error = file_open_stream(path, &file);
	if (error < 0)
		return error;
	error = !fgets(text, (int)size, file) && ferror(file) ? -EIO : 0;
	fclose(file);
	text[error < 0 ? 0 : strcspn(text, "\r\n")] = 0;
	return error;
}

int memory_file_create(const char *name, unsigned flags, FILE **ret)
{
	int fd = memfd_create(name, flags | MFD_CLOEXEC);
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	*ret = copy < 0 ? NULL : fdopen(copy, "w");
	if (*ret)
		return fd;
	int error = -errno;
	if (copy >= 0)
		close(copy);
	if (fd >= 0)
		close(fd);
	return error;
}

int memory_file_finish(int fd, FILE *stream)
{
	bool good = !ferror(stream);
	good = fclose(stream) == 0 && good;
	if (good)
		return fd;
	close(fd);
	return -ENOSPC;
}

int extent_read(int fd, char *to, size_t size, off_t offset)
{
	while (size) {
		ssize_t got = pread(fd, to, size, offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		to += got;
		offset += got;
		size -= (size_t)got;
	}
	return 0;
}

int random_pool_take(struct random_pool *random, void *to, size_t size)
{
	if (random->left < size) {
		ssize_t got = getrandom(random->bytes, sizeof random->bytes, 0);
		if (got != sizeof random->bytes)
			return got < 0 ? -errno : -EIO;
		random->left = sizeof random->bytes;
	}
	uint8_t *from = random->bytes + sizeof random->bytes - random->left;
	memcpy(to, from, size);
	explicit_bzero(from, size);
	random->left -= size;
	return 0;
}
