/* Reading on where a call was interrupted, or gave less. */
#include <errno.h>
#include <unistd.h>

#include "extent.h"

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
