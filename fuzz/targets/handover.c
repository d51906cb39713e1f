/*
 * Messages between master and server, as a peer in the hands of an attacker sends them: any bytes,
 * of any size. An accepted one is of a known kind.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int ends[2], fd = -1;
	struct handover message;
	if (size == 0 || size > 4096 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0)
		return 0;
	if (send(ends[0], data, size, 0) == (ssize_t)size &&
	        handover_receive(ends[1], &message, &fd) == 0 &&
	        (size != sizeof message || fd >= 0 || message.kind == 0 ||
	                message.kind >= HANDOVER_KINDS))
		abort();
	close(ends[0]);
	close(ends[1]);
	return 0;
}
