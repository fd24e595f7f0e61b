/*
 * main() of a fuzz target where there is no fuzzer: it gets every seed of qa/fuzz/corpus/NAME/, NAME being the program's. A
 * target ends the program at what it finds, and the last line is the seed's.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"

#define SEED_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(void)
{
	_cleanup_free_ char *pattern = xasprintf("qa/fuzz/corpus/%s/*", program_invocation_short_name);
	glob_t seeds;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (glob(pattern, 0, NULL, &seeds)) {
		printf("%s: no seed\n", pattern);
		return 1;
	}
	for (size_t i = 0; i < seeds.gl_pathc; i++) {
		_cleanup_strbuf_ struct strbuf seed = {0};
		int r = read_file(AT_FDCWD, seeds.gl_pathv[i], SEED_MAX, &seed);

		printf("%s\n", seeds.gl_pathv[i]);
		if (r < 0) {
			printf("%s\n", strerror(-r));
			return 1;
		}
		LLVMFuzzerTestOneInput((const uint8_t *)seed.p, seed.n);
	}
	printf("%zu passed, 0 failed, 0 skipped\n", seeds.gl_pathc);
	globfree(&seeds);
	return 0;
}
