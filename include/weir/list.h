/*
 * A doubly linked ring whose links are embedded in what is listed. The head is a link too; a link
 * that points to itself is in no list, so that removing twice is harmless.
 */
#ifndef WEIR_LIST_H
#define WEIR_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct weir_list {
	struct weir_list *next;
	struct weir_list *prev;
};

#define WEIR_CONTAINER(pointer, type, member)                                                      \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void weir_list_init(struct weir_list *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool weir_list_empty(const struct weir_list *list)
{
	return list->next == list;
}

/* Puts `link`, which must be in no list, last. */
static inline void weir_list_append(struct weir_list *list, struct weir_list *link)
{
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

static inline void weir_list_remove(struct weir_list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	weir_list_init(link);
}

/* Moves all links of `from`, in order, into the uninitialised head `to`; `from` is empty then. */
static inline void weir_list_move(struct weir_list *to, struct weir_list *from)
{
	if (weir_list_empty(from)) {
		weir_list_init(to);
		return;
	}
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	weir_list_init(from);
}

#endif
