/* One line: the two numbers. No name begins with a dot, so that the file is not one of a name. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include <weir/error.h>

#include "acme_lease_state.h"
#include "acme_store.h"
#include "helper.h"

#define LEASE_FILE ACME_STATES "/.lease"

enum {
	LEASE_TEXT_MAX = 64,
};

int acme_lease_state_parse(struct weir_span text, struct acme_lease_state *ret)
{
	struct weir_span line, until, rest = text;
	uint64_t until_s, takeovers;
	if (!weir_span_cut(&rest, '\n', &line) || !weir_span_cut(&line, ' ', &until) ||
	        weir_span_number(until, 10, &until_s) < 0 || until_s > INT64_MAX ||
	        weir_span_number(line, 10, &takeovers) < 0)
		return WEIR_E_SYNTAX;
	*ret = (struct acme_lease_state){.until_s = (int64_t)until_s, .takeovers = takeovers};
	return 0;
}

int acme_lease_state_write(const struct acme_lease_state *state, const struct acme_store *store)
{
	char text[LEASE_TEXT_MAX];
	int size = snprintf(
	        text, sizeof text, "%" PRId64 " %" PRIu64 "\n", state->until_s, state->takeovers);
	return acme_store_write(store, LEASE_FILE, weir_span(text, (size_t)size));
}

int acme_lease_state_read(const char *directory, struct acme_lease_state *ret)
{
	char path[PATH_MAX];
	struct weir_buffer text = {0};
	int size = snprintf(path, sizeof path, "%s/" LEASE_FILE, directory);
	if (size < 0 || (size_t)size >= sizeof path)
		return -ENAMETOOLONG;
	int error = file_read_whole(AT_FDCWD, path, O_NOFOLLOW, LEASE_TEXT_MAX, &text);
	if (error == 0)
		error = acme_lease_state_parse(weir_buffer_span(&text), ret);
	weir_buffer_finish(&text);
	return error;
}
