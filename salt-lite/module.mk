# The state engine.
LIBS += salt-values salt-jinja salt-engine
salt-values_SRCS := $(addprefix salt-lite/value/,heap.c map.c regex.c resolve.c value.c write.c yaml.c)
salt-values_LIBS := common
salt-values_PKGS := yaml-0.1 libpcre2-8
salt-values_LDLIBS := -lm
salt-jinja_SRCS := $(addprefix salt-lite/jinja/,eval.c expression.c filters.c globals.c is.c lex.c methods.c parse.c run.c)
salt-jinja_LIBS := salt-values
salt-jinja_LDLIBS := -lm

salt-engine_SRCS := $(addprefix salt-lite/engine/,arg.c compile.c conditions.c execution.c external.c grains.c parallel.c \
	render.c report.c requisite.c result.c run.c shell.c states.c top.c) \
	$(addprefix salt-lite/states/,account.c command.c edit.c file.c lines.c pkg.c qvm.c qvm_function.c service.c system.c tables.c \
	tool.c)
salt-engine_LIBS := salt-jinja qubesadmin

BINS += salt-lite qubesctl
XEN_BINS += salt-lite qubesctl
qubesctl_SRCS := $(addprefix salt-lite/control/,ask.c bundle.c main.c management.c roots.c target.c targets.c top.c)
qubesctl_LIBS := qubesadmin common
salt-lite_SRCS := salt-lite/main.c
salt-lite_LIBS := salt-engine
# The sanitizers have no static form. The linker would warn of look-ups in libcrypto that nothing here calls.
salt-lite_LDFLAGS := $(if $(SAN)$(FUZZING),,-static -Wl$(comma)--no-warnings)

# What make bench-salt measures against.
SOCKET_BINS += salt-floor salt-rounds
salt-rounds_SRCS := salt-lite/tests/rounds.c
salt-rounds_LIBS := salt-engine
salt-floor_SRCS := salt-lite/tests/floor.c
salt-floor_LIBS := common
salt-floor_PKGS := yaml-0.1

TESTS += test-salt-template
test-salt-template_SRCS := salt-lite/tests/test_template.c
test-salt-template_LIBS := salt-jinja
CHECK_FAST += salt-lite/tests/recheck
CHECK_FAST += salt-lite/tests/formulas
CHECK_FAST += salt-lite/tests/states
CHECK_FAST += salt-lite/tests/targets

FUZZ += fuzz-salt-jinja fuzz-salt-yaml fuzz-salt-top
fuzz-salt-top_SRCS := qa/fuzz/salt-top.c
fuzz-salt-top_LIBS := salt-engine
fuzz-salt-jinja_SRCS := qa/fuzz/salt-jinja.c
fuzz-salt-jinja_LIBS := salt-jinja
fuzz-salt-yaml_SRCS := qa/fuzz/salt-yaml.c
fuzz-salt-yaml_LIBS := salt-values
