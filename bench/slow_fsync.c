/*
 * A slow disk, for the case `fair`: preloaded into a server, each sync takes a second longer. It
 * needs neither root nor a file system of its own.
 */
#include <dlfcn.h>
#include <unistd.h>

enum {
	DELAY_S = 1
};

/* Everything else of this tree is hidden in its object. */
#define EXPORTED __attribute__((visibility("default")))

static int slow_fsync_call(const char *name, int fd)
{
	int (*call)(int fd);
	*(void **)&call = dlsym(RTLD_NEXT, name);
	sleep(DELAY_S);
	return call(fd);
}

EXPORTED int fsync(int fd)
{
	return slow_fsync_call("fsync", fd);
}

EXPORTED int fdatasync(int fd)
{
	return slow_fsync_call("fdatasync", fd);
}
