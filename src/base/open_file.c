/* Opens files for reading, by the program's function if it has set one. */
#include <errno.h>
#include <fcntl.h>

#include <weir/open_file.h>

static weir_open_file_fn *open_file_opener; /* set before threads run */

void weir_set_file_opener(weir_open_file_fn *open_file)
{
	open_file_opener = open_file;
}

int weir_open_file(const char *path)
{
	if (open_file_opener)
		return open_file_opener(path);
	/* Opening a FIFO would wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	fcntl(fd, F_SETFL, 0);
	return fd;
}
