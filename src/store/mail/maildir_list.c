/*
 * The names of a mailbox: new/ is read before cur/, so that no message is missed that is moved
 * meanwhile. A message that is seen twice counts once, in cur/.
 *
 * Invariant: a size that the name does not give (see mail_name.h) is measured here, so that no
 * message is read before it is fetched.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "maildir_state.h"
#include "helper.h"

enum {
	NAMES_MAX = 1 << 30, /* bytes of the block, since offsets have 32 bits */
	MEASURES = 2 * sizeof(uint64_t),
	READ_SIZE = 64 * 1024
};

/* -- one message ------------------------------------------------------------------------------- */

static void maildir_list_maildrop(const char *names, uint32_t offset, struct maildir_message *ret)
{
	struct mail_name name;
	ret->flags = (uint8_t)names[offset];
	ret->name = names + offset + 1;
	mail_name_parse(weir_span_of(ret->name), &name);
	ret->unique = name.unique;
	ret->stored = name.stored;
	ret->octets = name.octets;
	ret->dotless = name.dotless;
	if (ret->flags & MESSAGE_MEASURED) {
		memcpy(&ret->stored, names + offset - MEASURES, sizeof ret->stored);
		memcpy(&ret->octets, names + offset - MEASURES / 2, sizeof ret->octets);
		ret->dotless = ret->flags & MESSAGE_DOTLESS;
	}
}

void maildir_list_get(const struct maildir_list *list, size_t index, struct maildir_message *ret)
{
	const uint32_t *offsets = (const uint32_t *)(const void *)list->offsets.data;
	maildir_list_maildrop(list->names.data, offsets[index], ret);
}

/* -- measuring --------------------------------------------------------------------------------- */

/* Measures the file of another program; its lines may end in LF alone. */
static int maildir_list_measure(int directory, const char *name, struct mail_scan *ret)
{
	char *buffer = malloc(READ_SIZE);
	if (!buffer)
		return -ENOMEM;
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int error = fd < 0 ? -errno : 0;
	*ret = (struct mail_scan){.unix_lines = true};
	while (error == 0) {
		ssize_t got = read(fd, buffer, READ_SIZE);
		if (got == 0)
			break;
		if (got > 0)
			mail_scan(ret, weir_span(buffer, (size_t)got));
		else if (errno != EINTR)
			error = -errno;
	}
	if (fd >= 0)
		close(fd);
	free(buffer);
	return error;
}

/* The message is sent with a CR before every LF, so that these are counted. */
static int maildir_list_append_measures(
        struct maildir_list *list, int directory, const char *name, uint8_t *flags)
{
	struct mail_scan scan;
	uint64_t measures[2];
	int error = maildir_list_measure(directory, name, &scan);
	if (error < 0)
		return error;
	measures[0] = scan.stored;
	measures[1] = scan.stored + scan.bare;
	*flags |= MESSAGE_MEASURED;
	if (!scan.dotted && !scan.bare && mail_scan_ended(&scan))
		*flags |= MESSAGE_DOTLESS;
	return weir_buffer_append(&list->names, measures, sizeof measures, NAMES_MAX);
}

/* -- reading ----------------------------------------------------------------------------------- */

static int maildir_list_append(
        struct maildir_list *list, int directory, const char *entry, uint8_t flags)
{
	struct mail_name name;
	int error = 0;
	mail_name_parse(weir_span_of(entry), &name);
	if (!name.measured)
		error = maildir_list_append_measures(list, directory, entry, &flags);
	if (error < 0)
		return error == -ENOENT || error == -ELOOP ? 0 : error;
	uint32_t offset = (uint32_t)list->names.size;
	error = weir_buffer_append(&list->names, &flags, sizeof flags, NAMES_MAX);
	if (error == 0)
		error = weir_buffer_append(&list->names, entry, strlen(entry) + 1, NAMES_MAX);
	if (error == 0)
		error = weir_buffer_append(&list->offsets, &offset, sizeof offset, SIZE_MAX);
	return error;
}

