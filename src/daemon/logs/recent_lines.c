/*
 * A ring under a lock, which is held for a copy of its lines at most. That of the master is in a
 * memory file, which its server processes can map, but not change: they may be in the hands of an
 * attacker. They have no lock in common, so that a reader looks whether the master has written
 * meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "recent_lines.h"

enum {
	RECENT_TRIES = 100, /* to read the master's ring while it does not change */
};

struct recent_ring {
	_Atomic uint32_t version; /* odd while a line is written */
	_Atomic uint32_t count;   /* of lines that were added; the next one goes to this place */
	struct recent_line lines[RECENT_LINES_MAX];
};

static pthread_mutex_t recent_lock = PTHREAD_MUTEX_INITIALIZER;
static struct recent_ring recent_own, *recent_ring = &recent_own;
static const struct recent_ring *recent_master; /* or NULL */

static void recent_lines_add_at(int64_t at_s, const char *text, size_t size)
{
	const char *end = memchr(text, 0, size);
	if (end)
		size = (size_t)(end - text);
	if (size > RECENT_LINE_SIZE_MAX)
		size = RECENT_LINE_SIZE_MAX;
	pthread_mutex_lock(&recent_lock);
	recent_ring->version++;
	struct recent_line *line = &recent_ring->lines[recent_ring->count++ % RECENT_LINES_MAX];
	line->at_s = at_s;
	memcpy(line->text, text, size);
	line->text[size] = 0;
	recent_ring->version++;
	pthread_mutex_unlock(&recent_lock);
}

void recent_lines_add(const char *text, size_t size)
{
	recent_lines_add_at(time(NULL), text, size);
}

/* Copies lines of a ring, the newest first. Returns their number. */
static size_t recent_lines_copy_ring(
        const struct recent_ring *ring, struct recent_line ret[RECENT_LINES_MAX])
{
	size_t added = ring->count, count = added < RECENT_LINES_MAX ? added : RECENT_LINES_MAX;
	for (size_t i = 0; i < count; i++) {
		ret[i] = ring->lines[(added - 1 - i) % RECENT_LINES_MAX];
		ret[i].text[RECENT_LINE_SIZE_MAX] = 0;
	}
	return count;
}

/* Returns 0 lines if the master writes all the time. */
static size_t recent_lines_copy_master(struct recent_line ret[RECENT_LINES_MAX])
{
	for (unsigned tries = 0; recent_master && tries < RECENT_TRIES; tries++) {
		uint32_t version = recent_master->version;
		size_t count = recent_lines_copy_ring(recent_master, ret);
		atomic_thread_fence(memory_order_acquire);
		if (version % 2 == 0 && recent_master->version == version)
			return count;
	}
	return 0;
}

size_t recent_lines_copy(struct recent_line ret[RECENT_LINES_MAX])
{
	struct recent_line own[RECENT_LINES_MAX], master[RECENT_LINES_MAX];
	pthread_mutex_lock(&recent_lock);
	size_t own_count = recent_lines_copy_ring(recent_ring, own);
	pthread_mutex_unlock(&recent_lock);
	size_t master_count = recent_lines_copy_master(master), count = 0;
	for (size_t i = 0, j = 0; count < RECENT_LINES_MAX && i + j < own_count + master_count;) {
		bool masters = j < master_count;
		/* Lines of one second take turns, so that one process leaves room for the other. */
		if (masters && i < own_count)
			masters = master[j].at_s != own[i].at_s ? master[j].at_s > own[i].at_s
			                                        : j < i;
		ret[count++] = masters ? master[j++] : own[i++];
	}
	return count;
}

/* -- processes --------------------------------------------------------------------------------- */

int recent_lines_share(int *ret_fd)
{
	int fd = memfd_create("weir-lines", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, sizeof recent_own) < 0) {
		int error = -errno;
		if (fd >= 0)
			close(fd);
		return error;
	}
	void *memory = mmap(NULL, sizeof recent_own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int error = memory == MAP_FAILED ? -errno : 0;
	/* This mapping stays writable, and no other one can be. */
	if (error == 0 &&
	        fcntl(fd, F_ADD_SEALS,
	                F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
		error = -errno;
	if (error < 0) {
		if (memory != MAP_FAILED)
			munmap(memory, sizeof recent_own);
		close(fd);
		return error;
	}
	memcpy(memory, recent_ring, sizeof recent_own);
	recent_ring = memory;
	*ret_fd = fd;
	return 0;
}

static const struct recent_ring *recent_lines_map(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	void *memory = size == sizeof recent_own
	                       ? mmap(NULL, sizeof recent_own, PROT_READ, MAP_SHARED, fd, 0)
	                       : MAP_FAILED;
	close(fd);
	return memory == MAP_FAILED ? NULL : memory;
}

void recent_lines_follow(int fd)
{
	recent_master = recent_lines_map(fd);
}

void recent_lines_inherit(int fd)
{
	struct recent_line lines[RECENT_LINES_MAX];
	const struct recent_ring *ring = recent_lines_map(fd);
	size_t count = ring ? recent_lines_copy_ring(ring, lines) : 0;
	while (count-- > 0)
		recent_lines_add_at(lines[count].at_s, lines[count].text, RECENT_LINE_SIZE_MAX);
}
