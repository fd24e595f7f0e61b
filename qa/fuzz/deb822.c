/* builder/deb: control data, Release files, Packages files, cleartext signatures and armour from
 * any bytes. */
#include "builder/deb/packages.h"
#include "builder/deb/release.h"
#include "builder/deb/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int nothing(const struct deb_package *p, void *arg)
{
	(void)arg;
	return p->size == 0; /* never: it has passed the checks */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct blob in = {(const char *)data, size};
	_cleanup_strbuf_ struct strbuf text = {0}, signature = {0}, keys = {0};
	_cleanup_error_ struct error err = {0};
	struct deb_release_file file;
	struct deb_release release;

	if (deb_packages_each("fuzz", in, nothing, NULL, &err) > 0)
		abort();
	if (deb_release_parse("fuzz", in, &release, &err) == 0)
		deb_release_find(&release, "main/binary-amd64/Packages.xz", &file);
	deb_clearsign_split("fuzz", in, &text, &signature, &err);
	deb_dearmor(in, &keys);
	return 0;
}
