/* Directory entries as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include <weir/ftp.h>
#include "listing.h"

#define NOW 1700000000 /* 2023-11-14 22:13:20 */

static const struct weir_directory_entry file = {
        .name = "a b",
        .kind = WEIR_FILE_REGULAR,
        .size = 1234567890123,
        .mtime = {.tv_sec = NOW - 60},
        .mode = S_IFREG | 0640,
        .links = 2,
        .inode = 0xabc,
        .device = 0x12,
};

static const char *text_of(size_t (*write)(const struct ftp_entry_style *style,
                                   const struct weir_directory_entry *entry, char *to, size_t room),
        const struct ftp_entry_style *style, const struct weir_directory_entry *entry)
{
	static char text[FTP_ENTRY_MAX + 1];
	size_t size = write(style, entry, text, FTP_ENTRY_MAX);
	text[size] = 0;
	/* Every smaller room is either enough or refused, and nothing is written beyond it. */
	for (size_t room = 0; room < size; room++) {
		char small[FTP_ENTRY_MAX];
		memset(small, '#', sizeof small);
		assert_int_equal(write(style, entry, small, room), 0);
		assert_int_equal(small[room], '#');
	}
	return text;
}

static void as_ls_does(void **state)
{
	struct ftp_entry_style style = {.now = NOW};
	struct weir_directory_entry entry = file;
	(void)state;
	assert_string_equal(text_of(ftp_entry_list, &style, &entry),
	        "-rw-r-----   2 ftp      ftp      1234567890123 Nov 14 22:12 a b\r\n");
	entry.kind = WEIR_FILE_DIRECTORY;
	entry.mode = S_IFDIR | 0755;
	entry.mtime.tv_sec = 0;
	entry.size = 7;
	entry.name = "x\r\n\x1b[2J\x7f";
	assert_string_equal(text_of(ftp_entry_list, &style, &entry),
	        "drwxr-xr-x   2 ftp      ftp                 7 Jan  1  1970 x???[2J?\r\n");
	/* A date in the future has a year, too. */
	entry.mtime.tv_sec = NOW + 1;
	entry.kind = WEIR_FILE_LINK;
	entry.name = "l";
	assert_string_equal(text_of(ftp_entry_list, &style, &entry),
	        "lrwxr-xr-x   2 ftp      ftp                 7 Nov 14  2023 l\r\n");
	entry.mtime.tv_sec = INT64_MAX;
	entry.kind = WEIR_FILE_OTHER;
	assert_string_equal(text_of(ftp_entry_list, &style, &entry),
	        "prwxr-xr-x   2 ftp      ftp                 7 Jan  1  1970 l\r\n");
}

static void names(void **state)
{
	struct ftp_entry_style style = {.prefix = "dir/"};
	struct weir_directory_entry entry = file;
	(void)state;
	assert_string_equal(text_of(ftp_entry_name, &style, &entry), "dir/a b\r\n");
	style.prefix = NULL;
	assert_string_equal(text_of(ftp_entry_name, &style, &entry), "a b\r\n");
	entry.name = "a\nb";
	assert_string_equal(text_of(ftp_entry_name, &style, &entry), "");
	char text[16];
	entry.name = "a\rb";
	assert_int_equal(ftp_entry_name(&style, &entry, text, sizeof text), 6);
	assert_memory_equal(text, "a\r\0b\r\n", 6);
}

static void facts(void **state)
{
	struct ftp_entry_style style = {.facts = FTP_FACTS_ALL, .rights = 127};
	struct weir_directory_entry entry = file;
	(void)state;
	assert_string_equal(text_of(ftp_entry_facts, &style, &entry),
	        "Type=file;Size=1234567890123;Modify=20231114221220;Perm=adfrw;"
	        "Unique=12gabc;UNIX.mode=0640; a b\r\n");
	entry.kind = WEIR_FILE_DIRECTORY;
	style.facts = FTP_FACT_TYPE | FTP_FACT_SIZE | FTP_FACT_PERM;
	assert_string_equal(
	        text_of(ftp_entry_facts, &style, &entry), "Type=dir;Perm=cdeflmp; a b\r\n");
	style.rights = WEIR_FTP_WRITE | WEIR_FTP_MKDIR;
	assert_string_equal(text_of(ftp_entry_facts, &style, &entry), "Type=dir;Perm=cem; a b\r\n");
	style.rights = WEIR_FTP_READ | WEIR_FTP_LIST;
	assert_string_equal(text_of(ftp_entry_facts, &style, &entry), "Type=dir;Perm=el; a b\r\n");
	style.facts = 0;
	assert_string_equal(text_of(ftp_entry_facts, &style, &entry), " a b\r\n");
	entry.name = "a\nb";
	assert_string_equal(text_of(ftp_entry_facts, &style, &entry), "");
	entry.name = "l";
	entry.kind = WEIR_FILE_LINK;
	style.facts = FTP_FACT_TYPE | FTP_FACT_PERM;
	assert_string_equal(
	        text_of(ftp_entry_facts, &style, &entry), "Type=OS.unix=slink;Perm=; l\r\n");
}

/* The longest name there is fits, whatever it is made of. */
static void the_longest(void **state)
{
	static const char bytes[] = {'a', '\r', (char)255, '"'};
	struct ftp_entry_style style = {.facts = FTP_FACTS_ALL, .rights = 15};
	struct weir_directory_entry entry = file;
	char name[256], text[FTP_ENTRY_MAX];
	(void)state;
	entry.name = name;
	entry.size = UINT64_MAX;
	entry.inode = UINT64_MAX;
	entry.device = UINT64_MAX;
	for (size_t i = 0; i < sizeof bytes; i++) {
		memset(name, bytes[i], 255);
		name[255] = 0;
		assert_true(ftp_entry_list(&style, &entry, text, sizeof text) > 255);
		assert_true(ftp_entry_name(&style, &entry, text, sizeof text) > 255);
		assert_true(ftp_entry_facts(&style, &entry, text, sizeof text) > 255);
	}
}

static void chooses_facts(void **state)
{
	char text[FTP_FACTS_TEXT_MAX];
	(void)state;
	unsigned chosen = ftp_facts_parse(WEIR_SPAN("SIZE;nonsense;unix.MODE;"));
	assert_int_equal(chosen, FTP_FACT_SIZE | FTP_FACT_MODE);
	ftp_facts_format(chosen, false, text);
	assert_string_equal(text, "size;UNIX.mode;");
	ftp_facts_format(chosen, true, text);
	assert_string_equal(text, "type;size*;modify;perm;unique;UNIX.mode*;");
	ftp_facts_format(FTP_FACTS_ALL, true, text);
	assert_int_equal(ftp_facts_parse(WEIR_SPAN("")), 0);
	assert_int_equal(ftp_facts_parse(WEIR_SPAN("type")), FTP_FACT_TYPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(as_ls_does),
	        cmocka_unit_test(names),
	        cmocka_unit_test(facts),
	        cmocka_unit_test(the_longest),
	        cmocka_unit_test(chooses_facts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
