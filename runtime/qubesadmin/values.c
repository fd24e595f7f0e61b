#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "runtime/qubesadmin/include/qubesadmin-values.h"

int admin_next_value(struct arena *a, struct blob *rest, const char **key, const char **value)
{
	size_t i = 0, n = 0;
	char *text;

	while (rest->n && *rest->p == ' ')
		*rest = (struct blob){rest->p + 1, rest->n - 1};
	if (!rest->n)
		return 0;
	while (i < rest->n && (isalnum((unsigned char)rest->p[i]) || memchr("_.-", rest->p[i], 3)))
		i++;
	if (!i || i + 1 >= rest->n || rest->p[i] != '=' || rest->p[i + 1] != '\'')
		return -EINVAL;
	*key = arena_strndup(a, rest->p, i);
	*value = text = arena_alloc(a, rest->n - i);
	for (i += 2; i < rest->n && rest->p[i] != '\''; i++) {
		if (rest->p[i] == '\\' && ++i == rest->n)
			return -EINVAL;
		if (iscntrl((unsigned char)rest->p[i]))
			return -EINVAL;
		text[n++] = rest->p[i];
	}
	if (i == rest->n)
		return -EINVAL;
	*rest = (struct blob){rest->p + i + 1, rest->n - i - 1};
	return !rest->n || *rest->p == ' ' ? 1 : -EINVAL;
}

bool admin_next_vm(struct blob *rest, struct admin_vm *vm)
{
	struct blob line, word, key;

	while (blob_token(rest, '\n', &line)) {
		*vm = (struct admin_vm){0};
		if (!blob_word(&line, &vm->name))
			continue;
		while (blob_word(&line, &word)) {
			struct blob *field;

			blob_token(&word, '=', &key);
			field = blob_eq_str(key, "class")   ? &vm->class
				: blob_eq_str(key, "state") ? &vm->state
				: blob_eq_str(key, "uuid")  ? &vm->uuid
							    : NULL;
			if (field && !field->p)
				*field = word;
		}
		return true;
	}
	return false;
}

bool admin_property_parse(struct blob text, struct admin_property *p)
{
	struct blob word;

	*p = (struct admin_property){0};
	if (!blob_token(&text, ' ', &word) || !blob_has_prefix(word, "default="))
		return false;
	p->is_default = blob_eq_str(word, "default=True");
	if (!blob_token(&text, ' ', &word) || !blob_has_prefix(word, "type="))
		return false;
	p->type = (struct blob){word.p + 5, word.n - 5};
	p->value = text;
	return true;
}
