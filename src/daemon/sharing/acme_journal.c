/* An array in the order of the changes: a file of an account is there before what refers to it. */
#include <stdlib.h>
#include <string.h>

#include <weir/database_secrets.h>

#include "acme_journal.h"
#include "acme_store.h"

struct acme_journal_entry {
	char *name;
	bool is_certificate;
	bool removed;
	struct weir_buffer content;
	struct weir_buffer key;
};

static void acme_entry_finish(struct acme_journal_entry *entry)
{
	free(entry->name);
	weir_database_erase(&entry->content);
	weir_database_erase(&entry->key);
}

static int acme_entry_fill(struct acme_journal_entry *entry, const char *name,
        struct weir_span content, struct weir_span key)
{
	*entry = (struct acme_journal_entry){
	        .is_certificate = key.data, .removed = !content.data, .name = strdup(name)};
	int error = entry->name ? 0 : -1;
	if (error == 0 && content.size)
		error = weir_buffer_append(
		        &entry->content, content.data, content.size, ACME_FILE_MAX);
	if (error == 0 && key.size)
		error = weir_buffer_append(&entry->key, key.data, key.size, ACME_FILE_MAX);
	if (error < 0)
		acme_entry_finish(entry);
	return error;
}

/* Drops the entries from `from` up to `to`. */
static void acme_journal_drop(struct acme_journal *journal, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		acme_entry_finish(&journal->items[i]);
	if (journal->count > to)
		memmove(&journal->items[from], &journal->items[to],
		        (journal->count - to) * sizeof *journal->items);
	journal->count -= to - from;
}

static bool acme_journal_grow(struct acme_journal *journal)
{
	if (journal->count == ACME_JOURNAL_MAX)
		return false;
	struct acme_journal_entry *grown =
	        realloc(journal->items, (journal->count + 1) * sizeof *grown);
	if (grown)
		journal->items = grown;
	return grown;
}

void acme_journal_note(struct acme_journal *journal, const char *name, struct weir_span content,
        struct weir_span key)
{
	struct acme_journal_entry entry;
	if (acme_entry_fill(&entry, name, content, key) < 0) {
		journal->failed = true;
		return;
	}
	for (size_t i = journal->sent; i < journal->count; i++)
		if (journal->items[i].is_certificate == entry.is_certificate &&
		        strcmp(journal->items[i].name, name) == 0) {
			acme_journal_drop(journal, i, i + 1);
			break;
		}
	if (acme_journal_grow(journal)) {
		journal->items[journal->count++] = entry;
	} else {
		acme_entry_finish(&entry);
		journal->failed = true;
	}
}

/* An empty text is one, too. */
static struct weir_span acme_entry_span(const struct weir_buffer *buffer)
{
	return weir_span(buffer->data ? buffer->data : "", buffer->size);
}

unsigned acme_journal_send(struct acme_journal *journal,
        struct weir_database_acme_change ret[WEIR_DATABASE_ACME_CHANGES_MAX])
{
	unsigned count = 0;
	for (; count < journal->count && count < WEIR_DATABASE_ACME_CHANGES_MAX; count++) {
		const struct acme_journal_entry *entry = &journal->items[count];
		ret[count] = (struct weir_database_acme_change){.name = entry->name,
		        .content = entry->removed ? weir_span(NULL, 0)
		                                  : acme_entry_span(&entry->content),
		        .key = entry->is_certificate ? acme_entry_span(&entry->key)
		                                     : weir_span(NULL, 0)};
	}
	journal->sent = count;
	return count;
}

void acme_journal_arrived(struct acme_journal *journal)
{
	acme_journal_drop(journal, 0, journal->sent);
	journal->sent = 0;
}

void acme_journal_failed(struct acme_journal *journal)
{
	journal->sent = 0;
}

void acme_journal_finish(struct acme_journal *journal)
{
	if (journal->items)
		acme_journal_drop(journal, 0, journal->count);
	free(journal->items);
	*journal = (struct acme_journal){0};
}
