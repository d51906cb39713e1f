/* Replies of the control connection (RFC 959 4.2). */
#include <errno.h>
#include <stdlib.h>

#include <weir/error.h>

#include "session.h"

void ftp_say(struct ftp_session *session, const char *text)
{
	FTP_FORMAT(session, "%s", text);
}

/* With a NUL in it: a CR in a name is CR NUL. */
void ftp_say_span(struct ftp_session *session, struct weir_span text)
{
	char *line = malloc(text.size + 2);
	if (line) {
		memcpy(line, text.data, text.size);
		memcpy(line + text.size, "\r\n", 2);
	}
	weir_channel_push(session->channel, line ? weir_produce_owned(line, text.size + 2) : NULL);
}

char *ftp_copy(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = malloc(size);
	return copy ? memcpy(copy, text, size) : NULL;
}

unsigned ftp_code(const char *reply)
{
	return (unsigned)strtoul(reply, NULL, 10);
}

const char *ftp_error_text(int error)
{
	switch (error) {
	case -ENOENT:
	case -EXDEV: /* out of the root: there is no such thing */
	case -ELOOP:
		return "550 No such file or directory.";
	case -ENOTDIR:
		return "550 Not a directory.";
	case -EACCES:
	case -EPERM:
		return "550 Permission denied.";
	case -EROFS:
		return "550 The disk is read only.";
	case -EISDIR:
		return "550 That is a directory.";
	case -EEXIST:
		return "550 The name is taken.";
	case -ENOTEMPTY:
		return "550 The directory is not empty.";
	case -EINVAL:
		return "553 That name cannot be.";
	case -ENAMETOOLONG:
		return "553 The name is too long.";
	case -ENOSPC:
	case -EDQUOT:
		return "452 No room left on the disk.";
	case -EFBIG:
		return "552 The file is too large.";
	case -EBUSY:
		return "450 The file is being written to.";
	case -ERANGE:
		return "554 The file is shorter than that.";
	case -EMFILE:
	case -ENFILE:
	case -EAGAIN:
	case -ENOMEM:
	case WEIR_E_LIMIT: /* too much work waits */
		return "451 Too busy, try again.";
	default:
		return "451 The disk has failed.";
	}
}
