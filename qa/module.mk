BINS += qa-run
qa-run_SRCS := $(addprefix qa/,main.c channel.c machine.c report.c run.c scenario.c timeouts.c)
qa-run_LIBS := common

CHECK_FAST += qa/tests/harness
