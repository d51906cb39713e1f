/* PLAIN (RFC 4616): [authzid] NUL authcid NUL passwd. Nobody may act for somebody else. */
#include <errno.h>

#include <weir/error.h>

#include "exchange.h"

static void plain_next(struct weir_sasl *sasl, struct weir_span bytes, bool have)
{
	struct weir_span identity, name, password = bytes;
	if (!have) {
		weir_sasl_challenge(sasl, WEIR_SPAN(""));
		return;
	}
	if (!weir_span_cut(&password, 0, &identity) || !weir_span_cut(&password, 0, &name) ||
	        !name.size || !password.size || memchr(password.data, 0, password.size)) {
		weir_sasl_finish(sasl, WEIR_E_SYNTAX);
		return;
	}
	const struct weir_users *users = sasl->options.users;
	bool another = identity.size && !weir_span_equal(weir_users_login_name(users, identity),
	                                        weir_users_login_name(users, name));
	if (!weir_sasl_set_user(sasl, name) || another)
		password = weir_span("\0", 1); /* wrong, whatever it is */
	weir_sasl_check_password(sasl, password);
}

const struct sasl_mechanism weir_sasl_plain = {"PLAIN", true, plain_next};
