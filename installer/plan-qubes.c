/*
 * The default qubes (ref/distro.md 2.3 to 2.5): the formulas of the installed system, run in it against a qubesd that
 * records. What is there afterwards is what `qubesctl` would make on the running machine.
 */
#include <inttypes.h>
#include <string.h>

#include "installer/plan-maker.h"

/* In the order they are made; each brings those it needs, so a choice is never half of one. */
static const struct formula {
	const char *name;
	bool starts; /* with the machine */
	bool gateway; /* it is behind sys-firewall, or that itself */
} formulas[] = {
	{"sys-net", true, false}, {"sys-firewall", true, true}, {"sys-usb", true, false},    {"personal", false, true},
	{"work", false, true},	  {"untrusted", false, true},	{"vault", false, false},
};

static bool is_listed(const char *const *list, const char *name)
{
	for (; list && *list; list++)
		if (!strcmp(*list, name))
			return true;
	return false;
}

static bool disk_is_usb(const struct plan *p)
{
	return p->disk->transport && !strcmp(p->disk->transport, "usb");
}

/* A root that sits behind sys-usb would be gone with the first start, as would a keyboard that dom0 may not obey. */
static bool usb_stays(const struct plan *p)
{
	return disk_is_usb(p) || (p->verdict.usb_keyboard_only && !p->answers->usb_keyboard);
}

static bool is_wanted(const struct plan *p, const struct formula *f)
{
	if (p->answers->qubes)
		return is_listed(p->answers->qubes, f->name);
	return strcmp(f->name, "sys-usb") || !usb_stays(p);
}

static void set_global(struct maker *m, const char *name, const char *value)
{
	maker_command(m, "chroot", m->plan->places.target, "qubes-prefs", name, value, NULL);
}

static void apply(struct maker *m, const char *formula)
{
	maker_command(m, "chroot", m->plan->places.target, "qubesctl", "state.sls",
		      arena_printf(m->plan->arena, "qvm.%s", formula), NULL);
}

/* Choices of the formula sys-usb; it must read them when it is applied. */
static void add_usb_choices(struct maker *m)
{
	const struct answers *a = m->plan->answers;

	if (a->usb_keyboard)
		maker_command(m, "chroot", m->plan->places.target, "qubesctl", "top.enable", "qvm.usb-keyboard", "pillar=True", NULL);
	if (a->usb_mouse)
		maker_command(m, "chroot", m->plan->places.target, "qubesctl", "top.enable", "qvm.sys-usb-allow-mouse",
			      "pillar=True", NULL);
}

static void add_templates(struct maker *m)
{
	const struct plan *p = m->plan;
	const char *const *kernels = p->facts->guest_kernels, *const *templates = p->facts->templates;
	size_t last = 0;

	while (kernels && kernels[last] && kernels[last + 1])
		last++;
	if (kernels && kernels[last])
		set_global(m, "default_kernel", kernels[last]);
	if (p->answers->qrexec_timeout)
		set_global(m, "default_qrexec_timeout", arena_printf(p->arena, "%" PRIu64, p->answers->qrexec_timeout));
	for (const char *const *t = templates; t && *t; t++)
		maker_command(m, "chroot", p->places.target, "qvm-create", "--class", "TemplateVM", "--label", "black",
			      *t, NULL);
	if (templates && *templates)
		set_global(m, "default_template", *templates);
}

/* What Qubes OS' own set-up does behind the formulas. */
static void add_globals(struct maker *m, bool network, bool gateway)
{
	set_global(m, "default_dispvm", "default-dvm");
	if (network)
		set_global(m, "clockvm", "sys-net");
	if (gateway) {
		set_global(m, "default_netvm", "sys-firewall");
		set_global(m, "updatevm", "sys-firewall");
	}
}

static void add_default_qubes(struct maker *m)
{
	const struct plan *p = m->plan;
	bool wanted = false, network = false, gateway = false;

	for (size_t i = 0; i < sizeof(formulas) / sizeof(*formulas); i++) {
		if (!is_wanted(p, &formulas[i]))
			continue;
		if (!wanted)
			apply(m, "default-dispvm,qvm.default-mgmt-dvm");
		if (!strcmp(formulas[i].name, "sys-usb"))
			add_usb_choices(m);
		apply(m, formulas[i].name);
		wanted = true;
		gateway |= formulas[i].gateway;
		network |= formulas[i].gateway || !strcmp(formulas[i].name, "sys-net");
	}
	if (wanted)
		add_globals(m, network, gateway);
	for (size_t i = 0; !p->answers->autostart && i < sizeof(formulas) / sizeof(*formulas); i++)
		if (formulas[i].starts && (is_wanted(p, &formulas[i]) || (i == 0 && network) || (i == 1 && gateway)))
			maker_command(m, "chroot", p->places.target, "qvm-prefs", formulas[i].name, "autostart", "False",
				      NULL);
}

void plan_add_qubes(struct maker *m)
{
	const struct plan *p = m->plan;

	maker_step(m, "qubes", step_qubes, "Make the qubes");
	m->step->after = step_qubes_after;
	maker_call(m, "start qubesd --root %s --offline --socket-dir " INSTALL_SOCKET_DIR ", and stop it afterwards",
		   p->places.target);
	maker_call(m, "meanwhile: bind /proc, /sys, /dev, and " INSTALL_SOCKET_DIR " as run, below %s", p->places.target);
	if (!p->answers->qubes && usb_stays(p))
		maker_call(m, "without sys-usb: %s is on USB", disk_is_usb(p) ? "the disk" : "the only keyboard");
	add_templates(m);
	if (p->facts->templates && *p->facts->templates)
		add_default_qubes(m);
}
