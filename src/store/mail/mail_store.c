/* The functions of the public header for every store: they call those of the store's type. */
#include <weir/mail_store.h>

#include <string.h>

#include "helper.h"
#include "mail_message.h"

void weir_mail_store_options_init(struct weir_mail_store_options *options)
{
	*options = (struct weir_mail_store_options){.message_max = WEIR_MAIL_MESSAGE_MAX};
}

bool weir_mail_user_good(struct weir_span user)
{
	if (user.size < 1 || user.size > WEIR_USER_NAME_MAX || user.data[0] == '.')
		return false;
	return !text_has_control(user) && !memchr(user.data, '/', user.size);
}

void weir_maildrop_open(struct weir_mail_store *store, struct weir_loop *loop,
        struct weir_span user, struct weir_mail_call *call, weir_mail_opened_fn *done)
{
	call->job = NULL;
	store->type->open(store, loop, user, call, done);
}

void weir_maildrop_info(const struct weir_maildrop *drop, size_t index, struct weir_mail_info *ret)
{
	drop->store->type->info(drop, index, ret);
}

void weir_maildrop_fetch(struct weir_maildrop *drop, size_t index, struct weir_mail_call *call,
        weir_mail_fetched_fn *done)
{
	call->job = NULL;
	drop->store->type->fetch(drop, index, call, done);
}

void weir_maildrop_remove(struct weir_maildrop *drop, const uint8_t *marks,
        struct weir_mail_call *call, weir_mail_removed_fn *done)
{
	call->job = NULL;
	drop->store->type->remove(drop, marks, call, done);
}

void weir_mail_call_cancel(struct weir_mail_store *store, struct weir_mail_call *call)
{
	if (call->job)
		store->type->cancel(call);
	call->job = NULL;
}

void weir_maildrop_close(struct weir_maildrop *drop)
{
	if (drop)
		drop->store->type->close(drop);
}

void weir_mail_store_destroy(struct weir_mail_store *store)
{
	if (store)
		store->type->destroy(store);
}

void weir_mail_store_count(struct weir_mail_store *store, struct weir_mail_store_counters *ret)
{
	*ret = (struct weir_mail_store_counters){0};
	if (store->type->count)
		store->type->count(store, ret);
}

void weir_mail_store_each_usage(
        struct weir_mail_store *store, weir_mailbox_usage_fn *show, void *context)
{
	if (store->type->each_usage)
		store->type->each_usage(store, show, context);
}
