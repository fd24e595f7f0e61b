BINS += qa-run
qa-run_SRCS := $(addprefix qa/,main.c channel.c machine.c report.c run.c scenario.c shell.c timeouts.c)
qa-run_LIBS := common

CHECK_FAST += qa/tests/harness

TESTS += test-shell
test-shell_SRCS := qa/tests/test_shell.c $(addprefix qa/,channel.c machine.c run.c shell.c timeouts.c)
test-shell_LIBS := common

FUZZ += fuzz-yaml
fuzz-yaml_SRCS := qa/fuzz/yaml.c
fuzz-yaml_LIBS := common
