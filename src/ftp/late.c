/*
 * The reply of a transfer: a producer that waits between 150 and 226. As long as it is in the
 * queue the control connection is not idle, however long the transfer takes.
 */
#include <errno.h>
#include <stdlib.h>

#include <weir/buffer.h>
#include <weir/sources.h>

#include "late.h"

enum {
	TEXT_MAX = 64 * 1024 /* more than can be said between two sends */
};

struct ftp_late {
	struct weir_channel *channel;
	struct weir_producer *producer;
	struct ftp_late **owner; /* NULL once it has ended */
	struct weir_buffer text;
	size_t put;
};

static enum weir_more ftp_late_more(void *context, struct weir_output *out)
{
	struct ftp_late *late = context;
	late->put +=
	        weir_output_copy(out, late->text.data + late->put, late->text.size - late->put);
	if (late->put < late->text.size)
		return WEIR_MORE;
	weir_buffer_finish(&late->text);
	late->put = 0;
	return late->owner ? WEIR_WAIT : WEIR_DONE;
}

static void ftp_late_on_close(void *context, enum weir_close_reason why)
{
	struct ftp_late *late = context;
	(void)why;
	if (late->owner)
		*late->owner = NULL;
	weir_buffer_finish(&late->text);
	free(late);
}

int ftp_late_open(struct weir_channel *channel, struct ftp_late **owner)
{
	struct ftp_late *late = calloc(1, sizeof *late);
	struct weir_producer *producer =
	        late ? weir_produce_generator(ftp_late_more, ftp_late_on_close, late) : NULL;
	*owner = NULL;
	if (producer) {
		late->channel = channel;
		late->producer = producer;
		late->owner = owner;
		*owner = late;
	}
	return weir_channel_push(channel, producer);
}

int ftp_late_say(struct ftp_late *late, struct weir_span text)
{
	int error = weir_buffer_append(&late->text, text.data, text.size, TEXT_MAX);
	if (error < 0)
		weir_channel_abort(late->channel, error);
	else
		weir_wake(late->producer);
	return error;
}

bool ftp_late_taken(const struct ftp_late *late)
{
	return late->text.size == 0;
}

void ftp_late_end(struct ftp_late *late)
{
	*late->owner = NULL;
	late->owner = NULL;
	weir_wake(late->producer);
}
