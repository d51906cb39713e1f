/* Zone files: any file becomes a zone, or is refused with a reason. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include <weir/dns_zone.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void report(void *context, const char *path, unsigned line, const char *text)
{
	(void)line;
	if (!*path || !*text)
		abort();
	++*(unsigned *)context;
}

/* Other files are none of ours to read. */
static bool includes(const uint8_t *data, size_t size)
{
	for (; size >= 8; data++, size--)
		if (strncasecmp((const char *)data, "$INCLUDE", 8) == 0)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[32];
	static int file = -1;
	struct weir_dns_name apex;
	struct weir_dns_zone *zone = NULL;
	struct weir_dns_zone_info info;
	unsigned mistakes = 0;
	if (file < 0) {
		file = memfd_create("zone", MFD_CLOEXEC);
		snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	}
	if (includes(data, size))
		return 0;
	if (file < 0 || ftruncate(file, 0) < 0 || pwrite(file, data, size, 0) != (ssize_t)size ||
	        weir_dns_name_parse(WEIR_SPAN("z"), &apex) < 0)
		abort();
	int error = weir_dns_zone_load(path, &apex, report, &mistakes, &zone);
	if ((error < 0) != (mistakes > 0) || (error < 0) != (zone == NULL))
		abort();
	if (!zone)
		return 0;
	weir_dns_zone_info(zone, &info);
	if (!info.names || info.records < 2 || !weir_dns_name_equal(&info.name, &apex))
		abort();
	weir_dns_zone_release(zone);
	return 0;
}
