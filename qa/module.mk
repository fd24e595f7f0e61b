BINS += qa-run
qa-run_SRCS := $(addprefix qa/,main.c channel.c machine.c report.c run.c scenario.c timeouts.c)
qa-run_LIBS := common

CHECK_FAST += qa/tests/harness

FUZZ += fuzz-yaml
fuzz-yaml_SRCS := qa/fuzz/yaml.c
fuzz-yaml_LIBS := common
