/*
 * The table as a file: the serial number, then for each entry its kind, its key with a NUL, the
 * size of its value in four bytes, its value, and a NUL.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "grants.h"
#include "helper.h"

struct grants *grants_create(uint32_t serial)
{
	struct grants *grants = calloc(1, sizeof *grants);
	if (grants)
		grants->serial = serial;
	return grants;
}

static int grants_grow(struct grants *grants)
{
	size_t capacity = grants->capacity ? 2 * grants->capacity : 64;
	if (grants->count < grants->capacity)
		return 0;
	if (grants->count >= GRANTS_MAX)
		return -E2BIG;
	struct grant *items = realloc(grants->items, capacity * sizeof *items);
	if (!items)
		return -ENOMEM;
	grants->items = items;
	grants->capacity = capacity;
	return 0;
}

int grants_add(struct grants *grants, enum grant_kind kind, const char *key, const void *value,
        size_t size, int fd)
{
	size_t key_size = strlen(key) + 1;
	int error = grants_grow(grants);
	/* One block for both texts, which the key points to. */
	char *text = error == 0 ? malloc(key_size + size + 1) : NULL;
	if (!text)
		return error < 0 ? error : -ENOMEM;
	memcpy(text, key, key_size);
	if (size)
		memcpy(text + key_size, value, size);
	text[key_size + size] = 0;
	grants->items[grants->count++] =
	        (struct grant){(char)kind, fd, text, text + key_size, size};
	return 0;
}

/* -- as a file --------------------------------------------------------------------------------- */

static void grants_write(const struct grants *grants, FILE *to)
{
	fwrite(&grants->serial, sizeof grants->serial, 1, to);
	for (size_t i = 0; i < grants->count; i++) {
		const struct grant *grant = &grants->items[i];
		uint32_t size = (uint32_t)grant->size;
		fputc(grant->kind, to);
		fwrite(grant->key, strlen(grant->key) + 1, 1, to);
		fwrite(&size, sizeof size, 1, to);
		fwrite(grant->value, grant->size + 1, 1, to);
	}
}

int grants_seal(const struct grants *grants)
{
	FILE *to;
	int fd = memory_file_create("weir-grants", MFD_ALLOW_SEALING, &to);
	if (fd < 0)
		return fd;
	grants_write(grants, to);
	fd = memory_file_finish(fd, to);
	if (fd < 0 || fcntl(fd, F_ADD_SEALS,
	                      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
		return fd;
	int error = -errno;
	close(fd);
	return error;
}

/* The entry at `*at`, which moves behind it. Returns false if it is malformed. */
static bool grants_parse_one(struct grants *grants, size_t *at, size_t end)
{
	char *bytes = grants->bytes;
	struct grant grant = {.fd = -1};
	uint32_t size;
	grant.kind = bytes[(*at)++];
	const char *key_end = memchr(bytes + *at, 0, end - *at);
	if (!key_end || end - (size_t)(key_end + 1 - bytes) < sizeof size + 1)
		return false;
	grant.key = bytes + *at;
	*at = (size_t)(key_end + 1 - bytes);
	memcpy(&size, bytes + *at, sizeof size);
	*at += sizeof size;
	if (end - *at <= size || bytes[*at + size] != 0 || grants_grow(grants) < 0)
		return false;
	grant.value = bytes + *at;
	grant.size = size;
	*at += (size_t)size + 1;
	grants->items[grants->count++] = grant;
	return true;
}

static int grants_compare(const void *a, const void *b)
{
	const struct grant *one = *(const struct grant *const *)a;
	const struct grant *other = *(const struct grant *const *)b;
	int order = one->kind - other->kind;
	if (order == 0)
		order = strcmp(one->key, other->key);
	return order ? order : (one > other) - (one < other);
}

static int grants_sort(struct grants *grants)
{
	grants->sorted = calloc(grants->count + 1, sizeof(struct grant *));
	if (!grants->sorted)
		return -ENOMEM;
	for (size_t i = 0; i < grants->count; i++)
		grants->sorted[i] = &grants->items[i];
	qsort(grants->sorted, grants->count, sizeof(struct grant *), grants_compare);
	return 0;
}

static int grants_parse(struct grants *grants, size_t size)
{
	size_t at = sizeof grants->serial;
	if (size < at)
		return -EPROTO;
	memcpy(&grants->serial, grants->bytes, at);
	while (at < size)
		if (!grants_parse_one(grants, &at, size))
			return -EPROTO;
	return grants_sort(grants);
}

int grants_read(int fd, struct grants **ret)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_size <= 0 || status.st_size > GRANTS_BYTES_MAX)
		return -EPROTO;
	size_t size = (size_t)status.st_size;
	struct grants *grants = grants_create(0);
	int error = grants && (grants->bytes = malloc(size)) ? 0 : -ENOMEM;
	for (size_t used = 0; error == 0 && used < size;) {
		ssize_t got = pread(fd, grants->bytes + used, size - used, (off_t)used);
		if (got > 0)
			used += (size_t)got;
		else if (got == 0 || errno != EINTR)
			error = got == 0 ? -EPROTO : -errno;
	}
	if (error == 0)
		error = grants_parse(grants, size);
	if (error == 0)
		*ret = grants;
	else
		grants_destroy(grants);
	return error;
}

int grants_copy(const struct grants *grants, struct grants **ret)
{
	int fd = grants_seal(grants);
	int error = fd < 0 ? fd : grants_read(fd, ret);
	if (fd >= 0)
		close(fd);
	return error;
}

const struct grant *grants_find(
        const struct grants *grants, enum grant_kind kind, const char *key, size_t nth)
{
	size_t low = 0, high = grants->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct grant *grant = grants->sorted[middle];
		int order = grant->kind - (char)kind;
		if (order == 0)
			order = strcmp(grant->key, key);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (nth >= grants->count - low)
		return NULL;
	const struct grant *grant = grants->sorted[low + nth];
	return grant->kind == (char)kind && strcmp(grant->key, key) == 0 ? grant : NULL;
}

void grants_set_fd(struct grants *grants, enum grant_kind kind, const char *key, int fd)
{
	const struct grant *grant = grants_find(grants, kind, key, 0);
	if (grant)
		grants->items[grant - grants->items].fd = fd;
}

void grants_revoke(struct grants *grants, enum grant_kind kind)
{
	for (size_t i = 0; i < grants->count; i++)
		if (grants->items[i].kind == (char)kind)
			grants->items[i].kind = GRANT_REVOKED;
}

void grants_destroy(struct grants *grants)
{
	if (!grants)
		return;
	for (size_t i = 0; !grants->bytes && i < grants->count; i++)
		free((void *)(uintptr_t)grants->items[i].key);
	free(grants->bytes);
	free((void *)grants->sorted);
	free(grants->items);
	free(grants);
}
