/*
 * The file names of a Maildir: UNIQUE[,S=bytes][,W=bytes][,D=0][:2,flags].
 *
 * Invariant: a unique part is never made twice. It has the time, the process, a counter and random
 * bits, as https://cr.yp.to/proto/maildir.html recommends.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "mail_message.h"
#include "siphash.h"

enum {
	HOST_MAX = 20,
	NS_PER_US = 1000
};

/* -- reading ----------------------------------------------------------------------------------- */

/* Takes a field such as ",S=12" off the front. Returns false if there is none. */
static bool mail_name_parse_field(struct weir_span *rest, char *ret_key, uint64_t *ret_value)
{
	if (rest->size < 4 || rest->data[0] != ',' || rest->data[2] != '=')
		return false;
	size_t size = 3;
	while (size < rest->size && rest->data[size] >= '0' && rest->data[size] <= '9')
		size++;
	if (weir_span_number(weir_span(rest->data + 3, size - 3), 10, ret_value) < 0)
		return false;
	*ret_key = rest->data[1];
	*rest = weir_span_skip(*rest, size);
	return true;
}

void mail_name_parse(struct weir_span name, struct mail_name *ret)
{
	*ret = (struct mail_name){0};
	bool stored = false, octets = false;
	struct weir_span base, rest = name;
	weir_span_cut(&rest, ':', &base);
	ret->unique = base;
	for (const char *at = base.data; base.size && (at = memchr(at, ',', base.size));) {
		uint64_t value;
		char key;
		base = weir_span_skip(base, (size_t)(at - base.data));
		if (!mail_name_parse_field(&base, &key, &value)) {
			base = weir_span_skip(base, 1);
			at = base.data;
			continue;
		}
		if (ret->unique.data + ret->unique.size > at)
			ret->unique.size = (size_t)(at - ret->unique.data);
		if (key == 'S') {
			ret->stored = value;
			stored = true;
		} else if (key == 'W') {
			ret->octets = value;
			octets = true;
		} else if (key == 'D') {
			ret->dotless = value == 0;
		}
		at = base.data;
	}
	ret->measured = stored && octets;
	ret->dotless = ret->dotless && ret->measured && ret->stored == ret->octets;
}

bool mail_uid_is_good(struct weir_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return false;
	return text.size > 0 && text.size <= WEIR_MAIL_UID_MAX;
}

void mail_name_uid(struct weir_span unique, char ret[static WEIR_MAIL_UID_MAX + 1])
{
	static const struct siphash_key key = {0x5745495255494431, 0x5745495255494432};
	uint64_t hash[2];
	if (mail_uid_is_good(unique)) {
		memcpy(ret, unique.data, unique.size);
		ret[unique.size] = 0;
		return;
	}
	siphash_24(&key, unique.data, unique.size, hash);
	snprintf(ret, WEIR_MAIL_UID_MAX + 1, "hash-%016llx%016llx", (unsigned long long)hash[0],
	        (unsigned long long)hash[1]);
}

/*
 * -- scanning a message
 * -------------------------------------------------------------------------------
 */

static bool mail_name_behind_line(const struct mail_scan *scan, const char *data, size_t at)
{
	char last = at >= 1 ? data[at - 1] : scan->last[1];
	char before = at >= 2 ? data[at - 2] : scan->last[at == 1 ? 1 : 0];
	if (scan->stored == 0 && at == 0)
		return true;
	return last == '\n' && (scan->unix_lines || before == '\r');
}

static void mail_name_scan_dots(struct mail_scan *scan, struct weir_span bytes)
{
	const char *end = bytes.data + bytes.size;
	for (const char *at = bytes.data; !scan->dotted && at < end; at++) {
		at = memchr(at, '.', (size_t)(end - at));
		if (!at)
			return;
		scan->dotted = mail_name_behind_line(scan, bytes.data, (size_t)(at - bytes.data));
	}
}

static void mail_name_count_bare(struct mail_scan *scan, struct weir_span bytes)
{
	const char *end = bytes.data + bytes.size;
	for (const char *at = bytes.data; at < end; at++) {
		at = memchr(at, '\n', (size_t)(end - at));
		if (!at)
			return;
		scan->bare += (at > bytes.data ? at[-1] : scan->last[1]) != '\r';
	}
}

void mail_scan(struct mail_scan *scan, struct weir_span bytes)
{
	if (!bytes.size)
		return;
	mail_name_scan_dots(scan, bytes);
	if (scan->unix_lines)
		mail_name_count_bare(scan, bytes);
	scan->stored += bytes.size;
	scan->last[0] = bytes.size >= 2 ? bytes.data[bytes.size - 2] : scan->last[1];
	scan->last[1] = bytes.data[bytes.size - 1];
}

bool mail_scan_ended(const struct mail_scan *scan)
{
	if (scan->stored == 0)
		return true;
	return scan->last[1] == '\n' && (scan->unix_lines || scan->last[0] == '\r');
}

/* -- making ------------------------------------------------------------------------------------ */

/* The host name is for people. Characters that would end it are left out. */
static void mail_name_put_host(char ret[static HOST_MAX + 1])
{
	char host[65] = "";
	size_t size = 0;
	gethostname(host, sizeof host - 1);
	for (size_t i = 0; host[i] && size < HOST_MAX; i++)
		if (host[i] > ' ' && host[i] < 0x7f && !strchr("/:,=", host[i]))
			ret[size++] = host[i];
	ret[size] = 0;
	if (!size)
		memcpy(ret, "localhost", sizeof "localhost");
}

int mail_name_make(const struct mail_scan *scan, char ret[static MAIL_NAME_SIZE])
{
	static atomic_uint count;
	struct timespec now;
	uint32_t random;
	char host[HOST_MAX + 1];
	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return -EIO;
	mail_name_put_host(host);
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(ret, MAIL_NAME_SIZE, "%lld.M%06ldP%ldQ%uR%08x.%s,S=%llu,W=%llu%s",
	        (long long)now.tv_sec, now.tv_nsec / NS_PER_US, (long)getpid(), count++, random,
	        host, (unsigned long long)scan->stored, (unsigned long long)scan->stored,
	        !scan->dotted && mail_scan_ended(scan) ? ",D=0" : "");
	return 0;
}
