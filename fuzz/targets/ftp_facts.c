/* Facts of MLST and times: parsing what was formatted gives the same facts and the same time. */
#include <stdlib.h>

#include "listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_lines(const char *text, size_t size)
{
	size_t lines = 0;
	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	return lines;
}

/* Whatever a file is called, it is one line. */
static void check_lines(const char *name, unsigned facts)
{
	char line[FTP_ENTRY_MAX];
	struct weir_directory_entry entry = {.name = name, .size = facts, .mode = 0644};
	struct ftp_entry_style style = {.facts = facts, .rights = facts};
	size_t size = ftp_entry_list(&style, &entry, line, sizeof line);
	if (size && count_lines(line, size) != 1)
		abort();
	size = ftp_entry_facts(&style, &entry, line, sizeof line);
	if (size && count_lines(line, size) != 1)
		abort();
	size = ftp_entry_name(&style, &entry, line, sizeof line);
	if (size && count_lines(line, size) != 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[FTP_FACTS_TEXT_MAX], time_text[WEIR_FTP_TIME_TEXT_MAX];
	struct timespec time, back;
	unsigned facts = ftp_facts_parse(weir_span(data, size));
	ftp_facts_format(facts, false, text);
	if (facts > FTP_FACTS_ALL || ftp_facts_parse(weir_span_of(text)) != facts)
		abort();
	if (ftp_time_parse(weir_span(data, size), &time) == 0) {
		ftp_time_format(time.tv_sec, time_text);
		if (ftp_time_parse(weir_span_of(time_text), &back) != 0 ||
		        back.tv_sec != time.tv_sec || time.tv_nsec < 0 ||
		        time.tv_nsec >= 1000000000)
			abort();
	}
	char *name = malloc(size + 1);
	if (!name)
		return 0;
	if (size)
		memcpy(name, data, size);
	name[size] = 0;
	check_lines(name, facts);
	free(name);
	return 0;
}
