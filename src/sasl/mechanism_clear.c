/*
 * The mechanisms that send the password itself.
 *
 * PLAIN (RFC 4616): [authzid] NUL authcid NUL passwd; a user may not act for another. LOGIN
 * (draft-murchison-sasl-login) asks for the name, then for the password.
 */
#include <errno.h>

#include <weir/error.h>

#include "sasl_exchange.h"

/*
 * -- PLAIN ---------------------------------------------------------------------------------------
 */

static void mechanism_plain_next(struct weir_sasl *sasl, struct weir_span bytes, bool have)
{
	struct weir_span identity, name, password = bytes;
	if (!have) {
		sasl_challenge(sasl, WEIR_SPAN(""));
		return;
	}
	if (!weir_span_cut(&password, 0, &identity) || !weir_span_cut(&password, 0, &name) ||
	        !name.size || !password.size || memchr(password.data, 0, password.size)) {
		sasl_finish(sasl, WEIR_E_SYNTAX);
		return;
	}
	const struct weir_users *users = sasl->options.users;
	bool another = identity.size && !weir_span_equal(weir_users_login_name(users, identity),
	                                        weir_users_login_name(users, name));
	if (!sasl_set_user(sasl, name) || another)
		password = weir_span("\0", 1); /* no password is this */
	sasl_check_password(sasl, password);
}

const struct sasl_mechanism sasl_plain = {"PLAIN", true, mechanism_plain_next};

/*
 * -- LOGIN ---------------------------------------------------------------------------------------
 */

enum login_stage {
	BEGIN,
	NAME,
	PASSWORD,
};

static void mechanism_login_next(struct weir_sasl *sasl, struct weir_span bytes, bool have)
{
	if (!have) {
		sasl->stage = NAME;
		sasl_challenge(sasl, WEIR_SPAN("Username:"));
	} else if (sasl->stage != PASSWORD) {
		sasl->stage = PASSWORD;
		/* An invalid name is left empty, and no user has an empty name. */
		sasl_set_user(sasl, bytes);
		sasl_challenge(sasl, WEIR_SPAN("Password:"));
	} else {
		sasl_check_password(sasl, bytes);
	}
}

const struct sasl_mechanism sasl_login = {"LOGIN", true, mechanism_login_next};
