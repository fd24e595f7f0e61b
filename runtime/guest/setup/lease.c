#include "runtime/guest/setup/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/blob.h"
#include "common/base/strbuf.h"
#include "common/sys/file.h"
#include "runtime/network/address.h"

enum { STATE_MAX_BYTES = 1 << 16, WORD_MAX = 46 };

/* An address alone: ports and names of servers (ADDRESS:PORT#NAME) have no place in resolv.conf. */
static bool is_address(struct blob word, char text[WORD_MAX])
{
	if (word.n >= WORD_MAX)
		return false;
	memcpy(text, word.p, word.n);
	text[word.n] = '\0';
	return address_family(text) != 0;
}

int setup_lease(struct setup *s)
{
	_cleanup_strbuf_ struct strbuf state = {0}, out = {0};
	struct blob rest, line, word;
	char text[WORD_MAX];
	int r;

	/* With it, resolv.conf is its own and it knows the leases. */
	if (faccessat(s->root, "run/systemd/resolve", F_OK, 0) == 0)
		return 0;
	r = read_file(s->root, "run/systemd/netif/state", STATE_MAX_BYTES, &state);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	rest = strbuf_blob(&state);
	while (blob_token(&rest, '\n', &line)) {
		if (!blob_has_prefix(line, "DNS="))
			continue;
		line = (struct blob){line.p + 4, line.n - 4};
		while (blob_word(&line, &word))
			if (is_address(word, text))
				strbuf_printf(&out, "nameserver %s\n", text);
	}
	/* Without a lease the old servers are as good as none. */
	setup_replace_file(s, "/etc/resolv.conf", out.p ? out.p : "");
	return 0;
}