static int maildir_list_read_part(
        struct maildir_list *list, int user, const char *part, uint8_t flags)
{
	int fd = maildir_open_beneath(user, part, O_RDONLY | O_DIRECTORY, false);
	if (fd < 0)
		return fd;
	DIR *directory = fdopendir(fd);
	if (!directory) {
		close(fd);
		return -errno;
	}
	int error = 0;
	struct dirent *entry;
	size_t most = WEIR_MAILDROP_MAX * sizeof(uint32_t);
	while (error == 0 && list->offsets.size < most) {
		errno = 0;
		entry = readdir(directory);
		if (!entry) {
			error = -errno;
			break;
		}
		if (maildir_is_message(fd, entry))
			error = maildir_list_append(list, fd, entry->d_name, flags);
	}
	closedir(directory);
	return error;
}

/* -- order ------------------------------------------------------------------------------------- */

static bool maildir_list_may_end(char byte)
{
	return byte == ',' || byte == ':' || byte == 0;
}

static int maildir_list_compare_unique(struct weir_span a, struct weir_span b)
{
	size_t size = min_of(a.size, b.size);
	int order = memcmp(a.data, b.data, size);
	return order ? order : (a.size > size) - (b.size > size);
}

/* Compares unique parts. Names that differ before the unique part can end need not be parsed. */
static int maildir_list_compare_names(const char *a, const char *b)
{
	struct mail_name x, y;
	size_t at = 0;
	while (a[at] == b[at] && !maildir_list_may_end(a[at]))
		at++;
	if (!maildir_list_may_end(a[at]) && !maildir_list_may_end(b[at]))
		return (unsigned char)a[at] - (unsigned char)b[at];
	mail_name_parse(weir_span_of(a), &x);
	mail_name_parse(weir_span_of(b), &y);
	return maildir_list_compare_unique(x.unique, y.unique);
}

/* Names begin with the second of the delivery, which has ten digits until the year 2286. */
static int maildir_list_compare(const void *a, const void *b, void *context)
{
	const char *names = context;
	uint32_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	int order = maildir_list_compare_names(names + x + 1, names + y + 1);
	/* Of two equal names the one that was read later is first. */
	return order ? order : (x < y) - (x > y);
}

static void maildir_list_sort(struct maildir_list *list)
{
	uint32_t *offsets = (uint32_t *)(void *)list->offsets.data;
	size_t count = list->offsets.size / sizeof *offsets, distinct = 0;
	if (!count)
		return;
	qsort_r(offsets, count, sizeof *offsets, maildir_list_compare, list->names.data);
	for (size_t i = 0; i < count; i++) {
		const char *name = list->names.data + offsets[i] + 1;
		if (!distinct || maildir_list_compare_names(
		                         list->names.data + offsets[distinct - 1] + 1, name) != 0)
			offsets[distinct++] = offsets[i];
	}
	list->offsets.size = distinct * sizeof *offsets;
}

int maildir_list_find(
        const struct maildir_list *list, struct weir_span unique, struct maildir_message *ret)
{
	size_t low = 0, high = list->offsets.size / sizeof(uint32_t);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct maildir_message message;
		maildir_list_get(list, middle, &message);
		int order = maildir_list_compare_unique(unique, message.unique);
		if (order == 0) {
			*ret = message;
			return 0;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -ENOENT;
}

/* Gives spare capacity back. */
static void maildir_list_trim(struct weir_buffer *buffer)
{
	char *data = buffer->size ? realloc(buffer->data, buffer->size) : NULL;
	if (!data)
		return;
	buffer->data = data;
	buffer->capacity = buffer->size;
}

int maildir_list_read(struct maildir_list *list, int user_directory)
{
	int error = maildir_list_read_part(list, user_directory, "new", 0);
	if (error == 0)
		error = maildir_list_read_part(list, user_directory, "cur", MESSAGE_CUR);
	if (error < 0)
		return error;
	maildir_list_sort(list);
	maildir_list_trim(&list->names);
	maildir_list_trim(&list->offsets);
	return 0;
}

void maildir_list_free(struct maildir_list *list)
{
	weir_buffer_finish(&list->names);
	weir_buffer_finish(&list->offsets);
}
