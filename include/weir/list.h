/*
 * A doubly linked ring whose links are embedded in the listed objects. The head is a link, too. A
 * link that points to itself is in no list, so that a second removal does nothing.
 */
#ifndef WEIR_LIST_H
#define WEIR_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/api.h>

WEIR_C_BEGIN

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

/* Appends `link`, which must be in no list. */
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

/*
 * Iterates over the list, first to last. The list may grow behind the item meanwhile; the item must
 * stay in it.
 *
 *   WEIR_LIST_EACH (struct order, order, &orders, link)
 *           print(order);
 */
#define WEIR_LIST_EACH(type, item, list, member)                                                   \
	for (type *item = WEIR_CONTAINER((list)->next, type, member); &item->member != (list);     \
	        item = WEIR_CONTAINER(item->member.next, type, member))

/* The item may be removed or freed meanwhile; `next_item`, which is declared here, may not. */
#define WEIR_LIST_EACH_SAFE(type, item, next_item, list, member)                                   \
	for (type *item = WEIR_CONTAINER((list)->next, type, member),                              \
	          *next_item = WEIR_CONTAINER(item->member.next, type, member);                    \
	        &item->member != (list); item = next_item,                                         \
	          next_item = WEIR_CONTAINER(next_item->member.next, type, member))

/* Moves all links of `from`, in order, to the uninitialised head `to`; `from` is empty then. */
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

WEIR_C_END

#endif
