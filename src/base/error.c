/* The texts of our own codes (those of the system come from strerror), and the version. */
#include <string.h>

#include <weir/error.h>
#include <weir/version.h>

const char *weir_error_text(int error)
{
	switch (error) {
	case 0:
		return "no error";
	case WEIR_E_LIMIT:
		return "a limit was reached";
	case WEIR_E_SYNTAX:
		return "malformed input";
	case WEIR_E_CLOSED:
		return "already closed";
	case WEIR_E_TLS:
		return "TLS failed";
	}
	const char *text = strerrordesc_np(-error);
	return text ? text : "unknown error";
}

const char *weir_version(void)
{
	return WEIR_VERSION;
}
