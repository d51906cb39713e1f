/* The functions of the public header for every queue: they call those of the queue's type. */
#include <weir/mail_queue.h>

#include <errno.h>

void weir_mail_queue_close(struct weir_mail_queue *queue)
{
	if (queue)
		queue->type->close(queue);
}

struct weir_mail_sink *weir_mail_queue_sink(struct weir_mail_queue *queue)
{
	return &queue->sink;
}

size_t weir_mail_queue_count(struct weir_mail_queue *queue)
{
	return queue->type->count(queue);
}

int64_t weir_mail_queue_oldest_s(struct weir_mail_queue *queue)
{
	return queue->type->oldest_s(queue);
}

void weir_mail_queue_claims(struct weir_mail_queue *queue, struct weir_mail_queue_claims *ret)
{
	queue->type->claims(queue, ret);
}

int weir_mail_queue_listen(struct weir_mail_queue *queue, struct weir_loop *loop,
        weir_mail_queue_changed_fn *changed, void *context)
{
	return queue->type->listen(queue, loop, changed, context);
}

void weir_mail_queue_ignore(struct weir_mail_queue *queue)
{
	queue->type->ignore(queue);
}

int64_t weir_mail_queue_next(struct weir_mail_queue *queue)
{
	return queue->type->next(queue);
}

int weir_mail_queue_claim(struct weir_mail_queue *queue, struct weir_loop *loop, int64_t now_s,
        weir_mail_queue_claimed_fn *claimed, void *context)
{
	return queue->type->claim(queue, loop, now_s, claimed, context);
}

bool weir_mail_queue_may_send(struct weir_mail_queue *queue, const struct weir_queued *queued)
{
	return !queue->type->may_send || queue->type->may_send(queue, queued);
}

void weir_mail_queue_requeue(struct weir_mail_queue *queue, struct weir_loop *loop,
        struct weir_queued *queued, weir_mail_queue_requeued_fn *requeued, void *context)
{
	queue->type->requeue(queue, loop, queued, requeued, context);
}

int weir_mail_queue_list(struct weir_mail_queue *queue, struct weir_loop *loop,
        weir_mail_queue_show_fn *show, weir_mail_queue_done_fn *done, void *context)
{
	return queue->type->list(queue, loop, show, done, context);
}

int weir_mail_queue_ask(struct weir_mail_queue *queue, struct weir_loop *loop,
        enum weir_queue_command command, const char *id, weir_mail_queue_done_fn *done,
        void *context)
{
	return queue->type->command(queue, loop, command, id, done, context);
}
