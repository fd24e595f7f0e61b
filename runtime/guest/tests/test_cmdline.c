/* Promise kept here: a person who says init= gets that program, as with any other initramfs. */
#include "common/tests/test.h"
#include "runtime/guest/init/cmdline.h"

TEST(cmdline_names_the_program_to_start)
{
	static const struct {
		const char *line, *init;
	} cases[] = {
		{"console=hvc0 quiet\n", ""},
		{"console=hvc0 init=/bin/sh quiet\n", "/bin/sh"},
		{"init=/bin/sh init=/bin/true\n", "/bin/true"},
		{"init=", ""},
		{"rdinit=/bin/sh systemd.init=/x", ""},
		{"quiet -- init=/bin/sh", ""},
		{"", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct blob init = cmdline_init(blob_of(cases[i].line));

		CHECK(blob_eq_str(init, cases[i].init));
	}
}
