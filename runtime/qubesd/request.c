#include "runtime/qubesd/request.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* METHOD[+ARG] SP SRC SP name|keyword SP DEST NUL PAYLOAD */
int request_parse(struct blob input, struct request *r)
{
	const char *nul = memchr(input.p, 0, input.n);
	struct blob head, service;

	*r = (struct request){0};
	if (!nul)
		return -EBADMSG;
	head = (struct blob){input.p, (size_t)(nul - input.p)};
	r->payload = (struct blob){nul + 1, input.n - head.n - 1};
	for (size_t i = 0; i < head.n; i++)
		if (!isgraph((unsigned char)head.p[i]) && head.p[i] != ' ')
			return -EBADMSG;
	if (!blob_token(&head, ' ', &service) || !blob_token(&head, ' ', &r->source) ||
	    !blob_token(&head, ' ', &r->target_type) || !blob_token(&head, ' ', &r->target) ||
	    head.n)
		return -EBADMSG;
	blob_token(&service, '+', &r->method);
	r->argument = service;
	if (!r->method.n || !r->source.n || !r->target.n)
		return -EBADMSG;
	if (blob_eq_str(r->target_type, "keyword") && blob_eq_str(r->target, "adminvm"))
		r->target = BLOB("dom0");
	else if (!blob_eq_str(r->target_type, "name"))
		return -EBADMSG;
	return 0;
}
