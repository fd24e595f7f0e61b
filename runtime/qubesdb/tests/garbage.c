/* vchan-garbage DOMAIN PORT BYTES: a hostile client that connects, sends random bytes and goes,
 * reading nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "runtime/vchan/libvchan.h"

int main(int argc, char **argv)
{
	unsigned char bytes[512];

	if (argc != 4) {
		fprintf(stderr, "usage: vchan-garbage DOMAIN PORT BYTES\n");
		return 2;
	}
	libvchan_t *vchan = libvchan_client_init(atoi(argv[1]), atoi(argv[2]));
	for (long left = atol(argv[3]); vchan && left > 0; left -= (long)sizeof(bytes)) {
		if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
			return 1;
		/* That the other end hangs up is what is wanted. */
		if (libvchan_send(vchan, bytes, sizeof(bytes)) < 0)
			break;
	}
	libvchan_close(vchan);
	return vchan ? 0 : 1;
}
