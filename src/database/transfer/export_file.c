/* A file that is being written by an export. It gets its name after a sync, from its owner. */
#include "export_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The name may be one that an export before has left. */
int export_file_open(struct export_file *file, int directory, const char *name)
{
	unlinkat(directory, name, 0);
	file->size = 0;
	file->fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return file->fd < 0 ? -errno : 0;
}

int export_file_write(struct export_file *file, struct weir_span bytes)
{
	file->size += bytes.size;
	while (bytes.size) {
		ssize_t put = write(file->fd, bytes.data, bytes.size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		bytes = weir_span_skip(bytes, (size_t)put);
	}
	return 0;
}

int export_file_set_time(const struct export_file *file, int64_t us)
{
	int64_t seconds = us / 1000000, rest = us % 1000000;
	if (rest < 0) {
		seconds--;
		rest += 1000000;
	}
	struct timespec times[2];
	times[0].tv_sec = times[1].tv_sec = seconds;
	times[0].tv_nsec = times[1].tv_nsec = rest * 1000;
	return futimens(file->fd, times) < 0 ? -errno : 0;
}

void export_file_close(struct export_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}
