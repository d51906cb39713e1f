/*
 * Directory entries as text. LIST is for people, and for programs that parse `ls -l`. NLST and
 * MLSD are for programs, so they leave out a name that cannot be in a line.
 *
 * Times are in UTC. Owner and group are always `ftp`: those of the server's disk are not shown.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/error.h>
#include <weir/ftp.h>

#include "helper.h"
#include "listing.h"

enum {
	RECENT_S = 182 * 24 * 60 * 60, /* half a year, after which ls shows the year */
	MODE_BITS = 9
};

static const struct {
	const char *name;
	enum ftp_fact fact;
} known_facts[] = {
        {"type", FTP_FACT_TYPE},
        {"size", FTP_FACT_SIZE},
        {"modify", FTP_FACT_MODIFY},
        {"perm", FTP_FACT_PERM},
        {"unique", FTP_FACT_UNIQUE},
        {"UNIX.mode", FTP_FACT_MODE},
};

enum {
	FACT_COUNT = sizeof known_facts / sizeof known_facts[0]
};

/* -- names ------------------------------------------------------------------------------------- */

size_t ftp_name_write(const char *name, bool telnet, bool quoted, char *to, size_t room)
{
	size_t size = 0;
	for (; *name; name++) {
		bool twice = (quoted && *name == '"') || (telnet && *name == (char)255);
		if (size + 2 > room)
			return 0;
		to[size++] = *name == '\n' ? '?' : *name;
		if (twice)
			to[size++] = *name;
		else if (*name == '\r')
			to[size++] = 0;
	}
	return size;
}

static size_t ftp_entry_finish_line(char *to, size_t size, size_t room)
{
	if (!size || size + 2 > room)
		return 0;
	to[size] = '\r';
	to[size + 1] = '\n';
	return size + 2;
}

/* -- LIST -------------------------------------------------------------------------------------- */

static char ftp_entry_kind_letter(enum weir_file_kind kind)
{
	switch (kind) {
	case WEIR_FILE_DIRECTORY:
		return 'd';
	case WEIR_FILE_LINK:
		return 'l';
	case WEIR_FILE_REGULAR:
		return '-';
	case WEIR_FILE_OTHER:
		break;
	}
	return 'p';
}

static void ftp_entry_format_mode(
        const struct weir_directory_entry *entry, char text[MODE_BITS + 2])
{
	text[0] = ftp_entry_kind_letter(entry->kind);
	for (int i = 0; i < MODE_BITS; i++)
		text[i + 1] = (char)(entry->mode & (0400U >> i) ? "rwx"[i % 3] : '-');
	text[MODE_BITS + 1] = 0;
}

