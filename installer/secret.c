#include "installer/secret.h"

#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

int secret_set(struct secret *s, const char *text)
{
	size_t n = strlen(text);
	char *p;

	if (n > SECRET_MAX)
		return -E2BIG;
	p = mmap(NULL, SECRET_MAX + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	mlock(p, SECRET_MAX + 1);
	madvise(p, SECRET_MAX + 1, MADV_DONTDUMP);
	madvise(p, SECRET_MAX + 1, MADV_DONTFORK);
	memcpy(p, text, n + 1);
	secret_wipe(s);
	*s = (struct secret){p, n};
	return 0;
}

void secret_wipe(struct secret *s)
{
	if (s->p) {
		explicit_bzero(s->p, SECRET_MAX + 1);
		munmap(s->p, SECRET_MAX + 1);
	}
	*s = (struct secret){0};
}

void secret_harden(void)
{
	mallopt(M_PERTURB, 0x5a);
	prctl(PR_SET_DUMPABLE, 0);
	mlockall(MCL_CURRENT | MCL_FUTURE);
}
