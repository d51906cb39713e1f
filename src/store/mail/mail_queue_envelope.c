/*
 * The text of an envelope's file: each line is a word and its values. Values that can have any
 * bytes are in xtext (RFC 3461 4) between <>, so that they contain no line end or space.
 *
 *   weir-queue 1
 *   arrived 1700000000
 *   ...
 *   to <bob@example.org> <rfc822;bob@example.org> 4 0 <451 4.3.0 Later>
 *   end
 *
 * Invariant: a formatted envelope parses to the same one. Unknown words are an error, and so is a
 * file without `end`, so that no recipient is ever lost.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "helper.h"
#include "mail_queue_state.h"

/* -- writing ----------------------------------------------------------------------------------- */

static int mail_queue_text_put_xtext(struct weir_buffer *text, struct weir_span bytes)
{
	int error = weir_buffer_append(text, " <", 2, WEIR_QUEUE_ENVELOPE_MAX);
	for (size_t i = 0; i < bytes.size && error == 0; i++) {
		unsigned char c = (unsigned char)bytes.data[i];
		if (c > ' ' && c < 0x7f && c != '+' && c != '=')
			error = weir_buffer_append(text, &c, 1, WEIR_QUEUE_ENVELOPE_MAX);
		else
			error = weir_buffer_format(text, WEIR_QUEUE_ENVELOPE_MAX, "+%02X", c);
	}
	return error ? error : weir_buffer_append(text, ">", 1, WEIR_QUEUE_ENVELOPE_MAX);
}

static int mail_queue_text_put_recipient(
        struct weir_buffer *text, const struct weir_queued_recipient *recipient)
{
	int error = weir_buffer_append(text, "to", 2, WEIR_QUEUE_ENVELOPE_MAX);
	if (error == 0)
		error = mail_queue_text_put_xtext(text, recipient->address);
	if (error == 0)
		error = mail_queue_text_put_xtext(text, recipient->orcpt);
	if (error == 0)
		error = weir_buffer_format(text, WEIR_QUEUE_ENVELOPE_MAX, " %u %u",
		        recipient->notify, (unsigned)recipient->state);
	if (error == 0)
		error = mail_queue_text_put_xtext(text, weir_span_of(recipient->status));
	return error ? error : weir_buffer_append(text, "\n", 1, WEIR_QUEUE_ENVELOPE_MAX);
}

int mail_queued_format(const struct weir_queued *queued, struct weir_buffer *text)
{
	const struct weir_mail_envelope *envelope = &queued->envelope;
	unsigned flags = mail_queued_flags(envelope) | queued->warned << 4;
	int error = weir_buffer_format(text, WEIR_QUEUE_ENVELOPE_MAX,
	        "weir-queue 1\narrived %lld\nnext %lld\ntries %u\nsize %llu\nflags %u\nfrom",
	        (long long)queued->arrived_s, (long long)queued->next_s, queued->tries,
	        (unsigned long long)queued->size, flags);
	if (error == 0)
		error = mail_queue_text_put_xtext(text, envelope->sender);
	if (error == 0)
		error = weir_buffer_append(text, "\nenvid", 6, WEIR_QUEUE_ENVELOPE_MAX);
	if (error == 0)
		error = mail_queue_text_put_xtext(text, envelope->envid);
	if (error == 0)
		error = weir_buffer_append(text, "\ntrace", 6, WEIR_QUEUE_ENVELOPE_MAX);
	if (error == 0)
		error = mail_queue_text_put_xtext(text, envelope->trace);
	if (error == 0)
		error = weir_buffer_append(text, "\n", 1, WEIR_QUEUE_ENVELOPE_MAX);
	for (size_t i = 0; i < queued->count && error == 0; i++)
		error = mail_queue_text_put_recipient(text, &queued->recipients[i]);
	return error ? error : weir_buffer_append(text, "end\n", 4, WEIR_QUEUE_ENVELOPE_MAX);
}

/* -- reading ----------------------------------------------------------------------------------- */

struct envelope_reader {
	struct weir_queued *queued;
	size_t room; /* for recipients */
	char *to;    /* the next decoded value goes here */
	bool bad;
	bool ended;
};

