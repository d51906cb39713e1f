/* Deliveries and maildrops in a test; the functions wait for their results. */
#ifndef WEIR_TEST_MAIL_H
#define WEIR_TEST_MAIL_H

#include "drain.h"
#include "scratch.h"

#include <weir/error.h>
#include <weir/mail_store.h>
#include <weir/producer.h>

enum {
	RECIPIENTS = 8
};

/* A message that is being delivered. */
struct mail {
	struct weir_mail_delivery *delivery;
	struct weir_mail_recipient recipients[RECIPIENTS];
	size_t count;
	int ready; /* calls */
	int ready_error;
	int done;
	int errors[RECIPIENTS];
	bool together;
};

static struct weir_mail_store *store;

static inline void mail_ready(void *context, int error)
{
	struct mail *mail = context;
	mail->ready++;
	mail->ready_error = error;
}

static inline void mail_done(void *context, const int *errors)
{
	struct mail *mail = context;
	mail->done++;
	memcpy(mail->errors, errors, mail->count * sizeof *errors);
}

/* `users`: names, separated by commas. */
static inline int mail_begin(struct mail *mail, const char *users)
{
	struct weir_span rest = weir_span_of(users);
	bool together = mail->together;
	memset(mail, 0, sizeof *mail);
	mail->together = together;
	for (bool more = true; more; mail->count++)
		more = weir_span_cut(&rest, ',', &mail->recipients[mail->count].user);
	struct weir_mail_envelope envelope = {
	        .recipients = mail->recipients, .count = mail->count, .together = together};
	return store->sink.type->begin(
	        &store->sink, loop, &envelope, mail_ready, mail, &mail->delivery);
}

static inline int mail_write(struct mail *mail, const void *data, size_t size)
{
	return store->sink.type->write(mail->delivery, weir_span(data, size));
}

static inline void mail_commit(struct mail *mail)
{
	store->sink.type->commit(mail->delivery, mail_done, mail);
	assert_int_equal(mail->done, 0);
}

static inline void mail_abort(struct mail *mail)
{
	store->sink.type->abort(mail->delivery);
}

/*
 * Sends a small message and waits for the result of the first recipient. `mail->together` is used.
 */
static inline int mail_send_bytes(
        struct mail *mail, const char *users, const void *data, size_t size)
{
	int error = mail_begin(mail, users);
	if (error < 0)
		return error;
	error = mail_write(mail, data, size);
	if (error < 0) {
		mail_abort(mail);
		return error;
	}
	mail_commit(mail);
	turn_until(&mail->done, 1);
	return mail->errors[0];
}

/* Sends a message for all recipients or none. */
static inline int mail_send_together(struct mail *mail, const char *users, const char *text)
{
	mail->together = true;
	return mail_send_bytes(mail, users, text, strlen(text));
}

struct checked {
	int done;
	int error;
};

static inline void on_checked(void *context, int error)
{
	struct checked *checked = context;
	checked->done++;
	checked->error = error;
}

/* Whether the user's mailbox would take so many bytes. */
static inline int mail_check(const char *user, uint64_t size)
{
	struct weir_mail_recipient to = {.user = weir_span_of(user)};
	struct weir_mail_check check = {0};
	struct checked checked = {0};
	int result = store->sink.type->check(
	        &store->sink, loop, &to, size, &check, on_checked, &checked);
	if (result != WEIR_MAIL_PENDING)
		return result;
	turn_until(&checked.done, 1);
	assert_null(check.job);
	return checked.error;
}

static inline int mail_send(const char *users, const char *text)
{
	struct mail mail = {0};
	return mail_send_bytes(&mail, users, text, strlen(text));
}

/* -- reading ----------------------------------------------------------------------------------- */

struct answer {
	struct weir_mail_call call;
	int done;
	int error;
	struct weir_maildrop *drop;
	struct weir_mail_body body;
	size_t removed;
};

static inline struct answer *answer_of(struct weir_mail_call *call)
{
	return WEIR_CONTAINER(call, struct answer, call);
}

static inline void on_opened(struct weir_mail_call *call, int error, struct weir_maildrop *drop)
{
	struct answer *answer = answer_of(call);
	answer->done++;
	answer->error = error;
	answer->drop = drop;
}

static inline void on_fetched(struct weir_mail_call *call, int error, struct weir_mail_body *body)
{
	struct answer *answer = answer_of(call);
	answer->done++;
	answer->error = error;
	if (body)
		answer->body = *body;
}

static inline void on_removed(struct weir_mail_call *call, int error, size_t removed)
{
	struct answer *answer = answer_of(call);
	answer->done++;
	answer->error = error;
	answer->removed = removed;
}

static inline int drop_open(const char *user, struct weir_maildrop **ret)
{
	struct answer answer = {.done = 0};
	weir_maildrop_open(store, loop, weir_span_of(user), &answer.call, on_opened);
	turn_until(&answer.done, 1);
	assert_true((answer.error == 0) == (answer.drop != NULL));
	*ret = answer.drop;
	return answer.error;
}

static inline struct weir_maildrop *must_open(const char *user)
{
	struct weir_maildrop *drop;
	assert_int_equal(drop_open(user, &drop), 0);
	return drop;
}

static inline struct weir_mail_info info_of(struct weir_maildrop *drop, size_t index)
{
	struct weir_mail_info info;
	weir_maildrop_info(drop, index, &info);
	return info;
}

/* Fetches the message into a buffer that the next call frees. */
static inline int fetch(struct weir_maildrop *drop, size_t index, struct weir_span *ret,
        struct weir_mail_body *ret_body)
{
	static struct drain drained;
	struct answer answer = {.done = 0};
	drain_free(&drained);
	weir_maildrop_fetch(drop, index, &answer.call, on_fetched);
	turn_until(&answer.done, 1);
	if (answer.error < 0)
		return answer.error;
	drained = (struct drain){.loop = loop, .room = 70000, .pieces = 100};
	const char *wrong = drain(&drained, answer.body.producer);
	if (wrong)
		fail_msg("%s", wrong);
	assert_int_equal(drained.end, WEIR_DONE);
	*ret = weir_buffer_span(&drained.bytes);
	if (ret_body)
		*ret_body = answer.body;
	return 0;
}

static inline void assert_message(struct weir_maildrop *drop, size_t index, const char *text)
{
	struct weir_span bytes = {0};
	assert_int_equal(fetch(drop, index, &bytes, NULL), 0);
	assert_int_equal(bytes.size, strlen(text));
	assert_memory_equal(bytes.data, text, bytes.size);
	assert_int_equal(info_of(drop, index).octets, bytes.size);
}

static inline int drop_remove(struct weir_maildrop *drop, const uint8_t *marks, size_t *ret)
{
	struct answer answer = {.done = 0};
	weir_maildrop_remove(drop, marks, &answer.call, on_removed);
	turn_until(&answer.done, 1);
	*ret = answer.removed;
	return answer.error;
}

/* Returns the number of messages in a mailbox. */
static inline size_t count_of(const char *user)
{
	struct weir_maildrop *drop = must_open(user);
	size_t count = drop->count;
	weir_maildrop_close(drop);
	return count;
}

#endif
