/* The two arrays of a mail queue: a heap with the entry due first in front, and the claimed. */
#include <string.h>

#include "mail_queue_state.h"

static void queue_heap_place(struct queue_files *queue, struct queue_entry *entry, size_t at)
{
	queue->heap[at] = entry;
	entry->index = at;
}

static void queue_heap_sift_up(struct queue_files *queue, struct queue_entry *entry, size_t at)
{
	for (; at && queue->heap[(at - 1) / 2]->next_s > entry->next_s; at = (at - 1) / 2)
		queue_heap_place(queue, queue->heap[(at - 1) / 2], at);
	queue_heap_place(queue, entry, at);
}

static void queue_heap_sift_down(struct queue_files *queue, struct queue_entry *entry, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;
		if (child + 1 < queue->heap_count &&
		        queue->heap[child + 1]->next_s < queue->heap[child]->next_s)
			child++;
		if (child >= queue->heap_count || queue->heap[child]->next_s >= entry->next_s)
			break;
		queue_heap_place(queue, queue->heap[child], at);
		at = child;
	}
	queue_heap_place(queue, entry, at);
}

void mail_queue_heap(struct queue_files *queue, struct queue_entry *entry)
{
	queue_heap_sift_up(queue, entry, queue->heap_count++);
}

void mail_queue_unheap(struct queue_files *queue, struct queue_entry *entry)
{
	struct queue_entry *last = queue->heap[--queue->heap_count];
	size_t at = entry->index;
	if (last == entry)
		return;
	if (at && queue->heap[(at - 1) / 2]->next_s > last->next_s)
		queue_heap_sift_up(queue, last, at);
	else
		queue_heap_sift_down(queue, last, at);
}

void mail_queue_add_claimed(struct queue_files *queue, struct queue_entry *entry)
{
	entry->claimed = true;
	entry->index = queue->claimed_count;
	queue->claimed[queue->claimed_count++] = entry;
}

void mail_queue_remove_claimed(struct queue_files *queue, struct queue_entry *entry)
{
	struct queue_entry *last = queue->claimed[--queue->claimed_count];
	entry->claimed = false;
	queue->claimed[entry->index] = last;
	last->index = entry->index;
}

struct queue_entry *mail_queue_find(struct queue_files *queue, const char *id)
{
	for (size_t i = 0; i < queue->heap_count; i++)
		if (strcmp(queue->heap[i]->id, id) == 0)
			return queue->heap[i];
	for (size_t i = 0; i < queue->claimed_count; i++)
		if (strcmp(queue->claimed[i]->id, id) == 0)
			return queue->claimed[i];
	return NULL;
}