static int mail_queue_text_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static uint64_t mail_queue_text_parse_number(struct envelope_reader *reader, struct weir_span *line)
{
	struct weir_span word;
	uint64_t number = 0;
	weir_span_cut(line, ' ', &word);
	reader->bad |= weir_span_number(word, 10, &number) < 0 || number > INT64_MAX;
	return number;
}

static struct weir_span mail_queue_text_parse_xtext(
        struct envelope_reader *reader, struct weir_span *line)
{
	struct weir_span word;
	char *start = reader->to;
	weir_span_cut(line, ' ', &word);
	if (word.size < 2 || word.data[0] != '<' || word.data[word.size - 1] != '>') {
		reader->bad = true;
		return WEIR_SPAN("");
	}
	for (size_t i = 1; i < word.size - 1; i++) {
		char c = word.data[i];
		if (c == '+') {
			int high = i + 3 < word.size ? mail_queue_text_digit(word.data[i + 1]) : -1;
			int low = high >= 0 ? mail_queue_text_digit(word.data[i + 2]) : -1;
			reader->bad |= low < 0;
			c = (char)(high * 16 + low);
			i += 2;
		}
		*reader->to++ = c;
	}
	return weir_span(start, (size_t)(reader->to - start));
}

static void mail_queue_text_parse_flags(struct envelope_reader *reader, struct weir_span *line)
{
	struct weir_queued *queued = reader->queued;
	uint64_t flags = mail_queue_text_parse_number(reader, line);
	mail_queued_set_flags(&queued->envelope, (unsigned)flags);
	queued->warned = flags & 16;
}

static void mail_queue_text_parse_recipient(struct envelope_reader *reader, struct weir_span *line)
{
	if (reader->queued->count == reader->room) {
		reader->bad = true;
		return;
	}
	struct weir_queued_recipient *to = &reader->queued->recipients[reader->queued->count++];
	to->address = mail_queue_text_parse_xtext(reader, line);
	to->orcpt = mail_queue_text_parse_xtext(reader, line);
	to->notify = (unsigned)mail_queue_text_parse_number(reader, line);
	uint64_t state = mail_queue_text_parse_number(reader, line);
	reader->bad |= state > WEIR_QUEUED_DONE;
	to->state = (enum weir_queued_state)state;
	struct weir_span status = mail_queue_text_parse_xtext(reader, line);
	if (status.size > WEIR_QUEUE_STATUS_MAX)
		status.size = WEIR_QUEUE_STATUS_MAX;
	memcpy(to->status, status.data, status.size);
	reader->bad |= !to->address.size;
}

static void mail_queue_text_parse_line(struct envelope_reader *reader, struct weir_span line)
{
	struct weir_queued *queued = reader->queued;
	struct weir_span word;
	weir_span_cut(&line, ' ', &word);
	if (weir_span_equal(word, WEIR_SPAN("arrived")))
		queued->arrived_s = (int64_t)mail_queue_text_parse_number(reader, &line);
	else if (weir_span_equal(word, WEIR_SPAN("next")))
		queued->next_s = (int64_t)mail_queue_text_parse_number(reader, &line);
	else if (weir_span_equal(word, WEIR_SPAN("tries")))
		queued->tries = (unsigned)mail_queue_text_parse_number(reader, &line);
	else if (weir_span_equal(word, WEIR_SPAN("size")))
		queued->size = mail_queue_text_parse_number(reader, &line);
	else if (weir_span_equal(word, WEIR_SPAN("flags")))
		mail_queue_text_parse_flags(reader, &line);
	else if (weir_span_equal(word, WEIR_SPAN("from")))
		queued->envelope.sender = mail_queue_text_parse_xtext(reader, &line);
	else if (weir_span_equal(word, WEIR_SPAN("envid")))
		queued->envelope.envid = mail_queue_text_parse_xtext(reader, &line);
	else if (weir_span_equal(word, WEIR_SPAN("trace")))
		queued->envelope.trace = mail_queue_text_parse_xtext(reader, &line);
	else if (weir_span_equal(word, WEIR_SPAN("to")))
		mail_queue_text_parse_recipient(reader, &line);
	else if (weir_span_equal(word, WEIR_SPAN("end")))
		reader->ended = true;
	else
		reader->bad = true;
	reader->bad |= line.size != 0;
}

