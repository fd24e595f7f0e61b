/*
 * The default qubes (ref/distro.md 2.3 to 2.5): the formulas of the installed system, run in it against a qubesd that
 * records. What is there afterwards is what `qubesctl` would make on the running machine.
 */
#include <inttypes.h>
#include <string.h>

#include "common/base/strv.h"
#include "installer/plan-maker.h"

/* In the order they are made; each brings those it needs, so a choice is never half of one. */
enum { SYS_NET, SYS_FIREWALL, SYS_USB };
static const struct formula {
	const char *name;
	bool starts; /* with the machine */
	bool gateway; /* it is behind sys-firewall, or that itself */
} formulas[] = {
	{"sys-net", true, false}, {"sys-firewall", true, true}, {"sys-usb", true, false},    {"personal", false, true},
	{"work", false, true},	  {"untrusted", false, true},	{"vault", false, false},
};

static bool disk_is_usb(const struct plan *p)
{
	return p->disk->transport && !strcmp(p->disk->transport, "usb");
}

/* A root or a keyboard that sits behind sys-usb is gone with the first start: nothing brings keys back to dom0. */
static bool usb_stays(const struct plan *p)
{
	return disk_is_usb(p) || p->verdict.usb_keyboard_only;
}

static bool is_wanted(const struct plan *p, const struct formula *f)
{
	if (p->answers->qubes)
		return list_has(p->answers->qubes, f->name);
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

/* The USB controllers are sys-net's where sys-usb would have them. */
static bool with_net(const struct plan *p)
{
	return p->answers->usb_with_net && is_wanted(p, &formulas[SYS_USB]);
}

static void choose(struct maker *m, const char *pillar)
{
	maker_command(m, "chroot", m->plan->places.target, "qubesctl", "top.enable",
		      arena_printf(m->plan->arena, "qvm.%s", pillar), "pillar=True", NULL);
}

/* Choices that the formulas must read when they are applied. */
static void add_choices(struct maker *m)
{
	const struct answers *a = m->plan->answers;

	for (const char *const *d = a->disposable; d && *d; d++)
		choose(m, arena_printf(m->plan->arena, "disposable-%s", *d));
	if (with_net(m->plan))
		choose(m, "sys-net-as-usbvm");
	if (a->usb_keyboard)
		choose(m, "usb-keyboard");
	if (a->usb_mouse)
		choose(m, "sys-usb-allow-mouse");
}

/* Is this one of the plan, and does it start with the machine? */
static bool would_start(const struct plan *p, const struct formula *f, bool network, bool gateway)
{
	if (f == &formulas[SYS_USB] && with_net(p))
		return false;
	return f->starts && (is_wanted(p, f) || (f == &formulas[SYS_NET] && network) ||
			     (f == &formulas[SYS_FIREWALL] && gateway));
}

static void add_templates(struct maker *m)
{
	const struct plan *p = m->plan;
	const char *const *kernels = p->facts->guest_kernels, *const *templates = p->templates;
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
		if (!wanted) {
			add_choices(m);
			apply(m, "default-dispvm,qvm.default-mgmt-dvm");
		}
		apply(m, formulas[i].name);
		wanted = true;
		gateway |= formulas[i].gateway;
		network |= formulas[i].gateway || i == SYS_NET || (i == SYS_USB && with_net(p));
	}
	if (wanted)
		add_globals(m, network, gateway);
	for (size_t i = 0; !p->answers->autostart && i < sizeof(formulas) / sizeof(*formulas); i++)
		if (would_start(p, &formulas[i], network, gateway))
			maker_command(m, "chroot", p->places.target, "qvm-prefs", formulas[i].name, "autostart", "False",
				      NULL);
}

void plan_add_qubes(struct maker *m)
{
	const struct plan *p = m->plan;
	const char *stays = disk_is_usb(p) ? "the disk" : "the only keyboard";

	maker_step(m, "qubes", step_qubes, "Make the qubes");
	m->step->after = step_qubes_after;
	maker_call(m, "start qubesd --root %s --offline --socket-dir " INSTALL_SOCKET_DIR ", and stop it afterwards",
		   p->places.target);
	maker_call(m, "meanwhile: bind /proc, /sys, /dev, and " INSTALL_SOCKET_DIR " as run, below %s", p->places.target);
	if (usb_stays(p) && is_wanted(p, &formulas[SYS_USB]))
		maker_call(m, "with sys-usb: %s is on USB and is lost to dom0 once it starts", stays);
	else if (!p->answers->qubes && usb_stays(p))
		maker_call(m, "without sys-usb: %s is on USB", stays);
	add_templates(m);
	if (p->templates && *p->templates)
		add_default_qubes(m);
}