static void ftp_entry_format_date(time_t time, time_t now, char text[24])
{
	static const char months[][4] = {
	        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm tm = {0};
	bool recent = time <= now && now - time < RECENT_S;
	if (!gmtime_r(&time, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
		tm = (struct tm){.tm_mday = 1, .tm_year = 70};
	unsigned day = (unsigned)tm.tm_mday % 32;
	if (recent)
		snprintf(text, 24, "%.3s %2u %02u:%02u", months[tm.tm_mon], day,
		        (unsigned)tm.tm_hour % 24, (unsigned)tm.tm_min % 60);
	else
		snprintf(text, 24, "%.3s %2u  %04u", months[tm.tm_mon], day,
		        (unsigned)(tm.tm_year + 1900) % 10000);
}

#define ARROW " -> "

/* Writes a name without control characters. */
static size_t ftp_entry_write_plain(const char *name, char *to, size_t room)
{
	size_t size = strlen(name);
	if (size > room)
		return 0;
	for (size_t i = 0; i < size; i++)
		to[i] = text_is_control(name[i]) ? '?' : name[i];
	return size;
}

size_t ftp_entry_list(const struct ftp_entry_style *style, const struct weir_directory_entry *entry,
        char *to, size_t room)
{
	char mode[MODE_BITS + 2], date[24];
	ftp_entry_format_mode(entry, mode);
	ftp_entry_format_date(entry->mtime.tv_sec, style->now, date);
	int put = snprintf(to, room, "%s %3llu ftp      ftp      %12llu %s ", mode,
	        (unsigned long long)entry->links, (unsigned long long)entry->size, date);
	if (put <= 0 || (size_t)put >= room)
		return 0;
	size_t size = (size_t)put;
	size_t name = ftp_entry_write_plain(entry->name, to + size, room - size);
	size += name;
	if (name && entry->target && size + sizeof ARROW - 1 < room) {
		memcpy(to + size, ARROW, sizeof ARROW - 1);
		size += sizeof ARROW - 1;
		size += ftp_entry_write_plain(entry->target, to + size, room - size);
	}
	return ftp_entry_finish_line(to, name ? size : 0, room);
}

/* -- NLST -------------------------------------------------------------------------------------- */

size_t ftp_entry_name(const struct ftp_entry_style *style, const struct weir_directory_entry *entry,
        char *to, size_t room)
{
	size_t prefix = style->prefix ? strlen(style->prefix) : 0;
	if (strchr(entry->name, '\n') || prefix > room)
		return 0;
	if (prefix)
		memcpy(to, style->prefix, prefix);
	size_t name = ftp_name_write(entry->name, false, false, to + prefix, room - prefix);
	return ftp_entry_finish_line(to, name ? prefix + name : 0, room);
}

/* -- MLSD, MLST -------------------------------------------------------------------------------- */

static const char *ftp_entry_type_of(enum weir_file_kind kind)
{
	switch (kind) {
	case WEIR_FILE_REGULAR:
		return "file";
	case WEIR_FILE_DIRECTORY:
		return "dir";
	case WEIR_FILE_LINK:
		return "OS.unix=slink";
	case WEIR_FILE_OTHER:
		break;
	}
	return "OS.unix=other";
}

/*
 * The rights of the user; the disk may still refuse a command. A link cannot be appended to. A
 * linked directory has no `d`: before RMD a client would remove all that is in it.
 */
static void ftp_entry_format_perm(
        const struct weir_directory_entry *entry, unsigned rights, char text[16])
{
	static const struct {
		char letter;
		unsigned needs;
		bool file, directory; /* the kinds that it applies to */
		bool linked_file, linked_directory;
	} letters[] = {
	        {'a', WEIR_FTP_WRITE | WEIR_FTP_OVERWRITE, true, false, false, false},
	        {'c', WEIR_FTP_WRITE, false, true, false, true},
	        {'d', WEIR_FTP_DELETE, true, true, true, false},
	        {'e', 0, false, true, false, true},
	        {'f', WEIR_FTP_RENAME, true, true, true, true},
	        {'l', WEIR_FTP_LIST, false, true, false, true},
	        {'m', WEIR_FTP_MKDIR, false, true, false, true},
	        {'p', WEIR_FTP_DELETE, false, true, false, true},
	        {'r', WEIR_FTP_READ, true, false, true, false},
	        {'w', WEIR_FTP_WRITE | WEIR_FTP_OVERWRITE, true, false, true, false},
	};
	bool file = entry->kind == WEIR_FILE_REGULAR;
	bool directory = entry->kind == WEIR_FILE_DIRECTORY;
	size_t size = 0;
	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
		bool fits = entry->linked ? (file && letters[i].linked_file) ||
		                                    (directory && letters[i].linked_directory)
		                          : (file && letters[i].file) ||
		                                    (directory && letters[i].directory);
		if (fits && (rights & letters[i].needs) == letters[i].needs)
			text[size++] = letters[i].letter;
	}
	text[size] = 0;
}

static int ftp_entry_write_fact(enum ftp_fact fact, const struct ftp_entry_style *style,
        const struct weir_directory_entry *entry, char *to, size_t room)
{
	char text[WEIR_FTP_TIME_TEXT_MAX];
	switch (fact) {
	case FTP_FACT_TYPE:
		return snprintf(to, room, "Type=%s;", ftp_entry_type_of(entry->kind));
	case FTP_FACT_SIZE:
		if (entry->kind != WEIR_FILE_REGULAR)
			return 0;
		return snprintf(to, room, "Size=%llu;", (unsigned long long)entry->size);
	case FTP_FACT_MODIFY:
		ftp_time_format(entry->mtime.tv_sec, text);
		return snprintf(to, room, "Modify=%s;", text);
	case FTP_FACT_PERM:
		ftp_entry_format_perm(entry, style->rights, text);
		return snprintf(to, room, "Perm=%s;", text);
	case FTP_FACT_UNIQUE:
		return snprintf(to, room, "Unique=%llxg%llx;", (unsigned long long)entry->device,
		        (unsigned long long)entry->inode);
	case FTP_FACT_MODE:
		return snprintf(to, room, "UNIX.mode=%04o;", (unsigned)entry->mode & 07777);
	case FTP_FACTS_ALL:
		break;
	}
	return 0;
}

size_t ftp_entry_facts(const struct ftp_entry_style *style,
        const struct weir_directory_entry *entry, char *to, size_t room)
{
	size_t size = 0;
	if (strchr(entry->name, '\n'))
		return 0;
	for (size_t i = 0; i < FACT_COUNT; i++) {
		if (!(style->facts & known_facts[i].fact))
			continue;
		int put = ftp_entry_write_fact(
		        known_facts[i].fact, style, entry, to + size, room - size);
		if (put < 0 || (size_t)put >= room - size)
			return 0;
		size += (size_t)put;
	}
	if (size == room)
		return 0;
	to[size++] = ' ';
	size_t name = ftp_name_write(entry->name, false, false, to + size, room - size);
	return ftp_entry_finish_line(to, name ? size + name : 0, room);
}

unsigned ftp_facts_parse(struct weir_span text)
{
	unsigned facts = 0;
	struct weir_span name;
	while (text.size) {
		weir_span_cut(&text, ';', &name);
		for (size_t i = 0; i < FACT_COUNT; i++)
			if (weir_span_equal_nocase(name, weir_span_of(known_facts[i].name)))
				facts |= known_facts[i].fact;
	}
	return facts;
}

void ftp_facts_format(unsigned facts, bool all, char text[FTP_FACTS_TEXT_MAX])
{
	size_t size = 0;
	text[0] = 0;
	for (size_t i = 0; i < FACT_COUNT; i++) {
		bool selected = facts & known_facts[i].fact;
		if (selected || all)
			size += (size_t)snprintf(text + size, FTP_FACTS_TEXT_MAX - size, "%s%s;",
			        known_facts[i].name, selected && all ? "*" : "");
	}
}

/* -- times (RFC 3659 2.3) ---------------------------------------------------------------------- */

/* A date that does not exist, such as the 30th of February, is refused. */
enum {
	DIGITS = 14,
	NANOSECOND_DIGITS = 9,
	YEAR_MAX = 9999
};

static bool ftp_timeval_all_digits(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	return true;
}

static bool ftp_timeval_parse_fraction(struct weir_span text, long *ret)
{
	long value = 0;
	if (text.size < 2 || text.data[0] != '.')
		return text.size == 0;
	if (!ftp_timeval_all_digits(weir_span_skip(text, 1)))
		return false;
	for (size_t i = 1; i <= NANOSECOND_DIGITS; i++)
		value = value * 10 + (i < text.size ? text.data[i] - '0' : 0);
	*ret = value;
	return true;
}

static int ftp_timeval_digits(struct weir_span text, size_t from, size_t size)
{
	int number = 0;
	for (size_t i = from; i < from + size; i++)
		number = number * 10 + text.data[i] - '0';
	return number;
}

int ftp_time_parse(struct weir_span text, struct timespec *ret)
{
	long fraction = 0;
	if (text.size < DIGITS || !ftp_timeval_all_digits(weir_span(text.data, DIGITS)) ||
	        !ftp_timeval_parse_fraction(weir_span_skip(text, DIGITS), &fraction))
		return WEIR_E_SYNTAX;
	struct tm asked = {
	        .tm_year = ftp_timeval_digits(text, 0, 4) - 1900,
	        .tm_mon = ftp_timeval_digits(text, 4, 2) - 1,
	        .tm_mday = ftp_timeval_digits(text, 6, 2),
	        .tm_hour = ftp_timeval_digits(text, 8, 2),
	        .tm_min = ftp_timeval_digits(text, 10, 2),
	        .tm_sec = ftp_timeval_digits(text, 12, 2),
	};
	struct tm tm = asked;
	time_t seconds = timegm(&tm);
	/*
	 * timegm accepts any fields and corrects dates that do not exist, so the result is
	 * compared.
	 */
	if (tm.tm_year != asked.tm_year || tm.tm_mon != asked.tm_mon ||
	        tm.tm_mday != asked.tm_mday || tm.tm_hour != asked.tm_hour ||
	        tm.tm_min != asked.tm_min || tm.tm_sec != asked.tm_sec)
		return WEIR_E_SYNTAX;
	*ret = (struct timespec){.tv_sec = seconds, .tv_nsec = fraction};
	return 0;
}

void ftp_time_format(time_t time, char text[WEIR_FTP_TIME_TEXT_MAX])
{
	static const char first[] = "00000101000000", last[] = "99991231235959";
	struct tm tm;
	if (!gmtime_r(&time, &tm) || tm.tm_year < -1900 || tm.tm_year > YEAR_MAX - 1900) {
		memcpy(text, time < 0 ? first : last, sizeof first);
		return;
	}
	snprintf(text, WEIR_FTP_TIME_TEXT_MAX, "%04d%02d%02d%02d%02d%02d", tm.tm_year + 1900,
	        tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