static size_t mail_queue_text_count_recipients(struct weir_span text)
{
	struct weir_span line;
	size_t count = 0;
	while (text.size) {
		weir_span_cut(&text, '\n', &line);
		count += weir_span_starts(line, WEIR_SPAN("to "));
	}
	return count;
}

int mail_queued_parse(struct weir_span text, struct weir_queued **ret)
{
	struct weir_span line;
	size_t count = mail_queue_text_count_recipients(text);
	weir_span_cut(&text, '\n', &line);
	if (!weir_span_equal(line, WEIR_SPAN("weir-queue 1")) || !count ||
	        count > WEIR_MAIL_RECIPIENTS_MAX)
		return WEIR_E_SYNTAX;
	struct weir_queued *queued = calloc(1, sizeof *queued);
	if (!queued)
		return -ENOMEM;
	queued->fd = -1;
	queued->text = malloc(text.size + 1);
	queued->recipients = calloc(count, sizeof *queued->recipients);
	if (!queued->text || !queued->recipients) {
		mail_queued_free(queued);
		return -ENOMEM;
	}
	struct envelope_reader reader = {.queued = queued, .room = count, .to = queued->text};
	while (text.size && !reader.bad && !reader.ended) {
		weir_span_cut(&text, '\n', &line);
		mail_queue_text_parse_line(&reader, line);
	}
	if (reader.bad || !reader.ended || text.size) {
		mail_queued_free(queued);
		return WEIR_E_SYNTAX;
	}
	queued->envelope.count = queued->count;
	queued->envelope.size = queued->size;
	*ret = queued;
	return 0;
}

unsigned mail_queued_flags(const struct weir_mail_envelope *envelope)
{
	return envelope->eight_bit | envelope->binary << 1 | envelope->utf8 << 2 |
	       envelope->headers_only << 3;
}

void mail_queued_set_flags(struct weir_mail_envelope *envelope, unsigned flags)
{
	envelope->eight_bit = flags & 1;
	envelope->binary = flags & 2;
	envelope->utf8 = flags & 4;
	envelope->headers_only = flags & 8;
}

/* -- envelopes in memory ----------------------------------------------------------------------- */

int mail_queue_check(uint64_t message_max, const struct weir_mail_envelope *envelope)
{
	if (envelope->size > message_max || envelope->count > WEIR_MAIL_RECIPIENTS_MAX)
		return WEIR_E_LIMIT;
	bool good = envelope->count && !text_has_control(envelope->sender) &&
	            !text_has_control(envelope->envid) && !text_has_control(envelope->trace);
	for (size_t i = 0; i < envelope->count; i++)
		good &= envelope->recipients[i].address.size &&
		        !text_has_control(envelope->recipients[i].address) &&
		        !text_has_control(envelope->recipients[i].orcpt);
	return good ? 0 : -EINVAL;
}

static struct weir_span mail_queue_envelope_copy(char **to, struct weir_span text)
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
	queued->envelope.sender = mail_queue_envelope_copy(&to, envelope->sender);
	queued->envelope.envid = mail_queue_envelope_copy(&to, envelope->envid);
	queued->envelope.trace = mail_queue_envelope_copy(&to, envelope->trace);
	queued->count = envelope->count;
	queued->arrived_s = queued->next_s = now_s;
	for (size_t i = 0; i < envelope->count; i++) {
		const struct weir_mail_recipient *from = &envelope->recipients[i];
		queued->recipients[i].address = mail_queue_envelope_copy(&to, from->address);
		queued->recipients[i].orcpt = mail_queue_envelope_copy(&to, from->orcpt);
		queued->recipients[i].notify = from->notify;
	}
	return queued;
}

bool mail_queued_is_done(const struct weir_queued *queued)
{
	for (size_t i = 0; i < queued->count; i++)
		if (queued->recipients[i].state != WEIR_QUEUED_DONE)
			return false;
	return true;
}

void mail_queued_free(struct weir_queued *queued)
{
	if (!queued)
		return;
	if (queued->fd >= 0)
		close(queued->fd);
	free(queued->recipients);
	free(queued->text);
	free(queued);
}
