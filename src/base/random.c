/* Random bits, buffered. What is left of a block that is too short for a taker is not used. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "random_pool.h"

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
