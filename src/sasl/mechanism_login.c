/* LOGIN (draft-murchison-sasl-login): asks for the name, then for the password. */
#include <weir/error.h>

#include "sasl_exchange.h"

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
		/* A name that cannot be is left empty, which is nobody's. */
		sasl_set_user(sasl, bytes);
		sasl_challenge(sasl, WEIR_SPAN("Password:"));
	} else {
		sasl_check_password(sasl, bytes);
	}
}

const struct sasl_mechanism sasl_login = {"LOGIN", true, mechanism_login_next};
