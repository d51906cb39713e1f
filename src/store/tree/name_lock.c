/*
 * A fixed number of mutexes, chosen by the directory's device and inode: two directories that share
 * one wait for each other needlessly, for the length of a rename. Invariant: of two locks the lower
 * one is taken first, so that renames in opposite directions cannot block each other.
 */
#include <pthread.h>
#include <sys/stat.h>

#include "name_lock.h"

enum {
	LOCKS = 64
};

static pthread_mutex_t locks[LOCKS] = {[0 ... LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER};

/* A directory that cannot be looked at shares the first lock with others of its kind. */
static unsigned name_lock_index(int directory)
{
	struct stat status;
	if (fstat(directory, &status) < 0)
		return 0;
	return (unsigned)((status.st_ino ^ status.st_dev * 31) % LOCKS);
}

void name_lock_take(struct name_lock *lock, int directory, int other)
{
	unsigned first = name_lock_index(directory);
	unsigned second = other < 0 ? first : name_lock_index(other);
	*lock = first < second ? (struct name_lock){first, second}
	                       : (struct name_lock){second, first};
	pthread_mutex_lock(&locks[lock->first]);
	if (lock->second != lock->first)
		pthread_mutex_lock(&locks[lock->second]);
}

void name_lock_release(const struct name_lock *lock)
{
	if (lock->second != lock->first)
		pthread_mutex_unlock(&locks[lock->second]);
	pthread_mutex_unlock(&locks[lock->first]);
}
