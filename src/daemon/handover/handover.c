/* Messages with descriptors (SCM_RIGHTS). Invariant: no received descriptor is leaked. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/log.h>

#include "handover.h"

enum {
	DESCRIPTORS_MAX = 4 /* more than a message has, so that a surplus is noticed and closed */
};

union handover_control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

int handover_send(int socket, struct handover message, int fd)
{
	union handover_control control = {0};
	message.magic = HANDOVER_MAGIC;
	struct iovec piece = {&message, sizeof message};
	struct msghdr head = {.msg_iov = &piece, .msg_iovlen = 1};
	if (fd >= 0) {
		head.msg_control = control.bytes;
		head.msg_controllen = CMSG_SPACE(sizeof fd);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	}
	ssize_t put;
	do
		put = sendmsg(socket, &head, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : 0;
}

/* Whether a message of this kind may carry a descriptor; OPENED has one if it succeeded. */
static bool handover_may_carry(const struct handover *message)
{
	return message->kind == HANDOVER_RELOAD || message->kind == HANDOVER_OPENED;
}

static bool handover_is_level(uint32_t level)
{
	return level == WEIR_LOG_ERROR || level == WEIR_LOG_WARNING || level == WEIR_LOG_INFO;
}

int handover_check(const struct handover *message, size_t size, unsigned descriptors)
{
	if (size != sizeof *message || message->magic != HANDOVER_MAGIC || message->kind == 0 ||
	        message->kind >= HANDOVER_KINDS || message->result > 0)
		return -EPROTO;
	if (message->kind == HANDOVER_LOG_LEVEL && !handover_is_level(message->index))
		return -EPROTO;
	if (descriptors > 1 || (descriptors == 1 && !handover_may_carry(message)))
		return -EPROTO;
	return 0;
}

static unsigned handover_take_descriptors(struct msghdr *head, int fds[DESCRIPTORS_MAX])
{
	unsigned count = 0;
	for (struct cmsghdr *at = CMSG_FIRSTHDR(head); at; at = CMSG_NXTHDR(head, at)) {
		if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
			continue;
		unsigned more = (unsigned)((at->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (unsigned i = 0; i < more && count < DESCRIPTORS_MAX; i++)
			memcpy(&fds[count++], CMSG_DATA(at) + i * sizeof(int), sizeof(int));
	}
	return count;
}

int handover_receive(int socket, struct handover *ret, int *ret_fd)
{
	union handover_control control;
	struct handover message = {0};
	int fds[DESCRIPTORS_MAX];
	struct iovec piece = {&message, sizeof message};
	struct msghdr head = {.msg_iov = &piece,
	        .msg_iovlen = 1,
	        .msg_control = control.bytes,
	        .msg_controllen = sizeof control.bytes};
	ssize_t got;
	do
		got = recvmsg(socket, &head, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	unsigned count = handover_take_descriptors(&head, fds);
	int error = got == 0                                    ? -ECONNRESET
	            : head.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EPROTO
	                                                        : 0;
	if (error == 0)
		error = handover_check(&message, (size_t)got, count);
	for (unsigned i = 0; error < 0 && i < count; i++)
		close(fds[i]);
	if (error < 0)
		return error;
	*ret = message;
	if (ret_fd)
		*ret_fd = count ? fds[0] : -1;
	else if (count)
		close(fds[0]);
	return 0;
}
