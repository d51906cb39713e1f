/* The envelope of a new message: checked, and copied for its file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "mail_queue_state.h"

static bool mail_queue_envelope_clean(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
			return false;
	return true;
}

int mail_queue_check(const struct weir_mail_queue *queue, const struct weir_mail_envelope *envelope)
{
	if (envelope->size > queue->message_max || envelope->count > WEIR_MAIL_RECIPIENTS_MAX)
		return WEIR_E_LIMIT;
	bool good = envelope->count && mail_queue_envelope_clean(envelope->sender) &&
	            mail_queue_envelope_clean(envelope->envid) &&
	            mail_queue_envelope_clean(envelope->trace);
	for (size_t i = 0; i < envelope->count; i++)
		good &= envelope->recipients[i].address.size &&
		        mail_queue_envelope_clean(envelope->recipients[i].address) &&
		        mail_queue_envelope_clean(envelope->recipients[i].orcpt);
	return good ? 0 : -EINVAL;
}

static struct weir_span mail_queue_envelope_keep(char **to, struct weir_span text)
{
	char *start = *to;
	if (text.size)
		memcpy(start, text.data, text.size);
	*to += text.size;
	return weir_span(start, text.size);
}

struct weir_queued *mail_queued_make(const struct weir_mail_envelope *envelope, int64_t now_s)
{
	size_t size = envelope->sender.size + envelope->envid.size + envelope->trace.size + 1;
	for (size_t i = 0; i < envelope->count; i++)
		size += envelope->recipients[i].address.size + envelope->recipients[i].orcpt.size;
	struct weir_queued *queued = calloc(1, sizeof *queued);
	if (!queued)
		return NULL;
	queued->fd = -1;
	queued->recipients = calloc(envelope->count, sizeof *queued->recipients);
	char *to = queued->text = malloc(size);
	if (!queued->recipients || !to) {
		mail_queued_free(queued);
		return NULL;
	}
	queued->envelope = *envelope;
	queued->envelope.recipients = NULL;
	queued->envelope.sender = mail_queue_envelope_keep(&to, envelope->sender);
	queued->envelope.envid = mail_queue_envelope_keep(&to, envelope->envid);
	queued->envelope.trace = mail_queue_envelope_keep(&to, envelope->trace);
	queued->count = envelope->count;
	queued->arrived_s = queued->next_s = now_s;
	for (size_t i = 0; i < envelope->count; i++) {
		const struct weir_mail_recipient *from = &envelope->recipients[i];
		queued->recipients[i].address = mail_queue_envelope_keep(&to, from->address);
		queued->recipients[i].orcpt = mail_queue_envelope_keep(&to, from->orcpt);
		queued->recipients[i].notify = from->notify;
	}
	return queued;
}
