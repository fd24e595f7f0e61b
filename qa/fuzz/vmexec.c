/* runtime/qrexec/services/vmexec.c: any argument of the service is a command or refused; a command, encoded again, is the same. */
int vmexec_main(int argc, char **argv);
#define main vmexec_main
#include "runtime/qrexec/services/vmexec.c"
#undef main

#include <ctype.h>
#include <stdlib.h>

#include "common/base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const struct strv *argv, struct strbuf *out)
{
	for (size_t i = 0; i < argv->n; i++) {
		if (i)
			strbuf_add_char(out, '+');
		for (const char *p = argv->v[i]; *p; p++)
			if (isalnum((unsigned char)*p) || strchr("_.", *p))
				strbuf_add_char(out, *p);
			else
				strbuf_printf(out, "-%02X", (unsigned char)*p);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	_cleanup_strv_ struct strv argv = {0}, again = {0};
	_cleanup_strbuf_ struct strbuf encoded = {0};

	if (!decode_all(text, &argv))
		return 0;
	encode(&argv, &encoded);
	if (!decode_all(encoded.p ? encoded.p : "", &again) || argv.n != again.n || !argv.n)
		abort();
	for (size_t i = 0; i < argv.n; i++)
		if (strcmp(argv.v[i], again.v[i]) != 0)
			abort();
	return 0;
}
