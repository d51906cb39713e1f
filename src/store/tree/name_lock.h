/*
 * Locks on the names of a directory, for the threads of this process: whoever compares what a name
 * stands for and then changes it holds the lock meanwhile, as does everybody else who changes a name.
 */
#ifndef WEIR_NAME_LOCK_H
#define WEIR_NAME_LOCK_H

struct name_lock {
	unsigned first;
	unsigned second; /* equal to `first` if one lock covers both directories */
};

/* Waits. `other` is the second directory of a rename, or -1. To be held for a few system calls. */
void name_lock_take(struct name_lock *lock, int directory, int other);
void name_lock_release(const struct name_lock *lock);

#endif
