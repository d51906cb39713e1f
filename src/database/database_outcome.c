/* SQLSTATEs (PostgreSQL, appendix A) as errors: by the code, or else by its class. */
#include "database_outcome.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <weir/error.h>

struct outcome_state {
	const char *state; /* or its beginning */
	int error;
};

static const struct outcome_state outcome_states[] = {
        {"40", -EAGAIN},       /* serialization failure, deadlock */
        {"53100", -ENOSPC},    /* disk full */
        {"53200", -ENOMEM},    /* out of memory */
        {"53300", -EAGAIN},    /* too many connections */
        {"53400", -ENOSPC},    /* configuration limit exceeded: of temporary files, say */
        {"22021", -ENOENT},    /* a text that is not UTF-8: no row has that name */
        {"25006", -EROFS},     /* read-only transaction */
        {"42501", -EACCES},    /* insufficient privilege */
        {"28", -EACCES},       /* invalid authorization */
        {"55P03", -EAGAIN},    /* lock not available */
        {"57014", -ETIMEDOUT}, /* query cancelled */
        {"57P", -ENOTCONN},    /* shutdown, or not ready */
        {"08", -ECONNRESET},   /* connection exception */
};

int database_outcome(const struct weir_postgres_end *end)
{
	if (end->error != WEIR_E_DATABASE)
		return end->error;
	for (size_t i = 0; i < sizeof outcome_states / sizeof *outcome_states; i++) {
		const char *state = outcome_states[i].state;
		if (strncmp(end->state, state, strlen(state)) == 0)
			return outcome_states[i].error;
	}
	return -EIO;
}

bool database_outcome_is_repeated(const struct weir_postgres_end *end, const char *tables)
{
	struct weir_span constraint = weir_span_of(end->constraint);
	struct weir_span key = WEIR_SPAN("_pkey");
	return strcmp(end->state, "23505") == 0 &&
	       weir_span_starts(constraint, weir_span_of(tables)) && constraint.size > key.size &&
	       weir_span_equal(weir_span_skip(constraint, constraint.size - key.size), key);
}
