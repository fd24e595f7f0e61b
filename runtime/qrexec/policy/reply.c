#include "runtime/qrexec/policy/reply.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/base/strbuf.h"

void reply_write(struct arena *a, const struct policy_decision *d, struct strbuf *out)
{
	const char *uuid;

	if (d->action != RULE_ALLOW) {
		/* Only who wants to know what would happen is told of a question. */
		strbuf_printf(out, "result=%s\n", d->action == RULE_ASK ? "ask" : "deny");
		return;
	}
	strbuf_printf(out, "user=%s\nresult=allow\ntarget=%s\nautostart=%s\nrequested_target=%s\n",
		      d->user ? d->user : "DEFAULT", place_text(a, &d->target), d->autostart ? "True" : "False",
		      d->requested_target);
	uuid = place_uuid_text(a, &d->target);
	if (uuid)
		strbuf_printf(out, "target_uuid=%s\n", uuid);
	if (d->rewritten)
		strbuf_printf(out, "service=%s\n", d->rewritten);
	if (d->policy_source)
		strbuf_printf(out, "policy_source=%s\n", d->policy_source);
}

void reply_log(struct arena *a, const struct policy_decision *d, const struct policy_request *request)
{
	const char *target = request->target && *request->target ? request->target : "@default";

	/* A qube chooses the service's name, of up to 65 KB. */
	fprintf(stderr, "qrexec: %.200s: %s -> %s: ", request->service, request->source, target);
	if (d->action == RULE_ALLOW)
		fprintf(stderr, "allowed to %s", place_text(a, &d->target));
	else
		fprintf(stderr, "%s", d->action == RULE_ASK ? "to be asked" : "denied");
	if (d->reason)
		fprintf(stderr, ": %s", d->reason);
	if (d->rule)
		fprintf(stderr, " [%s:%u]", d->rule->file, d->rule->line);
	fprintf(stderr, "\n");
}

static void add_icon(json_t *icons, const struct system_info *s, const char *name)
{
	const char *dispvm = "@dispvm:";
	const struct qube *q;

	if (strncmp(name, dispvm, strlen(dispvm)) == 0)
		name += strlen(dispvm);
	q = system_info_find(s, strcmp(name, "@adminvm") ? name : "dom0");
	if (q && q->icon)
		json_object_set_new(icons, name, json_string(q->icon));
}

char *reply_question(const struct policy_decision *d, const struct system_info *s)
{
	json_t *targets = json_array(), *icons = json_object(), *root;
	char *text;

	add_icon(icons, s, d->source->name);
	for (size_t i = 0; i < d->n_choices; i++) {
		json_array_append_new(targets, json_string(d->choices[i]));
		add_icon(icons, s, d->choices[i]);
	}
	root = json_pack("{s:s, s:s, s:s, s:o, s:s, s:o}", "source", d->source->name, "service", d->service, "argument",
			 d->argument, "targets", targets, "default_target", d->default_choice ? d->default_choice : "",
			 "icons", icons);
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

char *reply_notification(struct arena *a, const struct policy_decision *d, const char *resolution, const char *source)
{
	const char *target = d->action == RULE_ALLOW ? place_text(a, &d->target) : d->requested_target;
	json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:s}", "resolution", resolution, "service", d->service, "argument",
				 d->argument, "source", source, "target", target);
	char *text = json_dumps(root, JSON_COMPACT);

	json_decref(root);
	return text;
}

const char *reply_gui_domain(const struct policy_decision *d, const struct system_info *s)
{
	const struct qube *gui;

	if (!d->source)
		return NULL;
	if (qube_is_admin(d->source))
		return d->source->name;
	gui = system_info_find(s, d->source->guivm);
	return gui ? gui->name : NULL;
}
