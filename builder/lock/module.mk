# The format is a library of its own: fetching and building need it without the solver.
LIBS += builder-lock
builder-lock_SRCS := builder/lock/lock.c builder/lock/words.c builder/lock/diff.c
builder-lock_LIBS := common

builder_SRCS += $(addprefix builder/lock/,apt.c check.c command.c resolve.c suite.c tools_root.c)
builder_LIBS += builder-fetch builder-deb builder-lock

TESTS += test-lock
test-lock_SRCS := $(addprefix builder/tests/test_,deb_index.c lock_check.c lock_format.c)
test-lock_LIBS := builder
CHECK_FAST += builder/tests/lock-cases

FUZZ += fuzz-lock
fuzz-lock_SRCS := qa/fuzz/lock.c
fuzz-lock_LIBS := builder-lock
